#include "evaluator.hpp"

#include "builtins.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>

namespace gpuplace::text::jinja {

namespace {

enum class flow { next, leave_loop, next_round };

struct scope {
  scope* outer = nullptr;
  std::map<std::string, value> names;
};

class evaluator {
public:
  evaluator(std::map<std::string, value> variables, clock const& now) : now_(now) { root_.names = std::move(variables); }
  evaluator(evaluator const&) = delete;
  evaluator& operator=(evaluator const&) = delete;

  // Namespaces may hold each other in a ring: emptied here, nothing is kept.
  ~evaluator() {
    for (auto const& space : spaces_) space->members.clear();
  }

  std::string run(block const& program) {
    std::string out;
    try {
      execute(program, root_, out);
    } catch (fault& f) {
      if (f.line == 0) f.line = line_;
      throw;
    }
    return out;
  }

private:
  struct level {
    explicit level(evaluator& e) : of(e) {
      if (++of.level_ > 300) refuse("the template is nested too deeply: a macro calls itself");
    }
    ~level() { --of.level_; }
    level(level const&) = delete;
    level& operator=(level const&) = delete;
    evaluator& of;
  };

  // Statements

  flow execute(block const& statements, scope& names, std::string& out) {
    level const deeper(*this);
    for (auto const& s : statements)
      if (auto const f = execute(*s, names, out); f != flow::next) return f;
    return flow::next;
  }

  void print(std::string const& text, std::string& out) {
    work_.spend(text.size() / 16 + 1);
    if (out.size() + text.size() > budget::longest_text) refuse("the template makes more text than 64 MiB");
    out += text;
  }

  flow execute(statement const& s, scope& names, std::string& out) {
    work_.spend(1);
    line_ = s.line;
    switch (s.kind) {
      case statement_kind::data: print(s.text, out); break;
      case statement_kind::print: print(to_text(evaluate(*s.subject, names), work_), out); break;
      case statement_kind::branch: return branch(s, names, out);
      case statement_kind::loop: return loop(s, names, out);
      case statement_kind::assign: assign(s.into, evaluate(*s.subject, names), names); break;
      case statement_kind::capture: capture(s, names); break;
      case statement_kind::macro: define(*s.macro, names); break;
      case statement_kind::scope: return inner_scope(s, names, out);
      case statement_kind::break_loop: return flow::leave_loop;
      case statement_kind::continue_loop: return flow::next_round;
    }
    return flow::next;
  }

  flow branch(statement const& s, scope& names, std::string& out) {
    for (std::size_t i = 0; i < s.tests.size(); ++i)
      if (truth(evaluate(*s.tests[i], names))) return execute(s.bodies[i], names, out);
    return execute(s.otherwise, names, out);
  }

  values kept_items(statement const& s, scope& names) {
    auto items = iterate(evaluate(*s.subject, names), work_);
    if (!s.condition) return items;
    values kept;
    for (auto const& item : items) {
      scope inner{&names, {}};
      assign(s.into, item, inner);
      if (truth(evaluate(*s.condition, inner))) kept.push_back(item);
    }
    return kept;
  }

  flow loop(statement const& s, scope& names, std::string& out) {
    auto const list = make_list(kept_items(s, names));
    auto const items = std::get<std::shared_ptr<sequence const>>(list.of);
    if (items->items.empty()) {
      scope inner{&names, {}};
      return execute(s.otherwise, inner, out);
    }
    ++loops_;
    for (std::size_t i = 0; i < items->items.size(); ++i) {
      work_.spend(1);
      scope inner{&names, {}};
      value loop;
      loop.of = std::make_shared<loop_object const>(loop_object{items, i, loops_});
      inner.names["loop"] = std::move(loop);
      assign(s.into, items->items[i], inner);
      if (execute(s.bodies[0], inner, out) == flow::leave_loop) break;
    }
    --loops_;
    return flow::next;
  }

