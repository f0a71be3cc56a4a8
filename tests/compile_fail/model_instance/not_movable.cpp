// expected-error {{"a model instance must be movable"}}
#include <gpuplace/runtime/execution_backend.hpp>

struct instance {
  gpuplace::cancel_function start(gpuplace::generation_request, boost::asio::any_io_executor, gpuplace::token_sink,
                                  gpuplace::generation_handler);
  gpuplace::instance_load load() const;
  instance(instance&&) = delete;
};
constexpr bool checked = gpuplace::check_model_instance<instance>();
