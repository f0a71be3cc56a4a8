// expected-error {{"a partition strategy needs:  gpuplace::result<gpuplace::stages> partition("}}
#include <gpuplace/placement/partition_strategy.hpp>

struct strategy {
  static constexpr std::string_view name = "strategy";
  gpuplace::stages partition(std::span<gpuplace::unit const>, gpuplace::device_group const&, gpuplace::demand const&) const;
};
constexpr bool checked = gpuplace::check_partition_strategy<strategy>();
