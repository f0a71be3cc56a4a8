#pragma once
/// @file
/// `place()`: from a view, a workload and two strategies to a plan.

#include <gpuplace/placement/allocation_strategy.hpp>
#include <gpuplace/placement/detail/assemble.hpp>
#include <gpuplace/placement/detail/carry_out.hpp>
#include <gpuplace/placement/detail/objective.hpp>
#include <gpuplace/placement/detail/predict.hpp>
#include <gpuplace/placement/device_choice.hpp>
#include <gpuplace/placement/nearest.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/placement/place_options.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

inline std::string tokens_text(double a_second) {
  std::array<char, 32> number{};
  std::snprintf(number.data(), number.size(), a_second < 1e4 ? "%.4g" : "%.0f", a_second);
  return std::string(number.data()) + " tokens/s";
}

/// A candidate that was looked at: what it is worth, or why it cannot be.
struct considered {
  std::string label;
  double worth = 0;
  std::string refusal;  ///< empty: it fits

  std::string text() const { return label + " (" + (refusal.empty() ? tokens_text(worth) : refusal) + ")"; }
};

/// What was chosen, and what from.
inline std::vector<std::string> choice_notes(std::vector<considered> const& all, std::size_t best) {
  if (all.size() < 2) return {};
  std::string others;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i != best) others += (others.empty() ? "" : ", ") + all[i].text();
  return {"allocation " + all[best].text() + "; also considered " + others};
}

inline std::size_t largest_group(candidate const& proposal) {
  std::size_t most = 0;
  for (auto const& groups : proposal.models)
    for (auto const& g : groups) most = std::max(most, g.size());
  return most;
}

/// The refusal that says most: of the candidate that spreads a replica over most devices, which is nearest to fitting.
class telling_refusal {
public:
  void add(candidate const& proposal, error why) {
    auto const size = why.code == errc::does_not_fit ? 1 + largest_group(proposal) : 0;
    if (found_ && size <= size_) return;
    if (why.remedy.empty()) why.remedy = proposal.remedy;
    found_ = std::move(why);
    size_ = size;
  }
  error value(std::string_view allocation) && {
    return std::move(found_).value_or(
        error{errc::does_not_fit, "the allocation proposes nothing", "allocation " + std::string(allocation), {}});
  }

private:
  std::optional<error> found_;
  std::size_t size_ = 0;
};

/// What a candidate takes of all devices.
inline bytes bytes_of(carried_out const& carried) {
  bytes total;
  for (auto const& d : carried.use) total += d.placed.total();
  return total;
}

/// What the idle devices are still good for; empty where none is idle, or where all devices are linked alike or are too many.
inline std::string note_of_left(carried_out const& carried, device_group const& view) {
  std::vector<std::size_t> used;
  for (std::size_t d = 0; d < view.size(); ++d)
    if (carried.use[d].used) used.push_back(d);
  if (view.size() < used.size() + 2 || view.size() > most_matrix_devices) return {};
  auto const left = best_left(view, std::move(used));
  if (!left || left->front().links.worst.value() <= 0) return {};
  std::string text;
  for (auto const& group : *left) {
    std::array<char, 64> words{};
    std::snprintf(words.data(), words.size(), "%zu linked at %.4g GB/s", group.devices.size(), group.links.worst.value());
    text += (text.empty() ? "" : ", ") + std::string(words.data());
  }
  return "left for others: " + text;
}

struct best_plan {
  plan made;
  double worth = 0;  ///< tokens a second, as candidates are compared
};

