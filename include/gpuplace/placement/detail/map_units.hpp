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
#include <functional>
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
    for (std::size_t i = 0; i < std::min(group_->size(), most_named); ++i)
      there += (i ? ", " : "") + gpuplace::to_string((*group_)[i].id);
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
    return at < group_->size() &&
           (d.how == mapped_device::form::number || ((*group_)[at].id.kind == d.id.kind && d.id.host.empty()));
  }
  result<std::size_t> cpu_slot(std::string const& module) const {
    auto const is_cpu = [](device const& d) { return d.id.kind == device_kind::cpu; };
    auto const slots = std::count_if(group_->begin(), group_->end(), is_cpu);
    if (slots == 1) return static_cast<std::size_t>(std::find_if(group_->begin(), group_->end(), is_cpu) - group_->begin());
    if (slots > 1)
      return error{errc::invalid_argument, "'cpu' may be any of " + std::to_string(slots) + " CPU slots", where(module),
                   "name one, such as cpu:0"};
    return error{errc::unsupported, "'cpu' asks for weights that wait in host memory, which gpuplace does not do", where(module),
                 "place the module on a device; a smaller --dtype or one more device makes room"};
  }

  device_group const* group_;
  bool by_position_ = false;
};

/// Modules inside a unit that transformers has, and the words for a weight itself.
inline bool is_part_of_unit(std::string_view part) {
  constexpr std::array<std::string_view, 16> parts{"weight",
                                                   "bias",
                                                   "self_attn",
                                                   "attn",
                                                   "mlp",
                                                   "norm1",
                                                   "norm2",
                                                   "ln_q",
                                                   "proj",
                                                   "ln_1",
                                                   "ln_2",
                                                   "input_layernorm",
                                                   "layer_norm",
                                                   "post_attention_layernorm",
                                                   "pre_feedforward_layernorm",
                                                   "post_feedforward_layernorm"};
  return std::ranges::find(parts, part.substr(0, part.find('.'))) != parts.end();
}

/// Where each unit goes; the innermost entry that holds it decides.
class unit_assignment {
public:
  explicit unit_assignment(std::span<unit const> units) : units_(units), device_(units.size()), said_by_(units.size()) {}

  /// Units [first, last) of the whole model, which any other entry overrides.
  void spread(std::size_t first, std::size_t last, std::size_t device) {
    for (auto u = first; u < last; ++u) device_[u] = device;
  }

  /// An entry with its device, to be looked up by place_units().
  result<void> add(mapped_module const& entry, std::size_t device) {
    auto module = canonical_module(entry.module);
    if (holds_no_weights(module)) return {};
    auto const [known, added] = targets_.emplace(std::move(module), target{&entry, device});
    if (added || known->second.device == device) return {};
    return error{errc::invalid_argument,
                 "'" + known->second.entry->module + "' and '" + entry.module + "' are one module on two devices", "device_map",
                 "leave one of them out"};
  }

  /// One stage for each run of units on one device.
  result<stages> stages_of(module_map const& map) {
    place_units();
    GPUPLACE_CHECK(place_parts());
    stages spans;
    for (std::size_t u = 0; u < units_.size(); ++u) {
      if (!device_[u]) return incomplete(map);
      if (!spans.empty() && spans.back().device == *device_[u]) ++spans.back().last;
      else spans.push_back({.device = *device_[u], .first = u, .last = u + 1});
    }
    return spans;
  }

private:
  struct target {
    mapped_module const* entry = nullptr;
    std::size_t device = 0;
    bool holds_units = false;
  };
  struct text_hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  static bool holds_no_weights(std::string_view module) {
    auto const last = module.substr(module.rfind('.') + 1);
    return last == "rotary_emb" || last == "rotary_pos_emb";
  }

  void place_units() {
    for (std::size_t u = 0; u < units_.size(); ++u)
      any_holder(units_[u].name, [&](std::string_view holder) {
        auto const found = targets_.find(holder);
        if (found == targets_.end()) return false;
        found->second.holds_units = true;
        if (!said_by_[u]) device_[u] = found->second.device, said_by_[u] = found->second.entry;
        return false;
      });
  }

  /// Entries below a unit: the unit goes there if nothing else says where, and must not be cut.
  result<void> place_parts() {
    for (auto const& [module, to] : targets_) {
      if (to.holds_units) continue;
      auto const whole = unit_around(module);
      if (!whole) return unknown(to.entry->module, module);
      auto& device = device_[*whole];
      if (device && *device != to.device)
        return error{errc::unsupported,
                     "the map cuts " + units_[*whole].name + ": a part of it, '" + to.entry->module +
                         "', is on another device than the rest",
                     "device_map", "a layer stays whole on one device: leave its parts out of the map"};
      device = to.device;
      if (!said_by_[*whole]) said_by_[*whole] = to.entry;
    }
    return {};
  }

  std::optional<std::size_t> unit_around(std::string_view module) const {
    for (std::size_t u = 0; u < units_.size(); ++u) {
      std::string_view const name = units_[u].name;
      if (module.size() > name.size() && within(module, name) && is_part_of_unit(module.substr(name.size() + 1))) return u;
    }
    return std::nullopt;
  }

  error unknown(std::string const& written, std::string_view module) const {
    std::string remedy = "modules are named as transformers names them: model.embed_tokens, model.layers.0, model.norm, lm_head";
    constexpr std::string_view layers = "model.layers.";
    if (module.starts_with(layers) && module.find_first_not_of("0123456789", layers.size()) == module.npos) {
      auto const count = std::ranges::count_if(units_, [](unit const& u) { return u.kind == unit_kind::decoder_layer; });
      remedy = "the model has layers 0 to " + std::to_string(count - 1);
    } else {
      std::vector<std::string_view> names;
      for (auto const& u : units_)
        any_holder(u.name, [&](std::string_view holder) {
          if (std::ranges::find(names, holder) == names.end()) names.push_back(holder);
          return false;
        });
      if (auto const nearest = nearest_name(module, names); !nearest.empty())
        remedy = "did you mean '" + std::string(nearest) + "'?";
    }
    return {errc::not_found, "the model has no module '" + written + "'", "device_map", std::move(remedy)};
  }

  error incomplete(module_map const& map) const {
    std::vector<std::size_t> missing;
    for (std::size_t u = 0; u < units_.size(); ++u)
      if (!device_[u]) missing.push_back(u);
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
    for (auto const& m : map.modules)
      add(m.module, gpuplace::to_string(m.devices.front()));  // of several it would not be incomplete
    for (std::size_t u = 0; u < units_.size(); ++u) {
      if (device_[u]) continue;
      auto const* const beside = neighbour_of(u);
      add(units_[u].name, beside ? gpuplace::to_string(beside->devices.front()) : "0");
    }
    return text + "}";
  }

  /// The entry that places the nearest unit before `u`, or else behind it.
  mapped_module const* neighbour_of(std::size_t u) const {
    for (auto before = u; before-- > 0;)
      if (said_by_[before]) return said_by_[before];
    for (auto after = u + 1; after < units_.size(); ++after)
      if (said_by_[after]) return said_by_[after];
    return nullptr;
  }

  std::span<unit const> units_;
  std::vector<std::optional<std::size_t>> device_;
  std::vector<mapped_module const*> said_by_;
  std::unordered_map<std::string, target, text_hash, std::equal_to<>> targets_;
};

}  // namespace gpuplace::detail
