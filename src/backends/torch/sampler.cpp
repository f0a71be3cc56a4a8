#include "sampler.hpp"

#include "../../cuda/kernels/sampling_math.hpp"

#include <gpuplace/runtime/random_stream.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

/// A thread's memory for a choice, so that choosing allocates nothing once warm.
struct scratch {
  std::vector<float> logits;        ///< after penalties
  std::vector<float> largest;       ///< logits to find the last of the top k among
  std::vector<std::int32_t> times;  ///< for each token, all zero between calls
  std::vector<candidate> candidates;
};

scratch& of_this_thread() {
  thread_local scratch mine;
  return mine;
}

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

/// Penalties count a token once however often it stands in the history, but for the frequency's.
void penalise(std::vector<float>& logits, sample_request const& ask, std::vector<std::int32_t>& times) {
  times.resize(logits.size());
  auto const& how = ask.how;
  auto const repetition = static_cast<float>(how.repetition_penalty);
  for (std::size_t i = 0; i < ask.history.size(); ++i) {
    auto const token = static_cast<std::size_t>(ask.history[i]);
    if (token >= logits.size()) continue;
    if (times[token] == 0) {
      logits[token] = cuda::repeated(logits[token], repetition);
      times[token] = 1;
    }
    if (static_cast<std::int64_t>(i) >= ask.prompt_tokens) ++times[token];
  }
  for (auto const id : ask.history) {
    auto const token = static_cast<std::size_t>(id);
    if (token >= logits.size()) continue;
    if (auto const answered = std::exchange(times[token], 0) - 1; answered > 0)
      logits[token] = cuda::answered_before(logits[token], how.frequency_penalty, how.presence_penalty, answered);
  }
}

/// The logits that tokens are chosen by: `logits` itself where the request changes none.
std::span<float const> adjusted(std::span<float const> logits, sample_request const& ask, scratch& mine) {
  if (!ask.how.penalised() && ask.forbidden.empty()) return logits;
  mine.logits.assign(logits.begin(), logits.end());
  if (ask.how.penalised()) penalise(mine.logits, ask, mine.times);
  for (auto const id : ask.forbidden)
    if (auto const token = static_cast<std::size_t>(id); token < logits.size())
      mine.logits[token] = -std::numeric_limits<float>::infinity();
  return mine.logits;
}

/// The k-th largest logit: tokens as likely as the k-th stay, as in transformers.
float least_of_top(std::span<float const> logits, std::int64_t k, std::vector<float>& largest) {
  if (k <= 0 || k >= static_cast<std::int64_t>(logits.size())) return -std::numeric_limits<float>::infinity();
  largest.assign(logits.begin(), logits.end());
  auto const last = largest.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(largest.begin(), last, largest.end(), std::greater<>());
  return *last;
}

std::uint64_t mass_of(std::span<candidate const> all) {
  std::uint64_t mass = 0;
  for (auto const& c : all) mass += c.weight;
  return mass;
}

/// The smallest set of the likeliest with `top_p` of the mass.
std::span<candidate> likeliest(std::span<candidate> all, double top_p) {
  auto const wanted = cuda::wanted_of(top_p, mass_of(all));
  std::uint64_t mass = 0;
  auto rest = all.size();
  std::make_heap(all.begin(), all.end());
  do {
    std::pop_heap(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(rest));
    mass += all[--rest].weight;
  } while (mass < wanted);
  auto const kept = all.subspan(rest);
  std::sort(kept.begin(), kept.end(), [](auto const& a, auto const& b) { return a.token < b.token; });
  return kept;
}

}  // namespace

std::span<candidate const> candidates_of(std::span<float const> logits, sample_request const& ask) {
  auto& mine = of_this_thread();
  auto& all = mine.candidates;
  all.clear();
  if (!best_of(logits)) return {};
  auto const chosen_by = adjusted(logits, ask, mine);
  auto const best = best_of(chosen_by);
  if (!best) return {};
  if (ask.how.greedy()) {
    all.push_back({cuda::full_weight, chosen_by[*best], static_cast<token_id>(*best)});
    return all;
  }
  auto const least = least_of_top(chosen_by, ask.how.top_k, mine.largest);
  auto const top = chosen_by[*best], scale = cuda::scale_of(ask.how.temperature);
  assert(static_cast<std::int64_t>(chosen_by.size()) <= cuda::most_vocabulary);
  for (std::size_t i = 0; i < chosen_by.size(); ++i)
    if (chosen_by[i] >= least)
      if (auto const weight = cuda::weight_of(top - chosen_by[i], scale); weight > 0)
        all.push_back({weight, chosen_by[i], static_cast<token_id>(i)});
  std::span<candidate> kept = all;
  if (ask.how.top_p < 1) kept = likeliest(kept, ask.how.top_p);
  if (ask.how.min_p > 0) {
    auto const enough = cuda::least_weight_of(ask.how.min_p);
    auto const unlikely = std::remove_if(kept.begin(), kept.end(), [&](auto const& c) { return c.weight < enough; });
    kept = kept.first(static_cast<std::size_t>(unlikely - kept.begin()));
  }
  return kept;
}

std::optional<token_id> sample_token(std::span<float const> logits, sample_request const& ask) {
  if (ask.how.greedy() && !ask.how.penalised() && ask.forbidden.empty()) {
    auto const best = best_of(logits);
    return best ? std::optional(static_cast<token_id>(*best)) : std::nullopt;
  }
  auto const kept = candidates_of(logits, ask);
  if (kept.empty()) return std::nullopt;
  auto place = cuda::place_of(random_draw(ask.random_stream, ask.position), mass_of(kept));
  auto c = kept.begin();
  for (; place >= c->weight; ++c) place -= c->weight;
  return c->token;
}

token_logprobs logprobs_of(std::span<float const> logits, token_id chosen, std::int32_t alternatives) {
  auto const top = double{*std::max_element(logits.begin(), logits.end())};
  double mass = 0;
  for (auto const x : logits) mass += std::exp(double{x} - top);
  auto const all = top + std::log(mass);
  auto const of = [&](std::size_t i) {
    return token_probability{static_cast<token_id>(i), static_cast<float>(double{logits[i]} - all)};
  };
  token_logprobs told{of(static_cast<std::size_t>(chosen)), {}};
  auto const most = std::min(static_cast<std::size_t>(std::max(alternatives, 0)), logits.size());
  if (most == 0) return told;
  std::vector<std::size_t> best;  // a heap with the least likely on top
  best.reserve(most + 1);
  auto const likelier = [&](std::size_t a, std::size_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (best.size() == most && !likelier(i, best.front())) continue;
    best.push_back(i);
    std::push_heap(best.begin(), best.end(), likelier);
    if (best.size() <= most) continue;
    std::pop_heap(best.begin(), best.end(), likelier);
    best.pop_back();
  }
  std::sort(best.begin(), best.end(), likelier);
  for (auto const i : best) told.top.push_back(of(i));
  return told;
}

}  // namespace gpuplace::torch_detail