/// The best candidate's plan, of equals the one that takes less memory; its notes name the others.
template <allocation_strategy A, partition_strategy P>
result<best_plan> best_of(workload const& work, device_group const& view, A const& allocation, P const& partition,
                          place_options const& options) {
  GPUPLACE_TRY(auto const proposals, allocation.propose(work, view));
  std::optional<carried_out> best;
  std::vector<model_prediction> predicted;
  std::vector<considered> all;
  std::size_t chosen = 0;
  telling_refusal refusal;
  for (auto const& proposal : proposals) {
    auto carried = carry_out(proposal, work, view, partition, options);
    if (!carried) {
      auto const& why = carried.error();
      all.push_back({proposal.label, 0, why.code == errc::does_not_fit ? "does not fit" : why.what});
      refusal.add(proposal, std::move(carried).error());
      continue;
    }
    std::vector<model_prediction> times;
    for (std::size_t m = 0; m < work.models.size(); ++m) times.push_back(predict(m, carried->replicas, work));
    all.push_back({proposal.label, objective_of(*carried, times, work), {}});
    auto const worth = all.back().worth;
    bool const lighter = best && worth > 0 && worth == all[chosen].worth && bytes_of(*carried) < bytes_of(*best);
    if (best && all[chosen].worth >= worth && !lighter) continue;
    chosen = all.size() - 1;
    best = *std::move(carried);
    predicted = std::move(times);
  }
  if (!best) return std::move(refusal).value(allocation.name);
  auto made = assemble(*best, work, view, options);
  made.predicted = std::move(predicted);
  made.notes = choice_notes(all, chosen);
  made.notes.insert(made.notes.end(), proposals[chosen].notes.begin(), proposals[chosen].notes.end());
  if (auto left = note_of_left(*best, view); !left.empty()) made.notes.push_back(std::move(left));
  return best_plan{std::move(made), all[chosen].worth};
}

/// Whether any candidate fits, without pricing it.
template <allocation_strategy A, partition_strategy P>
bool any_fits(workload const& work, device_group const& view, A const& allocation, P const& partition,
              place_options const& options) {
  auto const proposals = allocation.propose(work, view);
  return proposals && std::ranges::any_of(*proposals, [&](candidate const& c) {
           return carry_out(c, work, view, partition, options, effort::answer).has_value();
         });
}

/// A partition that answers by the names of devices, asked once about each group: more or less load changes nothing in its answers.
template <partition_strategy P>
class remembered {
public:
  static constexpr bool names_devices = true;
  std::string_view name;

  explicit remembered(P const* partition) : name(partition->name), partition_(partition), known_(std::make_shared<answers>()) {}

  result<stages> partition(std::span<unit const> units, device_group const& group, demand const& load) const {
    std::vector<device_id> key;
    for (auto const& d : group) key.push_back(d.id);
    auto const [at, added] = known_->try_emplace({units.size(), std::move(key)}, stages{});
    if (added) at->second = partition_->partition(units, group, load);
    return at->second;
  }

private:
  using answers = std::map<std::pair<std::size_t, std::vector<device_id>>, result<stages>>;
  P const* partition_;
  std::shared_ptr<answers> known_;
};

template <allocation_strategy A, partition_strategy P>
std::vector<near_demand> nearest_of(workload const& work, device_group const& view, A const& allocation, P const& partition,
                                    place_options const& options) {
  auto const search = [&](auto const& with, more_devices others) {
    auto const fits = [&](workload const& w, device_group const& v) { return any_fits(w, v, allocation, with, options); };
    return nearest_that_fit(work, others == more_devices::may_help ? without_links(view) : view, fits, others);
  };
  bool const one_chain = work.models.size() == 1;
  return names_devices(partition) && one_chain
             ? search(remembered<P>(&partition), more_devices::cannot_help)
             : search(partition, names_devices(partition) ? more_devices::cannot_help : more_devices::may_help);
}

/// How full the fullest device is, and how fast the plan.
inline std::string numbers_of(best_plan const& best) {
  auto const share = [](planned_device const& d) {
    return d.capacity_bytes.count() > 0 ? static_cast<double>(d.used_bytes.count()) / static_cast<double>(d.capacity_bytes.count())
                                        : 0;
  };
  auto const& fullest = *std::ranges::max_element(best.made.devices, {}, share);
  return to_string(fullest.used_bytes) + " of " + to_string(fullest.capacity_bytes) + " on " + to_string(fullest.id) + ", " +
         tokens_text(best.worth);
}

