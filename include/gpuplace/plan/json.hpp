#pragma once
/// @file
/// A plan as JSON, in and out: stored, edited by hand, carried to another machine. docs/plan.schema.json is its schema.

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/json_file.hpp>
#include <gpuplace/plan/detail/json_text.hpp>
#include <gpuplace/plan/detail/plan_reader.hpp>
#include <gpuplace/plan/plan.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplace {

namespace detail {

using ordered = nlohmann::ordered_json;

inline ordered text_or_null(std::string const& text) { return text.empty() ? ordered(nullptr) : ordered(text); }

/// JSON has no infinity: what is not a number is not known.
inline ordered number_or_null(double number) { return std::isfinite(number) ? ordered(number) : ordered(nullptr); }

/// Unknown keys come after the known ones, which they never replace; text that is no JSON is kept as a string.
inline ordered with_extra(ordered object, unknown_keys const& extra) {
  for (auto const& [key, text] : extra) {
    if (object.contains(key)) continue;
    auto value = parse_strict_json(text, key);
    object[key] = value ? ordered::parse(dump_compact(*value)) : ordered(text);
  }
  return object;
}

inline ordered stage_json(stage const& s) {
  return with_extra({{"device", to_string(s.device)},
                     {"units", s.units},
                     {"weight_bytes", s.weight_bytes.count()},
                     {"kv_bytes", s.kv_bytes.count()},
                     {"kv_pool_bytes", s.kv_pool_bytes.count()},
                     {"workspace_bytes", s.workspace_bytes.count()},
                     {"tensor_parallel", s.tensor_parallel}},
                    s.extra);
}

/// @param copies  further replicas that differ from `r` in nothing but their devices
inline ordered replica_json(replica const& r, std::span<replica const> copies = {}) {
  auto stages = ordered::array();
  for (auto const& s : r.stages) stages.push_back(stage_json(s));
  ordered object{{"group", text_or_null(r.group)},   {"rank", r.rank},
                 {"adapters", r.adapters},           {"endpoint", text_or_null(r.endpoint)},
                 {"micro_batches", r.micro_batches}, {"stages", std::move(stages)}};
  for (auto const& copy : copies) {
    auto devices = ordered::array();
    for (auto const& s : copy.stages) devices.push_back(to_string(s.device));
    object["copies"].push_back(std::move(devices));
  }
  return with_extra(std::move(object), r.extra);
}

/// Up to this many replicas of a model have an entry each.
inline constexpr std::size_t most_single_replicas = 256;

inline bool equal_but_for_device(stage const& a, stage const& b) {
  return a.units == b.units && a.weight_bytes == b.weight_bytes && a.kv_bytes == b.kv_bytes && a.kv_pool_bytes == b.kv_pool_bytes &&
         a.workspace_bytes == b.workspace_bytes && a.tensor_parallel == b.tensor_parallel && a.extra == b.extra;
}

inline bool equal_but_for_devices(replica const& a, replica const& b) {
  return a.group == b.group && a.rank == b.rank && a.adapters == b.adapters && a.endpoint == b.endpoint &&
         a.micro_batches == b.micro_batches && a.extra == b.extra &&
         std::equal(a.stages.begin(), a.stages.end(), b.stages.begin(), b.stages.end(), equal_but_for_device);
}

inline ordered replicas_json(std::span<replica const> replicas) {
  auto list = ordered::array();
  bool const many = replicas.size() > most_single_replicas;
  for (std::size_t i = 0; i < replicas.size();) {
    auto next = i + 1;
    while (many && next < replicas.size() && equal_but_for_devices(replicas[i], replicas[next])) ++next;
    list.push_back(replica_json(replicas[i], replicas.subspan(i + 1, next - i - 1)));
    i = next;
  }
  return list;
}

inline ordered model_json(model_plan const& m) {
  return with_extra({{"name", m.name},
                     {"role", m.role},
                     {"source", text_or_null(m.source)},
                     {"fingerprint", text_or_null(m.fingerprint)},
                     {"dtype", to_string(compute_dtype(m.type))},
                     {"quantization", is_quantized(m.type) ? ordered(to_string(m.type)) : ordered(nullptr)},
                     {"context", m.context},
                     {"batch", m.batch},
                     {"coupling", to_string(m.how)},
                     {"tied_embeddings", m.tied_embeddings},
                     {"tied_head", m.head == tied_head::shared ? "shared" : "copied"},
                     {"replicas", replicas_json(m.replicas)}},
                    m.extra);
}

inline ordered device_json(planned_device const& d) {
  return with_extra({{"id", to_string(d.id)},
                     {"host", text_or_null(d.id.host)},
                     {"name", text_or_null(d.name)},
                     {"uuid", text_or_null(d.uuid)},
                     {"pci", text_or_null(d.pci)},
                     {"physical_index", d.physical_index < 0 ? ordered(nullptr) : ordered(d.physical_index)},
                     {"capacity_bytes", d.capacity_bytes.count()},
                     {"used_bytes", d.used_bytes.count()}},
                    d.extra);
}

inline ordered predicted_json(plan const& p) {
  auto models = ordered::array();
  for (auto const& one : p.predicted)
    models.push_back(with_extra({{"role", one.role},
                                 {"decode_step_s", number_or_null(one.decode_step.count())},
                                 {"prefill_s", number_or_null(one.prefill.count())},
                                 {"tokens_per_second", number_or_null(one.tokens_per_second)}},
                                one.extra));
  return with_extra({{"models", std::move(models)}}, p.predicted_extra);
}

}  // namespace detail

/// The plan as JSON with its keys in the documented order, known ones first. Of up to 256 replicas each has its own entry; of
/// more, neighbours that differ only in their devices share one, whose `copies` lists the devices of the others.
inline nlohmann::ordered_json to_json(plan const& p) {
  auto models = detail::ordered::array();
  for (auto const& m : p.models) models.push_back(detail::model_json(m));
  auto devices = detail::ordered::array();
  for (auto const& d : p.devices) devices.push_back(detail::device_json(d));
  return detail::with_extra({{"schema", p.schema},
                             {"models", std::move(models)},
                             {"devices", std::move(devices)},
                             {"predicted", detail::predicted_json(p)},
                             {"notes", p.notes}},
                            p.extra);
}

/// The text of a plan's file, with a line feed at its end. Short lists stay on one line; a negative `indent` gives one line in all.
inline std::string to_json_text(plan const& p, int indent = 2) {
  std::string text;
  if (indent < 0) text = detail::dump_compact(to_json(p));
  else detail::append_json(text, to_json(p), indent, 0);
  return text += '\n';
}

/// Reads a plan's text; `where` is the file that errors name. What it cannot see without the model (a unit that is missing)
/// and without the machine (a device that is not there) is left to placement's validation.
/// Errors:     errc::malformed, errc::not_found (a stage on a device that is not listed), errc::unsupported (another schema);
///             each names the JSON path, such as `models[0].replicas[1].stages[2].device`
/// Shape:      parse_plan(to_json_text(p)) == p
inline result<plan> parse_plan(std::string_view json_text, std::string const& where = "plan") {
  GPUPLACE_TRY(auto const value, detail::parse_strict_json(json_text, where));
  return detail::read_plan_json(value, where);
}

/// Reads a plan's file.
/// Errors:     those of parse_plan, and errc::not_found, errc::unreadable
inline result<plan> read_plan(std::filesystem::path const& path) {
  GPUPLACE_TRY(auto const text, read_text_file(path));
  return parse_plan(text, path.string());
}

}  // namespace gpuplace
