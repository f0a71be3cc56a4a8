#pragma once
/// @file
/// Families of machines and fleets for tests and benches of strategies: the same family and seed give the same graph everywhere.

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <gpuplace/topology/gpu_models.hpp>
#include <gpuplace/topology/graph.hpp>
#include <gpuplace/topology/link_rates.hpp>
#include <gpuplace/topology/network.hpp>
#include <gpuplace/topology/presets.hpp>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace::testing {

/// A fleet of like hosts under a network.
struct fat_tree_shape {
  std::size_t hosts = 16;
  std::size_t devices_per_host = 8;
  std::string_view card = "h100";  ///< a key of gpu_models
  topology::network_shape network{.rails = 1, .hosts_per_leaf = 4, .oversubscription = 2};
};

namespace detail {
/// Numbers below n from a seed, the same with every standard library.
class dice {
public:
  explicit dice(std::uint32_t seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }

private:
  std::mt19937 random_;
};

/// A machine of these cards, two on each PCIe switch beside a network card; the first half stand on socket 0.
inline std::vector<std::size_t> add_machine(topology::graph& g, std::span<topology::gpu_model const* const> cards, bool with_nics) {
  topology::detail::sockets const at(g, cards.size() >= 4 ? 2 : 1, *cards.front());
  std::vector<std::size_t> made;
  std::size_t bridge = 0;
  for (std::size_t i = 0; i < cards.size(); ++i) {
    auto const& model = *cards[i];
    auto const pix = topology::part_of(topology::default_link(path_kind::pix, model), 2);
    auto const numa = i * at.numa.size() / cards.size();
    bool const first_of_pair = i % 2 == 0 || numa != (i - 1) * at.numa.size() / cards.size();
    if (first_of_pair) {
      bridge = g.add(topology::vertex_kind::pcie_switch, "PCIe switch " + std::to_string(i / 2), {}, static_cast<int>(numa));
      auto up = topology::default_link(path_kind::node, model);
      up.latency = up.latency / 2 - pix.latency;
      g.connect(bridge, at.numa[numa], up);
      if (with_nics)
        g.connect(g.add(topology::vertex_kind::nic, "NIC" + std::to_string(i / 2), {}, static_cast<int>(numa)), bridge, pix);
    }
    made.push_back(g.add(topology::make_gpu(model, static_cast<int>(i), static_cast<int>(numa))));
    g.connect(made.back(), bridge, pix);
  }
  return made;
}
}  // namespace detail

/// Hosts called node0, node1, … with NVSwitches where the card has them, under leaves and a spine.
/// Shape:      hosts × devices_per_host devices; the card must be one of gpu_models
/// Complexity: O(devices)
inline topology::graph fat_tree(fat_tree_shape const& shape) {
  auto const* const model = topology::find_gpu_model(shape.card);
  assert(model != nullptr && shape.devices_per_host > 0);
  topology::graph machine;
  std::vector<topology::gpu_model const*> const cards(shape.devices_per_host, model);
  auto const devices = detail::add_machine(machine, cards, true);
  if (model->nvlinks > 0 && devices.size() > 1) topology::detail::join_by_nvswitch(machine, devices, *model);
  topology::detail::host_template host(std::move(machine));
  topology::graph g;
  g.source = "fat tree";
  g.reserve(shape.hosts * num_vertices(host.machine()), shape.hosts * (num_edges(host.machine()) + shape.devices_per_host),
            shape.hosts * shape.devices_per_host);
  topology::detail::network network(g, shape.network);
  for (std::size_t h = 0; h < shape.hosts; ++h) host.put(g, "node" + std::to_string(h), network);
  return g;
}

