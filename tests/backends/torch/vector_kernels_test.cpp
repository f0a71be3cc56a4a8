#include "vector_kernels.hpp"

#include <ATen/ATen.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

namespace gpuplace::torch_cpu {
namespace {

/// Every usable level with both formats, held against ATen in fp32 on the same stored numbers.
class vector_kernel : public ::testing::TestWithParam<std::tuple<std::size_t, at::ScalarType>> {
protected:
  vector_kernels const& level() const { return *usable_levels()[std::get<0>(GetParam())]; }
  at::ScalarType type() const { return std::get<1>(GetParam()); }
  double tolerance() const { return type() == at::kFloat ? 2e-5 : 2e-2; }
  at::Tensor random(std::vector<std::int64_t> const& shape) const { return at::randn(shape).to(type()); }

  template <class F>
  void typed(F f) const {
    if (type() == at::kFloat) {
      f(float{});
    } else {
      f(bf16{});
    }
  }
  template <class T>
  static T* data(at::Tensor const& t) {
    return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
  }

  void expect_near(at::Tensor const& ours, at::Tensor const& theirs) const {
    ASSERT_EQ(ours.sizes(), theirs.sizes());
    auto const scale = theirs.to(at::kFloat).abs().max().item<double>() + 1e-3;
    EXPECT_LT((ours.to(at::kFloat) - theirs.to(at::kFloat)).abs().max().item<double>(), tolerance() * scale) << level().level;
  }
};

TEST_P(vector_kernel, linear) {
  for (auto const& [rows, columns, outputs] : std::vector<std::tuple<int, int, int>>{
           {1, 1, 1}, {1, 42, 7}, {2, 37, 5}, {3, 64, 11}, {4, 33, 23}, {5, 576, 19}, {17, 100, 130}, {7, 2000, 64}}) {
    auto const x = random({rows, columns}), weight = random({outputs, columns}), bias = random({outputs});
    auto const expected = at::linear(x.to(at::kFloat), weight.to(at::kFloat), bias.to(at::kFloat));
    auto const out = at::empty({rows, outputs}, x.options());
    auto const wide = at::empty({rows, outputs}, at::kFloat);
    typed([&]<class T>(T) {
      auto const& k = kernels_for<T>(level());
      k.linear({data<T>(x), data<T>(weight), data<T>(bias), data<T>(out), nullptr, rows, columns, outputs, outputs}, 0, outputs);
      k.linear({data<T>(x), data<T>(weight), data<T>(bias), nullptr, data<float>(wide), rows, columns, outputs, outputs}, 0,
               outputs / 2);
      k.linear({data<T>(x), data<T>(weight), data<T>(bias), nullptr, data<float>(wide), rows, columns, outputs, outputs},
               outputs / 2, outputs);
    });
    expect_near(out, expected);
    expect_near(wide, expected);
  }
}

TEST_P(vector_kernel, linear_of_a_row_does_not_depend_on_its_mates) {
  auto const x = random({9, 1537}), weight = random({83, 1537});
  auto const together = at::empty({9, 83}, at::kFloat), alone = at::empty({9, 83}, at::kFloat);
  typed([&]<class T>(T) {
    auto const& k = kernels_for<T>(level());
    k.linear({data<T>(x), data<T>(weight), nullptr, nullptr, data<float>(together), 9, 1537, 83, 83}, 0, 83);
    for (std::int64_t row = 0; row < 9; ++row)
      for (std::int64_t first = 0; first < 83; first += 10)
        k.linear({data<T>(x) + row * 1537, data<T>(weight), nullptr, nullptr, data<float>(alone) + row * 83, 1, 1537, 83, 83},
                 first, std::min<std::int64_t>(83, first + 10));
  });
  EXPECT_TRUE(together.equal(alone));
}

TEST_P(vector_kernel, rms_norm) {
  for (std::int64_t const width : {1, 6, 36, 577}) {
    auto const x = random({3, width}), added = random({3, width}), weight = random({width});
    auto const summed = (x + added);
    auto const expected = at::rms_norm(summed.to(at::kFloat), {width}, {}, 1e-5).to(type()) * weight;
    auto const out = at::empty_like(x);
    typed([&]<class T>(T) {
      kernels_for<T>(level()).rms_norm(data<T>(x), data<T>(added), {data<T>(weight), 1e-5F, false}, data<T>(out), 3, width);
    });
    EXPECT_TRUE(x.equal(summed));
    expect_near(out, expected);
  }
}

TEST_P(vector_kernel, rms_norm_of_weights_stored_as_offsets_in_place) {
  for (std::int64_t const width : {1, 6, 36, 577}) {
    auto const x = random({3, width}), weight = random({width});
    auto const expected = at::rms_norm(x.to(at::kFloat), {width}, 1 + weight.to(at::kFloat), 1e-5).to(type());
    typed([&]<class T>(T) {
      kernels_for<T>(level()).rms_norm(data<T>(x), nullptr, {data<T>(weight), 1e-5F, true}, data<T>(x), 3, width);
    });
    expect_near(x, expected);
  }
}

TEST_P(vector_kernel, silu_multiply) {
  for (std::int64_t const width : {1, 60, 133}) {
    auto const gate_up = random({4, 2 * width}) * 20;
    auto const wide = gate_up.to(at::kFloat);
    auto const expected = at::silu(wide.narrow(1, 0, width)) * wide.narrow(1, width, width);
    auto const out = at::empty({4, width}, gate_up.options());
    typed([&]<class T>(T) { kernels_for<T>(level()).silu_multiply(data<T>(gate_up), data<T>(out), 4, width); });
    expect_near(out, expected);
  }
}

TEST_P(vector_kernel, gelu_multiply) {
  for (std::int64_t const width : {1, 60, 133}) {
    auto const gate_up = random({4, 2 * width}) * 5;
    auto const wide = gate_up.to(at::kFloat);
    auto const expected = at::gelu(wide.narrow(1, 0, width), "tanh") * wide.narrow(1, width, width);
    auto const out = at::empty({4, width}, gate_up.options());
    typed([&]<class T>(T) { kernels_for<T>(level()).gelu_multiply(data<T>(gate_up), data<T>(out), 4, width); });
    expect_near(out, expected);
  }
}

TEST_P(vector_kernel, scale_rounds_once) {
  auto const x = random({3, 37}), before = x.clone();
  typed([&]<class T>(T) { kernels_for<T>(level()).scale(data<T>(x), 5.5F, x.numel()); });
  EXPECT_TRUE(x.equal((before.to(at::kFloat) * 5.5).to(type())));
}

TEST_P(vector_kernel, softcap_keeps_the_digits_of_small_numbers) {
  at::manual_seed(5);
  for (double const size : {1e-6, 1e-2, 1.0, 30.0, 1000.0}) {
    auto const x = at::randn({517}) * size, expected = 30 * at::tanh(x.to(at::kDouble) / 30);
    level().softcap(data<float>(x), 30, x.numel());
    EXPECT_LT(((x - expected).abs() / (expected.abs() + 1e-12)).max().item<double>(), 5e-7) << size;
  }
  auto const none = at::full({5}, NAN);
  level().softcap(data<float>(none), 30, 5);
  EXPECT_TRUE(at::isnan(none).all().item<bool>());
}

/// A row of `length` tokens whose last `fresh` are in the step; pages lie in disorder.
struct attention_case {
  std::int64_t heads, kv_heads, head_dim, length, fresh, window;
};

TEST_P(vector_kernel, attention_over_pages) {
  for (auto const& c : std::vector<attention_case>{{7, 1, 6, 1, 1, 0},
                                                   {9, 3, 64, 70, 1, 0},
                                                   {4, 2, 10, 37, 37, 0},
                                                   {6, 2, 8, 200, 13, 0},
                                                   {8, 2, 128, 129, 5, 0},
                                                   {4, 4, 16, 90, 20, 33},
                                                   {4, 2, 16, 150, 3, 64}}) {
    std::int64_t const page_tokens = 7, pages = (c.length + page_tokens - 1) / page_tokens;
    std::vector<std::int32_t> table(static_cast<std::size_t>(pages));
    std::iota(table.rbegin(), table.rend(), 0);
    auto const keys = random({pages * page_tokens, c.kv_heads, c.head_dim}),
               values = random({pages * page_tokens, c.kv_heads, c.head_dim});
    auto const qkv = random({c.fresh, (c.heads + 2 * c.kv_heads) * c.head_dim});
    auto const out = at::zeros({c.fresh, c.heads, c.head_dim}, qkv.options());
    std::int32_t const begin[] = {0, static_cast<std::int32_t>(c.fresh)}, first = static_cast<std::int32_t>(c.length - c.fresh);
    head_shape const shape{c.heads, c.kv_heads, c.head_dim};
    std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(shape)));
    auto const block = static_cast<std::int32_t>(attention_block_queries / (c.heads / c.kv_heads));
    typed([&]<class T>(T) {
      attention_task<T> const task{data<T>(qkv),
                                   data<T>(keys),
                                   data<T>(values),
                                   data<T>(out),
                                   {begin, &first, table.data(), pages, page_tokens},
                                   shape,
                                   c.window,
                                   1 / std::sqrt(static_cast<float>(c.head_dim)),
                                   0};
      for (std::int32_t head = 0; head < c.kv_heads; ++head)
        for (std::int32_t token = 0; token < c.fresh; token += block)
          kernels_for<T>(level()).attend(task, {0, head, token, std::min(block, static_cast<std::int32_t>(c.fresh) - token)},
                                         scratch.data());
    });
    auto const gathered = [&](at::Tensor const& cache) {
      auto const lines = at::empty({c.length, c.kv_heads, c.head_dim}, at::kFloat);
      for (std::int64_t p = 0; p < c.length; ++p)
        lines.select(0, p).copy_(cache.select(0, table[static_cast<std::size_t>(p / page_tokens)] * page_tokens + p % page_tokens));
      return lines.transpose(0, 1).repeat_interleave(c.heads / c.kv_heads, 0).unsqueeze(0);
    };
    auto const queries =
        qkv.narrow(1, 0, c.heads * c.head_dim).to(at::kFloat).view({c.fresh, c.heads, c.head_dim}).transpose(0, 1).unsqueeze(0);
    auto const mask = at::zeros({c.fresh, c.length}, at::kFloat);
    for (std::int64_t t = 0; t < c.fresh; ++t)
      for (std::int64_t p = 0; p < c.length; ++p) {
        auto const position = first + t;
        if (p > position || (c.window > 0 && p + c.window <= position)) mask.select(0, t).select(0, p).fill_(-INFINITY);
      }
    expect_near(out, at::scaled_dot_product_attention(queries, gathered(keys), gathered(values), mask).squeeze(0).transpose(0, 1));
  }
}

