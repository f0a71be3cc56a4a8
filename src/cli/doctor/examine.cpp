#include "examine.hpp"

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/topology/gpu_models.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace gpuplace::cli {

namespace {

using namespace literals;
using topology::gpu_facts;

constexpr bytes little_disk = 20_GiB;  // a model of 8 billion parameters in bf16 takes 15

std::string gpu_name(gpu_facts const& gpu) { return "GPU " + std::to_string(gpu.index); }

std::string version_text(int cuda) { return fmt::format("{}.{}", cuda / 1000, cuda % 1000 / 10); }

// The first driver series that serves a major version of CUDA; 0 where it is not known.
// Source: CUDA Toolkit release notes, "CUDA Driver and minor version compatibility"
constexpr int first_series(int cuda) {
  switch (cuda / 1000) {
    case 11: return 450;
    case 12: return 525;
    case 13: return 580;
    default: return 0;
  }
}

int series_of(std::string const& driver) {
  int series = 0;
  std::from_chars(driver.data(), driver.data() + driver.size(), series);
  return series;
}

bool too_old(topology::gpu_machine const& gpus, int needed) {
  if (gpus.cuda > 0) return gpus.cuda / 1000 < needed / 1000;
  return series_of(gpus.driver) > 0 && series_of(gpus.driver) < first_series(needed);
}

finding without_driver(doctor_facts const& facts) {
  if (!facts.gpus.notes.empty())
    return {verdict::fail, "driver", facts.gpus.notes.front(), "restart the machine after an update of the driver"};
  if (facts.driver_loaded)
    return {verdict::fail, "driver", "loaded, and libnvidia-ml.so.1 is not found",
            "install the driver's libraries; start a container with its GPUs (--gpus all)"};
  return {verdict::skip, "driver", "no NVIDIA driver: plans run on the cores, --topology cpu:N", {}};
}

finding check_driver(doctor_facts const& facts) {
  auto const& gpus = facts.gpus;
  if (gpus.gpus.empty() && gpus.driver.empty()) return without_driver(facts);
  auto found = gpus.driver.empty() ? std::string("of unknown version") : gpus.driver;
  if (gpus.cuda > 0) found += ", serves CUDA up to " + version_text(gpus.cuda);
  if (facts.cuda_version == 0) return {verdict::ok, "driver", found, {}};
  auto const series = first_series(facts.cuda_version);
  found += "; this build needs CUDA " + version_text(facts.cuda_version);
  if (series > 0) found += fmt::format(", a driver of series {} or later", series);
  if (!too_old(gpus, facts.cuda_version)) return {verdict::ok, "driver", found, {}};
  return {verdict::fail, "driver", found,
          "install a newer driver, or build with an older CUDA (GPUPLACE_CUDA_DIR, GPUPLACE_TORCH_DIR)"};
}

void check_cards(doctor_facts const& facts, std::vector<finding>& to) {
  for (auto const& gpu : facts.gpus.gpus) {
    auto found = gpu.name + ", " + to_string(gpu.total);
    if (gpu.sm > 0) found += fmt::format(", compute capability {}.{}", gpu.sm / 10, gpu.sm % 10);
    if (gpu.sm > 0 && gpu.sm < 80)
      to.push_back({verdict::warn, gpu_name(gpu), found + ", older than 8.0: no bf16, and no kernels of this build",
                    "run on newer cards, or on the cores"});
    else to.push_back({verdict::ok, gpu_name(gpu), found, {}});
  }
  for (auto const& note : facts.gpus.notes)
    if (!facts.gpus.gpus.empty()) to.push_back({verdict::warn, "GPUs", note, {}});
  if (facts.gpus.gpus.empty()) to.push_back({verdict::skip, "GPUs", "none", {}});
}

finding check_visible(doctor_facts const& facts) {
  std::string const name = "visible";
  if (!facts.visible)
    return {verdict::fail, name, facts.visible.error().where + ": " + facts.visible.error().what, facts.visible.error().remedy};
  auto const setting = facts.visible_setting.empty() ? std::string("CUDA_VISIBLE_DEVICES is not set") : facts.visible_setting;
  if (facts.gpus.gpus.empty()) return {verdict::skip, name, setting, {}};
  auto const& devices = *facts.visible;
  if (devices.empty())
    return {verdict::warn, name, setting + ": no GPU", "unset CUDA_VISIBLE_DEVICES, or name GPUs that are there"};
  auto list = devices.front();
  if (devices.size() > 1) list += " to " + devices.back();
  return {verdict::ok, name, setting + ": " + list, {}};
}

finding check_peers(doctor_facts const& facts) {
  using access = topology::gpu_pair_facts::access;
  std::size_t yes = 0, no = 0;
  std::string first;
  for (std::size_t a = 0; a < facts.gpus.pairs.size(); ++a)
    for (std::size_t b = a + 1; b < facts.gpus.pairs.size(); ++b) {
      auto const peer = facts.gpus.pairs[a][b].peer_access;
      yes += peer == access::yes;
      no += peer == access::no;
      if (peer == access::no && first.empty())
        first = fmt::format("GPU {} and {}", facts.gpus.gpus[a].index, facts.gpus.gpus[b].index);
    }
  if (yes + no == 0) return {verdict::skip, "P2P", facts.gpus.gpus.size() < 2 ? "one GPU or none" : "the driver does not tell", {}};
  if (no == 0) return {verdict::ok, "P2P", fmt::format("peer access in {} of {} pairs", yes, yes), {}};
  return {verdict::warn, "P2P",
          fmt::format("no peer access in {} of {} pairs, first {}: copies go through host memory", no, yes + no, first),
          "usual on GeForce cards; elsewhere switch ACS and the IOMMU off, and see nvidia-smi topo -p2p r"};
}

finding check_nvlinks(doctor_facts const& facts) {
  std::string fewer;
  int active = 0;
  for (auto const& gpu : facts.gpus.gpus) {
    int links = 0;
    for (auto const& bundle : gpu.nvlinks) links += bundle.links;
    active = std::max(active, links);
    auto const* const card = topology::find_gpu_model(gpu.name);
    if (card != nullptr && links < card->nvlinks && !gpu.mig)
      fewer += fmt::format("{}{}: {} of {} active", fewer.empty() ? "" : ", ", gpu_name(gpu), links, card->nvlinks);
  }
  if (!fewer.empty())
    return {
        facts.gpus.gpus.size() > 1 ? verdict::warn : verdict::ok, "NVLink", fewer,
        facts.gpus.gpus.size() > 1 ? "nvidia-smi nvlink --status; on boards with NVSwitches nvidia-fabricmanager must run" : ""};
  if (active == 0) return {verdict::skip, "NVLink", "none", {}};
  return {verdict::ok, "NVLink", fmt::format("all are active, {} on each card", active), {}};
}

finding check_mig(doctor_facts const& facts) {
  std::string cards;
  for (auto const& gpu : facts.gpus.gpus)
    if (gpu.mig) cards += fmt::format("{}{} in {} slices", cards.empty() ? "" : ", ", gpu_name(gpu), gpu.slices.size());
  if (facts.gpus.gpus.empty()) return {verdict::skip, "MIG", "no GPU", {}};
  if (cards.empty()) return {verdict::ok, "MIG", "off", {}};
  return {verdict::warn, "MIG", cards + ": CUDA shows a program one slice, without NVLink and peer access",
          "name a slice (CUDA_VISIBLE_DEVICES=MIG-…), or switch MIG off with nvidia-smi -mig 0"};
}

std::string owners_text(gpu_facts const& gpu) {
  std::string text;
  for (auto const& owner : gpu.owners)
    text += fmt::format("{}pid {} {}{}", text.empty() ? "" : ", ", owner.pid, owner.name.empty() ? "?" : owner.name,
                        owner.used.count() > 0 ? " " + to_string(owner.used) : "");
  return text.empty() ? "programs that cannot be seen from here" : text;
}

void check_memory(doctor_facts const& facts, std::vector<finding>& to) {
  for (auto const& gpu : facts.gpus.gpus) {
    auto const name = "memory " + std::to_string(gpu.index);
    auto const found = fmt::format("{} of {} free", to_string(gpu.free), to_string(gpu.total));
    bytes const own{gpu.total.count() / 20 + (std::int64_t{1} << 30)};  // what the driver itself may hold
    if (gpu.total.count() == 0) to.push_back({verdict::skip, name, "the driver does not tell", {}});
    else if (gpu.total - gpu.free > own)
      to.push_back(
          {verdict::warn, name, found + ", held by " + owners_text(gpu), "end them, or plan with what is left, as live does"});
    else to.push_back({verdict::ok, name, found, {}});
  }
}

finding check_cuda(doctor_facts const& facts) {
  bool const gpus = !facts.gpus.gpus.empty();
  if (!facts.cuda_built)
    return {gpus ? verdict::warn : verdict::skip, "CUDA", "this command was built without CUDA: it runs on the cores alone",
            gpus ? "scripts/install_cuda, then build again" : ""};
  if (!facts.cuda) {
    auto const& why = facts.cuda.error();
    return {verdict::fail, "CUDA", why.where + ": " + why.what,
            why.remedy.empty() ? "see driver and memory above; a container needs libcuda.so.1 too (--gpus all)" : why.remedy};
  }
  auto const built = "built with CUDA " + version_text(facts.cuda_version);
  if (!gpus) return {verdict::skip, "CUDA", built + ", no GPU to try it on", {}};
  return {verdict::ok, "CUDA", built + "; every visible GPU computes, cuBLASLt is found", {}};
}

finding check_torch(doctor_facts const& facts) {
  if (!facts.torch) return {verdict::skip, "torch", "this command was built without the torch backend", {}};
  if (*facts.torch) return {verdict::ok, "torch", "the backend and libtorch load", {}};
  auto const& why = facts.torch->error();
  return {verdict::fail, "torch", why.where.empty() ? why.what : why.where + ": " + why.what, why.remedy};
}

void check_ports(doctor_facts const& facts, std::vector<finding>& to) {
  std::vector<int> free;
  for (auto const& port : facts.ports)
    if (!port.taken) free.push_back(port.number);
  if (!free.empty()) to.push_back({verdict::ok, "ports", port_list(free) + (free.size() == 1 ? " is free" : " are free"), {}});
  for (auto const& port : facts.ports)
    if (port.taken)
      to.push_back({verdict::warn, "port " + std::to_string(port.number),
                    port.pid > 0 ? fmt::format("taken by pid {} ({})", port.pid, port.program) : "taken by another user's program",
                    "end it, or give servers other ports"});
}

finding check_vllm(doctor_facts const& facts) {
  if (facts.vllm) return {verdict::ok, "vLLM", *facts.vllm, {}};
  if (facts.vllm.error().code == errc::timed_out)
    return {verdict::warn, "vLLM", facts.vllm.error().where + ": " + facts.vllm.error().what, "try it by hand: vllm --version"};
  return {verdict::skip, "vLLM", "not installed; only fleets of vLLM servers need it", {}};
}

finding check_model(doctor_facts const& facts) {
  if (facts.model.empty()) return {verdict::skip, "model", "none named (--model)", {}};
  if (facts.opened) return {verdict::ok, "model", *facts.opened, {}};
  auto const& why = facts.opened.error();
  return {verdict::fail, "model", why.where.empty() ? why.what : why.where + ": " + why.what, why.remedy};
}

finding check_cache(folder_facts const& cache) {
  if (!cache.exists)
    return {verdict::skip, "cache", cache.path + " is not there: nothing was downloaded from Hugging Face yet", {}};
  if (!cache.writable)
    return {verdict::warn, "cache", cache.path + " cannot be written to", "change its owner, or name another with HF_HOME"};
  return {verdict::ok, "cache", cache.path, {}};
}

finding check_disk(std::string name, folder_facts const& folder) {
  auto const found = fmt::format("{} free in {}", to_string(folder.free), folder.path);
  if (folder.free >= little_disk) return {verdict::ok, std::move(name), found, {}};
  return {verdict::warn, std::move(name), found, "a model of 8 billion parameters takes 15 GiB: make room, or name another folder"};
}

}  // namespace

std::vector<finding> examine(doctor_facts const& facts) {
  std::vector<finding> made{check_driver(facts)};
  check_cards(facts, made);
  made.push_back(check_visible(facts));
  made.push_back(check_mig(facts));
  made.push_back(check_peers(facts));
  made.push_back(check_nvlinks(facts));
  check_memory(facts, made);
  made.push_back(check_cuda(facts));
  made.push_back(check_torch(facts));
  check_ports(facts, made);
  made.push_back(check_vllm(facts));
  made.push_back(check_model(facts));
  made.push_back(check_cache(facts.cache));
  made.push_back(check_disk("cache's disk", facts.cache));
  made.push_back(check_disk("disk", facts.here));
  return made;
}

}  // namespace gpuplace::cli
