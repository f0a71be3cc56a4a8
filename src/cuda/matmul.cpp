#include "matmul.hpp"

#include <cublasLt.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <dlfcn.h>

namespace gpuplace::cuda {
namespace {

/// The folders of this build's NVIDIA wheels, separated by colons.
#ifndef GPUPLACE_CUDA_LIBRARY_PATH
#define GPUPLACE_CUDA_LIBRARY_PATH ""
#endif

void* open_library() {
  std::string const name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  if (auto* const found = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return found;
  std::string const folders = GPUPLACE_CUDA_LIBRARY_PATH;
  for (std::size_t begin = 0; begin < folders.size();) {
    auto const end = std::min(folders.find(':', begin), folders.size());
    if (auto* const found = dlopen((folders.substr(begin, end - begin) + '/' + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return found;
    begin = end + 1;
  }
  throw std::runtime_error(name + " is not found: install it (pip install nvidia-cublas) and name its folder in LD_LIBRARY_PATH");
}

struct library {
  void* handle = open_library();

#define GPUPLACE_CUBLASLT(function) decltype(&::function) function = load<decltype(&::function)>(#function)
  GPUPLACE_CUBLASLT(cublasLtCreate);
  GPUPLACE_CUBLASLT(cublasLtDestroy);
  GPUPLACE_CUBLASLT(cublasLtMatmul);
  GPUPLACE_CUBLASLT(cublasLtMatmulAlgoGetHeuristic);
  GPUPLACE_CUBLASLT(cublasLtMatmulDescCreate);
  GPUPLACE_CUBLASLT(cublasLtMatmulDescDestroy);
  GPUPLACE_CUBLASLT(cublasLtMatmulDescSetAttribute);
  GPUPLACE_CUBLASLT(cublasLtMatmulPreferenceCreate);
  GPUPLACE_CUBLASLT(cublasLtMatmulPreferenceDestroy);
  GPUPLACE_CUBLASLT(cublasLtMatmulPreferenceSetAttribute);
  GPUPLACE_CUBLASLT(cublasLtMatrixLayoutCreate);
  GPUPLACE_CUBLASLT(cublasLtMatrixLayoutDestroy);
#undef GPUPLACE_CUBLASLT

  template <class F>
  F load(char const* name) {
    if (auto* const found = dlsym(handle, name)) return reinterpret_cast<F>(found);
    throw std::runtime_error(std::string("libcublasLt has no ") + name + ": it is another version than this build's");
  }
};

library const& lib() {
  static library const loaded;
  return loaded;
}

void check(cublasStatus_t status, char const* what) {
  if (status != CUBLAS_STATUS_SUCCESS) throw std::runtime_error(std::string(what) + ": cuBLASLt status " + std::to_string(status));
}

constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

/// A product as cuBLASLt describes it. Its matrices are column-major: y^T = weight x^T.
struct described {
  cublasLtMatmulDesc_t what = nullptr;
  cublasLtMatrixLayout_t weight = nullptr, x = nullptr, y = nullptr;
  cublasLtMatmulAlgo_t how{};

  described() = default;
  described(described const&) = delete;
  ~described() {
    for (auto* layout : {weight, x, y})
      if (layout) lib().cublasLtMatrixLayoutDestroy(layout);
    if (what) lib().cublasLtMatmulDescDestroy(what);
  }
};

}  // namespace

struct matmul::state {
  cublasLtHandle_t handle = nullptr;
  device_memory workspace = allocate(workspace_bytes, "reserving cuBLASLt's workspace");
  std::map<matmul_shape, described> known;

  state() { check(lib().cublasLtCreate(&handle), "starting cuBLASLt"); }
  ~state() {
    known.clear();
    lib().cublasLtDestroy(handle);
  }

  described& describe(matmul_shape const& s) {
    auto const [at, added] = known.try_emplace(s);
    if (!added) return at->second;
    try {
      fill(at->second, s);
    } catch (...) {
      known.erase(at);
      throw;
    }
    return at->second;
  }

  void fill(described& d, matmul_shape const& s) {
    auto const type = s.type == number::bf16 ? CUDA_R_16BF : CUDA_R_32F;
    auto const transposed = CUBLAS_OP_T;
    check(lib().cublasLtMatmulDescCreate(&d.what, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
    check(lib().cublasLtMatmulDescSetAttribute(d.what, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
          "describing a product");
    auto const inputs = static_cast<std::uint64_t>(s.inputs), outputs = static_cast<std::uint64_t>(s.outputs),
               rows = static_cast<std::uint64_t>(s.rows);
    check(lib().cublasLtMatrixLayoutCreate(&d.weight, type, inputs, outputs, s.inputs), "describing a product");
    check(lib().cublasLtMatrixLayoutCreate(&d.x, type, inputs, rows, s.inputs), "describing a product");
    check(lib().cublasLtMatrixLayoutCreate(&d.y, s.wide ? CUDA_R_32F : type, outputs, rows, s.outputs), "describing a product");
    d.how = proposed(d, 1).front();
  }

  /// Algorithms for a product, what cuBLASLt holds for the best first.
  std::vector<cublasLtMatmulAlgo_t> proposed(described const& d, int most) {
    cublasLtMatmulPreference_t preference = nullptr;
    check(lib().cublasLtMatmulPreferenceCreate(&preference), "choosing a product's algorithm");
    auto const room = workspace_bytes;
    lib().cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room);
    std::vector<cublasLtMatmulHeuristicResult_t> found(static_cast<std::size_t>(most));
    int count = 0;
    auto const status =
        lib().cublasLtMatmulAlgoGetHeuristic(handle, d.what, d.weight, d.x, d.y, d.y, preference, most, found.data(), &count);
    lib().cublasLtMatmulPreferenceDestroy(preference);
    check(status, "choosing a product's algorithm");
    if (count == 0) throw std::runtime_error("cuBLASLt knows no algorithm for a product of this shape");
    std::vector<cublasLtMatmulAlgo_t> all;
    for (int i = 0; i < count; ++i) all.push_back(found[static_cast<std::size_t>(i)].algo);
    return all;
  }

  void run(described const& d, bool add, void const* weight, void const* x, void* y, cudaStream_t on) {
    float const one = 1, keep = add ? 1 : 0;
    check(lib().cublasLtMatmul(handle, d.what, &one, weight, d.weight, x, d.x, &keep, y, d.y, y, d.y, &d.how, workspace.as<void>(),
                               workspace.size(), on),
          "a product");
  }
};

matmul::matmul() : state_(std::make_unique<state>()) {}
matmul::~matmul() = default;
matmul::matmul(matmul&&) noexcept = default;
matmul& matmul::operator=(matmul&&) noexcept = default;

void matmul::tune(matmul_shape const& shape, void const* weight, void const* x, void* y, cudaStream_t on) {
  constexpr int candidates = 8, rounds = 4;
  auto& d = state_->describe(shape);
  stopwatch const watch;
  auto best = d.how;
  float least = std::numeric_limits<float>::max();
  for (auto const& how : state_->proposed(d, candidates)) {
    d.how = how;
    for (int round = 0; round < rounds; ++round) {
      watch.start(on);
      state_->run(d, shape.add, weight, x, y, on);
      if (auto const now = watch.stop(on); now < least) least = now, best = how;
    }
  }
  d.how = best;
}

void matmul::multiply(matmul_shape const& shape, void const* weight, void const* x, void* y, cudaStream_t on) {
  state_->run(state_->describe(shape), shape.add, weight, x, y, on);
}

}  // namespace gpuplace::cuda
