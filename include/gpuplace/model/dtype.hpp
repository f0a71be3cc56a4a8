#pragma once
/// @file
/// Number formats of weights, KV cache and activations.

#include <gpuplace/core/result.hpp>
#include <gpuplace/core/units.hpp>

#include <array>
#include <string>
#include <string_view>

namespace gpuplace {

/// How numbers are stored. The integer formats are weight-only quantisations: embeddings, norms and
/// everything that is computed stay in bf16.
enum class dtype { fp32, bf16, fp16, int8, int4 };

inline constexpr std::array<dtype, 5> all_dtypes{dtype::fp32, dtype::bf16, dtype::fp16, dtype::int8, dtype::int4};

constexpr std::string_view to_string(dtype type) {
  switch (type) {
    case dtype::fp32: return "fp32";
    case dtype::bf16: return "bf16";
    case dtype::fp16: return "fp16";
    case dtype::int8: return "int8";
    case dtype::int4: return "int4";
  }
  return "unknown";
}

constexpr bool is_quantized(dtype type) { return type == dtype::int8 || type == dtype::int4; }

/// What is computed with when weights are stored as `type`.
constexpr dtype compute_dtype(dtype type) { return is_quantized(type) ? dtype::bf16 : type; }

/// Bytes of `count` plain numbers (quantised weights also need scales, see linear_bytes).
constexpr bytes stored_bytes(std::int64_t count, dtype type) {
  switch (type) {
    case dtype::fp32: return bytes{count * 4};
    case dtype::bf16:
    case dtype::fp16: return bytes{count * 2};
    case dtype::int8: return bytes{count};
    case dtype::int4: return bytes{(count + 1) / 2};
  }
  return bytes{};
}

/// Bytes of a linear layer's weight of `rows` outputs by `columns` inputs.
/// int8 carries one fp32 scale a row; int4 one bf16 scale for each group of 64 inputs in a row.
constexpr bytes linear_bytes(std::int64_t rows, std::int64_t columns, dtype type) {
  constexpr std::int64_t group = 64;
  auto const plain = stored_bytes(rows * columns, type);
  if (type == dtype::int8) return plain + bytes{rows * 4};
  if (type == dtype::int4) return plain + bytes{rows * ((columns + group - 1) / group) * 2};
  return plain;
}

/// Reads the names above and those of config.json and vLLM (bfloat16, float16, half, float32, float).
/// Errors:     errc::invalid_argument
inline result<dtype> parse_dtype(std::string_view text) {
  for (auto const type : all_dtypes)
    if (text == to_string(type)) return type;
  if (text == "bfloat16") return dtype::bf16;
  if (text == "float16" || text == "half") return dtype::fp16;
  if (text == "float32" || text == "float") return dtype::fp32;
  return error{
      errc::invalid_argument, "unknown number format '" + std::string(text) + "'", {}, "one of fp32, bf16, fp16, int8, int4"};
}

}  // namespace gpuplace
