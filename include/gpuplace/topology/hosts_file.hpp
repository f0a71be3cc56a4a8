#pragma once
/// @file
/// Hosts files: a line for each host, or for a range of like hosts, and one for the network that joins them.

#include <charconv>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/host_names.hpp>
#include <gpuplace/topology/network.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/topology/read_options.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// One line of hosts: names, and the machine that each of them is.
struct hosts_line {
  int line = 0;
  std::string pattern{};  ///< "node[0-12499]"
  std::string source{};   ///< "preset:dgx-h100", or a file
};

/// A hosts file before its machines are read.
struct hosts_text {
  network_shape network{};
  std::vector<hosts_line> lines{};
};

namespace detail {

inline std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (line = line.substr(0, line.find('#'));;) {
    auto const first = line.find_first_not_of(" \t\r");
    if (first == line.npos) return words;
    auto const end = std::min(line.find_first_of(" \t\r", first), line.size());
    words.push_back(line.substr(first, end - first));
    line.remove_prefix(end);
  }
}

/// A number of at least `least` with one of the units behind it; none where the text is anything else.
inline std::optional<double> amount_in(std::string_view text, std::span<std::pair<std::string_view, double> const> units,
                                       double least) {
  double number = 0;
  auto const* const end = text.data() + text.size();
  auto const [rest, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc{} || !std::isfinite(number)) return std::nullopt;
  for (auto const& [name, scale] : units)
    if (name == std::string_view(rest, static_cast<std::size_t>(end - rest)) && number * scale >= least && number * scale <= 1e9)
      return number * scale;
  return std::nullopt;
}

inline constexpr std::pair<std::string_view, double> rate_units[] = {
    {"GB/s", 1}, {"MB/s", 1e-3}, {"Gb/s", 0.125}, {"Gbps", 0.125}, {"Gbit/s", 0.125}};
inline constexpr std::pair<std::string_view, double> time_units[] = {{"us", 1}, {"ns", 1e-3}, {"ms", 1e3}};
inline constexpr std::pair<std::string_view, double> no_unit[] = {{"", 1}};

/// The words after `network`.
inline std::optional<error> read_network(std::span<std::string_view const> words, network_shape& shape, std::string const& where) {
  constexpr auto remedy = "write network 50GB/s 2us rails=8 leaf=32 oversubscription=2; every word of it may be left out";
  for (auto const word : words) {
    auto const equals = word.find('=');
    auto const key = word.substr(0, equals);
    if (equals == word.npos) {
      if (auto const rate = amount_in(word, rate_units, 1e-6)) shape.bandwidth = gigabytes_per_second{*rate};
      else if (auto const time = amount_in(word, time_units, 0)) shape.latency = microseconds{*time};
      else return error{errc::malformed, "'" + std::string(word) + "' is neither a bandwidth nor a latency", where, remedy};
      continue;
    }
    auto const number = amount_in(word.substr(equals + 1), no_unit, 1);
    bool const whole = number && *number == std::floor(*number) && *number <= most_devices;
    if (key == "rails" && whole) shape.rails = static_cast<std::size_t>(*number);
    else if (key == "leaf" && whole) shape.hosts_per_leaf = static_cast<std::size_t>(*number);
    else if (key == "oversubscription" && number) shape.oversubscription = *number;
    else return error{errc::malformed, "'" + std::string(word) + "' is no property of a network", where, remedy};
  }
  return std::nullopt;
}

inline bool is_source_form(std::string_view text) {
  return text.starts_with("preset:") || text.starts_with("uniform:") || text.starts_with("cpu:");
}

}  // namespace detail

/// True if `text` looks like a hosts file: its first line that says something is a `network` or a host with its source.
inline bool is_hosts_text(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    auto const end = std::min(text.find('\n'), text.size());
    auto const words = detail::words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    if (words[0] == "network") return true;
    if (words.size() < 2 || !host_names::looks_like(words[0])) return false;
    return detail::is_source_form(words[1]) || (words.size() == 2 && words[1].find_first_of("./") != words[1].npos);
  }
  return false;
}

