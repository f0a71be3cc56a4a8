#include "cpu_kernels.hpp"

#include "sampler.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

using torch_cpu::bf16;

/// From so many rows on oneDNN's blocked bf16 product wins over dot products (measured on Zen 4, 64 rows and more).
constexpr std::int64_t library_rows = 64;
/// Multiplications below which a second thread costs more than it saves.
constexpr std::int64_t least_work = 32 * 1024;

template <class T>
T* data(at::Tensor const& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}

template <class F>
void by_element_type(at::Tensor const& t, F&& run) {
  if (t.scalar_type() == at::kFloat) {
    run(float{});
  } else {
    run(bf16{});
  }
}

template <class F>
void in_parallel(std::int64_t count, std::int64_t work_of_each, F const& run) {
  at::parallel_for(0, count, std::max<std::int64_t>(1, least_work / std::max<std::int64_t>(1, work_of_each)), run);
}

class cpu_kernels final : public device_kernels {
public:
  explicit cpu_kernels(torch_cpu::vector_kernels const& level) : level_(level), has_library_(level.level.starts_with("avx512")) {}

  void begin_step(step_tensors const& step, attention_shape const& shape) override {
    shape_ = {shape.heads, shape.kv_heads, shape.head_dim};
    auto const* const begin = data<std::int32_t>(step.token_begin);
    auto const group = shape.heads / shape.kv_heads;
    auto const longest = static_cast<std::int32_t>(std::max<std::int64_t>(1, torch_cpu::attention_block_queries / group));
    blocks_.clear();
    for (std::int32_t row = 0; row < step.first_position.numel(); ++row)
      for (std::int32_t token = 0; token < begin[row + 1] - begin[row]; token += longest)
        for (std::int32_t head = 0; head < shape.kv_heads; ++head)
          blocks_.push_back({row, head, token, std::min(longest, begin[row + 1] - begin[row] - token)});
    auto const* const first = data<std::int32_t>(step.first_position);
    attention_work_ = 0;
    for (auto const& b : blocks_)
      attention_work_ += (first[b.row] + b.first_token + b.tokens) * std::int64_t{b.tokens} * group * shape.head_dim * 2;
    attention_work_ /= static_cast<std::int64_t>(std::max<std::size_t>(1, blocks_.size()));
  }

  void embed(at::Tensor const& table, at::Tensor const& tokens, double scale, at::Tensor const& out) override {
    auto const row_bytes = static_cast<std::size_t>(table.size(1) * static_cast<std::int64_t>(table.element_size()));
    auto const* const from = data<char>(table);
    auto* const to = data<char>(out);
    auto const* const ids = data<std::int32_t>(tokens);
    for (std::int64_t i = 0; i < tokens.numel(); ++i)
      std::memcpy(to + static_cast<std::size_t>(i) * row_bytes, from + static_cast<std::size_t>(ids[i]) * row_bytes, row_bytes);
    if (scale == 1) return;
    by_element_type(
        out, [&]<class T>(T) { torch_cpu::kernels_for<T>(level_).scale(data<T>(out), static_cast<float>(scale), out.numel()); });
  }

  void norm(at::Tensor const& x, at::Tensor const& added, norm_weights const& weights, at::Tensor const& out) override {
    by_element_type(x, [&]<class T>(T) {
      auto const width = x.size(1);
      auto const norm = norm_of<T>(weights);
      in_parallel(x.size(0), width, [&](std::int64_t begin, std::int64_t end) {
        auto const at = begin * width;
        torch_cpu::kernels_for<T>(level_).rms_norm(data<T>(x) + at, added.defined() ? data<T>(added) + at : nullptr, norm,
                                                   data<T>(out) + at, end - begin, width);
      });
    });
  }

  void linear(at::Tensor const& x, linear_weights const& parts, at::Tensor const& out) override {
    if (has_library_ && x.size(0) >= library_rows && x.scalar_type() == at::kBFloat16 && out.scalar_type() == at::kBFloat16) {
      library_linear(x, parts, out);
      return;
    }
    by_element_type(x, [&]<class T>(T) {
      in_parallel(out.size(1), x.numel(), [&](std::int64_t begin, std::int64_t end) {
        std::int64_t first = 0;
        for (auto const& part : parts) {
          auto const outputs = part.weight.size(0);
          auto const from = std::max(begin, first) - first, to = std::min(end, first + outputs) - first;
          if (from < to) torch_cpu::kernels_for<T>(level_).linear(linear_task<T>(x, part, out, first), from, to);
          first += outputs;
        }
      });
    });
  }

  void rotate_and_store(at::Tensor const& qkv, rotation const& r, step_tensors const& step, layer_cache const& cache) override {
    by_element_type(qkv, [&]<class T>(T) {
      torch_cpu::rope_task<T> const task{data<T>(qkv),
                                         norm_of<T>(r.query_norm),
                                         norm_of<T>(r.key_norm),
                                         data<std::int32_t>(step.positions),
                                         data<std::int64_t>(step.cache_rows),
                                         data<float>(r.cosines),
                                         data<float>(r.sines),
                                         data<T>(cache.keys),
                                         data<T>(cache.values),
                                         shape_};
      in_parallel(qkv.size(0), qkv.size(1),
                  [&](std::int64_t begin, std::int64_t end) { torch_cpu::kernels_for<T>(level_).rope(task, begin, end); });
    });
  }

