#pragma once
/// @file
/// One tensor of a file, seen where it lies.

#include <cstddef>
#include <cstdint>
#include <gpuplace/weights/element_type.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

/// Name and data belong to the file and live as long as it does.
struct tensor_view {
  std::string_view name;
  element_type type = element_type::f32;
  std::vector<std::int64_t> shape;  ///< outermost first; empty for a scalar
  std::span<std::byte const> data;  ///< row-major, little-endian, packed; aligned to nothing in particular

  std::int64_t elements() const { return static_cast<std::int64_t>(data.size()) / element_size(type); }
};

/// A shape as people write it: "[576, 192]".
inline std::string shape_text(std::span<std::int64_t const> shape) {
  std::string text = "[";
  for (auto const size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ']';
}

}  // namespace gpuplace
