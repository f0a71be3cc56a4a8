#include "step_block.hpp"

#include "../check_batch.hpp"

#include <gpuplace/runtime/kv_pages.hpp>

#include <algorithm>
#include <cstring>

namespace gpuplace::torch_detail {

step_block::step_block(executor_limits const& limits, std::int64_t vocabulary, std::int64_t ring_pages)
    : limits_(limits),
      vocabulary_(vocabulary),
      ring_pages_(ring_pages),
      stride_(pages_for(limits.context, limits.page_tokens)),
      most_(block_layout{limits.step_tokens, limits.slots, limits.step_tokens, stride_, false, ring_pages > 0}.size()),
      host_(cuda::allocate_pinned(static_cast<std::size_t>(most_) * sizeof(std::int32_t))) {}

bool step_block::decodes(batch const& work) {
  return std::ranges::all_of(work.rows, [](batch_row const& row) { return row.tokens.size() == 1 && row.samples == 1; });
}

void step_block::add(batch_row const& row, std::int64_t index) {
  auto* const block = host_.as<std::int32_t>();
  auto const count = static_cast<std::int64_t>(row.tokens.size());
  for (std::int64_t i = 0; i < count; ++i) {
    block[tokens_ + i] = row.tokens[static_cast<std::size_t>(i)];
    block[layout_.positions() + tokens_ + i] = static_cast<std::int32_t>(row.start + i);
    if (!layout_.decode) block[layout_.row_of_token() + tokens_ + i] = static_cast<std::int32_t>(index);
  }
  for (auto i = count - row.samples; i < count; ++i) {
    if (!layout_.decode)
      block[layout_.sampled() + static_cast<std::int64_t>(requests_.size())] = static_cast<std::int32_t>(tokens_ + i);
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
  tokens_ += count;
}

void step_block::put_rule(std::int64_t sample, cuda::choice_rule const& rule) {
  std::memcpy(host_.as<std::int32_t>() + layout_.rules() + sample * block_layout::rule_size, &rule, sizeof(rule));
}

result<void> step_block::fill(batch const& work, std::int64_t rows) {
  GPUPLACE_CHECK(check_batch(work, limits_, vocabulary_));
  requests_.clear();
  row_of_sample_.clear();
  by_host_.clear();
  tokens_ = 0;
  auto samples = std::int64_t{0};
  for (auto const& row : work.rows) samples += row.samples;
  layout_ = decodes(work) ? decode_layout(rows)
                          : block_layout{work.token_count(), std::ssize(work.rows), samples, stride_, false, ring_pages_ > 0};
  for (std::size_t i = 0; i < work.rows.size(); ++i) add(work.rows[i], static_cast<std::int64_t>(i));
  for (auto i = tokens_; i < layout_.tokens; ++i) {
    host_.as<std::int32_t>()[i] = 0;
    host_.as<std::int32_t>()[layout_.positions() + i] = -1;  // no token: kernels pass it over
  }
  for (auto i = std::ssize(requests_); i < layout_.samples; ++i) put_rule(i, {});
  return {};
}

}  // namespace gpuplace::torch_detail
