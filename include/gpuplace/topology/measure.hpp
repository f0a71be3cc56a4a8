#pragma once
/// @file
/// Rates that were measured, in place of those that data sheets and tables of link types say.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/group.hpp>
#include <gpuplace/topology/print.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// What a device reached. A rate of zero was not measured.
struct device_rates {
  gigabytes_per_second memory{};                ///< reading its own memory
  gigabytes_per_second from_host{}, to_host{};  ///< from and to pinned host memory
  teraflops bf16{}, fp32{};                     ///< large products of matrices

  friend bool operator==(device_rates const&, device_rates const&) = default;
};

/// What two devices reached with each other, in the worse of both directions.
struct pair_rates {
  gigabytes_per_second bandwidth{};  ///< of a large copy
  microseconds latency{};            ///< of a small copy
  bool staged = false;               ///< without peer access: through host memory

  friend bool operator==(pair_rates const&, pair_rates const&) = default;
};

/// What measures. Functions, so that tests can make rates up; a function that is empty measures nothing.
struct prober {
  std::function<result<device_rates>(device const&)> device_of{};
  std::function<result<pair_rates>(device const& from, device const& to)> pair_of{};
};

/// What was measured of a machine.
struct measurements {
  struct pair {
    std::size_t from = 0, to = 0;  ///< places in `graph::devices()`, from < to
    pair_rates rates{};
  };
  std::string when{};                   ///< for people: "2026-11-23 18:20"
  std::vector<device_rates> devices{};  ///< as many as the graph has
  std::vector<pair> pairs{};
  std::vector<std::string> failures{};  ///< what could not be measured, and why
};

namespace detail {

inline std::string pair_name(graph const& g, std::size_t a, std::size_t b) {
  return to_string(g.devices()[a].id) + " and " + to_string(g.devices()[b].id);
}

/// Both directions as one, the worse of each figure: links of the graph have no direction.
inline result<pair_rates> both_ways(prober const& with, device const& a, device const& b) {
  GPUPLACE_TRY(auto const there, with.pair_of(a, b));
  GPUPLACE_TRY(auto const back, with.pair_of(b, a));
  return pair_rates{std::min(there.bandwidth, back.bandwidth), std::max(there.latency, back.latency), there.staged || back.staged};
}

}  // namespace detail

/// Measures every device, then every two devices of one host that are of a kind. What fails is left out and told in `failures`.
/// @param say  called before each measurement with words for people
inline measurements measure(graph const& g, prober const& with, std::function<void(std::string const&)> const& say = {}) {
  measurements made;
  made.devices.resize(g.devices().size());
  auto const failed = [&](std::string const& what, error const& why) {
    made.failures.push_back(what + " not measured: " + why.what + (why.remedy.empty() ? "" : "; " + why.remedy));
  };
  for (std::size_t i = 0; i < g.devices().size() && with.device_of; ++i) {
    auto const name = to_string(g.devices()[i].id);
    if (say) say(name);
    if (auto const rates = with.device_of(g.devices()[i])) made.devices[i] = *rates;
    else failed(name + " was", rates.error());
  }
  for (std::size_t a = 0; a < g.devices().size() && with.pair_of; ++a)
    for (std::size_t b = a + 1; b < g.devices().size(); ++b) {
      if (g.devices()[a].id.kind != g.devices()[b].id.kind || g.devices()[a].id.host != g.devices()[b].id.host) continue;
      auto const name = detail::pair_name(g, a, b);
      if (say) say(name);
      if (auto const rates = detail::both_ways(with, g.devices()[a], g.devices()[b])) made.pairs.push_back({a, b, *rates});
      else failed(name + " were", rates.error());
    }
  return made;
}

namespace detail {

/// "memory, products, host links", of those that were measured; empty where nothing was.
inline std::string measured_parts(device_rates const& rates) {
  std::string parts;
  auto const add = [&](bool there, std::string_view part) {
    if (there) parts.append(parts.empty() ? "" : ", ").append(part);
  };
  add(rates.memory.value() > 0, "memory");
  add(rates.bf16.value() > 0 || rates.fp32.value() > 0, "products");
  add(rates.from_host.value() > 0 || rates.to_host.value() > 0, "host links");
  return parts;
}

inline device with_rates(device d, device_rates const& rates, std::string const& when) {
  auto const parts = measured_parts(rates);
  if (parts.empty()) return d;
  auto const take = [](auto& to, auto from) {
    if (from.value() > 0) to = from;
  };
  take(d.memory_bandwidth, rates.memory);
  take(d.from_host, rates.from_host);
  take(d.to_host, rates.to_host);
  take(d.peak_bf16, rates.bf16);
  take(d.peak_fp32, rates.fp32);
  bool const whole = rates.memory.value() > 0 && rates.bf16.value() > 0 && rates.fp32.value() > 0;
  auto const rest = whole || d.note.empty() ? "" : "; otherwise " + d.note;
  d.note = "measured " + when + ": " + parts + rest;
  return d;
}

inline path with_rates(path p, pair_rates const& rates) {
  p.bandwidth = rates.bandwidth;
  p.latency = rates.latency;
  p.staged = rates.staged;
  return p;
}

}  // namespace detail

