#pragma once
/// @file
/// Machines by name, and machines of like devices: `preset:` and `uniform:`.

#include <charconv>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::topology {

/// How many devices a name may ask for; far above any machine, below what would exhaust memory by a slip of the keyboard.
inline constexpr int most_devices = 1000000;

namespace detail {

/// Splits "8xh100" into 8 and "h100".
inline std::optional<std::pair<int, std::string_view>> counted(std::string_view text) {
  int count = 0;
  auto const* const end = text.data() + text.size();
  auto const [rest, failed] = std::from_chars(text.data(), end, count);
  if (failed != std::errc{} || rest == end || *rest != 'x' || count < 1 || count > most_devices) return std::nullopt;
  return std::pair{count, std::string_view(rest + 1, static_cast<std::size_t>(end - rest - 1))};
}

/// The sockets of one machine around its host vertex, which stands for what joins them.
struct sockets {
  std::vector<graph::vertex_descriptor> numa;
  sockets(graph& g, int count, gpu_model const& model, std::string const& host = {}) {
    auto const middle = g.add(vertex_kind::host, host.empty() ? "host" : host, host);
    for (int n = 0; n < count; ++n) {
      numa.push_back(g.add(vertex_kind::numa_node, "numa " + std::to_string(n), host, n));
      auto half = default_link(path_kind::sys, model);
      half.latency = (default_link(path_kind::sys, model).latency - default_link(path_kind::node, model).latency) / 2;
      g.connect(numa.back(), middle, half);
    }
  }
};

/// `count` devices, each on its socket's host bridge.
inline std::vector<graph::vertex_descriptor> add_cards(graph& g, sockets const& at, int count, gpu_model const& model,
                                                       path_kind bridge, std::string const& host = {}) {
  std::vector<graph::vertex_descriptor> cards;
  auto const nodes = static_cast<int>(at.numa.size());
  for (int i = 0; i < count; ++i) {
    int const n = static_cast<int>(static_cast<long long>(i) * nodes / count);
    cards.push_back(g.add(make_gpu(model, i, n, host)));
    g.connect(cards.back(), at.numa[static_cast<std::size_t>(n)], part_of(default_link(bridge, model), 2));
  }
  return cards;
}

/// All NVLinks of every card go to one NVSwitch vertex, which stands for all switches of the machine.
inline void join_by_nvswitch(graph& g, std::vector<graph::vertex_descriptor> const& cards, gpu_model const& model,
                             std::string const& host = {}) {
  auto const fabric = g.add(vertex_kind::nvswitch, "NVSwitch", host);
  for (auto const card : cards) g.connect(card, fabric, part_of(default_link(path_kind::nvlink, model, model.nvlinks), 2));
}

/// Links straight from card to card, `bundle` to each other card.
inline void join_by_mesh(graph& g, std::vector<graph::vertex_descriptor> const& cards, gpu_model const& model, int bundle) {
  for (std::size_t i = 0; i < cards.size(); ++i)
    for (std::size_t j = i + 1; j < cards.size(); ++j) g.connect(cards[i], cards[j], default_link(fabric_of(model), model, bundle));
}

/// DGX H100, DGX A100: each card shares a PCIe switch with a network card, NVSwitch joins all eight.
/// Source:     NVIDIA DGX H100 and A100 user guides, system topology
inline void add_dgx(graph& g, gpu_model const& model, std::string const& host = {}) {
  sockets const at(g, 2, model, host);
  auto const pix = part_of(default_link(path_kind::pix, model), 2);
  auto up = default_link(path_kind::node, model);
  up.latency = up.latency / 2 - pix.latency;
  std::vector<graph::vertex_descriptor> cards;
  for (int i = 0; i < 8; ++i) {
    int const n = i / 4;
    auto const bridge = g.add(vertex_kind::pcie_switch, "PCIe switch " + std::to_string(i), host, n);
    cards.push_back(g.add(make_gpu(model, i, n, host)));
    auto const nic = g.add(vertex_kind::nic, "NIC" + std::to_string(i), host, n);
    g.connect(cards.back(), bridge, pix);
    g.connect(nic, bridge, pix);
    g.connect(bridge, at.numa[static_cast<std::size_t>(n)], up);
  }
  join_by_nvswitch(g, cards, model, host);
}

/// DGX-1 with V100: the hybrid cube mesh, six NVLinks a card.
/// Source:     the matrix that nvidia-smi prints on such a machine (tests/data/topologies/8xv100-sxm2-dgx1.txt)
inline void add_dgx1(graph& g, gpu_model const& model) {
  sockets const at(g, 2, model);
  auto const cards = add_cards(g, at, 8, model, path_kind::node);
  struct bundle {
    std::size_t a, b;
    int links;
  };
  constexpr bundle mesh[] = {{0, 1, 1}, {0, 2, 1}, {0, 3, 2}, {0, 4, 2}, {1, 2, 2}, {1, 3, 1}, {1, 5, 2}, {2, 3, 2},
                             {2, 6, 1}, {3, 7, 1}, {4, 5, 1}, {4, 6, 1}, {4, 7, 2}, {5, 6, 2}, {5, 7, 1}, {6, 7, 2}};
  for (auto const& [a, b, links] : mesh) g.connect(cards[a], cards[b], default_link(path_kind::nvlink, model, links));
}

/// DGX-2: sixteen V100s on NVSwitches, two to a PCIe switch.
/// Source:     NVIDIA DGX-2 user guide
inline void add_dgx2(graph& g, gpu_model const& model) {
  sockets const at(g, 2, model);
  auto const pix = part_of(default_link(path_kind::pix, model), 2);
  auto up = default_link(path_kind::node, model);
  up.latency = up.latency / 2 - pix.latency;
  std::vector<graph::vertex_descriptor> cards;
  for (int i = 0; i < 16; i += 2) {
    int const n = i / 8;
    auto const bridge = g.add(vertex_kind::pcie_switch, "PCIe switch " + std::to_string(i / 2), {}, n);
    for (int card = i; card < i + 2; ++card) {
      cards.push_back(g.add(make_gpu(model, card, n)));
      g.connect(cards.back(), bridge, pix);
    }
    g.connect(bridge, at.numa[static_cast<std::size_t>(n)], up);
  }
  join_by_nvswitch(g, cards, model);
}

/// True for cards whose board links every one straight to every other, up to so many: V100 up to four, four A100s (the HGX board
/// with four links between every two), MI300X.
inline bool is_mesh(gpu_model const& model, int count) {
  return (model.key.starts_with("v100") && count <= 4) || (model.key.starts_with("a100") && count == 4) || model.key == "mi300x";
}

/// `count` like cards of one machine: on two sockets from four cards on, joined by NVLink where the card has it: as a mesh, or
/// through NVSwitches, as slices of an eight-card machine are.
inline void add_like_cards(graph& g, int count, gpu_model const& model) {
  sockets const at(g, count >= 4 ? 2 : 1, model);
  auto const cards = add_cards(g, at, count, model, model.nvlinks > 0 ? path_kind::node : path_kind::phb);
  if (model.nvlinks == 0 || count < 2) return;
  if (is_mesh(model, count)) join_by_mesh(g, cards, model, model.key == "mi300x" ? 1 : std::max(1, model.nvlinks / 3));
  else join_by_nvswitch(g, cards, model);
}

/// How many of a card a machine has at most, as `NxCARD` makes it; 1 where the boards of several differ from maker to maker.
inline int most_like_cards(gpu_model const& model) {
  if (model.name.starts_with("AMD ")) return model.key == "mi300x" ? 8 : 1;
  return model.nvlinks > 0 && model.key.starts_with("v100") ? 4 : 1024;
}

/// Other names of the same machines: boards, and cloud instances.
struct preset_alias {
  std::string_view name, means;
};
inline constexpr preset_alias preset_aliases[] = {
    {"hgx-h100", "dgx-h100"},      {"hgx-h200", "dgx-h200"},    {"hgx-b200", "dgx-b200"},      {"hgx-a100", "dgx-a100"},
    {"dgx1", "dgx1-v100"},         {"dgx2", "dgx2-v100"},       {"p3.16xlarge", "dgx1-v100"},  {"p4d.24xlarge", "dgx-a100-40gb"},
    {"p4de.24xlarge", "dgx-a100"}, {"p5.48xlarge", "dgx-h100"}, {"p5en.48xlarge", "dgx-h200"}, {"g5.12xlarge", "4xa10g"},
    {"g5.48xlarge", "8xa10g"},     {"g6.12xlarge", "4xl4"},     {"g6e.12xlarge", "4xl40s"}};

}  // namespace detail

