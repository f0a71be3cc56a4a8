#include "vector_kernels.hpp"

#include <array>
#include <cstddef>

namespace gpuplace::torch_cpu {

extern vector_kernels const baseline;
#ifdef GPUPLACE_X86_LEVELS
extern vector_kernels const avx2, avx512, avx512_bf16;
#endif

namespace {

struct level_list {
  std::array<vector_kernels const*, 4> levels{};
  std::size_t count = 0;
  void add(vector_kernels const& level) { levels[count++] = &level; }
};

level_list find_levels() {
  level_list found;
#ifdef GPUPLACE_X86_LEVELS
  __builtin_cpu_init();
  bool const has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (has_avx512 && __builtin_cpu_supports("avx512bf16")) found.add(avx512_bf16);
  if (has_avx512) found.add(avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.add(avx2);
#endif
  found.add(baseline);
  return found;
}

}  // namespace

std::span<vector_kernels const* const> usable_levels() {
  static level_list const found = find_levels();
  return {found.levels.data(), found.count};
}

}  // namespace gpuplace::torch_cpu