/// `g` with measured rates where there are some: devices with the best path of every two as one link. Planning then counts with
/// them; `to_json` of it is a file for `--topology`. Devices' notes say what was measured and when.
/// Shape:      n devices -> at most n (n - 1) / 2 links, no other vertices
/// Complexity: O(n²)
inline graph with_rates(graph const& g, measurements const& found) {
  graph made;
  made.source = g.source;
  made.notes = g.notes;
  made.notes.insert(made.notes.end(), found.failures.begin(), found.failures.end());
  auto const assumed = all_devices(g);
  auto const count = g.devices().size();
  std::vector<bool> peers(count);
  for (auto const& pair : found.pairs)
    if (!pair.rates.staged) peers[pair.from] = peers[pair.to] = true;
  for (std::size_t i = 0; i < count; ++i) {
    auto d = detail::with_rates(g.devices()[i], found.devices[i], found.when);
    d.peer_to_peer = d.peer_to_peer || peers[i];
    made.add(std::move(d));
  }
  std::vector<pair_rates const*> rates(count * count);
  for (auto const& pair : found.pairs)
    if (pair.rates.bandwidth.value() > 0) rates[pair.from * count + pair.to] = &pair.rates;
  for (std::size_t a = 0; a < count; ++a)
    for (std::size_t b = a + 1; b < count; ++b) {
      auto p = assumed.path(a, b);
      if (p.kind == path_kind::none) continue;
      if (auto const* const measured = rates[a * count + b]) p = detail::with_rates(p, *measured);
      made.connect(made.device_vertices()[a], made.device_vertices()[b], p);
    }
  return made;
}

namespace detail {

/// Rows of `to_comparison`: what, measured, assumed, and one over the other.
class comparison_rows {
public:
  explicit comparison_rows(std::string first) : first_(std::move(first)) {}

  void add(std::string what, double measured, double assumed, std::string_view unit) {
    if (measured <= 0) return;
    auto const with_unit = [&](double value) {
      return value > 0 ? three_digits(value) + ' ' + std::string(unit) : std::string("-");
    };
    rows_.push_back({std::exchange(first_, {}), std::move(what), with_unit(measured), with_unit(assumed),
                     assumed > 0 ? percent(measured / assumed) : std::string()});
  }
  void append_to(std::vector<std::vector<std::string>>& all) && { all.insert(all.end(), rows_.begin(), rows_.end()); }

private:
  static std::string percent(double part) { return formatted("%.0f %%", 100 * part); }
  /// Slots of cores reach parts of a TFLOP/s.
  static std::string three_digits(double value) { return value < 10 ? formatted("%.2f", value) : rounded(value); }
  static std::string formatted(char const* how, double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), how, value);
    return text.data();
  }
  std::string first_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace detail

/// Every measured figure beside the one that `assumed` has, a line each; nothing is assumed of host links.
inline std::string to_comparison(graph const& assumed, measurements const& found) {
  auto const group = all_devices(assumed);
  std::vector<std::vector<std::string>> rows{{"", "", "measured", "assumed"}};
  for (std::size_t i = 0; i < group.size(); ++i) {
    auto const& rates = found.devices[i];
    detail::comparison_rows lines(to_string(group[i].id));
    lines.add("memory", rates.memory.value(), group[i].memory_bandwidth.value(), "GB/s");
    lines.add("bf16 products", rates.bf16.value(), group[i].peak_bf16.value(), "TFLOP/s");
    lines.add("fp32 products", rates.fp32.value(), group[i].peak_fp32.value(), "TFLOP/s");
    lines.add("from pinned host memory", rates.from_host.value(), 0, "GB/s");
    lines.add("to pinned host memory", rates.to_host.value(), 0, "GB/s");
    std::move(lines).append_to(rows);
  }
  for (auto const& pair : found.pairs) {
    auto const p = group.path(pair.from, pair.to);
    auto const label = p.label() + (pair.rates.staged ? ", through host memory" : "");
    detail::comparison_rows lines(detail::pair_name(assumed, pair.from, pair.to));
    lines.add(label, pair.rates.bandwidth.value(), p.bandwidth.value(), "GB/s");
    lines.add("a small copy", pair.rates.latency.count(), p.latency.count(), "us");
    std::move(lines).append_to(rows);
  }
  return rows.size() > 1 ? detail::lined_up(rows, {false, false, true, true, true}) : std::string();
}

}  // namespace gpuplace::topology