  void assign(target const& into, value v, scope& names) {
    if (!into.attribute.empty()) return assign_attribute(into, std::move(v), names);
    if (!into.unpack) {
      names.names[into.names[0]] = std::move(v);
      return;
    }
    auto parts = iterate(v, work_);
    if (parts.size() != into.names.size())
      refuse("expected " + std::to_string(into.names.size()) + " values to unpack, got " + std::to_string(parts.size()));
    for (std::size_t i = 0; i < parts.size(); ++i) names.names[into.names[i]] = std::move(parts[i]);
  }

  void assign_attribute(target const& into, value v, scope& names) {
    auto const holder = lookup(into.names[0], names);
    if (!holder.space()) refuse("cannot assign attribute '" + into.attribute + "' on non-namespace object '" + into.names[0] + "'");
    store(*holder.space(), into.attribute, std::move(v));
  }

  static void store(namespace_object& space, std::string const& name, value v) {
    if (name.starts_with('_')) refuse("a namespace cannot hold the underscore-prefixed name '" + name + "'");
    space.members[name] = std::move(v);
  }

  void capture(statement const& s, scope& names) {
    scope inner{&names, {}};
    std::string text;
    execute(s.bodies[0], inner, text);
    value captured(std::move(text));
    if (s.subject) {
      inner.names[captured_text] = std::move(captured);
      captured = evaluate(*s.subject, inner);
    }
    assign(s.into, std::move(captured), names);
  }

  static void define(macro_node const& macro, scope& names) {
    value made;
    made.of = std::make_shared<function_object const>(function_object{macro.name, &macro});
    names.names[macro.name] = std::move(made);
  }

  flow inner_scope(statement const& s, scope& names, std::string& out) {
    scope inner{&names, {}};
    for (std::size_t i = 0; i < s.tests.size(); ++i) inner.names[s.into.names[i]] = evaluate(*s.tests[i], names);
    return execute(s.bodies[0], inner, out);
  }

  // Expressions

  value lookup(std::string const& name, scope& names) {
    for (auto at = &names; at; at = at->outer)
      if (auto const found = at->names.find(name); found != at->names.end()) return found->second;
    static constexpr std::string_view globals[] = {"range",        "namespace", "dict",   "raise_exception",
                                                   "strftime_now", "lipsum",    "cycler", "joiner"};
    if (std::find(std::begin(globals), std::end(globals), name) == std::end(globals))
      return undefined{"'" + name + "' is undefined"};
    value global;
    global.of = std::make_shared<function_object const>(function_object{name, nullptr});
    return global;
  }

  value evaluate(expression const& e, scope& names) {
    level const deeper(*this);
    work_.spend(1);
    line_ = e.line;
    switch (e.kind) {
      case expression_kind::constant: return e.literal;
      case expression_kind::name: return lookup(e.text, names);
      case expression_kind::attribute: return attribute_of(evaluate(*e.children[0], names), e.text);
      case expression_kind::logical_not: return value(!truth(evaluate(*e.children[0], names)));
      case expression_kind::logical_and:
      case expression_kind::logical_or: return either(e, names);
      case expression_kind::conditional: return choose(e, names);
      case expression_kind::compare: return chain(e, names);
      case expression_kind::call: return call(e, names);
      case expression_kind::filter: return filter(e, names);
      case expression_kind::test: return test(e, names);
      case expression_kind::slice: return part(e, names);
      case expression_kind::dictionary: return dictionary_of(e, names);
      default: return simple(e, all(e, names));
    }
  }

  values all(expression const& e, scope& names, std::size_t from = 0) {
    values made;
    for (auto i = from; i < e.children.size(); ++i) made.push_back(evaluate(*e.children[i], names));
    line_ = e.line;
    return made;
  }

  // Kinds that want all their children's values.
  value simple(expression const& e, values parts) {
    switch (e.kind) {
      case expression_kind::list: return make_list(std::move(parts));
      case expression_kind::tuple: return make_list(std::move(parts), true);
      case expression_kind::item: return item_of(parts[0], parts[1], work_);
      case expression_kind::binary: return binary(e.text, parts[0], parts[1], work_);
      case expression_kind::negate: return binary("*", number(parts[0], "-"), value(std::int64_t(-1)), work_);
      default: return binary("+", number(parts[0], "+"), value(std::int64_t(0)), work_);
    }
  }

