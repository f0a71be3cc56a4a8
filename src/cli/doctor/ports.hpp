#pragma once
// TCP ports of this machine, and who listens on them.

#include <gpuplace/core/result.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::cli {

struct port_state {
  int number = 0;
  bool taken = false;
  int pid = 0;          // 0 where it cannot be seen, as of other users
  std::string program;  // empty likewise

  friend bool operator==(port_state const&, port_state const&) = default;
};

// "8001-8008", "8000,8101-8104". Errors: errc::invalid_argument
result<std::vector<int>> parse_ports(std::string_view text);

// Who listens on which of `ports`.
// Source: proc(5): net/tcp, net/tcp6 (state 0A listens), PID/fd
std::vector<port_state> look_at_ports(std::vector<int> const& ports, std::filesystem::path const& proc = "/proc");

// "8001-8004, 8006"
std::string port_list(std::vector<int> const& ports);

}  // namespace gpuplace::cli
