#pragma once
// A parsed template: statements and expressions. Expressions are one node type told apart by `kind`.

#include "value.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::text::jinja {

enum class expression_kind {
  constant,     // literal
  name,         // text
  attribute,    // children[0] . text
  item,         // children[0] [ children[1] ]
  slice,        // children[0] [ children[1] : children[2] : children[3] ], absent parts null
  call,         // children[0] ( children[1…], named )
  filter,       // children[0] | text ( children[1…], named )
  test,         // children[0] is text ( children[1…], named )
  list,         // [ children ]
  tuple,        // ( children )
  dictionary,   // { children[0]: children[1], … }
  negate,       // - children[0]
  plus,         // + children[0]
  logical_not,  // not children[0]
  logical_and,  // children[0] and children[1]
  logical_or,   // children[0] or children[1]
  binary,       // children[0] text children[1], arithmetic
  compare,      // children[0] operators[0] children[1] operators[1] children[2] …
  conditional,  // children[1] if children[0] else children[2], the last may be null
};

struct expression;
using expression_ptr = std::unique_ptr<expression>;

struct expression {
  expression_kind kind = expression_kind::constant;
  int line = 1;
  int depth = 1;
  std::string text;
  value literal;
  std::vector<expression_ptr> children;
  std::vector<std::pair<std::string, expression_ptr>> named;
  std::vector<std::string> operators;
};

struct statement;
using block = std::vector<std::unique_ptr<statement>>;

enum class statement_kind {
  data,     // text
  print,    // subject
  branch,   // tests[i] → bodies[i], else otherwise
  loop,     // for target in subject if condition: bodies[0], else otherwise
  assign,   // set target = subject
  capture,  // set target: bodies[0], then subject's filters applied to name "captured text"
  macro,    // macro
  scope,    // with target[i] = tests[i]: bodies[0]; generation
  break_loop,
  continue_loop,
};

// What `set` and `for` write to: names, or one attribute of a namespace.
struct target {
  std::vector<std::string> names;
  bool unpack = false;
  std::string attribute;
};

struct macro_node {
  std::string name;
  std::vector<std::pair<std::string, expression_ptr>> parameters;  // default null where there is none
  block body;
};

struct statement {
  statement_kind kind = statement_kind::data;
  int line = 1;
  std::string text;
  target into;
  expression_ptr subject;
  expression_ptr condition;
  std::vector<expression_ptr> tests;
  std::vector<block> bodies;
  block otherwise;
  std::unique_ptr<macro_node> macro;
};

// The name under which the filters of {% set x | filter %} find the block's text; no name in source can spell it.
inline constexpr char const* captured_text = "captured text";

}  // namespace gpuplace::text::jinja
