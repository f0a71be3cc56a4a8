#include "device_math.cuh"

#include <cooperative_groups.h>

#include <algorithm>

namespace gpuplace::cuda {
namespace {

constexpr int threads = 128, warps = threads / 32, most_splits = 16;
constexpr float nothing = -1e30f;
constexpr float log2_of_e = 1.44269504f;

struct decode_task {
  bf16 const* qkv;
  bf16* out;
  head_shape shape;
  rotation turn;
  attention_rule rule;
  step_tokens tokens;
  paged_cache cache;
};

/// Where position p's key or value of head h lies, in numbers.
__device__ __forceinline__ std::int64_t place_of(decode_task const& t, std::int32_t const* pages, int p, int h, int d) {
  int const size = t.cache.page_tokens;
  auto const row = static_cast<std::int64_t>(__ldg(pages + p / size)) * size + p % size;
  return (row * t.shape.kv_heads + h) * d;
}

/// A cluster of blocks reads one row's cache for one key-value head, each block a part of the positions and each half or quarter of a
/// warp one position at a time; `group` query heads share what was read. Parts are joined through the cluster's shared memory.
template <int d, int group>
__global__ void __launch_bounds__(threads) decode_heads(decode_task const t) {
  constexpr int lanes = d / 8, at_once = threads / lanes, ahead = 4;
  int const split = blockIdx.x, splits = gridDim.x, h = blockIdx.y, token = blockIdx.z;
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32, own = threadIdx.x / lanes, part = threadIdx.x % lanes;
  __shared__ float query[group][d];
  __shared__ float warp_most[warps][group], warp_total[warps][group], warp_sum[warps][group][d];
  __shared__ float joined_sum[group][d], joined_most[group], joined_total[group];
  let_next_start();

  int const position = t.tokens.positions[token], row = t.tokens.rows ? t.tokens.rows[token] : token;
  int const begin = t.rule.window > 0 ? max(0, position + 1 - t.rule.window) : 0;
  int const length = max(0, position + 1 - begin), each = (length + splits - 1) / splits;
  int const first = begin + split * each, end = min(first + each, position + 1);
  std::int32_t const* const pages = t.cache.pages + static_cast<std::int64_t>(row) * t.cache.stride;
  auto const* const keys = static_cast<bf16 const*>(t.cache.keys);
  auto const* const values = static_cast<bf16 const*>(t.cache.values);
  int const real_group = t.shape.group(), heads = t.shape.heads, kv_heads = t.shape.kv_heads;

  // What earlier steps stored can be read before the kernels of this one have ended.
  uint4 key[ahead], value[ahead];
  auto const fetch = [&](int i, int p, int before) {
    bool const there = p < before;
    auto const at = there ? place_of(t, pages, p, h, d) + part * 8 : 0;
    key[i] = there ? *reinterpret_cast<uint4 const*>(keys + at) : make_uint4(0, 0, 0, 0);
    value[i] = there ? *reinterpret_cast<uint4 const*>(values + at) : make_uint4(0, 0, 0, 0);
  };
#pragma unroll
  for (int i = 0; i < ahead; ++i) fetch(i, first + own + i * at_once, min(end, position));
  wait_for_previous();

  bool const owner = position >= first && position < end;
  bf16 const* const mine = t.qkv + static_cast<std::int64_t>(token) * t.shape.width();
  constexpr int half = d / 2, each_lane = half / 32;
  for (int i = warp; i < real_group + (owner ? 1 : 0); i += warps) {
    bool const is_key = i == real_group;
    bf16 const* const x = mine + (is_key ? heads + h : h * real_group + i) * d;
    norm const& n = is_key ? t.turn.key : t.turn.query;
    float low[each_lane], high[each_lane], squares = 0;
#pragma unroll
    for (int j = 0; j < each_lane; ++j) {
      low[j] = widen(x[lane + 32 * j]);
      high[j] = widen(x[half + lane + 32 * j]);
      squares += low[j] * low[j] + high[j] * high[j];
    }
    if (n.weight) {
      auto const* const weight = static_cast<bf16 const*>(n.weight);
      float const scale = rsqrtf(lane_sum(squares) / d + n.epsilon);
#pragma unroll
      for (int j = 0; j < each_lane; ++j) {
        low[j] = widen(normalised(low[j], scale, weight[lane + 32 * j], n.offset));
        high[j] = widen(normalised(high[j], scale, weight[half + lane + 32 * j], n.offset));
      }
    }
    auto const to = is_key ? place_of(t, pages, position, h, d) : 0;
#pragma unroll
    for (int j = 0; j < each_lane; ++j) {
      int const k = lane + 32 * j;
      float const c = t.turn.cosines[static_cast<std::int64_t>(position) * half + k],
                  s = t.turn.sines[static_cast<std::int64_t>(position) * half + k];
      bf16 const a = narrow<bf16>(low[j] * c - high[j] * s), b = narrow<bf16>(high[j] * c + low[j] * s);
      if (is_key) {
        static_cast<bf16*>(t.cache.keys)[to + k] = a;
        static_cast<bf16*>(t.cache.keys)[to + half + k] = b;
        bf16 const* const v = mine + (heads + kv_heads + h) * d;
        static_cast<bf16*>(t.cache.values)[to + k] = v[k];
        static_cast<bf16*>(t.cache.values)[to + half + k] = v[half + k];
      } else {
        query[i][k] = widen(a) * t.rule.scale;
        query[i][half + k] = widen(b) * t.rule.scale;
      }
    }
  }
  if (threadIdx.x < d)
    for (int g = real_group; g < group; ++g) query[g][threadIdx.x] = 0;
  __syncthreads();

  float q[group][8], sum[group][8] = {}, most[group], total[group] = {};
#pragma unroll
  for (int g = 0; g < group; ++g) {
    most[g] = nothing;
#pragma unroll
    for (int j = 0; j < 8; ++j) q[g][j] = query[g][part * 8 + j];
  }
  if (owner) {  // this step's own key and value were not there yet
#pragma unroll
    for (int i = 0; i < ahead; ++i)
      if (first + own + i * at_once == position) fetch(i, position, position + 1);
  }
  for (int p = first + own; p - own < end; p += at_once * ahead) {
    float score[ahead][group];
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      float k[8];
      unpack<bf16>(key[i], k);
#pragma unroll
      for (int g = 0; g < group; ++g) {
        float dot = 0;
#pragma unroll
        for (int j = 0; j < 8; ++j) dot += q[g][j] * k[j];
        score[i][g] = dot;
      }
    }
#pragma unroll
    for (int offset = lanes / 2; offset > 0; offset /= 2)
#pragma unroll
      for (int i = 0; i < ahead; ++i)
#pragma unroll
        for (int g = 0; g < group; ++g) score[i][g] += __shfl_xor_sync(~0u, score[i][g], offset);
#pragma unroll
    for (int g = 0; g < group; ++g) {
      float high = most[g];
#pragma unroll
      for (int i = 0; i < ahead; ++i) {
        if (t.rule.softcap > 0) score[i][g] = t.rule.softcap * tanhf(score[i][g] / t.rule.softcap);
        score[i][g] = p + i * at_once < end ? score[i][g] * log2_of_e : nothing;
        high = fmaxf(high, score[i][g]);
      }
      float const keep = exp2f(most[g] - high);
      most[g] = high;
      total[g] *= keep;
#pragma unroll
      for (int j = 0; j < 8; ++j) sum[g][j] *= keep;
#pragma unroll
      for (int i = 0; i < ahead; ++i) {
        score[i][g] = p + i * at_once < end ? exp2f(score[i][g] - high) : 0.0f;
        total[g] += score[i][g];
      }
    }
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      float v[8];
      unpack<bf16>(value[i], v);
#pragma unroll
      for (int g = 0; g < group; ++g)
#pragma unroll
        for (int j = 0; j < 8; ++j) sum[g][j] += score[i][g] * v[j];
      fetch(i, p + (ahead + i) * at_once, end);
    }
  }

