#include "cuda_fixture.hpp"
#include "kernels/kernels.hpp"
#include "matmul.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace gpuplace::cuda {
namespace {

/// Tensors live on the host; a kernel sees copies, and what it wrote is copied back.
class kernels : public ::testing::TestWithParam<number> {
protected:
  void SetUp() override {
    GPUPLACE_NEEDS_GPU();
    at::manual_seed(7);
    on_.emplace();
    check(make_lane(*on_, lane_), "a lane");
  }

  at::ScalarType type() const { return GetParam() == number::bf16 ? at::kBFloat16 : at::kFloat; }
  /// Of what is computed in the tested format, beside double.
  double tolerance() const { return GetParam() == number::bf16 ? 1.5e-2 : 1e-5; }
  at::Tensor random(std::vector<std::int64_t> const& shape) const { return at::randn(shape).to(type()); }

  void* send(at::Tensor const& t) {
    held_.push_back(allocate(t.nbytes(), "a test's tensor"));
    check(cudaMemcpy(held_.back().as(), t.contiguous().data_ptr(), t.nbytes(), cudaMemcpyHostToDevice), "sending");
    check(cudaDeviceSynchronize(), "sending");  // a copy from pageable memory may return before it has ended
    return held_.back().as<void>();
  }
  at::Tensor fetch(void const* from, std::vector<std::int64_t> const& shape, at::ScalarType as) {
    on_->wait();
    auto t = at::empty(shape, at::TensorOptions().dtype(as));
    check(cudaMemcpy(t.data_ptr(), from, t.nbytes(), cudaMemcpyDeviceToHost), "fetching");
    return t;
  }
  /// Memory that no kernel has written reads as NaN.
  void* room(std::vector<std::int64_t> const& shape, at::ScalarType as) {
    return send(at::full(shape, std::nan(""), at::TensorOptions().dtype(as)));
  }
  void expect_close(at::Tensor const& ours, at::Tensor const& theirs, std::string const& what, double times = 1) const {
    auto const a = ours.to(at::kDouble), b = theirs.to(at::kDouble).reshape(ours.sizes());
    auto const error = ((a - b).norm() / b.norm()).item<double>();
    EXPECT_LT(error, times * tolerance()) << what;  // NaN is not less
  }

