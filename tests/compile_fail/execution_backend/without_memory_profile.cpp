// expected-error {{"a backend needs:  gpuplace::memory_profile memory() const;"}}
#include <gpuplace/runtime/execution_backend.hpp>

struct running {
  gpuplace::cancel_function start(gpuplace::generation_request, boost::asio::any_io_executor, gpuplace::token_sink,
                                  gpuplace::generation_handler);
  gpuplace::instance_load load() const;
};
struct backend {
  static constexpr std::string_view name = "backend";
  static constexpr gpuplace::backend_level level = gpuplace::backend_level::constructs;
  using instance = running;
  gpuplace::result<running> start(gpuplace::replica_start const&) const;
};
constexpr bool checked = gpuplace::check_execution_backend<backend>();
