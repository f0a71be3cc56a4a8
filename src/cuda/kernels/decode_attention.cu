#include "tensor_cores.cuh"

#include <cooperative_groups.h>

#include <algorithm>
#include <bit>

namespace gpuplace::cuda {
namespace {

constexpr int threads = 128, warps = threads / 32, keys_a_chunk = 16;
constexpr int most_splits = 16;
constexpr int most_pages = 512;  ///< that a block looks up but once
constexpr int most_group = 8;    ///< query heads that share a key head

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

template <int d>
inline constexpr int bytes_a_stage = warps * 2 * keys_a_chunk * d * 2;

/// A cluster of blocks reads one row's cache for one key-value head, each block a part of the positions. A warp has positions of its own,
/// 16 at a time, which come through a ring of `stages` such chunks in shared memory. On tensor cores they are the rows of both products:
/// scores are keys times the queries of the group, and what is added up are values, transposed, times weights. Parts are joined through
/// the cluster's shared memory.
template <int d, int stages>
__global__ void __launch_bounds__(threads) decode_heads(decode_task const t) {
  constexpr int vectors = d / 8, keys_a_pass = 32 / vectors, passes = keys_a_chunk / keys_a_pass, steps = d / 16, half = d / 2,
                each_lane = half / 32, sum_stride = d + 4;
  extern __shared__ __align__(128) std::byte memory[];  // the rings, then each warp's sums
  __shared__ __align__(16) bf16 query[most_group][d], own_key[d], own_value[d];
  __shared__ float warp_most[warps][most_group], warp_total[warps][most_group];
  __shared__ std::int32_t page_of[most_pages];
  int const split = blockIdx.x, splits = gridDim.x, h = blockIdx.y, token = blockIdx.z;
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  auto* const warp_sum = reinterpret_cast<float*>(memory);
  let_next_start();
#if __CUDA_ARCH__ >= 900
  __shared__ float joined_sum[most_group * d + most_splits], joined_most[most_splits][most_group],
      joined_total[most_splits][most_group];
  auto const cluster = cooperative_groups::this_cluster();
  if (splits > 1) cluster.barrier_arrive();
#endif

  int const position = t.tokens.positions[token], row = t.tokens.rows ? t.tokens.rows[token] : token;
  int const begin = t.rule.window > 0 ? max(0, position + 1 - t.rule.window) : 0;
  int const first_chunk = begin / keys_a_chunk, chunks = position < 0 ? 0 : position / keys_a_chunk + 1 - first_chunk,
            each = (chunks + splits - 1) / splits;
  int const first = first_chunk + split * each, end = first_chunk + min((split + 1) * each, chunks);  // of this block, in chunks
  std::int32_t const* const pages = t.cache.pages + static_cast<std::int64_t>(row) * t.cache.stride;
  int const group = t.shape.group(), heads = t.shape.heads, kv_heads = t.shape.kv_heads;
  int const first_page = first * keys_a_chunk >> t.page_bits,
            page_count = end > first ? (min(end * keys_a_chunk - 1, position) >> t.page_bits) - first_page + 1 : 0;
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
  // Where position p of this head lies in the cache, in vectors of 16 bytes.
  auto const cell_of = [&](int p) {
    int const page = (p >> t.page_bits) - first_page;
    auto const number = page < most_pages ? page_of[page] : pages[p >> t.page_bits];
    auto const cell = (static_cast<unsigned>(number) << t.page_bits) + static_cast<unsigned>(p & ((1 << t.page_bits) - 1));
    return (cell * static_cast<unsigned>(kv_heads) + static_cast<unsigned>(h)) * vectors;
  };
  auto const ring = shared_address(memory) + static_cast<unsigned>(warp * stages * 2 * keys_a_chunk * d * 2);
  auto const keys_of = [&](int stage) { return ring + static_cast<unsigned>(stage * 2 * keys_a_chunk * d * 2); };
  auto const values_of = [&](int stage) { return keys_of(stage) + keys_a_chunk * d * 2; };
  auto const fetch = [&](int stage, int chunk) {
    if (chunk < end) {
#pragma unroll
      for (int i = 0; i < passes; ++i) {
        int const r = lane / vectors + i * keys_a_pass, vector = lane % vectors, p = chunk * keys_a_chunk + r;
        bool const there = p >= begin && p < position;
        auto const at = there ? cell_of(p) + static_cast<unsigned>(vector) : 0u;
        copy_ahead(keys_of(stage) + swizzled<d>(r, vector), static_cast<uint4 const*>(t.cache.keys) + at, there);
        copy_ahead(values_of(stage) + swizzled<d>(r, vector), static_cast<uint4 const*>(t.cache.values) + at, there);
      }
    }
    close_copies();
  };
#pragma unroll
  for (int s = 0; s < stages; ++s) fetch(s, first + warp + s * warps);
  wait_for_previous();

  int const last_chunk = position / keys_a_chunk;
  bool const owner = position >= 0 && last_chunk >= first && last_chunk < end;
  bf16 const* const mine = t.qkv + static_cast<std::int64_t>(token) * t.shape.width();
  for (int i = warp; i < group + (owner ? 1 : 0); i += warps) {
    bool const is_key = i == group;
    bf16 const* const x = mine + (is_key ? heads + h : h * group + i) * d;
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
    auto const to = is_key ? static_cast<std::int64_t>(cell_of(position)) * 8 : 0;
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
        query[i][k] = a;
        query[i][half + k] = b;
      }
    }
  }
  if (threadIdx.x < d)
    for (int g = group; g < most_group; ++g) query[g][threadIdx.x] = narrow<bf16>(0);
  __syncthreads();