  std::optional<stream> on_;
  lane lane_;
  std::vector<device_memory> held_;
};

at::Tensor rms_norm(at::Tensor const& x, at::Tensor const& weight, double epsilon, bool offset) {
  auto const v = x.to(at::kDouble);
  return v * at::rsqrt((v * v).mean(-1, true) + epsilon) * (weight.to(at::kDouble) + (offset ? 1 : 0));
}
at::Tensor activated(at::Tensor const& x, gate g) { return g == gate::silu ? at::silu(x) : at::gelu(x, "tanh"); }

TEST_P(kernels, embed) {
  auto const table = random({37, 24});
  auto const tokens = at::tensor({5, 36, 0, 5}, at::kInt);
  auto* const out = room({4, 24}, type());
  check(embed(GetParam(), send(table), static_cast<std::int32_t*>(send(tokens)), out, 4, 24, 3.5f, lane_), "embed");
  expect_close(fetch(out, {4, 24}, type()), table.index_select(0, tokens).to(at::kDouble) * 3.5, "embed");
}

TEST_P(kernels, add_and_norm) {
  for (int const width : {24, 576, 4096, 5120})
    for (bool const offset : {false, true}) {
      auto const x = random({3, width}), added = random({3, width}), weight = random({width});
      auto *const gx = send(x), *const out = room({3, width}, type());
      check(add_and_norm(GetParam(), gx, send(added), {send(weight), 1e-6f, offset}, out, 3, width, lane_), "norm");
      auto const sum = (x.to(at::kFloat) + added.to(at::kFloat)).to(type());
      EXPECT_TRUE(at::equal(fetch(gx, {3, width}, type()), sum));
      expect_close(fetch(out, {3, width}, type()), rms_norm(sum, weight, 1e-6, offset), "norm of " + std::to_string(width));
    }
}

TEST_P(kernels, gate_multiply_bias_gather_and_softcap) {
  for (auto const g : {gate::silu, gate::gelu_tanh}) {
    auto const x = random({5, 2 * 88});
    auto* const out = room({5, 88}, type());
    check(gate_multiply(GetParam(), send(x), out, 5, 88, g, lane_), "gate");
    auto const v = x.to(at::kDouble);
    expect_close(fetch(out, {5, 88}, type()), activated(v.narrow(1, 0, 88), g) * v.narrow(1, 88, 88), "gate");
  }
  auto const x = random({5, 88}), bias = random({88});
  auto* const gx = send(x);
  check(add_bias(GetParam(), gx, send(bias), 5, 88, lane_), "bias");
  expect_close(fetch(gx, {5, 88}, type()), x.to(at::kDouble) + bias.to(at::kDouble), "bias");
  auto const rows = at::tensor({4, 1}, at::kInt);
  auto* const out = room({2, 88}, type());
  check(gather(GetParam(), send(x), static_cast<std::int32_t*>(send(rows)), out, 2, 88, lane_), "gather");
  EXPECT_TRUE(at::equal(fetch(out, {2, 88}, type()), x.index_select(0, rows)));
  auto const logits = at::randn({3, 1001}) * 40;
  auto* const capped = static_cast<float*>(send(logits));
  check(softcap(capped, logits.numel(), 30, lane_), "softcap");
  expect_close(fetch(capped, {3, 1001}, at::kFloat), at::tanh(logits.to(at::kDouble) / 30) * 30, "softcap");
}

TEST_P(kernels, argmax_takes_the_first_of_equals_and_tells_broken_rows) {
  auto logits = at::randn({5, 50257});
  logits[1].fill_(-3);
  logits[1][400] = 9;
  logits[1][40001] = 9;
  logits[2].fill_(-std::numeric_limits<float>::infinity());
  logits[2][17] = -1e30;
  logits[3][50256] = std::nanf("");
  auto* const keys = static_cast<unsigned long long*>(send(at::zeros({5}, at::kLong)));
  auto* const tokens = static_cast<std::int32_t*>(send(at::zeros({5}, at::kInt)));
  for (int again = 0; again < 2; ++again) {
    check(argmax(static_cast<float*>(send(logits)), 5, 50257, keys, tokens, lane_), "argmax");
    auto const found = fetch(tokens, {5}, at::kInt);
    EXPECT_EQ(found[0].item<int>(), logits[0].argmax().item<int>());
    EXPECT_EQ(found[1].item<int>(), 400);
    EXPECT_EQ(found[2].item<int>(), 17);
    EXPECT_EQ(found[3].item<int>(), -1);
    EXPECT_EQ(found[4].item<int>(), logits[4].argmax().item<int>());
  }
}

TEST_P(kernels, multiply_few_for_every_tiling_and_odd_shape) {
  struct shape {
    int outputs, inputs;
  };
  for (auto const s : {shape{10, 24}, shape{66, 576}, shape{1000, 1536}, shape{258, 4096}, shape{34, 12288}})
    for (int const rows : {1, 2, 3, 4, 7, 9, 32})
      for (auto const& tiling : tilings_for(GetParam(), {.outputs = s.outputs, .inputs = s.inputs}, rows, lane_)) {
        auto const x = random({rows, s.inputs}), weight = random({s.outputs, s.inputs}), bias = random({s.outputs});
        auto const norm_weight = random({s.inputs}), y = random({rows, s.outputs});
        auto const label = std::to_string(rows) + " x " + std::to_string(s.outputs) + " x " + std::to_string(s.inputs) +
                           " engine " + std::to_string(static_cast<int>(tiling.by)) + ' ' + std::to_string(tiling.rows) + '/' +
                           std::to_string(tiling.depth) + '/' + std::to_string(tiling.parts);
        auto const *const gx = send(x), *const gw = send(weight), *const gb = send(bias);
        auto const w = weight.to(at::kDouble);
        auto const plain = at::matmul(x.to(at::kDouble), w.t());
        product p{.weight = gw, .outputs = s.outputs, .inputs = s.inputs};

        auto* const added = send(y);
        p.add = true;
        check(multiply_few(GetParam(), p, tiling, gx, added, rows, lane_), "product");
        expect_close(fetch(added, {rows, s.outputs}, type()), plain + y.to(at::kDouble), "added " + label);

        p.add = false;
        p.wide = true;
        p.bias = gb;
        p.before = {send(norm_weight), 1e-5f, false};
        auto* const wide = room({rows, s.outputs}, at::kFloat);
        check(multiply_few(GetParam(), p, tiling, gx, wide, rows, lane_), "product");
        auto const normed = rms_norm(x, norm_weight, 1e-5, false);
        auto const whole = at::matmul(normed, w.t()) + bias.to(at::kDouble);
        expect_close(fetch(wide, {rows, s.outputs}, at::kFloat), whole, "norm, bias, wide " + label);

        p.wide = false;
        p.gated = true;
        if (auto const all = tilings_for(GetParam(), p, rows, lane_); std::ranges::find(all, tiling) == all.end()) {
          held_.clear();
          continue;
        }
        auto* const gated = room({rows, s.outputs / 2}, type());
        check(multiply_few(GetParam(), p, tiling, gx, gated, rows, lane_), "product");
        auto const half = s.outputs / 2;
        expect_close(fetch(gated, {rows, half}, type()), at::silu(whole.narrow(1, 0, half)) * whole.narrow(1, half, half),
                     "gated " + label, 3);
        held_.clear();
      }
}

TEST(product_tilings, the_usual_one_is_one_of_those_that_can) {
  for (auto const type : {number::bf16, number::fp32})
    for (int const inputs : {6, 24, 4096})
      for (int const rows : {1, 2, 4, 5, 32, 33}) {
        product const p{.outputs = 40, .inputs = inputs};
        auto const all = tilings_for(type, p, rows, {});
        auto const usual = usual_tiling(type, p, rows);
        EXPECT_EQ(usual.has_value(), !all.empty()) << inputs << " inputs, " << rows << " rows";
        if (usual) {
          EXPECT_EQ(std::ranges::count(all, *usual), 1) << inputs << " inputs, " << rows << " rows";
        }
      }
}

TEST_P(kernels, many_rows_by_the_library) {
  for (int const rows : {5, 64, 77}) {
    auto const x = random({rows, 576}), weight = random({192, 576}), y = random({rows, 192});
    auto const plain = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t());
    matmul library;
    auto *const added = send(y), *const wide = room({rows, 192}, at::kFloat);
    auto const *const gx = send(x), *const gw = send(weight);
    library.multiply({GetParam(), rows, 192, 576, true, false}, gw, gx, added, *on_);
    library.multiply({GetParam(), rows, 192, 576, false, true}, gw, gx, wide, *on_);
    expect_close(fetch(added, {rows, 192}, type()), plain + y.to(at::kDouble), "added");
    expect_close(fetch(wide, {rows, 192}, at::kFloat), plain, "wide");
  }
}

