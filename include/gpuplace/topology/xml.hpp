#pragma once
/// @file
/// A small XML document: elements, attributes, and the lines they stand on.

#include <algorithm>
#include <boost/property_tree/detail/rapidxml.hpp>
#include <cstddef>
#include <gpuplace/core/result.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology::detail {

namespace rapidxml = boost::property_tree::detail::rapidxml;

/// True if `text` looks like XML with an element that starts with `start_tag`, undamaged or not.
inline bool is_xml_with(std::string_view text, std::string_view start_tag) {
  auto const start = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return start != text.npos && text[start] == '<' && text.find(start_tag) != text.npos;
}

/// How deep elements may nest. The parser calls itself for each level, so that a hostile file could exhaust the stack.
inline constexpr int deepest_element = 64;

/// The deepest nesting of elements in `text`, up to the first place that is not XML; stops when it is too deep.
inline int xml_depth(std::string_view text) {
  int depth = 0, deepest = 0;
  auto const after = [&](std::string_view mark, std::size_t from) {
    auto const at = text.find(mark, from);
    return at == text.npos ? text.size() : at + mark.size();
  };
  for (std::size_t at = text.find('<'); at < text.size() && deepest <= deepest_element; at = text.find('<', at)) {
    auto const rest = text.substr(at);
    if (rest.starts_with("<!--")) {
      at = after("-->", at + 4);
    } else if (rest.starts_with("<![CDATA[")) {
      at = after("]]>", at);
    } else if (rest.starts_with("<?")) {
      at = after("?>", at);
    } else if (rest.starts_with("<!DOCTYPE")) {
      for (int brackets = 0; at < text.size() && (brackets != 0 || text[at] != '>'); ++at)
        brackets += text[at] == '[' ? 1 : text[at] == ']' ? -1 : 0;
    } else if (rest.starts_with("</") || rest.starts_with("<!")) {
      depth -= rest[1] == '/' ? 1 : 0;
      at = after(">", at);
    } else {
      char quote = 0;
      for (++at; at < text.size() && (quote != 0 || text[at] != '>'); ++at)
        if (quote != 0) quote = text[at] == quote ? '\0' : quote;
        else if (text[at] == '"' || text[at] == '\'') quote = text[at];
      if (at == text.size() || text[at - 1] != '/') deepest = std::max(deepest, ++depth);
    }
  }
  return deepest;
}

/// One element, as long as its document lives.
class xml_element {
public:
  explicit xml_element(rapidxml::xml_node<char> const* node) : node_(node) {}

  std::string_view name() const { return {node_->name(), node_->name_size()}; }
  char const* place() const { return node_->name(); }

  std::optional<std::string_view> attribute(char const* key) const {
    auto const* const found = node_->first_attribute(key);
    return found == nullptr ? std::nullopt : std::optional(std::string_view(found->value(), found->value_size()));
  }

  /// Its elements, without text and comments.
  std::vector<xml_element> children() const {
    std::vector<xml_element> all;
    for (auto const* child = node_->first_node(); child != nullptr; child = child->next_sibling())
      if (child->type() == rapidxml::node_element) all.emplace_back(child);
    return all;
  }

private:
  rapidxml::xml_node<char> const* node_;
};

/// A parsed text that knows its lines.
/// The parser is the one inside Boost.PropertyTree, used directly: a property tree forgets where its values stood, and a quarter
/// of a second would be added to every file that includes the readers.
class xml_text {
public:
  /// Errors:     errc::malformed with file and line
  static result<xml_text> parse(std::string_view text, std::string file) {
    xml_text made(text, std::move(file));
    if (auto const nul = text.find('\0'); nul != text.npos) return made.fail_at(nul, "a byte of value zero in it");
    if (xml_depth(text) > deepest_element)
      return made.fail_at(0, "elements nest more than " + std::to_string(deepest_element) + " deep");
    try {
      made.document_->parse<rapidxml::parse_validate_closing_tags>(made.buffer_->data());
    } catch (rapidxml::parse_error const& e) {
      return made.fail_at(made.offset(e.where<char>()), std::string("no well-formed XML, ") + e.what());
    }
    if (made.document_->first_node() == nullptr) return made.fail_at(0, "no element in it");
    return made;
  }

  xml_element root() const {
    auto const* node = document_->first_node();
    while (node->type() != rapidxml::node_element && node->next_sibling() != nullptr) node = node->next_sibling();
    return xml_element(node);
  }

  /// "file:line" of an element.
  std::string where(xml_element const& e) const { return where_at(offset(e.place())); }

  error fail(xml_element const& e, std::string what, std::string remedy = {}) const {
    return {errc::malformed, std::move(what), where(e), std::move(remedy)};
  }

private:
  xml_text(std::string_view text, std::string file)
      : original_(text),
        buffer_(std::make_unique<std::string>(text)),
        file_(std::move(file)),
        document_(std::make_unique<rapidxml::xml_document<char>>()) {}

  /// The parser changes its text in place but moves nothing: an offset in one is an offset in the other.
  std::size_t offset(char const* at) const {
    auto const distance = at - buffer_->data();
    return distance < 0 ? 0 : std::min(static_cast<std::size_t>(distance), original_.size());
  }
  std::string where_at(std::size_t offset) const {
    auto const line = 1 + std::count(original_.begin(), original_.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
    return file_ + ":" + std::to_string(line);
  }
  error fail_at(std::size_t offset, std::string what) const {
    return {errc::malformed, std::move(what), where_at(offset), "write the file again"};
  }

  std::string original_;
  std::unique_ptr<std::string> buffer_;  // what the document points into
  std::string file_;
  std::unique_ptr<rapidxml::xml_document<char>> document_;
};

}  // namespace gpuplace::topology::detail