/// What `preset` knows, for help and errors.
inline std::string preset_names() {
  std::string text =
      "dgx-h100, dgx-h200, dgx-b200, dgx-a100, dgx-a100-40gb, dgx1-v100, dgx2-v100, cpu:N, and NxCARD such as 2xh200 "
      "or 8xrtx3060 with the cards ";
  for (auto const& model : gpu_models) text.append(&model == &gpu_models.front() ? "" : ", ").append(model.key);
  text += " (v100: at most 4, mi300x: 8, other mi: 1); by other names ";
  for (auto const& alias : detail::preset_aliases) text.append(&alias == detail::preset_aliases ? "" : ", ").append(alias.name);
  return text;
}

/// A machine by its name: "dgx-h100", "dgx1-v100", a cloud instance such as "p5.48xlarge", or a number of like cards, "8xrtx3060".
/// Errors:     errc::not_found with what there is
inline result<graph> preset(std::string_view name) {
  graph g;
  g.source = "preset:" + std::string(name);
  auto const asked = name;
  for (auto const& alias : detail::preset_aliases)
    if (alias.name == name) name = alias.means;
  if (name == "dgx1-v100" || name == "dgx2-v100") {
    if (name == "dgx1-v100") detail::add_dgx1(g, *find_gpu_model("v100"));
    else detail::add_dgx2(g, *find_gpu_model("v100-32gb"));
    return g;
  }
  if (name.starts_with("dgx-")) {
    auto const* const model = find_gpu_model(name.substr(4));
    if (model != nullptr && model->nvlinks >= 12) {
      detail::add_dgx(g, *model);
      return g;
    }
  }
  if (auto const like = detail::counted(name)) {
    auto const* const model = find_gpu_model(like->second);
    if (model != nullptr && like->first <= detail::most_like_cards(*model)) {
      detail::add_like_cards(g, like->first, *model);
      return g;
    }
  }
  return error{errc::not_found, "there is no preset '" + std::string(asked) + "'", {}, "there are " + preset_names()};
}

