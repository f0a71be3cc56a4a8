#pragma once
/// @file
/// A topology as JSON, and back.

#include <cmath>
#include <gpuplace/core/device_id.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/group.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplace::topology {

/// Up to so many devices the paths of every ordered pair are written; above, vertices and links.
inline constexpr std::size_t most_listed_pairs_of = 256;

/// Which of the two forms is written.
enum class json_form {
  automatic,  ///< paths up to `most_listed_pairs_of` devices, links above
  paths,      ///< the best path of every ordered pair
  links,      ///< vertices and links of the graph
};

namespace detail {

inline nlohmann::ordered_json device_to_json(device const& d) {
  nlohmann::ordered_json j{{"id", to_string(d.id)},
                           {"name", d.name},
                           {"host", d.id.host},
                           {"numa", d.numa},
                           {"memory_bytes", d.capacity.count()},
                           {"physical_index", d.physical_index},
                           {"memory_bandwidth_gb_s", d.memory_bandwidth.value()},
                           {"peak_bf16_tflops", d.peak_bf16.value()},
                           {"peak_fp32_tflops", d.peak_fp32.value()},
                           {"launch_us", microseconds(d.launch_cost).count()},
                           {"peer_to_peer", d.peer_to_peer}};
  if (d.from_host.value() > 0) j["from_host_gb_s"] = d.from_host.value();
  if (d.to_host.value() > 0) j["to_host_gb_s"] = d.to_host.value();
  if (d.free) j["free_bytes"] = d.free->count();
  if (d.cores > 0) j["cores"] = d.cores;
  if (!d.uuid.empty()) j["uuid"] = d.uuid;
  if (!d.pci.empty()) j["pci"] = d.pci;
  if (d.mig) j["mig"] = {{"gpu", d.mig->gpu}, {"gpu_instance", d.mig->gpu_instance}, {"compute_instance", d.mig->compute_instance}};
  for (auto const& owner : d.owners)
    j["owners"].push_back({{"pid", owner.pid}, {"name", owner.name}, {"used_bytes", owner.used.count()}});
  if (!d.note.empty()) j["note"] = d.note;
  return j;
}

inline nlohmann::ordered_json link_to_json(std::string from, std::string to, link const& l) {
  nlohmann::ordered_json j{{"from", std::move(from)}, {"to", std::move(to)}, {"kind", std::string(to_string(l.kind))}};
  if (l.kind == path_kind::none) return j;
  if (l.nvlinks > 0) j["nvlinks"] = l.nvlinks;
  j["bandwidth_gb_s"] = l.bandwidth.value();
  j["latency_us"] = l.latency.count();
  if (l.staged) j["staged"] = true;
  return j;
}

/// Reads one object's fields, remembers where it is, and says so when one is wrong.
class field_reader {
public:
  field_reader(nlohmann::json const& object, std::string where) : object_(object), where_(std::move(where)) {}

  /// The value of `key` as an object or list of its own; null where the key is absent.
  nlohmann::json const* part(char const* key) const {
    auto const at = object_.is_object() ? object_.find(key) : object_.end();
    return at == object_.end() ? nullptr : &*at;
  }
  std::string inside(char const* key) const { return where_ + "." + key; }

  error fail(std::string what) const { return {errc::malformed, std::move(what), where_, "see docs/topology.md for the format"}; }