  // Within a warp, then a block, then the cluster.
#pragma unroll
  for (int g = 0; g < group; ++g) {
#pragma unroll
    for (int offset = lanes; offset < 32; offset *= 2) {
      float const high = fmaxf(most[g], __shfl_xor_sync(~0u, most[g], offset)), keep = exp2f(most[g] - high);
      most[g] = high;
      total[g] *= keep;
      total[g] += __shfl_xor_sync(~0u, total[g], offset);
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        sum[g][j] *= keep;
        sum[g][j] += __shfl_xor_sync(~0u, sum[g][j], offset);
      }
    }
    if (lane == 0) warp_most[warp][g] = most[g], warp_total[warp][g] = total[g];
    if (lane < lanes) {
#pragma unroll
      for (int j = 0; j < 8; ++j) warp_sum[warp][g][part * 8 + j] = sum[g][j];
    }
  }
  __syncthreads();
  bf16* const out = t.out + (static_cast<std::int64_t>(token) * heads + h * real_group) * d;
  for (int e = threadIdx.x; e < real_group * d; e += threads) {
    int const g = e / d, k = e % d;
    float high = nothing, all = 0, of_all = 0;
#pragma unroll
    for (int w = 0; w < warps; ++w) high = fmaxf(high, warp_most[w][g]);
#pragma unroll
    for (int w = 0; w < warps; ++w) {
      float const keep = exp2f(warp_most[w][g] - high);
      all += keep * warp_total[w][g];
      of_all += keep * warp_sum[w][g][k];
    }
    if (splits == 1) {
      if (position >= 0) out[e] = narrow<bf16>(of_all / all);
    } else {
      joined_sum[g][k] = of_all;
      if (k == 0) joined_most[g] = high, joined_total[g] = all;
    }
  }