  // Of a product's columns, the heads of the group, a thread has two: 2 * (lane % 4) and the next.
  unsigned q[steps][2];
#pragma unroll
  for (int k = 0; k < steps; ++k)
#pragma unroll
    for (int i = 0; i < 2; ++i) q[k][i] = *reinterpret_cast<unsigned const*>(&query[lane / 4][16 * k + 8 * i + 2 * (lane % 4)]);
  float const cap = t.rule.softcap * log2_of_e, scale = t.rule.scale * log2_of_e;
  float most[2] = {nothing, nothing}, total[2] = {}, sum[steps][4] = {};
  int stage = 0;
  for (int chunk = first + warp; chunk < end; chunk += warps) {
    wait_for_copies<stages - 1>();
    __syncwarp();
    if (chunk == last_chunk) {  // this step's own key and value
      if (lane < vectors) {
        auto const at = swizzled<d>(position % keys_a_chunk, lane);
        *reinterpret_cast<uint4*>(memory + (keys_of(stage) - shared_address(memory)) + at) =
            reinterpret_cast<uint4 const*>(own_key)[lane];
        *reinterpret_cast<uint4*>(memory + (values_of(stage) - shared_address(memory)) + at) =
            reinterpret_cast<uint4 const*>(own_value)[lane];
      }
      __syncwarp();
    }
    float score[4] = {};
#pragma unroll
    for (int k = 0; k < steps; ++k) {
      unsigned a[4];
      load_tiles(a, keys_of(stage) + swizzled<d>(lane % 16, 2 * k + lane / 16));
      multiply_add(score, a[0], a[1], a[2], a[3], q[k][0], q[k][1]);
    }
    int const p = chunk * keys_a_chunk + lane / 4;
    bool const edge = chunk * keys_a_chunk < begin || chunk == last_chunk;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      score[i] *= scale;
      if (cap > 0) score[i] = cap * tanhf(score[i] / cap);
      int const at = p + i / 2 * 8;
      if (edge && (at < begin || at > position)) score[i] = nothing;
    }
    float keep[2];
#pragma unroll
    for (int c = 0; c < 2; ++c) {
      float high = fmaxf(score[c], score[c + 2]);
#pragma unroll
      for (int offset = 4; offset < 32; offset *= 2) high = fmaxf(high, __shfl_xor_sync(~0u, high, offset));
      high = fmaxf(high, most[c]);
      keep[c] = power_of_two(most[c] - high);
      most[c] = high;
      score[c] = power_of_two(score[c] - high);
      score[c + 2] = power_of_two(score[c + 2] - high);
      total[c] = total[c] * keep[c] + score[c] + score[c + 2];
    }
    unsigned const low = transposed(pack_two(score[0], score[1])), high = transposed(pack_two(score[2], score[3]));
#pragma unroll
    for (int k = 0; k < steps; ++k) {
      unsigned a[4];
      load_tiles_transposed(a, values_of(stage) + swizzled<d>(lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2));
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[k][i] *= keep[i % 2];
      multiply_add(sum[k], a[0], a[1], a[2], a[3], low, high);
    }
    __syncwarp();
    fetch(stage, chunk + stages * warps);
    stage = stage + 1 == stages ? 0 : stage + 1;
  }

  // Within a warp, then a block, then the cluster.
  __syncthreads();
