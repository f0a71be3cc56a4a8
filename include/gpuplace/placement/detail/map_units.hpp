#pragma once
/// @file
/// The entries of a device_map against the units of a model and the devices of a group.

#include <gpuplace/core/edit_distance.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/model/unit.hpp>
#include <gpuplace/placement/partition_strategy.hpp>
#include <gpuplace/plan/module_map.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpuplace::detail {

/// Which device of a group a map means.
class map_positions {
public:
  map_positions(module_map const& map, device_group const& group) : group_(&group) {
    bool known = false, in_range = true;
    for (auto const& entry : map.modules)
      for (auto const& d : entry.devices) {
        known = known || by_name(d);
        in_range = in_range && fits_position(d);
      }
    by_position_ = !known && in_range;
  }

  /// @param module  the entry that names `d`, for errors
  result<std::size_t> of(mapped_device const& d, std::string const& module) const {
    if (d.how == mapped_device::form::cpu) return cpu_slot(module);
    if (auto const named = by_name(d)) return *named;
    if (by_position_) return static_cast<std::size_t>(d.id.index);
    std::string there;
    constexpr std::size_t most_named = 16;
    for (std::size_t i = 0; i < std::min(group_->size(), most_named); ++i) there += (i ? ", " : "") + gpuplace::to_string((*group_)[i].id);
    if (group_->size() > most_named) there += ", …";
    return error{errc::not_found, "there is no device " + unquoted(d), where(module), "there are " + there};
  }

private:
  static std::string where(std::string const& module) { return "device_map, '" + module + "'"; }
  static std::string unquoted(mapped_device const& d) {
    auto text = gpuplace::to_string(d);
    std::erase(text, '"');
    return text;
  }

  std::optional<std::size_t> by_name(mapped_device const& d) const {
    if (d.how == mapped_device::form::cpu) return std::nullopt;
    auto found = group_->find(d.id);
    if (!found && d.how == mapped_device::form::number) found = group_->find({device_kind::cpu, d.id.index, {}});
    return found;
  }
  bool fits_position(mapped_device const& d) const {
    if (d.how == mapped_device::form::cpu) return true;
    auto const at = static_cast<std::size_t>(d.id.index);
    return at < group_->size() && (d.how == mapped_device::form::number || ((*group_)[at].id.kind == d.id.kind && d.id.host.empty()));
  }
  result<std::size_t> cpu_slot(std::string const& module) const {
    auto const is_cpu = [](device const& d) { return d.id.kind == device_kind::cpu; };
    auto const slots = std::count_if(group_->begin(), group_->end(), is_cpu);
    if (slots == 1) return static_cast<std::size_t>(std::find_if(group_->begin(), group_->end(), is_cpu) - group_->begin());
    if (slots > 1)
      return error{errc::invalid_argument, "'cpu' may be any of " + std::to_string(slots) + " CPU slots", where(module), "name one, such as cpu:0"};
    return error{errc::unsupported, "'cpu' asks for weights that wait in host memory, which gpuplace does not do", where(module),
                 "place the module on a device; a smaller --dtype or one more device makes room"};
  }

  device_group const* group_;
  bool by_position_ = false;
};

/// Modules inside a unit that transformers has, and the words for a weight itself.
inline bool is_part_of_unit(std::string_view part) {
  constexpr std::array<std::string_view, 16> parts{"weight",    "bias",       "self_attn", "attn",
                                                   "mlp",       "norm1",      "norm2",     "ln_q",
                                                   "proj",      "ln_1",       "ln_2",      "input_layernorm",
                                                   "layer_norm", "post_attention_layernorm", "pre_feedforward_layernorm",
                                                   "post_feedforward_layernorm"};
  return std::ranges::find(parts, part.substr(0, part.find('.'))) != parts.end();
}

/// Where each unit goes; the innermost entry that holds it decides.
class unit_assignment {
public:
  explicit unit_assignment(std::span<unit const> units) : units_(units), placed_(units.size()) {
    for (std::size_t u = 0; u < units.size(); ++u) {
      unit_of_.emplace(units[u].name, u);
      std::size_t depth = 0;
      any_holder(units[u].name, [&](std::string_view holder) {
        modules_[std::string(holder)].push_back({u, depth++});
        return false;
      });
    }
  }

  /// Units [first, last) of the whole model, which any other entry overrides.
  void spread(std::size_t first, std::size_t last, std::size_t device) {
    for (auto u = first; u < last; ++u)
      if (!placed_[u].device) placed_[u] = {device, outermost, {}};
  }

  result<void> assign(mapped_module const& entry, std::size_t device) {
    auto const module = canonical_module(entry.module);
    if (holds_no_weights(module)) return {};
    auto const held = modules_.find(module);
    if (held == modules_.end()) return assign_part(entry, module, device);
    for (auto const& [u, depth] : held->second) GPUPLACE_CHECK(put(u, depth, device, entry.module));
    return {};
  }

  /// One stage for each run of units on one device.
  result<stages> stages_of(module_map const& map) const {
    for (auto const& [u, part] : parts_) {
      if (!placed_[u].device || *placed_[u].device == part.device) continue;
      return error{errc::unsupported, "the map cuts " + units_[u].name + ": a part of it, " + part.module + ", is on another device",
                   "device_map", "a layer stays whole on one device: leave its parts out of the map"};
    }
    stages spans;
    for (std::size_t u = 0; u < units_.size(); ++u) {
      auto const device = device_of(u);
      if (!device) return incomplete(map);
      if (!spans.empty() && spans.back().device == *device) ++spans.back().last;
      else spans.push_back({.device = *device, .first = u, .last = u + 1});
    }
    return spans;
  }

private:
  static constexpr std::size_t outermost = std::numeric_limits<std::size_t>::max();
  struct placement {
    std::optional<std::size_t> device;
    std::size_t depth = outermost;  ///< of the entry that says so: 0 is the unit itself
    std::string module;
  };
  struct part_of_unit {
    std::size_t device = 0;
    std::string module;
  };

