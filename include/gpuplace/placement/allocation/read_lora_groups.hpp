#pragma once
/// @file
/// Adapters, groups and instances of `lora_groups` from text.

#include <gpuplace/core/result.hpp>
#include <gpuplace/placement/allocation/lora_groups.hpp>
#include <gpuplace/plan/python_literal.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

inline constexpr std::string_view lora_forms =
    R"(write {"instances": 4, "slots": 2, "groups": {"A": "0-1"}, "adapters": {"sql": {"load": 3, "rank": 16, "group": "A", )"
    R"("replicas": 2}, "chat": 1}}, or sql*3:chat)";

inline error bad_lora(std::string what, std::string const& where) {
  return {errc::invalid_argument, std::move(what), where, std::string(lora_forms)};
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number value{};
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

inline constexpr std::uint64_t most_instances = 1'000'000;

inline result<std::size_t> lora_count(nlohmann::ordered_json const& value, std::string const& where) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most_instances)
    return bad_lora(value.dump() + " is not a whole number up to 1000000", where);
  return static_cast<std::size_t>(value.get<std::uint64_t>());
}

/// `[0, 1, 2]`, `2` or "0-2".
inline result<std::vector<std::size_t>> lora_instances(nlohmann::ordered_json const& value, std::string const& where) {
  std::vector<std::size_t> made;
  if (value.is_string()) {
    std::string_view const text = value.get_ref<std::string const&>();
    auto const dash = text.find('-');
    auto const first = number_in<std::uint64_t>(text.substr(0, dash));
    auto const last = dash == text.npos ? first : number_in<std::uint64_t>(text.substr(dash + 1));
    if (!first || !last || *last < *first || *last > most_instances)
      return bad_lora("'" + std::string(text) + "' is no range", where);
    for (auto i = *first; i <= *last; ++i) made.push_back(static_cast<std::size_t>(i));
    return made;
  }
  if (!value.is_array()) {
    GPUPLACE_TRY(auto const one, lora_count(value, where));
    return std::vector{one};
  }
  for (auto const& item : value) {
    GPUPLACE_TRY(auto const one, lora_count(item, where));
    made.push_back(one);
  }
  return made;
}

inline result<adapter_demand> lora_adapter(std::string name, nlohmann::ordered_json const& value, std::string const& where) {
  adapter_demand made{.name = std::move(name)};
  if (value.is_null()) return made;
  if (value.is_number()) {
    made.load = value.get<double>();
    return made;
  }
  if (!value.is_object()) return bad_lora("is neither a load nor a map", where);
  for (auto const& [key, item] : value.items()) {
    auto const at = where + ", '" + key + "'";
    if (key == "load" && item.is_number()) {
      made.load = item.get<double>();
    } else if (key == "group" && item.is_string()) {
      made.group = item.get<std::string>();
    } else if (key == "rank" || key == "replicas") {
      GPUPLACE_TRY(auto const number, lora_count(item, at));
      if (key == "rank") made.lora_rank = static_cast<std::int64_t>(number);
      else made.replicas = number;
    } else {
      return bad_lora("is not a setting of an adapter, or of another kind", at);
    }
  }
  return made;
}

inline result<lora_groups> lora_from_json(nlohmann::ordered_json const& value, std::string const& where) {
  if (!value.is_object()) return bad_lora("is not a map", where);
  lora_groups made;
  for (auto const& [key, item] : value.items()) {
    auto const at = where + ", '" + key + "'";
    if (key == "instances" || key == "slots") {
      GPUPLACE_TRY(auto const number, lora_count(item, at));
      (key == "slots" ? made.slots : made.instances) = number;
    } else if (key == "groups" && item.is_object()) {
      for (auto const& [name, list] : item.items()) {
        GPUPLACE_TRY(auto instances, lora_instances(list, at + ", '" + name + "'"));
        made.groups.push_back({name, std::move(instances)});
      }
    } else if (key == "adapters" && item.is_object()) {
      for (auto const& [name, demand] : item.items()) {
        GPUPLACE_TRY(auto adapter, lora_adapter(name, demand, at + ", '" + name + "'"));
        made.adapters.push_back(std::move(adapter));
      }
    } else if (key == "adapters" && item.is_array()) {
      for (auto const& name : item) {
        if (!name.is_string()) return bad_lora("a name is not a text", at);
        made.adapters.push_back({.name = name.get<std::string>()});
      }
    } else {
      return bad_lora("is not a setting of lora_groups, or of another kind", at);
    }
  }
  return made;
}

/// `sql*3:chat`: names between colons, a load behind a star.
inline result<lora_groups> lora_from_list(std::string_view text, std::string const& where) {
  lora_groups made;
  for (std::size_t from = 0; from <= text.size();) {
    auto const to = std::min(text.find(':', from), text.size());
    auto const entry = text.substr(from, to - from);
    auto const star = entry.rfind('*');
    adapter_demand one{.name = std::string(entry.substr(0, star))};
    if (star != entry.npos) {
      auto const load = number_in<double>(entry.substr(star + 1));
      if (!load) return bad_lora("'" + std::string(entry) + "' has no load behind its star", where);
      one.load = *load;
    }
    made.adapters.push_back(std::move(one));
    from = to + 1;
  }
  return made;
}

}  // namespace detail

/// Reads the settings of `lora_groups`: a map, as JSON or as Python writes it, or the adapters' names between colons.
/// Shape:      {"instances": N, "slots": N, "groups": {NAME: [I, …] | "FIRST-LAST"}, "adapters": [NAME, …] | {NAME: LOAD | {"load",
///             "rank", "group", "replicas"}}}; or NAME*LOAD:NAME
/// Errors:     errc::malformed, errc::invalid_argument with the entry; what the settings mean together is for propose() to say
inline result<lora_groups> parse_lora_groups(std::string_view text, std::string const& where = "lora_groups") {
  auto const first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return detail::bad_lora("is empty", where);
  if (text[first] != '{') return detail::lora_from_list(text, where);
  GPUPLACE_TRY(auto const value, parse_json_or_python(text, where));
  return detail::lora_from_json(value, where);
}

}  // namespace gpuplace