/// A step of rows with different histories over shuffled pages, as a cache and as ATen sees it.
struct attention_case {
  head_shape shape;
  int page_tokens = 16;
  std::vector<int> starts, counts;  ///< of each row
  bool norms = false;
  int window = 0;
  float softcap = 0;
};

enum class attention_way { general, decode, prompt };

class attention_check : public kernels {
protected:
  void run(attention_case const& c, attention_way way) {
    auto const d = c.shape.head_dim, kv = c.shape.kv_heads, h = c.shape.heads;
    int longest = 0, tokens = 0, most_pages = 0;
    for (std::size_t r = 0; r < c.starts.size(); ++r) {
      longest = std::max(longest, c.starts[r] + c.counts[r]);
      tokens += c.counts[r];
    }
    most_pages = (longest + c.page_tokens - 1) / c.page_tokens;
    auto const rows = static_cast<int>(c.starts.size());
    auto const order = at::randperm(rows * most_pages, at::kInt);
    auto const keys = random({rows * most_pages, c.page_tokens, kv, d}), values = random({rows * most_pages, c.page_tokens, kv, d});
    auto const qkv = random({tokens, h + 2 * kv, d});
    auto const query_norm = random({d}), key_norm = random({d});
    auto const angles = at::randn({longest, d / 2});
    auto const cosines = at::cos(angles), sines = at::sin(angles);
    std::vector<int> positions, row_of;
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < c.counts[static_cast<std::size_t>(r)]; ++i) {
        positions.push_back(c.starts[static_cast<std::size_t>(r)] + i);
        row_of.push_back(r);
      }
    auto const ints = [](std::vector<int> const& v) { return at::tensor(v, at::kInt); };

