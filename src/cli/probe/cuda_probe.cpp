#include "cuda_probe.hpp"

#include "../../cuda/probe_library.hpp"
#include "../plugins.hpp"

#include <gpuplace/topology/live_facts.hpp>
#include <gpuplace/topology/shared_library.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace gpuplace::cli {

namespace {

constexpr char const* library_file = "libgpuplace_cuda_probe.so";

using words = std::array<char, 512>;

// What a function of the library answers, as a result.
template <class Function, class... Arguments>
result<void> ask(std::string where, Function function, Arguments... arguments) {
  words why{};
  if (function(arguments..., why.data(), static_cast<int>(why.size())) == 0) return {};
  return error{errc::unavailable, why.data(), std::move(where), {}};
}

}  // namespace

result<cuda_probe> cuda_probe::open() {
#if GPUPLACE_HAVE_CUDA_PROBE
  GPUPLACE_TRY(auto const path, own_library(library_file));
  // Never closed: what CUDA's driver runs at the end of a process must find the runtime where it was.
  static auto& library = *new topology::shared_library(topology::shared_library::open(path.string()));
  auto* const entry = library.function<gpuplace_probe_library const*()>(gpuplace_probe_symbol);
  if (entry == nullptr)
    return error{errc::unreadable, "the library cannot be loaded", path.string(), "build or install it again with the command"};
  cuda_probe made;
  made.functions_ = entry();
  if (made.functions_->size != sizeof(gpuplace_probe_library))
    return error{errc::mismatch, "the library is of another build than this command", path.string(), "build or install both again"};
  return made;
#else
  return error{errc::unsupported, "this command was built without CUDA, it measures no GPU", library_file,
               "build with CUDA's compiler (scripts/install_cuda), or measure the cores: --topology cpu:1"};
#endif
}

int cuda_probe::cuda_version() const { return functions_->cuda_version; }

result<std::vector<std::string>> cuda_probe::slots() const {
  int count = 0;
  GPUPLACE_CHECK(ask("CUDA", functions_->count, &count));
  std::vector<std::string> found;
  for (int gpu = 0; gpu < count; ++gpu) {
    std::array<char, 32> pci{};
    GPUPLACE_CHECK(ask("CUDA", functions_->pci, gpu, pci.data()));
    found.push_back(topology::kernel_pci(pci.data()));
  }
  return found;
}

result<void> cuda_probe::try_gpus() const {
  GPUPLACE_TRY(auto const found, slots());
  for (int gpu = 0; gpu < static_cast<int>(found.size()); ++gpu)
    GPUPLACE_CHECK(ask("cuda:" + std::to_string(gpu), functions_->try_gpu, gpu));
  return {};
}

result<int> cuda_probe::find(device const& d) const {
  GPUPLACE_TRY(auto const found, slots());
  auto const at = std::ranges::find(found, topology::kernel_pci(d.pci));
  if (at != found.end()) return static_cast<int>(at - found.begin());
  if (d.pci.empty() && d.id.index < static_cast<int>(found.size())) return d.id.index;
  return error{errc::not_found, "CUDA shows this process no " + to_string(d.id) + " (" + d.pci + ")", "CUDA",
               "check CUDA_VISIBLE_DEVICES and gpuplace doctor"};
}

result<topology::device_rates> cuda_probe::measure(device const& d) const {
  GPUPLACE_TRY(auto const gpu, find(d));
  gpuplace_probe_device seen{};
  GPUPLACE_CHECK(ask(to_string(d.id), functions_->measure, gpu, &seen));
  if (seen.note[0] != '\0') fmt::print(stderr, "note: products on {} were not measured: {}\n", to_string(d.id), seen.note);
  return topology::device_rates{gigabytes_per_second{seen.memory}, gigabytes_per_second{seen.from_host},
                                gigabytes_per_second{seen.to_host}, teraflops{seen.bf16}, teraflops{seen.fp32}};
}

result<topology::pair_rates> cuda_probe::measure(device const& from, device const& to) const {
  GPUPLACE_TRY(auto const a, find(from));
  GPUPLACE_TRY(auto const b, find(to));
  gpuplace_probe_pair seen{};
  GPUPLACE_CHECK(ask(to_string(from.id) + " to " + to_string(to.id), functions_->measure_pair, a, b, &seen));
  return topology::pair_rates{gigabytes_per_second{seen.bandwidth}, microseconds{seen.latency}, seen.staged != 0};
}

}  // namespace gpuplace::cli
