#include "expression_parser.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace gpuplace::text::jinja {

struct expression_parser::level {
  explicit level(expression_parser& p) : parser(p) {
    if (++parser.level_ > deepest)
      throw fault{errc::malformed, "an expression is nested deeper than " + std::to_string(deepest) + " levels", p.in_.line()};
  }
  ~level() { --parser.level_; }
  level(level const&) = delete;
  level& operator=(level const&) = delete;
  expression_parser& parser;
};

namespace {

template <class... Children>
std::vector<expression_ptr> listed(Children... children) {
  std::vector<expression_ptr> all;
  (all.push_back(std::move(children)), ...);
  return all;
}

int depth_over(expression const& e) {
  int depth = 0;
  for (auto const& child : e.children)
    if (child) depth = std::max(depth, child->depth);
  for (auto const& [name, child] : e.named) depth = std::max(depth, child->depth);
  return depth + 1;
}

}  // namespace

expression_ptr expression_parser::make(expression_kind kind, std::vector<expression_ptr> children, std::string text) {
  auto made = std::make_unique<expression>();
  made->kind = kind;
  made->line = in_.line();
  made->text = std::move(text);
  made->children = std::move(children);
  made->depth = depth_over(*made);
  if (made->depth > deepest)
    throw fault{errc::malformed, "an expression is nested deeper than " + std::to_string(deepest) + " levels", in_.line()};
  return made;
}

bool expression_parser::ends_tuple() const {
  return in_.is(token_kind::variable_end) || in_.is(token_kind::block_end) || in_.is_op(")") || in_.is_op("=") ||
         in_.is_word("if") || in_.is_word("recursive");
}

expression_ptr expression_parser::tuple(bool with_conditional) {
  auto first = with_conditional ? conditional() : disjunction();
  if (!in_.is_op(",")) return first;
  auto items = listed(std::move(first));
  while (in_.skip_op(",")) {
    if (ends_tuple()) break;
    items.push_back(with_conditional ? conditional() : disjunction());
  }
  return make(expression_kind::tuple, std::move(items));
}

expression_ptr expression_parser::conditional() {
  level const deeper(*this);
  auto chosen = disjunction();
  while (in_.skip_word("if")) {
    auto condition = disjunction();
    auto otherwise = in_.skip_word("else") ? conditional() : nullptr;
    chosen = make(expression_kind::conditional, listed(std::move(condition), std::move(chosen), std::move(otherwise)));
  }
  return chosen;
}

expression_ptr expression_parser::disjunction() {
  auto left = conjunction();
  while (in_.skip_word("or")) left = make(expression_kind::logical_or, listed(std::move(left), conjunction()));
  return left;
}

expression_ptr expression_parser::conjunction() {
  auto left = negation();
  while (in_.skip_word("and")) left = make(expression_kind::logical_and, listed(std::move(left), negation()));
  return left;
}

expression_ptr expression_parser::negation() {
  level const deeper(*this);
  if (in_.skip_word("not")) return make(expression_kind::logical_not, listed(negation()));
  return comparison();
}

expression_ptr expression_parser::comparison() {
  auto operands = listed(sum());
  std::vector<std::string> operators;
  for (;;) {
    static constexpr std::string_view all[] = {"==", "!=", "<", "<=", ">", ">="};
    if (in_.is(token_kind::op) && std::find(std::begin(all), std::end(all), in_.now().text) != std::end(all))
      operators.push_back(in_.take().text);
    else if (in_.skip_word("in")) operators.emplace_back("in");
    else if (in_.is_word("not") && in_.ahead().kind == token_kind::name && in_.ahead().text == "in")
      in_.take(), in_.take(), operators.emplace_back("not in");
    else break;
    operands.push_back(sum());
  }
  if (operators.empty()) return std::move(operands.front());
  auto made = make(expression_kind::compare, std::move(operands));
  made->operators = std::move(operators);
  return made;
}

