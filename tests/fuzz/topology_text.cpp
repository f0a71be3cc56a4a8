// Topology files of every format, and views of what was read: no input may crash, hang, or take absurd memory.
#include <gpuplace/topology/dot.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/read.hpp>
#include <gpuplace/topology/visible.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void use(gpuplace::topology::graph const& g) {
  using namespace gpuplace::topology;
  if (g.devices().size() > 64) return;
  auto const drawing = to_dot(g);
  auto const again = from_json(to_json(g));
  if (drawing.empty() || !again || again->devices() != g.devices()) std::abort();
  auto const seen = visible(g, {.cuda_visible_devices = "1,0", .cuda_device_order = {}});
  if (seen && seen->size() > 2 * g.devices().size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace gpuplace::topology;
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  if (auto const g = read_text(text, {.open_files = false, .most_devices = 4096})) use(*g);
  if (auto const g = read_smi_matrix(text)) use(*g);
  if (auto const g = read_nccl_xml(text)) use(*g);
  if (auto const g = read_hwloc_graph(text)) use(*g);
  if (auto const host = read_hwloc_xml(text); host && host->devices.size() > size) std::abort();
  return 0;
}
