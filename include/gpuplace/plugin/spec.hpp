#pragma once
/// @file
/// Spec strings: how a command line or a file names a strategy and its settings, such as `ratio(6:2)`.

#include <gpuplace/core/result.hpp>
#include <gpuplace/plugin/detail/spec_reader.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

/// A spec string that was read: a name and its arguments. The typed accessors name the strategy and the argument when
/// they refuse one.
/// Source:     the grammar is  spec := name [ "(" [ argument { "," argument } ] ")" ];  argument := [ key "=" ] value;
///             a value is text with balanced parentheses (another spec, for instance) or stands in double quotes
struct spec {
  /// One argument: `6:2` has no key, `batch=3` has one. A value in quotes is kept without them.
  struct argument {
    std::string key;
    std::string text;
    friend bool operator==(argument const&, argument const&) = default;
  };

  std::string name;
  std::vector<argument> arguments;

  friend bool operator==(spec const&, spec const&) = default;

  /// Where an accessor looks: the nth argument without a key, or the argument with that key.
  class place {
  public:
    place(std::size_t position) : position_(position) {}
    place(int position) : position_(static_cast<std::size_t>(position)) {}
    place(char const* key) : key_(key) {}
    place(std::string_view key) : key_(key) {}
    std::size_t position() const { return position_; }
    std::string_view key() const { return key_; }
    std::string text() const {
      return key_.empty() ? "argument " + std::to_string(position_ + 1) : "argument '" + std::string(key_) + "'";
    }

  private:
    std::size_t position_ = 0;
    std::string_view key_;
  };

  /// The argument at `where`, or null.
  argument const* find(place where) const {
    std::size_t position = 0;
    for (auto const& a : arguments) {
      if (where.key().empty() ? a.key.empty() && position == where.position() : a.key == where.key()) return &a;
      position += a.key.empty() ? 1 : 0;
    }
    return nullptr;
  }