/// Reads the lines of a hosts file, and no machine yet.
/// Errors:     errc::malformed with file and line
inline result<hosts_text> parse_hosts(std::string_view text, std::string const& name = "hosts") {
  hosts_text made;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  bool networked = false;
  for (int number = 1; !text.empty(); ++number) {
    auto const end = std::min(text.find('\n'), text.size());
    auto const words = detail::words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    auto const where = name + ":" + std::to_string(number);
    if (words.empty()) continue;
    if (words[0] == "network") {
      if (std::exchange(networked, true))
        return error{errc::malformed, "a second network", where, "describe all of it in one line"};
      if (auto wrong = detail::read_network(std::span(words).subspan(1), made.network, where)) return *std::move(wrong);
    } else if (words.size() == 2) {
      made.lines.push_back({number, std::string(words[0]), std::string(words[1])});
    } else {
      return error{errc::malformed,
                   "a host and where its topology is are expected, here are " + std::to_string(words.size()) + " words", where,
                   "write node0 preset:dgx-h100, node[0-99] machine.xml, or network 50GB/s"};
    }
  }
  if (made.lines.empty())
    return error{errc::malformed, "the file names no host", name, "write lines such as node0 preset:dgx-h100"};
  return made;
}

/// Reads one machine of a hosts file by its source.
using machine_reader = std::function<result<graph>(std::string_view source)>;

/// Joins the machines that a hosts file names: each host is a copy of its machine, its devices are `host/cuda:3`, and its network
/// cards hang on the network. A host without one gets one, and `graph::notes` says so; so do the machines' own notes.
/// @param read  reads a source; each source once, however many hosts it stands for
/// Errors:      errc::malformed with file and line: a wrong name, a name that is there twice, too many devices; errc::unsupported
///              for a machine that is itself several hosts; those of `read`, with file and line
/// Complexity:  O(V + E) of what is made
inline result<graph> join_hosts(hosts_text const& hosts, machine_reader const& read, read_options const& options = {}) {
  struct planned {
    host_names names;
    detail::host_template* machine;
  };
  std::map<std::string, std::unique_ptr<detail::host_template>, std::less<>> machines;
  std::vector<planned> plan;
  graph made;
  made.source = options.name;
  std::size_t vertices = 0, links = 0, devices = 0, count = 0;
  for (auto const& line : hosts.lines) {
    auto const where = options.name + ":" + std::to_string(line.line);
    auto names = host_names::parse(line.pattern);
    if (!names) return error{errc::malformed, names.error().what, where, names.error().remedy};
    auto& machine = machines[line.source];
    if (!machine) {
      auto one = read(line.source);
      if (!one)
        return error{one.error().code, one.error().what, where + (one.error().where.empty() ? "" : ": " + one.error().where),
                     one.error().remedy};
      if (one->devices().empty()) return error{errc::malformed, "'" + line.source + "' has no device", where, "leave the host out"};
      for (auto const& d : one->devices())
        if (!d.id.host.empty())
          return error{errc::unsupported, "'" + line.source + "' is itself several hosts", where, "name the file of one machine"};
      for (auto const& note : one->notes) made.notes.push_back(line.pattern + ": " + note);
      machine = std::make_unique<detail::host_template>(*std::move(one));
      if (machine->assumed_card()) made.notes.push_back(line.pattern + ": no network card is named, one is assumed");
    }
    auto const& m = machine->machine();
    if (names->count() > options.most_devices / m.devices().size() ||
        devices + names->count() * m.devices().size() > options.most_devices)
      return error{errc::malformed, "more than " + std::to_string(options.most_devices) + " devices in all", where,
                   "describe a smaller fleet"};
    vertices += names->count() * num_vertices(m);
    links += names->count() * (num_edges(m) + m.devices().size() + 8);
    devices += names->count() * m.devices().size();
    count += names->count();
    plan.push_back({*std::move(names), machine.get()});
  }
  made.reserve(vertices, links, devices);
  detail::network network(made, hosts.network);
  std::unordered_map<std::string, int> lines_of;
  lines_of.reserve(count);
  for (std::size_t i = 0; i < plan.size(); ++i)
    for (auto host = plan[i].names.first(); !host.empty(); host = plan[i].names.next()) {
      auto const [at, fresh] = lines_of.try_emplace(host, hosts.lines[i].line);
      if (!fresh || host == network_host)
        return error{errc::malformed,
                     fresh ? "no host can be called 'network'"
                           : "the host '" + host + "' is there twice, first in line " + std::to_string(at->second),
                     options.name + ":" + std::to_string(hosts.lines[i].line), "give every host a name of its own"};
      plan[i].machine->put(made, host, network);
    }
  return made;
}

}  // namespace gpuplace::topology