/// What would fit, each with the numbers of its plan where the view is small enough to plan them all.
template <allocation_strategy A, partition_strategy P>
std::string nearest_text(workload const& work, device_group const& view, A const& allocation, P const& partition,
                         place_options const& options) {
  std::string text;
  for (auto const& near : nearest_of(work, view, allocation, partition, options)) {
    text += "\n    " + near.option;
    if (view.size() > most_matrix_devices) continue;
    auto const best = best_of(near.work, near.extra > 0 ? extended(view, near.extra) : view, allocation, partition, options);
    if (best) text += ": " + numbers_of(*best);
  }
  return text;
}

/// Values that make no sense are refused before any strategy sees them.
inline result<void> check_workload(workload const& work) {
  auto const refuse = [](model_demand const& m, std::string what, std::string remedy) {
    return error{errc::invalid_argument, std::move(what), m.model.name.empty() ? "workload" : m.model.name, std::move(remedy)};
  };
  if (work.models.empty()) return error{errc::invalid_argument, "there is no model to place", "workload", "name one with --model"};
  for (auto const& m : work.models) {
    if (m.model.units.empty()) return refuse(m, "the model has no units", "describe it from a config.json or a preset");
    if (m.load.sequences < 1)
      return refuse(m, std::to_string(m.load.sequences) + " sequences", "--max-num-seqs must be at least 1");
    if (m.load.context < 1)
      return refuse(m, "a context of " + std::to_string(m.load.context) + " tokens", "--max-model-len must be at least 1");
    auto const most = m.model.config.max_positions;
    if (most > 0 && m.load.context > most)
      return refuse(
          m, "a context of " + std::to_string(m.load.context) + " tokens, the model has " + std::to_string(most) + " positions",
          "--max-model-len must be at most " + std::to_string(most));
    constexpr std::int64_t most_sequences = 1 << 20;
    if (m.load.sequences > most_sequences)
      return refuse(m, std::to_string(m.load.sequences) + " sequences", "--max-num-seqs must be at most 1048576");
  }
  return {};
}

}  // namespace detail

/// Places a workload on a view: asks the allocation for candidates, partitions and prices each, keeps the best.
/// When to use: always; a strategy alone knows neither the memory limits nor the costs.
/// @param view        devices with their limits, in the order in which strategies see them
/// @param work        models with their demand; weights, KV cache and workspace must fit together
/// @param allocation  models allocation_strategy       @param partition  models partition_strategy
/// Errors:     errc::does_not_fit naming the device, what it would need and what would fit instead;
///             errc::invalid_argument for nonsense in the workload or in a strategy's answer
/// Threads:    safe when the strategies' const members are      Complexity: O(candidates x (units + devices)), strategies apart
inline constexpr struct place_function {
  template <allocation_strategy A, partition_strategy P>
  result<plan> operator()(device_group const& view, workload work, A const& allocation, P const& partition,
                          place_options const& options = {}) const {
    GPUPLACE_CHECK(detail::check_workload(work));
    for (auto& m : work.models) m.load.head = m.load.weights_only ? tied_head::shared : tied_head_of(partition);
    auto best = detail::best_of(work, view, allocation, partition, options);
    if (best) return std::move(best)->made;
    error refusal = std::move(best).error();
    if (refusal.code != errc::does_not_fit || view.empty()) return refusal;
    if (auto const nearest = detail::nearest_text(work, view, allocation, partition, options); !nearest.empty()) {
      if (!refusal.remedy.empty()) refusal.remedy += "; or ";
      refusal.remedy += "what would fit, each alone:" + nearest;
    } else if (refusal.remedy.empty()) {
      refusal.remedy =
          "no shorter context, smaller batch, number format or 64 more such devices alone make it fit this way: try another "
          "--partition or --allocation";
    }
    return refusal;
  }
} place;

}  // namespace gpuplace
