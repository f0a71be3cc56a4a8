#pragma once
/// @file
/// Typed, bounded reads from one JSON object, whose errors name the file and the key.

#include <cmath>
#include <cstdint>
#include <gpuplace/core/result.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplace::detail {

/// A view of `object`, which must outlive it. A key whose value is null counts as absent, as Hugging Face writes it.
class json_fields {
public:
  json_fields(nlohmann::json const& object, std::string file, std::string prefix = {})
      : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}

  /// Looks for keys in `inner`, a member of the object, before the object itself. What a whole model is called, and whether its
  /// head is tied, stays with the object. Nothing is copied: a hostile file may nest deeper than a copy could follow.
  void look_first_in(nlohmann::json const& inner) { inner_ = &inner; }

  nlohmann::json const* find(char const* key) const {
    auto const* const first = lookup(key, true);
    auto const* const found = first && !first->is_null() ? first : lookup(key, false);
    return found && !found->is_null() ? found : nullptr;
  }

  /// True where the key is there and null: some files say "none" so where an absent key means a default.
  bool is_null(char const* key) const {
    auto const* const first = lookup(key, true);
    auto const* const found = first ? first : lookup(key, false);
    return found && found->is_null();
  }

  error refuse(errc code, std::string_view key, std::string const& what, std::string remedy = {}) const {
    return {code, '\'' + prefix_ + std::string(key) + "' " + what, file_, std::move(remedy)};
  }

  result<std::int64_t> whole(char const* key, std::int64_t least, std::int64_t most) const {
    auto const* const value = find(key);
    if (!value) return refuse(errc::malformed, key, "is missing");
    if (!value->is_number_integer()) return refuse(errc::malformed, key, "must be a whole number, not " + shown(*value));
    auto const number = value->get<std::int64_t>();
    bool const wrapped = value->is_number_unsigned() && number < 0;
    if (wrapped || number < least || number > most)
      return refuse(errc::malformed, key,
                    "is " + shown(*value) + ", outside " + std::to_string(least) + " to " + std::to_string(most));
    return number;
  }
  result<std::int64_t> whole_or(char const* key, std::int64_t fallback, std::int64_t least, std::int64_t most) const {
    return find(key) ? whole(key, least, most) : result<std::int64_t>(fallback);
  }

  /// A finite number above zero.
  result<double> positive(char const* key) const {
    auto const* const value = find(key);
    if (!value) return refuse(errc::malformed, key, "is missing");
    if (!value->is_number()) return refuse(errc::malformed, key, "must be a number, not " + shown(*value));
    auto const number = value->get<double>();
    if (!std::isfinite(number) || number <= 0) return refuse(errc::malformed, key, "is " + shown(*value) + ", not above zero");
    return number;
  }
  result<double> positive_or(char const* key, double fallback) const {
    return find(key) ? positive(key) : result<double>(fallback);
  }

  result<bool> flag_or(char const* key, bool fallback) const {
    auto const* const value = find(key);
    if (!value) return fallback;
    if (!value->is_boolean()) return refuse(errc::malformed, key, "must be true or false, not " + shown(*value));
    return value->get<bool>();
  }

  result<std::string> text_or(char const* key, std::string fallback) const {
    auto const* const value = find(key);
    if (!value) return fallback;
    if (!value->is_string()) return refuse(errc::malformed, key, "must be a string, not " + shown(*value));
    return value->get<std::string>();
  }

  /// The object under `key`, or null where it is absent.
  result<nlohmann::json const*> object_at(char const* key) const {
    auto const* const value = find(key);
    if (value && !value->is_object()) return refuse(errc::malformed, key, "must be an object, not " + shown(*value));
    return value;
  }

  std::string const& file() const { return file_; }

private:
  /// The value in the place that counts first for this key, or in the other one.
  nlohmann::json const* lookup(std::string_view key, bool first) const {
    bool const outside = key == "architectures" || key == "model_type" || key == "tie_word_embeddings";
    auto const* const place = inner_ && outside != first ? inner_ : &object_;
    auto const found = place->find(key);
    return found == place->end() ? nullptr : &*found;
  }

  /// Arrays and objects by their kind alone: a hostile file may nest them deeper than printing could follow.
  static std::string shown(nlohmann::json const& value) {
    if (value.is_structured()) return value.is_array() ? "a list" : "an object";
    auto text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    return text.size() <= 40 ? text : text.substr(0, 37) + "...";
  }

  nlohmann::json const& object_;
  nlohmann::json const* inner_ = nullptr;
  std::string file_;
  std::string prefix_;
};

}  // namespace gpuplace::detail
