#pragma once
/// @file
/// When nothing fits: the nearest demands that would, in the words users know.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

/// Says whether a workload fits a view; `place()` without its explanations.
using fits_function = std::function<bool(workload const&, device_group const&)>;

namespace detail {

/// The largest n in [1, highest) for which `fits(n)` holds, given that fitting is monotone; 0: none.
template <class Fits>
std::int64_t largest_fitting(std::int64_t highest, Fits fits) {
  if (highest <= 1 || !fits(1)) return 0;  // most often the weights alone are too much: then there is nothing to search
  std::int64_t low = 1;
  std::int64_t high = highest;
  while (high - low > 1) {
    auto const middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

inline workload with_load(workload work, std::function<void(demand&)> const& change) {
  for (auto& m : work.models) change(m.load);
  return work;
}

/// `model` with its weights in another format. Decoder layers are alike in their weights, and only they are quantised: one of
/// them is described in place of all, where what is computed with stays the same.
inline model_description in_format(model_description const& model, dtype type) {
  if (compute_dtype(model.type) != compute_dtype(type)) return describe(model.config, type, model.name, model.source);
  auto single = model.config;
  single.layers = 1;
  single.vision.reset();
  auto const described = describe(single, type, {}, {});
  auto const layer = std::ranges::find(described.units, unit_kind::decoder_layer, &unit::kind);
  auto made = model;
  made.type = type;
  for (auto& u : made.units)
    if (u.kind == unit_kind::decoder_layer) u.weight_bytes = layer->weight_bytes;
  return made;
}

inline workload in_format(workload work, dtype type) {
  for (auto& m : work.models) {
    m.model = in_format(m.model, type);
    m.load.type = type;
  }
  return work;
}

/// `view` without the differences between its links, where all devices are alike: what fits does not depend on links, and groups
/// are not searched for.
inline device_group without_links(device_group const& view) {
  for (std::size_t d = 1; d < view.size(); ++d)
    if (view.capacity(d) != view.capacity(0) || view[d].name != view[0].name) return view;
  std::vector<bytes> limits;
  for (std::size_t d = 0; d < view.size(); ++d) limits.push_back(view.capacity(d));
  auto const typical = view.size() > 1 ? view.path(0, 1) : path{};
  return device_group({view.begin(), view.end()}, [typical](std::size_t, std::size_t) { return typical; }).with_limits(limits);
}

/// `view` with `extra` more devices like its last one, linked as its last two are.
inline device_group extended(device_group const& view, std::size_t extra) {
  std::vector<device> devices(view.begin(), view.end());
  std::vector<bytes> limits;
  for (std::size_t i = 0; i < view.size(); ++i) limits.push_back(view.capacity(i));
  auto const last = view.size() - 1;
  for (std::size_t i = 1; i <= extra; ++i) {
    devices.push_back(view[last]);
    devices.back().id.index = view[last].id.index + static_cast<int>(i);
    limits.push_back(view.capacity(last));
  }
  auto const typical = view.size() > 1 ? view.path(last - 1, last) : path{.kind = path_kind::sys};
  return device_group(
             std::move(devices),
             [view, last, typical](std::size_t a, std::size_t b) { return a <= last && b <= last ? view.path(a, b) : typical; })
      .with_limits(limits);
}

/// The fewest devices like the last, up to 64, that make the rest fit; 0: none. Doubles until it fits, then halves the gap.
template <class Fits>
std::size_t fewest_more(device_group const& view, Fits fits) {
  constexpr std::size_t most = 64;
  std::size_t enough = 1, short_of = 0;
  while (enough <= most && !fits(extended(view, enough))) short_of = std::exchange(enough, 2 * enough);
  if (enough > most) return 0;
  while (enough - short_of > 1) {
    auto const middle = short_of + (enough - short_of) / 2;
    (fits(extended(view, middle)) ? enough : short_of) = middle;
  }
  return enough;
}

}  // namespace detail

/// Whether devices that are not there could help: not where the plan names those it uses.
enum class more_devices { may_help, cannot_help };

/// A demand near one that does not fit.
struct near_demand {
  std::string option;     ///< how to ask for it: `--max-num-seqs 33`, `2 more devices like cuda:1 (24.0 GiB each)`
  workload work;          ///< with the change
  std::size_t extra = 0;  ///< devices like the view's last that it needs besides
};

/// Demands near `work` that fit: a shorter context, fewer sequences, weights of fewer bits, more devices, each change alone.
/// Empty when none of these alone helps.
inline std::vector<near_demand> nearest_that_fit(workload const& work, device_group const& view, fits_function const& fits,
                                                 more_devices others = more_devices::may_help) {
  std::vector<near_demand> found;
  if (view.empty() || work.models.empty()) return found;
  auto const& load = work.models.front().load;
  auto const largest = [&](std::int64_t highest, auto const& with) {
    auto const n = detail::largest_fitting(highest, [&](std::int64_t count) { return fits(with(count), view); });
    return n > 0 ? std::optional(n) : std::nullopt;
  };
  if (!load.weights_only) {
    auto const of_pages = [&](std::int64_t n) { return detail::with_load(work, [&](demand& d) { d.context = n * load.kv_page; }); };
    if (auto const pages = largest(load.context / load.kv_page, of_pages))
      found.push_back({"--max-model-len " + std::to_string(*pages * load.kv_page), of_pages(*pages)});
    auto const of_sequences = [&](std::int64_t n) { return detail::with_load(work, [&](demand& d) { d.sequences = n; }); };
    if (auto const sequences = largest(load.sequences, of_sequences))
      found.push_back({"--max-num-seqs " + std::to_string(*sequences), of_sequences(*sequences)});
  }
  for (auto const type : {dtype::int8, dtype::int4}) {
    if (is_quantized(work.models.front().model.type)) break;
    auto smaller = detail::in_format(work, type);
    if (!fits(smaller, view)) continue;
    found.push_back({"--dtype " + std::string(to_string(type)), std::move(smaller)});
    break;
  }
  if (others == more_devices::cannot_help) return found;
  if (auto const extra = detail::fewest_more(view, [&](device_group const& larger) { return fits(work, larger); }); extra > 0) {
    auto const last = view.size() - 1;
    found.push_back({std::to_string(extra) + " more device" + (extra == 1 ? "" : "s") + " like " + to_string(view[last].id) + " (" +
                         to_string(view.capacity(last)) + " each)",
                     work, extra});
  }
  return found;
}

}  // namespace gpuplace
