#pragma once
/// @file
/// Names of devices: `cuda:3`, `cpu:0`, and on several hosts `host/cuda:3`.

#include <gpuplace/core/result.hpp>

#include <charconv>
#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace gpuplace {

/// What a device is made of.
enum class device_kind { cuda, cpu };

constexpr std::string_view to_string(device_kind kind) { return kind == device_kind::cuda ? "cuda" : "cpu"; }

/// The name of one device as the process that uses it numbers it.
struct device_id {
  device_kind kind = device_kind::cuda;
  int index = 0;
  std::string host;  ///< empty on a single machine

  friend auto operator<=>(device_id const&, device_id const&) = default;
};

inline std::string to_string(device_id const& id) {
  auto text = std::string(to_string(id.kind)) + ':' + std::to_string(id.index);
  return id.host.empty() ? text : id.host + '/' + text;
}

/// Reads `cuda:3`, `cpu:0`, `host/cuda:3`, or a bare index, which means a CUDA device as it does in a device_map.
/// Errors:     errc::invalid_argument
inline result<device_id> parse_device_id(std::string_view text) {
  device_id id;
  auto rest = text;
  if (auto const slash = rest.rfind('/'); slash != rest.npos) {
    id.host = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
  }
  if (rest.starts_with("cuda:")) {
    rest.remove_prefix(5);
  } else if (rest.starts_with("cpu:")) {
    id.kind = device_kind::cpu;
    rest.remove_prefix(4);
  }
  auto const [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), id.index);
  if (failed != std::errc{} || end != rest.data() + rest.size() || id.index < 0)
    return error{errc::invalid_argument, "'" + std::string(text) + "' is not a device", {}, "write cuda:0, cpu:1 or host/cuda:3"};
  return id;
}

}  // namespace gpuplace

template <>
struct std::hash<gpuplace::device_id> {
  std::size_t operator()(gpuplace::device_id const& id) const noexcept {
    return std::hash<std::string>{}(id.host) * 31 + static_cast<std::size_t>(id.index) * 2 +
           (id.kind == gpuplace::device_kind::cpu);
  }
};
