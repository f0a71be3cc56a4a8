#pragma once
/// @file
/// Devices and units in the words people use: `GPU 0`, `layers 0-3, 7 + embedding`.

#include <gpuplace/core/device_id.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpuplace {

/// `GPU 0`, `CPU 1`, and on several hosts `node2 GPU 0`.
inline std::string device_label(device_id const& id) {
  auto const label = std::string(id.kind == device_kind::cuda ? "GPU " : "CPU ") + std::to_string(id.index);
  return id.host.empty() ? label : id.host + ' ' + label;
}

namespace detail {

/// The device as its own machine calls it.
inline device_id without_host(device_id id) {
  id.host.clear();
  return id;
}

/// A unit's name in parts: what kind of thing it is, and which one of them; -1 where there is only one.
struct unit_words {
  std::string kind;
  std::int64_t number = -1;
};

inline unit_words words_of(std::string_view name) {
  auto const dot = name.rfind('.');
  auto const last = dot == name.npos ? name : name.substr(dot + 1);
  auto const before = dot == name.npos ? std::string_view() : name.substr(0, dot);
  std::int64_t number = -1;
  auto const [end, failed] = std::from_chars(last.data(), last.data() + last.size(), number);
  bool const numbered = failed == std::errc{} && end == last.data() + last.size() && number >= 0;
  if (numbered && (before.ends_with("visual.blocks") || before.ends_with("vision_tower.blocks"))) return {"vision block", number};
  if (numbered && (before.ends_with(".layers") || before == "layers" || before.ends_with(".h"))) return {"layer", number};
  if (last == "embed_tokens" || last == "wte") return {"embedding"};
  if (last == "norm" || last == "ln_f") return {"norm"};
  if (last == "lm_head") return {"head"};
  if (name.ends_with("visual.patch_embed")) return {"vision patches"};
  if (name.ends_with("visual.merger")) return {"vision merger"};
  return {std::string(name)};
}

/// "0-3, 7" of the numbers in any order.
inline std::string ranges_text(std::vector<std::int64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    auto last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] <= numbers[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += std::to_string(numbers[i]);
    if (numbers[last] != numbers[i]) text += '-' + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace detail

/// `layers 0-3, 7 + embedding`: the decoder layers first, the rest in the order of the chain; unknown names as they are.
inline std::string units_text(std::span<std::string const> units) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> kinds;
  for (auto const& name : units) {
    auto words = detail::words_of(name);
    auto found = std::find_if(kinds.begin(), kinds.end(), [&](auto const& k) { return k.first == words.kind; });
    if (found == kinds.end())
      found = kinds.insert(words.kind == "layer" ? kinds.begin() : kinds.end(), {std::move(words.kind), {}});
    if (words.number >= 0) found->second.push_back(words.number);
  }
  std::string text;
  for (auto const& [kind, numbers] : kinds) {
    if (!text.empty()) text += " + ";
    text += kind;
    if (!numbers.empty()) text += (numbers.size() > 1 ? "s " : " ") + detail::ranges_text(numbers);
  }
  return text;
}

}  // namespace gpuplace
