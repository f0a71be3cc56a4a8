#pragma once
/// @file
/// From the JSON of a plan to the plan, with every slip of a hand that edited it as an error of its own.

#include <gpuplace/core/device_id.hpp>
#include <gpuplace/plan/detail/plan_fields.hpp>
#include <gpuplace/plan/plan.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::detail {

inline constexpr std::int64_t largest_token_count = std::int64_t{1} << 40;

inline result<device_id> read_device_id(plan_fields& from, char const* key) {
  GPUPLACE_TRY(auto const text, from.text(key));
  auto id = parse_device_id(text);
  if (!id) return from.at(key).refuse(errc::malformed, id.error().what, id.error().remedy);
  return *std::move(id);
}

inline result<planned_device> read_device(nlohmann::json const& value, json_place const& at) {
  GPUPLACE_TRY(auto from, plan_fields::of(value, at));
  planned_device d;
  GPUPLACE_TRY(d.id, read_device_id(from, "id"));
  GPUPLACE_TRY(auto const host, from.text_or_empty("host"));
  if (!host.empty() && host != d.id.host)
    return from.at("host").refuse(errc::malformed, "is '" + host + "', but the device is '" + to_string(d.id) + "'",
                                  "write the host in both, as in \"id\": \"" + host + "/cuda:0\", or set \"host\" to null");
  GPUPLACE_TRY(d.name, from.text_or_empty("name"));
  GPUPLACE_TRY(d.uuid, from.text_or_empty("uuid"));
  GPUPLACE_TRY(d.pci, from.text_or_empty("pci"));
  GPUPLACE_TRY(d.physical_index, from.small_or("physical_index", -1, -1));
  GPUPLACE_TRY(d.capacity_bytes, from.amount("capacity_bytes"));
  GPUPLACE_TRY(d.used_bytes, from.amount_or_zero("used_bytes"));
  d.extra = from.rest();
  return d;
}

inline result<stage> read_stage(nlohmann::json const& value, json_place const& at, std::set<device_id> const& devices) {
  GPUPLACE_TRY(auto from, plan_fields::of(value, at));
  stage s;
  GPUPLACE_TRY(s.device, read_device_id(from, "device"));
  if (!devices.contains(s.device))
    return from.at("device").refuse(errc::not_found, "'" + to_string(s.device) + "' is not in \"devices\"",
                                    "name a device of that list, or add this one to it with its capacity_bytes");
  GPUPLACE_TRY(s.units, from.texts("units"));
  if (s.units.empty()) return from.at("units").refuse(errc::malformed, "is empty", "name the stage's units, or remove the stage");
  GPUPLACE_TRY(s.weight_bytes, from.amount("weight_bytes"));
  GPUPLACE_TRY(s.kv_bytes, from.amount("kv_bytes"));
  GPUPLACE_TRY(s.kv_pool_bytes, from.amount("kv_pool_bytes"));
  if (s.kv_pool_bytes < s.kv_bytes)
    return from.at("kv_pool_bytes")
        .refuse(errc::malformed, "is less than kv_bytes, which must fit into it",
                "write at least " + std::to_string(s.kv_bytes.count()));
  GPUPLACE_TRY(s.workspace_bytes, from.amount("workspace_bytes"));
  GPUPLACE_TRY(s.tensor_parallel, from.small_or("tensor_parallel", 1, 1));
  s.extra = from.rest();
  return s;
}

/// No unit is in a replica twice. Whether all of the model's are there, only who knows the model can say.
inline result<void> check_units_once(replica const& r, json_place const& stages) {
  std::map<std::string_view, std::string> seen;
  for (std::size_t s = 0; s < r.stages.size(); ++s) {
    auto const stage_place = stages.at(s);
    auto const units = stage_place.at("units");
    for (std::size_t u = 0; u < r.stages[s].units.size(); ++u) {
      auto const& name = r.stages[s].units[u];
      auto const here = units.at(u);
      if (name.empty()) return here.refuse(errc::malformed, "is empty", "write the name of a unit, such as model.layers.0");
      auto const [before, first] = seen.emplace(name, here.path());
      if (!first)
        return here.refuse(errc::malformed, "'" + name + "' is already at " + before->second, "leave it in one of the two stages");
    }
  }
  return {};
}

/// The most units that the copies of a model may hold together: a file of a megabyte must not become gigabytes of memory.
inline constexpr std::size_t most_planned_units = 4'000'000;