  /// The value of `key`, or `fallback` where the key is absent; a key without fallback must be there.
  template <class T>
  result<T> get(char const* key, std::optional<T> fallback = std::nullopt) const {
    if (!object_.is_object()) return fail("an object is expected");
    auto const at = object_.find(key);
    if (at == object_.end()) return fallback ? result<T>(*fallback) : fail(std::string("\"") + key + "\" is missing");
    bool fits = false;
    if constexpr (std::is_same_v<T, std::string>) fits = at->is_string();
    else if constexpr (std::is_same_v<T, bool>) fits = at->is_boolean();
    else if constexpr (std::is_integral_v<T>) fits = at->is_number_integer();
    else fits = at->is_number() && std::isfinite(at->template get<double>());
    if (!fits) return fail(std::string("\"") + key + "\" is of the wrong type: " + at->dump().substr(0, 60));
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
      if (at->template get<double>() < (std::is_same_v<T, int> ? -1.0 : 0.0) ||
          at->template get<double>() > (std::is_same_v<T, int> ? 2e9 : 9e18))
        return fail(std::string("\"") + key + "\" is out of range: " + at->dump());
    return at->template get<T>();
  }

private:
  nlohmann::json const& object_;
  std::string where_;
};

/// MIG slice and owners of memory, which live machines have.
inline result<void> read_live_parts(device& d, field_reader const& in) {
  if (auto const* const part = in.part("mig")) {
    field_reader const mig(*part, in.inside("mig"));
    auto& slice = d.mig.emplace();
    GPUPLACE_TRY(slice.gpu, mig.get<std::string>("gpu", ""));
    GPUPLACE_TRY(slice.gpu_instance, mig.get<int>("gpu_instance", -1));
    GPUPLACE_TRY(slice.compute_instance, mig.get<int>("compute_instance", -1));
  }
  auto const* const owners = in.part("owners");
  if (owners == nullptr) return {};
  if (!owners->is_array()) return in.fail("\"owners\" must be a list");
  for (auto const& entry : *owners) {
    field_reader const owner(entry, in.inside("owners"));
    GPUPLACE_TRY(auto const pid, owner.get<int>("pid"));
    GPUPLACE_TRY(auto name, owner.get<std::string>("name", ""));
    GPUPLACE_TRY(auto const used, owner.get<std::int64_t>("used_bytes", 0));
    d.owners.push_back({pid, std::move(name), bytes{used}});
  }
  return {};
}

inline result<device> device_from_json(field_reader const& in, int position) {
  device d;
  GPUPLACE_TRY(auto const id, in.get<std::string>("id"));
  GPUPLACE_TRY(d.id, parse_device_id(id));
  GPUPLACE_TRY(auto const host, in.get<std::string>("host", d.id.host));
  if (host != d.id.host) return in.fail("\"host\" is '" + host + "', but the id is '" + id + "'");
  GPUPLACE_TRY(d.name, in.get<std::string>("name", ""));
  GPUPLACE_TRY(d.numa, in.get<int>("numa", -1));
  GPUPLACE_TRY(d.physical_index, in.get<int>("physical_index", position));
  GPUPLACE_TRY(auto const memory, in.get<std::int64_t>("memory_bytes"));
  d.capacity = bytes{memory};
  GPUPLACE_TRY(auto const free, in.get<std::int64_t>("free_bytes", -1));
  if (free >= 0) d.free = bytes{free};
  GPUPLACE_TRY(auto const bandwidth, in.get<double>("memory_bandwidth_gb_s", 0));
  d.memory_bandwidth = gigabytes_per_second{bandwidth};
  GPUPLACE_TRY(auto const from_host, in.get<double>("from_host_gb_s", 0));
  d.from_host = gigabytes_per_second{from_host};
  GPUPLACE_TRY(auto const to_host, in.get<double>("to_host_gb_s", 0));
  d.to_host = gigabytes_per_second{to_host};
  GPUPLACE_TRY(auto const bf16, in.get<double>("peak_bf16_tflops", 0));
  d.peak_bf16 = teraflops{bf16};
  GPUPLACE_TRY(auto const fp32, in.get<double>("peak_fp32_tflops", 0));
  d.peak_fp32 = teraflops{fp32};
  GPUPLACE_TRY(auto const launch, in.get<double>("launch_us", 0));
  d.launch_cost = microseconds{launch};
  GPUPLACE_TRY(d.peer_to_peer, in.get<bool>("peer_to_peer", true));
  GPUPLACE_TRY(d.cores, in.get<int>("cores", 0));
  GPUPLACE_TRY(d.uuid, in.get<std::string>("uuid", ""));
  GPUPLACE_TRY(d.pci, in.get<std::string>("pci", ""));
  GPUPLACE_TRY(d.note, in.get<std::string>("note", ""));
  GPUPLACE_CHECK(read_live_parts(d, in));
  return d;
}

inline result<link> link_from_json(field_reader const& in) {
  link l;
  GPUPLACE_TRY(auto const name, in.get<std::string>("kind"));
  auto const kind = parse_path_kind(name);
  if (!kind || *kind == path_kind::self) return in.fail("'" + name + "' is not a kind of link");
  l.kind = *kind;
  if (l.kind == path_kind::none) return l;
  GPUPLACE_TRY(auto const bandwidth, in.get<double>("bandwidth_gb_s"));
  if (bandwidth <= 0) return in.fail("\"bandwidth_gb_s\" must be above zero");
  l.bandwidth = gigabytes_per_second{bandwidth};
  GPUPLACE_TRY(auto const latency, in.get<double>("latency_us", 0));
  l.latency = microseconds{latency};
  GPUPLACE_TRY(l.nvlinks, in.get<int>("nvlinks", 0));
  GPUPLACE_TRY(l.staged, in.get<bool>("staged", false));
  return l;
}

inline std::string vertex_name(graph const& g, graph::vertex_descriptor v) {
  return g[v].kind == vertex_kind::device ? to_string(g.devices()[g[v].device].id) : "v" + std::to_string(v);
}

}  // namespace detail

