// expected-error {{"an allocation strategy needs:  gpuplace::result<std::vector<gpuplace::candidate>> propose("}}
#include <gpuplace/placement/allocation_strategy.hpp>

struct strategy {
  static constexpr std::string_view name = "strategy";
  gpuplace::result<std::vector<gpuplace::candidate>> propose(gpuplace::workload const&, gpuplace::device_group const&);
};
constexpr bool checked = gpuplace::check_allocation_strategy<strategy>();
