#pragma once
/// @file
/// JSON as hand-edited plans need it: strict reading, and text whose short lists stay on one line.

#include <gpuplace/core/result.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// Deeper values than this are refused: walking them would exhaust the stack.
inline constexpr int deepest_json = 64;

/// What a well-formed text may still have wrong: a key that an object has twice, or nesting without end.
template <class Json>
class json_guard {
public:
  bool operator()(int depth, typename Json::parse_event_t event, Json& parsed) {
    using seen = typename Json::parse_event_t;
    if (depth > deepest_json) too_deep_ = true;
    if (event == seen::object_start) keys_.emplace_back();
    if (event == seen::object_end && !keys_.empty()) keys_.pop_back();
    if (event == seen::key && !twice_ && !keys_.empty() && !keys_.back().insert(parsed.template get<std::string>()).second)
      twice_ = parsed.template get<std::string>();
    return !too_deep_;
  }
  bool too_deep() const { return too_deep_; }
  std::optional<std::string> const& twice() const { return twice_; }

private:
  std::vector<std::set<std::string>> keys_;
  std::optional<std::string> twice_;
  bool too_deep_ = false;
};

/// Parses `text`; `origin` is the file that errors name.
/// Errors:     errc::malformed with `origin:line` where the text is not JSON, with `origin` where a key comes twice
template <class Json = nlohmann::json>
result<Json> parse_strict_json(std::string_view text, std::string const& origin) {
  json_guard<Json> guard;
  try {
    auto value = Json::parse(text, [&](int depth, auto event, Json& parsed) { return guard(depth, event, parsed); });
    if (guard.too_deep())
      return error{errc::malformed, "is nested more than " + std::to_string(deepest_json) + " levels deep", origin,
                   "check what wrote it"};
    if (guard.twice())
      return error{errc::malformed, "one object has the key '" + *guard.twice() + "' twice", origin, "remove one of the two"};
    return {boost::system::in_place_value, std::move(value)};
  } catch (nlohmann::json::parse_error const& e) {
    auto const read = std::min(e.byte, text.size());
    auto const line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(read), '\n');
    return error{errc::malformed, "is not valid JSON", origin + ':' + std::to_string(line),
                 "look for a missing comma, quote or bracket at or before this line"};
  } catch (nlohmann::json::exception const& e) {
    return error{errc::malformed, std::string("is not valid JSON: ") + e.what(), origin, {}};
  }
}

/// Bytes that are no UTF-8 (paths may hold them) are replaced rather than refused.
template <class Json>
std::string dump_compact(Json const& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Like dump(indent), but a list of plain values stays on one line, so that a stage's units can be read and edited.
inline void append_json(std::string& out, nlohmann::ordered_json const& value, int indent, int depth) {
  bool const plain =
      value.is_array() && std::none_of(value.begin(), value.end(), [](auto const& item) { return item.is_structured(); });
  if (!value.is_structured() || value.empty()) {
    out += dump_compact(value);
    return;
  }
  auto const line = [&](int level) { out += '\n', out.append(static_cast<std::size_t>(indent * level), ' '); };
  out += value.is_object() ? '{' : '[';
  bool first = true;
  for (auto const& [key, item] : value.items()) {
    if (!std::exchange(first, false)) out += plain ? ", " : ",";
    if (!plain) line(depth + 1);
    if (value.is_object()) out += dump_compact(nlohmann::ordered_json(key)) + ": ";
    append_json(out, item, indent, depth + 1);
  }
  if (!plain) line(depth);
  out += value.is_object() ? '}' : ']';
}

}  // namespace gpuplace::detail