/// One machine whose H100s stand on `islands` NVSwitches of `per_island` devices each, which PCIe alone joins.
inline topology::graph nvswitch_islands(std::size_t islands, std::size_t per_island) {
  topology::graph g;
  g.source = "NVSwitch islands";
  auto const& model = *topology::find_gpu_model("h100");
  std::vector<topology::gpu_model const*> const cards(islands * per_island, &model);
  auto const devices = detail::add_machine(g, cards, false);
  for (std::size_t i = 0; i < islands; ++i)
    topology::detail::join_by_nvswitch(g,
                                       {devices.begin() + static_cast<std::ptrdiff_t>(i * per_island),
                                        devices.begin() + static_cast<std::ptrdiff_t>((i + 1) * per_island)},
                                       model);
  return g;
}

/// A machine of `count` V100s on a hybrid mesh: in each four NV2 and NV1 between every two, NV2 to the partner in the next four,
/// with `broken` of those bundles taken out at random; PCIe stays. With more broken than there are, none is left.
inline topology::graph broken_mesh(std::size_t count, std::size_t broken, std::uint32_t seed) {
  topology::graph g;
  g.source = "broken mesh";
  auto const& model = *topology::find_gpu_model("v100");
  std::vector<topology::gpu_model const*> const cards(count, &model);
  auto const devices = detail::add_machine(g, cards, false);
  struct bundle {
    std::size_t a, b;
    int links;
  };
  std::vector<bundle> bundles;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 1; j < count && j / 4 == i / 4; ++j) bundles.push_back({i, j, (i + j) % 2 == 1 ? 2 : 1});
    if (i + 4 < count) bundles.push_back({i, i + 4, 2});
  }
  detail::dice dice(seed);
  for (; broken > 0 && !bundles.empty(); --broken)
    bundles.erase(bundles.begin() + static_cast<std::ptrdiff_t>(dice.below(bundles.size())));
  for (auto const& [a, b, links] : bundles)
    g.connect(devices[a], devices[b], topology::default_link(path_kind::nvlink, model, links));
  return g;
}

/// A machine of `count` cards of several kinds, chosen at random among data-centre and desktop cards: uneven memory, rates and slots,
/// and some without peer access. Cards of one kind that have NVLinks share an NVSwitch.
inline topology::graph mixed_cards(std::size_t count, std::uint32_t seed) {
  constexpr std::array<std::string_view, 8> kinds{"h100", "a100", "a100-40gb", "l40s", "l4", "rtx4090", "rtx3060", "t4"};
  detail::dice dice(seed);
  std::vector<topology::gpu_model const*> cards;
  for (std::size_t i = 0; i < count; ++i) cards.push_back(topology::find_gpu_model(kinds[dice.below(kinds.size())]));
  topology::graph g;
  g.source = "mixed cards";
  auto const devices = detail::add_machine(g, cards, false);
  for (auto const kind : kinds) {
    auto const* const model = topology::find_gpu_model(kind);
    std::vector<std::size_t> like;
    for (std::size_t i = 0; i < count; ++i)
      if (cards[i] == model) like.push_back(devices[i]);
    if (model->nvlinks > 0 && like.size() > 1) topology::detail::join_by_nvswitch(g, like, *model);
  }
  return g;
}

/// A fleet of `hosts` machines of different kinds, each with one to eight cards of any of the families above, on one network.
inline topology::graph mixed_fleet(std::size_t hosts, std::uint32_t seed) {
  detail::dice dice(seed);
  topology::graph g;
  g.source = "mixed fleet";
  topology::detail::network network(g, {.hosts_per_leaf = 4, .oversubscription = 2});
  for (std::size_t h = 0; h < hosts; ++h) {
    auto const size = 1 + dice.below(8);
    auto const inner = static_cast<std::uint32_t>(dice.below(1u << 30));
    auto machine = dice.below(3) == 0   ? mixed_cards(size, inner)
                   : dice.below(2) == 0 ? broken_mesh(size, dice.below(4), inner)
                                        : nvswitch_islands(1 + dice.below(2), 1 + size / 2);
    topology::detail::host_template(std::move(machine)).put(g, "node" + std::to_string(h), network);
  }
  return g;
}

}  // namespace gpuplace::testing
