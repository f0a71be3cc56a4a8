#include "sentencepiece_model.hpp"

#include "file_text.hpp"
#include "replacing.hpp"

#include <sentencepiece_processor.h>

#include <optional>
#include <string>

namespace gpuplace::text {

namespace {
constexpr std::string_view no_space_in_front("\x1A\x02\x18\x00",
                                             4);  // normalizer_spec { add_dummy_prefix: false }, which is merged

bool puts_space_in_front(sentencepiece::SentencePieceProcessor const& p) {
  std::vector<std::string> pieces;
  return p.Encode("a", &pieces).ok() && !pieces.empty() && pieces.front().starts_with(space_piece);
}

std::optional<token_id> valid(int id) { return id < 0 ? std::nullopt : std::optional(static_cast<token_id>(id)); }
}  // namespace

struct sentencepiece_model::processors {
  sentencepiece::SentencePieceProcessor as_it_is;
  sentencepiece::SentencePieceProcessor bare;  ///< puts no space in front; loaded where it is needed
  bool space_in_front = false;
  bool space_before_each = true;
};

result<sentencepiece_model> sentencepiece_model::read(std::filesystem::path const& file, bool space_before_each) {
  GPUPLACE_TRY(auto const bytes, file_text(file));
  auto made = std::make_shared<processors>();
  auto loaded = made->as_it_is.LoadFromSerializedProto(bytes);
  if (loaded.ok()) made->space_in_front = puts_space_in_front(made->as_it_is);
  made->space_before_each = space_before_each || !made->space_in_front;
  if (loaded.ok() && !made->space_before_each) loaded = made->bare.LoadFromSerializedProto(bytes + std::string(no_space_in_front));
  if (!loaded.ok())
    return error{errc::malformed, "no model of sentencepiece: " + std::string(loaded.ToString()), file.string(),
                 "Llama 3's tokenizer.model is of another kind: give its tokenizer.json"};
  return sentencepiece_model(std::move(made));
}

void sentencepiece_model::list_pieces(vocabulary& tokens) const {
  auto const& p = processors_->as_it_is;
  for (int id = 0; id < p.GetPieceSize(); ++id) tokens.add(id, p.IdToPiece(id));
}

json sentencepiece_model::special_pieces() const {
  auto const& p = processors_->as_it_is;
  auto list = json::array();
  for (int id = 0; id < p.GetPieceSize(); ++id)
    if (p.IsControl(id) || p.IsUnknown(id)) list.push_back({{"id", id}, {"content", p.IdToPiece(id)}, {"special", true}});
  return list;
}

bool sentencepiece_model::space_in_front() const { return processors_->space_in_front; }
std::optional<token_id> sentencepiece_model::bos() const { return valid(processors_->as_it_is.bos_id()); }
std::optional<token_id> sentencepiece_model::eos() const { return valid(processors_->as_it_is.eos_id()); }

void sentencepiece_model::encode(std::string_view text, bool first, std::vector<token_id>& out) const {
  bool const bare = !processors_->space_before_each;
  std::vector<int> ids;
  auto const spaced = bare && first ? " " + std::string(text) : std::string(text);
  auto const done = (bare ? processors_->bare : processors_->as_it_is).Encode(spaced, &ids);
  if (!done.ok()) throw failure(error{errc::invalid_argument, "sentencepiece: " + std::string(done.ToString()), "tokenizer.model"});
  out.insert(out.end(), ids.begin(), ids.end());
}

}  // namespace gpuplace::text
