#pragma once
/// @file
/// Typed, bounded reads from one object of a stored plan. Errors name the JSON path; keys that nobody asked for are kept.

#include <gpuplace/core/result.hpp>
#include <gpuplace/core/units.hpp>
#include <gpuplace/plan/detail/json_text.hpp>
#include <gpuplace/plan/plan.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// Where in a file a value is. Only an error turns it into text.
struct json_place {
  std::string const& file;
  json_place const* parent = nullptr;
  std::string_view key{};
  std::size_t index = 0;

  json_place at(std::string_view name) const { return {file, this, name, 0}; }
  json_place at(std::size_t i) const { return {file, this, {}, i}; }

  /// `models[0].replicas[1].stages[2].device`; empty for the whole file.
  std::string path() const {
    if (!parent) return {};
    auto const before = parent->path();
    if (key.empty()) return before + '[' + std::to_string(index) + ']';
    return before.empty() ? std::string(key) : before + '.' + std::string(key);
  }
  error refuse(errc code, std::string what, std::string remedy) const {
    auto const inside = path();
    return {code, std::move(what), inside.empty() ? file : file.empty() ? inside : file + ": " + inside, std::move(remedy)};
  }
};

inline std::string shown(nlohmann::json const& value) {
  auto const text = value.is_structured() ? std::string(value.is_object() ? "an object" : "a list") : dump_compact(value);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

/// The largest amount that a plan may name: 1 PiB, so that sums over thousands of stages stay in range.
inline constexpr std::int64_t most_bytes = std::int64_t{1} << 50;

/// One object of a plan. It and its place must outlive the view.
class plan_fields {
public:
  static result<plan_fields> of(nlohmann::json const& value, json_place const& at) {
    if (!value.is_object()) return at.refuse(errc::malformed, "is " + shown(value) + ", not an object", "write { … } here");
    return plan_fields(value, at);
  }

  json_place at(std::string_view key) const { return at_->at(key); }

  result<std::string> text(char const* key) {
    GPUPLACE_TRY(auto const* const value, needed(key, "a string"));
    return text_of(*value, at(key));
  }
  /// Empty where the key is absent or null.
  result<std::string> text_or_empty(char const* key) {
    auto const* const value = find(key);
    return value ? text_of(*value, at(key)) : result<std::string>(std::string());
  }
  result<bool> flag_or(char const* key, bool fallback) {
    auto const* const value = find(key);
    if (!value) return fallback;
    if (!value->is_boolean()) return wrong(key, *value, "true or false");
    return value->get<bool>();
  }
  result<std::int64_t> whole(char const* key, std::int64_t least, std::int64_t most) {
    auto const kind = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    GPUPLACE_TRY(auto const* const value, needed(key, kind));
    bool const huge = value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(most);
    if (!value->is_number_integer() || huge || value->get<std::int64_t>() < least || value->get<std::int64_t>() > most)
      return wrong(key, *value, kind);
    return value->get<std::int64_t>();
  }
  result<std::int64_t> whole_or(char const* key, std::int64_t fallback, std::int64_t least, std::int64_t most) {
    return find(key) ? whole(key, least, most) : result<std::int64_t>(fallback);
  }
  result<int> small_or(char const* key, int fallback, int least) {
    GPUPLACE_TRY(auto const number, whole_or(key, fallback, least, std::numeric_limits<int>::max()));
    return static_cast<int>(number);
  }
  result<bytes> amount(char const* key) {
    GPUPLACE_TRY(auto const count, whole(key, 0, most_bytes));
    return bytes{count};
  }
  result<bytes> amount_or_zero(char const* key) { return find(key) ? amount(key) : result<bytes>(bytes{}); }
  /// A finite number of at least zero; zero where the key is absent or null, which stands for "not known".
  result<double> number_or_zero(char const* key) {
    auto const* const value = find(key);
    if (!value) return 0.0;
    auto const number = value->is_number() ? value->get<double>() : -1.0;
    if (!std::isfinite(number) || number < 0) return wrong(key, *value, "a number of at least 0");
    return number;
  }

  /// The list under `key`.
  result<nlohmann::json const*> list(char const* key) {
    GPUPLACE_TRY(auto const* const value, needed(key, "a list"));
    if (!value->is_array()) return wrong(key, *value, "a list");
    return value;
  }
  result<std::vector<std::string>> texts(char const* key) {
    GPUPLACE_TRY(auto const* const items, list(key));
    std::vector<std::string> read;
    auto const here = at(key);
    for (std::size_t i = 0; i < items->size(); ++i) {
      GPUPLACE_TRY(auto item, text_of((*items)[i], here.at(i)));
      read.push_back(std::move(item));
    }
    return read;
  }
  result<std::vector<std::string>> texts_or_none(char const* key) {
    return find(key) ? texts(key) : result<std::vector<std::string>>(std::vector<std::string>());
  }
  /// The value under `key`, or null where it is absent or null.
  nlohmann::json const* find(char const* key) {
    asked_.push_back(key);
    auto const found = object_->find(key);
    return found == object_->end() || found->is_null() ? nullptr : &*found;
  }

  error wrong(char const* key, nlohmann::json const& value, std::string const& kind) const {
    return at(key).refuse(errc::malformed, "is " + shown(value) + ", not " + kind, "write " + kind);
  }

  /// The keys that nobody has asked for so far.
  unknown_keys rest() const {
    unknown_keys kept;
    for (auto const& [key, value] : object_->items())
      if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) kept.emplace(key, dump_compact(value));
    return kept;
  }

private:
  plan_fields(nlohmann::json const& object, json_place const& at) : object_(&object), at_(&at) {}

  result<nlohmann::json const*> needed(char const* key, std::string const& kind) {
    if (auto const* const value = find(key)) return value;
    return at_->refuse(errc::malformed, "has no '" + std::string(key) + "'", "add \"" + std::string(key) + "\", " + kind);
  }
  static result<std::string> text_of(nlohmann::json const& value, json_place const& at) {
    if (!value.is_string()) return at.refuse(errc::malformed, "is " + shown(value) + ", not a string", "write it in quotes");
    return value.get<std::string>();
  }

  nlohmann::json const* object_;
  json_place const* at_;
  std::vector<std::string_view> asked_;
};

}  // namespace gpuplace::detail
