// `max_memory` of the command line and of a configuration: what is read are limits, and they can be applied to a machine.
#include <gpuplace/placement/limits.hpp>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/presets.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

void hold(bool holds) {
  if (!holds) std::abort();
}

gpuplace::device_group const& machine() {
  static auto const view = gpuplace::topology::all_devices(gpuplace::topology::preset("dgx-h100").value());
  return view;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const limits = gpuplace::parse_memory_limits({reinterpret_cast<char const*>(data), size});
  if (!limits) return hold(!limits.error().what.empty()), 0;
  for (auto const& entry : limits->by_position) hold(entry.second.count() >= 0);
  auto const limited = gpuplace::apply(*limits, machine());
  if (!limited) return hold(!limited.error().what.empty()), 0;
  for (std::size_t i = 0; i < limited->view.size(); ++i) hold(limited->view.capacity(i) <= machine().capacity(0));
  return 0;
}