/// `count` like devices with the same link between every two: "8x80GiB", or with the link's label "8x24GiB@PIX", "4x80GiB@NV4".
/// Without a label they are joined as by NVSwitch, NV18. The rates are those of a round-figure data-centre card.
/// Errors:     errc::invalid_argument
inline result<graph> uniform(std::string_view text) {
  auto const refuse = [&](std::string what) {
    return error{errc::invalid_argument, std::move(what), "uniform:" + std::string(text),
                 "write uniform:8x80GiB, or with a link uniform:8x80GiB@NV4, @PIX, @PXB, @PHB, @NODE, @SYS"};
  };
  auto const at = text.rfind('@');
  auto const like = detail::counted(text.substr(0, at));
  if (!like) return refuse("'" + std::string(text) + "' does not begin with a number of devices and an x");
  auto const memory = parse_bytes(like->second);
  if (!memory || memory->count() == 0) return refuse("'" + std::string(like->second) + "' is not an amount of memory");
  auto const label = at == text.npos ? std::string("nv18") : gpuplace::detail::lowered(text.substr(at + 1));
  auto kind = parse_path_kind(label);
  int nvlinks = 0;
  if (label.starts_with("nv") &&
      std::from_chars(label.data() + 2, label.data() + label.size(), nvlinks).ptr == label.data() + label.size() && nvlinks > 0 &&
      nvlinks <= 1000)
    kind = path_kind::nvlink;
  if (!kind || (*kind == path_kind::nvlink ? nvlinks == 0 : !is_pcie(*kind))) return refuse("'" + label + "' is not a link");

  graph g;
  g.source = "uniform:" + std::string(text);
  auto const middle =
      *kind == path_kind::nvlink ? g.add(vertex_kind::nvswitch, "NVSwitch") : g.add(vertex_kind::pcie_switch, "PCIe");
  auto const half = part_of(default_link(*kind, uniform_gpu, nvlinks), 2);
  for (int i = 0; i < like->first; ++i) {
    auto d = make_gpu(uniform_gpu, i);
    d.capacity = *memory;
    g.connect(g.add(std::move(d)), middle, half);
  }
  return g;
}

}  // namespace gpuplace::topology
