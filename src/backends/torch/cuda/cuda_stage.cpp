#include "cuda_stage.hpp"

#include "../rotation_table.hpp"

#include <gpuplace/model/dtype.hpp>

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace gpuplace::torch_detail {

using cuda::check;

cuda_stage::cuda_stage(cuda_weights weights, cuda::matmul library, model_config const& config, executor_limits const& limits,
                       std::int64_t ring_pages, dtype type)
    : library_(std::move(library)),
      weights_(std::move(weights)),
      config_(config),
      ring_pages_(ring_pages),
      page_tokens_(limits.page_tokens),
      context_(limits.context),
      type_(type == dtype::bf16 ? cuda::number::bf16 : cuda::number::fp32),
      shape_{static_cast<int>(config.heads), static_cast<int>(config.kv_heads), static_cast<int>(config.head_dim)} {
  if (config.scaled_embedding) {
    embedding_scale_ = std::sqrt(static_cast<float>(config.hidden));
    if (type == dtype::bf16) embedding_scale_ = static_cast<float>(c10::BFloat16(embedding_scale_));
  }
  memory_ = cuda::allocate(lay_out(limits), "reserving memory for the KV cache and a step");
  lay_out(limits);
  if (has_head())
    check(cudaMemset(keys_, 0, static_cast<std::size_t>(logit_rows_of(limits)) * sizeof(unsigned long long)), "clearing memory");
  fill_rotations(limits);
  check(cudaDeviceSynchronize(), "loading rotations");  // copies from pageable memory may return before they have ended
}

std::byte* cuda_stage::take(std::size_t bytes) {
  constexpr std::size_t alignment = 256;
  used_ = (used_ + alignment - 1) / alignment * alignment;
  return memory_.as() + std::exchange(used_, used_ + bytes);
}

/// Called twice: once to count, once to place.
std::size_t cuda_stage::lay_out(executor_limits const& limits) {
  used_ = 0;
  caches_.clear();
  auto const number = static_cast<std::int64_t>(cuda::bytes_of(type_));
  auto const rows = [&](std::int64_t count, std::int64_t width) { return take(static_cast<std::size_t>(count * width * number)); };
  for (std::size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    auto const pages = on_ring(layer) ? limits.slots * ring_pages_ : limits.kv_pages;
    auto const width = config_.kv_heads * config_.head_dim;
    auto* const keys = rows(pages * page_tokens_, width);
    caches_.push_back({keys, rows(pages * page_tokens_, width)});
  }
  auto const tokens = limits.step_tokens;
  hidden_ = rows(tokens, config_.hidden);
  normed_ = rows(tokens, config_.hidden);
  qkv_ = rows(tokens, shape_.width());
  attended_ = rows(tokens, config_.heads * config_.head_dim);
  delta_ = rows(tokens, config_.hidden);
  gate_up_ = rows(tokens, 2 * config_.intermediate);
  activated_ = rows(tokens, config_.intermediate);
  if (has_head()) {
    auto const samples = logit_rows_of(limits);
    sampled_ = rows(samples, config_.hidden);
    logits_ = take_array<float>(samples * config_.vocabulary);
    tokens_ = take_array<std::int32_t>(samples);
    keys_ = take_array<unsigned long long>(samples);
    texts_ = take_array<std::int32_t>(limits.slots * limits.context);
  }
  for (std::size_t i = 0; i < (config_.local_rope ? 2u : 1u); ++i) {
    rotations_[i].cosines = take_array<float>(limits.context * config_.head_dim / 2);
    rotations_[i].sines = take_array<float>(limits.context * config_.head_dim / 2);
  }
  return used_;
}

void cuda_stage::fill_rotations(executor_limits const& limits) {
  auto const fill = [&](table const& to, rotary const& how) {
    auto const made = make_rotation_table(how, config_.head_dim, limits.context);
    for (auto const& [target, numbers] : {std::pair(to.cosines, &made.cosines), std::pair(to.sines, &made.sines)})
      check(cudaMemcpy(target, numbers->data(), numbers->size() * sizeof(float), cudaMemcpyHostToDevice), "loading rotations");
  };
  fill(rotations_[0], config_.rope);
  if (config_.local_rope) fill(rotations_[1], *config_.local_rope);
}

std::optional<cuda::product_tiling> cuda_stage::tiling_of(cuda::product const& p, int rows) const {
  if (auto const found = tilings_.find({p.outputs, p.inputs, p.gated, rows}); found != tilings_.end()) return found->second;
  return cuda::usual_tiling(type_, p, rows);
}

void cuda_stage::multiply(cuda::product const& p, void* x, void* y, int rows, cuda::lane on) {
  multiply(p, tiling_of(p, rows), x, y, rows, on);
}

void cuda_stage::multiply(cuda::product p, std::optional<cuda::product_tiling> const& tiling, void* x, void* y, int rows,
                          cuda::lane on) {
  if (p.before.weight && !(tiling && cuda::takes_norm(*tiling, p.before))) {
    check(cuda::add_and_norm(type_, x, nullptr, p.before, normed_, rows, p.inputs, on), "a norm");
    x = normed_;
    p.before = {};
  }
  if (tiling) {
    check(cuda::multiply_few(type_, p, *tiling, x, y, rows, on), "a product");
    return;
  }
  void* const to = p.gated ? gate_up_ : y;
  library_.multiply({type_, rows, p.outputs, p.inputs, p.add, p.wide}, p.weight, x, to, on.stream);
  if (p.bias) check(cuda::add_bias(type_, to, p.bias, rows, p.outputs, on), "a bias");
  if (p.gated) check(cuda::gate_multiply(type_, gate_up_, y, rows, p.outputs / 2, p.activation, on), "a gate");
}

/// Rows of one token, whose time is that of reading the cache, apart from those of several.
void cuda_stage::attend(block_layout const& layout, std::int32_t const* block, cuda::rotation const& turn,
                        cuda::attention_rule const& rule, cuda::paged_cache const& cache, cuda::lane on) {
  auto const number = cuda::bytes_of(type_);
  auto const* const rows = layout.decode ? nullptr : block + layout.row_of_token();
  auto const singles =
      cuda::has_decode_attention(type_, shape_, cache.page_tokens) ? (layout.decode ? layout.tokens : layout.singles) : 0;
  if (singles > 0)
    check(cuda::decode_attention(qkv_, shape_, turn, rule, {block + layout.positions(), rows, static_cast<int>(singles)}, cache,
                                 attended_, cuda::cut_decode(shape_, static_cast<int>(singles), layout.long_rows, on), on),
          "attention");
  if (singles == layout.tokens) return;
  cuda::step_tokens const others{block + layout.positions() + singles, rows ? rows + singles : nullptr,
                                 static_cast<int>(layout.tokens - singles)};
  auto* const qkv = qkv_ + singles * shape_.width() * number;
  check(cuda::rotate_and_store(type_, qkv, shape_, turn, others, cache, on), "rotary positions");
  if (!layout.decode && singles == layout.singles && cuda::has_prompt_attention(type_, shape_, cache.page_tokens)) {
    check(cuda::prompt_attention(qkv_, shape_, rule, {block + layout.positions(), rows, static_cast<int>(layout.tokens)}, cache,
                                 reinterpret_cast<cuda::token_tile const*>(block + layout.first_tile()),
                                 static_cast<int>(layout.tiles), attended_, on),
          "attention of prompts");
  } else {
    check(cuda::attend(type_, qkv, shape_, rule, others, cache, attended_ + singles * shape_.heads * shape_.head_dim * number, on),
          "attention");
  }
}

void cuda_stage::run_layer(std::size_t index, block_layout const& layout, std::int32_t const* block, cuda::lane on) {
  auto const& w = weights_.layers[index];
  auto const rows = static_cast<int>(layout.tokens);
  multiply(w.qkv, hidden_, qkv_, rows, on);

  auto const& turn = rotations_[w.local_rotation ? 1 : 0];
  cuda::rotation const rotation{w.query_norm, w.key_norm, turn.cosines, turn.sines};
  cuda::attention_rule const rule{static_cast<float>(config_.attention_scale()), static_cast<float>(config_.attention_softcap),
                                  w.window};
  cuda::paged_cache const cache{caches_[index].keys, caches_[index].values,
                                block + (on_ring(index) ? layout.ring_pages() : layout.pages()), static_cast<int>(layout.stride),
                                static_cast<int>(page_tokens_)};
  attend(layout, block, rotation, rule, cache, on);

  auto const finish = [&](cuda::product const& p, void* x, cuda::norm const& after) {
    multiply(p, x, p.add ? hidden_ : delta_, rows, on);
    if (p.add) return;
    check(cuda::add_and_norm(type_, delta_, nullptr, after, delta_, rows, static_cast<int>(config_.hidden), on), "a norm");
    check(cuda::add_and_norm(type_, hidden_, delta_, {}, nullptr, rows, static_cast<int>(config_.hidden), on), "a sum");
  };
  finish(w.output, attended_, w.attention_norm);
  multiply(w.gate_up, hidden_, activated_, rows, on);
  finish(w.down, activated_, w.mlp_norm);
}

std::span<std::byte> cuda_stage::hidden(std::int64_t tokens) const {
  return {hidden_, static_cast<std::size_t>(tokens * config_.hidden * cuda::bytes_of(type_))};
}

/// Only the head asks what was said.
cuda::token_record cuda_stage::record_of(block_layout const& layout, std::int32_t const* block) const {
  if (!has_head()) return {};
  return {texts_, static_cast<int>(context_), block + layout.positions(), layout.decode ? nullptr : block + layout.row_of_token(),
          block + layout.slots()};
}

void cuda_stage::run(block_layout const& layout, std::int32_t const* block, cuda::lane on) {
  auto const tokens = static_cast<int>(layout.tokens), width = static_cast<int>(config_.hidden);
  auto const record = record_of(layout, block);
  if (weights_.embedding)
    check(cuda::embed(type_, weights_.embedding, block, hidden_, tokens, width, embedding_scale_, on, record), "the embedding");
  else if (record.texts) check(cuda::write_down(block, tokens, record, on), "writing tokens down");
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) run_layer(i, layout, block, on);
  if (weights_.final_norm.weight && !has_head())
    check(cuda::add_and_norm(type_, hidden_, nullptr, weights_.final_norm, hidden_, tokens, width, on), "a norm");
}

