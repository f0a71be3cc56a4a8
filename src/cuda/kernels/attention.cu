#include "device_math.cuh"

namespace gpuplace::cuda {
namespace {

constexpr int threads = 128, warps = threads / 32, tile = 64, warps_a_block = 4;

__device__ __forceinline__ std::int64_t cache_row(paged_cache const& cache, int row, int position) {
  return static_cast<std::int64_t>(cache.pages[static_cast<std::int64_t>(row) * cache.stride + position / cache.page_tokens]) *
             cache.page_tokens +
         position % cache.page_tokens;
}

/// Norm, rotation, and for keys and values the cache: a warp has `heads` heads of a token, which are all read before the first is turned.
/// A lane has `each` pairs of numbers of a head that turn together, `n` neighbours at a time.
template <class T, int heads, int n, int each>
__global__ void rotate_and_store_heads(T* qkv, head_shape shape, rotation r, step_tokens tokens, paged_cache cache) {
  let_next_start();
  wait_for_previous();
  int const token = blockIdx.x, first = (blockIdx.y * warps_a_block + threadIdx.y) * heads, lane = threadIdx.x, d = shape.head_dim,
            half = d / 2, all = shape.heads + 2 * shape.kv_heads;
  int const position = tokens.positions[token], row = tokens.rows ? tokens.rows[token] : token;
  if (position < 0 || first >= all) return;
  T* const x = qkv + static_cast<std::int64_t>(token) * shape.width();
  float low[heads][each][n], high[heads][each][n];
#pragma unroll
  for (int k = 0; k < heads; ++k)
#pragma unroll
    for (int u = 0; u < each; ++u)
      if (int const i = (lane + 32 * u) * n; i < half && first + k < all) {
        load(x + (first + k) * d + i, low[k][u]);
        load(x + (first + k) * d + half + i, high[k][u]);
      }
  float cosine[each][n], sine[each][n];
#pragma unroll
  for (int u = 0; u < each; ++u)
    if (int const i = (lane + 32 * u) * n; i < half) {
      auto const angle = static_cast<std::int64_t>(position) * half + i;
      load(r.cosines + angle, cosine[u]);
      load(r.sines + angle, sine[u]);
    }
  auto const cell = cache_row(cache, row, position) * shape.kv_heads;
#pragma unroll
  for (int k = 0; k < heads; ++k) {
    int const h = first + k;
    if (h >= all) continue;
    bool const is_query = h < shape.heads, is_value = h >= shape.heads + shape.kv_heads;
    auto const& norm = is_query ? r.query : r.key;
    float scale = 1;
    bool const normed = norm.weight && !is_value;
    if (normed) {
      float squares = 0;
#pragma unroll
      for (int u = 0; u < each; ++u)
        if ((lane + 32 * u) * n < half) {
#pragma unroll
          for (int j = 0; j < n; ++j) squares += low[k][u][j] * low[k][u][j] + high[k][u][j] * high[k][u][j];
        }
      scale = rsqrtf(lane_sum(squares) / static_cast<float>(d) + norm.epsilon);
    }
    T* to = x + h * d;
    if (!is_query) to = static_cast<T*>(is_value ? cache.values : cache.keys) + (cell + (h - shape.heads) % shape.kv_heads) * d;
#pragma unroll
    for (int u = 0; u < each; ++u) {
      int const i = (lane + 32 * u) * n;
      if (i >= half) continue;
      if (normed) {
        auto const* const weight = static_cast<T const*>(norm.weight);
#pragma unroll
        for (int j = 0; j < n; ++j) {
          low[k][u][j] = widen(normalised(low[k][u][j], scale, weight[i + j], norm.offset));
          high[k][u][j] = widen(normalised(high[k][u][j], scale, weight[half + i + j], norm.offset));
        }
      }
      if (!is_value) {
#pragma unroll
        for (int j = 0; j < n; ++j) {
          float const a = low[k][u][j], b = high[k][u][j];
          low[k][u][j] = a * cosine[u][j] - b * sine[u][j];
          high[k][u][j] = b * cosine[u][j] + a * sine[u][j];
        }
      }
      store(to + i, low[k][u]);
      store(to + half + i, high[k][u]);
    }
  }
}

/// A block for one token and one key-value head, whose group of query heads it serves tile by tile of positions.
template <class T>
__global__ void attend_token(T const* qkv, head_shape shape, attention_rule rule, step_tokens tokens, paged_cache cache, T* out) {
  extern __shared__ float shared[];
  let_next_start();
  wait_for_previous();
  int const token = blockIdx.x, h = blockIdx.y, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int const position = tokens.positions[token], row = tokens.rows ? tokens.rows[token] : token;
  if (position < 0) return;
  int const group = shape.group(), d = shape.head_dim, size = group * d, kv_width = shape.kv_heads * d;
  float *const query = shared, *const sum = query + size, *const score = sum + size, *const most = score + group * tile,
               *const total = most + group, *const keep = total + group;
  auto const heads_at = static_cast<std::int64_t>(h) * group * d;
  for (int i = threadIdx.x; i < size; i += threads) {
    query[i] = widen(qkv[static_cast<std::int64_t>(token) * shape.width() + heads_at + i]) * rule.scale;
    sum[i] = 0;
  }
  for (int g = threadIdx.x; g < group; g += threads) most[g] = nothing, total[g] = 0;
  __syncthreads();
  int const begin = rule.window > 0 ? max(0, position + 1 - rule.window) : 0;
  for (int first = begin; first <= position; first += tile) {
    int const count = min(tile, position + 1 - first);
    for (int p = warp; p < count; p += warps) {
      T const* const key = static_cast<T const*>(cache.keys) + cache_row(cache, row, first + p) * kv_width + h * d;
      for (int g = 0; g < group; ++g) {
        float dot = 0;
        for (int i = lane; i < d; i += 32) dot += query[g * d + i] * widen(key[i]);
        dot = lane_sum(dot);
        if (rule.softcap > 0) dot = rule.softcap * tanhf(dot / rule.softcap);
        if (lane == 0) score[g * tile + p] = dot;
      }
    }
    __syncthreads();
    for (int g = warp; g < group; g += warps) {
      float high = most[g];
      for (int p = lane; p < count; p += 32) high = fmaxf(high, score[g * tile + p]);
#pragma unroll
      for (int offset = 16; offset > 0; offset /= 2) high = fmaxf(high, __shfl_xor_sync(~0u, high, offset));
      float all = 0;
      for (int p = lane; p < count; p += 32) {
        float const e = __expf(score[g * tile + p] - high);
        score[g * tile + p] = e;
        all += e;
      }
      all = lane_sum(all);
      if (lane == 0) {
        keep[g] = __expf(most[g] - high);
        total[g] = total[g] * keep[g] + all;
        most[g] = high;
      }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < d; i += threads)
      for (int g = 0; g < group; ++g) sum[g * d + i] *= keep[g];
    for (int i = threadIdx.x; i < d; i += threads)
      for (int p = 0; p < count; ++p) {
        float const v = widen(static_cast<T const*>(cache.values)[cache_row(cache, row, first + p) * kv_width + h * d + i]);
        for (int g = 0; g < group; ++g) sum[g * d + i] += score[g * tile + p] * v;
      }
    __syncthreads();
  }
  T* const to = out + static_cast<std::int64_t>(token) * shape.heads * d + heads_at;
  for (int i = threadIdx.x; i < size; i += threads) to[i] = narrow<T>(sum[i] / total[i / d]);
}

}  // namespace

cudaError_t rotate_and_store(number type, void* qkv, head_shape const& shape, rotation const& r, step_tokens const& tokens,
                             paged_cache const& cache, lane on) {
  int const all = shape.heads + 2 * shape.kv_heads, half = shape.head_dim / 2;
  return by_number(type, [&]<class T>(T) {
    auto const start = [&](auto kernel, int heads) {
      int const a_block = warps_a_block * heads;
      return launch(kernel, dim3(tokens.count, (all + a_block - 1) / a_block), dim3(32, warps_a_block), 0, on, 1,
                    static_cast<T*>(qkv), shape, r, tokens, cache);
    };
    if (half % 2 == 0 && half <= 64) return start(rotate_and_store_heads<T, 4, 2, 1>, 4);
    if (half % 2 == 0 && half <= 128) return start(rotate_and_store_heads<T, 2, 2, 2>, 2);
    if (half <= 256) return start(rotate_and_store_heads<T, 1, 1, 8>, 1);
    return cudaErrorInvalidValue;
  });
}

cudaError_t attend(number type, void const* qkv, head_shape const& shape, attention_rule const& rule, step_tokens const& tokens,
                   paged_cache const& cache, void* out, lane on) {
  auto const floats = shape.group() * (2 * shape.head_dim + tile + 3);
  return by_number(type, [&]<class T>(T) {
    return launch(attend_token<T>, dim3(tokens.count, shape.kv_heads), threads, sizeof(float) * floats, on, 1,
                  static_cast<T const*>(qkv), shape, rule, tokens, cache, static_cast<T*>(out));
  });
}

}  // namespace gpuplace::cuda
