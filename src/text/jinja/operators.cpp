// Operators, slices and look-ups with the meaning they have in Python.
#include "builtins.hpp"
#include "python_strings.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gpuplace::text::jinja {

namespace {

std::optional<std::int64_t> as_integer(value const& v) {
  if (auto const b = v.get<bool>()) return *b ? 1 : 0;
  if (auto const i = v.get<std::int64_t>()) return *i;
  return std::nullopt;
}

double as_double(value const& v) {
  auto const i = as_integer(v);
  return i ? static_cast<double>(*i) : *v.get<double>();
}

[[noreturn]] void unsupported_operands(std::string const& op, value const& a, value const& b) {
  if (a.is_undefined()) refuse(a.get<undefined>()->what);
  if (b.is_undefined()) refuse(b.get<undefined>()->what);
  refuse("unsupported operand type(s) for " + op + ": '" + type_name(a) + "' and '" + type_name(b) + "'");
}

[[noreturn]] void too_large() { unknown("an integer of more than 63 bits"); }

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t all = 1;
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 ? -1 : 1;
  for (; exponent > 0; --exponent)
    if (__builtin_mul_overflow(all, base, &all)) too_large();
  return all;
}

value integers(std::string const& op, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  if (op == "+") return __builtin_add_overflow(a, b, &out) ? too_large() : void(), value(out);
  if (op == "-") return __builtin_sub_overflow(a, b, &out) ? too_large() : void(), value(out);
  if (op == "*") return __builtin_mul_overflow(a, b, &out) ? too_large() : void(), value(out);
  if (op == "**") return b < 0 ? value(std::pow(static_cast<double>(a), static_cast<double>(b))) : value(integer_power(a, b));
  if (b == 0) refuse("division by zero");
  if (op == "/") return value(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) return op == "%" ? value(std::int64_t(0)) : integers("*", a, -1);
  bool const round_down = a % b != 0 && (a < 0) != (b < 0);
  return op == "//" ? value(a / b - (round_down ? 1 : 0)) : value(a % b + (round_down ? b : 0));
}

