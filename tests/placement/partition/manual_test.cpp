#include <gpuplace/placement/partition/manual.hpp>

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/plan/device_map.hpp>
#include <gpuplace/plan/read_device_map.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

#include <random>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {

result<stages> placed(std::string_view map, model_description const& model, device_group const& group) {
  auto read = parse_device_map(map);
  if (!read) return read.error();
  return manual{*std::move(read)}.partition(model.units, group, {});
}

/// "0:embed_tokens 0:4 1:2 …": device and number of units of each stage.
std::string picture(std::string_view map, std::size_t devices = 4, model_description const& model = t::small_model(4)) {
  auto const spans = placed(map, model, t::gpus(devices, 24_GiB));
  if (!spans) return spans.error().message();
  std::string text;
  for (auto const& s : *spans)
    text += (text.empty() ? "" : " ") + std::to_string(s.device) + ":" + std::to_string(s.last - s.first);
  return text;
}

error refusal(std::string_view map, std::size_t devices = 4, model_description const& model = t::small_model(4)) {
  auto const spans = placed(map, model, t::gpus(devices, 24_GiB));
  return spans ? error{errc::cancelled, "was placed", {}, {}} : spans.error();
}

}  // namespace

// A small model has an embedding, four layers, a norm and a head: seven units.
TEST(manual, every_form_of_a_whole_model) {
  for (auto const* map :
       {"cuda:1", "1", R"("cuda:1")", R"({"": 1})", R"({"": "cuda:1"})", R"({"": "1"})", "{'': 1}", R"({"": [1]})", "[1]"})
    EXPECT_EQ(picture(map), "1:7") << map;
  for (auto const* map : {"cuda:0,cuda:2", "0, 2", R"({"": [0, 2]})", R"({"": ["cuda:0", "2"]})", "[0, 'cuda:2']"})
    EXPECT_EQ(picture(map), "0:3 2:4") << map;
  EXPECT_EQ(picture("2,0"), "2:3 0:4") << "the order is the map's";
}

TEST(manual, module_maps_in_old_and_new_names) {
  for (auto const* prefix : {"model", "model.language_model", "language_model.model", "base_model.model.model"}) {
    std::string const p = prefix;
    EXPECT_EQ(picture(R"({")" + p + R"(.embed_tokens": 0, ")" + p + R"(.layers.0": 0, ")" + p + R"(.layers.1": "1", ")" + p +
                      R"(.layers.2": "cuda:1", ")" + p + R"(.layers.3": 2, ")" + p + R"(.norm": 2, ")" + p +
                      R"(.rotary_emb": 0, "lm_head": 2})"),
              "0:2 1:2 2:3")
        << prefix;
  }
  EXPECT_EQ(picture(R"({"transformer.wte": 0, "transformer.h": 1, "transformer.ln_f": 2, "lm_head": 2})"), "0:1 1:4 2:2");
  EXPECT_EQ(picture(R"({"model": 0, "lm_head": 1})"), "0:6 1:1");
  EXPECT_EQ(picture(R"({"language_model": 3})"), "3:7");
}

TEST(manual, the_innermost_entry_counts_whatever_the_order) {
  EXPECT_EQ(picture(R"({"model.layers.2": 3, "model.layers": 1, "": 0})"), "0:1 1:2 3:1 1:1 0:2");
  EXPECT_EQ(picture(R"({"": [0, 1], "lm_head": 0})"), "0:3 1:3 0:1");
}

TEST(manual, a_device_may_carry_several_stages) {
  EXPECT_EQ(picture(R"({"": 0, "model.layers.1": 1, "model.layers.3": 1})"), "0:2 1:1 0:1 1:1 0:2");
}

TEST(manual, parts_of_a_layer_may_be_named_if_they_stay_together) {
  EXPECT_EQ(
      picture(
          R"({"model.embed_tokens.weight": 0, "model.layers": 0, "model.layers.1.mlp": 0, "model.norm.weight": 0, "lm_head.weight": 1})"),
      "0:6 1:1");
  EXPECT_EQ(refusal(R"({"": 0, "model.layers.1.mlp": 1})").code, errc::unsupported);
  EXPECT_NE(refusal(R"({"": 0, "model.layers.1.mlp": 1})").what.find("cuts model.layers.1"), std::string::npos);
  EXPECT_EQ(refusal(R"({"model.layers.1.mlp": 1, "model.layers.1.self_attn": 0})").code, errc::unsupported);
}

TEST(manual, the_towers_of_vision_models) {
  auto const model = t::preset("qwen2.5-vl-72b");
  auto const tower = std::to_string(std::ranges::count(model.units, unit_kind::vision, &unit::kind));
  auto const rest = std::to_string(model.units.size() -
                                   static_cast<std::size_t>(std::ranges::count(model.units, unit_kind::vision, &unit::kind)));
  auto const all = std::to_string(model.units.size() - 1);
  EXPECT_EQ(picture(R"({"visual": 0, "model": 1, "lm_head": 1})", 2, model), "0:" + tower + " 1:" + rest);
  EXPECT_EQ(picture(R"({"model.visual": 0, "model.language_model": 1, "lm_head": 1})", 2, model), "0:" + tower + " 1:" + rest);
  EXPECT_EQ(picture(R"({"model": 0, "lm_head": 1})", 2, model), "0:" + all + " 1:1")
      << "today's transformers keeps the tower in `model`";
  EXPECT_NE(refusal(R"({"model.language_model": 0, "lm_head": 0})", 2, model).what.find("does not place visual.patch_embed"),
            std::string::npos);
}

