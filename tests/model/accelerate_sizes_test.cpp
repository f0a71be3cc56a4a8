// Bytes of every unit against accelerate's compute_module_sizes: see tests/data/models/make_sizes_oracle.py.
#include <gtest/gtest.h>

#include <gpuplace/model/config_json.hpp>
#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <string>
#include <vector>

using namespace gpuplace;

namespace {

nlohmann::json const& cases() {
  static auto const oracle = read_json_file(GPUPLACE_TEST_DATA "/models/sizes_oracle.json").value();
  return oracle["cases"];
}

/// Scales of a unit's quantised weights, which accelerate does not count: int8 has four bytes a row, int4 two for 64 inputs.
std::int64_t scale_bytes(unit_tensors const& unit, dtype type) {
  std::int64_t total = 0;
  for (auto const& t : unit.tensors) {
    if (!t.quantizable) continue;
    if (type == dtype::int8) total += 4 * t.shape[0];
    if (type == dtype::int4) total += 2 * t.shape[0] * ((t.shape[1] + 63) / 64);
  }
  return total;
}

void expect_sizes(model_config const& config, nlohmann::json const& sizes, std::string const& name) {
  auto const tensors = tensors_by_unit(config);
  for (auto const type : all_dtypes) {
    std::vector<std::int64_t> expected;
    for (auto const& run : sizes.at(std::string(to_string(type))))
      expected.insert(expected.end(), run[0].get<std::size_t>(), run[1].get<std::int64_t>());
    auto const model = describe(config, type, name, name);
    ASSERT_EQ(model.units.size(), expected.size()) << name;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      auto const& u = model.units[i];
      auto const counted = u.tied ? 0 : u.weight_bytes.count() - scale_bytes(tensors[i], type);  // a tied head is the embedding's
      EXPECT_EQ(counted, expected[i]) << name << ' ' << u.name << ' ' << to_string(type);
    }
  }
}

std::string name_of(nlohmann::json const& c) {
  return c["preset"].is_null() ? c["config"]["architectures"][0].get<std::string>() : c["preset"].get<std::string>();
}

}  // namespace

TEST(accelerate_sizes, configurations_that_transformers_writes_have_its_bytes) {
  for (auto const& c : cases()) {
    auto const config = model_config_from_json(c["config"], "config.json");
    ASSERT_TRUE(config) << name_of(c) << ": " << config.error();
    expect_sizes(*config, c["sizes"], name_of(c));
  }
}

TEST(accelerate_sizes, presets_have_the_same) {
  std::vector<std::string> seen;
  for (auto const& c : cases()) {
    if (c["preset"].is_null()) continue;
    seen.push_back(name_of(c));
    expect_sizes(preset_config(seen.back()).value(), c["sizes"], seen.back());
  }
  EXPECT_EQ(seen, preset_names());
}

TEST(accelerate_sizes, what_transformers_does_not_split_is_one_unit) {
  for (auto const& c : cases())
    for (auto const& whole : c["no_split"])
      EXPECT_TRUE(whole.get<std::string>().ends_with("DecoderLayer") || whole.get<std::string>().ends_with("VisionBlock"))
          << name_of(c) << ": " << whole;
}

TEST(accelerate_sizes, buffers_that_no_unit_counts_are_tables_of_rotations) {
  for (auto const& c : cases())
    for (auto const& [type, bytes] : c["buffers"].items()) EXPECT_LE(bytes.get<std::int64_t>(), 4096) << name_of(c) << ' ' << type;
}
