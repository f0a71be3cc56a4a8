#pragma once
/// @file
/// A stage's units on one GPU: weights, KV cache and the buffers of a step.

#include "cuda_weights.hpp"
#include "matmul.hpp"
#include "runtime.hpp"
#include "step_block.hpp"

#include <gpuplace/model/model_config.hpp>
#include <gpuplace/runtime/step_executor.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

namespace gpuplace::torch_detail {

/// Logits are computed for so many rows at once, so that their memory does not grow with the step.
inline std::int64_t logit_rows_of(executor_limits const& limits) { return std::clamp<std::int64_t>(limits.slots, 16, 256); }

/// Puts a step's work into a stream. All memory is taken when it is made. The device it was made on must be current.
class cuda_stage {
public:
  /// @throws cuda::failure, std::runtime_error
  cuda_stage(cuda_weights weights, cuda::matmul library, model_config const& config, executor_limits const& limits,
             std::int64_t ring_pages, dtype type);

  /// Takes the tokens of a block that lies on the device through the stage's units, all but the head. Where the embedding is elsewhere,
  /// hidden() holds what the stage before has made of them.
  void run(block_layout const& layout, std::int32_t const* block, cuda::lane on);
  /// fp32 logits of `count` rows from `first` on, of those that are sampled from; logits() holds them.
  void head(block_layout const& layout, std::int32_t const* block, int first, int count, cuda::lane on);
  /// The token that the rule of each row of logits() chooses, into tokens(); -1 where a logit is NaN. head() comes before it.
  /// @param told  log-probabilities of rows that ask for them
  void choose(block_layout const& layout, std::int32_t const* block, int first, int count, cuda::told_row* told, cuda::lane on);

  /// The hidden state of a step's first tokens.
  std::span<std::byte> hidden(std::int64_t tokens) const;

  bool has_head() const { return weights_.head.weight != nullptr; }
  float* logits() const { return logits_; }
  std::int32_t* tokens() const { return tokens_; }

  /// Finds the best tilings of products with so many rows, by running them; once for each number of rows. The block is on the device, and
  /// the hidden state is lost.
  void tune(block_layout const& layout, std::int32_t const* block, cuda::lane on);

  /// The same for a step of prompts with so many tokens, whose products are the library's.
  void tune_prompts(int tokens, cuda::lane on);

  void copy_sequence(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to,
                     cudaStream_t on);

private:
  struct layer_cache {
    std::byte *keys = nullptr, *values = nullptr;
  };
  using product_key = std::tuple<int, int, bool, int>;  ///< outputs, inputs, gated, rows

  std::byte* take(std::size_t bytes);
  template <class T>
  T* take_array(std::int64_t count) {
    return reinterpret_cast<T*>(take(static_cast<std::size_t>(count) * sizeof(T)));
  }
  std::size_t lay_out(executor_limits const& limits);
  void fill_rotations(executor_limits const& limits);
  cuda::token_record record_of(block_layout const& layout, std::int32_t const* block) const;
  void attend(block_layout const& layout, std::int32_t const* block, cuda::rotation const& turn, cuda::attention_rule const& rule,
              cuda::paged_cache const& cache, cuda::lane on);
  void run_layer(std::size_t index, block_layout const& layout, std::int32_t const* block, cuda::lane on);
  /// y = p(x). Without a tiling by cuBLASLt; what a tiling does not do itself is done before and after it.
  void multiply(cuda::product const& p, void* x, void* y, int rows, cuda::lane on);
  void multiply(cuda::product p, std::optional<cuda::product_tiling> const& tiling, void* x, void* y, int rows, cuda::lane on);
  bool on_ring(std::size_t index) const { return ring_pages_ > 0 && weights_.layers[index].window > 0; }
  std::optional<cuda::product_tiling> tiling_of(cuda::product const& p, int rows) const;

  cuda::matmul library_;
  cuda_weights weights_;
  model_config config_;
  std::int64_t ring_pages_, page_tokens_, context_;
  cuda::number type_;
  cuda::head_shape shape_;
  float embedding_scale_ = 1;
  cuda::device_memory memory_;
  std::size_t used_ = 0;
  std::vector<layer_cache> caches_;
  std::byte *hidden_ = nullptr, *normed_ = nullptr, *qkv_ = nullptr, *attended_ = nullptr, *delta_ = nullptr, *gate_up_ = nullptr,
            *activated_ = nullptr, *sampled_ = nullptr;
  float* logits_ = nullptr;
  std::int32_t *tokens_ = nullptr, *texts_ = nullptr;  ///< chosen ones; those of the slots, [slots, context]
  unsigned long long* keys_ = nullptr;
  struct table {
    float *cosines = nullptr, *sines = nullptr;
  };
  std::array<table, 2> rotations_;                                      ///< the second for sliding layers that turn otherwise
  std::map<product_key, std::optional<cuda::product_tiling>> tilings_;  ///< none: cuBLASLt is faster
};

}  // namespace gpuplace::torch_detail
