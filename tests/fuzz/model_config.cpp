// Feeds bytes to the reader of config.json. What it accepts must describe a model whose amounts are all numbers above zero.
#include <gpuplace/model/config_json.hpp>
#include <gpuplace/model/describe.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace gpuplace;
  auto const json = parse_json({reinterpret_cast<char const*>(data), size}, "config.json");
  if (!json) return 0;
  auto const config = model_config_from_json(*json, "/nowhere/config.json");
  if (!config) {
    if (config.error().what.empty()) std::abort();
    return 0;
  }
  if (config->layers > 64 || (config->vision && config->vision->blocks > 64)) return 0;  // as sound, only slower
  auto const model = describe(*config, config->type, "fuzzed", "config.json");
  for (auto const& u : model.units)
    if (u.weight_bytes.count() <= 0 || u.workspace_bytes_per_token.count() <= 0 || kv_bytes(u, demand{}).count() < 0) std::abort();
  if (model.fingerprint.size() != 16) std::abort();
  return 0;
}
