// expected-error {{"an allocation strategy needs a name: write  static constexpr std::string_view name"}}
#include <gpuplace/placement/allocation_strategy.hpp>

struct strategy {
  gpuplace::result<std::vector<gpuplace::candidate>> propose(gpuplace::workload const&, gpuplace::device_group const&) const;
};
constexpr bool checked = gpuplace::check_allocation_strategy<strategy>();
