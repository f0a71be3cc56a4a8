#include "device_math.cuh"
#include "sampling_search.hpp"

namespace gpuplace::cuda {
namespace {

constexpr int threads = 1024, warps = threads / 32;
constexpr int counted = 8192;  ///< tokens whose places in a text are counted at once

__device__ __forceinline__ std::uint64_t warp_sum(std::uint64_t v) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(~0u, v, offset);
  return v;
}
__device__ __forceinline__ std::uint64_t warp_max(std::uint64_t v) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    auto const other = __shfl_xor_sync(~0u, v, offset);
    v = other > v ? other : v;
  }
  return v;
}
/// The sum up to this lane.
__device__ __forceinline__ std::uint64_t warp_running_sum(std::uint64_t v) {
#pragma unroll
  for (int offset = 1; offset < 32; offset *= 2) {
    auto const other = __shfl_up_sync(~0u, v, offset);
    if (threadIdx.x % 32 >= offset) v += other;
  }
  return v;
}

/// Larger for larger logits, and among equals for smaller tokens.
__device__ __forceinline__ std::uint64_t key_of(float logit, int token) {
  return static_cast<std::uint64_t>(rank_of(logit)) << 32 | static_cast<std::uint32_t>(~token);
}

/// A block's memory on the chip.
struct block_memory {
  static constexpr int capacity = 2 * threads;
  std::uint64_t partial[warps];
  std::uint64_t found_sum;
  int found;
  unsigned kept;
  union {
    struct {
      std::uint64_t measures[capacity];
      std::uint32_t belows[capacity];
    };
    std::uint32_t counts[counted];
  };
};

/// A row of logits as find_token asks it, by all threads of a block together. A warp has consecutive tokens.
class block_row {
public:
  static constexpr unsigned capacity = block_memory::capacity;

  __device__ block_row(float const* row, int vocabulary, block_memory& memory)
      : row_(row), vocabulary_(vocabulary), segment_((vocabulary + 4 * warps - 1) / (4 * warps) * 4), memory_(memory) {}

  /// The largest logit as it is known already.
  __device__ void know(std::uint64_t key) { key_ = key; }
  /// Looks for it.
  __device__ void look() {
    std::uint64_t best = 0;
    each([&](float logit, int token) {
      auto const key = key_of(logit, token);
      best = key > best ? key : best;
    });
    highest_ = static_cast<std::uint32_t>(best >> 32);
    key_ = all_max(best);
  }

  __device__ int size() const { return vocabulary_; }
  __device__ std::uint32_t top() const { return static_cast<std::uint32_t>(key_ >> 32); }
  __device__ std::int32_t first() const { return static_cast<std::int32_t>(~static_cast<std::uint32_t>(key_)); }

  /// From the largest logits of the threads: each counts for one token at least.
  __device__ std::uint32_t near(int n) {
    auto const mine = top() - highest_;
    if (n > threads * 3 / 4) n = threads * 3 / 4;
    std::int64_t least = -1, most = 0xffffffffll;
    while (most - least > 1) {
      auto const middle = least + (most - least) / 2;
      if (__syncthreads_count(mine <= middle) >= n) {
        most = middle;
      } else {
        least = middle;
      }
    }
    return static_cast<std::uint32_t>(most);
  }

  template <int n, class F>
  __device__ token_sums<n> sums(F f) {
    token_sums<n> total;
    each([&](float logit, int token) { total.add(f(top() - rank_of(logit), logit, token)); });
    for (int i = 0; i < n; ++i) {
      total.measure[i] = all_sum(total.measure[i]);
      total.count[i] = static_cast<std::uint32_t>(all_sum(total.count[i]));
    }
    return total;
  }

  __device__ void start_keeping() {
    __syncthreads();
    if (threadIdx.x == 0) memory_.kept = 0;
    __syncthreads();
  }
  __device__ void keep(std::uint32_t below, std::uint64_t measure) {
    unsigned const together = __activemask(), before = together & ((1u << threadIdx.x % 32) - 1);
    unsigned at = 0;
    if (before == 0) at = atomicAdd(&memory_.kept, static_cast<unsigned>(__popc(together)));
    at = __shfl_sync(together, at, __ffs(together) - 1) + __popc(before);
    if (at >= capacity) return;
    memory_.belows[at] = below;
    memory_.measures[at] = measure;
  }
  template <class F>
  __device__ std::uint64_t sum_kept(F f) {
    std::uint64_t sum = 0;
    unsigned const count = memory_.kept < capacity ? memory_.kept : capacity;
    for (unsigned i = threadIdx.x; i < count; i += threads) sum += f(memory_.belows[i], memory_.measures[i]);
    return all_sum(sum);
  }