/// `g` as JSON: `{"devices", "paths"}` with every ordered pair, or `{"devices", "vertices", "links"}`.
/// Shape:      n devices -> n (n - 1) paths, or as many links as the graph has
/// Complexity: O(n²) with paths, O(V + E) with links
inline nlohmann::ordered_json to_json(graph const& g, json_form form = json_form::automatic) {
  auto const count = g.devices().size();
  nlohmann::ordered_json j{{"devices", nlohmann::ordered_json::array()}};
  for (auto const& d : g.devices()) j["devices"].push_back(detail::device_to_json(d));
  if (!g.notes.empty()) j["notes"] = g.notes;
  if (form == json_form::paths || (form == json_form::automatic && count <= most_listed_pairs_of)) {
    auto& paths = j["paths"] = nlohmann::ordered_json::array();
    auto const group = all_devices(g);
    for (std::size_t a = 0; a < count; ++a)
      for (std::size_t b = 0; b < count; ++b)
        if (a != b) paths.push_back(detail::link_to_json(to_string(group[a].id), to_string(group[b].id), group.path(a, b)));
    return j;
  }
  auto& inner = j["vertices"] = nlohmann::ordered_json::array();
  for (std::size_t v = 0; v < num_vertices(g); ++v)
    if (g[v].kind != vertex_kind::device)
      inner.push_back({{"id", detail::vertex_name(g, v)},
                       {"kind", std::string(to_string(g[v].kind))},
                       {"name", g[v].name},
                       {"host", g[v].host},
                       {"numa", g[v].numa}});
  auto& links = j["links"] = nlohmann::ordered_json::array();
  for (auto [e, end] = edges(g); e != end; ++e)
    links.push_back(detail::link_to_json(detail::vertex_name(g, source(*e, g)), detail::vertex_name(g, target(*e, g)), g[*e]));
  return j;
}

namespace detail {

using names = std::map<std::string, graph::vertex_descriptor, std::less<>>;

inline result<graph::vertex_descriptor> end_of(field_reader const& in, char const* key, names const& known) {
  GPUPLACE_TRY(auto const name, in.get<std::string>(key));
  auto const at = known.find(name);
  if (at == known.end()) return in.fail("\"" + std::string(key) + "\": there is no '" + name + "'");
  return at->second;
}

/// Paths become links from device to device; the two directions of a pair must agree.
inline result<void> read_paths(graph& g, nlohmann::json const& paths, names const& known, std::string const& file) {
  std::map<std::pair<graph::vertex_descriptor, graph::vertex_descriptor>, link> pairs;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    field_reader const in(paths[i], file + ": paths[" + std::to_string(i) + "]");
    GPUPLACE_TRY(auto const a, end_of(in, "from", known));
    GPUPLACE_TRY(auto const b, end_of(in, "to", known));
    GPUPLACE_TRY(auto const l, link_from_json(in));
    if (a == b) return in.fail("a path from a device to itself");
    auto const [at, fresh] = pairs.try_emplace(std::minmax(a, b), l);
    if (!fresh && at->second != l) return in.fail("differs from the same pair's other entry");
  }
  for (auto const& [ends, l] : pairs)
    if (l.kind != path_kind::none) g.connect(ends.first, ends.second, l);
  return {};
}