expression_ptr expression_parser::sum() {
  auto left = concatenation();
  while (in_.is_op("+") || in_.is_op("-")) {
    auto const sign = in_.take().text;
    left = make(expression_kind::binary, listed(std::move(left), concatenation()), sign);
  }
  return left;
}

expression_ptr expression_parser::concatenation() {
  auto left = product();
  while (in_.skip_op("~")) left = make(expression_kind::binary, listed(std::move(left), product()), "~");
  return left;
}

expression_ptr expression_parser::product() {
  auto left = power();
  while (in_.is_op("*") || in_.is_op("/") || in_.is_op("//") || in_.is_op("%")) {
    auto const sign = in_.take().text;
    left = make(expression_kind::binary, listed(std::move(left), power()), sign);
  }
  return left;
}

expression_ptr expression_parser::power() {
  auto left = unary(true);
  while (in_.skip_op("**")) left = make(expression_kind::binary, listed(std::move(left), unary(true)), "**");
  return left;
}

expression_ptr expression_parser::unary(bool with_filters) {
  level const deeper(*this);
  expression_ptr made;
  if (in_.skip_op("-")) made = make(expression_kind::negate, listed(unary(false)));
  else if (in_.skip_op("+")) made = make(expression_kind::plus, listed(unary(false)));
  else made = primary();
  made = postfix(std::move(made));
  return with_filters ? after_unary(std::move(made)) : std::move(made);
}

expression_ptr expression_parser::primary() {
  if (in_.skip_op("(")) return parenthesised();
  if (in_.skip_op("[")) return list();
  if (in_.skip_op("{")) return dictionary();
  switch (in_.now().kind) {
    case token_kind::name: return word(in_.take());
    case token_kind::integer:
    case token_kind::floating: return number(in_.take());
    case token_kind::string: {
      auto made = make(expression_kind::constant);
      std::string all;
      while (in_.is(token_kind::string)) all += in_.take().text;
      made->literal = value(std::move(all));
      return made;
    }
    default: in_.fail("expected an expression");
  }
}

expression_ptr expression_parser::word(token const& t) {
  auto made = make(expression_kind::constant);
  if (t.text == "true" || t.text == "True") made->literal = value(true);
  else if (t.text == "false" || t.text == "False") made->literal = value(false);
  else if (t.text != "none" && t.text != "None") made->kind = expression_kind::name, made->text = t.text;
  return made;
}

expression_ptr expression_parser::number(token const& t) {
  auto made = make(expression_kind::constant);
  if (t.kind == token_kind::floating) {
    made->literal = value(std::strtod(t.text.c_str(), nullptr));
    return made;
  }
  std::int64_t n = 0;
  auto const end = t.text.data() + t.text.size();
  if (t.text.size() > 1 && t.text.find_first_not_of('0') != std::string::npos && t.text[0] == '0')
    throw fault{errc::malformed, "'" + t.text + "' is no number", t.line};
  if (auto const [at, code] = std::from_chars(t.text.data(), end, n); code != std::errc() || at != end)
    throw fault{errc::unsupported,
                "the template uses the integer " + t.text.substr(0, 40) + " of more than 63 bits, which gpuplace does not know",
                t.line};
  made->literal = value(n);
  return made;
}

expression_ptr expression_parser::parenthesised() {
  if (in_.skip_op(")")) return make(expression_kind::tuple);
  auto inner = any();
  in_.expect_op(")");
  return inner;
}

expression_ptr expression_parser::list() {
  std::vector<expression_ptr> items;
  while (!in_.is_op("]")) {
    if (!items.empty()) in_.expect_op(",");
    if (in_.is_op("]")) break;
    items.push_back(conditional());
  }
  in_.expect_op("]");
  return make(expression_kind::list, std::move(items));
}

expression_ptr expression_parser::dictionary() {
  std::vector<expression_ptr> items;
  while (!in_.is_op("}")) {
    if (!items.empty()) in_.expect_op(",");
    if (in_.is_op("}")) break;
    items.push_back(conditional());
    in_.expect_op(":");
    items.push_back(conditional());
  }
  in_.expect_op("}");
  return make(expression_kind::dictionary, std::move(items));
}

