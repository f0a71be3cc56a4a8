#pragma once
/// @file
/// A topology from what a user writes: `live`, `cpu:4`, `preset:dgx-h100`, `uniform:8x80GiB`, or a file of any known format.

#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gpuplace/topology/hosts_file.hpp>
#include <gpuplace/topology/hwloc_xml.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/live.hpp>
#include <gpuplace/topology/nccl_xml.hpp>
#include <gpuplace/topology/presets.hpp>
#include <gpuplace/topology/smi_matrix.hpp>
#include <iterator>
#include <string>
#include <string_view>

namespace gpuplace::topology {

/// What `read` understands, one line each, for help and errors.
inline constexpr std::string_view source_forms =
    "live                 this machine: its NVIDIA GPUs, or where there are none its CPU cores\n"
    "  cpu:N                this machine's cores in N slots\n"
    "  preset:NAME          dgx-h100, dgx1-v100, 2xh200, 8xrtx3060, …\n"
    "  uniform:8x80GiB      like devices linked alike; uniform:8x24GiB@PIX names the link\n"
    "  FILE                 what `nvidia-smi topo -m` printed, JSON from `gpuplace topo --format json`, the XML of NCCL or hwloc,\n"
    "                       or a hosts file with lines such as node[0-99] preset:dgx-h100\n"
    "  FILE@h200            the same, and the card that the file does not name";

inline result<graph> read_file(std::filesystem::path const& file, read_options options = {});

namespace detail {

/// Reads what a line of a hosts file names: a preset, or a file beside the hosts file.
inline result<graph> read_host(std::string_view source, read_options const& options) {
  if (source.starts_with("preset:cpu:")) source.remove_prefix(7);
  if (source.starts_with("preset:")) return preset(source.substr(7));
  if (source.starts_with("uniform:")) return uniform(source.substr(8));
  if (!options.open_files || source == "live" || source.starts_with("cpu:"))
    return error{errc::unsupported,
                 "'" + std::string(source) + "' cannot be taken for a host of a hosts file",
                 {},
                 "write a preset, or on that host gpuplace topo --format json > host.json, and name that file"};
  read_options inner{.model = options.model, .most_devices = options.most_devices};
  auto const beside = [&](std::string_view name) { return std::filesystem::path(options.name).parent_path() / name; };
  std::error_code ignored;
  auto file = beside(source);
  if (auto const at = source.rfind('@'); at != source.npos && !std::filesystem::exists(file, ignored)) {
    file = beside(source.substr(0, at));
    inner.model = find_gpu_model(source.substr(at + 1));
    if (inner.model == nullptr)
      return error{errc::not_found,
                   "no card is known as '" + std::string(source.substr(at + 1)) + "'",
                   {},
                   "the cards are " + gpu_model_keys()};
  }
  if (std::filesystem::exists(file, ignored) && !std::filesystem::is_regular_file(file, ignored))
    return error{errc::unreadable, "'" + file.string() + "' is no plain file", {}, "name a file with one machine's topology"};
  inner.open_files = false;  // a hosts file in a hosts file is refused before it opens more
  return read_file(file, inner);
}

}  // namespace detail

/// Reads a topology from text in a known format, recognised by its content.
/// Errors:     errc::malformed; says so when the text is in no known format
inline result<graph> read_text(std::string_view text, read_options const& options = {}) {
  auto const start = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (start != text.npos && text[start] == '{') {
    if (options.model != nullptr)
      return error{errc::invalid_argument, "JSON names its devices itself, no card can be given for it", options.name,
                   "leave out the @"};
    return from_json_text(text.substr(start), options.name);
  }
  if (is_nccl_xml(text)) return read_nccl_xml(text, options);
  if (is_hwloc_xml(text)) return read_hwloc_graph(text, options);
  if (is_smi_matrix(text)) return read_smi_matrix(text, options);
  if (is_hosts_text(text)) {
    GPUPLACE_TRY(auto const hosts, parse_hosts(text, options.name));
    return join_hosts(hosts, [&](std::string_view source) { return detail::read_host(source, options); }, options);
  }
  return error{errc::malformed, start == text.npos ? "the file is empty" : "the file is in no format that gpuplace knows",
               options.name,
               "give what `nvidia-smi topo -m` printed, JSON from `gpuplace topo --format json`, what NCCL wrote to "
               "NCCL_TOPO_DUMP_FILE, what lstopo wrote to machine.xml, or hosts such as node[0-99] preset:dgx-h100"};
}

/// Reads a topology file.
/// Errors:     errc::not_found, errc::unreadable, those of read_text
inline result<graph> read_file(std::filesystem::path const& file, read_options options) {
  std::error_code ignored;
  options.name = file.string();
  if (!std::filesystem::exists(file, ignored))
    return error{
        errc::not_found, "there is no topology '" + file.string() + "'", {}, "write one of\n  " + std::string(source_forms)};
  std::ifstream in(file, std::ios::binary);
  std::string text;
  if (!std::filesystem::is_directory(file, ignored)) text.assign(std::istreambuf_iterator<char>(in), {});
  if (!in || std::filesystem::is_directory(file, ignored))
    return error{errc::unreadable, "the file cannot be read", file.string(), "check that it is a file and that you may read it"};
  return read_text(text, options);
}

namespace detail {
inline result<graph> read_cpu(std::string_view count) {
  int slots = 0;
  auto const [end, failed] = std::from_chars(count.data(), count.data() + count.size(), slots);
  if (failed != std::errc{} || end != count.data() + count.size())
    return error{errc::invalid_argument, "'" + std::string(count) + "' is not a number of slots", "cpu:" + std::string(count),
                 "write cpu:1 to cpu:1024"};
  return cpu_slots(slots);
}
}  // namespace detail

/// Reads the topology that `source` names, as the command's `--topology` does.
/// Errors:     errc::not_found with the forms there are, and those of the form named
inline result<graph> read(std::string_view source) {
  if (source == "live") return this_machine();
  if (source.starts_with("cpu:")) return detail::read_cpu(source.substr(4));
  if (source.starts_with("preset:cpu:")) return detail::read_cpu(source.substr(11));
  if (source.starts_with("preset:")) return preset(source.substr(7));
  if (source.starts_with("uniform:")) return uniform(source.substr(8));
  std::error_code ignored;
  auto const at = source.rfind('@');
  if (std::filesystem::exists(source, ignored) || at == source.npos) return read_file(source);
  read_options options;
  options.model = find_gpu_model(source.substr(at + 1));
  if (options.model == nullptr && std::filesystem::exists(source.substr(0, at), ignored))
    return error{errc::not_found, "no card is known as '" + std::string(source.substr(at + 1)) + "'", std::string(source),
                 "the cards are " + gpu_model_keys()};
  return read_file(source.substr(0, at), options);
}

}  // namespace gpuplace::topology
