#pragma once
/// @file
/// An ordered view of some devices of a topology. Knows nothing of the graph it came from: no Boost.Graph here.

#include <cassert>
#include <cstddef>
#include <functional>
#include <gpuplace/topology/device.hpp>
#include <gpuplace/topology/link.hpp>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpuplace {

/// Some devices in the order in which they are to be used, with their memory limits and the paths between them.
/// A value that is cheap to copy: copies share immutable data.
/// Threads:    const calls are safe on shared objects
class device_group {
public:
  /// Answers `path(i, j)` for positions of the devices the group was made with; called by several threads at once.
  using path_function = std::function<gpuplace::path(std::size_t from, std::size_t to)>;

  device_group() : device_group(std::vector<device>{}, nullptr) {}

  /// A group of `devices`; the planning limit of each is its free memory, or its capacity where that is unknown.
  /// @param paths  asked for i != j only; without it there is no way between devices
  device_group(std::vector<device> devices, path_function paths)
      : device_group(std::make_shared<std::vector<device> const>(std::move(devices)), std::move(paths)) {}

  /// The same of devices that are kept elsewhere.
  device_group(std::shared_ptr<std::vector<device> const> devices, path_function paths) {
    auto made = std::make_shared<state>();
    made->positions.resize(devices->size());
    std::iota(made->positions.begin(), made->positions.end(), std::size_t{0});
    made->limits.reserve(devices->size());
    for (auto const& d : *devices) made->limits.push_back(d.free.value_or(d.capacity));
    made->devices = std::move(devices);
    made->paths = std::make_shared<path_function const>(std::move(paths));
    state_ = std::move(made);
  }

  std::size_t size() const { return state_->devices->size(); }
  bool empty() const { return size() == 0; }
  device const& operator[](std::size_t i) const {
    assert(i < size());
    return (*state_->devices)[i];
  }
  device const* begin() const { return state_->devices->data(); }
  device const* end() const { return begin() + size(); }

  /// How much of device `i` planning may use.
  bytes capacity(std::size_t i) const {
    assert(i < size());
    return state_->limits[i];
  }

  /// The best way from device `i` to device `j`; the same in both directions.
  gpuplace::path path(std::size_t i, std::size_t j) const {
    assert(i < size() && j < size());
    if (i == j) return {.kind = path_kind::self};
    return *state_->paths ? (*state_->paths)(state_->positions[i], state_->positions[j]) : gpuplace::path{};
  }

  /// The devices at `positions`, in that order.
  /// Complexity: O(positions)
  device_group subset(std::span<std::size_t const> positions) const {
    auto made = std::make_shared<state>();
    auto chosen = std::make_shared<std::vector<device>>();
    chosen->reserve(positions.size());
    made->limits.reserve(positions.size());
    made->positions.reserve(positions.size());
    for (std::size_t const i : positions) {
      assert(i < size());
      chosen->push_back((*state_->devices)[i]);
      made->limits.push_back(state_->limits[i]);
      made->positions.push_back(state_->positions[i]);
    }
    made->devices = std::move(chosen);
    made->paths = state_->paths;
    return device_group(std::move(made));
  }
  device_group subset(std::initializer_list<std::size_t> positions) const {
    return subset(std::span<std::size_t const>(positions.begin(), positions.size()));
  }

  /// `count` consecutive devices from position `first` on.
  device_group slice(std::size_t first, std::size_t count) const {
    std::vector<std::size_t> positions(count);
    std::iota(positions.begin(), positions.end(), first);
    return subset(positions);
  }

  /// The same devices under other limits, one for each (`max_memory`).
  device_group with_limits(std::span<bytes const> limits) const {
    assert(limits.size() == size());
    auto made = std::make_shared<state>();
    made->devices = state_->devices;
    made->positions = state_->positions;
    made->paths = state_->paths;
    made->limits.assign(limits.begin(), limits.end());
    return device_group(std::move(made));
  }

  /// The position of the device called `id`.
  /// Complexity: O(1) after a first O(n)
  std::optional<std::size_t> find(device_id const& id) const {
    std::call_once(state_->indexed, [this] {
      for (std::size_t i = 0; i < size(); ++i) state_->index.emplace((*state_->devices)[i].id, i);
    });
    auto const at = state_->index.find(id);
    return at == state_->index.end() ? std::nullopt : std::optional(at->second);
  }

private:
  struct state {
    std::shared_ptr<std::vector<device> const> devices;
    std::vector<bytes> limits;
    std::vector<std::size_t> positions;  ///< of each device in what `paths` counts
    std::shared_ptr<path_function const> paths;
    mutable std::once_flag indexed;
    mutable std::unordered_map<device_id, std::size_t> index;
  };
  explicit device_group(std::shared_ptr<state const> made) : state_(std::move(made)) {}

  std::shared_ptr<state const> state_;
};

/// `count` devices like `model`, named 0, 1, … of its kind, with the same path between every two.
inline device_group uniform_group(std::size_t count, device const& model, path between) {
  std::vector<device> devices(count, model);
  for (std::size_t i = 0; i < count; ++i) devices[i].id.index = devices[i].physical_index = static_cast<int>(i);
  return {std::move(devices), [between](std::size_t, std::size_t) { return between; }};
}

/// `count` CUDA devices of `memory` each and of unknown speed, with the same path between every two.
inline device_group uniform_group(std::size_t count, bytes memory, path between) {
  device model;
  model.name = "uniform";
  model.capacity = memory;
  return uniform_group(count, model, between);
}

}  // namespace gpuplace