expression_ptr expression_parser::postfix(expression_ptr subject) {
  for (;;) {
    if (in_.is_op(".") || in_.is_op("[")) subject = subscript(std::move(subject));
    else if (in_.is_op("(")) subject = call(std::move(subject));
    else return subject;
  }
}

expression_ptr expression_parser::after_unary(expression_ptr subject) {
  for (;;) {
    if (in_.skip_op("|")) subject = filter(std::move(subject));
    else if (in_.skip_word("is")) subject = test(std::move(subject));
    else if (in_.is_op("(")) subject = call(std::move(subject));
    else return subject;
  }
}

expression_ptr expression_parser::filter(expression_ptr subject) {
  auto name = in_.expect_name("the name of a filter");
  auto made = make(expression_kind::filter, listed(std::move(subject)), std::move(name));
  if (in_.is_op("(")) arguments(*made);
  return made;
}

expression_ptr expression_parser::test(expression_ptr subject) {
  bool const negated = in_.skip_word("not");
  auto made = make(expression_kind::test, listed(std::move(subject)), in_.expect_name("the name of a test"));
  auto const kind = in_.now().kind;
  bool const starts_argument = kind == token_kind::name || kind == token_kind::string || kind == token_kind::integer ||
                               kind == token_kind::floating || in_.is_op("[") || in_.is_op("{");
  if (in_.is_op("(")) arguments(*made);
  else if (starts_argument && !in_.is_word("else") && !in_.is_word("or") && !in_.is_word("and")) {
    if (in_.is_word("is")) in_.fail("tests cannot be chained with 'is'");
    made->children.push_back(postfix(primary()));
    made->depth = depth_over(*made);
  }
  return negated ? make(expression_kind::logical_not, listed(std::move(made))) : std::move(made);
}

expression_ptr expression_parser::subscript(expression_ptr subject) {
  if (in_.skip_op(".")) {
    if (!in_.is(token_kind::integer))
      return make(expression_kind::attribute, listed(std::move(subject)), in_.expect_name("a name after '.'"));
    auto index = number(in_.take());
    return make(expression_kind::item, listed(std::move(subject), std::move(index)));
  }
  in_.expect_op("[");
  auto first = in_.is_op(":") ? nullptr : any();
  if (in_.skip_op("]")) return make(expression_kind::item, listed(std::move(subject), std::move(first)));
  in_.expect_op(":");
  auto stop = in_.is_op(":") || in_.is_op("]") ? nullptr : conditional();
  auto step = in_.skip_op(":") && !in_.is_op("]") ? conditional() : nullptr;
  in_.expect_op("]");
  return make(expression_kind::slice, listed(std::move(subject), std::move(first), std::move(stop), std::move(step)));
}

expression_ptr expression_parser::call(expression_ptr subject) {
  auto made = make(expression_kind::call, listed(std::move(subject)));
  arguments(*made);
  return made;
}

void expression_parser::arguments(expression& into) {
  in_.expect_op("(");
  for (bool first = true; !in_.is_op(")"); first = false) {
    if (!first) in_.expect_op(",");
    if (in_.is_op(")")) break;
    if (in_.is_op("*") || in_.is_op("**"))
      throw fault{errc::unsupported, "the template uses arguments with *, which gpuplace does not know", in_.line()};
    if (in_.is(token_kind::name) && in_.ahead().kind == token_kind::op && in_.ahead().text == "=") {
      auto name = in_.take().text;
      in_.take();
      into.named.emplace_back(std::move(name), conditional());
    } else if (!into.named.empty()) in_.fail("expected a named argument after a named one");
    else into.children.push_back(conditional());
  }
  in_.expect_op(")");
  into.depth = depth_over(into);
}

}  // namespace gpuplace::text::jinja
