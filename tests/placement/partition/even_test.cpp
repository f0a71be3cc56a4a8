#include <gpuplace/placement/partition/even.hpp>

#include "placement/machines.hpp"

#include <gtest/gtest.h>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace t = gpuplace::testing;

namespace {
std::vector<std::size_t> spread(std::int64_t layers, std::size_t devices, bool tied = false) {
  auto const model = t::small_model(layers, 1024, tied);
  return t::layers_of(even{}.partition(model.units, t::gpus(devices, 24_GiB), {}).value(), model);
}
}  // namespace

TEST(even, gives_the_documents_pictures) {
  EXPECT_EQ(spread(24, 6), (std::vector<std::size_t>(6, 4)));
  EXPECT_EQ(spread(24, 2), (std::vector<std::size_t>{12, 12}));
  EXPECT_EQ(spread(36, 8), (std::vector<std::size_t>{5, 5, 5, 5, 4, 4, 4, 4}));
}

TEST(even, covers_every_unit_once_whatever_the_sizes) {
  for (std::int64_t layers = 1; layers <= 40; ++layers)
    for (std::size_t devices = 1; devices <= static_cast<std::size_t>(layers); ++devices) {
      auto const model = t::small_model(layers);
      auto const spans = even{}.partition(model.units, t::gpus(devices, 24_GiB), {}).value();
      ASSERT_EQ(spans.size(), devices);
      std::size_t next = 0;
      for (auto const& s : spans) {
        EXPECT_EQ(s.first, next);
        next = s.last;
      }
      EXPECT_EQ(next, model.units.size());
      auto const counts = t::layers_of(spans, model);
      EXPECT_LE(*std::ranges::max_element(counts) - *std::ranges::min_element(counts), 1U);
    }
}

TEST(even, a_shared_tied_head_returns_to_the_embedding) {
  auto const model = t::small_model(4, 1024, true);
  auto const spans = even{}.partition(model.units, t::gpus(2, 24_GiB), {.head = tied_head::shared}).value();
  ASSERT_EQ(spans.size(), 3U);
  EXPECT_EQ(spans.back().device, 0U);
  EXPECT_EQ(model.units[spans.back().first].kind, unit_kind::head);
  EXPECT_EQ(even{}.partition(model.units, t::gpus(2, 24_GiB), {.head = tied_head::copied}).value().size(), 2U);
}

TEST(even, a_vision_tower_stays_with_the_embedding) {
  auto const model = t::preset("qwen2.5-vl-72b");
  auto const spans = even{}.partition(model.units, t::gpus(4, 80_GiB), {}).value();
  EXPECT_EQ(spans.size(), 4U);
  EXPECT_EQ(t::layers_of(spans, model), (std::vector<std::size_t>(4, 20)));
  EXPECT_EQ(model.units[spans.front().first].kind, unit_kind::vision);
}

TEST(even, refuses_more_devices_than_layers) {
  auto const model = t::small_model(3);
  auto const spans = even{}.partition(model.units, t::gpus(4, 24_GiB), {});
  ASSERT_TRUE(spans.has_error());
  EXPECT_NE(spans.error().message().find("3 layers cannot be spread evenly over 4 devices"), std::string::npos);
}
