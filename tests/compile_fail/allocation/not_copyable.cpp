// expected-error {{"an allocation strategy must be copyable"}}
#include <gpuplace/placement/allocation_strategy.hpp>

struct strategy {
  static constexpr std::string_view name = "strategy";
  strategy(strategy&&) = default;
  gpuplace::result<std::vector<gpuplace::candidate>> propose(gpuplace::workload const&, gpuplace::device_group const&) const;
};
constexpr bool checked = gpuplace::check_allocation_strategy<strategy>();
