#include <gpuplace/simulation/simulated_executor.hpp>
#include <gpuplace/testing/executor_contract.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

using namespace gpuplace;

namespace {
constexpr executor_limits limits{.slots = 4, .kv_pages = 80, .page_tokens = 4, .step_tokens = 128, .context = 64};

struct run_loop {
  boost::asio::io_context* loop;
  void operator()(std::atomic<bool> const& done) const {
    loop->restart();
    while (!done && loop->run_one() > 0) continue;
  }
};
}  // namespace

TEST(simulated_executor, keeps_the_contract) {
  boost::asio::io_context loop;
  simulated_executor executor(virtual_clock(loop), limits, [](batch const&) { return seconds{0.1}; }, 256);
  auto const checked = gpuplace::testing::check_executor(executor, run_loop{&loop});
  EXPECT_TRUE(checked) << checked.error();
}

TEST(simulated_executor, takes_the_time_it_is_told) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  simulated_executor executor(
      clock, limits, [](batch const& b) { return seconds{0.5 * static_cast<double>(b.token_count())}; }, 256);
  std::vector<token_id> const prompt{1, 2, 3};
  std::vector<page_id> const pages{0};
  batch work;
  work.rows.push_back({0, 0, prompt, pages, 1, {}, 0});
  seconds said{0};
  executor.async_step(work, [&](result<step_outcome> outcome) { said = outcome->device_time; });
  loop.run();
  EXPECT_EQ(said, seconds{1.5});
  EXPECT_EQ(clock.now(), seconds{1.5});
}

TEST(simulated_executor, reports_a_fault_in_place_of_tokens) {
  boost::asio::io_context loop;
  simulated_executor executor(
      virtual_clock(loop), limits, [](batch const&) { return seconds{1}; }, 256,
      [] { return std::optional<error>({errc::device_lost, "unplugged", "cuda:0", {}}); });
  std::vector<token_id> const prompt{1};
  std::vector<page_id> const pages{0};
  batch work;
  work.rows.push_back({0, 0, prompt, pages, 1, {}, 0});
  errc code{};
  executor.async_step(work, [&](result<step_outcome> outcome) { code = outcome.error().code; });
  loop.run();
  EXPECT_EQ(code, errc::device_lost);
}

TEST(simulated_executor, drops_its_step_when_it_is_destroyed) {
  boost::asio::io_context loop;
  {
    batch work;
    simulated_executor executor(virtual_clock(loop), limits, [](batch const&) { return seconds{1}; }, 256);
    executor.async_step(work, [](result<step_outcome>) { FAIL(); });
  }
  loop.run();
}
