#include "vocabulary.hpp"

#include "byte_level.hpp"

namespace gpuplace::text {

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
  bytes_[row] = byte_level::bytes_of(spelling).value_or(std::string(spelling));
}

}  // namespace gpuplace::text
