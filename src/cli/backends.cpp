#include "backends.hpp"
#include "plugins.hpp"

#include <gpuplace/simulation/simulated_backend.hpp>

namespace gpuplace::cli {

namespace {

[[maybe_unused]] result<any_backend> make_torch(spec const& asked) {
  registries loaded;
  GPUPLACE_CHECK(load_own_plugin("libgpuplace_torch_backend.so", loaded));
  return loaded.backends.make(asked);
}

}  // namespace

result<registry<any_backend>> backends(registries const& known, boost::asio::io_context& loop) {
  auto all = known.backends;
#if GPUPLACE_HAVE_TORCH
  GPUPLACE_CHECK(all.add("torch", "torch", "runs models in this process with libtorch", make_torch));
#endif
  auto const make_simulated = [&loop](spec const& asked) -> result<any_backend> {
    GPUPLACE_CHECK(asked.allow(0));
    return any_backend(simulated_backend{virtual_clock(loop)});
  };
  GPUPLACE_CHECK(all.add("simulated", "simulated", "predicts times on a virtual clock; tokens are made up", make_simulated));
  return all;
}

}  // namespace gpuplace::cli
