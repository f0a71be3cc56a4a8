#pragma once
/// @file
/// A `tokenizer.model`, read by the sentencepiece library, with the settings that lie beside it.

#include "json_parts.hpp"
#include "vocabulary.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace gpuplace::text {

/// What the files beside a tokenizer.model say about it.
struct sentencepiece_settings {
  json added = json::array();   ///< as "added_tokens" of a tokenizer.json
  std::optional<bool> add_bos;  ///< nothing where no file tells
  bool add_eos = false;
  bool space_before_each = true;  ///< `legacy`: every stretch between special tokens gets a space in front, not the first alone

  /// `added` and the pieces that no text holds, each with an id: its own, the vocabulary's, or the next free one.
  json entries(json const& special_pieces, vocabulary const& tokens) const;

  /// Reads tokenizer_config.json, special_tokens_map.json and added_tokens.json, each where it is there.
  /// Errors:     errc::unreadable, errc::malformed
  static result<sentencepiece_settings> read(std::filesystem::path const& folder);
};

/// The model itself. Threads: const calls are safe on shared objects
class sentencepiece_model {
public:
  /// Errors:     errc::not_found, errc::unreadable, errc::malformed
  static result<sentencepiece_model> read(std::filesystem::path const& file, bool space_before_each);

  /// Enters every piece in `tokens`.
  void list_pieces(vocabulary& tokens) const;

  /// Control pieces and the unknown one, as entries of "added_tokens".
  json special_pieces() const;

  /// True where a text gets a space in front.
  bool space_in_front() const;
  std::optional<token_id> bos() const;
  std::optional<token_id> eos() const;

  /// Appends the ids of a stretch between special tokens.
  void encode(std::string_view text, bool first, std::vector<token_id>& out) const;

private:
  struct processors;
  explicit sentencepiece_model(std::shared_ptr<processors const> p) : processors_(std::move(p)) {}
  std::shared_ptr<processors const> processors_;
};

}  // namespace gpuplace::text
