#pragma once
// Values of a template as Python has them, and the limits every operation on them is charged to.

#include <gpuplace/core/error.hpp>

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gpuplace::text::jinja {

// Thrown inside the interpreter and turned into an error at its border; line 0 is "where evaluation stands".
struct fault {
  errc code;
  std::string what;
  int line = 0;
};

[[noreturn]] inline void refuse(std::string what) { throw fault{errc::invalid_argument, std::move(what)}; }
[[noreturn]] inline void unknown(std::string what) {
  throw fault{errc::unsupported, "the template uses " + std::move(what) + ", which gpuplace does not know"};
}

// What one rendering may use: a hostile template ends in an error, not in a full machine.
class budget {
public:
  void spend(std::size_t work) {
    if (work > left_) refuse("the template does more work than a chat template may");
    left_ -= work;
  }
  void text(std::size_t bytes) {
    if (bytes > longest_text) refuse("the template makes more text than 64 MiB");
    spend(bytes / 16 + 1);
  }

  static constexpr std::size_t longest_text = std::size_t(64) << 20;
  static constexpr int deepest_value = 100;

private:
  std::size_t left_ = 20'000'000;
};

struct value;
struct macro_node;
using values = std::vector<value>;

struct undefined {
  std::string what;
};
struct sequence;
struct dictionary;
struct namespace_object;
struct loop_object;
struct method_object;
struct function_object {
  std::string name;
  macro_node const* macro = nullptr;
};

using text_ptr = std::shared_ptr<std::string const>;

struct value {
  using kinds =
      std::variant<undefined, std::monostate, bool, std::int64_t, double, text_ptr, std::shared_ptr<sequence const>,
                   std::shared_ptr<dictionary const>, std::shared_ptr<namespace_object>, std::shared_ptr<loop_object const>,
                   std::shared_ptr<method_object const>, std::shared_ptr<function_object const>>;
  kinds of = std::monostate();

  value() = default;
  value(undefined u) : of(std::move(u)) {}
  value(bool b) : of(b) {}
  value(std::int64_t i) : of(i) {}
  value(double d) : of(d) {}
  value(std::string s) : of(std::make_shared<std::string const>(std::move(s))) {}
  value(char const*) = delete;

  template <class T>
  T const* get() const {
    return std::get_if<T>(&of);
  }
  bool is_undefined() const { return get<undefined>(); }
  bool is_none() const { return get<std::monostate>(); }
  bool is_number() const { return get<bool>() || get<std::int64_t>() || get<double>(); }
  std::string const* text() const {
    auto const found = get<text_ptr>();
    return found ? found->get() : nullptr;
  }
  sequence const* list() const { return pointed<sequence const>(); }
  dictionary const* dict() const { return pointed<dictionary const>(); }
  namespace_object* space() const { return pointed<namespace_object>(); }
  loop_object const* loop() const { return pointed<loop_object const>(); }
  method_object const* method() const { return pointed<method_object const>(); }
  function_object const* function() const { return pointed<function_object const>(); }

private:
  template <class T>
  T* pointed() const {
    auto const found = std::get_if<std::shared_ptr<T>>(&of);
    return found ? found->get() : nullptr;
  }
};

struct sequence {
  values items;
  bool tuple = false;
  int depth = 1;
};
struct dictionary {
  std::vector<std::pair<value, value>> items;
  int depth = 1;
  value const* find_text(std::string_view key) const;
  value const* find(value const& key) const;
};
struct namespace_object {
  std::map<std::string, value> members;
};
struct loop_object {
  std::shared_ptr<sequence const> items;
  std::size_t index = 0;
  int nesting = 1;
};
struct method_object {
  value self;
  std::string name;
};

// How many containers deep a value is; containers of more than budget::deepest_value levels are refused when they are made.
int depth_of(value const& v);
value make_list(values items, bool tuple = false);
value make_dict(std::vector<std::pair<value, value>> items);
value make_method(value self, std::string name);
value from_json(nlohmann::json const& json, int depth = 0);
value from_json(nlohmann::ordered_json const& json, int depth = 0);

std::string type_name(value const& v);
bool truth(value const& v);
bool equal(value const& a, value const& b, budget& b2);
// Items as a for loop sees them.
values iterate(value const& v, budget& b);
std::size_t length_of(value const& v);

std::string python_float(double d);
// str(v) and repr(v) of Python.
std::string to_text(value const& v, budget& b);
std::string to_repr(value const& v, budget& b);

struct json_style {
  bool ascii = false;
  int indent = -1;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
// json.dumps of Python.
std::string to_json(value const& v, json_style const& style, budget& b);

}  // namespace gpuplace::text::jinja
