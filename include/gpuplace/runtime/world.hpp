#pragma once
/// @file
/// This process among several that carry out one plan together, as a launcher's environment tells it.

#include <gpuplace/core/device_id.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/topology/host_names.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

/// Rank 0 has queue, scheduler and router; the others run stages.
struct world {
  int rank = 0;
  int size = 1;
  std::string address = "127.0.0.1";  ///< where the ranks meet
  int port = 29500;
  std::string launcher;        ///< by its name, for messages
  bool meeting_place = false;  ///< the launcher keeps one at that address; else rank 0 does
  std::string attempt = "0";   ///< a launcher that starts all anew counts
  bool alone() const { return size == 1; }

  friend bool operator==(world const&, world const&) = default;
};

/// The value of an environment variable; nothing where it is not set.
using variable_lookup = std::function<std::optional<std::string>(std::string_view name)>;

namespace detail {

inline result<int> number_in(variable_lookup const& get, std::string_view name, int least, int most) {
  auto const text = get(name).value_or("");
  int value = 0;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    return error{
        errc::invalid_argument,
        std::string(name) + " is '" + text + "', not a number from " + std::to_string(least) + " to " + std::to_string(most),
        "environment", "start the processes with torchrun, mpirun or srun, or unset it"};
  return value;
}

struct launcher_variables {
  std::string_view name, rank, size;
  std::string_view mark;  ///< set by this launcher alone
};
inline constexpr launcher_variables launchers[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "WORLD_SIZE"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"},
    {"MPICH", "PMI_RANK", "PMI_SIZE", "PMI_SIZE"},
    {"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_TASKS"},  // of srun: a batch script's own shell has no step
};

/// Of words between commas, which stand within brackets too: "node[1,3],login".
inline std::string_view first_word(std::string_view list) {
  bool inside = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '[' || list[i] == ']') inside = list[i] == '[';
    if (list[i] == ',' && !inside) return list.substr(0, i);
  }
  return list;
}

/// Where rank 0 is: said by MASTER_ADDR, or the first of Slurm's hosts, or this machine where all processes are on it.
inline result<std::string> address_of(variable_lookup const& get, launcher_variables const& by, int size) {
  if (auto const said = get("MASTER_ADDR"); said && !said->empty()) return *said;
  if (by.name == "Slurm")
    if (auto const list = get("SLURM_STEP_NODELIST"); list && !list->empty()) {
      auto const first = first_word(*list);
      GPUPLACE_TRY(auto hosts, topology::host_names::parse(first));
      return first.size() < list->size() || hosts.count() > 1 ? hosts.first() : std::string("127.0.0.1");
    }
  auto const local = get("OMPI_COMM_WORLD_LOCAL_SIZE");
  if (by.name == "Open MPI" && local && *local != std::to_string(size))
    return error{errc::invalid_argument, "the processes are on several hosts and MASTER_ADDR is not set", "environment",
                 "mpirun -x MASTER_ADDR=HOST: the host of rank 0"};
  return std::string("127.0.0.1");
}

}  // namespace detail

/// What torchrun, mpirun (Open MPI, MPICH) or srun say of this process; a world of one where none of them started it.
/// Errors:     errc::invalid_argument for variables that say nothing sensible
/// Source:     the launchers' documentation of the environment they set
inline result<world> find_world(variable_lookup const& get) {
  for (auto const& by : detail::launchers) {
    if (!get(by.mark)) continue;
    world here{.launcher = std::string(by.name)};
    GPUPLACE_TRY(here.size, detail::number_in(get, by.size, 1, 1 << 20));
    if (here.size == 1) continue;
    GPUPLACE_TRY(here.rank, detail::number_in(get, by.rank, 0, here.size - 1));
    GPUPLACE_TRY(here.address, detail::address_of(get, by, here.size));
    if (get("MASTER_PORT")) {
      GPUPLACE_TRY(here.port, detail::number_in(get, "MASTER_PORT", 1, 65535));
    }
    here.meeting_place = get("TORCHELASTIC_USE_AGENT_STORE") == "True";
    here.attempt = get("TORCHELASTIC_RESTART_COUNT").value_or("0");
    return here;
  }
  return world{};
}

/// Which rank runs what is on a device: the devices of a host that the plan uses are dealt out to its ranks in their order, an even
/// number to each.
class device_owners {
public:
  /// @param hosts  of each rank; a plan that names no host is of one host alone
  /// Errors:     errc::invalid_argument for a host without a rank, and for ranks that would have no device
  static result<device_owners> deal(plan const& whole, std::span<std::string const> hosts) {
    std::map<std::string, std::set<device_id>> used;
    for (auto const& m : whole.models)
      for (auto const& r : m.replicas)
        for (auto const& s : r.stages) used[s.device.host].insert(s.device);
    device_owners made;
    std::set<int> busy;
    for (auto const& [host, devices] : used) {
      GPUPLACE_TRY(auto const ranks, ranks_on(host, hosts));
      std::size_t next = 0;
      for (auto const& d : devices) {
        made.rank_of_[d] = ranks[next++ * ranks.size() / devices.size()];
        busy.insert(made.rank_of_[d]);
      }
    }
    for (int r = 0; r < static_cast<int>(hosts.size()); ++r)
      if (!busy.contains(r))
        return error{errc::invalid_argument,
                     "rank " + std::to_string(r) + " on " + hosts[static_cast<std::size_t>(r)] + " has no device of the plan",
                     std::to_string(hosts.size()) + " processes",
                     "start at most one process for each device, let each see all devices of its host, or plan for more of them"};
    return made;
  }

  /// Of a device of the plan.
  int owner(device_id const& device) const { return rank_of_.at(device); }

private:
  static result<std::vector<int>> ranks_on(std::string const& host, std::span<std::string const> hosts) {
    std::vector<int> ranks;
    for (std::size_t r = 0; r < hosts.size(); ++r)
      if (host.empty() || hosts[r] == host) ranks.push_back(static_cast<int>(r));
    if (ranks.empty())
      return error{errc::invalid_argument, "no process runs on host " + host + ", which the plan uses", "ranks",
                   "name hosts in the topology as `hostname` prints them there"};
    if (host.empty() && std::any_of(hosts.begin(), hosts.end(), [&](auto const& h) { return h != hosts.front(); }))
      return error{errc::invalid_argument, "the plan is of one machine, and the processes are on several", "ranks",
                   "describe all machines in one topology: a hosts file for --topology"};
    return ranks;
  }

  std::map<device_id, int> rank_of_;
};

}  // namespace gpuplace