/// The further replicas that an entry stands for, each by the devices of its stages.
/// @param units  of all copies so far
inline result<void> read_copies(plan_fields& from, std::set<device_id> const& devices, std::vector<replica>& replicas,
                                std::size_t& units) {
  if (!from.find("copies")) return {};
  GPUPLACE_TRY(auto const* const copies, from.list("copies"));
  auto const place = from.at("copies");
  std::size_t own = 0;
  for (auto const& s : replicas.back().stages) own += s.units.size();
  units += copies->size() * own;
  if (units > most_planned_units)
    return place.refuse(errc::unsupported, "makes more than " + std::to_string(most_planned_units) + " units in all",
                        "plan for fewer replicas");
  auto const original = replicas.back();
  replicas.reserve(replicas.size() + copies->size());
  for (std::size_t i = 0; i < copies->size(); ++i) {
    auto const here = place.at(i);
    auto const& named = (*copies)[i];
    if (!named.is_array() || named.size() != original.stages.size())
      return here.refuse(errc::malformed, "is no list of as many devices as the entry has stages",
                         "write " + std::to_string(original.stages.size()) + " devices, in the order of the stages");
    auto& copy = replicas.emplace_back(original);
    for (std::size_t s = 0; s < named.size(); ++s) {
      if (!named[s].is_string())
        return here.at(s).refuse(errc::malformed, "is " + shown(named[s]) + ", not a string", "write it in quotes");
      auto id = parse_device_id(named[s].get_ref<std::string const&>());
      if (!id) return here.at(s).refuse(errc::malformed, id.error().what, id.error().remedy);
      if (!devices.contains(*id))
        return here.at(s).refuse(errc::not_found, "'" + to_string(*id) + "' is not in \"devices\"", "name a device of that list");
      copy.stages[s].device = *std::move(id);
    }
  }
  return {};
}

/// Reads an entry and adds the replicas that it stands for.
inline result<void> read_replica(nlohmann::json const& value, json_place const& at, std::set<device_id> const& devices,
                                 std::vector<replica>& replicas, std::size_t& copied_units) {
  GPUPLACE_TRY(auto from, plan_fields::of(value, at));
  replica r;
  GPUPLACE_TRY(r.group, from.text_or_empty("group"));
  GPUPLACE_TRY(r.rank, from.small_or("rank", 0, 0));
  GPUPLACE_TRY(r.adapters, from.texts_or_none("adapters"));
  GPUPLACE_TRY(r.endpoint, from.text_or_empty("endpoint"));
  GPUPLACE_TRY(r.micro_batches, from.small_or("micro_batches", 1, 1));
  GPUPLACE_TRY(auto const* const stages, from.list("stages"));
  auto const place = from.at("stages");
  if (stages->empty())
    return place.refuse(errc::malformed, "is empty", "a replica has at least one stage; remove the replica or give it one");
  for (std::size_t i = 0; i < stages->size(); ++i) {
    GPUPLACE_TRY(auto s, read_stage((*stages)[i], place.at(i), devices));
    r.stages.push_back(std::move(s));
  }
  GPUPLACE_CHECK(check_units_once(r, place));
  (void)from.find("copies");
  r.extra = from.rest();
  replicas.push_back(std::move(r));
  return read_copies(from, devices, replicas, copied_units);
}

/// `dtype` is what is computed with, `quantization` how weights are stored where that differs.
inline result<dtype> read_type(plan_fields& from) {
  GPUPLACE_TRY(auto const computed, from.text("dtype"));
  GPUPLACE_TRY(auto const quantized, from.text_or_empty("quantization"));
  auto const type = parse_dtype(computed);
  if (!type || is_quantized(*type))
    return from.at("dtype").refuse(errc::malformed, "is '" + computed + "', not a format to compute with",
                                   "write bf16, fp16 or fp32 here, and int8 or int4 under \"quantization\"");
  if (quantized.empty()) return *type;
  auto const stored = parse_dtype(quantized);
  if (!stored || !is_quantized(*stored))
    return from.at("quantization").refuse(errc::malformed, "is '" + quantized + "'", "write \"int8\", \"int4\" or null");
  if (compute_dtype(*stored) != *type)
    return from.at("dtype").refuse(
        errc::unsupported, "is '" + computed + "' with quantised weights",
        "weights in " + quantized + " are computed with in " + std::string(to_string(compute_dtype(*stored))));
  return *stored;
}

