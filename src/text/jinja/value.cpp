#include "value.hpp"

#include "python_strings.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace gpuplace::text::jinja {

value const* dictionary::find_text(std::string_view key) const {
  for (auto const& [k, v] : items)
    if (k.text() && *k.text() == key) return &v;
  return nullptr;
}

value const* dictionary::find(value const& key) const {
  if (key.text()) return find_text(*key.text());
  budget small;
  for (auto const& [k, v] : items)
    if (equal(k, key, small)) return &v;
  return nullptr;
}

int depth_of(value const& v) {
  if (auto const list = v.list()) return list->depth;
  if (auto const dict = v.dict()) return dict->depth;
  if (auto const loop = v.loop()) return loop->items->depth + 1;
  if (auto const method = v.method()) return depth_of(method->self) + 1;
  return 0;
}

namespace {

int one_deeper(int depth) {
  if (depth >= budget::deepest_value) refuse("values are nested deeper than " + std::to_string(budget::deepest_value) + " levels");
  return depth + 1;
}

template <class Json>
value convert(Json const& json, int depth) {
  if (depth > budget::deepest_value)
    refuse("the conversation is nested deeper than " + std::to_string(budget::deepest_value) + " levels");
  switch (json.type()) {
    case nlohmann::detail::value_t::boolean: return json.template get<bool>();
    case nlohmann::detail::value_t::number_float: return json.template get<double>();
    case nlohmann::detail::value_t::number_integer: return json.template get<std::int64_t>();
    case nlohmann::detail::value_t::number_unsigned: {
      auto const n = json.template get<std::uint64_t>();
      if (n > std::uint64_t(std::numeric_limits<std::int64_t>::max()))
        unknown("the integer " + std::to_string(n) + " of more than 63 bits");
      return static_cast<std::int64_t>(n);
    }
    case nlohmann::detail::value_t::string: return json.template get_ref<std::string const&>();
    case nlohmann::detail::value_t::array: {
      values items;
      for (auto const& item : json) items.push_back(convert(item, depth + 1));
      return make_list(std::move(items));
    }
    case nlohmann::detail::value_t::object: {
      std::vector<std::pair<value, value>> items;
      for (auto const& [key, item] : json.items()) items.emplace_back(value(key), convert(item, depth + 1));
      return make_dict(std::move(items));
    }
    default: return {};
  }
}

bool equal_items(values const& a, values const& b, budget& work) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](value const& x, value const& y) { return equal(x, y, work); });
}

double as_double(value const& v) {
  if (auto const b = v.get<bool>()) return *b ? 1 : 0;
  if (auto const i = v.get<std::int64_t>()) return static_cast<double>(*i);
  return *v.get<double>();
}

}  // namespace

value make_list(values items, bool tuple) {
  int depth = 0;
  for (auto const& item : items) depth = std::max(depth, depth_of(item));
  value made;
  made.of = std::make_shared<sequence const>(sequence{std::move(items), tuple, one_deeper(depth)});
  return made;
}

value make_dict(std::vector<std::pair<value, value>> items) {
  int depth = 0;
  for (auto const& [key, item] : items) depth = std::max({depth, depth_of(key), depth_of(item)});
  value made;
  made.of = std::make_shared<dictionary const>(dictionary{std::move(items), one_deeper(depth)});
  return made;
}

value make_method(value self, std::string name) {
  one_deeper(depth_of(self));
  value made;
  made.of = std::make_shared<method_object const>(method_object{std::move(self), std::move(name)});
  return made;
}

value from_json(nlohmann::json const& json, int depth) { return convert(json, depth); }
value from_json(nlohmann::ordered_json const& json, int depth) { return convert(json, depth); }

std::string type_name(value const& v) {
  if (v.is_undefined()) return "Undefined";
  if (v.is_none()) return "NoneType";
  if (v.get<bool>()) return "bool";
  if (v.get<std::int64_t>()) return "int";
  if (v.get<double>()) return "float";
  if (v.text()) return "str";
  if (v.list()) return v.list()->tuple ? "tuple" : "list";
  if (v.dict()) return "dict";
  if (v.space()) return "namespace";
  if (v.loop()) return "loop";
  return "function";
}

bool truth(value const& v) {
  if (v.is_undefined() || v.is_none()) return false;
  if (v.is_number()) return as_double(v) != 0;
  if (v.text()) return !v.text()->empty();
  if (v.list()) return !v.list()->items.empty();
  if (v.dict()) return !v.dict()->items.empty();
  return true;
}

bool equal(value const& a, value const& b, budget& work) {
  work.spend(1);
  if (a.get<std::int64_t>() && b.get<std::int64_t>()) return *a.get<std::int64_t>() == *b.get<std::int64_t>();
  if (a.is_number() && b.is_number()) return as_double(a) == as_double(b);
  if (a.of.index() != b.of.index()) return false;
  if (a.is_undefined() || a.is_none()) return true;
  if (a.text()) return work.spend(a.text()->size() / 16), *a.text() == *b.text();
  if (auto const list = a.list()) return list->tuple == b.list()->tuple && equal_items(list->items, b.list()->items, work);
  if (auto const dict = a.dict()) {
    if (dict->items.size() != b.dict()->items.size()) return false;
    return std::all_of(dict->items.begin(), dict->items.end(), [&](auto const& item) {
      work.spend(b.dict()->items.size());
      auto const other = b.dict()->find(item.first);
      return other && equal(item.second, *other, work);
    });
  }
  if (a.space()) return a.space() == b.space();
  if (a.loop()) return a.loop() == b.loop();
  return false;
}

values iterate(value const& v, budget& work) {
  if (v.is_undefined()) return {};
  if (auto const list = v.list()) return work.spend(list->items.size()), list->items;
  if (auto const dict = v.dict()) {
    work.spend(dict->items.size());
    values keys;
    for (auto const& [key, item] : dict->items) keys.push_back(key);
    return keys;
  }
  if (auto const text = v.text()) {
    work.spend(text->size());
    values all;
    for (auto const c : characters(*text)) all.emplace_back(std::string(c));
    return all;
  }
  refuse("'" + type_name(v) + "' object is not iterable");
}

std::size_t length_of(value const& v) {
  if (v.is_undefined()) return 0;
  if (v.text()) return count_characters(*v.text());
  if (v.list()) return v.list()->items.size();
  if (v.dict()) return v.dict()->items.size();
  if (v.loop()) return v.loop()->items->items.size();
  refuse("object of type '" + type_name(v) + "' has no len()");
}

}  // namespace gpuplace::text::jinja
