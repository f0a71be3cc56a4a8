#include "builtins.hpp"
#include "python_strings.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

namespace gpuplace::text::jinja {

value const* arguments::find(std::size_t place, std::string_view name) const {
  if (place < positional.size()) return &positional[place];
  auto const found = std::find_if(named.begin(), named.end(), [&](auto const& n) { return n.first == name; });
  return found == named.end() ? nullptr : &found->second;
}

value arguments::get(std::size_t place, std::string_view name, value otherwise) const {
  auto const found = find(place, name);
  return found ? *found : std::move(otherwise);
}

value const& arguments::need(std::size_t place, std::string_view name, std::string const& of) const {
  auto const found = find(place, name);
  if (!found) refuse(of + "() misses the argument '" + std::string(name) + "'");
  return *found;
}

void arguments::allow(std::size_t most, std::vector<std::string_view> const& names, std::string const& of) const {
  if (positional.size() > most)
    refuse(of + "() takes no more than " + std::to_string(most) + " arguments, " + std::to_string(positional.size()) + " given");
  for (auto const& [name, argument] : named)
    if (!of.empty() && std::find(names.begin(), names.end(), name) == names.end())
      refuse(of + "() takes no argument '" + name + "'");
}

namespace {

using filter = value (*)(value const& subject, arguments const& with, budget& work);

value trim(value const& subject, arguments const& with, budget& work) {
  with.allow(1, {"chars"}, "trim");
  auto const text = to_text(subject, work);
  auto const chars = with.get(0, "chars", {});
  if (!chars.is_none() && !chars.text()) refuse("strip arg must be None or str");
  auto const set = chars.text() ? std::string_view(*chars.text()) : std::string_view();
  work.spend(text.size() / 16 * (set.size() + 1));
  return value(std::string(strip(text, chars.text() ? &set : nullptr, true, true)));
}

value tojson(value const& subject, arguments const& with, budget& work) {
  with.allow(4, {"ensure_ascii", "indent", "separators", "sort_keys"}, "tojson");
  json_style style;
  style.ascii = truth(with.get(0, "ensure_ascii", false));
  style.sort_keys = truth(with.get(3, "sort_keys", false));
  if (auto const indent = with.get(1, "indent", {}); !indent.is_none()) {
    auto const columns = indent.get<std::int64_t>();
    if (!columns || *columns > 1000) unknown("tojson with an indent that is no small integer");
    style.indent = static_cast<int>(std::max<std::int64_t>(*columns, 0));
    style.item_separator = ",";
  }
  if (auto const separators = with.get(2, "separators", {}); !separators.is_none()) {
    auto const pair = separators.list();
    if (!pair || pair->items.size() != 2 || !pair->items[0].text() || !pair->items[1].text())
      refuse("tojson: separators are two strings");
    style.item_separator = *pair->items[0].text();
    style.key_separator = *pair->items[1].text();
  }
  return value(to_json(subject, style, work));
}

value length(value const& subject, arguments const&, budget& work) {
  if (subject.text()) work.spend(subject.text()->size() / 16);
  return value(static_cast<std::int64_t>(length_of(subject)));
}

value otherwise(value const& subject, arguments const& with, budget&) {
  with.allow(2, {"default_value", "boolean"}, "default");
  bool const use = subject.is_undefined() || (truth(with.get(1, "boolean", false)) && !truth(subject));
  return use ? with.get(0, "default_value", std::string()) : subject;
}

value join(value const& subject, arguments const& with, budget& work) {
  with.allow(2, {"d", "attribute"}, "join");
  auto const attribute = with.get(1, "attribute", {});
  auto const between = to_text(with.get(0, "d", std::string()), work);
  std::string out;
  bool separate = false;
  for (auto const& item : iterate(subject, work)) {
    if (std::exchange(separate, true)) out += between;
    out += to_text(attribute.is_none() ? item : item_of(item, attribute, work), work);
    work.text(std::max(out.size() > budget::longest_text ? out.size() : 0, between.size()));
  }
  return value(std::move(out));
}

value as_list(value const& subject, arguments const&, budget& work) { return make_list(iterate(subject, work)); }
value as_text(value const& subject, arguments const&, budget& work) { return value(to_text(subject, work)); }
value upper(value const& subject, arguments const&, budget& work) { return value(to_upper(to_text(subject, work))); }
value lower(value const& subject, arguments const&, budget& work) { return value(to_lower(to_text(subject, work))); }
value capitalized(value const& subject, arguments const&, budget& work) { return value(capitalize(to_text(subject, work))); }

value first(value const& subject, arguments const&, budget& work) {
  auto const items = iterate(subject, work);
  return items.empty() ? value(undefined{"No first item, sequence was empty."}) : items.front();
}

value last(value const& subject, arguments const&, budget& work) {
  auto const items = iterate(subject, work);
  return items.empty() ? value(undefined{"No last item, sequence was empty."}) : items.back();
}

value reverse(value const& subject, arguments const&, budget& work) {
  auto items = iterate(subject, work);
  std::reverse(items.begin(), items.end());
  if (!subject.text()) return make_list(std::move(items));
  std::string out;
  for (auto const& item : items) out += *item.text();
  return value(std::move(out));
}

value replace(value const& subject, arguments const& with, budget& work) {
  with.allow(3, {"old", "new", "count"}, "replace");
  arguments texts;
  texts.positional = {value(to_text(with.need(0, "old", "replace"), work)), value(to_text(with.need(1, "new", "replace"), work))};
  if (auto const count = with.find(2, "count"); count && !count->is_none()) texts.positional.push_back(*count);
  return call_method({value(to_text(subject, work)), "replace"}, texts, work);
}

value items(value const& subject, arguments const&, budget& work) {
  if (subject.is_undefined()) return make_list({});
  if (!subject.dict()) refuse("Can only get item pairs from a mapping.");
  return call_method({subject, "items"}, {}, work);
}

value integer(value const& subject, arguments const& with, budget&) {
  with.allow(2, {"default", "base"}, "int");
  if (with.find(1, "base")) unknown("the filter int with a base");
  if (auto const b = subject.get<bool>()) return value(std::int64_t(*b));
  if (subject.get<std::int64_t>()) return subject;
  if (auto const d = subject.get<double>(); d && std::fabs(*d) < 9e18) return value(static_cast<std::int64_t>(*d));
  if (auto const text = subject.text()) {
    auto const digits = strip(*text, nullptr, true, true);
    std::int64_t n = 0;
    auto const end = digits.data() + digits.size();
    if (auto const [at, code] = std::from_chars(digits.data(), end, n); code == std::errc() && at == end) return value(n);
    if (digits.find_first_of("0123456789") != std::string_view::npos) unknown("the filter int of '" + text->substr(0, 40) + "'");
  }
  return with.get(0, "default", std::int64_t(0));
}

value absolute(value const& subject, arguments const&, budget& work) {
  if (subject.is_undefined()) refuse(subject.get<undefined>()->what);
  if (!subject.is_number()) refuse("bad operand type for abs(): '" + type_name(subject) + "'");
  value const zero(std::int64_t(0));
  return binary(compare("<", subject, zero, work) ? "-" : "+", zero, subject, work);
}

value sort(value const& subject, arguments const& with, budget& work) {
  with.allow(0, {"reverse"}, "sort");
  auto all = iterate(subject, work);
  work.spend(all.size() * 20);
  bool const down = truth(with.get(0, "reverse", false));
  auto const key = [&](value const& v) { return v.text() ? value(to_lower(*v.text())) : v; };
  std::stable_sort(all.begin(), all.end(), [&](value const& a, value const& b) {
    return down ? compare("<", key(b), key(a), work) : compare("<", key(a), key(b), work);
  });
  return make_list(std::move(all));
}

/// The least or the greatest, the first of equals.
value extreme(value const& subject, arguments const& with, budget& work, char const* better) {
  with.allow(0, {}, better == std::string_view("<") ? "min" : "max");
  auto const all = iterate(subject, work);
  work.spend(all.size());
  if (all.empty()) return value(undefined{"No aggregated item, sequence was empty."});
  auto const key = [&](value const& v) { return v.text() ? value(to_lower(*v.text())) : v; };
  auto const* best = &all.front();
  for (auto const& v : all)
    if (compare(better, key(v), key(*best), work)) best = &v;
  return *best;
}
value least(value const& subject, arguments const& with, budget& work) { return extreme(subject, with, work, "<"); }
value greatest(value const& subject, arguments const& with, budget& work) { return extreme(subject, with, work, ">"); }

value dictsort(value const& subject, arguments const& with, budget& work) {
  with.allow(0, {}, "dictsort");
  if (!subject.dict()) refuse("dictsort takes a dict");
  auto all = subject.dict()->items;
  work.spend(all.size() * 20);
  auto const key = [](value const& v) { return v.text() ? value(to_lower(*v.text())) : v; };
  std::stable_sort(all.begin(), all.end(),
                   [&](auto const& a, auto const& b) { return compare("<", key(a.first), key(b.first), work); });
  values pairs;
  for (auto& [k, v] : all) pairs.push_back(make_list({k, v}, true));
  return make_list(std::move(pairs));
}

value at_path(value const& item, value const& attribute, budget& work) {
  if (!attribute.text()) return item_of(item, attribute, work);
  value found = item;
  std::string_view rest = *attribute.text();
  for (;;) {
    auto const dot = rest.find('.');
    auto const name = std::string(rest.substr(0, dot));
    std::int64_t index = 0;
    auto const [at, code] = std::from_chars(name.data(), name.data() + name.size(), index);
    found = item_of(found, code == std::errc() && at == name.data() + name.size() ? value(index) : value(name), work);
    if (dot == std::string_view::npos) return found;
    rest.remove_prefix(dot + 1);
  }
}

value map(value const& subject, arguments const& with, budget& work) {
  values out;
  if (!truth(subject)) return make_list({});
  auto const attribute = with.positional.empty() ? with.find(0, "attribute") : nullptr;
  if (attribute) {
    auto const fallback = with.get(1, "default", undefined{});
    for (auto const& item : iterate(subject, work)) {
      auto found = at_path(item, *attribute, work);
      out.push_back(found.is_undefined() && !fallback.is_undefined() ? fallback : found);
    }
    return make_list(std::move(out));
  }
  auto const& name = with.need(0, "filter", "map");
  if (!name.text()) refuse("map requires the name of a filter");
  arguments rest{values(with.positional.begin() + 1, with.positional.end()), with.named};
  if (*name.text() == "map") unknown("the filter map inside map");
  for (auto const& item : iterate(subject, work)) out.push_back(apply_filter(*name.text(), item, rest, work));
  return make_list(std::move(out));
}

value chosen(value const& subject, arguments const& with, budget& work, bool keep, bool by_attribute) {
  std::size_t const skip = by_attribute ? 1 : 0;
  auto const attribute = by_attribute ? with.need(0, "attribute", "selectattr") : value();
  arguments rest;
  if (with.positional.size() > skip + 1)
    rest.positional.assign(with.positional.begin() + static_cast<std::ptrdiff_t>(skip) + 1, with.positional.end());
  auto const test = with.positional.size() > skip ? with.positional[skip] : value();
  if (!test.is_none() && !test.text()) refuse("the name of a test is a string");
  values out;
  if (!truth(subject)) return make_list({});
  for (auto const& item : iterate(subject, work)) {
    auto const seen = by_attribute ? at_path(item, attribute, work) : item;
    if ((test.text() ? apply_test(*test.text(), seen, rest, work) : truth(seen)) == keep) out.push_back(item);
  }
  return make_list(std::move(out));
}

value select(value const& s, arguments const& with, budget& work) { return chosen(s, with, work, true, false); }
value reject(value const& s, arguments const& with, budget& work) { return chosen(s, with, work, false, false); }
value selectattr(value const& s, arguments const& with, budget& work) { return chosen(s, with, work, true, true); }
value rejectattr(value const& s, arguments const& with, budget& work) { return chosen(s, with, work, false, true); }

std::map<std::string_view, filter> const& filters() {
  static std::map<std::string_view, filter> const all = {{"trim", trim},
                                                         {"tojson", tojson},
                                                         {"length", length},
                                                         {"count", length},
                                                         {"default", otherwise},
                                                         {"d", otherwise},
                                                         {"join", join},
                                                         {"list", as_list},
                                                         {"string", as_text},
                                                         {"upper", upper},
                                                         {"lower", lower},
                                                         {"capitalize", capitalized},
                                                         {"first", first},
                                                         {"last", last},
                                                         {"reverse", reverse},
                                                         {"replace", replace},
                                                         {"items", items},
                                                         {"int", integer},
                                                         {"abs", absolute},
                                                         {"sort", sort},
                                                         {"dictsort", dictsort},
                                                         {"map", map},
                                                         {"select", select},
                                                         {"reject", reject},
                                                         {"selectattr", selectattr},
                                                         {"rejectattr", rejectattr},
                                                         {"min", least},
                                                         {"max", greatest},
                                                         {"safe", as_text}};
  return all;
}

}  // namespace

value apply_filter(std::string const& name, value const& subject, arguments const& with, budget& work) {
  work.spend(1);
  auto const found = filters().find(name);
  if (found == filters().end()) unknown("the filter " + name);
  return found->second(subject, with, work);
}

bool apply_test(std::string const& name, value const& v, arguments const& with, budget& work) {
  work.spend(1);
  auto const other = [&]() -> value const& { return with.need(0, "other", "test " + name); };
  auto const rest = [&](std::int64_t by) { return binary("%", v, value(by), work); };
  auto const is_zero = [&](value const& n) { return equal(n, value(std::int64_t(0)), work); };
  if (name == "defined") return !v.is_undefined();
  if (name == "undefined") return v.is_undefined();
  if (name == "none") return v.is_none();
  if (name == "string") return v.text();
  if (name == "mapping") return v.dict();
  if (name == "number") return v.is_number();
  if (name == "integer") return v.get<std::int64_t>();
  if (name == "float") return v.get<double>();
  if (name == "boolean") return v.get<bool>();
  if (name == "true") return v.get<bool>() && *v.get<bool>();
  if (name == "false") return v.get<bool>() && !*v.get<bool>();
  if (name == "sequence") return v.text() || v.list() || v.dict() || v.is_undefined();
  if (name == "iterable") return v.text() || v.list() || v.dict() || v.is_undefined() || v.loop();
  if (name == "callable") return v.function() || v.method();
  if (name == "odd") return !is_zero(rest(2));
  if (name == "even") return is_zero(rest(2));
  if (name == "divisibleby") return is_zero(binary("%", v, other(), work));
  static std::map<std::string_view, std::string> const comparisons = {
      {"eq", "=="},      {"equalto", "=="}, {"==", "=="}, {"ne", "!="}, {"!=", "!="}, {"lt", "<"},
      {"lessthan", "<"}, {"<", "<"},        {"le", "<="}, {"<=", "<="}, {"gt", ">"},  {"greaterthan", ">"},
      {">", ">"},        {"ge", ">="},      {">=", ">="}, {"in", "in"}};
  if (auto const found = comparisons.find(name); found != comparisons.end()) return compare(found->second, v, other(), work);
  unknown("the test " + name);
}

}  // namespace gpuplace::text::jinja