inline result<void> read_links(graph& g, nlohmann::json const& j, names& known, std::string const& file) {
  if (!j.contains("vertices") || !j["vertices"].is_array() || !j["links"].is_array())
    return error{errc::malformed, "\"vertices\" and \"links\" must be lists", file, "see docs/topology.md for the format"};
  for (std::size_t i = 0; i < j["vertices"].size(); ++i) {
    field_reader const in(j["vertices"][i], file + ": vertices[" + std::to_string(i) + "]");
    GPUPLACE_TRY(auto const id, in.get<std::string>("id"));
    GPUPLACE_TRY(auto const kind_name, in.get<std::string>("kind"));
    GPUPLACE_TRY(auto const name, in.get<std::string>("name", id));
    GPUPLACE_TRY(auto const host, in.get<std::string>("host", ""));
    GPUPLACE_TRY(auto const numa, in.get<int>("numa", -1));
    auto kind = vertex_kind::host;
    while (kind != vertex_kind::device && to_string(kind) != kind_name) kind = static_cast<vertex_kind>(static_cast<int>(kind) + 1);
    if (kind == vertex_kind::device) return in.fail("'" + kind_name + "' is not a kind of vertex");
    if (!known.emplace(id, g.add(kind, name, host, numa)).second) return in.fail("'" + id + "' is there twice");
  }
  for (std::size_t i = 0; i < j["links"].size(); ++i) {
    field_reader const in(j["links"][i], file + ": links[" + std::to_string(i) + "]");
    GPUPLACE_TRY(auto const a, end_of(in, "from", known));
    GPUPLACE_TRY(auto const b, end_of(in, "to", known));
    GPUPLACE_TRY(auto const l, link_from_json(in));
    if (l.kind == path_kind::none) return in.fail("a link needs a kind that data can take");
    if (a == b) return in.fail("a link from a vertex to itself");
    g.connect(a, b, l);
  }
  return {};
}

}  // namespace detail

/// Reads what `to_json` writes, either form. Unknown keys are passed over; rates that are absent are unknown.
/// @param name  of the file, for errors
/// Errors:      errc::malformed with the place in the document
inline result<graph> from_json(nlohmann::json const& j, std::string const& name = "topology") {
  auto const is_list = [&](char const* key) { return j.is_object() && j.contains(key) && j[key].is_array(); };
  if (!is_list("devices") || (!is_list("paths") && !is_list("links")))
    return error{errc::malformed,
                 "no topology: the lists \"devices\" and \"paths\", or \"devices\", \"vertices\" and \"links\", are expected", name,
                 "write one with gpuplace topo --format json"};
  graph g;
  g.source = name;
  detail::names known;
  for (std::size_t i = 0; i < j["devices"].size(); ++i) {
    detail::field_reader const in(j["devices"][i], name + ": devices[" + std::to_string(i) + "]");
    GPUPLACE_TRY(auto d, detail::device_from_json(in, static_cast<int>(i)));
    auto const id = to_string(d.id);
    if (!known.emplace(id, g.add(std::move(d))).second) return in.fail("'" + id + "' is there twice");
  }
  if (is_list("notes"))
    for (auto const& note : j["notes"])
      if (note.is_string()) g.notes.push_back(note.get<std::string>());
  if (is_list("links")) {
    GPUPLACE_CHECK(detail::read_links(g, j, known, name));
  } else {
    GPUPLACE_CHECK(detail::read_paths(g, j["paths"], known, name));
  }
  return g;
}

/// Reads JSON text.
/// Errors:     errc::malformed, for text that is no JSON too
inline result<graph> from_json_text(std::string_view text, std::string const& name = "topology") {
  try {
    return from_json(nlohmann::json::parse(text), name);
  } catch (nlohmann::json::exception const& e) {
    return error{errc::malformed, e.what(), name, "write one with gpuplace topo --format json"};
  }
}

}  // namespace gpuplace::topology