  static bool holds_no_weights(std::string_view module) {
    auto const last = module.substr(module.rfind('.') + 1);
    return last == "rotary_emb" || last == "rotary_pos_emb";
  }

  std::optional<std::size_t> device_of(std::size_t u) const {
    if (placed_[u].device) return placed_[u].device;
    auto const part = parts_.find(u);
    return part == parts_.end() ? std::nullopt : std::optional(part->second.device);
  }

  result<void> put(std::size_t u, std::size_t depth, std::size_t device, std::string const& module) {
    auto& now = placed_[u];
    bool const same_depth = now.device && now.depth == depth;
    if (same_depth && *now.device != device)
      return error{errc::invalid_argument, "'" + now.module + "' and '" + module + "' are one module on two devices", "device_map", "leave one of them out"};
    if (!now.device || depth < now.depth) now = {device, depth, module};
    return {};
  }

  /// An entry below a unit: the unit goes there if nothing else says where, and must not be cut.
  result<void> assign_part(mapped_module const& entry, std::string_view module, std::size_t device) {
    for (auto dot = module.rfind('.'); dot != module.npos; dot = dot == 0 ? module.npos : module.rfind('.', dot - 1)) {
      auto const whole = unit_of_.find(module.substr(0, dot));
      if (whole == unit_of_.end() || !is_part_of_unit(module.substr(dot + 1))) continue;
      auto const [known, added] = parts_.emplace(whole->second, part_of_unit{device, entry.module});
      if (added || known->second.device == device) return {};
      return error{errc::unsupported, "the map cuts " + units_[whole->second].name + " between '" + known->second.module + "' and '" + entry.module + "'",
                   "device_map", "a layer stays whole on one device"};
    }
    return unknown(entry.module, module);
  }

  error unknown(std::string const& written, std::string_view module) const {
    std::string remedy;
    constexpr std::string_view layers = "model.layers.";
    if (module.starts_with(layers) && module.find_first_not_of("0123456789", layers.size()) == module.npos) {
      auto const count = std::ranges::count_if(units_, [](unit const& u) { return u.kind == unit_kind::decoder_layer; });
      remedy = "the model has layers 0 to " + std::to_string(count - 1);
    } else {
      std::vector<std::string_view> names;
      for (auto const& u : units_) names.push_back(u.name);
      for (auto const& [name, held] : modules_) names.push_back(name);
      std::ranges::sort(names);
      auto const nearest = nearest_name(module, names);
      remedy = nearest.empty() ? "modules are named as transformers names them: model.embed_tokens, model.layers.0, model.norm, lm_head"
                               : "did you mean '" + std::string(nearest) + "'?";
    }
    return {errc::not_found, "the model has no module '" + written + "'", "device_map", std::move(remedy)};
  }

  error incomplete(module_map const& map) const {
    std::vector<std::size_t> missing;
    for (std::size_t u = 0; u < units_.size(); ++u)
      if (!device_of(u)) missing.push_back(u);
    constexpr std::size_t most_named = 6;
    std::string names;
    for (std::size_t i = 0; i < std::min(missing.size(), most_named); ++i) names += (i ? ", " : "") + units_[missing[i]].name;
    if (missing.size() > most_named) names += " and " + std::to_string(missing.size() - most_named) + " more";
    return {errc::invalid_argument, "the map does not place " + names, "device_map", "the completed map: " + completed(map)};
  }

  /// The map with every missing unit beside its neighbour.
  std::string completed(module_map const& map) const {
    std::string text;
    auto const add = [&](std::string_view module, std::string const& device) {
      text += text.empty() ? "{\"" : ", \"";
      for (char const c : module) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
      }
      text += "\": " + device;
    };
    auto const listed = [](mapped_module const& m) {
      if (m.devices.size() == 1) return gpuplace::to_string(m.devices.front());
      std::string list;
      for (auto const& d : m.devices) list += (list.empty() ? "[" : ", ") + gpuplace::to_string(d);
      return list + "]";
    };
    for (auto const& m : map.modules) add(m.module, listed(m));
    auto const written = [&](std::size_t u) -> std::string const& {
      return placed_[u].device ? placed_[u].module : parts_.at(u).module;
    };
    auto const neighbour = [&](std::size_t u) -> std::optional<std::size_t> {
      for (auto before = u; before-- > 0;)
        if (device_of(before)) return before;
      for (auto after = u + 1; after < units_.size(); ++after)
        if (device_of(after)) return after;
      return std::nullopt;
    };
    for (std::size_t u = 0; u < units_.size(); ++u) {
      if (device_of(u)) continue;
      std::string device = "0";
      if (auto const beside = neighbour(u)) {
        auto const entry = std::ranges::find(map.modules, written(*beside), &mapped_module::module);
        if (entry != map.modules.end() && entry->devices.size() == 1) device = gpuplace::to_string(entry->devices.front());
      }
      add(units_[u].name, device);
    }
    return text + "}";
  }

  struct held_unit {
    std::size_t unit, depth;
  };
  struct text_hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  std::span<unit const> units_;
  std::vector<placement> placed_;
  std::unordered_map<std::string_view, std::size_t> unit_of_;
  std::unordered_map<std::string, std::vector<held_unit>, text_hash, std::equal_to<>> modules_;
  std::unordered_map<std::size_t, part_of_unit> parts_;
};

}  // namespace gpuplace::detail
