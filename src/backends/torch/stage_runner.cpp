#include "stage_runner.hpp"

#include "rotation_table.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/scalar_tensor.h>

#include <cmath>
#include <utility>

namespace gpuplace::torch_detail {

stage_runner::stage_runner(at::Device device, std::unique_ptr<device_kernels> kernels, stage_weights weights,
                           model_config const& config, executor_limits const& limits, std::int64_t ring_pages, at::ScalarType type)
    : device_(device), kernels_(std::move(kernels)), weights_(std::move(weights)), config_(config), ring_pages_(ring_pages) {
  auto const options = at::TensorOptions().device(device).dtype(type);
  auto const room = [&](std::int64_t width) { return at::empty({limits.step_tokens, width}, options); };
  if (config.scaled_embedding)
    embedding_scale_ =
        at::scalar_tensor(std::sqrt(static_cast<double>(config.hidden)), at::TensorOptions().dtype(type)).item<double>();
  whole_.hidden = room(config.hidden);
  if (!weights_.layers.empty()) {
    make_cache(limits, options);
    auto const heads = config.heads * config.head_dim;
    whole_.normed = room(config.hidden);
    whole_.qkv = room(heads + 2 * config.kv_heads * config.head_dim);
    whole_.attended = room(heads);
    whole_.delta = room(config.hidden);
    whole_.gate_up = room(2 * config.intermediate);
    whole_.activated = room(config.intermediate);
  }
  if (has_norm()) sampled_ = at::empty({logit_rows, config.hidden}, options);
  if (has_head()) logits_ = at::empty({logit_rows, config.vocabulary}, options.dtype(at::kFloat));
}

void stage_runner::make_cache(executor_limits const& limits, at::TensorOptions const& options) {
  for (std::size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    auto const pages = on_ring(layer) ? limits.slots * ring_pages_ : limits.kv_pages;
    std::vector<std::int64_t> const shape{pages, limits.page_tokens, config_.kv_heads, config_.head_dim};
    caches_.push_back({at::empty(shape, options), at::empty(shape, options)});
  }
  auto const on_device = [&](std::vector<float>& from) {
    return at::from_blob(from.data(), {limits.context, config_.head_dim / 2}, at::TensorOptions().dtype(at::kFloat))
        .to(at::TensorOptions().device(device_).dtype(at::kFloat), false, true);
  };
  auto const fill = [&](auto& table, rotary const& how) {
    auto made = make_rotation_table(how, config_.head_dim, limits.context);
    table = {on_device(made.cosines), on_device(made.sines)};
  };
  fill(table_, config_.rope);
  if (config_.local_rope) fill(local_table_, *config_.local_rope);
}

stage_runner::buffers stage_runner::first(std::int64_t tokens) const {
  auto const part = [&](at::Tensor const& t) { return t.defined() ? t.narrow(0, 0, tokens) : t; };
  return {part(whole_.hidden), part(whole_.normed),  part(whole_.qkv),      part(whole_.attended),
          part(whole_.delta),  part(whole_.gate_up), part(whole_.activated)};
}

/// @param added  what the layer before has not yet added to the hidden state; undefined for a stage's first layer
void stage_runner::run_layer(std::size_t index, buffers const& b, at::Tensor const& added, step_tensors const& step) {
  auto const& w = weights_.layers[index];
  auto const& table = w.local_rotation ? local_table_ : table_;
  auto& k = *kernels_;
  k.norm(b.hidden, added, norm_of(w.input_norm), b.normed);
  k.linear(b.normed, w.qkv, b.qkv);
  k.rotate_and_store(b.qkv, {norm_of(w.query_norm), norm_of(w.key_norm), table.cosines, table.sines}, step, caches_[index]);
  k.attend(b.qkv, step, caches_[index], {w.window, config_.attention_scale(), config_.attention_softcap}, b.attended);
  k.linear(b.attended, w.output, b.delta);
  if (w.attention_norm.defined()) k.norm(b.delta, {}, norm_of(w.attention_norm), b.delta);
  k.norm(b.hidden, b.delta, norm_of(w.mlp_input_norm), b.normed);
  k.linear(b.normed, w.gate_up, b.gate_up);
  k.gate_multiply(b.gate_up, config_.gate, b.activated);
  k.linear(b.activated, w.down, b.delta);
  if (w.mlp_norm.defined()) k.norm(b.delta, {}, norm_of(w.mlp_norm), b.delta);
}

at::Tensor stage_runner::run(at::Tensor const& hidden, step_tensors const& step) {
  auto const b = first(step.tokens.numel());
  if (weights_.embedding.defined() && !hidden.defined()) {
    kernels_->embed(weights_.embedding, step.tokens, embedding_scale_, b.hidden);
  } else {
    b.hidden.copy_(hidden);
  }
  if (weights_.layers.empty()) return b.hidden;
  kernels_->begin_step(step, {config_.heads, config_.kv_heads, config_.head_dim});
  auto const rings = step.on_rings();
  for (std::size_t i = 0; i < weights_.layers.size(); ++i)
    run_layer(i, b, i > 0 ? b.delta : at::Tensor{}, on_ring(i) ? rings : step);
  b.hidden.add_(b.delta);
  return b.hidden;
}

at::Tensor stage_runner::norm(at::Tensor const& hidden, at::Tensor const& rows) {
  auto const out = sampled_.narrow(0, 0, rows.numel());
  kernels_->norm(hidden.index_select(0, rows.to(hidden.device())).to(device_), {}, norm_of(weights_.final_norm), out);
  return out;
}

at::Tensor stage_runner::logits(at::Tensor const& normed) {
  auto const out = logits_.narrow(0, 0, normed.size(0));
  kernels_->linear(normed.to(device_), weights_.head, out);
  if (config_.logit_softcap > 0) kernels_->softcap(out, config_.logit_softcap);
  return out;
}

void stage_runner::copy_sequence(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to) {
  auto const copy = [](at::Tensor const& cache, std::int64_t source, std::int64_t target, std::int64_t count) {
    if (source != target) cache.narrow(0, target, count).copy_(cache.narrow(0, source, count));
  };
  for (std::size_t layer = 0; layer < caches_.size(); ++layer)
    for (auto const& cache : {caches_[layer].keys, caches_[layer].values}) {
      if (on_ring(layer)) {
        copy(cache, from_slot * ring_pages_, to_slot * ring_pages_, ring_pages_);
      } else {
        for (std::size_t i = 0; i < from.size(); ++i) copy(cache, from[i], to[i], 1);
      }
    }
}

}  // namespace gpuplace::torch_detail
