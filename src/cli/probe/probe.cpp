#include "probe.hpp"

#include "cpu_probe.hpp"
#include "cuda_probe.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>

namespace gpuplace::cli {

namespace {

std::string now() {
  auto const seconds = std::time(nullptr);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[32] = {};
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return text;
}

// The cores are measured together, once; every slot has its share.
auto cores_prober(std::size_t slots) {
  auto const all = std::make_shared<std::optional<topology::device_rates>>();
  return [all, slots](device const&) -> result<topology::device_rates> {
    if (!*all) *all = measure_cores(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
    return share_of(**all, slots);
  };
}

bool nothing_measured(topology::measurements const& made) {
  return std::ranges::all_of(made.devices, [](auto const& rates) { return rates == topology::device_rates{}; });
}

result<topology::prober> prober_of(topology::graph const& seen) {
  auto const is_gpu = [](device const& d) { return d.id.kind == device_kind::cuda; };
  if (std::ranges::none_of(seen.devices(), is_gpu))
    return topology::prober{.device_of = cores_prober(seen.devices().size()), .pair_of = {}};
  GPUPLACE_TRY(auto opened, cuda_probe::open());
  auto const gpus = std::make_shared<cuda_probe const>(std::move(opened));
  return topology::prober{.device_of = [gpus](device const& d) { return gpus->measure(d); },
                          .pair_of = [gpus](device const& a, device const& b) { return gpus->measure(a, b); }};
}

}  // namespace

result<topology::measurements> probe(topology::graph const& seen, std::string const& topology) {
  if (topology != "live" && !topology.starts_with("cpu:") && !topology.starts_with("preset:cpu:"))
    return error{errc::unsupported, "only the machine that this command runs on can be measured", "--topology " + topology,
                 "leave --topology out, or write cpu:N"};
  GPUPLACE_TRY(auto const with, prober_of(seen));
  auto made = topology::measure(seen, with, [](std::string const& what) { fmt::print(stderr, "measuring {}\n", what); });
  made.when = now();
  if (nothing_measured(made))
    return error{errc::unavailable, made.failures.empty() ? "nothing could be measured" : made.failures.front(), "--probe",
                 "gpuplace doctor looks for the cause"};
  return made;
}

}  // namespace gpuplace::cli