  /// The log-probability of `token`, and of the `likeliest` ones. After look().
  __device__ void tell(std::int32_t token, int likeliest, told_row& told) {
    constexpr float scale = 1.4426950408889634f;
    float const largest = logit_of(top());
    int const wanted = min(likeliest, min(vocabulary_, most_told));
    auto const guess = near(max(wanted, 1));
    start_keeping();
    auto const mass = sums<1>([&](std::uint32_t below, float logit, std::int32_t candidate) {
                        if (wanted > 0 && below <= guess) keep(below, static_cast<std::uint64_t>(candidate));
                        return token_sums<1>{{weight_of(plus(largest, -logit), scale)}, {0}};
                      }).measure[0];
    float const all = static_cast<float>(log(static_cast<double>(mass) / static_cast<double>(full_weight)));
    auto const of = [&](float logit) { return plus(logit, -largest) - all; };
    unsigned const kept = memory_.kept;
    bool const found = kept <= capacity;
    if (threadIdx.x == 0) {
      told.chosen = of(row_[token]);
      told.count = found ? wanted : -1;
    }
    for (unsigned i = threadIdx.x; found && i < kept; i += threads) {
      auto const below = memory_.belows[i];
      auto const own = memory_.measures[i];
      int before = 0;
      for (unsigned j = 0; j < kept; ++j)
        before += memory_.belows[j] < below || (memory_.belows[j] == below && memory_.measures[j] < own);
      if (before >= wanted) continue;
      told.tokens[before] = static_cast<std::int32_t>(own);
      told.logprobs[before] = of(row_[own]);
    }
  }

  template <class F, class Wanted>
  __device__ std::int32_t locate(F f, Wanted wanted_of) {
    auto const at = [&](float logit, int token) { return f(top() - rank_of(logit), logit, token); };
    std::uint64_t mine = 0;
    each([&](float logit, int token) { mine += at(logit, token); });
    mine = warp_sum(mine);
    __syncthreads();
    if (threadIdx.x % 32 == 0) memory_.partial[threadIdx.x / 32] = mine;
    __syncthreads();
    auto const up_to = warp_running_sum(memory_.partial[threadIdx.x % 32]);
    auto const wanted = wanted_of(__shfl_sync(~0u, up_to, 31));
    int const segment = __ffs(__ballot_sync(~0u, up_to >= wanted)) - 1;
    auto before = __shfl_sync(~0u, up_to, segment) - memory_.partial[segment];
    int const end = min(vocabulary_, (segment + 1) * segment_);
    for (int tile = segment * segment_; tile < end; tile += threads) {
      int const token = tile + static_cast<int>(threadIdx.x);
      auto const own = token < end ? at(row_[token], token) : 0;
      auto const running = before + running_sum(own);
      if (running >= wanted && running - own < wanted) memory_.found = token;
      if (threadIdx.x == threads - 1) memory_.found_sum = running;
      __syncthreads();
      before = memory_.found_sum;
      if (before >= wanted) break;
    }
    return memory_.found;
  }

private:
  /// f(logit, token) for this thread's tokens.
  template <class F>
  __device__ void each(F f) const {
    int const lane = threadIdx.x % 32, begin = threadIdx.x / 32 * segment_, end = min(vocabulary_, begin + segment_);
    if (vocabulary_ % 4 != 0) {
      for (int i = begin + lane; i < end; i += 32) f(row_[i], i);
      return;
    }
#pragma unroll 4
    for (int i = begin + 4 * lane; i < end; i += 4 * 32) {
      float4 const v = *reinterpret_cast<float4 const*>(row_ + i);
      f(v.x, i);
      f(v.y, i + 1);
      f(v.z, i + 2);
      f(v.w, i + 3);
    }
  }

  template <class Join>
  __device__ std::uint64_t all(std::uint64_t v, Join join) {
    v = join(v);
    __syncthreads();
    if (threadIdx.x % 32 == 0) memory_.partial[threadIdx.x / 32] = v;
    __syncthreads();
    return join(memory_.partial[threadIdx.x % 32]);
  }
  __device__ std::uint64_t all_sum(std::uint64_t v) {
    return all(v, [](std::uint64_t x) { return warp_sum(x); });
  }
  __device__ std::uint64_t all_max(std::uint64_t v) {
    return all(v, [](std::uint64_t x) { return warp_max(x); });
  }
  /// The sum up to this thread.
  __device__ std::uint64_t running_sum(std::uint64_t v) {
    v = warp_running_sum(v);
    __syncthreads();
    if (threadIdx.x % 32 == 31) memory_.partial[threadIdx.x / 32] = v;
    __syncthreads();
    auto const up_to = warp_running_sum(memory_.partial[threadIdx.x % 32]);
    int const warp = threadIdx.x / 32;
    auto const before = __shfl_sync(~0u, up_to, warp > 0 ? warp - 1 : 0);
    return warp > 0 ? v + before : v;
  }

  float const* row_;
  int vocabulary_, segment_;
  block_memory& memory_;
  std::uint64_t key_ = 0;
  std::uint32_t highest_ = 0;  ///< the rank of this thread's largest logit
};