  /// The argument's text. Errors: errc::invalid_argument if it is not there.
  result<std::string> text(place where) const;
  /// A whole number in [least, most]. Errors: errc::invalid_argument
  result<std::int64_t> integer(place where, std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                               std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;
  /// Whole numbers in [least, most] between colons: `6:2` is {6, 2}. Errors: errc::invalid_argument
  result<std::vector<std::int64_t>> integers(place where, std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                                             std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;
  /// A finite number. Errors: errc::invalid_argument
  result<double> number(place where) const;
  /// The argument read as a spec of its own: `auto(ratio(6:2))`. Errors: errc::invalid_argument
  result<spec> inner(place where) const;
  /// Refuses more than `positional` arguments without a key, keys other than `keys`, and a key given twice.
  /// Errors:     errc::invalid_argument
  result<void> allow(std::size_t positional, std::initializer_list<std::string_view> keys = {}) const;
};

/// The longest spec string that is read, in bytes.
inline constexpr std::size_t longest_spec = 4096;

std::string to_string(spec const& s);

/// Reads `name`, `name()`, `ratio(6:2)`, `x(a, b=3, nested(1,2), "a, quoted value")`.
/// Errors:     errc::invalid_argument with the character's position and a line that points at it
/// Complexity: O(length)
inline result<spec> parse_spec(std::string_view text) {
  if (text.size() > longest_spec)
    return error{errc::invalid_argument,
                 "a spec of " + std::to_string(text.size()) + " bytes is longer than the limit of " + std::to_string(longest_spec),
                 "spec '" + detail::printable(text.substr(0, 32)) + "…'",
                 {}};
  detail::spec_reader reader(text);
  reader.skip_blanks();
  spec read;
  read.name = reader.take_name();
  if (read.name.empty())
    return reader.fail_here("a name is missing",
                            "a spec begins with the name of a strategy or backend, such as even or ratio(6:2)");
  reader.skip_blanks();
  if (reader.take('(')) {
    reader.skip_blanks();
    bool more = !reader.take(')');
    while (more) {
      reader.skip_blanks();
      spec::argument next;
      next.key = reader.take_key();
      reader.skip_blanks();
      if (reader.peek() == '"') {
        GPUPLACE_TRY(next.text, reader.take_quoted());
      } else {
        GPUPLACE_TRY(next.text, reader.take_bare());
        if (next.text.empty()) return reader.fail_here("an argument is missing", "write a value here, or \"\" for an empty one");
      }
      reader.skip_blanks();
      read.arguments.push_back(std::move(next));
      more = reader.take(',');
      if (!more && !reader.take(')'))
        return reader.fail_here("',' or ')' is missing", "separate arguments with ',' and close the list with ')'");
    }
  }
  reader.skip_blanks();
  if (!reader.at_end()) return reader.fail_here("the spec should end here", "write name, or name(argument, key=argument)");
  return read;
}

namespace detail {

/// Whether `text` without quotes is read back as it is.
inline bool reads_back_bare(spec::argument const& a) {
  spec_reader reader(a.text);
  if (a.text.empty() || a.text.front() == '"' || is_blank(a.text.front())) return false;
  if (a.key.empty() && !reader.take_key().empty()) return false;
  auto const read = reader.take_bare();
  return read && *read == a.text;
}

inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

inline error refuse(spec const& s, spec::place where, std::string what, std::string remedy = {}) {
  return {errc::invalid_argument, std::move(what), printable(to_string(s)) + ", " + where.text(), std::move(remedy)};
}

/// All of `text` as a number of type `T`.
template <class T>
bool read_number(std::string_view text, T& value) {
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc{} && end == text.data() + text.size();
}

inline result<std::int64_t> whole_number(spec const& s, spec::place where, std::string_view text, std::int64_t least,
                                         std::int64_t most) {
  std::int64_t value = 0;
  if (!read_number(text, value)) return refuse(s, where, "'" + printable(text) + "' is not a whole number");
  if (value < least) return refuse(s, where, std::to_string(value) + " is less than the least, " + std::to_string(least));
  if (value > most) return refuse(s, where, std::to_string(value) + " is more than the most, " + std::to_string(most));
  return value;
}

}  // namespace detail

/// The spec string that parse_spec reads as `s`, with quotes only where they are needed.
inline std::string to_string(spec const& s) {
  if (s.arguments.empty()) return s.name;
  std::string text = s.name;
  char before = '(';
  for (auto const& a : s.arguments) {
    text += before;
    if (!a.key.empty()) text += a.key + '=';
    text += detail::reads_back_bare(a) ? a.text : detail::quoted(a.text);
    before = ',';
  }
  return text + ')';
}

inline result<std::string> spec::text(place where) const {
  if (auto const* a = find(where)) return a->text;
  return detail::refuse(*this, where, "is missing");
}

inline result<std::int64_t> spec::integer(place where, std::int64_t least, std::int64_t most) const {
  GPUPLACE_TRY(auto const value, text(where));
  return detail::whole_number(*this, where, value, least, most);
}

inline result<std::vector<std::int64_t>> spec::integers(place where, std::int64_t least, std::int64_t most) const {
  GPUPLACE_TRY(auto const value, text(where));
  std::vector<std::int64_t> numbers;
  for (std::size_t from = 0; from <= value.size();) {
    auto const to = std::min(value.find(':', from), value.size());
    GPUPLACE_TRY(auto const one, detail::whole_number(*this, where, std::string_view(value).substr(from, to - from), least, most));
    numbers.push_back(one);
    from = to + 1;
  }
  return numbers;
}

inline result<double> spec::number(place where) const {
  GPUPLACE_TRY(auto const value, text(where));
  double number = 0;
  if (!detail::read_number(value, number) || !std::isfinite(number))
    return detail::refuse(*this, where, "'" + detail::printable(value) + "' is not a number");
  return number;
}

inline result<spec> spec::inner(place where) const {
  GPUPLACE_TRY(auto const value, text(where));
  auto read = parse_spec(value);
  if (!read) return detail::refuse(*this, where, read.error().what, read.error().remedy);
  return read;
}

inline result<void> spec::allow(std::size_t positional, std::initializer_list<std::string_view> keys) const {
  std::size_t position = 0;
  for (auto const& a : arguments) {
    if (a.key.empty()) {
      if (position++ < positional) continue;
      return detail::refuse(
          *this, position - 1,
          positional == 0 ? name + " takes no such argument" : name + " takes at most " + std::to_string(positional));
    }
    if (std::ranges::find(keys, std::string_view(a.key)) == keys.end())
      return detail::refuse(*this, std::string_view(a.key), name + " has no setting of this name");
    if (find(std::string_view(a.key)) != &a) return detail::refuse(*this, std::string_view(a.key), "is given twice");
  }
  return {};
}

}  // namespace gpuplace
