#pragma once
/// @file
/// A plan as the `device_map` that Hugging Face's transformers loads a model with.

#include <gpuplace/core/result.hpp>
#include <gpuplace/plan/plan.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplace {

/// Which part of a plan to write.
struct device_map_choice {
  std::string role{};       ///< the one model; empty: all
  std::size_t replica = 0;  ///< of each model
};

namespace detail {

/// transformers keeps the language model of a vision model one level down, and its vision tower under `model.`.
inline std::string module_name(std::string const& unit, bool has_vision) {
  if (!has_vision) return unit;
  if (unit.starts_with("visual.")) return "model." + unit;
  constexpr std::string_view inner = "model.language_model.";
  return unit.starts_with("model.") && !unit.starts_with(inner) ? std::string(inner) + unit.substr(6) : unit;
}

/// A GPU by its number; transformers knows only one CPU.
inline nlohmann::ordered_json module_device(device_id const& id) {
  return id.kind == device_kind::cuda ? nlohmann::ordered_json(id.index) : nlohmann::ordered_json("cpu");
}

inline result<void> check_one_process(replica const& r, std::string const& where) {
  for (auto const& s : r.stages) {
    if (s.device.host != r.stages.front().device.host)
      return error{errc::unsupported, "is on several hosts, and transformers loads a model in one process", where,
                   "plan it on the devices of one host, or use --format json"};
    if (s.tensor_parallel > 1)
      return error{errc::unsupported, "splits layers over devices (tensor parallel), and a device_map has whole modules only",
                   where, "plan it without tensor parallelism, or use --format json"};
  }
  return {};
}

/// The device of the unit whose name ends in `tail`, or null.
inline device_id const* device_of(replica const& r, std::string_view tail) {
  for (auto const& s : r.stages)
    for (auto const& u : s.units)
      if (u == tail || u.ends_with('.' + std::string(tail))) return &s.device;
  return nullptr;
}

}  // namespace detail

/// The complete module map of one replica, in the order of its chain: a number for a GPU, "cpu" for CPU cores.
/// `rotary_emb`, which holds no weights, is named beside the embedding: transformers leaves it on the CPU otherwise. A tied head
/// goes where the embedding is, whatever the plan says: transformers keeps one copy of a tied weight and cannot run the two
/// ends of a model on different devices then (seen with transformers 5.17 on two GPUs).
/// Errors:     errc::not_found (no such replica), errc::unsupported (several hosts, tensor parallel)
inline result<nlohmann::ordered_json> to_device_map(model_plan const& m, std::size_t replica_number = 0) {
  if (replica_number >= m.replicas.size())
    return error{errc::not_found, "has no replica " + std::to_string(replica_number), m.role,
                 "it has " + std::to_string(m.replicas.size())};
  auto const& r = m.replicas[replica_number];
  GPUPLACE_CHECK(detail::check_one_process(r, m.role + ", replica " + std::to_string(replica_number)));
  auto const* const embedding = detail::device_of(r, "embed_tokens");
  bool has_vision = false;
  for (auto const& s : r.stages)
    for (auto const& u : s.units) has_vision = has_vision || u.starts_with("visual.");

  auto map = nlohmann::ordered_json::object();
  for (auto const& s : r.stages)
    for (auto const& u : s.units) {
      auto const name = detail::module_name(u, has_vision);
      bool const follows = m.tied_embeddings && embedding && u == "lm_head";
      map[name] = detail::module_device(follows ? *embedding : s.device);
      if (u == "visual.patch_embed") map["model.visual.rotary_pos_emb"] = detail::module_device(s.device);
      constexpr std::string_view tail = "embed_tokens";
      if (name.ends_with(tail)) map[name.substr(0, name.size() - tail.size()) + "rotary_emb"] = detail::module_device(s.device);
    }
  return {boost::system::in_place_value, std::move(map)};
}

/// The map of the chosen model; without a role the map of the only one, or of several an object with one map a role.
/// Errors:     errc::not_found (no such role or replica), errc::invalid_argument (two models of one role), errc::unsupported
inline result<nlohmann::ordered_json> to_device_map(plan const& p, device_map_choice const& choice = {}) {
  std::string roles;
  auto maps = nlohmann::ordered_json::object();
  for (auto const& m : p.models) {
    roles += (roles.empty() ? "" : ", ") + m.role;
    if (!choice.role.empty() && m.role != choice.role) continue;
    GPUPLACE_TRY(auto map, to_device_map(m, choice.replica));
    if (!choice.role.empty() || p.models.size() == 1) return {boost::system::in_place_value, std::move(map)};
    if (maps.contains(m.role))
      return error{
          errc::invalid_argument, "two models have the role '" + m.role + "'", {}, "give each model of the plan a role of its own"};
    maps[m.role] = std::move(map);
  }
  if (!choice.role.empty())
    return error{errc::not_found,
                 "the plan has no model with the role '" + choice.role + "'",
                 {},
                 roles.empty() ? "it has no models" : "it has " + roles};
  return {boost::system::in_place_value, std::move(maps)};
}

}  // namespace gpuplace
