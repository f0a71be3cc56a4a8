// A device_map, read and held against a small model: a partition that covers every unit once, or a refusal whose completed map
// works.
#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/detail/carry_out.hpp>
#include <gpuplace/placement/partition/manual.hpp>
#include <gpuplace/plan/read_device_map.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace gpuplace;
  static auto const model = describe(*preset_config("qwen3-1.7b"), dtype::bf16, "model", "preset");
  static auto const group = uniform_group(4, bytes{std::int64_t{1} << 34}, path{});
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  auto const map = parse_device_map(text);
  if (!map) return map.error().message().empty() ? std::abort(), 0 : 0;
  auto const spans = manual{*map}.partition(model.units, group, {});
  if (spans) {
    if (!detail::check_spans(*spans, model.units.size(), group, "manual")) std::abort();
    return 0;
  }
  auto const& remedy = spans.error().remedy;
  constexpr std::string_view completed = "the completed map: ";
  if (!remedy.starts_with(completed)) return 0;
  auto const again = parse_device_map(remedy.substr(completed.size()));
  if (again && !manual{*again}.partition(model.units, group, {})) std::abort();
  return 0;
}