TEST_P(vector_kernel, rope_turns_normalises_and_stores) {
  std::int64_t const heads = 3, kv_heads = 1, head_dim = 10, half = 5, context = 9;
  auto const qkv = random({2, (heads + 2 * kv_heads) * head_dim}), before = qkv.to(at::kFloat).clone();
  auto const angles = at::randn({context, half});
  auto const cosines = angles.cos(), sines = angles.sin(), weight = random({head_dim});
  auto const keys = at::zeros({20, kv_heads, head_dim}, qkv.options()), values = at::zeros_like(keys);
  std::int32_t const positions[] = {8, 2};
  std::int64_t const rows[] = {13, 4};
  typed([&]<class T>(T) {
    norm_weight<T> const norm{data<T>(weight), 1e-6F, false};
    rope_task<T> const task{data<T>(qkv),
                            norm,
                            norm,
                            positions,
                            rows,
                            data<float>(cosines),
                            data<float>(sines),
                            data<T>(keys),
                            data<T>(values),
                            {heads, kv_heads, head_dim}};
    kernels_for<T>(level()).rope(task, 0, 2);
  });
  for (std::int64_t token = 0; token < 2; ++token) {
    auto const lines = before.select(0, token).view({heads + 2 * kv_heads, head_dim});
    auto const normed = at::rms_norm(lines, {head_dim}, weight.to(at::kFloat), 1e-6);
    auto const a = normed.narrow(1, 0, half), b = normed.narrow(1, half, half);
    auto const c = cosines.select(0, positions[token]), s = sines.select(0, positions[token]);
    auto const turned = at::empty_like(normed);
    turned.narrow(1, 0, half).copy_(a * c - b * s);
    turned.narrow(1, half, half).copy_(b * c + a * s);
    expect_near(qkv.select(0, token).view({heads + 2 * kv_heads, head_dim}).narrow(0, 0, heads + kv_heads),
                turned.narrow(0, 0, heads + kv_heads));
    expect_near(keys.select(0, rows[token]), turned.narrow(0, heads, kv_heads));
    EXPECT_TRUE(values.select(0, rows[token]).to(at::kFloat).equal(lines.narrow(0, heads + kv_heads, kv_heads)));
  }
}

INSTANTIATE_TEST_SUITE_P(levels, vector_kernel,
                         ::testing::Combine(::testing::Range<std::size_t>(0, usable_levels().size()),
                                            ::testing::Values(at::kFloat, at::kBFloat16)),
                         [](auto const& tested) {
                           return std::string(usable_levels()[std::get<0>(tested.param)]->level) +
                                  (std::get<1>(tested.param) == at::kFloat ? "_fp32" : "_bf16");
                         });

}  // namespace
}  // namespace gpuplace::torch_cpu
