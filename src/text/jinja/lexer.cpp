#include "lexer.hpp"

#include "python_strings.hpp"
#include "value.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>

namespace gpuplace::text::jinja {

namespace {

// One kind of line end, and none at the very end: keep_trailing_newline is off.
std::string normalized(std::string const& source) {
  std::string out;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_name_start(char c) { return c == '_' || std::isalpha(static_cast<unsigned char>(c)); }
bool is_name_part(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class lexer {
public:
  explicit lexer(std::string source) : source_(std::move(source)), rest_(source_) {}

  std::vector<token> run() {
    while (!rest_.empty()) next_part();
    add(token_kind::end, "end of template");
    return std::move(tokens_);
  }

private:
  [[noreturn]] void fail(std::string what) const { throw fault{errc::malformed, std::move(what), line_}; }

  void add(token_kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  // Every character goes through here, so that lines and the start of a line are known.
  void advance(std::size_t n) {
    if (n == 0) return;
    line_ += static_cast<int>(std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(n), '\n'));
    starts_line_ = rest_[n - 1] == '\n';
    rest_.remove_prefix(n);
  }

  void skip_space() {
    auto const kept = strip(rest_, nullptr, true, false);
    advance(rest_.size() - kept.size());
  }

  bool starts(std::string_view s) const { return rest_.substr(0, s.size()) == s; }

  void next_part() {
    std::size_t at = rest_.find('{');
    while (at != std::string_view::npos &&
           (at + 1 >= rest_.size() || std::string_view("{%#").find(rest_[at + 1]) == std::string_view::npos))
      at = rest_.find('{', at + 1);
    if (at == std::string_view::npos) {
      data(rest_);
      return advance(rest_.size());
    }
    char const opened = rest_[at + 1];
    char const sign = at + 2 < rest_.size() ? rest_[at + 2] : ' ';
    data(before(rest_.substr(0, at), opened, sign));
    advance(at + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (opened == '#') return comment();
    if (opened == '%' && raw()) return;
    add(opened == '{' ? token_kind::variable_begin : token_kind::block_begin, opened == '{' ? "{{" : "{%");
    inside(opened == '{');
  }

  // The data before a tag as its sign and lstrip_blocks leave it.
  std::string_view before(std::string_view text, char opened, char sign) const {
    if (sign == '-') return strip(text, nullptr, false, true);
    if (sign == '+' || opened == '{') return text;
    auto const newline = text.rfind('\n');
    auto const start = newline == std::string_view::npos ? 0 : newline + 1;
    if (start == 0 && !starts_line_) return text;
    return text.find_first_not_of(" \t", start) == std::string_view::npos ? text.substr(0, start) : text;
  }

  void data(std::string_view text) {
    if (!text.empty()) add(token_kind::data, std::string(text));
  }

  // Takes `close` with its sign and the space that the sign and trim_blocks remove.
  bool take_end(std::string_view close, bool trims_newline) {
    bool const minus = rest_.size() > close.size() && rest_[0] == '-' && rest_.substr(1, close.size()) == close;
    bool const plus = trims_newline && rest_.size() > close.size() && rest_[0] == '+' && rest_.substr(1, close.size()) == close;
    if (!minus && !plus && !starts(close)) return false;
    auto taken = close.size() + (minus || plus ? 1 : 0);
    if (minus) taken = rest_.size() - strip(rest_.substr(taken), nullptr, true, false).size();
    else if (!plus && trims_newline && taken < rest_.size() && rest_[taken] == '\n') ++taken;
    advance(taken);
    return true;
  }

  void comment() {
    auto const at = rest_.find("#}");
    if (at == std::string_view::npos) fail("a comment {# is never closed by #}");
    bool const sign = at > 0 && (rest_[at - 1] == '-' || rest_[at - 1] == '+');
    advance(sign ? at - 1 : at);
    take_end("#}", true);
  }

  static std::string_view without_space(std::string_view s) { return strip(s, nullptr, true, false); }

  bool raw() {
    auto const word = without_space(rest_);
    if (word.substr(0, 3) != "raw") return false;
    auto const after = without_space(word.substr(3));
    if (after.substr(0, 2) != "%}" && after.substr(0, 3) != "-%}") return false;
    advance(rest_.size() - after.size());
    take_end("%}", false);
    for (auto at = rest_.find("{%"); at != std::string_view::npos; at = rest_.find("{%", at + 1)) {
      char const sign = at + 2 < rest_.size() ? rest_[at + 2] : ' ';
      auto const name = without_space(rest_.substr(at + 2 + (sign == '-' || sign == '+' ? 1 : 0)));
      if (name.substr(0, 6) != "endraw") continue;
      auto const close = without_space(name.substr(6));
      if (close.substr(0, 2) != "%}" && close.substr(0, 3) != "-%}" && close.substr(0, 3) != "+%}") continue;
      data(before(rest_.substr(0, at), '%', sign));
      advance(rest_.size() - close.size());
      return take_end("%}", true);
    }
    fail("{% raw %} is never closed by {% endraw %}");
  }

  void inside(bool variable) {
    std::vector<char> open;
    for (;;) {
      if (open.empty() && take_close(variable)) return;
      skip_space();
      if (rest_.empty()) fail(variable ? "{{ is never closed by }}" : "{% is never closed by %}");
      if (open.empty() && take_close(variable)) return;
      if (is_name_start(rest_[0])) name();
      else if (is_digit(rest_[0])) number();
      else if (rest_[0] == '\'' || rest_[0] == '"') string();
      else operation(open);
    }
  }

  bool take_close(bool variable) {
    auto const line = line_;
    if (!take_end(variable ? "}}" : "%}", !variable)) return false;
    tokens_.push_back({variable ? token_kind::variable_end : token_kind::block_end, variable ? "}}" : "%}", line});
    return true;
  }

  std::size_t run_of(std::size_t from, bool (*part)(char)) const {
    while (from < rest_.size() && part(rest_[from])) ++from;
    return from;
  }

  void name() {
    auto const n = run_of(0, is_name_part);
    add(token_kind::name, std::string(rest_.substr(0, n)));
    advance(n);
  }

  void number() {
    auto const digits = [](char c) { return is_digit(c) || c == '_'; };
    auto n = run_of(0, digits);
    bool floating = false;
    if (n + 1 < rest_.size() && rest_[n] == '.' && is_digit(rest_[n + 1])) n = run_of(n + 1, digits), floating = true;
    if (n < rest_.size() && (rest_[n] == 'e' || rest_[n] == 'E')) {
      auto const sign = n + 1 < rest_.size() && (rest_[n + 1] == '+' || rest_[n + 1] == '-') ? 1U : 0U;
      if (n + 1 + sign < rest_.size() && is_digit(rest_[n + 1 + sign])) n = run_of(n + 1 + sign, digits), floating = true;
    }
    if (n < rest_.size() && is_name_start(rest_[n])) fail("'" + std::string(rest_.substr(0, n + 1)) + "' is no number");
    std::string text(rest_.substr(0, n));
    std::erase(text, '_');
    add(floating ? token_kind::floating : token_kind::integer, text);
    advance(n);
  }

  void string() {
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != rest_[0]) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) fail("a string is never closed");
    add(token_kind::string, unescape(rest_.substr(1, end - 1)));
    advance(end + 1);
  }

  std::string unescape(std::string_view s) const {
    static constexpr std::string_view from = "nrtabfv\\'\"", to = "\n\r\t\a\b\f\v\\'\"";
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
      if (s[i] != '\\') {
        out += s[i];
        continue;
      }
      char const c = s[++i];
      if (auto const known = from.find(c); known != std::string_view::npos) out += to[known];
      else if (c == 'x') append_utf8(out, code(s, i, 2, 16));
      else if (c == 'u') append_utf8(out, unicode_escape(s, i));
      else if (c == 'U') append_utf8(out, code(s, i, 8, 16));
      else if (c >= '0' && c <= '7') append_utf8(out, octal(s, i));
      else if (c == 'N')
        throw fault{errc::unsupported, "the template uses a named character \\N{…}, which gpuplace does not know", line_};
      else if (c != '\n') (out += '\\') += c;
    }
    return out;
  }

  // Digits after s[i]; leaves i at the last of them.
  unsigned code(std::string_view s, std::size_t& i, std::size_t digits, int base) const {
    auto const text = std::string(s.substr(i + 1, digits));
    bool const right =
        text.size() == digits && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
    auto const number = right ? std::stoul(text, nullptr, base) : 0x110000UL;
    if (number > 0x10ffff) fail("a string has a broken \\" + std::string(1, s[i]) + " escape");
    i += digits;
    return static_cast<unsigned>(number);
  }

  unsigned unicode_escape(std::string_view s, std::size_t& i) const {
    auto const number = code(s, i, 4, 16);
    if (number >= 0xd800 && number < 0xe000) fail("a string has half a surrogate pair as \\u escape");
    return number;
  }

  static unsigned octal(std::string_view s, std::size_t& i) {
    unsigned number = 0;
    auto const first = i;
    while (i < s.size() && i < first + 3 && s[i] >= '0' && s[i] <= '7') number = number * 8 + static_cast<unsigned>(s[i++] - '0');
    --i;
    return number;
  }

  void operation(std::vector<char>& open) {
    static constexpr std::array<std::string_view, 25> all = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "/", "*", "%", "~", "[",
                                                             "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ","};
    auto const found = std::find_if(all.begin(), all.end(), [&](std::string_view o) { return starts(o); });
    if (found == all.end()) fail("unexpected character '" + std::string(characters(rest_.substr(0, 4))[0]) + "'");
    char const c = found->front();
    if (c == '(' || c == '[' || c == '{') open.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) fail(std::string("unexpected '") + c + "'");
      open.pop_back();
    }
    add(token_kind::op, std::string(*found));
    advance(found->size());
  }

  std::string source_;
  std::string_view rest_;
  std::vector<token> tokens_;
  int line_ = 1;
  bool starts_line_ = true;
};

}  // namespace

std::vector<token> tokenize(std::string const& source) { return lexer(normalized(source)).run(); }

}  // namespace gpuplace::text::jinja