  void attend(at::Tensor const& qkv, step_tensors const& step, layer_cache const& cache, attention_rule const& rule,
              at::Tensor const& out) override {
    by_element_type(qkv, [&]<class T>(T) {
      torch_cpu::attention_task<T> const task{data<T>(qkv),
                                              data<T>(cache.keys),
                                              data<T>(cache.values),
                                              data<T>(out),
                                              {data<std::int32_t>(step.token_begin), data<std::int32_t>(step.first_position),
                                               data<std::int32_t>(step.pages), step.pages.size(1), step.page_tokens},
                                              shape_,
                                              rule.window,
                                              static_cast<float>(rule.scale),
                                              static_cast<float>(rule.softcap)};
      std::atomic<std::size_t> next{0};
      auto const teams = std::min<std::int64_t>(at::get_num_threads(), static_cast<std::int64_t>(blocks_.size()));
      auto const grain = attention_work_ * static_cast<std::int64_t>(blocks_.size()) < least_work ? teams : 1;
      at::parallel_for(0, teams, std::max<std::int64_t>(1, grain), [&](std::int64_t, std::int64_t) {
        thread_local std::vector<float> scratch;
        scratch.resize(static_cast<std::size_t>(torch_cpu::attention_scratch(shape_)));
        for (std::size_t i; (i = next.fetch_add(1)) < blocks_.size();)
          torch_cpu::kernels_for<T>(level_).attend(task, blocks_[i], scratch.data());
      });
    });
  }

  void gate_multiply(at::Tensor const& gate_up, activation gate, at::Tensor const& out) override {
    by_element_type(gate_up, [&]<class T>(T) {
      auto const& kernels = torch_cpu::kernels_for<T>(level_);
      auto const multiply = gate == activation::silu ? kernels.silu_multiply : kernels.gelu_multiply;
      auto const width = out.size(1);
      in_parallel(out.size(0), width * 8, [&](std::int64_t begin, std::int64_t end) {
        multiply(data<T>(gate_up) + begin * 2 * width, data<T>(out) + begin * width, end - begin, width);
      });
    });
  }

  void softcap(at::Tensor const& x, double cap) override {
    in_parallel(x.numel(), 16, [&](std::int64_t begin, std::int64_t end) {
      level_.softcap(data<float>(x) + begin, static_cast<float>(cap), end - begin);
    });
  }

  std::optional<std::int64_t> sample(at::Tensor const& logits, std::span<sample_request const> requests, std::span<token_id> chosen,
                                     std::span<token_logprobs> logprobs) override {
    auto const width = static_cast<std::size_t>(logits.size(1));
    std::atomic<std::int64_t> broken{logits.size(0)};
    in_parallel(logits.size(0), logits.size(1), [&](std::int64_t begin, std::int64_t end) {
      for (auto row = begin; row < end; ++row) {
        auto const& ask = requests[static_cast<std::size_t>(row)];
        std::span<float const> const of_row{data<float>(logits) + static_cast<std::size_t>(row) * width, width};
        auto const token = sample_token(of_row, ask);
        chosen[static_cast<std::size_t>(row)] = token.value_or(-1);
        if (token && ask.logprobs >= 0) logprobs[static_cast<std::size_t>(row)] = logprobs_of(of_row, *token, ask.logprobs);
        if (!token)
          for (auto seen = broken.load(); row < seen && !broken.compare_exchange_weak(seen, row);) {
          }
      }
    });
    return broken < logits.size(0) ? std::optional(broken.load()) : std::nullopt;
  }

private:
  template <class T>
  static torch_cpu::norm_weight<T> norm_of(norm_weights const& n) {
    return {data<T>(n.weight), static_cast<float>(n.epsilon), n.offset};
  }

  /// @param first  the part's first column in `out`
  template <class T>
  static torch_cpu::linear_task<T> linear_task(at::Tensor const& x, linear_part const& part, at::Tensor const& out,
                                               std::int64_t first) {
    bool const same = out.scalar_type() == x.scalar_type();
    return {data<T>(x),
            data<T>(part.weight),
            data<T>(part.bias),
            same ? data<T>(out) + first : nullptr,
            same ? nullptr : data<float>(out) + first,
            x.size(0),
            x.size(1),
            part.weight.size(0),
            out.size(1)};
  }

  static void library_linear(at::Tensor const& x, linear_weights const& parts, at::Tensor const& out) {
    std::int64_t first = 0;
    for (auto const& part : parts) {
      auto target = out.narrow(1, first, part.weight.size(0));
      at::mm_out(target, x, part.weight.t());
      if (part.bias.defined()) target.add_(part.bias);
      first += part.weight.size(0);
    }
  }

  torch_cpu::vector_kernels const& level_;
  bool has_library_;
  torch_cpu::head_shape shape_{};
  std::vector<torch_cpu::attention_block> blocks_;
  std::int64_t attention_work_ = 0;  ///< multiplications of a block, on average
};

}  // namespace

std::unique_ptr<device_kernels> make_cpu_kernels(torch_cpu::vector_kernels const& level) {
  return std::make_unique<cpu_kernels>(level);
}

}  // namespace gpuplace::torch_detail
