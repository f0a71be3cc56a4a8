// The torch backend as a plugin: the command loads it, and libtorch with it, when it is asked to run something.

#include <gpuplace/backends/torch.hpp>
#include <gpuplace/plugin/plugin_entry.hpp>

namespace {

gpuplace::result<void> add_torch(gpuplace::registries& to) {
  return to.backends.add<gpuplace::torch_backend>("runs models in this process with libtorch");
}

}  // namespace

extern "C" gpuplace::plugin_entry gpuplace_plugin() { return gpuplace::plugin_of<&add_torch>(); }