void cuda_stage::head(block_layout const& layout, std::int32_t const* block, int first, int count, cuda::lane on) {
  auto const width = config_.hidden * cuda::bytes_of(type_);
  auto* x = hidden_ + first * width;
  if (!layout.decode) {
    check(cuda::gather(type_, hidden_, block + layout.sampled() + first, sampled_, count, static_cast<int>(config_.hidden), on),
          "gathering samples");
    x = sampled_;
  }
  multiply(weights_.head, x, logits_, count, on);
  if (config_.logit_softcap > 0)
    check(cuda::softcap(logits_, count * config_.vocabulary, static_cast<float>(config_.logit_softcap), on), "capping logits");
}

void cuda_stage::choose(block_layout const& layout, std::int32_t const* block, int first, int count, cuda::told_row* told,
                        cuda::lane on) {
  auto const* const rules = reinterpret_cast<cuda::choice_rule const*>(block + layout.rules()) + first;
  check(cuda::choose(logits_, count, static_cast<int>(config_.vocabulary), keys_, rules, texts_, static_cast<int>(context_),
                     tokens_, told, on),
        "choosing tokens");
}

/// Each product alone first, then the best few of each within layers: what a kernel leaves to those around it counts as well.
void cuda_stage::tune(block_layout const& layout, std::int32_t const* block, cuda::lane on) {
  auto const rows = static_cast<int>(layout.rows);
  auto const layers = std::min<std::size_t>(6, weights_.layers.size());  // in turn, so that no weight is found in the cache
  cuda::stopwatch const watch;
  auto const least_of = [&](auto const& run) {
    float least = std::numeric_limits<float>::max();
    for (int round = 0; round < 4; ++round) {
      watch.start(on.stream);
      run();
      least = std::min(least, watch.stop(on.stream));
    }
    return least;
  };
  using way = std::optional<cuda::product_tiling>;
  auto const ranked = [&](cuda::product const& p, auto const& run) {
    std::vector<std::pair<float, way>> all;
    for (auto const& tiling : cuda::tilings_for(type_, p, rows, on)) all.emplace_back(least_of([&] { run(way(tiling)); }), tiling);
    if (rows > 1 || all.empty()) all.emplace_back(least_of([&] { run(way{}); }), std::nullopt);
    std::ranges::stable_sort(all, {}, [](auto const& timed) { return timed.first; });
    return all;
  };
  auto const key_of = [&](cuda::product const& p) { return product_key{p.outputs, p.inputs, p.gated, rows}; };

  struct contest {
    product_key key;
    std::vector<std::pair<float, way>> ways;
  };
  std::vector<contest> contests;
  auto const hold = [&](cuda::product cuda_layer::* which, void* x, void* y) {
    auto const& first = weights_.layers.front().*which;
    if (tilings_.contains(key_of(first))) return;
    auto ways = ranked(first, [&](way const& tiling) {
      for (std::size_t i = 0; i < layers; ++i) multiply(weights_.layers[i].*which, tiling, x, y, rows, on);
    });
    tilings_[key_of(first)] = ways.front().second;
    contests.push_back({key_of(first), std::move(ways)});
  };
  if (layers > 0) {
    hold(&cuda_layer::gate_up, hidden_, activated_);
    hold(&cuda_layer::down, activated_, delta_);
    hold(&cuda_layer::qkv, hidden_, qkv_);
    hold(&cuda_layer::output, attended_, delta_);
  }
  if (has_head() && !tilings_.contains(key_of(weights_.head)))
    tilings_[key_of(weights_.head)] =
        ranked(weights_.head, [&](way const& tiling) { multiply(weights_.head, tiling, hidden_, logits_, rows, on); })
            .front()
            .second;

  constexpr std::size_t finalists = 4;
  constexpr float close = 1.15f;
  for (auto const& c : contests) {
    float least = std::numeric_limits<float>::max();
    way best = c.ways.front().second;
    for (std::size_t i = 0; i < std::min(finalists, c.ways.size()) && c.ways[i].first <= close * c.ways.front().first; ++i) {
      tilings_[c.key] = c.ways[i].second;
      auto const recorded = cuda::graph::record(on.stream, [&] {
        for (std::size_t layer = 0; layer < layers; ++layer) run_layer(layer, layout, block, on);
      });
      if (auto const now = least_of([&] { recorded.launch(on.stream); }); now < least) least = now, best = c.ways[i].second;
    }
    tilings_[c.key] = best;
  }
}

