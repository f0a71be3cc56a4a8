#include "stage_runner.hpp"

#include "rotation_table.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>

#include <utility>

namespace gpuplace::torch_detail {

stage_runner::stage_runner(at::Device device, std::unique_ptr<device_kernels> kernels, stage_weights weights, model_config const& config,
                           executor_limits const& limits, at::ScalarType type)
    : device_(device), kernels_(std::move(kernels)), weights_(std::move(weights)), config_(config) {
  auto const options = at::TensorOptions().device(device).dtype(type);
  auto const room = [&](std::int64_t width) { return at::empty({limits.step_tokens, width}, options); };
  whole_.hidden = room(config.hidden);
  if (!weights_.layers.empty()) {
    for (std::size_t layer = 0; layer < weights_.layers.size(); ++layer) {
      std::vector<std::int64_t> const shape{limits.kv_pages, limits.page_tokens, config.kv_heads, config.head_dim};
      caches_.push_back({at::empty(shape, options), at::empty(shape, options)});
    }
    auto const heads = config.heads * config.head_dim;
    whole_.normed = room(config.hidden);
    whole_.qkv = room(heads + 2 * config.kv_heads * config.head_dim);
    whole_.attended = room(heads);
    whole_.delta = room(config.hidden);
    whole_.gate_up = room(2 * config.intermediate);
    whole_.activated = room(config.intermediate);
    auto table = make_rotation_table(config, limits.context);
    auto const on_device = [&](std::vector<float>& from) {
      return at::from_blob(from.data(), {limits.context, config.head_dim / 2}, at::TensorOptions().dtype(at::kFloat))
          .to(at::TensorOptions().device(device).dtype(at::kFloat), false, true);
    };
    cosines_ = on_device(table.cosines);
    sines_ = on_device(table.sines);
  }
  if (has_norm()) sampled_ = at::empty({logit_rows, config.hidden}, options);
  if (has_head()) logits_ = at::empty({logit_rows, config.vocabulary}, options.dtype(at::kFloat));
}

stage_runner::buffers stage_runner::first(std::int64_t tokens) const {
  auto const part = [&](at::Tensor const& t) { return t.defined() ? t.narrow(0, 0, tokens) : t; };
  return {part(whole_.hidden), part(whole_.normed), part(whole_.qkv), part(whole_.attended),
          part(whole_.delta), part(whole_.gate_up), part(whole_.activated)};
}

/// @param added  what the layer before has not yet added to the hidden state; undefined for a stage's first layer
void stage_runner::run_layer(std::size_t index, buffers const& b, at::Tensor const& added, step_tensors const& step) {
  auto const& w = weights_.layers[index];
  auto& k = *kernels_;
  k.norm(b.hidden, added, w.input_norm, config_.rms_epsilon, b.normed);
  k.linear(b.normed, w.qkv, b.qkv);
  k.rotate_and_store(b.qkv, {w.query_norm, w.key_norm, cosines_, sines_, config_.rms_epsilon}, step, caches_[index]);
  k.attend(b.qkv, step, caches_[index], w.window, b.attended);
  k.linear(b.attended, w.output, b.delta);
  k.norm(b.hidden, b.delta, w.attention_norm, config_.rms_epsilon, b.normed);
  k.linear(b.normed, w.gate_up, b.gate_up);
  k.silu_multiply(b.gate_up, b.activated);
  k.linear(b.activated, w.down, b.delta);
}

at::Tensor stage_runner::run(at::Tensor const& hidden, step_tensors const& step) {
  auto const b = first(step.tokens.numel());
  if (weights_.embedding.defined() && !hidden.defined()) {
    kernels_->embed(weights_.embedding, step.tokens, b.hidden);
  } else {
    b.hidden.copy_(hidden);
  }
  if (weights_.layers.empty()) return b.hidden;
  kernels_->begin_step(step, {config_.heads, config_.kv_heads, config_.head_dim});
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) run_layer(i, b, i > 0 ? b.delta : at::Tensor{}, step);
  b.hidden.add_(b.delta);
  return b.hidden;
}

at::Tensor stage_runner::norm(at::Tensor const& hidden, at::Tensor const& rows) {
  auto const out = sampled_.narrow(0, 0, rows.numel());
  kernels_->norm(hidden.index_select(0, rows.to(hidden.device())).to(device_), {}, weights_.final_norm, config_.rms_epsilon, out);
  return out;
}

at::Tensor stage_runner::logits(at::Tensor const& normed) {
  auto const out = logits_.narrow(0, 0, normed.size(0));
  kernels_->linear(normed.to(device_), weights_.head, out);
  return out;
}

void stage_runner::copy_pages(std::span<page_id const> from, std::span<page_id const> to) {
  for (auto const& cache : caches_)
    for (std::size_t i = 0; i < from.size(); ++i)
      if (from[i] != to[i]) {
        cache.keys.select(0, to[i]).copy_(cache.keys.select(0, from[i]));
        cache.values.select(0, to[i]).copy_(cache.values.select(0, from[i]));
      }
}

}  // namespace gpuplace::torch_detail
