#pragma once
/// @file
/// Text to token ids and back, as a checkpoint's `tokenizer.json` or `tokenizer.model` says.

#include <gpuplace/core/result.hpp>
#include <gpuplace/core/token_id.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::text {

class stream_decoder;

/// A checkpoint's tokenizer: byte-level BPE (SmolLM2, Qwen2/2.5/3, Llama 3, Mistral's Tekken), BPE over characters with byte
/// fallback (Llama 2, Mistral, Gemma), Unigram, and whatever the sentencepiece library reads.
/// A copy is a cheap handle to the same vocabulary.
/// Threads: every member is safe on a shared object
/// Source: the Hugging Face `tokenizers` library and sentencepiece, whose ids it reproduces exactly
class tokenizer {
public:
  /// Reads a checkpoint folder's `tokenizer.json`, or where there is none its `tokenizer.model` with the settings and added
  /// tokens of tokenizer_config.json, special_tokens_map.json and added_tokens.json; or one of the two files itself.
  /// Errors:     errc::not_found, errc::unreadable; else as `parse`
  static result<tokenizer> read(std::filesystem::path const& checkpoint_folder_or_file);

  /// Reads the text of a `tokenizer.json`; `source` names it in errors.
  /// Errors:     errc::malformed; errc::unsupported names the part of the file that is not known, and its type
  static result<tokenizer> parse(std::string_view json, std::string const& source = "tokenizer.json");

  /// The ids of `text`. Special tokens that are spelled out in it become their ids; `add_special_tokens` is about those that a
  /// post-processor puts around it (Llama 3's `<|begin_of_text|>`). Leave it out where a chat template has written them.
  /// Bytes that are not UTF-8 are first replaced by U+FFFD, as Python's errors='replace' does.
  /// Errors:     throws `failure` where the file's own rules go too far: replacements that fill the memory, a regular expression
  /// Complexity: O(n log n) in the longest word, O(n) in the words
  std::vector<token_id> encode(std::string_view text, bool add_special_tokens = true) const;

  /// The text of `ids`, always valid UTF-8: a character cut by either end becomes U+FFFD. Unknown ids are left out.
  /// For tokens that come one by one use `stream_decoder`.
  std::string decode(std::span<token_id const> ids, bool skip_special_tokens = true) const;

  /// Distinct tokens, added ones included. A model's embedding may have more rows.
  std::size_t size() const;

  /// The id of a token as the file spells it (`Ġthe`, `<|im_end|>`).
  std::optional<token_id> id(std::string_view token) const;

  /// The spelling of a token in the file.
  std::optional<std::string> token(token_id id) const;

  /// True for tokens that `skip_special_tokens` leaves out.
  bool is_special(token_id id) const;

  /// What a token stands for: bytes, often not a whole UTF-8 character; empty for unknown ids. Valid as long as a handle lives.
  /// A space that `decode` leaves out at the beginning of a text is there.
  std::string_view token_bytes(token_id id) const;

private:
  friend class stream_decoder;
  struct parts;
  static result<tokenizer> read_model(std::filesystem::path const& file);
  explicit tokenizer(std::shared_ptr<parts const> p);
  std::shared_ptr<parts const> parts_;
};

}  // namespace gpuplace::text
