#include "gather.hpp"

#include "../plugins.hpp"
#include "../probe/cuda_probe.hpp"
#include "run_briefly.hpp"

#include <gpuplace/model/model_path.hpp>
#include <gpuplace/topology/live.hpp>
#include <gpuplace/topology/visible.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace gpuplace::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds python_limit{10};

result<std::vector<std::string>> visible_devices(topology::gpu_machine const& gpus) {
  std::vector<std::string> names;
  if (gpus.gpus.empty()) return names;
  GPUPLACE_TRY(auto const seen, topology::visible_graph(topology::live_graph(gpus, {}), topology::this_environment()));
  for (auto const& d : seen.devices()) names.push_back(to_string(d.id));
  return names;
}

void ask_cuda(doctor_facts& facts) {
  auto const opened = cuda_probe::open();
  facts.cuda_built = opened.has_value() || opened.error().code != errc::unsupported;
  if (!opened) {
    facts.cuda = opened.error();
    return;
  }
  facts.cuda_version = opened->cuda_version();
  if (!facts.gpus.gpus.empty()) facts.cuda = opened->try_gpus();
}

std::optional<result<void>> load_torch() {
#if GPUPLACE_HAVE_TORCH
  registries loaded;
  return load_own_plugin("libgpuplace_torch_backend.so", loaded);
#else
  return std::nullopt;
#endif
}

// The Python that the `vllm` command on the path runs with: it may be installed in a place of its own.
std::string python_of_vllm() {
  char const* const path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::ifstream script(fs::path(folder) / "vllm");
    std::string first;
    if (std::getline(script, first) && first.starts_with("#!/")) return first.substr(2, first.find(' ') - 2);
  }
  return "python3";
}

// Not `vllm --version`, which imports all of torch first.
result<std::string> vllm_version() {
  GPUPLACE_TRY(auto text,
               run_briefly({python_of_vllm(), "-c", "import importlib.metadata as m; print(m.version('vllm'))"}, python_limit));
  return text.substr(0, text.find('\n'));
}

result<std::string> words_on(std::string const& name) {
  if (name.empty()) return std::string();
  GPUPLACE_TRY(auto const model, open_model(name));
  bytes weights{};
  for (auto const& u : model.units) weights += u.weight_bytes;
  return fmt::format("{}: {} layers, {} in {}", model.name, model.config.layers, to_string(weights), to_string(model.type));
}

folder_facts look_at(fs::path folder) {
  std::error_code ignored;
  folder_facts seen{.path = folder.string(), .exists = fs::is_directory(folder, ignored), .writable = false, .free = {}};
  seen.writable = seen.exists && ::access(folder.c_str(), W_OK) == 0;
  while (!fs::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  auto const space = fs::space(folder, ignored);
  if (!ignored) seen.free = bytes{static_cast<std::int64_t>(space.available)};
  return seen;
}

}  // namespace

doctor_facts gather(std::vector<int> const& ports, std::string const& model) {
  doctor_facts facts;
  facts.gpus = topology::read_nvml();
  facts.driver_loaded = topology::has_nvidia_gpus();
  if (char const* const setting = std::getenv("CUDA_VISIBLE_DEVICES"))
    facts.visible_setting = std::string("CUDA_VISIBLE_DEVICES=") + setting;
  facts.visible = visible_devices(facts.gpus);
  ask_cuda(facts);
  facts.torch = load_torch();
  facts.ports = look_at_ports(ports);
  facts.vllm = vllm_version();
  facts.model = model;
  facts.opened = words_on(model);
  facts.cache = look_at(hugging_face_cache());
  std::error_code ignored;
  facts.here = look_at(fs::current_path(ignored));
  return facts;
}

}  // namespace gpuplace::cli