/// Penalties as the host has them: repetition once for a token anywhere in the text, the others for its times in the answer.
__device__ void penalise(float* row, int vocabulary, choice_rule const& rule, std::int32_t const* text, std::uint32_t* counts) {
  constexpr std::uint32_t prompted = 1u << 31;
  int const history = rule.history, prompt = rule.prompt;
  float const repetition = rule.repetition;
  double const frequency = rule.frequency, presence = rule.presence;
  for (int first = 0; first < vocabulary; first += counted) {
    int const here = min(counted, vocabulary - first);
    for (int i = threadIdx.x; i < here; i += threads) counts[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < history; i += threads) {
      int const token = text[i] - first;
      if (token < 0 || token >= here) continue;
      if (i < prompt) {
        atomicOr(&counts[token], prompted);
      } else {
        atomicAdd(&counts[token], 1u);
      }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < here; i += threads) {
      if (counts[i] == 0) continue;
      auto const answered = static_cast<std::int32_t>(counts[i] & ~prompted);
      float logit = repeated(row[first + i], repetition);
      if (answered > 0) logit = answered_before(logit, frequency, presence, answered);
      row[first + i] = logit;
    }
    __syncthreads();
  }
}

__global__ void find_largest(float const* logits, int vocabulary, unsigned long long* keys) {
  let_next_start();
  wait_for_previous();
  float const* const row = logits + static_cast<std::int64_t>(blockIdx.y) * vocabulary;
  std::uint64_t best = 0;
  auto const see = [&](float logit, int i) {
    auto const key = key_of(logit, i);
    best = key > best ? key : best;
  };
  int const fours = vocabulary % 4 == 0 ? vocabulary / 4 : 0, stride = gridDim.x * blockDim.x;
#pragma unroll 4
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < fours; i += stride) {
    float4 const four = reinterpret_cast<float4 const*>(row)[i];
    see(four.x, 4 * i), see(four.y, 4 * i + 1), see(four.z, 4 * i + 2), see(four.w, 4 * i + 3);
  }
  for (int i = 4 * fours + blockIdx.x * blockDim.x + threadIdx.x; i < vocabulary; i += stride) see(row[i], i);
  best = warp_max(best);
  if (threadIdx.x % 32 == 0) atomicMax(&keys[blockIdx.y], static_cast<unsigned long long>(best));
}

/// One block a row.
__global__ void __launch_bounds__(threads)
    choose_tokens(float* logits, int vocabulary, unsigned long long* keys, choice_rule const* rules, std::int32_t const* texts,
                  int context, std::int32_t* tokens, told_row* told) {
  __shared__ block_memory memory;
  let_next_start();
  wait_for_previous();
  float* const row = logits + static_cast<std::int64_t>(blockIdx.x) * vocabulary;
  std::uint64_t const key = keys[blockIdx.x];
  block_row asked(row, vocabulary, memory);
  asked.know(key);
  std::int32_t token = can_choose(asked.top()) ? asked.first() : -1;
  if (rules && token >= 0) {
    choice_rule const& rule = rules[blockIdx.x];
    bool const filters = rule.top_p < 1 || rule.top_k > 0;
    if (rule.adjusts()) {
      if (rule.history > 0) penalise(row, vocabulary, rule, texts + static_cast<std::int64_t>(rule.slot) * context, memory.counts);
      if (threadIdx.x < rule.forbidden_count)
        if (int const t = rule.forbidden[threadIdx.x]; t >= 0 && t < vocabulary) row[t] = -__int_as_float(0x7f800000);
      __syncthreads();
    }
    if (rule.adjusts() || !rule.greedy()) {
      if (rule.adjusts() || filters) asked.look();
      token = find_token(asked, rule);
    }
    if (rule.logprobs >= 0 && token >= 0) {
      asked.look();
      asked.tell(token, rule.logprobs, told[blockIdx.x]);
    }
  }
  __syncthreads();  // all have read the key
  if (threadIdx.x > 0) return;
  tokens[blockIdx.x] = token;
  keys[blockIdx.x] = 0;
}

}  // namespace

cudaError_t choose(float* logits, int rows, int vocabulary, unsigned long long* keys, choice_rule const* rules,
                   std::int32_t const* texts, int context, std::int32_t* tokens, told_row* told, lane on) {
  constexpr int blocks_a_processor = 8;
  int const blocks = std::min((on.processors * blocks_a_processor + rows - 1) / rows, (vocabulary + 1023) / 1024);
  if (auto const failed = launch(find_largest, dim3(blocks, rows), 256, 0, on, 1, logits, vocabulary, keys)) return failed;
  return launch(choose_tokens, rows, threads, 0, on, 1, logits, vocabulary, keys, rules, texts, context, tokens, told);
}

cudaError_t argmax(float* logits, int rows, int vocabulary, unsigned long long* keys, std::int32_t* tokens, lane on) {
  return choose(logits, rows, vocabulary, keys, nullptr, nullptr, 0, tokens, nullptr, on);
}

}  // namespace gpuplace::cuda