  static value const& number(value const& v, char const* sign) {
    if (v.is_undefined()) refuse(v.get<undefined>()->what);
    if (!v.is_number()) refuse(std::string("bad operand type for unary ") + sign + ": '" + type_name(v) + "'");
    return v;
  }

  value either(expression const& e, scope& names) {
    auto left = evaluate(*e.children[0], names);
    return truth(left) == (e.kind == expression_kind::logical_or) ? left : evaluate(*e.children[1], names);
  }

  value choose(expression const& e, scope& names) {
    if (truth(evaluate(*e.children[0], names))) return evaluate(*e.children[1], names);
    if (e.children[2]) return evaluate(*e.children[2], names);
    return undefined{"the inline if-expression evaluated to false and no else section was defined"};
  }

  value chain(expression const& e, scope& names) {
    auto left = evaluate(*e.children[0], names);
    for (std::size_t i = 0; i < e.operators.size(); ++i) {
      auto right = evaluate(*e.children[i + 1], names);
      line_ = e.line;
      if (!compare(e.operators[i], left, right, work_)) return value(false);
      left = std::move(right);
    }
    return value(true);
  }

  value part(expression const& e, scope& names) {
    auto const subject = evaluate(*e.children[0], names);
    std::array<std::optional<value>, 3> bounds;
    for (std::size_t i = 0; i < 3; ++i)
      if (e.children[i + 1]) bounds[i] = evaluate(*e.children[i + 1], names);
    auto const at = [&](std::size_t i) { return bounds[i] ? &*bounds[i] : nullptr; };
    return slice(subject, at(0), at(1), at(2), work_);
  }

  value dictionary_of(expression const& e, scope& names) {
    auto parts = all(e, names);
    std::vector<std::pair<value, value>> items;
    for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
      if (parts[i].dict() || (parts[i].list() && !parts[i].list()->tuple)) refuse("unhashable type: '" + type_name(parts[i]) + "'");
      auto const same =
          std::find_if(items.begin(), items.end(), [&](auto const& item) { return equal(item.first, parts[i], work_); });
      if (same != items.end()) same->second = std::move(parts[i + 1]);
      else items.emplace_back(std::move(parts[i]), std::move(parts[i + 1]));
    }
    return make_dict(std::move(items));
  }

  arguments arguments_of(expression const& e, scope& names) {
    arguments made;
    made.positional = all(e, names, 1);
    for (auto const& [name, argument] : e.named) made.named.emplace_back(name, evaluate(*argument, names));
    line_ = e.line;
    return made;
  }

  value filter(expression const& e, scope& names) {
    auto const subject = evaluate(*e.children[0], names);
    return apply_filter(e.text, subject, arguments_of(e, names), work_);
  }

  value test(expression const& e, scope& names) {
    auto const subject = evaluate(*e.children[0], names);
    return value(apply_test(e.text, subject, arguments_of(e, names), work_));
  }

  // Calls

  value call(expression const& e, scope& names) {
    auto const callee = evaluate(*e.children[0], names);
    auto const with = arguments_of(e, names);
    if (auto const method = callee.method()) return call_method(*method, with, work_);
    if (callee.is_undefined()) refuse(callee.get<undefined>()->what);
    auto const function = callee.function();
    if (!function) refuse("'" + type_name(callee) + "' object is not callable");
    return function->macro ? call_macro(*function->macro, with) : call_global(function->name, with);
  }

  value call_macro(macro_node const& macro, arguments const& with) {
    level const deeper(*this);
    std::vector<std::string_view> known;
    for (auto const& [name, otherwise] : macro.parameters) known.push_back(name);
    with.allow(known.size(), known, "macro " + macro.name);
    scope inner{&root_, {}};
    for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
      auto const& [name, otherwise] = macro.parameters[i];
      if (auto const given = with.find(i, name)) inner.names[name] = *given;
      else
        inner.names[name] = otherwise ? evaluate(*otherwise, inner) : value(undefined{"parameter '" + name + "' was not provided"});
    }
    std::string text;
    execute(macro.body, inner, text);
    return value(std::move(text));
  }