    rotation turn;
    if (c.norms) turn.query = {send(query_norm), 1e-6f, false}, turn.key = {send(key_norm), 1e-6f, false};
    turn.cosines = static_cast<float*>(send(cosines));
    turn.sines = static_cast<float*>(send(sines));
    paged_cache const cache{send(keys), send(values), static_cast<std::int32_t*>(send(order)), most_pages, c.page_tokens};
    step_tokens const step{static_cast<std::int32_t*>(send(ints(positions))), static_cast<std::int32_t*>(send(ints(row_of))),
                           tokens};
    attention_rule const rule{0.3f, c.softcap, c.window};
    auto *const gqkv = send(qkv), *const out = room({tokens, h, d}, type());
    if (way == attention_way::decode) {
      ASSERT_TRUE(has_decode_attention(GetParam(), c.shape, c.page_tokens));
      auto const cut = cut_decode(c.shape, tokens, longest > 1000, lane_);
      check(decode_attention(gqkv, c.shape, turn, rule, step, cache, out, cut, lane_), "attention");
    } else {
      check(rotate_and_store(GetParam(), gqkv, c.shape, turn, step, cache, lane_), "rotation");
      if (way == attention_way::prompt) {
        ASSERT_TRUE(has_prompt_attention(GetParam(), c.shape, c.page_tokens));
        std::vector<int> tiles;
        int const most = prompt_rows / c.shape.group();
        for (int first = 0, r = 0; r < rows; first += c.counts[static_cast<std::size_t>(r++)])
          for (int at = 0; at < c.counts[static_cast<std::size_t>(r)]; at += most)
            tiles.insert(tiles.end(), {first + at, std::min(most, c.counts[static_cast<std::size_t>(r)] - at)});
        check(prompt_attention(gqkv, c.shape, rule, step, cache, static_cast<token_tile*>(send(ints(tiles))),
                               static_cast<int>(tiles.size() / 2), out, lane_),
              "attention");
      } else {
        check(attend(GetParam(), gqkv, c.shape, rule, step, cache, out, lane_), "attention");
      }
    }
    auto const ours = fetch(out, {tokens, h, d}, type());

    auto const turned = [&](at::Tensor const& x, at::Tensor const& weight, int position) {
      auto const v = c.norms ? rms_norm(x, weight, 1e-6, false) : x.to(at::kDouble);
      auto const a = v.narrow(-1, 0, d / 2), b = v.narrow(-1, d / 2, d / 2);
      auto const cs = cosines[position].to(at::kDouble), sn = sines[position].to(at::kDouble);
      return at::cat({a * cs - b * sn, b * cs + a * sn}, -1);
    };
    auto expected = at::empty({tokens, h, d}, at::kDouble);
    for (int r = 0, token = 0; r < rows; ++r) {
      auto const table = order.narrow(0, r * most_pages, most_pages);
      auto k = keys.index_select(0, table).reshape({-1, kv, d}).to(at::kDouble).clone();
      auto v = values.index_select(0, table).reshape({-1, kv, d}).to(at::kDouble).clone();
      for (int i = 0; i < c.counts[static_cast<std::size_t>(r)]; ++i, ++token) {
        int const position = c.starts[static_cast<std::size_t>(r)] + i;
        k[position] = turned(qkv[token].narrow(0, h, kv), key_norm, position);
        v[position] = qkv[token].narrow(0, h + kv, kv).to(at::kDouble);
        auto const q = turned(qkv[token].narrow(0, 0, h), query_norm, position);
        int const begin = c.window > 0 ? std::max(0, position + 1 - c.window) : 0;
        auto const seen_k = k.narrow(0, begin, position + 1 - begin).repeat_interleave(h / kv, 1);
        auto const seen_v = v.narrow(0, begin, position + 1 - begin).repeat_interleave(h / kv, 1);
        auto scores = at::einsum("hd,phd->hp", {q, seen_k}) * 0.3;
        if (c.softcap > 0) scores = at::tanh(scores / c.softcap) * c.softcap;
        expected[token] = at::einsum("hp,phd->hd", {at::softmax(scores, -1), seen_v});
      }
    }
    expect_close(ours, expected, "heads " + std::to_string(h) + '/' + std::to_string(kv) + '/' + std::to_string(d));
    held_.clear();
  }
};

