#include "step_block.hpp"

#include "../check_batch.hpp"

#include <gpuplace/runtime/kv_pages.hpp>

#include <algorithm>
#include <cstring>
#include <functional>

namespace gpuplace::torch_detail {
namespace {

/// From so many tokens on, more blocks a head pay (measured on an H100).
constexpr std::int64_t long_row = 2048;

}  // namespace

step_block::step_block(executor_limits const& limits, std::int64_t vocabulary, std::int64_t ring_pages, std::int64_t tile_tokens)
    : limits_(limits),
      vocabulary_(vocabulary),
      ring_pages_(ring_pages),
      tile_tokens_(tile_tokens),
      stride_(pages_for(limits.context, limits.page_tokens)),
      most_(block_layout{.tokens = limits.step_tokens,
                         .rows = limits.slots,
                         .samples = limits.step_tokens,
                         .stride = stride_,
                         .rings = ring_pages > 0,
                         .tiles = limits.step_tokens}
                .size()),
      host_(cuda::allocate_pinned(static_cast<std::size_t>(most_) * sizeof(std::int32_t))) {}

bool step_block::decodes(batch const& work) {
  return std::ranges::all_of(work.rows, [](batch_row const& row) { return row.tokens.size() == 1 && row.samples == 1; });
}

void step_block::add(batch_row const& row, std::int64_t index, std::int64_t first) {
  auto* const block = host_.as<std::int32_t>();
  auto const count = static_cast<std::int64_t>(row.tokens.size());
  for (std::int64_t i = 0; i < count; ++i) {
    block[first + i] = row.tokens[static_cast<std::size_t>(i)];
    block[layout_.positions() + first + i] = static_cast<std::int32_t>(row.start + i);
    if (!layout_.decode) block[layout_.row_of_token() + first + i] = static_cast<std::int32_t>(index);
  }
  for (auto i = count - row.samples; i < count; ++i) {
    if (!layout_.decode)
      block[layout_.sampled() + static_cast<std::int64_t>(requests_.size())] = static_cast<std::int32_t>(first + i);
    auto const ask = request_of(row, i);
    auto const rule = choice_of(ask, row.slot, vocabulary_);
    put_rule(std::ssize(requests_), rule.value_or(cuda::choice_rule{}));
    by_host_.push_back(!rule);
    requests_.push_back(ask);
    row_of_sample_.push_back(static_cast<std::size_t>(index));
  }
  block[layout_.slots() + index] = row.slot;
  auto const used = pages_for(row.start + count, limits_.page_tokens);
  std::copy_n(row.pages.begin(), used, block + layout_.pages() + index * stride_);
  for (std::int64_t p = 0; layout_.rings && p < used; ++p)
    block[layout_.ring_pages() + index * stride_ + p] = static_cast<std::int32_t>(row.slot * ring_pages_ + p % ring_pages_);
}

/// Where the tokens of each row go, and the tiles of rows that have several: those that see most come first, for they take longest.
void step_block::cut(batch const& work) {
  std::int64_t next = 0;
  first_of_row_.resize(work.rows.size());
  tiles_.clear();
  auto const place = [&](bool single) {
    for (std::size_t i = 0; i < work.rows.size(); ++i) {
      auto const count = std::ssize(work.rows[i].tokens);
      if ((count == 1) != single) continue;
      first_of_row_[i] = next;
      for (std::int64_t at = 0; !single && at < count; at += tile_tokens_)
        tiles_.push_back({static_cast<std::int32_t>(next + at), static_cast<std::int32_t>(std::min(tile_tokens_, count - at))});
      next += count;
    }
  };
  place(true);
  layout_.singles = next;
  place(false);
  layout_.tiles = std::ssize(tiles_);
}

void step_block::put_tiles() {
  auto* const block = host_.as<std::int32_t>();
  std::ranges::sort(tiles_, std::greater{}, [&](cuda::token_tile const& t) { return block[layout_.positions() + t.first]; });
  for (std::size_t i = 0; i < tiles_.size(); ++i) std::memcpy(block + layout_.first_tile() + 2 * i, &tiles_[i], sizeof(tiles_[i]));
}

void step_block::put_rule(std::int64_t sample, cuda::choice_rule const& rule) {
  std::memcpy(host_.as<std::int32_t>() + layout_.rules() + sample * block_layout::rule_size, &rule, sizeof(rule));
}

result<void> step_block::fill(batch const& work, std::int64_t rows) {
  GPUPLACE_CHECK(check_batch(work, limits_, vocabulary_));
  requests_.clear();
  row_of_sample_.clear();
  by_host_.clear();
  auto samples = std::int64_t{0};
  for (auto const& row : work.rows) samples += row.samples;
  layout_ = decodes(work) ? decode_layout(rows)
                          : block_layout{.tokens = work.token_count(),
                                         .rows = std::ssize(work.rows),
                                         .samples = samples,
                                         .stride = stride_,
                                         .rings = ring_pages_ > 0};
  layout_.long_rows = std::ranges::any_of(work.rows, [](batch_row const& row) { return row.start >= long_row; });
  cut(work);
  for (std::size_t i = 0; i < work.rows.size(); ++i) add(work.rows[i], static_cast<std::int64_t>(i), first_of_row_[i]);
  put_tiles();
  for (auto i = work.token_count(); i < layout_.tokens; ++i) {
    host_.as<std::int32_t>()[i] = 0;
    host_.as<std::int32_t>()[layout_.positions() + i] = -1;  // no token: kernels pass it over
  }
  for (auto i = std::ssize(requests_); i < layout_.samples; ++i) put_rule(i, {});
  return {};
}

}  // namespace gpuplace::torch_detail
