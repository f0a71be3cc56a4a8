#include "device_math.cuh"

#include <cooperative_groups.h>

#include <bit>

namespace gpuplace::cuda {
namespace {

constexpr int most_splits = 16, usual_splits = 8,
              most_pages = 512;  // blocks a head at most and as a rule; pages that a block looks up but once
constexpr float nothing = -1e30f;
constexpr float log2_of_e = 1.44269504f;

__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

struct decode_task {
  bf16 const* qkv;
  bf16* out;
  head_shape shape;
  rotation turn;
  attention_rule rule;
  step_tokens tokens;
  paged_cache cache;
  int page_bits;  ///< page_tokens is 1 << page_bits
};

/// A cluster of blocks reads one row's cache for one key-value head, each block a part of the positions and each half or quarter of a
/// warp one position at a time; `group` query heads share what was read. Parts are joined through the cluster's shared memory.
template <int d, int group, int threads>
__global__ void __launch_bounds__(threads) decode_heads(decode_task const t) {
  constexpr int warps = threads / 32, lanes = d / 8, at_once = threads / lanes, ahead = 4, half = d / 2, each_lane = half / 32;
  int const split = blockIdx.x, splits = gridDim.x, h = blockIdx.y, token = blockIdx.z;
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32, own = threadIdx.x / lanes, part = threadIdx.x % lanes;
  __shared__ float query[group][d];
  __shared__ float warp_most[warps][group], warp_total[warps][group], warp_sum[warps][group][d];
  __shared__ std::int32_t page_of[most_pages];
  __shared__ __align__(16) bf16 own_key[d], own_value[d];
  let_next_start();
#if __CUDA_ARCH__ >= 900
  __shared__ float joined_sum[group * d + most_splits], joined_most[most_splits][group], joined_total[most_splits][group];
  auto const cluster = cooperative_groups::this_cluster();
  if (splits > 1) cluster.barrier_arrive();
#endif

  int const position = t.tokens.positions[token], row = t.tokens.rows ? t.tokens.rows[token] : token;
  int const begin = t.rule.window > 0 ? max(0, position + 1 - t.rule.window) : 0;
  int const length = max(0, position + 1 - begin), each = (length + splits - 1) / splits;
  int const first = begin + split * each, end = min(first + each, position + 1);
  std::int32_t const* const pages = t.cache.pages + static_cast<std::int64_t>(row) * t.cache.stride;
  auto const* const keys = static_cast<uint4 const*>(t.cache.keys);
  auto const* const values = static_cast<uint4 const*>(t.cache.values);
  int const real_group = t.shape.group(), heads = t.shape.heads, kv_heads = t.shape.kv_heads;
  int const first_page = first >> t.page_bits, page_count = end > first ? ((end - 1) >> t.page_bits) - first_page + 1 : 0;
  for (int i = threadIdx.x; i < min(page_count, most_pages); i += threads) page_of[i] = pages[first_page + i];

  // What does not change in a step: norms, rotations and what earlier steps stored are fetched before the kernels before have ended.
  int const angle = max(position, 0) * half + lane;
  float cosine[each_lane], sine[each_lane], query_norm[2 * each_lane], key_norm[2 * each_lane];
#pragma unroll
  for (int j = 0; j < each_lane; ++j) {
    cosine[j] = t.turn.cosines[angle + 32 * j];
    sine[j] = t.turn.sines[angle + 32 * j];
  }
#pragma unroll
  for (int j = 0; j < 2 * each_lane; ++j) {
    query_norm[j] = t.turn.query.weight ? widen(static_cast<bf16 const*>(t.turn.query.weight)[lane + 32 * j]) : 0.0f;
    key_norm[j] = t.turn.key.weight ? widen(static_cast<bf16 const*>(t.turn.key.weight)[lane + 32 * j]) : 0.0f;
  }
  __syncthreads();
  // Where the 16 bytes of position p lie that this thread's lane of a head has, in vectors.
  auto const place_of = [&](int p, int lane_of_head) {
    int const page = (p >> t.page_bits) - first_page;
    auto const number = page < most_pages ? page_of[page] : pages[p >> t.page_bits];
    auto const cell = (static_cast<unsigned>(number) << t.page_bits) + static_cast<unsigned>(p & ((1 << t.page_bits) - 1));
    return (cell * static_cast<unsigned>(kv_heads) + static_cast<unsigned>(h)) * lanes + static_cast<unsigned>(lane_of_head);
  };
  int const stop = min(end, position);  // what earlier steps have stored of this block's part
  uint4 key[ahead], value[ahead];
#pragma unroll
  for (int i = 0; i < ahead; ++i) {
    int const p = first + own + i * at_once;
    unsigned const at = p < stop ? place_of(p, part) : 0;
    key[i] = keys[at];
    value[i] = p < stop ? values[at] : make_uint4(0, 0, 0, 0);
  }
  wait_for_previous();

  float const scale_of_scores = t.rule.scale * log2_of_e, cap = t.rule.softcap * log2_of_e;
  bool const owner = position >= first && position < end;
  bf16 const* const mine = t.qkv + static_cast<std::int64_t>(token) * t.shape.width();
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
      float const scale = rsqrtf(lane_sum(squares) / d + n.epsilon);
#pragma unroll
      for (int j = 0; j < each_lane; ++j) {
        float const of_low = is_key ? key_norm[j] : query_norm[j],
                    of_high = is_key ? key_norm[each_lane + j] : query_norm[each_lane + j];
        low[j] = widen(normalised(low[j], scale, narrow<bf16>(of_low), n.offset));
        high[j] = widen(normalised(high[j], scale, narrow<bf16>(of_high), n.offset));
      }
    }
    auto const to = is_key ? static_cast<std::int64_t>(place_of(position, 0)) * 8 : 0;
#pragma unroll
    for (int j = 0; j < each_lane; ++j) {
      int const k = lane + 32 * j;
      bf16 const a = narrow<bf16>(low[j] * cosine[j] - high[j] * sine[j]), b = narrow<bf16>(high[j] * cosine[j] + low[j] * sine[j]);
      if (is_key) {
        static_cast<bf16*>(t.cache.keys)[to + k] = a;
        static_cast<bf16*>(t.cache.keys)[to + half + k] = b;
        bf16 const* const v = mine + (heads + kv_heads + h) * d;
        static_cast<bf16*>(t.cache.values)[to + k] = v[k];
        static_cast<bf16*>(t.cache.values)[to + half + k] = v[half + k];
        own_key[k] = a;
        own_key[half + k] = b;
        own_value[k] = v[k];
        own_value[half + k] = v[half + k];
      } else {
        query[i][k] = widen(a) * scale_of_scores;
        query[i][half + k] = widen(b) * scale_of_scores;
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
  auto const score_of = [&](uint4 const& of, float (&score)[group]) {
    float k[8];
    unpack<bf16>(of, k);
#pragma unroll
    for (int g = 0; g < group; ++g) {
      score[g] = 0;
#pragma unroll
      for (int j = 0; j < 8; ++j) score[g] += q[g][j] * k[j];
    }
  };
  auto const add = [&](uint4 const& of, float const(&weight)[group]) {
    float v[8];
    unpack<bf16>(of, v);
#pragma unroll
    for (int g = 0; g < group; ++g)
#pragma unroll
      for (int j = 0; j < 8; ++j) sum[g][j] += weight[g] * v[j];
  };
  // Scores of `count` positions to weights; `there` says which of them are.
  auto const weigh = [&]<int count>(float (&score)[count][group], auto const& there) {
#pragma unroll
    for (int offset = lanes / 2; offset > 0; offset /= 2)
#pragma unroll
      for (int i = 0; i < count; ++i)
#pragma unroll
        for (int g = 0; g < group; ++g) score[i][g] += __shfl_xor_sync(~0u, score[i][g], offset);
    if (cap > 0) {
#pragma unroll
      for (int i = 0; i < count; ++i)
#pragma unroll
        for (int g = 0; g < group; ++g) score[i][g] = cap * tanhf(score[i][g] / cap);
    }
#pragma unroll
    for (int g = 0; g < group; ++g) {
      float high = most[g];
#pragma unroll
      for (int i = 0; i < count; ++i) {
        score[i][g] = there(i) ? score[i][g] : nothing;
        high = fmaxf(high, score[i][g]);
      }
      float const keep = power_of_two(most[g] - high);
      most[g] = high;
      total[g] *= keep;
#pragma unroll
      for (int j = 0; j < 8; ++j) sum[g][j] *= keep;
#pragma unroll
      for (int i = 0; i < count; ++i) {
        score[i][g] = there(i) ? power_of_two(score[i][g] - high) : 0.0f;
        total[g] += score[i][g];
      }
    }
  };
  for (int p = first + own; p - own < stop; p += at_once * ahead) {
    float score[ahead][group];
    unsigned next[ahead];
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      score_of(key[i], score[i]);
      int const after = p + (ahead + i) * at_once;
      next[i] = after < stop ? place_of(after, part) : 0;
      key[i] = keys[next[i]];
    }
    weigh(score, [&](int i) { return p + i * at_once < stop; });
#pragma unroll
    for (int i = 0; i < ahead; ++i) {
      add(value[i], score[i]);
      value[i] = p + (ahead + i) * at_once < stop ? values[next[i]] : make_uint4(0, 0, 0, 0);
    }
  }
  if (owner && warp == 0) {  // this step's own key and value
    float score[1][group];
    score_of(*reinterpret_cast<uint4 const*>(own_key + part * 8), score[0]);
    weigh(score, [&](int) { return own == 0; });
    add(*reinterpret_cast<uint4 const*>(own_value + part * 8), score[0]);
  }

  // Within a warp, then a block, then the cluster.
#pragma unroll
  for (int g = 0; g < group; ++g) {
#pragma unroll
    for (int offset = lanes; offset < 32; offset *= 2) {
      float const high = fmaxf(most[g], __shfl_xor_sync(~0u, most[g], offset)), keep = power_of_two(most[g] - high);
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
  auto const most_of = [&](int g) {
    float high = nothing;
#pragma unroll
    for (int w = 0; w < warps; ++w) high = fmaxf(high, warp_most[w][g]);
    return high;
  };
  auto const total_of = [&](int g, float high) {
    float all = 0;
#pragma unroll
    for (int w = 0; w < warps; ++w) all += power_of_two(warp_most[w][g] - high) * warp_total[w][g];
    return all;
  };
  auto const sum_of = [&](int g, int k, float high) {
    float all = 0;
#pragma unroll
    for (int w = 0; w < warps; ++w) all += power_of_two(warp_most[w][g] - high) * warp_sum[w][g][k];
    return all;
  };
  int const size = real_group * d;
  if (splits == 1) {
    for (int e = threadIdx.x; e < size && position >= 0; e += threads) {
      float const high = most_of(e / d);
      out[e] = narrow<bf16>(sum_of(e / d, e % d, high) / total_of(e / d, high));
    }
    return;
  }
#if __CUDA_ARCH__ >= 900
  // Each block joins a share of the head's numbers: the others put their parts of it into its memory.
  int const share = (size + splits - 1) / splits;
  cluster.barrier_wait();  // all blocks have begun, and can be written to
  for (int e = threadIdx.x; e < size; e += threads)
    *cluster.map_shared_rank(&joined_sum[split * share + e % share], e / share) = sum_of(e / d, e % d, most_of(e / d));
  for (int i = threadIdx.x; i < real_group * splits; i += threads) {
    int const g = i / splits, to = i % splits;
    float const high = most_of(g);
    *cluster.map_shared_rank(&joined_most[split][g], to) = high;
    *cluster.map_shared_rank(&joined_total[split][g], to) = total_of(g, high);
  }
  cluster.sync();
  for (int i = threadIdx.x; i < share && split * share + i < size; i += threads) {
    int const g = (split * share + i) / d;
    float high = nothing, all = 0, of_all = 0;
    for (int s = 0; s < splits; ++s) high = fmaxf(high, joined_most[s][g]);
    for (int s = 0; s < splits; ++s) {
      float const keep = power_of_two(joined_most[s][g] - high);
      all += keep * joined_total[s][g];
      of_all += keep * joined_sum[s * share + i];
    }
    if (position >= 0) out[split * share + i] = narrow<bf16>(of_all / all);
  }
#endif
}

/// Blocks a head, joined by a cluster; one where there are no clusters. A cluster lies within a part of the card that it must share with
/// others: near the number of multiprocessors some would wait for a second round (measured on an H100: 4 rows in clusters of 4 take longer
/// than in clusters of 2).
int splits_for(head_shape const& shape, int rows, lane on) {
  if (!on.early) return 1;
  int splits = 1;
  for (int next = 2; next <= usual_splits; next *= 2) {
    auto const blocks = next * shape.kv_heads * rows;
    if (blocks <= (next == 2 ? on.processors : on.processors * 4 / 5)) splits = next;
  }
  return splits;
}

template <int d, int group, int threads>
cudaError_t with_threads(decode_task const& t, int splits, lane on) {
  auto const kernel = decode_heads<d, group, threads>;
  if (splits > 8)
    if (auto const failed = cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1)) return failed;
  return launch(kernel, dim3(splits, t.shape.kv_heads, t.tokens.count), threads, 0, on.stream, on.early, splits, t);
}

template <int d, int group>
cudaError_t start(decode_task const& t, int splits, lane on) {
  if (splits == 0) splits = splits_for(t.shape, t.tokens.count, on);
  bool const few = splits * t.shape.kv_heads * t.tokens.count <= 2 * on.processors;
  return few ? with_threads<d, group, 256>(t, splits, on) : with_threads<d, group, 128>(t, splits, on);
}

template <int d>
cudaError_t with_group(decode_task const& t, int splits, lane on) {
  if (t.shape.group() <= 2) return start<d, 2>(t, splits, on);
  if (t.shape.group() <= 4) return start<d, 4>(t, splits, on);
  return start<d, 8>(t, splits, on);
}

}  // namespace

bool has_decode_attention(number type, head_shape const& shape, int page_tokens) {
  return type == number::bf16 && std::has_single_bit(static_cast<unsigned>(page_tokens)) &&
         (shape.head_dim == 64 || shape.head_dim == 128) && shape.group() <= 8;
}

cudaError_t decode_attention(void const* qkv, head_shape const& shape, rotation const& r, attention_rule const& rule,
                             step_tokens const& tokens, paged_cache const& cache, void* out, int splits, lane on) {
  decode_task const task{static_cast<bf16 const*>(qkv),
                         static_cast<bf16*>(out),
                         shape,
                         r,
                         rule,
                         tokens,
                         cache,
                         std::countr_zero(static_cast<unsigned>(cache.page_tokens))};
  return shape.head_dim == 64 ? with_group<64>(task, splits, on) : with_group<128>(task, splits, on);
}

}  // namespace gpuplace::cuda