#if __CUDA_ARCH__ >= 900
  if (splits == 1) return;
  auto const cluster = cooperative_groups::this_cluster();
  cluster.sync();
  int const share = (real_group * d + splits - 1) / splits;
  for (int e = split * share + threadIdx.x; e < min((split + 1) * share, real_group * d); e += threads) {
    int const g = e / d, k = e % d;
    float high = nothing, all = 0, of_all = 0;
    for (int s = 0; s < splits; ++s) high = fmaxf(high, *cluster.map_shared_rank(&joined_most[g], s));
    for (int s = 0; s < splits; ++s) {
      float const keep = exp2f(*cluster.map_shared_rank(&joined_most[g], s) - high);
      all += keep * *cluster.map_shared_rank(&joined_total[g], s);
      of_all += keep * *cluster.map_shared_rank(&joined_sum[g][k], s);
    }
    if (position >= 0) out[e] = narrow<bf16>(of_all / all);
  }
  cluster.sync();  // a block's shared memory must outlive its neighbours' reads
#endif
}

/// As many blocks a head as fill the card, joined by a cluster; one where there are no clusters.
int splits_for(head_shape const& shape, int rows, lane on) {
  if (!on.early) return 1;
  int splits = 1;
  while (splits < most_splits && 2 * splits * shape.kv_heads * rows <= on.processors + on.processors / 4) splits *= 2;
  return splits;
}

template <int d, int group>
cudaError_t start(decode_task const& t, lane on) {
  auto const kernel = decode_heads<d, group>;
  int const splits = splits_for(t.shape, t.tokens.count, on);
  if (splits > 8)
    if (auto const failed = cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1)) return failed;
  return launch(kernel, dim3(splits, t.shape.kv_heads, t.tokens.count), threads, 0, on.stream, on.early, splits, t);
}

template <int d>
cudaError_t with_group(decode_task const& t, lane on) {
  if (t.shape.group() <= 2) return start<d, 2>(t, on);
  if (t.shape.group() <= 4) return start<d, 4>(t, on);
  return start<d, 8>(t, on);
}

}  // namespace

bool has_decode_attention(number type, head_shape const& shape, lane) {
  return type == number::bf16 && (shape.head_dim == 64 || shape.head_dim == 128) && shape.group() <= 8;
}

cudaError_t decode_attention(void const* qkv, head_shape const& shape, rotation const& r, attention_rule const& rule,
                             step_tokens const& tokens, paged_cache const& cache, void* out, lane on) {
  decode_task const task{static_cast<bf16 const*>(qkv), static_cast<bf16*>(out), shape, r, rule, tokens, cache};
  return shape.head_dim == 64 ? with_group<64>(task, on) : with_group<128>(task, on);
}

}  // namespace gpuplace::cuda
