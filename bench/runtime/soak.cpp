// A soak of the torch backend: thousands of mixed requests with cancels and time limits through plan, fleet and scheduler, with a KV
// pool so small that sequences give way to each other. Exits with 1 where a request was lost, KV pages are not free at the end, or
// memory grew.
#include <gpuplace/backends/torch.hpp>
#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/placement/allocation/data_parallel.hpp>
#include <gpuplace/placement/partition/whole.hpp>
#include <gpuplace/placement/place.hpp>
#include <gpuplace/routing/least_loaded.hpp>
#include <gpuplace/runtime/fleet.hpp>
#include <gpuplace/runtime/limits_of_plan.hpp>
#include <gpuplace/runtime/stop_at.hpp>
#include <gpuplace/testing/soak.hpp>
#include <gpuplace/topology/device_group.hpp>
#include <gpuplace/topology/gpu_gauge.hpp>
#include <gpuplace/topology/read.hpp>
#include <gpuplace/topology/visible.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace gpuplace;
using clock_type = std::chrono::steady_clock;

struct soak_options {
  testing::soak_settings traffic;
  std::string model, topology = "live", type = "fp32";
  std::size_t replicas = 1;
  std::int64_t batch = 16;
  int threads = 0;
  double pool = 0.3, most_host_growth = 64, most_device_growth = 64, patience = 120;
};

void add_options(CLI::App& app, soak_options& o) {
  app.add_option("model", o.model, "The folder of a checkpoint")->required()->check(CLI::ExistingDirectory);
  app.add_option("--topology", o.topology, "Where to run: live, cpu:N, or another topology; CUDA_VISIBLE_DEVICES counts")
      ->capture_default_str();
  app.add_option("--replicas", o.replicas, "Replicas, one a device")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--dtype", o.type, "fp32 or bf16")->capture_default_str();
  app.add_option("--batch", o.batch, "Sequences in flight in each replica")->check(CLI::Range(2, 4096))->capture_default_str();
  app.add_option("--threads", o.threads, "CPU threads of each replica; 0: its slots' cores")->capture_default_str();
  app.add_option("--requests", o.traffic.requests, "How many requests")->check(CLI::Range(20, 100'000'000))->capture_default_str();
  app.add_option("--in-flight", o.traffic.in_flight, "Requests sent and not ended")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--prompt-tokens", o.traffic.prompt_tokens, "Longest prompt")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--answer-tokens", o.traffic.answer_tokens, "Longest answer")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--cancelled", o.traffic.cancelled,
                 "Part of the requests that are cancelled: at once, while they wait or are "
                 "prefilled, or after some tokens")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--expiring", o.traffic.expiring, "Part of the requests with a time limit")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option_function<double>(
      "--time-limit", [&o](double s) { o.traffic.time_limit = seconds{s}; }, "Longest of these limits, in seconds (default: 1)");
  app.add_option("--pool", o.pool, "Part of the KV cache's demand that the pool has: below 1, sequences give way to each other")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  app.add_option("--seed", o.traffic.seed, "Of everything that is drawn")->capture_default_str();
  app.add_option("--host-growth", o.most_host_growth, "MiB that the process may grow by after the first tenth of the requests")
      ->capture_default_str();
  app.add_option("--device-growth", o.most_device_growth,
                 "MiB that the GPUs' used memory may grow by meanwhile; other processes on them count")
      ->capture_default_str();
  app.add_option("--patience", o.patience, "Seconds without any end after which the requests left count as lost")
      ->capture_default_str();
  app.footer(
      "Examples:\n"
      "  soak models/Qwen3-1.7B --dtype bf16 --batch 64\n"
      "  soak tests/data/models/tiny_qwen3 --topology cpu:1\n"
      "A line is printed for each tenth of the requests. The exit code is 1 where a request neither finished nor was cancelled "
      "nor\n"
      "failed with an error, KV pages were not all free at the end, or memory grew by more than the bounds.");
}

