#pragma once
/// @file
/// Reads every form of `device_map` that users of Hugging Face write.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/model/json_file.hpp>
#include <gpuplace/plan/module_map.hpp>
#include <gpuplace/plan/python_literal.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplace {

namespace detail {

inline constexpr std::string_view device_map_forms =
    R"(write "cuda:0", "cuda:0,cuda:1", "auto", {"": [0, 1]} or a map from modules to devices such as {"model": 0, "lm_head": 1})";

inline error bad_map(errc code, std::string what, std::string const& where, std::string_view remedy = device_map_forms) {
  return {code, std::move(what), where, std::string(remedy)};
}

/// What transformers calls the automatic partitions; "auto" has always meant "balanced".
inline std::string_view map_strategy(std::string_view text) {
  if (text == "auto") return "balanced";
  constexpr std::array<std::string_view, 3> known{"balanced", "balanced_low_0", "sequential"};
  return std::ranges::find(known, text) != known.end() ? text : std::string_view();
}

inline result<mapped_device> numbered(std::uint64_t number, std::string const& where) {
  if (number > static_cast<std::uint64_t>(std::numeric_limits<int>::max()))
    return bad_map(errc::invalid_argument, std::to_string(number) + " is no device", where);
  return mapped_device{{device_kind::cuda, static_cast<int>(number), {}}, mapped_device::form::number};
}

/// `0`, `cuda:0`, `cuda` (the first), `cpu`, `cpu:1`, `host/cuda:3`.
inline result<mapped_device> read_mapped_device(std::string_view text, std::string const& where) {
  if (text == "disk")
    return bad_map(errc::unsupported, "'disk' asks for weights that stay on disk, which gpuplace does not do", where,
                   "place the module on a device; a smaller --dtype or one more device makes room");
  constexpr std::array<std::string_view, 6> other_kinds{"mps", "xpu", "npu", "hpu", "mlu", "meta"};
  for (auto const kind : other_kinds)
    if (text.substr(0, text.find(':')) == kind)
      return bad_map(errc::unsupported, "'" + std::string(text) + "' is a kind of device that gpuplace does not place on", where,
                     "place the module on a CUDA device, or on a CPU slot such as cpu:0");
  if (text == "cpu") return mapped_device{{device_kind::cpu, 0, {}}, mapped_device::form::cpu};
  if (text == "cuda") return mapped_device{{device_kind::cuda, 0, {}}, mapped_device::form::id};
  auto id = parse_device_id(text);
  if (!id) return bad_map(errc::invalid_argument, id.error().what, where, "write 0, cuda:0, cpu:1 or host/cuda:3");
  bool const bare = text.find_first_not_of("0123456789") == text.npos;
  return mapped_device{*std::move(id), bare ? mapped_device::form::number : mapped_device::form::id};
}

/// A device that is twice in a list is a slip.
inline result<void> add_device(mapped_module& to, mapped_device device, std::string const& where) {
  if (std::ranges::find(to.devices, device) != to.devices.end())
    return bad_map(errc::invalid_argument, "the device " + to_string(device) + " is in the list twice", where,
                   "name each device once");
  to.devices.push_back(std::move(device));
  return {};
}

/// A map without JSON: the name of a partition, or devices between commas.
inline result<module_map> read_plain_map(std::string_view text, std::string const& where) {
  if (auto const strategy = map_strategy(text); !strategy.empty()) return module_map{.partition = std::string(strategy)};
  mapped_module all;
  for (std::size_t from = 0; from <= text.size();) {
    auto const comma = std::min(text.find(',', from), text.size());
    GPUPLACE_TRY(auto device, read_mapped_device(trimmed(text.substr(from, comma - from)), where));
    GPUPLACE_CHECK(add_device(all, std::move(device), where));
    from = comma + 1;
  }
  return module_map{.modules = {std::move(all)}};
}

inline result<mapped_device> read_json_device(nlohmann::ordered_json const& value, std::string const& where) {
  if (value.is_number_unsigned()) return numbered(value.get<std::uint64_t>(), where);
  if (value.is_string()) return read_mapped_device(trimmed(value.get_ref<std::string const&>()), where);
  if (value.is_object())
    return bad_map(errc::unsupported, "is a map of its own", where, "give one model's map at a time: plan the models one by one");
  return bad_map(errc::invalid_argument, dump_compact(value) + " is no device", where, "write 0, \"cuda:0\" or \"cpu:1\"");
}

inline result<mapped_module> read_json_devices(std::string module, nlohmann::ordered_json const& value, std::string const& where) {
  mapped_module made{std::move(module), {}};
  if (!value.is_array()) {
    GPUPLACE_TRY(auto device, read_json_device(value, where));
    made.devices.push_back(std::move(device));
    return made;
  }
  if (!made.module.empty())
    return bad_map(errc::unsupported, "is spread over several devices, and only the whole model (\"\") can be", where,
                   "name each of its layers with one device");
  if (value.empty()) return bad_map(errc::invalid_argument, "the list of devices is empty", where);
  for (auto const& item : value) {
    GPUPLACE_TRY(auto device, read_json_device(item, where));
    GPUPLACE_CHECK(add_device(made, std::move(device), where));
  }
  return made;
}

inline result<module_map> read_json_map(nlohmann::ordered_json const& value, std::string const& where) {
  if (value.is_string()) return read_plain_map(trimmed(value.get_ref<std::string const&>()), where);
  module_map map;
  if (!value.is_object()) {
    GPUPLACE_TRY(auto all, read_json_devices({}, value, where));
    map.modules.push_back(std::move(all));
    return map;
  }
  if (value.empty()) return bad_map(errc::invalid_argument, "the map is empty", where);
  for (auto const& [module, device] : value.items()) {
    GPUPLACE_TRY(auto one, read_json_devices(module, device, where + ", '" + module + "'"));
    map.modules.push_back(std::move(one));
  }
  return map;
}

}  // namespace detail

/// Reads "cuda:0", "cuda:0,cuda:1", "auto", "balanced", "balanced_low_0", "sequential", `0`, `[0, 1]`, `{"": [0, 1]}`, or a map
/// from modules to devices, as JSON or as Python writes it. What its names mean is for `manual` to say, which sees the model.
/// Errors:     errc::invalid_argument, errc::malformed, errc::unsupported (disk, mps and the like); each names the entry
inline result<module_map> parse_device_map(std::string_view text, std::string const& where = "device_map") {
  auto const body = detail::trimmed(text);
  if (body.empty()) return detail::bad_map(errc::invalid_argument, "the map is empty", where);
  constexpr std::string_view opening = "{[\"'";
  if (opening.find(body.front()) == opening.npos) return detail::read_plain_map(body, where);
  GPUPLACE_TRY(auto const value, parse_json_or_python(body, where));
  return detail::read_json_map(value, where);
}

/// Reads `text` as a map, or else the file that it names.
/// Errors:     those of parse_device_map; for a file with its name
inline result<module_map> read_device_map(std::string const& text) {
  auto read = parse_device_map(text);
  std::error_code ignored;
  if (read || !std::filesystem::is_regular_file(text, ignored)) return read;
  GPUPLACE_TRY(auto const content, read_text_file(text));
  return parse_device_map(content, text);
}

}  // namespace gpuplace