TEST(manual, an_incomplete_map_is_completed_in_the_error_and_then_works) {
  auto const e = refusal(R"({"model.embed_tokens": 0, "model.layers.0": 0, "model.layers.3": 1, "model.norm": 1})");
  EXPECT_EQ(e.code, errc::invalid_argument);
  EXPECT_EQ(e.what, "the map does not place model.layers.1, model.layers.2, lm_head");
  auto const at = e.remedy.find('{');
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(picture(e.remedy.substr(at)), "0:4 1:3") << e.remedy;
  EXPECT_NE(refusal(R"({"model.rotary_emb": 0})", 1, t::small_model(12)).what.find("and 9 more"), std::string::npos);
}

TEST(manual, any_map_that_loses_entries_is_completed) {
  std::mt19937 random(1);
  auto const model = t::small_model(6);
  for (int round = 0; round < 200; ++round) {
    std::string map;
    for (auto const& u : model.units)
      if (random() % 3)
        map += (map.empty() ? "{\"" : ", \"") + u.name + "\": " + (random() % 2 ? "\"cuda:0\"" : std::to_string(random() % 4));
    if (map.empty()) continue;
    auto const first = placed(map + "}", model, t::gpus(4, 24_GiB));
    if (first) continue;
    auto const& remedy = first.error().remedy;
    ASSERT_NE(remedy.find('{'), std::string::npos) << first.error();
    auto const second = placed(remedy.substr(remedy.find('{')), model, t::gpus(4, 24_GiB));
    EXPECT_TRUE(second) << second.error();
  }
}

TEST(manual, unknown_modules_are_named_with_the_nearest) {
  EXPECT_EQ(refusal(R"({"": 0, "model.layer": 1})").message(),
            "device_map: the model has no module 'model.layer'\n  did you mean 'model.layers'?");
  EXPECT_NE(refusal(R"({"": 0, "model.layers.9": 1})").remedy.find("layers 0 to 3"), std::string::npos);
  EXPECT_EQ(refusal(R"({"": 0, "model.layers.1.nonsense": 1})").code, errc::not_found);
  EXPECT_NE(refusal(R"({"": 0, "entirely_different": 1})").remedy.find("model.embed_tokens"), std::string::npos);
}

TEST(manual, devices_that_are_not_there) {
  auto const e = refusal(R"({"": "cuda:9"})", 2);
  EXPECT_EQ(e.code, errc::not_found);
  EXPECT_EQ(e.message(), "device_map, '': there is no device cuda:9\n  there are cuda:0, cuda:1");
  EXPECT_EQ(refusal(R"({"model": 0, "lm_head": 2})", 2).code, errc::not_found);
  EXPECT_EQ(refusal("node7/cuda:0").code, errc::not_found);
  EXPECT_TRUE(manual{}.partition(t::small_model(2).units, device_group{}, {}).has_error());
}

TEST(manual, offloading_is_refused_in_words) {
  EXPECT_NE(refusal(R"({"model": 0, "lm_head": "cpu"})").what.find("host memory"), std::string::npos);
  EXPECT_NE(refusal(R"({"model": 0, "lm_head": "disk"})").what.find("disk"), std::string::npos);
  EXPECT_EQ(refusal("cpu").code, errc::unsupported);
  EXPECT_EQ(refusal("mps").code, errc::unsupported);
}

TEST(manual, one_module_under_two_names_must_agree) {
  EXPECT_EQ(picture(R"({"": 0, "model.layers.1": 1, "transformer.h.1": 1})"), "0:2 1:1 0:4");
  EXPECT_EQ(refusal(R"({"": 0, "model.layers.1": 1, "transformer.h.1": 2})").code, errc::invalid_argument);
}

TEST(manual, cpu_slots_by_name_number_and_as_cpu) {
  device slot;
  slot.id.kind = device_kind::cpu;
  slot.capacity = 8_GiB;
  auto const one = uniform_group(1, slot, {}), two = uniform_group(2, slot, {});
  auto const model = t::small_model(2);
  EXPECT_EQ(placed("cpu", model, one).value().size(), 1U);
  EXPECT_EQ(placed("cpu:1", model, two).value().front().device, 1U);
  EXPECT_EQ(placed("1", model, two).value().front().device, 1U);
  EXPECT_NE(placed("cpu", model, two).error().remedy.find("cpu:0"), std::string::npos);
  EXPECT_TRUE(placed("cuda:0", model, one).has_error());
}

TEST(manual, replicas_take_the_maps_numbers_as_positions_of_their_own_group) {
  auto const made =
      place(t::gpus(4, 24_GiB), t::one(t::small_model(4)), data_parallel{2}, manual{parse_device_map("0,1").value()}).value();
  std::vector<int> devices;
  for (auto const& r : made.models[0].replicas)
    for (auto const& s : r.stages) devices.push_back(s.device.index);
  EXPECT_EQ(devices, (std::vector<int>{0, 1, 2, 3}));
}

TEST(manual, reads_back_the_maps_that_plans_write) {
  for (auto const* name : {"qwen2.5-1.5b", "qwen2.5-7b", "qwen2.5-vl-72b", "llama-3.1-8b", "smollm2-135m"}) {
    auto const work = t::one(t::preset(name, dtype::int4), {.context = 512, .weights_only = true});
    auto const view = t::gpus(3, 80_GiB);
    auto const made = place(view, work, one_group{}, even{}).value();
    auto const map = parse_device_map(to_device_map(made).value().dump()).value();
    auto const again = place(view, work, one_group{}, manual{map}).value();
    EXPECT_EQ(again.models[0].replicas, made.models[0].replicas) << name;
  }
}

TEST(manual, the_name_of_a_partition_is_no_map) {
  auto const e = refusal("sequential");
  EXPECT_NE(e.remedy.find("--partition sequential"), std::string::npos) << e;
}
