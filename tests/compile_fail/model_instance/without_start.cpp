// expected-error {{"a model instance needs:  gpuplace::cancel_function start("}}
#include <gpuplace/runtime/execution_backend.hpp>

struct instance {
  gpuplace::instance_load load() const;
};
constexpr bool checked = gpuplace::check_model_instance<instance>();
