// A service that runs models in its own process: links gpuplace::torch, and through it libtorch.
#include <gpuplace/backends/torch.hpp>

#include <iostream>

int main() {
  gpuplace::torch_backend const backend;
  if (backend.memory().fixed.count() <= 0 || backend.start({})) return 1;
  std::cout << "backend " << backend.name << " is there\n";
}
