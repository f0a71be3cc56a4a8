#include "shared_weights.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

namespace gpuplace::torch_detail {
namespace {

using memory_pointer = std::shared_ptr<cuda::device_memory const>;

struct holding {
  int device = 0;
  std::weak_ptr<cuda::device_memory const> memory;  ///< a copy keeps it from being freed while it is read
};

/// What the replicas of this process hold and are loading.
class weights_exchange {
public:
  /// Who has them where `device` can reach it; nothing where the caller is to load them, and to say done() afterwards.
  std::optional<std::pair<int, memory_pointer>> find(weights_key const& key, int device) {
    std::unique_lock hold(guard_);
    for (;;) {
      auto& at = known_[key];
      std::erase_if(at.held, [](holding const& h) { return h.memory.expired(); });
      for (auto const& h : at.held)
        if (auto memory = h.memory.lock(); memory && cuda::connect(h.device, device)) return std::pair(h.device, std::move(memory));
      if (std::ranges::none_of(at.loading, [&](int other) { return cuda::connect(other, device); })) {
        at.loading.push_back(device);
        return std::nullopt;
      }
      changed_.wait(hold);
    }
  }

  void done(weights_key const& key, int device) {
    std::scoped_lock const hold(guard_);
    auto& loading = known_[key].loading;
    loading.erase(std::ranges::find(loading, device));
    changed_.notify_all();
  }

  void offer(weights_key const& key, int device, memory_pointer const& memory) {
    std::scoped_lock const hold(guard_);
    known_[key].held.push_back({device, memory});
  }

private:
  struct entry {
    std::vector<int> loading;
    std::vector<holding> held;
  };
  std::mutex guard_;
  std::condition_variable changed_;
  std::map<weights_key, entry> known_;
};

weights_exchange& of_this_process() {
  static weights_exchange all;
  return all;
}

}  // namespace

void fill_weights(weights_key const& key, int device, memory_pointer const& memory, std::function<void()> const& load) {
  auto& replicas = of_this_process();
  if (auto const found = replicas.find(key, device)) {
    cuda::stream const on;
    cuda::check(cudaMemcpyPeerAsync(memory->as(), device, found->second->as(), found->first, memory->size(), on),
                "fetching weights from another GPU");
    on.wait();
    return replicas.offer(key, device, memory);
  }
  try {
    load();
    replicas.offer(key, device, memory);
  } catch (...) {
    replicas.done(key, device);  // whoever waits loads them for itself
    throw;
  }
  replicas.done(key, device);
}

}  // namespace gpuplace::torch_detail