#pragma unroll
  for (int c = 0; c < 2; ++c) {
    int const g = 2 * (lane % 4) + c;
    float all = total[c];
#pragma unroll
    for (int offset = 4; offset < 32; offset *= 2) all += __shfl_xor_sync(~0u, all, offset);
    if (lane < 4) warp_most[warp][g] = most[c], warp_total[warp][g] = all;
#pragma unroll
    for (int k = 0; k < steps; ++k)
#pragma unroll
      for (int i = 0; i < 2; ++i) warp_sum[(warp * most_group + g) * sum_stride + 16 * k + 8 * i + lane / 4] = sum[k][2 * i + c];
  }
  __syncthreads();
  bf16* const out = t.out + (static_cast<std::int64_t>(token) * heads + h * group) * d;
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
    for (int w = 0; w < warps; ++w) all += power_of_two(warp_most[w][g] - high) * warp_sum[(w * most_group + g) * sum_stride + k];
    return all;
  };
  int const size = group * d;
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
  for (int i = threadIdx.x; i < group * splits; i += threads) {
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

template <int d, int stages>
cudaError_t with_stages(decode_task const& t, int splits, lane on) {
  auto const kernel = decode_heads<d, stages>;
  constexpr int bytes = stages * bytes_a_stage<d>;
  if (auto const failed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes)) return failed;
  if (splits > 8)
    if (auto const failed = cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1)) return failed;
  return launch(kernel, dim3(splits, t.shape.kv_heads, t.tokens.count), threads, bytes, on, splits, t);
}

template <int d>
cudaError_t start(decode_task const& t, decode_cut cut, lane on) {
  return cut.stages == 1 ? with_stages<d, 1>(t, cut.splits, on) : with_stages<d, 2>(t, cut.splits, on);
}

}  // namespace

/// As many blocks as two to a multiprocessor let one read while another joins; of short rows more than 8 would each have too little.
/// Rings of one chunk leave more memory to the kernels around, which pays where blocks have little to read (measured on an H100).
decode_cut cut_decode(head_shape const& shape, int rows, bool long_rows, lane on) {
  decode_cut cut;
  if (!on.early) return cut;
  while (cut.splits < (long_rows ? most_splits : 8) && cut.splits * shape.kv_heads * rows <= on.processors) cut.splits *= 2;
  cut.stages = !long_rows && rows > 1 && cut.splits > 1 ? 1 : 2;
  return cut;
}

bool has_decode_attention(number type, head_shape const& shape, int page_tokens) {
  return type == number::bf16 && std::has_single_bit(static_cast<unsigned>(page_tokens)) &&
         (shape.head_dim == 64 || shape.head_dim == 128) && shape.group() <= most_group;
}

cudaError_t decode_attention(void const* qkv, head_shape const& shape, rotation const& r, attention_rule const& rule,
                             step_tokens const& tokens, paged_cache const& cache, void* out, decode_cut cut, lane on) {
  decode_task const task{static_cast<bf16 const*>(qkv),
                         static_cast<bf16*>(out),
                         shape,
                         r,
                         rule,
                         tokens,
                         cache,
                         std::countr_zero(static_cast<unsigned>(cache.page_tokens))};
  return shape.head_dim == 64 ? start<64>(task, cut, on) : start<128>(task, cut, on);
}

}  // namespace gpuplace::cuda
