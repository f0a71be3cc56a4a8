// The torch backend as a plugin: the command loads it, and libtorch with it, when it is asked to run something.

#include "cpu_probe.hpp"

#include <gpuplace/backends/torch.hpp>
#include <gpuplace/plugin/plugin_entry.hpp>

namespace {

gpuplace::result<void> add_torch(gpuplace::registries& to) {
  return to.backends.add<gpuplace::torch_backend>("runs models in this process with libtorch");
}

}  // namespace

extern "C" gpuplace::plugin_entry gpuplace_plugin() { return gpuplace::plugin_of<&add_torch>(); }

/// What `topo --probe` asks of the cores, in C alone. TFLOP/s.
extern "C" void gpuplace_cpu_products(int threads, double* bf16, double* fp32) {
  auto const rates = gpuplace::torch_detail::measure_products(threads);
  *bf16 = rates.bf16;
  *fp32 = rates.fp32;
}
