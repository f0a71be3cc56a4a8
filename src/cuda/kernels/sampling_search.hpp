#pragma once
/// @file
/// How a token is found without sorting: what a row of logits is asked, for a block of threads and for a test on the host.

#include "sampling_math.hpp"

#include <cstdint>
#include <limits>

namespace gpuplace::cuda {

/// Sums over tokens, and how many tokens are in each.
template <int n>
struct token_sums {
  std::uint64_t measure[n] = {};
  std::uint32_t count[n] = {};

  GPUPLACE_ANYWHERE void add(token_sums const& other) {
    for (int i = 0; i < n; ++i) {
      measure[i] += other.measure[i];
      count[i] += other.count[i];
    }
  }
};

/// Where a running sum over a row, likeliest tokens first, reaches what is wanted. A logit is told by how many ranks it is below
/// the largest one.
struct threshold {
  std::uint32_t below = ~0u;
  std::uint64_t before = 0;  ///< the sum of the likelier tokens
  std::uint64_t at = 0;      ///< the sum of those with this logit
};

/// Where to part the ranks (low, high] next: evenly in logits, as tokens lie where they are many, and every fourth time in ranks,
/// which comes to an end whatever the logits are. Towards an end that is not known parts grow by the distance to the largest logit.
/// @param i  of `parts` - 1
GPUPLACE_ANYWHERE inline std::int64_t pivot_of(std::uint32_t top, std::int64_t low, std::int64_t high, int i, int parts,
                                               int round) {
  auto pivot = low + (high - low) * (i + 1) / parts;
  if (round % 4 != 3) {
    float const from = low < 0 ? logit_of(top) : logit_of(top - static_cast<std::uint32_t>(low));
    float const way = high < top ? from - logit_of(top - static_cast<std::uint32_t>(high)) : logit_of(top) - from;
    float const part = high < top ? static_cast<float>(i + 1) / static_cast<float>(parts) : static_cast<float>(1 << 2 * i);
    pivot = std::int64_t{top} - std::int64_t{rank_of(from - way * part)};
  }
  return pivot <= low ? low + 1 : pivot >= high ? high - 1 : pivot;
}

/// Finds a threshold: one pass over the row where `guess` is good, a few where it is not.
/// @tparam Row       capacity: tokens that it can keep. sums<n>(f): of f(below, logit, token). start_keeping(), and
///                   keep(below, measure) from within sums(). sum_kept(f): of f(below, measure)
/// @param measure    (below, logit): what is summed
/// @param guess      a rank that the threshold probably is not beyond
/// @param wanted_of  (sum over all tokens): what the running sum shall reach, 1 to that sum
template <class Row, class Measure, class Wanted>
GPUPLACE_ANYWHERE threshold find_threshold(Row& row, Measure measure, std::uint32_t guess, Wanted wanted_of) {
  struct bound {
    std::int64_t below;
    std::uint64_t sum, count;
  };
  row.start_keeping();
  auto const halves = row.template sums<2>([&](std::uint32_t below, float logit, std::int32_t) {
    auto const m = measure(below, logit);
    bool const in = below <= guess;
    if (in) row.keep(below, m);
    return token_sums<2>{{m, in ? m : 0}, {1, in ? 1u : 0u}};
  });
  auto const wanted = wanted_of(halves.measure[0]);
  bound low{-1, 0, 0}, high{std::numeric_limits<std::uint32_t>::max(), halves.measure[0], halves.count[0]};
  bool kept = halves.measure[1] >= wanted && halves.count[1] <= Row::capacity;
  (halves.measure[1] >= wanted ? high : low) = {guess, halves.measure[1], halves.count[1]};
  int round = 0;
  while (high.below - low.below > 1 && high.count - low.count > Row::capacity) {
    constexpr int pivots = 3;  // more sums than a thread's registers hold would slow all of the kernel
    std::int64_t pivot[pivots];
    for (int i = 0; i < pivots; ++i) pivot[i] = pivot_of(row.top(), low.below, high.below, i, pivots + 1, round);
    ++round;
    auto const parts = row.template sums<pivots>([=](std::uint32_t below, float logit, std::int32_t) {
      token_sums<pivots> s;
      auto const m = measure(below, logit);
      for (int i = 0; i < pivots; ++i) {
        bool const in = below <= pivot[i];
        s.measure[i] = in ? m : 0;
        s.count[i] = in ? 1 : 0;
      }
      return s;
    });
    for (int i = pivots - 1; i >= 0; --i)
      if (parts.measure[i] >= wanted) high = {pivot[i], parts.measure[i], parts.count[i]};
    for (int i = 0; i < pivots; ++i)
      if (parts.measure[i] < wanted) low = {pivot[i], parts.measure[i], parts.count[i]};
  }
  if (high.below - low.below == 1) return {static_cast<std::uint32_t>(high.below), low.sum, high.sum - low.sum};
  if (!kept) {
    row.start_keeping();
    row.template sums<1>([&](std::uint32_t below, float logit, std::int32_t) {
      if (below > low.below && below <= high.below) row.keep(below, measure(below, logit));
      return token_sums<1>{};
    });
  }
  auto least = low.below, most = high.below;
  auto before = low.sum;
  while (most - least > 1) {
    auto const middle = least + (most - least) / 2;
    auto const sum = low.sum + row.sum_kept([&](std::uint32_t below, std::uint64_t m) { return below <= middle ? m : 0; });
    if (sum >= wanted) {
      most = middle;
    } else {
      least = middle;
      before = sum;
    }
  }
  auto const found = static_cast<std::uint32_t>(most);
  return {found, before, row.sum_kept([&](std::uint32_t below, std::uint64_t m) { return below == found ? m : 0; })};
}

/// The token that `rule` chooses from a row after its penalties; -1 where its largest logit is no finite number.
/// @tparam Row  as find_threshold wants it; also size(); top(), the rank of the largest logit, and first(), its first token;
///              near(n), so many ranks below the largest that about n tokens or more are above; and locate(f, wanted_of), the
///              first token at which the running sum of f(below, logit, token) in the order of tokens reaches wanted_of(sum over all)
template <class Row>
GPUPLACE_ANYWHERE std::int32_t find_token(Row& row, choice_rule const& rule) {
  if (!can_choose(row.top())) return -1;
  if (rule.greedy()) return row.first();
  float const top = logit_of(row.top());
  auto const weight = [top, scale = rule.scale](float logit) { return weight_of(plus(top, -logit), scale); };
  std::uint32_t last = ~0u;                                          // kept are those of rank `last` and above,
  std::int32_t last_tie = std::numeric_limits<std::int32_t>::max();  // and of those with that rank the tokens up to this one

  if (rule.top_k > 0 && rule.top_k < row.size())
    last = find_threshold(
               row, [](std::uint32_t, float) { return std::uint64_t{1}; }, row.near(rule.top_k),
               [&](std::uint64_t) { return static_cast<std::uint64_t>(rule.top_k); })
               .below;
  if (rule.top_p < 1) {
    std::uint64_t wanted = 0;
    constexpr int usual = 512;  // tokens that hold top_p, or fewer
    auto const guess = row.near(usual);
    auto const found = find_threshold(
        row, [=](std::uint32_t below, float logit) { return below <= last ? weight(logit) : 0; }, guess < last ? guess : last,
        [&](std::uint64_t mass) { return wanted = wanted_of(rule.top_p, mass); });
    last = found.below;
    auto const each = weight(logit_of(row.top() - last));
    auto const ties = (wanted - found.before + each - 1) / each;
    if (ties * each < found.at)
      last_tie = row.locate([=](std::uint32_t below, float, std::int32_t) { return std::uint64_t{below == last ? 1u : 0u}; },
                            [&](std::uint64_t) { return ties; });
  }
  auto const least = rule.least_weight;
  return row.locate(
      [=](std::uint32_t below, float logit, std::int32_t token) -> std::uint64_t {
        if (below > last || (below == last && token > last_tie)) return 0;
        auto const w = weight(logit);
        return w >= least ? w : 0;
      },
      [&](std::uint64_t mass) { return place_of(rule.draw, mass) + 1; });
}

}  // namespace gpuplace::cuda
