// Compiled once for each instruction level, under the name that GPUPLACE_CPU_LEVEL gives. Only headers without functions that
// other files share may be included: the linker would take any one level's copy of them for all.

#include "vector_attention.hpp"
#include "vector_elementwise.hpp"
#include "vector_linear.hpp"

#define GPUPLACE_TEXT_(x) #x
#define GPUPLACE_TEXT(x) GPUPLACE_TEXT_(x)

namespace gpuplace::torch_cpu {
namespace {

template <class T>
constexpr typed_kernels<T> all_kernels() {
  return {&linear<T>, &rms_norm<T>, &rope<T>, &attend<T>, &silu_multiply<T>, &gelu_multiply<T>, &scale_all<T>};
}

}  // namespace

extern vector_kernels const GPUPLACE_CPU_LEVEL;
constinit vector_kernels const GPUPLACE_CPU_LEVEL{GPUPLACE_TEXT(GPUPLACE_CPU_LEVEL), all_kernels<float>(), all_kernels<bf16>(),
                                                  &softcap};

}  // namespace gpuplace::torch_cpu
