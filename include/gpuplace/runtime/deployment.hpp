#pragma once
/// @file
/// The three families of strategies and a backend in one object: plans, starts and serves.

#include <gpuplace/placement/place.hpp>
#include <gpuplace/runtime/fleet.hpp>

#include <utility>

namespace gpuplace {

/// Places a workload on a view with an allocation and a partition, carries the plan out on a backend, and routes requests:
///
///     deployment d{loop, view, work, data_parallel{4}, whole{}, round_robin{}, torch_backend{}};
///
/// Its operations are those of `fleet`, which is the choice for a plan that is ready.
/// @tparam A  models allocation_strategy     @tparam P  models partition_strategy
/// @tparam R  models routing_strategy        @tparam B  models execution_backend
template <allocation_strategy A, partition_strategy P, routing_strategy R, execution_backend B>
class deployment : public fleet<R, B> {
public:
  /// @param loop  an Asio execution context or executor: where handlers run that name no executor
  /// @param view  the devices to use, in the order in which strategies see them
  /// @param work  one model with its demand
  template <detail::loop_or_executor Loop>
  deployment(Loop&& loop, device_group view, workload work, A allocation, P partition, R router, B backend)
      : deployment(detail::executor_of(loop), place(view, work, allocation, partition, place_options{backend.memory()}), view, work,
                   router, backend) {}

private:
  deployment(boost::asio::any_io_executor loop, result<gpuplace::plan> placed, device_group& view, workload& work, R& router,
             B& backend)
      : fleet<R, B>(std::move(loop), std::move(placed), std::move(view), std::move(work), std::move(router), std::move(backend)) {}
};

}  // namespace gpuplace
