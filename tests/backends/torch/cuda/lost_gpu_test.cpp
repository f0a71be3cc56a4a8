// A GPU that fails in mid-run answers nothing more to its process: each test loses it in a child process of its own.
#include "cuda/cuda_executor.hpp"
#include "cuda_fixture.hpp"
#include "kernels/kernels.hpp"
#include "backends/torch/torch_fixture.hpp"

#include <gpuplace/runtime/instance.hpp>

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::torch_tests {
namespace {

using torch_detail::cuda_executor;

/// What the child found, as its exit code.
enum found : int { sound = 0, not_loaded = 20, no_first_token, not_lost, other_error, unclear, no_end, still_available };

result<cuda_executor> load_one() {
  auto const folder = data_folder() / "tiny_qwen3";
  GPUPLACE_TRY(auto const model, open_model(folder.string(), dtype::fp32));
  GPUPLACE_TRY(auto const weights, open_checkpoint(folder));
  auto [planned, placed] = spread(model, {});
  for (auto& s : placed.stages) s.device.kind = device_kind::cuda;
  return cuda_executor::load(planned, placed, model, weights, {});
}

/// Reads an address that no GPU has: from then on every call of this process to the device fails.
bool lose_the_gpu() {
  auto const nowhere = std::uintptr_t{1} << 46;
  cuda::stream const aside;  // a step that is being recorded meanwhile must not see the launch
  cuda::lane on;
  if (cuda::make_lane(aside, on) != cudaSuccess) return false;
  auto const out = cuda::allocate(4096, "a place to write to");
  (void)cuda::gather(cuda::number::fp32, reinterpret_cast<void const*>(nowhere), reinterpret_cast<std::int32_t const*>(nowhere),
                     out.as(), 1, 64, on);
  return cudaDeviceSynchronize() != cudaSuccess && cudaDeviceSynchronize() != cudaSuccess;
}

found judge(error const& why) {
  std::fprintf(stderr, "%s\n", why.message().c_str());
  if (why.code != errc::device_lost) return other_error;
  return why.where.find("cuda:0") != std::string::npos && !why.remedy.empty() ? sound : unclear;
}

found step_on_a_lost_gpu() {
  auto executor = load_one();
  if (!executor) return not_loaded;
  sequence_driver driver(*executor);
  std::vector<token_id> const prompt{1, 2, 3}, next{4};
  if (!driver.step(0, 0, prompt, 1)) return no_first_token;
  if (!lose_the_gpu()) return not_lost;
  for (int i = 0; i < 2; ++i) {
    auto const outcome = driver.step(0, 3, next, 1);
    if (outcome) return not_lost;
    if (auto const how = judge(outcome.error()); how != sound) return how;
  }
  return load_one() ? not_lost : sound;  // an error as well, and no end of the process
}

found requests_on_a_lost_gpu() {
  auto executor = load_one();
  if (!executor) return not_loaded;
  step_instance instance(*std::move(executor));
  boost::asio::io_context loop;
  std::vector<error> ends;
  bool lost = false, could = true;
  for (std::size_t i = 0; i < 8; ++i) {  // more than there are slots
    generation_request request;
    request.index = i;
    request.prompt = {1, 2, 3};
    request.max_tokens = 300;
    instance.start(
        request, loop.get_executor(),
        [&](token_piece const&) {
          if (!std::exchange(lost, true)) could = lose_the_gpu();
        },
        [&](result<generation> g) {
          if (!g) ends.push_back(g.error());
        });
  }
  loop.run();
  if (!could) return not_lost;
  if (ends.size() != 8) return no_end;
  for (auto const& why : ends)
    if (auto const how = judge(why); how != sound) return how;
  return instance.load().available ? still_available : sound;
}

class lost_gpu_DeathTest : public ::testing::Test {
protected:
  void SetUp() override {
    GPUPLACE_NEEDS_GPU();
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process of its own from the beginning: CUDA does not survive a fork
  }
};

TEST_F(lost_gpu_DeathTest, a_step_says_which_device_and_what_to_do_and_the_process_ends_as_usual) {
  EXPECT_EXIT(std::exit(step_on_a_lost_gpu()), ::testing::ExitedWithCode(sound), "cuda:0");
}

TEST_F(lost_gpu_DeathTest, every_request_of_an_instance_ends_with_its_error) {
  EXPECT_EXIT(std::exit(requests_on_a_lost_gpu()), ::testing::ExitedWithCode(sound), "cuda:0");
}

}  // namespace
}  // namespace gpuplace::torch_tests
