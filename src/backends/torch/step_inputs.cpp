#include "step_inputs.hpp"

#include "check_batch.hpp"

#include <gpuplace/runtime/kv_pages.hpp>

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <string>

namespace gpuplace::torch_detail {

step_inputs::step_inputs(executor_limits const& limits, std::int64_t vocabulary, std::int64_t ring_pages)
    : limits_(limits), vocabulary_(vocabulary), ring_pages_(ring_pages) {
  auto const room = [](std::vector<std::int64_t> shape, at::ScalarType type) {
    return at::zeros(shape, at::TensorOptions().dtype(type));
  };
  host_ = {.tokens = room({limits.step_tokens}, at::kInt),
           .positions = room({limits.step_tokens}, at::kInt),
           .cache_rows = room({limits.step_tokens}, at::kLong),
           .token_begin = room({limits.slots + 1}, at::kInt),
           .first_position = room({limits.slots}, at::kInt),
           .pages = room({limits.slots, pages_for(limits.context, limits.page_tokens)}, at::kInt),
           .page_tokens = limits.page_tokens,
           .ring_rows = {},
           .ring_pages = {}};
  if (ring_pages == 0) return;
  host_.ring_rows = at::zeros_like(host_.cache_rows);
  host_.ring_pages = at::zeros_like(host_.pages);
}

void step_inputs::add(batch_row const& row, std::int64_t index) {
  auto* const tokens = host_.tokens.data_ptr<std::int32_t>() + tokens_;
  auto* const positions = host_.positions.data_ptr<std::int32_t>() + tokens_;
  auto* const cache_rows = host_.cache_rows.data_ptr<std::int64_t>() + tokens_;
  auto const count = static_cast<std::int64_t>(row.tokens.size());
  for (std::int64_t i = 0; i < count; ++i) {
    auto const position = row.start + i;
    tokens[i] = row.tokens[static_cast<std::size_t>(i)];
    positions[i] = static_cast<std::int32_t>(position);
    cache_rows[i] =
        row.pages[static_cast<std::size_t>(position / limits_.page_tokens)] * limits_.page_tokens + position % limits_.page_tokens;
  }
  for (auto i = count - row.samples; i < count; ++i) {
    sampled_.push_back(tokens_ + i);
    requests_.push_back(request_of(row, i));
    row_of_sample_.push_back(static_cast<std::size_t>(index));
  }
  auto const used = pages_for(row.start + count, limits_.page_tokens);
  std::copy_n(row.pages.begin(), used, host_.pages.data_ptr<std::int32_t>() + index * host_.pages.size(1));
  host_.first_position.data_ptr<std::int32_t>()[index] = static_cast<std::int32_t>(row.start);
  if (ring_pages_ > 0) add_to_ring(row, index);
  tokens_ += count;
  host_.token_begin.data_ptr<std::int32_t>()[index + 1] = static_cast<std::int32_t>(tokens_);
}

void step_inputs::add_to_ring(batch_row const& row, std::int64_t index) {
  auto* const cache_rows = host_.ring_rows.data_ptr<std::int64_t>() + tokens_;
  auto* const pages = host_.ring_pages.data_ptr<std::int32_t>() + index * host_.ring_pages.size(1);
  auto const length = ring_pages_ * limits_.page_tokens, count = static_cast<std::int64_t>(row.tokens.size());
  for (std::int64_t i = 0; i < count; ++i) cache_rows[i] = row.slot * length + (row.start + i) % length;
  for (std::int64_t p = 0; p < pages_for(row.start + count, limits_.page_tokens); ++p)
    pages[p] = static_cast<std::int32_t>(row.slot * ring_pages_ + p % ring_pages_);
}

result<void> step_inputs::fill(batch const& work) {
  GPUPLACE_CHECK(check_batch(work, limits_, vocabulary_));
  tokens_ = rows_ = 0;
  sampled_.clear();
  requests_.clear();
  row_of_sample_.clear();
  for (auto const& row : work.rows) add(row, rows_++);
  return {};
}

step_tensors step_inputs::on(at::Device device) const {
  auto const part = [&](at::Tensor const& t, std::int64_t count) { return t.defined() ? t.narrow(0, 0, count).to(device) : t; };
  return {.tokens = part(host_.tokens, tokens_),
          .positions = part(host_.positions, tokens_),
          .cache_rows = part(host_.cache_rows, tokens_),
          .token_begin = part(host_.token_begin, rows_ + 1),
          .first_position = part(host_.first_position, rows_),
          .pages = part(host_.pages, rows_),
          .page_tokens = host_.page_tokens,
          .ring_rows = part(host_.ring_rows, tokens_),
          .ring_pages = part(host_.ring_pages, rows_)};
}

}  // namespace gpuplace::torch_detail