void cuda_stage::tune_prompts(int tokens, cuda::lane on) {
  if (weights_.layers.empty()) return;
  auto const& layer = weights_.layers.front();
  auto const time = [&](cuda::product const& p, void* x, void* y) {
    library_.tune({type_, tokens, p.outputs, p.inputs, p.add, p.wide}, p.weight, x, y, on.stream);
  };
  time(layer.qkv, normed_, qkv_);
  time(layer.output, attended_, delta_);
  time(layer.gate_up, normed_, gate_up_);
  time(layer.down, activated_, delta_);
}

void cuda_stage::copy_sequence(slot_id from_slot, slot_id to_slot, std::span<page_id const> from, std::span<page_id const> to,
                               cudaStream_t on) {
  auto const page = static_cast<std::size_t>(page_tokens_ * config_.kv_heads * config_.head_dim * cuda::bytes_of(type_));
  auto const copy = [&](std::byte* cache, std::int64_t source, std::int64_t target, std::int64_t count) {
    if (source == target) return;
    check(cudaMemcpyAsync(cache + static_cast<std::size_t>(target) * page, cache + static_cast<std::size_t>(source) * page,
                          static_cast<std::size_t>(count) * page, cudaMemcpyDeviceToDevice, on),
          "copying a sequence");
  };
  if (has_head())
    check(cudaMemcpyAsync(texts_ + to_slot * context_, texts_ + from_slot * context_,
                          static_cast<std::size_t>(context_) * sizeof(std::int32_t), cudaMemcpyDeviceToDevice, on),
          "copying a text");
  for (std::size_t layer = 0; layer < caches_.size(); ++layer)
    for (auto* const cache : {caches_[layer].keys, caches_[layer].values}) {
      if (on_ring(layer)) {
        copy(cache, from_slot * ring_pages_, to_slot * ring_pages_, ring_pages_);
      } else {
        for (std::size_t i = 0; i < from.size(); ++i) copy(cache, from[i], to[i], 1);
      }
    }
}

}  // namespace gpuplace::torch_detail
