#include "ports.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <sstream>
#include <system_error>

namespace gpuplace::cli {

namespace {

namespace fs = std::filesystem;

constexpr int most_ports = 4096;

error no_port(std::string_view text) {
  return {errc::invalid_argument, "'" + std::string(text) + "' is no list of ports", "--ports",
          "write 8001-8008 or 8000,8101-8104"};
}

// A number in decimal or hexadecimal that is all of `text`; -1 where it is none.
int whole_number(std::string_view text, int base = 10) {
  int number = -1;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return failed == std::errc{} && end == text.data() + text.size() ? number : -1;
}

// The sockets that listen: inode by port.
void read_listeners(fs::path const& table, std::map<int, std::string>& listeners) {
  std::ifstream in(table);
  std::string line;
  std::getline(in, line);  // names of the columns
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    if (!(words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> inode)) continue;
    auto const colon = local.rfind(':');
    if (state == "0A" && colon != local.npos) listeners.emplace(whole_number(std::string_view(local).substr(colon + 1), 16), inode);
  }
}

std::string program_of(fs::path const& process) {
  std::ifstream in(process / "comm");
  std::string name;
  std::getline(in, name);
  return name;
}

bool holds(fs::path const& process, std::string const& socket) {
  std::error_code failed;
  for (fs::directory_iterator at(process / "fd", failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code ignored;
    if (fs::read_symlink(at->path(), ignored) == socket) return true;
  }
  return false;
}

void find_owner(port_state& port, std::string const& inode, fs::path const& proc) {
  std::error_code failed;
  for (fs::directory_iterator at(proc, failed), end; !failed && at != end; at.increment(failed)) {
    auto const pid = whole_number(at->path().filename().string());
    if (pid < 0 || !holds(at->path(), "socket:[" + inode + "]")) continue;
    port.pid = pid;
    port.program = program_of(at->path());
    return;
  }
}

}  // namespace

result<std::vector<int>> parse_ports(std::string_view text) {
  std::vector<int> ports;
  for (std::string_view rest = text; !rest.empty() || ports.empty();) {
    auto const part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    auto const dash = part.find('-');
    auto const first = whole_number(part.substr(0, dash));
    auto const last = dash == part.npos ? first : whole_number(part.substr(dash + 1));
    if (first < 1 || last < first || last > 65535) return no_port(text);
    if (static_cast<int>(ports.size()) + last - first >= most_ports)
      return error{errc::invalid_argument, "more than " + std::to_string(most_ports) + " ports", "--ports", "name fewer"};
    for (int port = first; port <= last; ++port) ports.push_back(port);
  }
  return ports;
}

std::vector<port_state> look_at_ports(std::vector<int> const& ports, fs::path const& proc) {
  std::map<int, std::string> listeners;
  for (auto const* table : {"tcp", "tcp6"}) read_listeners(proc / "net" / table, listeners);
  std::vector<port_state> seen;
  for (auto const number : ports) {
    auto& port = seen.emplace_back(port_state{.number = number, .taken = false, .pid = 0, .program = {}});
    auto const at = listeners.find(number);
    port.taken = at != listeners.end();
    if (port.taken) find_owner(port, at->second, proc);
  }
  return seen;
}

std::string port_list(std::vector<int> const& ports) {
  std::string text;
  for (std::size_t i = 0; i < ports.size();) {
    auto last = i;
    while (last + 1 < ports.size() && ports[last + 1] == ports[last] + 1) ++last;
    text += (text.empty() ? "" : ", ") + std::to_string(ports[i]) + (last > i ? "-" + std::to_string(ports[last]) : "");
    i = last + 1;
  }
  return text;
}

}  // namespace gpuplace::cli
