#pragma once
/// @file
/// `max_memory` as Hugging Face users write it, applied to a view.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/plan/python_literal.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <nlohmann/json.hpp>

#include <charconv>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

/// Limits by position in the view. A list names the first devices; a map may leave gaps.
struct memory_limits {
  std::map<std::size_t, bytes> by_position;
};

namespace detail {

inline error bad_limits(std::string what) {
  return {errc::invalid_argument, std::move(what), "max_memory",
          R"(write one limit for each device ("75GiB,75GiB") or a map ({"0": "70GiB", "1": "60GiB"}))"};
}

/// One amount; `where` is the device, for errors.
inline result<bytes> read_amount(std::string_view text, std::string const& where) {
  auto amount = parse_bytes(text);
  if (!amount) return error{amount.error().code, amount.error().what, "max_memory, device " + where, amount.error().remedy};
  return amount;
}

inline result<std::pair<std::size_t, bytes>> read_limit(std::string const& key, nlohmann::ordered_json const& value) {
  if (key == "cpu" || key == "disk" || key == "mps")
    return error{errc::unsupported, "a limit for '" + key + "': weights are not offloaded", "max_memory",
                 "leave the entry out, or plan on cpu: devices"};
  std::string_view digits = key;
  if (constexpr std::string_view prefix = "cuda:"; digits.starts_with(prefix)) digits.remove_prefix(prefix.size());
  std::size_t position = 0;
  auto const [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), position);
  if (failed != std::errc{} || end != digits.data() + digits.size()) return bad_limits("'" + key + "' is not a device number");
  if (value.is_number_unsigned()) {
    auto const amount = value.get<std::uint64_t>();
    if (amount > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return bad_limits("the limit of device " + key + " is too large");
    return std::pair{position, bytes{static_cast<std::int64_t>(amount)}};
  }
  if (!value.is_string()) return bad_limits("the limit of device " + key + " is neither a text nor a number of bytes");
  GPUPLACE_TRY(auto const amount, read_amount(value.get_ref<std::string const&>(), key));
  return std::pair{position, amount};
}

}  // namespace detail

/// Reads "75GiB,75GiB", ["75GiB", "75GiB"], {"0": "70GiB", "cuda:2": 64000000000}, or Python's {0: "70GiB"}.
/// Errors:     errc::invalid_argument for anything else; errc::malformed for broken JSON;
///             errc::unsupported for `cpu`, `disk` and `mps`
inline result<memory_limits> parse_memory_limits(std::string_view text) {
  memory_limits limits;
  auto const body = detail::trimmed(text);
  if (body.empty()) return detail::bad_limits("the list of limits is empty");
  if (body.front() == '{') {
    GPUPLACE_TRY(auto const map, parse_json_or_python(body, "max_memory"));
    if (!map.is_object() || map.empty()) return detail::bad_limits("'" + std::string(body) + "' is not a map of limits");
    for (auto const& [key, value] : map.items()) {
      GPUPLACE_TRY(auto const entry, detail::read_limit(key, value));
      if (!limits.by_position.insert(entry).second)
        return detail::bad_limits("device " + std::to_string(entry.first) + " has two limits");
    }
    return limits;
  }
  if (body.front() == '[') {
    GPUPLACE_TRY(auto const list, parse_json_or_python(body, "max_memory"));
    if (!list.is_array() || list.empty()) return detail::bad_limits("'" + std::string(body) + "' is not a list of limits");
    for (auto const& value : list) {
      GPUPLACE_TRY(auto const entry, detail::read_limit(std::to_string(limits.by_position.size()), value));
      limits.by_position.insert(entry);
    }
    return limits;
  }
  std::size_t position = 0;
  for (std::size_t from = 0; from <= body.size(); ++position) {
    auto const comma = std::min(body.find(',', from), body.size());
    GPUPLACE_TRY(auto const amount, detail::read_amount(body.substr(from, comma - from), std::to_string(position)));
    limits.by_position.emplace(position, amount);
    from = comma + 1;
  }
  return limits;
}

/// A view under limits, and what its reader should know.
struct limited_view {
  device_group view;
  std::vector<std::string> notes;
};

/// The devices that `limits` names, in the view's order, under their limits. A zero excludes a device, as a missing
/// entry does; a limit above what the device has is lowered to that, with a note.
/// Errors:     errc::not_found for a device that the view lacks; errc::does_not_fit when no device is left
inline result<limited_view> apply(memory_limits const& limits, device_group const& view) {
  limited_view made;
  std::vector<std::size_t> kept;
  std::vector<bytes> amounts;
  for (auto const& [position, limit] : limits.by_position) {
    if (position >= view.size())
      return error{errc::not_found,
                   "there is no device " + std::to_string(position) + ": the view has " + std::to_string(view.size()), "max_memory",
                   "name devices 0 to " + std::to_string(view.size() - 1)};
    if (limit.count() == 0) continue;
    if (limit > view.capacity(position))
      made.notes.push_back(to_string(view[position].id) + ": the limit of " + to_string(limit) + " is more than its " +
                           to_string(view.capacity(position)) + ", which are taken instead");
    kept.push_back(position);
    amounts.push_back(std::min(limit, view.capacity(position)));
  }
  if (kept.empty())
    return error{errc::does_not_fit, "the limits exclude every device", "max_memory", "give at least one device a limit above 0"};
  made.view = view.subset(kept).with_limits(amounts);
  return made;
}

}  // namespace gpuplace
