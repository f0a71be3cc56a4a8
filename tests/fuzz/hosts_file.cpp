// Hosts files: no input may crash, hang, or take more memory than the limit on devices allows.
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/hosts_file.hpp>
#include <gpuplace/topology/presets.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace gpuplace;
  using namespace gpuplace::topology;
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  is_hosts_text(text);
  auto const hosts = parse_hosts(text);
  if (!hosts) return 0;
  auto const read = [](std::string_view source) -> result<graph> {
    return preset(source == "preset:8xrtx3060" ? "8xrtx3060" : source == "preset:dgx1-v100" ? "dgx1-v100" : "2xh100");
  };
  read_options const limits{.name = "hosts", .most_devices = 512};
  auto const joined = join_hosts(*hosts, read, limits);
  if (!joined) return 0;
  if (joined->devices().size() > limits.most_devices || joined->devices().empty()) std::abort();
  std::set<device_id> ids;
  for (auto const& d : joined->devices())
    if (d.id.host.empty() || !ids.insert(d.id).second) std::abort();
  auto const group = all_devices(*joined);
  if (group.path(0, group.size() - 1).kind == path_kind::none) std::abort();
  return 0;
}
