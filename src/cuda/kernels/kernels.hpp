#pragma once
/// @file
/// The kernels of a step, called with plain device pointers. Rows are tokens; numbers are bf16 or fp32 as `number` says.
/// Each returns what the launch returned; what runs later is seen by the stream's next synchronisation.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace gpuplace::cuda {

enum class number { bf16, fp32 };
inline constexpr int bytes_of(number n) { return n == number::bf16 ? 2 : 4; }

/// Where kernels go. `early`: a kernel may begin while the one before ends, and blocks form clusters (card and build of compute capability
/// 9.0 and above).
struct lane {
  cudaStream_t stream = nullptr;
  bool early = false;
  int processors = 1;  ///< multiprocessors of the device
  /// How much of a multiprocessor's memory is to be shared memory rather than cache; -1: as each kernel likes. Between kernels that want
  /// different parts a multiprocessor must run empty, so that none begins early.
  int shared_percent = -1;
};

/// A lane of the current device.
cudaError_t make_lane(cudaStream_t stream, lane& made);

/// An RMSNorm: x / rms(x) * weight, or * (1 + weight) where `offset`.
struct norm {
  void const* weight = nullptr;  ///< null: no norm
  float epsilon = 0;
  bool offset = false;
};

/// Where the tokens of a step are written down: texts[slots[row]][position], [slots, context]. A position below 0 stands for no token.
struct token_record {
  std::int32_t* texts = nullptr;  ///< null: nowhere
  int context = 0;
  std::int32_t const* positions = nullptr;
  std::int32_t const* rows = nullptr;  ///< null: token t is row t's only one
  std::int32_t const* slots = nullptr;
};

/// out[row] = table[tokens[row]] * scale.
cudaError_t embed(number type, void const* table, std::int32_t const* tokens, void* out, int rows, int width, float scale, lane on,
                  token_record const& record = {});

/// Writes tokens down as embed() does, where the embedding is elsewhere.
cudaError_t write_down(std::int32_t const* tokens, int count, token_record const& record, lane on);

/// x += added where that is not null; out = norm(x) where the norm has a weight. `out` may be `x`.
cudaError_t add_and_norm(number type, void* x, void const* added, norm const& n, void* out, int rows, int width, lane on);

/// out = gate(first half) * second half of each row of `gate_up`, [rows, 2 * width].
enum class gate { silu, gelu_tanh };
cudaError_t gate_multiply(number type, void const* gate_up, void* out, int rows, int width, gate g, lane on);

/// Adds `bias` to every row of x.
cudaError_t add_bias(number type, void* x, void const* bias, int rows, int width, lane on);

/// x = cap * tanh(x / cap).
cudaError_t softcap(float* x, std::int64_t count, float cap, lane on);

/// Rows `rows[i]` of x, one after another.
cudaError_t gather(number type, void const* x, std::int32_t const* rows, void* out, int count, int width, lane on);

/// The largest logit's index of each row, the first among equals; -1 where a logit is NaN or the largest is infinite.
/// @param keys  scratch of one number a row; all zero before the first call, and left so
cudaError_t argmax(float* logits, int rows, int vocabulary, unsigned long long* keys, std::int32_t* tokens, lane on);

struct choice_rule;
struct told_row;
/// The token that each row's rule chooses, as sample_token() of the host does; -1 as argmax has it. Penalties change the logits.
/// @param rules  one a row, in the device's memory
/// @param texts  what embed() wrote down, [slots, context]
/// @param told   written for rows that ask for log-probabilities; may be pinned memory of the host
cudaError_t choose(float* logits, int rows, int vocabulary, unsigned long long* keys, choice_rule const* rules,
                   std::int32_t const* texts, int context, std::int32_t* tokens, told_row* told, lane on);

struct head_shape {
  int heads = 0, kv_heads = 0, head_dim = 0;
  constexpr int group() const { return heads / kv_heads; }
  constexpr int width() const { return (heads + 2 * kv_heads) * head_dim; }
};

/// A layer's cache as the rows of a step see it: position p of row r is number p % page_tokens of page pages[r * stride + p / page_tokens].
struct paged_cache {
  void* keys = nullptr;  ///< [pages, page_tokens, kv_heads, head_dim]
  void* values = nullptr;
  std::int32_t const* pages = nullptr;
  int stride = 0;
  int page_tokens = 16;
};

/// The tokens of a step: which row each belongs to and where it stands. A position below 0 stands for no token: it is passed over.
struct step_tokens {
  std::int32_t const* positions = nullptr;
  std::int32_t const* rows = nullptr;  ///< null: token t is row t's only one
  int count = 0;
};

