#pragma once
/// @file
/// Tokens by spelling and by id.

#include <gpuplace/core/token_id.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// How a vocabulary writes bytes.
enum class spelling_style {
  byte_level,  ///< in GPT-2's alphabet
  plain        ///< as text, with `▁` for a space and `<0x0A>` for a byte
};

/// Spelling and id of every token, dense in the id; ids that no token has are empty.
class vocabulary {
public:
  explicit vocabulary(spelling_style style) : style_(style) {}

  void reserve(std::size_t count);
  void add(token_id id, std::string_view spelling);
  /// Text for `id` that differs from what it is looked up by.
  void respell(token_id id, std::string_view spelling);

  std::optional<token_id> id(std::string_view spelling) const {
    auto const found = ids_.find(spelling);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::string> spelling(token_id id) const {
    return has(id) ? spellings_[static_cast<std::size_t>(id)] : std::nullopt;
  }
  /// What `spelling` gives, without a copy; empty for unknown ids.
  std::string_view spelled(token_id id) const {
    return has(id) ? std::string_view(*spellings_[static_cast<std::size_t>(id)]) : std::string_view();
  }
  /// What the token stands for; the spelling itself where it does not lie in GPT-2's alphabet.
  std::string_view bytes(token_id id) const {
    return has(id) ? std::string_view(bytes_[static_cast<std::size_t>(id)]) : std::string_view();
  }

  bool has(token_id id) const {
    return id >= 0 && static_cast<std::size_t>(id) < spellings_.size() && spellings_[static_cast<std::size_t>(id)];
  }
  std::size_t size() const { return ids_.size(); }
  std::size_t rows() const { return spellings_.size(); }

private:
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  spelling_style style_;
  boost::unordered_flat_map<std::string, token_id, hash, std::equal_to<>> ids_;
  std::vector<std::optional<std::string>> spellings_;
  std::vector<std::string> bytes_;
};

}  // namespace gpuplace::text
