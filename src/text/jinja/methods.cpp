// Methods of str, dict and list that change nothing.
#include "builtins.hpp"
#include "python_strings.hpp"

#include <algorithm>
#include <map>

namespace gpuplace::text::jinja {

namespace {

using method = value (*)(std::string const& self, arguments const& with, budget& work);

std::string const& text_argument(arguments const& with, std::size_t place, char const* name, char const* of) {
  auto const& v = with.need(place, name, of);
  if (v.is_undefined()) refuse(v.get<undefined>()->what);
  if (!v.text()) refuse(std::string(of) + "() takes a string, not '" + type_name(v) + "'");
  return *v.text();
}

std::int64_t count_argument(arguments const& with, std::size_t place, char const* name, char const* of) {
  auto const found = with.find(place, name);
  if (!found) return -1;
  if (!found->get<std::int64_t>()) refuse(std::string(of) + "() takes an integer as " + name);
  return *found->get<std::int64_t>();
}

value stripped(std::string const& self, arguments const& with, budget& work, bool left, bool right) {
  with.allow(1, {}, "strip");
  auto const set = with.get(0, "", {});
  if (set.is_undefined()) refuse(set.get<undefined>()->what);
  if (!set.is_none() && !set.text()) refuse("strip arg must be None or str");
  auto const chars = set.text() ? std::string_view(*set.text()) : std::string_view();
  work.spend(self.size() / 16 * (chars.size() + 1));
  return value(std::string(strip(self, set.text() ? &chars : nullptr, left, right)));
}

value strip_both(std::string const& s, arguments const& with, budget& work) { return stripped(s, with, work, true, true); }
value strip_left(std::string const& s, arguments const& with, budget& work) { return stripped(s, with, work, true, false); }
value strip_right(std::string const& s, arguments const& with, budget& work) { return stripped(s, with, work, false, true); }

template <class Fits>
bool any_affix(arguments const& with, char const* of, Fits fits) {
  with.allow(1, {}, of);
  auto const& given = with.need(0, "prefix", of);
  if (!given.list()) return fits(text_argument(with, 0, "prefix", of));
  return std::any_of(given.list()->items.begin(), given.list()->items.end(), [&](value const& v) {
    if (!v.text()) refuse(std::string(of) + "() takes strings, not '" + type_name(v) + "'");
    return fits(*v.text());
  });
}

value starts_with(std::string const& s, arguments const& with, budget&) {
  return value(any_affix(with, "startswith", [&](std::string const& p) { return s.starts_with(p); }));
}
value ends_with(std::string const& s, arguments const& with, budget&) {
  return value(any_affix(with, "endswith", [&](std::string const& p) { return s.ends_with(p); }));
}

value split_at_space(std::string_view s, std::int64_t most) {
  values parts;
  s = strip(s, nullptr, true, false);
  while (!s.empty()) {
    if (most >= 0 && static_cast<std::int64_t>(parts.size()) == most) {
      parts.emplace_back(std::string(strip(s, nullptr, false, true)));
      break;
    }
    std::size_t end = 0;
    for (auto const c : characters(s.substr(0, s.size()))) {
      if (is_space(code_point(c))) break;
      end += c.size();
    }
    parts.emplace_back(std::string(s.substr(0, end)));
    s = strip(s.substr(end), nullptr, true, false);
  }
  return make_list(std::move(parts));
}

value split(std::string const& self, arguments const& with, budget& work) {
  with.allow(2, {"sep", "maxsplit"}, "split");
  auto const most = count_argument(with, 1, "maxsplit", "split");
  auto const separator = with.get(0, "sep", {});
  if (separator.is_none()) {
    // Each part looks at the whole rest.
    auto const spaces =
        static_cast<std::size_t>(std::count_if(self.begin(), self.end(), [](unsigned char c) { return c <= ' ' || c >= 0x80; }));
    work.spend(self.size() * (spaces + 1) / 16 + 1);
    return split_at_space(self, most);
  }
  auto const& at = text_argument(with, 0, "sep", "split");
  if (at.empty()) refuse("empty separator");
  work.spend(self.size() + 1);
  values parts;
  std::size_t from = 0;
  for (auto found = self.find(at); found != std::string::npos && static_cast<std::int64_t>(parts.size()) != most;
       found = self.find(at, from)) {
    parts.emplace_back(self.substr(from, found - from));
    from = found + at.size();
  }
  parts.emplace_back(self.substr(from));
  return make_list(std::move(parts));
}

value rsplit(std::string const& self, arguments const& with, budget& work) {
  with.allow(2, {"sep", "maxsplit"}, "rsplit");
  auto const most = count_argument(with, 1, "maxsplit", "rsplit");
  auto const& at = text_argument(with, 0, "sep", "rsplit");
  if (at.empty()) refuse("empty separator");
  work.spend(self.size() + 1);
  values parts;
  std::string_view rest = self;
  for (auto found = rest.rfind(at); found != std::string_view::npos && static_cast<std::int64_t>(parts.size()) != most;
       found = rest.rfind(at)) {
    parts.emplace_back(std::string(rest.substr(found + at.size())));
    rest = rest.substr(0, found);
  }
  parts.emplace_back(std::string(rest));
  std::reverse(parts.begin(), parts.end());
  return make_list(std::move(parts));
}

value splitlines(std::string const& self, arguments const& with, budget& work) {
  with.allow(0, {}, "splitlines");
  work.spend(self.size());
  values lines;
  std::string line;
  bool open = false;
  for (auto const c : characters(self)) {
    auto const code = code_point(c);
    open = true;
    if ((code >= 10 && code <= 13) || (code >= 0x1c && code <= 0x1e) || code == 0x85 || code == 0x2028 || code == 0x2029) {
      bool const second_half = code == '\n' && line.empty() && c.data() > self.data() && c.data()[-1] == '\r';
      if (!second_half) lines.emplace_back(std::exchange(line, {}));
      open = false;
    } else line += c;
  }
  if (open) lines.emplace_back(std::move(line));
  return make_list(std::move(lines));
}

value replaced(std::string const& self, arguments const& with, budget& work) {
  with.allow(3, {}, "replace");
  auto const& from = text_argument(with, 0, "old", "replace");
  auto const& to = text_argument(with, 1, "new", "replace");
  auto most = count_argument(with, 2, "count", "replace");
  work.spend(self.size() + 1);
  std::string out;
  auto const add = [&](std::string_view piece) {
    if (out.size() + piece.size() > budget::longest_text) refuse("the template makes more text than 64 MiB");
    work.spend(piece.size() / 16 + 1);
    out += piece;
  };
  std::size_t at = 0;
  if (from.empty()) {
    for (auto const c : characters(self)) {
      if (most-- != 0) add(to);
      else ++most;
      add(c);
    }
    if (most != 0) add(to);
    return value(std::move(out));
  }
  for (auto found = self.find(from); found != std::string::npos && most-- != 0; found = self.find(from, at)) {
    add(std::string_view(self).substr(at, found - at));
    add(to);
    at = found + from.size();
  }
  add(std::string_view(self).substr(at));
  return value(std::move(out));
}

value position(std::string const& self, std::size_t found) {
  return value(found == std::string::npos ? std::int64_t(-1)
                                          : static_cast<std::int64_t>(count_characters(std::string_view(self).substr(0, found))));
}

value find(std::string const& self, arguments const& with, budget& work) {
  with.allow(1, {}, "find");
  work.spend(self.size() / 4 + 1);
  return position(self, self.find(text_argument(with, 0, "sub", "find")));
}
value rfind(std::string const& self, arguments const& with, budget& work) {
  with.allow(1, {}, "rfind");
  work.spend(self.size() / 4 + 1);
  return position(self, self.rfind(text_argument(with, 0, "sub", "rfind")));
}

value count(std::string const& self, arguments const& with, budget& work) {
  with.allow(1, {}, "count");
  auto const& part = text_argument(with, 0, "sub", "count");
  work.spend(self.size() + 1);
  if (part.empty()) return value(static_cast<std::int64_t>(count_characters(self) + 1));
  std::int64_t n = 0;
  for (auto at = self.find(part); at != std::string::npos; at = self.find(part, at + part.size())) ++n;
  return value(n);
}

value upper(std::string const& s, arguments const&, budget& work) { return work.text(s.size()), value(to_upper(s)); }
value lower(std::string const& s, arguments const&, budget& work) { return work.text(s.size()), value(to_lower(s)); }
value capitalized(std::string const& s, arguments const&, budget& work) { return work.text(s.size()), value(capitalize(s)); }

value without_prefix(std::string const& s, arguments const& with, budget& work) {
  auto const& p = text_argument(with, 0, "prefix", "removeprefix");
  return work.text(s.size()), value(s.starts_with(p) ? s.substr(p.size()) : s);
}
value without_suffix(std::string const& s, arguments const& with, budget& work) {
  auto const& p = text_argument(with, 0, "suffix", "removesuffix");
  return work.text(s.size()), value(s.ends_with(p) ? s.substr(0, s.size() - p.size()) : s);
}

value joined(std::string const& self, arguments const& with, budget& work) {
  with.allow(1, {}, "join");
  for (auto const& item : iterate(with.need(0, "iterable", "join"), work))
    if (!item.text()) refuse("sequence item: expected str instance, " + type_name(item) + " found");
  return apply_filter("join", with.positional[0], {{value(self)}, {}}, work);
}

value is_digits(std::string const& s, arguments const&, budget& work) {
  work.spend(s.size());
  if (std::any_of(s.begin(), s.end(), [](unsigned char c) { return c >= 0x80; })) unknown("isdigit() of text beyond ASCII");
  return value(!s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

/// '{} and {}'.format(a, b); numbered, named and formatted fields are not known.
value formatted(std::string const& s, arguments const& with, budget& work) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    bool const doubled = i + 1 < s.size() && s[i] == s[i + 1];
    if ((s[i] == '{' || s[i] == '}') && doubled) {
      out += s[i++];
    } else if (s.compare(i, 2, "{}") == 0) {
      if (next == with.positional.size())
        refuse("Replacement index " + std::to_string(next) + " out of range for positional args tuple");
      out += to_text(with.positional[next++], work);
      ++i;
    } else if (s[i] == '{' || s[i] == '}') {
      unknown("format() with other fields than {}");
    } else {
      out += s[i];
    }
  }
  work.spend(out.size());
  return value(std::move(out));
}

std::map<std::string_view, method> const& text_methods() {
  static std::map<std::string_view, method> const all = {{"strip", strip_both},
                                                         {"lstrip", strip_left},
                                                         {"rstrip", strip_right},
                                                         {"startswith", starts_with},
                                                         {"endswith", ends_with},
                                                         {"split", split},
                                                         {"rsplit", rsplit},
                                                         {"splitlines", splitlines},
                                                         {"replace", replaced},
                                                         {"find", find},
                                                         {"rfind", rfind},
                                                         {"count", count},
                                                         {"upper", upper},
                                                         {"lower", lower},
                                                         {"capitalize", capitalized},
                                                         {"removeprefix", without_prefix},
                                                         {"removesuffix", without_suffix},
                                                         {"join", joined},
                                                         {"isdigit", is_digits},
                                                         {"format", formatted}};
  return all;
}

value of_dict(value const& self, std::string const& name, arguments const& with, budget& work) {
  auto const& items = self.dict()->items;
  work.spend(items.size());
  if (name == "get") {
    with.allow(2, {}, "get");
    auto const found = self.dict()->find(with.need(0, "key", "get"));
    return found ? *found : with.get(1, "default", {});
  }
  with.allow(0, {}, name);
  if (name == "copy") return self;
  values out;
  for (auto const& [key, item] : items) out.push_back(name == "items" ? make_list({key, item}, true) : name == "keys" ? key : item);
  if (name == "items" || name == "keys" || name == "values") return make_list(std::move(out));
  unknown("the method " + name + " of a dict");
}

value of_list(value const& self, std::string const& name, arguments const& with, budget& work) {
  if (name != "count" && name != "index") unknown("the method " + name + " of a list");
  with.allow(1, {}, name);
  auto const& wanted = with.need(0, "value", name);
  std::int64_t n = 0, at = 0;
  for (auto const& item : self.list()->items) {
    if (equal(item, wanted, work)) {
      if (name == "index") return value(at);
      ++n;
    }
    ++at;
  }
  if (name == "index") refuse("the item is not in the list");
  return value(n);
}

}  // namespace

value call_method(method_object const& m, arguments const& with, budget& work) {
  work.spend(1);
  if (m.self.dict()) return of_dict(m.self, m.name, with, work);
  if (m.self.list()) return of_list(m.self, m.name, with, work);
  if (auto const loop = m.self.loop()) {
    if (m.name != "cycle") unknown("loop." + m.name);
    if (with.positional.empty()) refuse("no items for cycling given");
    return with.positional[loop->index % with.positional.size()];
  }
  auto const found = text_methods().find(m.name);
  if (found == text_methods().end()) unknown("the method " + m.name + " of a string");
  return found->second(*m.self.text(), with, work);
}

}  // namespace gpuplace::text::jinja
