#include "parser.hpp"

#include "expression_parser.hpp"
#include "token_stream.hpp"

#include <algorithm>
#include <initializer_list>

namespace gpuplace::text::jinja {

namespace {

using words = std::initializer_list<std::string_view>;

class parser {
public:
  explicit parser(std::string const& source) : in_(tokenize(source)), expressions_(in_) {}

  block run() {
    auto all = body({});
    if (!in_.is(token_kind::end)) in_.fail("expected a statement");
    return all;
  }

private:
  static constexpr int deepest = 60;

  std::unique_ptr<statement> make(statement_kind kind) const {
    auto made = std::make_unique<statement>();
    made->kind = kind;
    made->line = in_.line();
    return made;
  }

  // Statements up to a tag of one of the names, which is left with its `{%` taken.
  block body(words until) {
    if (++level_ > deepest)
      throw fault{errc::malformed, "blocks are nested deeper than " + std::to_string(deepest) + " levels", in_.line()};
    block all;
    while (!in_.is(token_kind::end)) {
      if (in_.is(token_kind::data)) {
        all.push_back(make(statement_kind::data));
        all.back()->text = in_.take().text;
      } else if (in_.is(token_kind::variable_begin)) {
        all.push_back(print());
      } else {
        in_.take();
        if (in_.is(token_kind::name) && std::find(until.begin(), until.end(), in_.now().text) != until.end()) break;
        all.push_back(tag());
      }
    }
    if (in_.is(token_kind::end) && until.size()) in_.fail("expected {% " + std::string(*(until.end() - 1)) + " %}");
    --level_;
    return all;
  }

  std::unique_ptr<statement> print() {
    in_.take();
    auto made = make(statement_kind::print);
    made->subject = expressions_.any();
    in_.expect(token_kind::variable_end, "'}}'");
    return made;
  }

  void close() { in_.expect(token_kind::block_end, "'%}'"); }
  void close(std::string_view name) {
    in_.expect_word(name);
    close();
  }

  std::unique_ptr<statement> tag() {
    auto const line = in_.line();
    auto const name = in_.expect_name("the name of a statement");
    if (name == "if") return branch();
    if (name == "for") return loop();
    if (name == "set") return assign();
    if (name == "macro") return macro();
    if (name == "with") return with();
    if (name == "generation") return generation();
    if (name == "break" || name == "continue") return leave(name, line);
    static constexpr std::string_view known[] = {"block", "call",       "extends", "filter", "include", "import",
                                                 "from",  "autoescape", "print",   "do",     "trans",   "debug"};
    if (std::find(std::begin(known), std::end(known), name) != std::end(known))
      throw fault{errc::unsupported, "the template uses {% " + name + " %}, which gpuplace does not know", line};
    throw fault{errc::malformed, "unknown statement {% " + name.substr(0, 40) + " %}", line};
  }

  std::unique_ptr<statement> branch() {
    auto made = make(statement_kind::branch);
    do {
      made->tests.push_back(expressions_.without_conditional());
      close();
      made->bodies.push_back(body({"elif", "else", "endif"}));
    } while (in_.skip_word("elif"));
    if (in_.skip_word("else")) {
      close();
      made->otherwise = body({"endif"});
    }
    close("endif");
    return made;
  }

  std::unique_ptr<statement> loop() {
    auto made = make(statement_kind::loop);
    made->into = names("in");
    in_.expect_word("in");
    made->subject = expressions_.without_conditional();
    if (in_.skip_word("if")) made->condition = expressions_.single();
    if (in_.is_word("recursive"))
      throw fault{errc::unsupported, "the template uses a recursive loop, which gpuplace does not know", in_.line()};
    close();
    ++loops_;
    made->bodies.push_back(body({"else", "endfor"}));
    --loops_;
    if (in_.skip_word("else")) {
      close();
      made->otherwise = body({"endfor"});
    }
    close("endfor");
    return made;
  }

