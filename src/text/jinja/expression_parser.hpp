#pragma once
// Expressions, in Jinja's order of precedence.

#include "ast.hpp"
#include "token_stream.hpp"

namespace gpuplace::text::jinja {

class expression_parser {
public:
  explicit expression_parser(token_stream& in) : in_(in) {}

  expression_ptr any() { return tuple(true); }
  // Where a following `if` belongs to the statement: the iterable of a for loop, a test of an if.
  expression_ptr without_conditional() { return tuple(false); }
  expression_ptr single() { return conditional(); }
  // `| filter …` applied to `subject`.
  expression_ptr filters_of(expression_ptr subject) { return after_unary(std::move(subject)); }

  static constexpr int deepest = 120;

private:
  struct level;

  expression_ptr make(expression_kind kind, std::vector<expression_ptr> children = {}, std::string text = {});
  expression_ptr tuple(bool with_conditional);
  expression_ptr conditional();
  expression_ptr disjunction();
  expression_ptr conjunction();
  expression_ptr negation();
  expression_ptr comparison();
  expression_ptr sum();
  expression_ptr concatenation();
  expression_ptr product();
  expression_ptr power();
  expression_ptr unary(bool with_filters);
  expression_ptr primary();
  expression_ptr word(token const& t);
  expression_ptr number(token const& t);
  expression_ptr parenthesised();
  expression_ptr list();
  expression_ptr dictionary();
  expression_ptr postfix(expression_ptr subject);
  expression_ptr after_unary(expression_ptr subject);
  expression_ptr filter(expression_ptr subject);
  expression_ptr test(expression_ptr subject);
  expression_ptr subscript(expression_ptr subject);
  expression_ptr call(expression_ptr subject);
  void arguments(expression& into);
  bool ends_tuple() const;

  token_stream& in_;
  int level_ = 0;
};

}  // namespace gpuplace::text::jinja