inline result<model_plan> read_model(nlohmann::json const& value, json_place const& at, std::set<device_id> const& devices) {
  GPUPLACE_TRY(auto from, plan_fields::of(value, at));
  model_plan m;
  GPUPLACE_TRY(m.name, from.text_or_empty("name"));
  GPUPLACE_TRY(m.role, from.text("role"));
  GPUPLACE_TRY(m.source, from.text_or_empty("source"));
  GPUPLACE_TRY(m.fingerprint, from.text_or_empty("fingerprint"));
  GPUPLACE_TRY(m.type, read_type(from));
  GPUPLACE_TRY(m.context, from.whole("context", 0, largest_token_count));
  GPUPLACE_TRY(m.batch, from.whole("batch", 0, largest_token_count));
  GPUPLACE_TRY(auto const how, from.text_or_empty("coupling"));
  if (how != "" && how != to_string(coupling::independent) && how != to_string(coupling::speculative))
    return from.at("coupling").refuse(errc::malformed, "is '" + how + "'", "write \"independent\" or \"speculative\"");
  m.how = how == to_string(coupling::speculative) ? coupling::speculative : coupling::independent;
  GPUPLACE_TRY(m.tied_embeddings, from.flag_or("tied_embeddings", false));
  GPUPLACE_TRY(auto const head, from.text_or_empty("tied_head"));
  if (head != "" && head != "shared" && head != "copied")
    return from.at("tied_head").refuse(errc::malformed, "is '" + head + "'", "write \"shared\" or \"copied\"");
  m.head = head == "shared" ? tied_head::shared : tied_head::copied;
  GPUPLACE_TRY(auto const* const replicas, from.list("replicas"));
  auto const place = from.at("replicas");
  std::size_t copied_units = 0;
  if (replicas->empty())
    return place.refuse(errc::malformed, "is empty", "a model has at least one replica; remove the model or give it one");
  for (std::size_t i = 0; i < replicas->size(); ++i) {
    GPUPLACE_CHECK(read_replica((*replicas)[i], place.at(i), devices, m.replicas, copied_units));
  }
  m.extra = from.rest();
  return m;
}

inline result<model_prediction> read_prediction(nlohmann::json const& value, json_place const& at) {
  GPUPLACE_TRY(auto from, plan_fields::of(value, at));
  model_prediction p;
  GPUPLACE_TRY(p.role, from.text("role"));
  GPUPLACE_TRY(auto const decode, from.number_or_zero("decode_step_s"));
  GPUPLACE_TRY(auto const prefill, from.number_or_zero("prefill_s"));
  GPUPLACE_TRY(p.tokens_per_second, from.number_or_zero("tokens_per_second"));
  p.decode_step = seconds{decode};
  p.prefill = seconds{prefill};
  p.extra = from.rest();
  return p;
}

inline result<void> read_predicted(nlohmann::json const* value, json_place const& at, plan& p) {
  if (!value) return {};
  GPUPLACE_TRY(auto from, plan_fields::of(*value, at));
  if (from.find("models")) {
    GPUPLACE_TRY(auto const* const models, from.list("models"));
    auto const place = from.at("models");
    for (std::size_t i = 0; i < models->size(); ++i) {
      GPUPLACE_TRY(auto one, read_prediction((*models)[i], place.at(i)));
      p.predicted.push_back(std::move(one));
    }
  }
  p.predicted_extra = from.rest();
  return {};
}

inline result<std::set<device_id>> read_devices(plan_fields& from, plan& p) {
  GPUPLACE_TRY(auto const* const devices, from.list("devices"));
  auto const place = from.at("devices");
  std::set<device_id> known;
  for (std::size_t i = 0; i < devices->size(); ++i) {
    GPUPLACE_TRY(auto d, read_device((*devices)[i], place.at(i)));
    if (!known.insert(d.id).second)
      return place.at(i).refuse(errc::malformed, "'" + to_string(d.id) + "' is listed twice", "remove one of the two");
    p.devices.push_back(std::move(d));
  }
  return known;
}

inline result<plan> read_plan_json(nlohmann::json const& value, std::string const& file) {
  json_place const at{file};
  GPUPLACE_TRY(auto from, plan_fields::of(value, at));
  plan p;
  GPUPLACE_TRY(p.schema, from.text("schema"));
  if (p.schema != plan::current_schema)
    return from.at("schema").refuse(
        errc::unsupported, "is '" + p.schema + "', which this version does not read",
        "it reads '" + std::string(plan::current_schema) + "': make the plan anew, or use the version that wrote it");
  GPUPLACE_TRY(auto const devices, read_devices(from, p));
  GPUPLACE_TRY(auto const* const models, from.list("models"));
  auto const place = from.at("models");
  for (std::size_t i = 0; i < models->size(); ++i) {
    GPUPLACE_TRY(auto m, read_model((*models)[i], place.at(i), devices));
    p.models.push_back(std::move(m));
  }
  GPUPLACE_CHECK(read_predicted(from.find("predicted"), from.at("predicted"), p));
  GPUPLACE_TRY(p.notes, from.texts_or_none("notes"));
  p.extra = from.rest();
  return p;
}

}  // namespace gpuplace::detail