TEST_P(attention_check, over_pages_of_mixed_rows) {
  constexpr auto way = attention_way::general;
  run({.shape = {4, 2, 12}, .page_tokens = 3, .starts = {0, 7, 100}, .counts = {9, 1, 4}, .norms = true}, way);
  run({.shape = {9, 3, 64}, .starts = {200, 0}, .counts = {1, 70}}, way);
  run({.shape = {6, 1, 20}, .page_tokens = 5, .starts = {33, 3}, .counts = {3, 40}, .norms = true, .window = 11, .softcap = 20},
      way);
}

TEST_P(attention_check, for_one_token_a_row) {
  if (GetParam() == number::fp32) {
    EXPECT_FALSE(has_decode_attention(GetParam(), {32, 8, 128}, 16));
    return;
  }
  constexpr auto way = attention_way::decode;
  run({.shape = {32, 8, 128}, .starts = {0}, .counts = {1}, .norms = true}, way);
  run({.shape = {32, 8, 128}, .starts = {512}, .counts = {1}, .norms = true}, way);
  run({.shape = {16, 8, 128}, .starts = {1, 777, 30, 2047}, .counts = {1, 1, 1, 1}, .norms = true}, way);
  run({.shape = {28, 4, 128}, .page_tokens = 4, .starts = {15, 16, 17}, .counts = {1, 1, 1}}, way);
  run({.shape = {9, 3, 64}, .starts = {63, 64, 1000, 0, 5}, .counts = {1, 1, 1, 1, 1}}, way);
  run({.shape = {8, 8, 64}, .starts = {301, 12}, .counts = {1, 1}, .window = 40, .softcap = 20}, way);
}

TEST_P(attention_check, for_prompts_on_tensor_cores) {
  if (GetParam() == number::fp32) {
    EXPECT_FALSE(has_prompt_attention(GetParam(), {32, 8, 128}, 16));
    return;
  }
  constexpr auto way = attention_way::prompt;
  run({.shape = {32, 8, 128}, .starts = {0}, .counts = {1}, .norms = true}, way);
  run({.shape = {32, 8, 128}, .starts = {0, 0, 63}, .counts = {100, 33, 65}, .norms = true}, way);
  run({.shape = {28, 4, 128}, .page_tokens = 4, .starts = {5, 300}, .counts = {64, 19}}, way);
  run({.shape = {9, 3, 64}, .starts = {0, 129}, .counts = {200, 2}}, way);
  run({.shape = {8, 8, 64}, .page_tokens = 32, .starts = {301, 0}, .counts = {7, 150}, .window = 40, .softcap = 20}, way);
  run({.shape = {6, 1, 128}, .starts = {17}, .counts = {130}, .window = 100}, way);
}

std::string name_of(::testing::TestParamInfo<number> const& tested) { return tested.param == number::bf16 ? "bf16" : "fp32"; }
INSTANTIATE_TEST_SUITE_P(numbers, kernels, ::testing::Values(number::bf16, number::fp32), name_of);
INSTANTIATE_TEST_SUITE_P(numbers, attention_check, ::testing::Values(number::bf16, number::fp32), name_of);

}  // namespace
}  // namespace gpuplace::cuda
