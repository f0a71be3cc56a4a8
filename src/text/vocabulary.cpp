#include "vocabulary.hpp"

#include "byte_level.hpp"
#include "byte_piece.hpp"
#include "replacing.hpp"

namespace gpuplace::text {

namespace {
std::string bytes_of(std::string_view spelling, spelling_style style) {
  if (style == spelling_style::byte_level) return byte_level::bytes_of(spelling).value_or(std::string(spelling));
  if (auto const byte = byte_of_piece(spelling)) return std::string(1, static_cast<char>(*byte));
  return replaced(std::string(space_piece), " ", spelling);
}
}  // namespace

void vocabulary::reserve(std::size_t count) {
  ids_.reserve(count);
  spellings_.reserve(count);
  bytes_.reserve(count);
}

void vocabulary::add(token_id id, std::string_view spelling) {
  auto const row = static_cast<std::size_t>(id);
  if (row >= spellings_.size()) {
    spellings_.resize(row + 1);
    bytes_.resize(row + 1);
  }
  ids_.insert_or_assign(std::string(spelling), id);
  respell(id, spelling);
}

void vocabulary::respell(token_id id, std::string_view spelling) {
  auto const row = static_cast<std::size_t>(id);
  spellings_[row] = spelling;
  bytes_[row] = bytes_of(spelling, style_);
}

}  // namespace gpuplace::text