double host_mib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("VmRSS")) return std::atof(line.c_str() + 6) / 1024;
  return 0;
}

/// Used memory of the GPUs that the plan runs on.
class device_memory_gauge {
public:
  explicit device_memory_gauge(plan const& placed) : gauge_(topology::gpu_gauge::open()) {
    for (auto const& d : placed.devices)
      if (d.id.kind == device_kind::cuda && d.used_bytes > bytes{}) gpus_.push_back(d);
  }
  double mib() const {
    double all = 0;
    for (auto const& d : gpus_)
      if (auto const seen = gauge_ ? gauge_->read(d.uuid, d.pci) : std::nullopt)
        all += static_cast<double>(seen->used.count()) / (1 << 20);
    return all;
  }

private:
  std::optional<topology::gpu_gauge> gauge_;
  std::vector<planned_device> gpus_;
};

/// Memory after the warm-up, and the most that was seen since.
struct growth {
  std::optional<double> first;
  double most = 0;
  void add(double seen) {
    if (!first) first = seen;
    most = std::max(most, seen);
  }
  double mib() const { return first ? most - *first : 0; }
};

struct pool_view {
  std::int64_t pages = 0, free = 0;
  std::int64_t unfinished = 0;
};

pool_view look(std::vector<instance_load> const& loads, std::int64_t pages_each) {
  pool_view seen;
  for (auto const& l : loads) {
    seen.pages += pages_each;
    seen.free += std::llround((1 - l.kv_used) * static_cast<double>(pages_each));
    seen.unfinished += l.running + l.waiting;
  }
  return seen;
}

result<std::shared_ptr<stop_rule const>> open_stop(std::string const& folder) {
  if (std::filesystem::exists(std::filesystem::path(folder) / "tokenizer.json")) {
    GPUPLACE_TRY(auto tokens, text::tokenizer::read(folder));
    return stop_at(std::move(tokens), {" the", "\n\n"});
  }
  return std::make_shared<stop_rule const>(stop_rule{{"a token"}, [] {
                                                       return [](std::span<token_id const> fresh) {
                                                         return std::ranges::any_of(fresh, [](token_id t) { return t % 31 == 0; });
                                                       };
                                                     }});
}

bool complain(bool wrong, std::string const& what) {
  if (wrong) std::printf("WRONG: %s\n", what.c_str());
  return wrong;
}

