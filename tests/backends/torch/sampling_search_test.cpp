#include "../../../src/cuda/kernels/sampling_search.hpp"
#include "choice.hpp"
#include "sampling_cases.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace gpuplace::torch_tests {
namespace {

/// What a block of threads is asked, done by one.
class host_row {
public:
  static constexpr unsigned capacity = 2048;

  explicit host_row(std::vector<float> const& logits) : logits_(logits) {
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (auto const rank = cuda::rank_of(logits[i]); i == 0 || rank > top_) top_ = rank, first_ = static_cast<std::int32_t>(i);
  }
  int size() const { return static_cast<int>(logits_.size()); }
  std::uint32_t top() const { return top_; }
  std::int32_t first() const { return first_; }
  std::uint32_t near(int n) const {
    std::vector<std::uint32_t> best(1024, top_);
    for (std::size_t i = 0; i < logits_.size(); ++i) best[i % 1024] = std::min(best[i % 1024], below(i));
    std::ranges::sort(best);
    return best[static_cast<std::size_t>(std::min(n, 768) - 1)];
  }
  template <int n, class F>
  cuda::token_sums<n> sums(F f) {
    ++passes;
    cuda::token_sums<n> total;
    for (std::size_t i = 0; i < logits_.size(); ++i) total.add(f(below(i), logits_[i], static_cast<std::int32_t>(i)));
    return total;
  }
  void start_keeping() { kept_.clear(); }
  void keep(std::uint32_t below, std::uint64_t measure) {
    if (kept_.size() < capacity) kept_.emplace_back(below, measure);
  }
  template <class F>
  std::uint64_t sum_kept(F f) const {
    std::uint64_t sum = 0;
    for (auto const& [below, measure] : kept_) sum += f(below, measure);
    return sum;
  }
  template <class F, class Wanted>
  std::int32_t locate(F f, Wanted wanted_of) {
    auto const at = [&](std::size_t i) { return f(below(i), logits_[i], static_cast<std::int32_t>(i)); };
    ++passes;
    std::uint64_t all = 0, sum = 0;
    for (std::size_t i = 0; i < logits_.size(); ++i) all += at(i);
    auto const wanted = wanted_of(all);
    std::size_t i = 0;
    while ((sum += at(i)) < wanted) ++i;
    return static_cast<std::int32_t>(i);
  }

  int passes = 0;

private:
  std::uint32_t below(std::size_t i) const { return top_ - cuda::rank_of(logits_[i]); }

  std::vector<float> const& logits_;
  std::uint32_t top_ = 0;
  std::int32_t first_ = -1;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> kept_;
};

TEST(sampling_search, finds_the_token_that_the_sampler_draws) {
  int most_passes = 0;
  for (std::size_t const vocabulary : {7, 257, 5000, 32000})
    for (auto const& row : rows_of(vocabulary))
      for (auto const& how : settings_to_try())
        for (int position = 0; position < (vocabulary < 1000 ? 40 : 3); ++position) {
          sample_request const ask{how, 77, position};
          auto const theirs = torch_detail::sample_token(row.logits, ask).value_or(-1);
          host_row asked(row.logits);
          auto const ours = cuda::find_token(asked, *torch_detail::choice_of(ask, 0, static_cast<std::int64_t>(vocabulary)));
          ASSERT_EQ(ours, theirs) << row.name << ' ' << vocabulary << ' ' << describe(how) << " at " << position;
          most_passes = std::max(most_passes, asked.passes);
        }
  EXPECT_LT(most_passes, 60) << "the search comes to an end whatever the logits are";
}

TEST(sampling_search, three_passes_are_enough_for_usual_settings) {
  auto const logits = normal_logits(151936, 3, 1);
  for (auto const& [how, passes] :
       {std::pair{sampling{.temperature = 1}, 1}, std::pair{sampling{.temperature = 0.7, .top_k = 20}, 2},
        std::pair{sampling{.temperature = 0.7, .top_p = 0.8, .top_k = 20}, 3},
        std::pair{sampling{.temperature = 0.7, .top_p = 0.9}, 2}}) {
    sample_request const ask{how, 3, 4};
    host_row asked(logits);
    EXPECT_EQ(cuda::find_token(asked, *torch_detail::choice_of(ask, 0, 151936)), torch_detail::sample_token(logits, ask));
    EXPECT_LE(asked.passes, passes) << describe(how);
  }
}

TEST(sampling_math, ranks_keep_the_order_of_numbers) {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  std::vector<float> const ascending{-infinite, -3e38f, -1, -1e-40f, 0, 1e-45f, 1, 1.0000001f, 3e38f, infinite};
  for (std::size_t i = 0; i + 1 < ascending.size(); ++i) {
    EXPECT_LT(cuda::rank_of(ascending[i]), cuda::rank_of(ascending[i + 1]));
    EXPECT_EQ(cuda::logit_of(cuda::rank_of(ascending[i])), ascending[i]);
    EXPECT_EQ(cuda::can_choose(cuda::rank_of(ascending[i])), std::isfinite(ascending[i]));
  }
  EXPECT_EQ(cuda::rank_of(-0.0f), cuda::rank_of(0.0f));
  EXPECT_GT(cuda::rank_of(std::nanf("")), cuda::rank_of(infinite));
  EXPECT_GT(cuda::rank_of(-std::nanf("")), cuda::rank_of(infinite));
  EXPECT_FALSE(cuda::can_choose(cuda::rank_of(std::nanf(""))));
}

TEST(sampling_math, weights_are_probabilities) {
  EXPECT_EQ(cuda::weight_of(0, 1), cuda::full_weight);
  EXPECT_EQ(cuda::weight_of(0, cuda::scale_of(1e-300)), cuda::full_weight);
  EXPECT_EQ(cuda::weight_of(1e-30f, cuda::scale_of(1e-300)), 0U);
  EXPECT_EQ(cuda::weight_of(std::numeric_limits<float>::infinity(), cuda::scale_of(1e300)), 0U);
  for (double const temperature : {0.1, 0.7, 1.0, 3.0}) {
    auto before = cuda::full_weight;
    for (float distance = 0; distance < 20; distance += 0.001f) {
      auto const weight = cuda::weight_of(distance, cuda::scale_of(temperature));
      auto const expected = std::exp(-double{distance} / temperature) * static_cast<double>(cuda::full_weight);
      EXPECT_NEAR(static_cast<double>(weight), expected, 4e-6 * expected + 1) << distance << " at " << temperature;
      EXPECT_LE(weight, before);
      before = weight;
    }
  }
}

TEST(sampling_math, places_are_the_high_half_of_a_product) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 10000; ++i) {
    auto const draw = random(), mass = random() >> (i % 64);
    __extension__ using wide = unsigned __int128;
    EXPECT_EQ(cuda::place_of(draw, mass), static_cast<std::uint64_t>(wide{draw} * mass >> 64));
  }
}

}  // namespace
}  // namespace gpuplace::torch_tests
