// expected-error {{"a step executor needs:  result<void> fork("}}
#include <gpuplace/runtime/step_executor.hpp>

#include <boost/asio/any_io_executor.hpp>

struct executor {
  gpuplace::executor_limits limits() const;
  boost::asio::any_io_executor get_executor();
  void async_step(gpuplace::batch const&, gpuplace::step_handler);
  gpuplace::result<void> fork(gpuplace::slot_id, gpuplace::slot_id, std::span<gpuplace::page_id const>,
                              std::span<gpuplace::page_id const>);
  void release(gpuplace::slot_id);
};
constexpr bool checked = gpuplace::check_step_executor<executor>();