/// Norms of queries and keys, and the table of rotations [context, head_dim / 2].
struct rotation {
  norm query, key;
  float const* cosines = nullptr;
  float const* sines = nullptr;
};

struct attention_rule {
  float scale = 1;
  float softcap = 0;  ///< 0: none
  int window = 0;     ///< positions that a token sees at most; 0: all
};

/// Normalises and turns the queries and keys of qkv [tokens, width] in place; keys and values go to the cache.
cudaError_t rotate_and_store(number type, void* qkv, head_shape const& shape, rotation const& r, step_tokens const& tokens,
                             paged_cache const& cache, lane on);

/// Attention of turned queries over the cache, for any number of tokens a row. Out: [tokens, heads * head_dim].
cudaError_t attend(number type, void const* qkv, head_shape const& shape, attention_rule const& rule, step_tokens const& tokens,
                   paged_cache const& cache, void* out, lane on);

/// Tokens of one row that follow each other.
struct token_tile {
  std::int32_t first = 0, count = 0;
};
/// Queries that a block of prompt_attention multiplies at once: a tile has at most prompt_rows / group tokens.
inline constexpr int prompt_rows = 128;

/// Attention as attend() has it, on tensor cores, for the tokens of `tiles`: bf16, heads of 64 or 128 numbers, pages of a power of two.
/// Tiles that take long should come first.
bool has_prompt_attention(number type, head_shape const& shape, int page_tokens);
cudaError_t prompt_attention(void const* qkv, head_shape const& shape, attention_rule const& rule, step_tokens const& tokens,
                             paged_cache const& cache, token_tile const* tiles, int count, void* out, lane on);

/// How the work of decode_attention is cut.
struct decode_cut {
  int splits = 1;  ///< blocks a head: a power of two up to 16, 1 where there are no clusters
  int stages = 2;  ///< chunks of the cache that each warp has on their way: 1 or 2
};

/// Both at once for one token a row, bf16, heads of 64 or 128 numbers, pages of a power of two and groups of up to 8: queries and keys are
/// turned, the key and value stored, and each row's cache is read once by blocks that a thread-block cluster joins.
decode_cut cut_decode(head_shape const& shape, int rows, bool long_rows, lane on);
bool has_decode_attention(number type, head_shape const& shape, int page_tokens);
cudaError_t decode_attention(void const* qkv, head_shape const& shape, rotation const& r, attention_rule const& rule,
                             step_tokens const& tokens, paged_cache const& cache, void* out, decode_cut cut, lane on);

/// A product with few rows, whose time is that of reading the weights: y = act(norm(x) weight^T + bias) (+ y).
struct product {
  void const* weight = nullptr;  ///< [outputs, inputs]
  void const* bias = nullptr;
  int outputs = 0, inputs = 0;
  norm before;         ///< of x, where it has a weight
  bool gated = false;  ///< the outputs' halves are gate and up: y is gate(first) * second, [rows, outputs / 2]
  gate activation = gate::silu;
  bool add = false;   ///< y += …
  bool wide = false;  ///< y is fp32 whatever the weights are
};

/// What multiplies, and how the work is cut; which is best depends on shape, rows and card.
struct product_tiling {
  /// threads: up to 4 rows, each warp reads rows of weights. ring: 2 to 32 in bf16, weights and rows come through shared memory, tensor
  /// cores multiply, and blocks may share the inputs.
  enum class engine { threads, ring } by = engine::threads;
  int rows = 2;   ///< of weights a warp; of a ring, tiles of 16 a block
  int depth = 4;  ///< vectors of each that are in flight; of a ring, inputs at a time
  int parts = 1;  ///< warps, or of a ring blocks, that share a row's inputs
  friend bool operator==(product_tiling const&, product_tiling const&) = default;
};

/// Every tiling that can do the product. Threads want 16 bytes of inputs at a time, a ring 8 numbers.
std::vector<product_tiling> tilings_for(number type, product const& p, int rows, lane on);
/// One of them, for numbers of rows that nobody has timed; none where there is none.
std::optional<product_tiling> usual_tiling(number type, product const& p, int rows);
/// Whether the product does a norm before; elsewhere add_and_norm does it.
constexpr bool takes_norm(product_tiling const& t, norm const& n) { return t.by == product_tiling::engine::threads || !n.offset; }
cudaError_t multiply_few(number type, product const& p, product_tiling const& tiling, void const* x, void* y, int rows, lane on);

/// Reads memory once and writes nothing; `variant` 0 to read_variants - 1 differ in how many loads are in flight.
inline constexpr int read_variants = 3;
cudaError_t read_through(void const* from, std::size_t bytes, unsigned* sink, int variant, lane on);

}  // namespace gpuplace::cuda
