#include "sampler.hpp"

#include <gpuplace/runtime/random_stream.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

struct candidate {
  double weight;  ///< relative to the most likely token's
  token_id token;

  /// Heaps put the most likely token on top, the smaller id among equals.
  friend bool operator<(candidate const& a, candidate const& b) { return a.weight != b.weight ? a.weight < b.weight : a.token > b.token; }
};

std::optional<std::size_t> best_of(std::span<float const> logits) {
  std::size_t best = 0;
  bool numbers = true;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    numbers = numbers && logits[i] == logits[i];
    if (logits[i] > logits[best]) best = i;
  }
  if (!numbers || logits.empty() || !std::isfinite(logits[best])) return std::nullopt;
  return best;
}

/// The first candidate whose cumulative weight passes `target`.
token_id pick(std::vector<candidate> const& kept, double target) {
  for (auto const& c : kept) {
    target -= c.weight;
    if (target < 0) return c.token;
  }
  return kept.back().token;
}

/// Leaves the most likely candidates, in falling order, until `enough(kept, mass)`.
template <class Enough>
std::vector<candidate> most_likely(std::vector<candidate> all, Enough enough) {
  std::vector<candidate> kept;
  double mass = 0;
  std::make_heap(all.begin(), all.end());
  while (!all.empty() && !enough(kept.size(), mass)) {
    std::pop_heap(all.begin(), all.end());
    kept.push_back(all.back());
    mass += all.back().weight;
    all.pop_back();
  }
  return kept;
}

double mass_of(std::vector<candidate> const& all) {
  double mass = 0;
  for (auto const& c : all) mass += c.weight;
  return mass;
}

}  // namespace

std::optional<token_id> sample_token(std::span<float const> logits, sampling const& how, std::uint64_t stream, std::int64_t position) {
  auto const best = best_of(logits);
  if (!best) return std::nullopt;
  if (how.greedy()) return static_cast<token_id>(*best);
  std::vector<candidate> all(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    all[i] = {std::exp((double{logits[i]} - double{logits[*best]}) / how.temperature), static_cast<token_id>(i)};
  if (how.top_k > 0 && how.top_k < static_cast<std::int64_t>(all.size()))
    all = most_likely(std::move(all), [&](std::size_t kept, double) { return static_cast<std::int64_t>(kept) >= how.top_k; });
  if (how.top_p < 1) {
    double const wanted = std::max(how.top_p, 0.0) * mass_of(all);
    all = most_likely(std::move(all), [&](std::size_t kept, double mass) { return kept > 0 && mass >= wanted; });
  }
  return pick(all, uniform_draw(stream, position) * mass_of(all));
}

}  // namespace gpuplace::torch_detail
