// What deployments leave behind when they are gone: nothing.
#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/routing.hpp>
#include <gpuplace/runtime.hpp>
#include <gpuplace/simulation.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <malloc.h>

using namespace gpuplace;

namespace {

workload small_model(std::int64_t sequences) {
  workload work;
  work.models.push_back(
      {"model", describe(preset_config("qwen2.5-1.5b").value(), dtype::bf16, "qwen2.5-1.5b", "preset:qwen2.5-1.5b"), {}});
  work.models[0].load.context = 256;
  work.models[0].load.sequences = sequences;
  return work;
}

device_group gpus(std::size_t count) {
  return uniform_group(count, 80_GiB, {.kind = path_kind::nvlink, .nvlinks = 4, .bandwidth = gigabytes_per_second{80}});
}

std::vector<generation_request> mixed_requests() {
  std::vector<generation_request> all(17);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].index = i;
    all[i].prompt.assign(5 + 3 * i, static_cast<token_id>(i));
    all[i].max_tokens = 30;
    if (i % 2) all[i].how = {.temperature = 0.8, .seed = 3};
    if (i % 5 == 2) all[i].n = 3;
    if (i % 4 == 3) all[i].logprobs = 5;
  }
  return all;
}

/// Bytes that the program has taken and not given back; 0 under a sanitizer's allocator.
std::size_t bytes_in_use() { return ::mallinfo2().uordblks; }

std::string threads() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Threads:")) return line;
  return {};
}

}  // namespace

TEST(lifetime, deployments_in_sequence_leave_no_memory_and_no_thread_behind) {
  auto const cycle = [](bool stop_early) {
    boost::asio::io_context loop;
    virtual_clock clock(loop);
    std::optional<deployment<data_parallel, whole, round_robin, simulated_backend>> d;
    d.emplace(loop, gpus(2), small_model(8), data_parallel{2}, whole{}, round_robin{}, simulated_backend{clock});
    std::size_t ends = 0;
    d->async_start([&](result<void> started) {
      ASSERT_TRUE(started);
      d->async_generate_all(mixed_requests(), {.on_tokens = [](auto&&...) {}, .on_result = {}},
                            [&](auto const& all) { ends = all.size(); });
      if (stop_early) clock.after(seconds{0.02}, [&] { d.reset(); });
    });
    loop.run();
    EXPECT_EQ(ends, 17U);
  };
  for (int i = 0; i < 8; ++i) cycle(i % 2 == 1);  // until the allocator's caches of all threads are as full as they get
  auto const before = bytes_in_use();
  auto const threads_before = threads();
  for (int i = 0; i < 40; ++i) cycle(i % 2 == 1);
  EXPECT_LE(bytes_in_use(), before + 32 * 1024);  // a request each would be more; what is freed into a cache counts as in use
  EXPECT_EQ(threads(), threads_before);
}

TEST(lifetime, a_batch_changes_no_token) {
  auto const run = [](std::vector<generation_request> requests) {
    boost::asio::io_context loop;
    virtual_clock clock(loop);
    deployment d{loop, gpus(1), small_model(17), one_group{}, whole{}, round_robin{}, simulated_backend{clock}};
    std::vector<generation> got(requests.size());
    d.async_start([&](result<void> started) {
      ASSERT_TRUE(started);
      for (std::size_t i = 0; i < got.size(); ++i)
        d.async_generate(requests[i], {}, [&, i](result<generation> g) { got[i] = std::move(g).value(); });
    });
    loop.run();
    return got;
  };
  auto const all = mixed_requests();
  auto const together = run(all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto const alone = run({all[i]});
    EXPECT_EQ(together[i].tokens, alone[0].tokens) << i;
    EXPECT_EQ(together[i].logprobs, alone[0].logprobs) << i;
    ASSERT_EQ(together[i].more.size(), static_cast<std::size_t>(all[i].n - 1));
    for (std::size_t k = 0; k < together[i].more.size(); ++k) EXPECT_EQ(together[i].more[k].tokens, alone[0].more[k].tokens) << i;
  }
}
