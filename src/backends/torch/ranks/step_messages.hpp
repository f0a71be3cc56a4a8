#pragma once
/// @file
/// What rank 0 asks of the ranks that run a replica's stages, and what they answer, as bytes.

#include <gpuplace/core/result.hpp>
#include <gpuplace/runtime/batch.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <variant>
#include <vector>

namespace gpuplace::torch_detail {

/// A batch that owns what its rows refer to. Moving it leaves the lists where they are.
struct owned_batch {
  owned_batch() = default;
  owned_batch(owned_batch&&) = default;
  owned_batch& operator=(owned_batch&&) = default;

  batch work;
  std::vector<std::vector<std::int32_t>> lists;
};

struct fork_order {
  slot_id from = 0, to = 0;
  std::vector<page_id> from_pages, to_pages;
};
struct end_order {};
using order = std::variant<owned_batch, fork_order, end_order>;

std::vector<std::byte> encode_step(batch const& work);
std::vector<std::byte> encode_fork(slot_id from, slot_id to, std::span<page_id const> from_pages,
                                   std::span<page_id const> to_pages);
std::vector<std::byte> encode_end();
/// Errors:     errc::malformed
result<order> decode_order(std::span<std::byte const> message);

/// A step's outcome, or that a replica's part is loaded (no tokens), or the error in its place.
std::vector<std::byte> encode_answer(result<step_outcome> const& answer);
result<step_outcome> decode_answer(std::span<std::byte const> message);

}  // namespace gpuplace::torch_detail
