#pragma once
// How busy the devices of a run were, and what kept them waiting.

#include <gpuplace/core/device_id.hpp>
#include <gpuplace/core/units.hpp>
#include <gpuplace/topology/gpu_gauge.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace gpuplace::cli {

// Readings of one device, added up.
class device_use {
public:
  explicit device_use(device_id id) : id_(std::move(id)) {}

  void add(topology::gpu_reading const& seen);

  device_id const& id() const { return id_; }
  std::size_t readings() const { return readings_; }
  // Part of the time in which it computed; none where it does not tell.
  std::optional<double> busy() const;
  bytes most_used() const { return most_used_; }
  bytes total() const { return last_.total; }
  // The last reading in few letters: "cuda:0 87 % 15.2 GiB"; empty before the first.
  std::string now() const;

private:
  device_id id_;
  std::size_t readings_ = 0, told_ = 0;
  double busy_ = 0;
  bytes most_used_{};
  topology::gpu_reading last_;
};

// How one replica spent a run, as parts of its time.
struct replica_time {
  std::vector<device_id> devices;
  double at_work = 0;     // a step was under way
  double done_early = 0;  // after its last answer
};

// A line for each device that was read: use, most memory, and where it was under 80 % busy, what it waited for.
std::string devices_text(std::vector<device_use> const& uses, std::vector<replica_time> const& replicas);

}  // namespace gpuplace::cli
