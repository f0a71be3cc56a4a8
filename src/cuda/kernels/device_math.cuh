#pragma once
/// @file
/// What kernels share: 16-byte vectors of numbers, sums over a warp, and the order of kernels in a stream.

#include "kernels.hpp"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

namespace gpuplace::cuda {

using bf16 = __nv_bfloat16;

inline constexpr float nothing = -1e30f;  ///< the score of a position that is not seen
inline constexpr float log2_of_e = 1.44269504f;

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(bf16 x) { return __bfloat162float(x); }
template <class T>
__device__ __forceinline__ T narrow(float x) {
  if constexpr (sizeof(T) == 2) {
    return __float2bfloat16(x);
  } else {
    return x;
  }
}
/// As if it had been stored and loaded again: where transformers stores, roundings must agree.
template <class T>
__device__ __forceinline__ float rounded(float x) {
  return widen(narrow<T>(x));
}

/// Numbers in 16 bytes.
template <class T>
inline constexpr int in_vector = 16 / sizeof(T);

template <class T>
__device__ __forceinline__ void unpack(uint4 const& v, float (&out)[in_vector<T>]) {
  unsigned const words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (sizeof(T) == 2) {
      out[2 * i] = __uint_as_float(words[i] << 16);
      out[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
    } else {
      out[i] = __uint_as_float(words[i]);
    }
  }
}

template <class T>
__device__ __forceinline__ uint4 pack(float const (&in)[in_vector<T>]) {
  unsigned words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (sizeof(T) == 2) {
      __nv_bfloat162 const two = __floats2bfloat162_rn(in[2 * i], in[2 * i + 1]);
      words[i] = *reinterpret_cast<unsigned const*>(&two);
    } else {
      words[i] = __float_as_uint(in[i]);
    }
  }
  return make_uint4(words[0], words[1], words[2], words[3]);
}

/// `n` neighbouring numbers: one, two, or as many as 16 bytes hold.
template <int n, class T>
__device__ __forceinline__ void load(T const* from, float (&to)[n]) {
  if constexpr (n == 1) {
    to[0] = widen(*from);
  } else if constexpr (n == 2) {
    if constexpr (sizeof(T) == 2) {
      auto const two = *reinterpret_cast<unsigned const*>(from);
      to[0] = __uint_as_float(two << 16), to[1] = __uint_as_float(two & 0xffff0000u);
    } else {
      auto const two = *reinterpret_cast<float2 const*>(from);
      to[0] = two.x, to[1] = two.y;
    }
  } else {
    unpack<T>(*reinterpret_cast<uint4 const*>(from), to);
  }
}
template <int n, class T>
__device__ __forceinline__ void store(T* to, float const (&from)[n]) {
  if constexpr (n == 1) {
    *to = narrow<T>(from[0]);
  } else if constexpr (n == 2) {
    if constexpr (sizeof(T) == 2) {
      *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(from[0], from[1]);
    } else {
      *reinterpret_cast<float2*>(to) = make_float2(from[0], from[1]);
    }
  } else {
    *reinterpret_cast<uint4*>(to) = pack<T>(from);
  }
}

/// Weights are read once a step: they pass the first-level cache by.
__device__ __forceinline__ uint4 load_once(uint4 const* p) {
  uint4 r;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
               : "l"(p));
  return r;
}

template <int lanes = 32>
__device__ __forceinline__ float lane_sum(float v) {
#pragma unroll
  for (int offset = lanes / 2; offset > 0; offset /= 2) v += __shfl_xor_sync(~0u, v, offset);
  return v;
}

/// One number of an RMSNorm, with the roundings in the order that transformers has them.
template <class T>
__device__ __forceinline__ T normalised(float x, float scale, T weight, bool offset) {
  return offset ? narrow<T>(x * scale * (1.0f + widen(weight))) : narrow<T>(rounded<T>(x * scale) * widen(weight));
}

__device__ __forceinline__ float gated(float x, gate g) {
  return g == gate::silu ? x / (1.0f + __expf(-x)) : x / (1.0f + __expf(x * (1.0f + 0.044715f * x * x) * -1.5957691216057308f));
}

/// The sum over a block of at most 1024 threads; `scratch` holds 32 floats.
__device__ __forceinline__ float block_sum(float v, float* scratch) {
  int const lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  v = lane_sum(v);
  __syncthreads();
  if (lane == 0) scratch[warp] = v;
  __syncthreads();
  float total = 0;
  for (int i = 0; i < warps; ++i) total += scratch[i];
  return total;
}

/// The next kernel of the stream may be launched now: what it does before wait_for_previous() overlaps with this one.
__device__ __forceinline__ void let_next_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
/// Waits until all that the kernels before have written can be read. Every kernel calls it before it touches what a step changes.
__device__ __forceinline__ void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Launches a kernel that calls wait_for_previous(), so that it may start while the one before still runs.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared, lane on, unsigned cluster,
                   Arguments... arguments) {
  cudaLaunchConfig_t how{};
  how.gridDim = grid;
  how.blockDim = block;
  how.dynamicSmemBytes = shared;
  how.stream = on.stream;
  cudaLaunchAttribute attributes[3];
  if (on.early) {
    attributes[how.numAttrs].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[how.numAttrs++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (on.shared_percent >= 0) {
    attributes[how.numAttrs].id = cudaLaunchAttributePreferredSharedMemoryCarveout;
    attributes[how.numAttrs++].val.sharedMemCarveout = static_cast<unsigned>(on.shared_percent);
  }
  if (cluster > 1) {
    attributes[how.numAttrs].id = cudaLaunchAttributeClusterDimension;
    attributes[how.numAttrs].val.clusterDim.x = cluster;
    attributes[how.numAttrs].val.clusterDim.y = 1;
    attributes[how.numAttrs++].val.clusterDim.z = 1;
  }
  how.attrs = attributes;
  return cudaLaunchKernelEx(&how, kernel, Parameters(arguments)...);
}

/// Calls `run` with a number of that type, and with how many of them are read at once where rows of `width` lie one after another.
template <class F>
auto by_vectors(number type, int width, F&& run) {
  auto const with = [&]<class T>(T t) {
    return width % in_vector<T> == 0 ? run(t, std::integral_constant<int, in_vector<T>>{})
                                     : run(t, std::integral_constant<int, 1>{});
  };
  return type == number::bf16 ? with(bf16{}) : with(float{});
}

/// Calls `run` with a number of that type.
template <class F>
auto by_number(number type, F&& run) {
  return type == number::bf16 ? run(bf16{}) : run(float{});
}

}  // namespace gpuplace::cuda