result<bool> run(soak_options o) {
  GPUPLACE_TRY(auto const type, parse_dtype(o.type));
  GPUPLACE_TRY(auto const model, open_model(o.model, type));
  GPUPLACE_TRY(auto graph, topology::read(o.topology));
  GPUPLACE_TRY(auto visible, topology::visible_graph(std::move(graph), topology::this_environment()));
  auto const view = topology::all_devices(std::move(visible));
  workload work;
  work.models.push_back(
      {"model", model, {.type = type, .context = o.traffic.prompt_tokens + o.traffic.answer_tokens + 1, .sequences = o.batch}});
  torch_backend const backend{{.threads = o.threads}};
  GPUPLACE_TRY(auto whole_pools, place(view, work, data_parallel{o.replicas}, whole{}, {backend.memory()}));
  auto const placed = testing::with_small_pools(std::move(whole_pools), o.pool);
  GPUPLACE_TRY(auto const limits, limits_of(placed.models[0], placed.models[0].replicas[0], model));
  o.traffic.vocabulary = model.config.vocabulary;
  GPUPLACE_TRY(o.traffic.stop, open_stop(o.model));
  std::printf("%s on %s, %zu replica(s) of %ld slots and %ld KV pages of %ld tokens, %zu requests, seed %lu\n", model.name.c_str(),
              o.topology.c_str(), o.replicas, limits.slots, limits.kv_pages, limits.page_tokens, o.traffic.requests,
              o.traffic.seed);

  boost::asio::io_context loop;
  fleet served{loop, result<plan>(placed), view, work, least_loaded{}, backend};
  device_memory_gauge const devices(placed);
  growth host, device;
  auto const begin = clock_type::now();
  auto const each = std::max<std::size_t>(1, o.traffic.requests / 10);
  auto before = begin;
  std::int64_t tokens_before = 0;
  auto const report = [&](testing::soak_counts const& c) {
    if (c.ended() % each != 0) return;
    auto const now = clock_type::now();
    auto const rate = static_cast<double>(c.tokens - tokens_before) / std::chrono::duration<double>(now - before).count();
    before = now, tokens_before = c.tokens;
    auto const pool = look(served.load(), limits.kv_pages);
    auto const rss = host_mib(), used = devices.mib();
    host.add(rss), device.add(used);
    std::printf(
        "%8zu ended: %zu finished, %zu cancelled, %zu out of time, %zu failed; %.0f tokens/s; host %.1f MiB, devices %.1f "
        "MiB; %ld of %ld pages free\n",
        c.ended(), c.finished, c.cancelled, c.expired, c.failed, rate, rss, used, pool.free, pool.pages);
    std::fflush(stdout);
  };
  testing::soak all(o.traffic, testing::soak_start_on(served), report);
  result<void> started;
  bool ready = false;
  served.async_start([&](result<void> r) {
    started = std::move(r);
    ready = true;
    if (started) all.begin();
  });
  auto last = clock_type::now();
  for (std::size_t ended = 0; !all.done() && (!ready || started);) {
    loop.run_for(std::chrono::milliseconds(500));
    if (loop.stopped()) break;  // nothing is under way any more
    if (!ready || std::exchange(ended, all.counts().ended()) != all.counts().ended()) last = clock_type::now();
    if (std::chrono::duration<double>(clock_type::now() - last).count() > o.patience) break;
  }
  GPUPLACE_CHECK(started);

  auto const& c = all.counts();
  std::int64_t computed = 0, steps = 0;
  for (auto const& s : served.statistics()) computed += s.tokens, steps += s.steps;
  auto const pool = look(served.load(), limits.kv_pages);
  std::printf(
      "%.1f s, %ld steps, %ld tokens told, %ld positions computed where %ld would have done at most; %zu cancels sent, at most "
      "%zu tokens after one; host grew by %.1f MiB, devices by %.1f MiB\n",
      std::chrono::duration<double>(clock_type::now() - begin).count(), steps, c.tokens, computed, c.needed, c.cancels, c.overrun,
      host.mib(), device.mib());
  bool wrong = complain(c.ended() != o.traffic.requests, std::to_string(o.traffic.requests - c.ended()) + " requests were lost");
  wrong |= complain(c.ended_again > 0, std::to_string(c.ended_again) + " requests ended twice");
  wrong |= complain(c.told_wrongly > 0, std::to_string(c.told_wrongly) + " finished requests were not told as they ended");
  wrong |= complain(c.failed > 0, std::to_string(c.failed) + " requests failed" +
                                      (c.first_failure ? "; the first: " + c.first_failure->message() : std::string()));
  wrong |= complain(pool.free != pool.pages || pool.unfinished > 0,
                    std::to_string(pool.pages - pool.free) + " KV pages are not free and " + std::to_string(pool.unfinished) +
                        " sequences are kept at the end");
  wrong |= complain(host.mib() > o.most_host_growth, "the process grew by more than --host-growth");
  wrong |= complain(device.mib() > o.most_device_growth, "the devices' memory grew by more than --device-growth");
  std::fflush(stdout);
  if (!all.done()) std::_Exit(1);  // what hangs would hang the end as well
  if (!wrong) std::printf("nothing lost, nothing kept\n");
  return !wrong;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Soak test: mixed requests with cancels and time limits; nothing may be lost, no memory kept.", "soak");
  soak_options options;
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  auto const sound = run(std::move(options));
  if (!sound) std::fprintf(stderr, "%s\n", sound.error().message().c_str());
  return sound && *sound ? 0 : 1;
}
