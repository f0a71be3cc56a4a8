#pragma once
/// @file
/// A step's rows as one block of memory, which crosses to the device in one copy.

#include "kernels/kernels.hpp"
#include "runtime.hpp"

#include "../choice.hpp"
#include "../sampler.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/batch.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gpuplace::torch_detail {

/// Where the parts of a block lie, in numbers of 4 bytes. Where all rows decode one token, each samples, and rows and tokens are padded
/// to what a graph was recorded for. Else the tokens of rows that have but one come first, and the others are cut into tiles.
struct block_layout {
  std::int64_t tokens = 0, rows = 0, samples = 0, stride = 0;
  bool decode = false, rings = false;
  bool long_rows = false;    ///< some row has several thousand tokens
  std::int64_t singles = 0;  ///< rows of one token
  std::int64_t tiles = 0;    ///< of the tokens of other rows

  std::int64_t positions() const { return tokens; }
  std::int64_t row_of_token() const { return 2 * tokens; }
  std::int64_t sampled() const { return row_of_token() + (decode ? 0 : tokens); }
  std::int64_t pages() const { return sampled() + (decode ? 0 : samples); }
  std::int64_t ring_pages() const { return pages() + rows * stride; }
  std::int64_t first_tile() const { return ring_pages() + (rings ? rows * stride : 0); }
  std::int64_t slots() const { return first_tile() + 2 * tiles; }
  std::int64_t rules() const { return (slots() + rows + 1) / 2 * 2; }
  std::int64_t size() const { return rules() + samples * rule_size; }

  static constexpr std::int64_t rule_size = sizeof(cuda::choice_rule) / sizeof(std::int32_t);
};

/// Takes batches over into pinned memory, in the layout in which the device sees them.
class step_block {
public:
  /// @param tile_tokens  tokens of a tile at most
  step_block(executor_limits const& limits, std::int64_t vocabulary, std::int64_t ring_pages, std::int64_t tile_tokens);

  /// Takes the next step's rows over.
  /// @param rows  of the block where all of the batch's rows decode one token, at least as many as these; else ignored
  /// Errors:     errc::invalid_argument for a batch that breaks the limits or the vocabulary, naming its row
  result<void> fill(batch const& work, std::int64_t rows);

  /// True where every row has one token, which is sampled from.
  static bool decodes(batch const& work);

  block_layout layout() const { return layout_; }
  block_layout decode_layout(std::int64_t rows) const {
    return {.tokens = rows, .rows = rows, .samples = rows, .stride = stride_, .decode = true, .rings = ring_pages_ > 0};
  }
  std::int64_t most_numbers() const { return most_; }
  std::int32_t const* host() const { return host_.as<std::int32_t>(); }

  std::vector<sample_request> const& requests() const { return requests_; }
  std::size_t row_of_sample(std::size_t i) const { return row_of_sample_[i]; }
  /// Whether sample i is one that the device cannot choose for: its rule says nothing.
  bool chosen_by_host(std::size_t i) const { return by_host_[i]; }
  bool chosen_by_host() const { return std::ranges::find(by_host_, true) != by_host_.end(); }

private:
  void add(batch_row const& row, std::int64_t index, std::int64_t first);
  void cut(batch const& work);
  void put_tiles();
  void put_rule(std::int64_t sample, cuda::choice_rule const& rule);

  executor_limits limits_;
  std::int64_t vocabulary_, ring_pages_, tile_tokens_, stride_, most_;
  cuda::pinned_memory host_;
  block_layout layout_;
  std::vector<std::int64_t> first_of_row_;  ///< its first token's place
  std::vector<cuda::token_tile> tiles_;
  std::vector<sample_request> requests_;
  std::vector<std::size_t> row_of_sample_;
  std::vector<bool> by_host_;
};

}  // namespace gpuplace::torch_detail
