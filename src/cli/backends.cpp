#include "backends.hpp"

#include <gpuplace/simulation/simulated_backend.hpp>
#if GPUPLACE_HAVE_TORCH
#include <gpuplace/backends/torch.hpp>
#endif

namespace gpuplace::cli {

registry<any_backend> backends(boost::asio::io_context& loop) {
  registry<any_backend> known("backend");
#if GPUPLACE_HAVE_TORCH
  (void)known.add("torch", "torch", "runs models in this process with libtorch", [](spec const& asked) -> result<any_backend> {
    GPUPLACE_CHECK(asked.allow(0));
    return any_backend(torch_backend{});
  });
#endif
  (void)known.add("simulated", "simulated", "predicts times on a virtual clock; tokens are made up", [&loop](spec const& asked) -> result<any_backend> {
    GPUPLACE_CHECK(asked.allow(0));
    return any_backend(simulated_backend{virtual_clock(loop)});
  });
  return known;
}

}  // namespace gpuplace::cli
