#pragma once
// Reading tokens one after another, with errors that say what was found.

#include "lexer.hpp"
#include "value.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::text::jinja {

class token_stream {
public:
  explicit token_stream(std::vector<token> tokens) : tokens_(std::move(tokens)) {}

  token const& now() const { return tokens_[at_]; }
  token const& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  token take() {
    auto const taken = now();
    if (at_ + 1 < tokens_.size()) ++at_;
    return taken;
  }
  int line() const { return now().line; }

  bool is(token_kind kind) const { return now().kind == kind; }
  bool is_op(std::string_view text) const { return is(token_kind::op) && now().text == text; }
  bool is_word(std::string_view text) const { return is(token_kind::name) && now().text == text; }
  bool skip_op(std::string_view text) { return is_op(text) && (take(), true); }
  bool skip_word(std::string_view text) { return is_word(text) && (take(), true); }

  void expect_op(std::string_view text) {
    if (!skip_op(text)) fail("expected '" + std::string(text) + "'");
  }
  void expect_word(std::string_view text) {
    if (!skip_word(text)) fail("expected '" + std::string(text) + "'");
  }
  void expect(token_kind kind, std::string const& what) {
    if (!is(kind)) fail("expected " + what);
    take();
  }
  std::string expect_name(std::string const& what) {
    if (!is(token_kind::name)) fail("expected " + what);
    return take().text;
  }

  [[noreturn]] void fail(std::string const& what) const {
    auto const seen = is(token_kind::data)  ? std::string("text")
                      : is(token_kind::end) ? now().text
                                            : "'" + now().text.substr(0, 40) + "'";
    throw fault{errc::malformed, what + ", found " + seen, line()};
  }

private:
  std::vector<token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace gpuplace::text::jinja
