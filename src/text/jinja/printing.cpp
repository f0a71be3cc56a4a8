// str, repr and json.dumps of Python.
#include "python_strings.hpp"
#include "value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace gpuplace::text::jinja {

namespace {

std::string hex(char const* format, int code) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, static_cast<unsigned>(code));
  return text.data();
}

void repr_of_text(std::string& out, std::string const& s) {
  char const quote = s.find('\'') != std::string::npos && s.find('"') == std::string::npos ? '"' : '\'';
  out += quote;
  for (auto const c : characters(s)) {
    auto const code = code_point(c);
    if (code == '\\' || code == quote) (out += '\\') += c;
    else if (code == '\n') out += "\\n";
    else if (code == '\r') out += "\\r";
    else if (code == '\t') out += "\\t";
    else if (code < 0 || is_printable(code)) out += c;
    else out += hex(code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
  }
  out += quote;
}

void write_repr(std::string& out, value const& v, budget& work);

void write_repr_items(std::string& out, sequence const& list, budget& work) {
  out += list.tuple ? '(' : '[';
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i) out += ", ";
    write_repr(out, list.items[i], work);
  }
  if (list.tuple && list.items.size() == 1) out += ',';
  out += list.tuple ? ')' : ']';
}

void write_repr(std::string& out, value const& v, budget& work) {
  work.spend(1);
  if (out.size() > budget::longest_text) work.text(out.size());
  if (v.is_none()) out += "None";
  else if (auto const b = v.get<bool>()) out += *b ? "True" : "False";
  else if (auto const i = v.get<std::int64_t>()) out += std::to_string(*i);
  else if (auto const d = v.get<double>()) out += python_float(*d);
  else if (v.text()) work.text(v.text()->size()), repr_of_text(out, *v.text());
  else if (v.list()) write_repr_items(out, *v.list(), work);
  else if (v.is_undefined()) out += "Undefined";
  else if (auto const dict = v.dict()) {
    out += '{';
    for (auto const& [key, item] : dict->items) {
      if (&key != &dict->items.front().first) out += ", ";
      write_repr(out, key, work);
      out += ": ";
      write_repr(out, item, work);
    }
    out += '}';
  } else unknown("a " + type_name(v) + " as text");
}

void json_of_text(std::string& out, std::string const& s, bool ascii) {
  out += '"';
  for (auto const c : characters(s)) {
    auto const code = code_point(c);
    if (code == '"' || code == '\\') (out += '\\') += c;
    else if (code == '\n') out += "\\n";
    else if (code == '\r') out += "\\r";
    else if (code == '\t') out += "\\t";
    else if (code == '\b') out += "\\b";
    else if (code == '\f') out += "\\f";
    else if (code >= 0 && (code < 0x20 || (ascii && code > 0x7e && code != 0x7f && code < 0x10000))) out += hex("\\u%04x", code);
    else if (ascii && code >= 0x10000) {
      out += hex("\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
      out += hex("\\u%04x", 0xdc00 + ((code - 0x10000) & 0x3ff));
    } else out += c;
  }
  out += '"';
}

std::string json_float(double d) {
  if (std::isnan(d)) return "NaN";
  if (std::isinf(d)) return d < 0 ? "-Infinity" : "Infinity";
  return python_float(d);
}

class json_writer {
public:
  json_writer(json_style const& style, budget& work) : style_(style), work_(work) {}

  void write(value const& v, int level) {
    work_.spend(1);
    if (out_.size() > budget::longest_text) work_.text(out_.size());
    if (v.is_none()) out_ += "null";
    else if (auto const b = v.get<bool>()) out_ += *b ? "true" : "false";
    else if (auto const i = v.get<std::int64_t>()) out_ += std::to_string(*i);
    else if (auto const d = v.get<double>()) out_ += json_float(*d);
    else if (v.text()) text(*v.text());
    else if (auto const list = v.list()) {
      open('[', ']', list->items, level, [&](value const& item) { write(item, level + 1); });
    } else if (auto const dict = v.dict()) {
      auto items = dict->items;
      if (style_.sort_keys) sort(items);
      open('{', '}', items, level, [&](auto const& item) {
        text(key(item.first));
        out_ += style_.key_separator;
        write(item.second, level + 1);
      });
    } else refuse("Object of type " + type_name(v) + " is not JSON serializable");
  }

  std::string take() { return std::move(out_); }

private:
  void text(std::string const& s) {
    work_.text(s.size());
    json_of_text(out_, s, style_.ascii);
  }

  template <class Items, class Write>
  void open(char first, char last, Items const& items, int level, Write&& write_item) {
    out_ += first;
    bool separate = false;
    for (auto const& item : items) {
      if (std::exchange(separate, true)) out_ += style_.item_separator;
      new_line(level + 1);
      write_item(item);
    }
    if (separate) new_line(level);
    out_ += last;
  }

  void new_line(int level) {
    if (style_.indent < 0) return;
    auto const columns = static_cast<std::size_t>(style_.indent) * static_cast<std::size_t>(level);
    work_.text(out_.size() > budget::longest_text ? out_.size() : columns);
    out_ += '\n';
    out_.append(columns, ' ');
  }

  std::string key(value const& v) {
    if (v.text()) return *v.text();
    if (!v.is_none() && !v.is_number()) refuse("keys must be str, int, float, bool or None, not " + type_name(v));
    json_writer plain(style_, work_);
    plain.write(v, 0);
    return plain.take();
  }

  static void sort(std::vector<std::pair<value, value>>& items) {
    for (auto const& item : items)
      if (!item.first.text()) unknown("tojson(sort_keys=true) of keys that are no strings");
    std::stable_sort(items.begin(), items.end(), [](auto const& a, auto const& b) { return *a.first.text() < *b.first.text(); });
  }

  json_style const& style_;
  budget& work_;
  std::string out_;
};

}  // namespace

// The shortest digits that read back as `d`, laid out as repr does: plain from 1e-4 up to 1e16, else with an exponent.
std::string python_float(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  std::array<char, 64> raw{};
  auto const end = std::to_chars(raw.data(), raw.data() + raw.size(), std::fabs(d), std::chars_format::scientific).ptr;
  std::string const text(raw.data(), end);
  auto const e = text.find('e');
  int const exponent = std::stoi(text.substr(e + 1));
  std::string digits = text.substr(0, e);
  std::erase(digits, '.');
  std::string const sign = std::signbit(d) ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    std::string const mantissa = digits.size() > 1 ? digits.substr(0, 1) + "." + digits.substr(1) : digits;
    auto const size = std::to_string(std::abs(exponent));
    return sign + mantissa + (exponent < 0 ? "e-" : "e+") + (size.size() < 2 ? "0" : "") + size;
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  auto const whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string to_repr(value const& v, budget& work) {
  std::string out;
  write_repr(out, v, work);
  work.text(out.size());
  return out;
}

std::string to_text(value const& v, budget& work) {
  if (v.is_undefined()) return {};
  if (v.text()) return work.text(v.text()->size()), *v.text();
  return to_repr(v, work);
}

std::string to_json(value const& v, json_style const& style, budget& work) {
  json_writer writer(style, work);
  writer.write(v, 0);
  auto out = writer.take();
  work.text(out.size());
  return out;
}

}  // namespace gpuplace::text::jinja
