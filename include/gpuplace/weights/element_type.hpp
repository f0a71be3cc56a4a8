#pragma once
/// @file
/// Number formats that a safetensors file may hold.

#include <array>
#include <cstdint>
#include <gpuplace/model/dtype.hpp>
#include <optional>
#include <string_view>

namespace gpuplace {

enum class element_type { f64, f32, f16, bf16, f8_e4m3, f8_e5m2, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

namespace detail {
struct element_format {
  element_type type;
  std::string_view name;  ///< as the files write it
  std::int64_t size;      ///< bytes of one element
};
inline constexpr std::array<element_format, 15> element_formats{{{element_type::f64, "F64", 8},
                                                                 {element_type::f32, "F32", 4},
                                                                 {element_type::f16, "F16", 2},
                                                                 {element_type::bf16, "BF16", 2},
                                                                 {element_type::f8_e4m3, "F8_E4M3", 1},
                                                                 {element_type::f8_e5m2, "F8_E5M2", 1},
                                                                 {element_type::i64, "I64", 8},
                                                                 {element_type::i32, "I32", 4},
                                                                 {element_type::i16, "I16", 2},
                                                                 {element_type::i8, "I8", 1},
                                                                 {element_type::u64, "U64", 8},
                                                                 {element_type::u32, "U32", 4},
                                                                 {element_type::u16, "U16", 2},
                                                                 {element_type::u8, "U8", 1},
                                                                 {element_type::boolean, "BOOL", 1}}};
constexpr element_format const& format_of(element_type type) { return element_formats[static_cast<std::size_t>(type)]; }
}  // namespace detail

/// The name that files use: "BF16".
constexpr std::string_view to_string(element_type type) { return detail::format_of(type).name; }

/// Bytes of one element.
constexpr std::int64_t element_size(element_type type) { return detail::format_of(type).size; }

/// Reads a file's name of a format; nothing for one that gpuplace does not know.
constexpr std::optional<element_type> parse_element_type(std::string_view name) {
  for (auto const& format : detail::element_formats)
    if (format.name == name) return format.type;
  return std::nullopt;
}

/// The model format of the same numbers; nothing for those that no weight is computed from directly.
constexpr std::optional<dtype> to_dtype(element_type type) {
  switch (type) {
    case element_type::f32: return dtype::fp32;
    case element_type::bf16: return dtype::bf16;
    case element_type::f16: return dtype::fp16;
    default: return std::nullopt;
  }
}

}  // namespace gpuplace
