#pragma once
/// @file
/// What a model is asked to hold and to do once it is placed.

#include <gpuplace/core/units.hpp>
#include <gpuplace/model/dtype.hpp>
#include <gpuplace/model/unit.hpp>

#include <algorithm>
#include <cstdint>

namespace gpuplace {

/// How a tied head is placed: on the embedding's device and counted once, or copied to the last device.
enum class tied_head { shared, copied };

/// The load of one replica. `sequences` and `context` size the KV cache; `step_tokens` sizes the workspace.
struct demand {
  dtype type = dtype::bf16;
  std::int64_t context = 4096;         ///< tokens a sequence may reach; vLLM's --max-model-len
  std::int64_t sequences = 1;          ///< sequences in flight at once; vLLM's --max-num-seqs
  std::int64_t requests = 0;           ///< requests expected in all; 0: unknown
  std::int64_t step_tokens = 0;        ///< most tokens in one step; 0: as many as max_step_tokens() says
  std::int64_t kv_page = 16;           ///< tokens a page of the KV cache holds
  bool weights_only = false;           ///< plan as Hugging Face does: no KV cache, no workspace
  tied_head head = tied_head::copied;  ///< where a tied head goes; place() sets it from the partition's choice

  /// A prompt is prefilled in chunks of at most this many tokens, beside one token of every running sequence.
  static constexpr std::int64_t prefill_chunk = 2048;
  constexpr std::int64_t max_step_tokens() const {
    return step_tokens > 0 ? step_tokens : std::max<std::int64_t>(sequences, std::min<std::int64_t>(context, prefill_chunk));
  }

  friend bool operator==(demand const&, demand const&) = default;
};

/// Tokens of one sequence that a layer with this window holds at once: what the window shows to the first token of a step,
/// and the step's own tokens, which are stored before the first of them looks back.
/// @param window  0: the layer sees the whole context
constexpr std::int64_t remembered_tokens(std::int64_t window, std::int64_t context, std::int64_t step_tokens) {
  return window > 0 ? std::min(context, window - 1 + step_tokens) : context;
}

/// KV cache that `u` needs under `d`, in whole pages for every sequence.
constexpr bytes kv_bytes(unit const& u, demand const& d) {
  if (d.weights_only) return {};
  auto const pages = (remembered_tokens(u.kv_window, d.context, d.max_step_tokens()) + d.kv_page - 1) / d.kv_page;
  return u.kv_bytes_per_token * (pages * d.kv_page) * d.sequences;
}

/// Rows of `u` in the largest step: all tokens, but the head sees only those that are sampled from, one a sequence.
constexpr std::int64_t step_rows(unit const& u, demand const& d) {
  return u.kind == unit_kind::head ? std::min(d.sequences, d.max_step_tokens()) : d.max_step_tokens();
}

/// Temporaries of `u` in the largest step under `d`. Units of one device run in turn: it needs the largest of theirs.
constexpr bytes workspace_bytes(unit const& u, demand const& d) {
  return d.weights_only ? bytes{} : u.workspace_bytes_per_token * step_rows(u, d);
}

}  // namespace gpuplace
