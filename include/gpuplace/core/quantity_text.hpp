#pragma once
/// @file
/// Amounts of memory as people write them: "75GiB", "9GB", "512MiB", plain bytes.

#include <gpuplace/core/result.hpp>
#include <gpuplace/core/units.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

namespace gpuplace {

namespace detail {
struct byte_suffix {
  std::string_view name;
  double scale;
};
/// accelerate's rules: an `i` means 1024, without it 1000; letters may be of either case.
inline constexpr std::array<byte_suffix, 9> byte_suffixes{{{"kib", 0x1p10},
                                                           {"mib", 0x1p20},
                                                           {"gib", 0x1p30},
                                                           {"tib", 0x1p40},
                                                           {"kb", 1e3},
                                                           {"mb", 1e6},
                                                           {"gb", 1e9},
                                                           {"tb", 1e12},
                                                           {"b", 1}}};

inline std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  auto const first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}
}  // namespace detail

/// Reads "75GiB" (binary), "75GB" (decimal), "1.5 TiB" or a bare number of bytes.
/// Errors:     errc::invalid_argument for anything else, negative or non-finite amounts included.
inline result<bytes> parse_bytes(std::string_view text) {
  auto const refuse = [&] {
    return error{errc::invalid_argument,
                 "'" + std::string(text) + "' is not an amount of memory",
                 {},
                 "write a number with a unit, such as 75GiB (binary), 75GB (decimal) or 512MiB"};
  };
  auto const body = detail::lowered(detail::trimmed(text));
  double number = 0;
  auto const [end, failed] = std::from_chars(body.data(), body.data() + body.size(), number);
  if (failed != std::errc{} || !std::isfinite(number) || number < 0) return refuse();
  auto const suffix = detail::trimmed(std::string_view(end, static_cast<std::size_t>(body.data() + body.size() - end)));
  double scale = suffix.empty() ? 1 : 0;
  for (auto const& known : detail::byte_suffixes)
    if (suffix == known.name) scale = known.scale;
  if (scale == 0 || number * scale > 9e18) return refuse();
  return bytes{static_cast<std::int64_t>(number * scale)};
}

/// The amount in the largest binary unit that leaves at least one whole: "14.9 GiB", "512 B".
inline std::string to_string(bytes amount) {
  constexpr std::array<char const*, 5> names{"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(amount.count());
  std::size_t step = 0;
  while (std::abs(value) >= 1024 && step + 1 < names.size()) value /= 1024, ++step;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), step == 0 ? "%.0f %s" : "%.1f %s", value, names[step]);
  return text.data();
}

}  // namespace gpuplace