  value call_global(std::string const& name, arguments const& with) {
    if (name == "range") return range(with);
    if (name == "namespace") return make_namespace(with);
    if (name == "dict") return make_dictionary(with);
    if (name == "strftime_now") return formatted_now(with);
    if (name != "raise_exception") unknown("the function " + name);
    with.allow(1, {"message"}, name);
    refuse(to_text(with.need(0, "message", name), work_));
  }

  value range(arguments const& with) {
    with.allow(3, {}, "range");
    std::array<std::int64_t, 3> n{0, 0, 1};
    auto const& given = with.positional;
    for (std::size_t i = 0; i < given.size(); ++i) {
      auto const integer = given[i].get<std::int64_t>();
      if (!integer) refuse("range takes integers, not '" + type_name(given[i]) + "'");
      n[i] = *integer;
    }
    if (given.empty()) refuse("range expected at least 1 argument, got 0");
    if (given.size() == 1) n = {0, n[0], 1};
    if (n[2] == 0) refuse("range() arg 3 must not be zero");
    values all;
    for (auto at = n[0]; n[2] > 0 ? at < n[1] : at > n[1];) {
      if (all.size() == 100'000) refuse("range too big, more than 100000 items");
      work_.spend(1);
      all.emplace_back(at);
      if (__builtin_add_overflow(at, n[2], &at)) break;
    }
    return make_list(std::move(all));
  }

  value make_namespace(arguments const& with) {
    with.allow(1, {}, "");
    auto space = std::make_shared<namespace_object>();
    spaces_.push_back(space);
    if (!with.positional.empty()) {
      auto const dict = with.positional[0].dict();
      if (!dict) unknown("a namespace made of a " + type_name(with.positional[0]));
      for (auto const& [key, item] : dict->items) store(*space, key.text() ? *key.text() : to_repr(key, work_), item);
    }
    for (auto const& [name, item] : with.named) store(*space, name, item);
    value made;
    made.of = std::move(space);
    return made;
  }

  static value make_dictionary(arguments const& with) {
    std::vector<std::pair<value, value>> items;
    if (!with.positional.empty()) {
      if (with.positional.size() > 1 || !with.positional[0].dict()) unknown("dict() of something that is no dict");
      items = with.positional[0].dict()->items;
    }
    for (auto const& [name, item] : with.named) {
      auto const same =
          std::find_if(items.begin(), items.end(), [&n = name](auto const& i) { return i.first.text() && *i.first.text() == n; });
      if (same != items.end()) same->second = item;
      else items.emplace_back(value(name), item);
    }
    return make_dict(std::move(items));
  }

  value formatted_now(arguments const& with) const {
    with.allow(1, {"format"}, "strftime_now");
    auto const format = with.need(0, "format", "strftime_now").text();
    if (!format) refuse("strftime_now takes a string");
    if (format->empty()) return value(std::string());
    auto const seconds = std::chrono::system_clock::to_time_t(now_());
    std::tm parts{};
    localtime_r(&seconds, &parts);
    std::array<char, 4096> text{};
    auto const n = format->size() < 1024 ? std::strftime(text.data(), text.size(), format->c_str(), &parts) : 0;
    if (n == 0) refuse("strftime_now cannot print the format '" + format->substr(0, 100) + "'");
    return value(std::string(text.data(), n));
  }

  clock const& now_;
  budget work_;
  scope root_;
  std::vector<std::shared_ptr<namespace_object>> spaces_;
  int line_ = 1;
  int level_ = 0;
  int loops_ = 0;
};

}  // namespace

std::string run(block const& program, std::map<std::string, value> variables, clock const& now) {
  return evaluator(std::move(variables), now).run(program);
}

}  // namespace gpuplace::text::jinja
