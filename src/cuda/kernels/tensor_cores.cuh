#pragma once
/// @file
/// Tensor cores and the copies that feed them, as warps see them.

#include "device_math.cuh"

namespace gpuplace::cuda {

/// c += a b^T for 16 rows of a and 8 of b, 16 numbers of each. Of c a thread has rows lane / 4 and lane / 4 + 8, columns 2 * (lane % 4)
/// and the next.
__device__ __forceinline__ void multiply_add(float (&c)[4], unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0,
                                             unsigned b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

__device__ __forceinline__ unsigned shared_address(void const* p) { return static_cast<unsigned>(__cvta_generic_to_shared(p)); }

/// Four tiles of 8 x 8 numbers; lane l gives the address of row l % 8 of tile l / 8.
__device__ __forceinline__ void load_tiles(unsigned (&r)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from));
}
/// Two of them, of which lanes 0 to 15 give the addresses.
__device__ __forceinline__ void load_two_tiles(unsigned (&r)[2], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(from));
}
/// Four, each tile transposed.
__device__ __forceinline__ void load_tiles_transposed(unsigned (&r)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from));
}

/// A tile of 8 x 8 numbers, of which each thread has two, transposed.
__device__ __forceinline__ unsigned transposed(unsigned two) {
  unsigned r;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(two));
  return r;
}

/// Where the 16 bytes `vector` of row `row` lie in a tile of rows of d numbers: eight rows of one vector lie in different banks.
template <int d>
__device__ __forceinline__ unsigned swizzled(int row, int vector) {
  return static_cast<unsigned>(row * d * 2 + ((vector ^ (row & 7)) << 4));
}

/// Sets 16 bytes of shared memory on their way; zeros where `there` is false.
__device__ __forceinline__ void copy_ahead(unsigned to, void const* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}
__device__ __forceinline__ void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until all but the last `open` groups of copies of this thread have arrived.
template <int open>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(open) : "memory");
}

__device__ __forceinline__ unsigned pack_two(float low, float high) {
  __nv_bfloat162 const two = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<unsigned const*>(&two);
}

__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace gpuplace::cuda