value floats(std::string const& op, double a, double b) {
  if (op == "+") return value(a + b);
  if (op == "-") return value(a - b);
  if (op == "*") return value(a * b);
  if (op == "**") return value(std::pow(a, b));
  if (b == 0) refuse("division by zero");
  if (op == "/") return value(a / b);
  if (op == "//") return value(std::floor(a / b));
  auto const rest = std::fmod(a, b);
  return value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

value repeated(value const& subject, std::int64_t times, budget& work) {
  auto const n = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (auto const text = subject.text()) {
    if (text->size() && n > budget::longest_text / text->size()) refuse("the template makes more text than 64 MiB");
    work.text(text->size() * n);
    std::string out;
    for (std::size_t i = 0; i < n; ++i) {
      if (text->empty()) break;
      out += *text;
    }
    return value(std::move(out));
  }
  auto const& items = subject.list()->items;
  values out;
  if (!items.empty())
    for (std::size_t i = 0; i < n; ++i) work.spend(items.size()), out.insert(out.end(), items.begin(), items.end());
  return make_list(std::move(out), subject.list()->tuple);
}

bool contains(value const& container, value const& item, budget& work) {
  if (auto const text = container.text()) {
    if (!item.text()) refuse("'in <string>' requires string as left operand, not " + type_name(item));
    work.spend(text->size() / 16 + 1);
    return text->find(*item.text()) != std::string::npos;
  }
  if (auto const dict = container.dict()) {
    work.spend(dict->items.size());
    return dict->find(item);
  }
  if (container.is_undefined()) return false;
  if (!container.list()) refuse("argument of type '" + type_name(container) + "' is not iterable");
  auto const& items = container.list()->items;
  return std::any_of(items.begin(), items.end(), [&](value const& v) { return equal(v, item, work); });
}

int order(std::string const& op, value const& a, value const& b) {
  if (a.is_number() && b.is_number()) {
    if (as_integer(a) && as_integer(b)) return *as_integer(a) < *as_integer(b) ? -1 : *as_integer(a) > *as_integer(b);
    auto const x = as_double(a), y = as_double(b);
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
  }
  if (a.text() && b.text()) return std::clamp(a.text()->compare(*b.text()), -1, 1);
  if (a.list() && b.list()) unknown("the order of lists");
  if (a.is_undefined() || b.is_undefined()) unsupported_operands(op, a, b);
  refuse("'" + op + "' not supported between instances of '" + type_name(a) + "' and '" + type_name(b) + "'");
}

std::optional<std::int64_t> bound(value const* v) {
  if (!v || v->is_none()) return std::nullopt;
  if (v->is_undefined()) refuse(v->get<undefined>()->what);
  auto const n = as_integer(*v);
  if (!n) refuse("slice indices must be integers or None");
  return n;
}

// The places a slice takes of `size` items.
std::vector<std::size_t> places(std::size_t size, value const* start, value const* stop, value const* step) {
  auto const n = static_cast<std::int64_t>(size);
  auto const by = bound(step).value_or(1);
  if (by == 0) refuse("slice step cannot be zero");
  auto const inside = [&](std::int64_t at) {
    if (at < 0) at = at < -n ? (by < 0 ? -1 : 0) : at + n;
    return by < 0 ? std::min(at, n - 1) : std::min(at, n);
  };
  auto const first = bound(start), last = bound(stop);
  auto const from = first ? inside(*first) : by < 0 ? n - 1 : 0;
  auto const to = last ? inside(*last) : by < 0 ? -1 : n;
  std::vector<std::size_t> all;
  for (auto at = from; by > 0 ? at < to : at > to;) {
    all.push_back(static_cast<std::size_t>(at));
    if (__builtin_add_overflow(at, by, &at)) break;
  }
  return all;
}

bool is_string_method(std::string_view name) {
  static constexpr std::string_view all[] = {
      "capitalize",   "casefold",   "center",    "count",       "encode",    "endswith",     "expandtabs",   "find",
      "format",       "format_map", "index",     "isalnum",     "isalpha",   "isascii",      "isdecimal",    "isdigit",
      "isidentifier", "islower",    "isnumeric", "isprintable", "isspace",   "istitle",      "isupper",      "join",
      "ljust",        "lower",      "lstrip",    "maketrans",   "partition", "removeprefix", "removesuffix", "replace",
      "rfind",        "rindex",     "rjust",     "rpartition",  "rsplit",    "rstrip",       "split",        "splitlines",
      "startswith",   "strip",      "swapcase",  "title",       "translate", "upper",        "zfill"};
  return std::find(std::begin(all), std::end(all), name) != std::end(all);
}

bool is_dict_method(std::string_view name) {
  static constexpr std::string_view all[] = {"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                                             "pop",   "popitem", "setdefault", "update", "values"};
  return std::find(std::begin(all), std::end(all), name) != std::end(all);
}

bool is_list_method(value const& v, std::string_view name) {
  static constexpr std::string_view both[] = {"count", "index"};
  static constexpr std::string_view lists[] = {"append", "clear", "copy", "extend", "insert", "pop", "remove", "reverse", "sort"};
  return std::find(std::begin(both), std::end(both), name) != std::end(both) ||
         (!v.list()->tuple && std::find(std::begin(lists), std::end(lists), name) != std::end(lists));
}

bool has_method(value const& v, std::string_view name) {
  return (v.text() && is_string_method(name)) || (v.dict() && is_dict_method(name)) || (v.list() && is_list_method(v, name)) ||
         (v.loop() && (name == "cycle" || name == "changed"));
}

value missing(value const& subject, std::string const& name) {
  return undefined{"'" + (subject.space() || subject.loop() ? type_name(subject) : type_name(subject) + " object") +
                   "' has no attribute '" + name + "'"};
}

value of_loop(loop_object const& loop, value const& self, std::string const& name) {
  auto const size = loop.items->items.size();
  auto const integer = [](std::size_t n) { return value(static_cast<std::int64_t>(n)); };
  if (name == "index") return integer(loop.index + 1);
  if (name == "index0") return integer(loop.index);
  if (name == "revindex") return integer(size - loop.index);
  if (name == "revindex0") return integer(size - loop.index - 1);
  if (name == "first") return value(loop.index == 0);
  if (name == "last") return value(loop.index + 1 == size);
  if (name == "length") return integer(size);
  if (name == "depth") return value(std::int64_t(loop.nesting));
  if (name == "depth0") return value(std::int64_t(loop.nesting - 1));
  if (name == "previtem")
    return loop.index == 0 ? value(undefined{"there is no previous item"}) : loop.items->items[loop.index - 1];
  if (name == "nextitem")
    return loop.index + 1 == size ? value(undefined{"there is no next item"}) : loop.items->items[loop.index + 1];
  return missing(self, name);
}

std::optional<value> plain_item(value const& subject, value const& key, budget& work) {
  if (auto const dict = subject.dict()) {
    work.spend(dict->items.size() / 8);
    if (key.list() && !key.list()->tuple) return std::nullopt;
    auto const found = dict->find(key);
    return found ? std::optional(*found) : std::nullopt;
  }
  auto index = as_integer(key);
  if (!index) return std::nullopt;
  auto const size = static_cast<std::int64_t>(subject.text() || subject.list() ? length_of(subject) : 0);
  if (*index < 0) *index += size;
  if (*index < 0 || *index >= size) return std::nullopt;
  if (subject.list()) return subject.list()->items[static_cast<std::size_t>(*index)];
  work.spend(subject.text()->size());
  return value(std::string(characters(*subject.text())[static_cast<std::size_t>(*index)]));
}

}  // namespace

value binary(std::string const& op, value const& a, value const& b, budget& work) {
  if (op == "~") {
    auto out = to_text(a, work) + to_text(b, work);
    work.text(out.size());
    return value(std::move(out));
  }
  if (a.is_number() && b.is_number()) {
    auto const x = as_integer(a), y = as_integer(b);
    return x && y ? integers(op, *x, *y) : floats(op, as_double(a), as_double(b));
  }
  if (op == "+" && a.text() && b.text()) {
    work.text(a.text()->size() + b.text()->size());
    return value(*a.text() + *b.text());
  }
  if (op == "+" && a.list() && b.list() && a.list()->tuple == b.list()->tuple) {
    auto items = a.list()->items;
    work.spend(items.size() + b.list()->items.size());
    items.insert(items.end(), b.list()->items.begin(), b.list()->items.end());
    return make_list(std::move(items), a.list()->tuple);
  }
  if (op == "*" && (a.text() || a.list()) && as_integer(b)) return repeated(a, *as_integer(b), work);
  if (op == "*" && (b.text() || b.list()) && as_integer(a)) return repeated(b, *as_integer(a), work);
  if (op == "%" && a.text()) unknown("text formatting with %");
  if (op == "+" && a.text() && !b.is_undefined()) refuse("can only concatenate str (not \"" + type_name(b) + "\") to str");
  unsupported_operands(op, a, b);
}

bool compare(std::string const& op, value const& a, value const& b, budget& work) {
  if (op == "==") return equal(a, b, work);
  if (op == "!=") return !equal(a, b, work);
  if (op == "in") return contains(b, a, work);
  if (op == "not in") return !contains(b, a, work);
  auto const sign = order(op, a, b);
  if (sign == 2) return false;
  return op == "<" ? sign < 0 : op == "<=" ? sign <= 0 : op == ">" ? sign > 0 : sign >= 0;
}

value slice(value const& subject, value const* start, value const* stop, value const* step, budget& work) {
  if (auto const text = subject.text()) {
    work.spend(text->size());
    auto const all = characters(*text);
    std::string out;
    for (auto const at : places(all.size(), start, stop, step)) out += all[at];
    return value(std::move(out));
  }
  if (auto const list = subject.list()) {
    work.spend(list->items.size());
    values out;
    for (auto const at : places(list->items.size(), start, stop, step)) out.push_back(list->items[at]);
    return make_list(std::move(out), list->tuple);
  }
  if (subject.is_undefined()) refuse(subject.get<undefined>()->what);
  return undefined{"'" + type_name(subject) + " object' has no slices"};
}

value attribute_of(value const& subject, std::string const& name) {
  if (subject.is_undefined()) refuse(subject.get<undefined>()->what);
  if (auto const space = subject.space()) {
    auto const found = space->members.find(name);
    return found == space->members.end() ? missing(subject, name) : found->second;
  }
  if (has_method(subject, name)) return make_method(subject, name);
  if (auto const loop = subject.loop()) return of_loop(*loop, subject, name);
  if (auto const dict = subject.dict())
    if (auto const found = dict->find_text(name)) return *found;
  return missing(subject, name);
}

value item_of(value const& subject, value const& key, budget& work) {
  if (subject.is_undefined()) refuse(subject.get<undefined>()->what);
  if (auto found = plain_item(subject, key, work)) return *std::move(found);
  if (key.text()) return attribute_of(subject, *key.text());
  return undefined{"'" + type_name(subject) + " object' has no element " + (key.is_undefined() ? "Undefined" : to_repr(key, work))};
}

}  // namespace gpuplace::text::jinja
