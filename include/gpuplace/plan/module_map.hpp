#pragma once
/// @file
/// A `device_map` that was read: modules and the devices they are to be on. read_device_map.hpp reads one.

#include <gpuplace/core/device_id.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

/// A device as a map names it.
struct mapped_device {
  enum class form {
    id,      ///< `cuda:1`: the device of this name
    number,  ///< `1`: the device of this number, whatever its kind
    cpu,     ///< `cpu`: CPU cores, where there is only one slot of them
  };
  device_id id;
  form how = form::id;

  friend bool operator==(mapped_device const&, mapped_device const&) = default;
};

/// The device as a map writes it: `0`, `"cuda:1"`, `"cpu"`.
inline std::string to_string(mapped_device const& d) {
  if (d.how == mapped_device::form::number) return std::to_string(d.id.index);
  return d.how == mapped_device::form::cpu ? "\"cpu\"" : '"' + to_string(d.id) + '"';
}

/// One entry of a map: a module and all that is in it. Only `""`, the whole model, may be spread over several devices.
struct mapped_module {
  std::string module;
  std::vector<mapped_device> devices;

  friend bool operator==(mapped_module const&, mapped_module const&) = default;
};

/// A `device_map`: the name of a partition (`sequential`), or modules with their devices, of which the innermost counts.
struct module_map {
  std::string partition{};
  std::vector<mapped_module> modules{};

  friend bool operator==(module_map const&, module_map const&) = default;
};

namespace detail {

/// Names that other versions of transformers and other model families have for the modules of a chain.
struct module_alias {
  std::string_view theirs, ours;
};
inline constexpr std::array<module_alias, 10> module_aliases{{{"model.language_model.lm_head", "lm_head"},
                                                              {"language_model.lm_head", "lm_head"},
                                                              {"language_model.model", "model.language_model"},
                                                              {"model.language_model.model", "model.language_model"},
                                                              {"model.visual", "visual"},
                                                              {"transformer.wte", "model.embed_tokens"},
                                                              {"transformer.h", "model.layers"},
                                                              {"transformer.ln_f", "model.norm"},
                                                              {"transformer.rotary_emb", "model.rotary_emb"},
                                                              {"transformer", "model"}}};

/// Whether `name` is `module` or in it.
constexpr bool within(std::string_view name, std::string_view module) {
  return name.starts_with(module) && (name.size() == module.size() || module.empty() || name[module.size()] == '.');
}

/// A module's name as units have it. `model.language_model` stays where it stands for the language model as a whole.
inline std::string canonical_module(std::string_view name) {
  constexpr std::string_view adapted = "base_model.model.", language = "model.language_model.";
  if (name.starts_with(adapted)) name.remove_prefix(adapted.size());
  std::string made(name);
  for (auto const& [theirs, ours] : module_aliases)
    if (within(made, theirs)) {
      made = std::string(ours) + made.substr(theirs.size());
      break;
    }
  return made.starts_with(language) ? "model." + made.substr(language.size()) : made;
}

/// Calls `use` with the modules that hold a unit, the unit itself first and "" last, until it says true.
/// `model` holds the vision tower too, as transformers nests it today; `model.language_model` only the rest.
template <class Use>
bool any_holder(std::string_view unit, Use use) {
  auto part = unit;
  for (;; part = part.substr(0, part.rfind('.'))) {
    if (part == "model") break;
    if (use(part)) return true;
    if (part.find('.') == part.npos) break;
  }
  if (part == "visual") return use(std::string_view("model")) || use(std::string_view());
  bool const in_model = part == "model";
  if (in_model && use(std::string_view("model.language_model"))) return true;
  if ((in_model || part == "lm_head") && use(std::string_view("language_model"))) return true;
  return (in_model && use(std::string_view("model"))) || use(std::string_view());
}

}  // namespace detail

}  // namespace gpuplace
