// expected-error {{"a partition strategy must be copyable"}}
#include <gpuplace/placement/partition_strategy.hpp>

struct strategy {
  static constexpr std::string_view name = "strategy";
  strategy(strategy&&) = default;
  gpuplace::result<gpuplace::stages> partition(std::span<gpuplace::unit const>, gpuplace::device_group const&,
                                               gpuplace::demand const&) const;
};
constexpr bool checked = gpuplace::check_partition_strategy<strategy>();
