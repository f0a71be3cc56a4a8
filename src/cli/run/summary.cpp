#include "summary.hpp"

#include "../percentile.hpp"
#include "answers.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace gpuplace::cli {

namespace {

constexpr std::size_t sample_size = 4096;  // enough for percentiles to two digits

// Of all samples.
std::size_t tokens_of(generation const& g) {
  auto count = g.tokens.size();
  for (auto const& sample : g.more) count += sample.tokens.size();
  return count;
}

double rate(std::size_t tokens, double span) { return span > 0 ? static_cast<double>(tokens) / span : 0.0; }

}  // namespace

run_summary::run_summary(model_plan const& model) {
  for (auto const& r : model.replicas) {
    auto& mine = shares_.emplace_back();
    mine.label = replica_label(r);
    for (auto const& s : r.stages)
      if (std::ranges::find(mine.devices, s.device) == mine.devices.end()) mine.devices.push_back(s.device);
  }
}

void run_summary::add(generation const& g, seconds now) {
  auto& mine = shares_[g.instance];
  auto const tokens = tokens_of(g);
  ++mine.prompts, ++answered_;
  mine.tokens += tokens, tokens_ += tokens;
  mine.last = now;
  // Reservoir sampling: every answer so far is in the sample with the same probability.
  if (first_tokens_.size() < sample_size) first_tokens_.push_back(g.first_token.count());
  else if (auto const at = std::uniform_int_distribution<std::size_t>(0, answered_ - 1)(draw_); at < sample_size)
    first_tokens_[at] = g.first_token.count();
}

std::string run_summary::replicas_text(std::vector<instance_statistics> const& statistics) const {
  std::string text;
  for (std::size_t r = 0; r < shares_.size(); ++r) {
    auto const& s = shares_[r];
    text += fmt::format("  {}: {} prompts, {} tokens, {:.1f} tokens/s", s.label, s.prompts, s.tokens, rate(s.tokens, span()));
    if (statistics[r].steps > 0)
      text += fmt::format(", at work {:.0f} % of the time, {:.1f} sequences a step", 100 * statistics[r].busy.count() / span(),
                          static_cast<double>(statistics[r].rows) / static_cast<double>(statistics[r].steps));
    text += "\n";
  }
  return text;
}

// How many replicas worked at a time is what parallelism can have given; the rest was spent waiting.
std::string run_summary::parallelism_text(std::vector<instance_statistics> const& statistics) const {
  double busy = 0, idle_at_end = 0;
  auto const first_done = std::ranges::min_element(shares_, {}, &share::last);
  for (std::size_t r = 0; r < shares_.size(); ++r) {
    busy += statistics[r].busy.count();
    idle_at_end += done_early(shares_[r]) * span();
  }
  auto const all = static_cast<double>(shares_.size());
  auto const worked = busy / span();
  auto text = fmt::format("Parallelism: {:.2f} of {} replicas worked at a time: at most {:.2f} times the speed of one\n", worked,
                          shares_.size(), worked);
  auto const skew = idle_at_end / span();
  if (skew > 0.005 * all)
    text += fmt::format("  {:.2f} lost to skew: {} was done {:.2f} s before the last\n", skew, first_done->label,
                        done_early(*first_done) * span());
  if (auto const between = all - worked - skew; between > 0.005 * all)
    text += fmt::format("  {:.2f} lost between steps\n", between);
  return text;
}

std::string run_summary::batching_text(std::vector<instance_statistics> const& statistics, std::size_t rows) const {
  std::int64_t steps = 0, sequences = 0, slots = 0;
  for (auto const& s : statistics) steps += s.steps, sequences += s.rows, slots += s.slots;
  auto const mean = static_cast<double>(sequences) / static_cast<double>(steps);
  auto const room = static_cast<double>(slots) / static_cast<double>(statistics.size());
  auto text = fmt::format("Batching: {:.1f} sequences a step, where {:.0f} fit", mean, room);
  if (mean < 0.9 * room && static_cast<std::int64_t>(rows) < 4 * slots)
    text += fmt::format(": {} prompts are too few to fill {}", rows,
                        statistics.size() == 1 ? "the replica" : fmt::format("{} replicas", statistics.size()));
  return text + "\n";
}

std::vector<replica_time> run_summary::times(std::vector<instance_statistics> const& statistics) const {
  std::vector<replica_time> times;
  for (std::size_t r = 0; r < shares_.size(); ++r)
    times.push_back({shares_[r].devices, statistics[r].busy.count() / span(), done_early(shares_[r])});
  return times;
}

std::string run_summary::text(std::size_t rows, std::size_t resumed, std::vector<instance_statistics> const& statistics,
                              std::vector<device_use> const& uses) const {
  auto text = fmt::format("{} of {} prompts answered", answered_ + resumed, rows);
  if (resumed > 0) text += fmt::format(" ({} of them by an earlier run)", resumed);
  text += fmt::format(", {} tokens in {:.2f} s: {:.1f} tokens/s; loading took {:.2f} s", tokens_, span(), rate(tokens_, span()),
                      loading_.count());
  if (auto const whole = loading_.count() + span(); loading_.count() > 0.05 * whole)
    text += fmt::format(", {:.0f} % of the whole", 100 * loading_.count() / whole);
  text += "\n" + replicas_text(statistics);
  if (answered_ == 0 || span() <= 0) return text;
  bool const counted = std::ranges::any_of(statistics, [](auto const& s) { return s.steps > 0; });
  if (counted && shares_.size() > 1) text += parallelism_text(statistics);
  if (counted) text += batching_text(statistics, rows - resumed);
  text += devices_text(uses, times(statistics));
  text += fmt::format("First token after {:.2f} s (median), {:.2f} s (95 %), waiting included\n", percentile(first_tokens_, 0.5),
                      percentile(first_tokens_, 0.95));
  return text;
}

}  // namespace gpuplace::cli
