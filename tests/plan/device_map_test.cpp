#include <gpuplace/plan/device_map.hpp>

#include <gtest/gtest.h>

#include "plans.hpp"

using namespace gpuplace;

namespace {

plan two_devices(bool tied) {
  plan p;
  replica r;
  r.stages = {plans::layers(plans::cuda(3), 0, 1, 4), plans::layers({device_kind::cpu, 5, {}}, 2, 3, 4)};
  p.models = {plans::model("model", "tiny", {r})};
  p.models[0].tied_embeddings = tied;
  plans::add_device(p, plans::cuda(3), {});
  plans::add_device(p, {device_kind::cpu, 5, {}}, {});
  return p;
}

TEST(device_map, names_every_module_and_the_rotary_embedding) {
  EXPECT_EQ(to_device_map(two_devices(false)).value().dump(),
            R"({"model.embed_tokens":3,"model.rotary_emb":3,"model.layers.0":3,"model.layers.1":3,"model.layers.2":"cpu",)"
            R"("model.layers.3":"cpu","model.norm":"cpu","lm_head":"cpu"})");
}

TEST(device_map, a_tied_head_follows_the_embedding) {
  auto const map = to_device_map(two_devices(true)).value();
  EXPECT_EQ(map["lm_head"], 3);
  EXPECT_EQ(map["model.norm"], "cpu");
}

TEST(device_map, vision_models_are_named_as_transformers_nests_them) {
  auto p = two_devices(false);
  auto& units = p.models[0].replicas[0].stages[0].units;
  units.insert(units.begin(), {"visual.patch_embed", "visual.blocks.0", "visual.merger"});
  auto const map = to_device_map(p).value();
  for (auto const* const name :
       {"model.visual.patch_embed", "model.visual.rotary_pos_emb", "model.visual.blocks.0", "model.visual.merger",
        "model.language_model.embed_tokens", "model.language_model.rotary_emb", "model.language_model.layers.1"})
    EXPECT_EQ(map.value(name, -1), 3) << name << " in " << map;
  EXPECT_EQ(map["model.language_model.norm"], "cpu");
  EXPECT_EQ(map["lm_head"], "cpu");
  EXPECT_EQ(map.size(), 3u + 1 + 5 + 1 + 2);
}

TEST(device_map, several_models_are_keyed_by_role) {
  auto const p = plans::six_to_two();
  auto const maps = to_device_map(p).value();
  EXPECT_EQ(maps.size(), 2u);
  EXPECT_EQ(maps["target"]["model.layers.4"], 1);
  EXPECT_EQ(maps["drafter"]["model.layers.12"], 7);
  EXPECT_EQ(to_device_map(p, {.role = "drafter"}).value(), maps["drafter"]);
  EXPECT_EQ(to_device_map(p.models[0]).value(), maps["target"]);
}

TEST(device_map, a_replica_can_be_chosen) {
  EXPECT_EQ(to_device_map(plans::copies(3)).value()["lm_head"], 0);
  EXPECT_EQ(to_device_map(plans::copies(3), {.replica = 2}).value()["lm_head"], 2);
}

TEST(device_map, what_a_map_cannot_say_is_refused) {
  auto p = plans::six_to_two();
  EXPECT_EQ(to_device_map(p, {.replica = 1}).error().code, errc::not_found);
  auto const unknown = to_device_map(p, {.role = "judge"}).error();
  EXPECT_EQ(unknown.code, errc::not_found);
  EXPECT_EQ(unknown.remedy, "it has target, drafter");
  p.models[0].replicas[0].stages[2].tensor_parallel = 2;
  EXPECT_EQ(to_device_map(p).error().code, errc::unsupported);
  p.models[0].replicas[0].stages[2] = plans::layers(plans::cuda(0, "node2"), 8, 11, 24);
  EXPECT_EQ(to_device_map(p).error().code, errc::unsupported);
  EXPECT_TRUE(to_device_map(p, {.role = "drafter"}));
  p.models[0] = p.models[1];
  EXPECT_EQ(to_device_map(p).error().code, errc::invalid_argument);
}

}  // namespace
