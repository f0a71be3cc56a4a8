#pragma once
/// @file
/// What libgpuplace_cuda_probe.so offers the command, in C alone: the command links nothing of CUDA and loads the library where it
/// is there. No header of CUDA is needed to include this.

#ifdef __cplusplus
extern "C" {
#endif

/// GB/s and TFLOP/s; 0 where it could not be measured, and `note` says why.
struct gpuplace_probe_device {
  double memory, from_host, to_host, bf16, fp32;
  char note[256];
};

/// GB/s, microseconds; `staged` where the cards have no peer access.
struct gpuplace_probe_pair {
  double bandwidth, latency;
  int staged;
};

/// Functions return 0, or else have written why to `why`, of `size` characters. GPUs are numbered as CUDA numbers them for this process.
struct gpuplace_probe_library {
  int size;          ///< of this structure: a command and a library of different builds tell each other apart
  int cuda_version;  ///< that the library was built with: 13000
  int (*count)(int* gpus, char* why, int size);
  int (*pci)(int gpu, char* text, char* why, int size);  ///< "0000:18:00.0"; text has 32 characters
  int (*try_gpu)(int gpu, char* why, int size);          ///< that it computes: a context, memory, cuBLASLt
  int (*measure)(int gpu, struct gpuplace_probe_device* rates, char* why, int size);
  int (*measure_pair)(int from, int to, struct gpuplace_probe_pair* rates, char* why, int size);
};

#ifdef __cplusplus
}
#endif

/// The name of the one function that the library exports: `gpuplace_probe_library const* gpuplace_probe()`.
inline constexpr char const* gpuplace_probe_symbol = "gpuplace_probe";
