// expected-error {{"a partition strategy needs a name: write  static constexpr std::string_view name"}}
#include <gpuplace/placement/partition_strategy.hpp>

struct strategy {
  gpuplace::result<gpuplace::stages> partition(std::span<gpuplace::unit const>, gpuplace::device_group const&,
                                               gpuplace::demand const&) const;
};
constexpr bool checked = gpuplace::check_partition_strategy<strategy>();
