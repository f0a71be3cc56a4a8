#include <gpuplace/plan/labels.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace gpuplace;

namespace {

std::string words(std::vector<std::string> const& units) { return units_text(units); }

TEST(labels, devices) {
  EXPECT_EQ(device_label({device_kind::cuda, 0, {}}), "GPU 0");
  EXPECT_EQ(device_label({device_kind::cpu, 3, {}}), "CPU 3");
  EXPECT_EQ(device_label({device_kind::cuda, 1, "node2"}), "node2 GPU 1");
}

TEST(labels, layers_are_written_as_ranges) {
  EXPECT_EQ(words({"model.layers.0", "model.layers.1", "model.layers.2", "model.layers.3", "model.layers.7"}), "layers 0-3, 7");
  EXPECT_EQ(words({"model.layers.5"}), "layer 5");
  EXPECT_EQ(words({"model.layers.10", "model.layers.9"}), "layers 9-10");
  EXPECT_EQ(words({}), "");
}

TEST(labels, layers_come_first_and_the_rest_in_the_order_of_the_chain) {
  EXPECT_EQ(words({"model.embed_tokens", "model.layers.0", "model.layers.1"}), "layers 0-1 + embedding");
  EXPECT_EQ(words({"model.layers.23", "model.norm", "lm_head"}), "layer 23 + norm + head");
  EXPECT_EQ(words({"visual.patch_embed", "visual.blocks.0", "visual.blocks.1", "visual.merger", "model.embed_tokens"}),
            "vision patches + vision blocks 0-1 + vision merger + embedding");
}

TEST(labels, other_families_name_their_layers_otherwise) {
  EXPECT_EQ(words({"model.language_model.layers.0", "model.language_model.layers.1"}), "layers 0-1");
  EXPECT_EQ(words({"transformer.wte", "transformer.h.0", "transformer.h.1", "transformer.ln_f"}), "layers 0-1 + embedding + norm");
  EXPECT_EQ(words({"model.visual.blocks.4"}), "vision block 4");
}

TEST(labels, what_nobody_knows_keeps_its_name) {
  EXPECT_EQ(words({"model.projector", "experts.x1"}), "model.projector + experts.x1");
  EXPECT_EQ(words({".", "model.layers.", "model.layers.99999999999999999999"}),
            ". + model.layers. + model.layers.99999999999999999999");
}

}  // namespace