  target names(std::string_view until) {
    target made;
    bool const parenthesised = in_.skip_op("(");
    do {
      if (!made.names.empty() && (in_.is_word(until) || in_.is_op(until) || in_.is_op(")"))) break;
      made.names.push_back(writable_name());
      if (in_.is_op(",")) made.unpack = true;
    } while (in_.skip_op(","));
    if (parenthesised) in_.expect_op(")");
    return made;
  }

  std::string writable_name() {
    static constexpr std::string_view constants[] = {"true", "True", "false", "False", "none", "None"};
    if (std::find(std::begin(constants), std::end(constants), in_.now().text) != std::end(constants) || in_.is_word("loop"))
      in_.fail("expected a name that can be written");
    return in_.expect_name("a name");
  }

  std::unique_ptr<statement> assign() {
    auto made = make(statement_kind::assign);
    if (in_.ahead().kind == token_kind::op && in_.ahead().text == ".") {
      made->into.names.push_back(writable_name());
      in_.take();
      made->into.attribute = in_.expect_name("a name after '.'");
    } else {
      made->into = names("=");
    }
    if (in_.skip_op("=")) {
      made->subject = expressions_.any();
      close();
      return made;
    }
    return capture(std::move(made));
  }

  std::unique_ptr<statement> capture(std::unique_ptr<statement> made) {
    made->kind = statement_kind::capture;
    if (made->into.unpack) in_.fail("expected '='");
    if (in_.is_op("|")) {
      auto text = std::make_unique<expression>();
      text->kind = expression_kind::name;
      text->line = in_.line();
      text->text = captured_text;
      made->subject = expressions_.filters_of(std::move(text));
    }
    close();
    made->bodies.push_back(body({"endset"}));
    close("endset");
    return made;
  }

  std::unique_ptr<statement> macro() {
    if (loops_ > 0 || in_macro_)
      throw fault{errc::unsupported, "the template uses a macro inside a loop or a macro, which gpuplace does not know",
                  in_.line()};
    auto made = make(statement_kind::macro);
    made->macro = std::make_unique<macro_node>();
    made->macro->name = writable_name();
    in_.expect_op("(");
    while (!in_.is_op(")")) {
      if (!made->macro->parameters.empty()) in_.expect_op(",");
      auto name = writable_name();
      auto otherwise = in_.skip_op("=") ? expressions_.single() : nullptr;
      made->macro->parameters.emplace_back(std::move(name), std::move(otherwise));
    }
    in_.expect_op(")");
    close();
    in_macro_ = true;
    made->macro->body = body({"endmacro"});
    in_macro_ = false;
    in_.expect_word("endmacro");
    if (in_.is(token_kind::name)) in_.take();
    close();
    return made;
  }

  std::unique_ptr<statement> with() {
    auto made = make(statement_kind::scope);
    while (!in_.is(token_kind::block_end)) {
      if (!made->tests.empty()) in_.expect_op(",");
      made->into.names.push_back(writable_name());
      in_.expect_op("=");
      made->tests.push_back(expressions_.single());
    }
    close();
    made->bodies.push_back(body({"endwith"}));
    close("endwith");
    return made;
  }

  // Marks the assistant's text for training; the text itself passes through.
  std::unique_ptr<statement> generation() {
    auto made = make(statement_kind::scope);
    close();
    made->bodies.push_back(body({"endgeneration"}));
    close("endgeneration");
    return made;
  }

  std::unique_ptr<statement> leave(std::string const& name, int line) {
    if (loops_ == 0) throw fault{errc::malformed, "{% " + name + " %} outside a loop", line};
    auto made = make(name == "break" ? statement_kind::break_loop : statement_kind::continue_loop);
    close();
    return made;
  }

  token_stream in_;
  expression_parser expressions_;
  int level_ = 0;
  int loops_ = 0;
  bool in_macro_ = false;
};

}  // namespace

block parse(std::string const& source) { return parser(source).run(); }

}  // namespace gpuplace::text::jinja
