#include <gpuplace/plugin/any_backend.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace gpuplace;
using namespace gpuplace::literals;

namespace {

/// Answers with the prompt; `stopped` counts cancellations.
struct echo_instance {
  std::unique_ptr<int> only_movable;
  std::shared_ptr<int> stopped;

  cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink on_tokens,
                        generation_handler on_end) {
    boost::asio::post(where, [request = std::move(request), on_tokens = std::move(on_tokens), on_end = std::move(on_end)] {
      on_tokens({request.prompt});
      generation done;
      done.tokens = request.prompt;
      on_end(done);
    });
    return [stopped = stopped] { ++*stopped; };
  }
  instance_load load() const { return {.running = 5}; }
};

struct echo {
  static constexpr std::string_view name = "echo";
  static constexpr backend_level level = backend_level::runs_one_device;
  using instance = echo_instance;
  std::shared_ptr<int> stopped = std::make_shared<int>(0);
  bool broken = false;

  memory_profile memory() const { return {.fixed = 7_MiB}; }
  result<echo_instance> start(replica_start const&) const {
    if (broken) return error{errc::device_lost, "no device", "cuda:0", {}};
    return echo_instance{std::make_unique<int>(1), stopped};
  }
};

}  // namespace

TEST(any_backend, does_what_its_backend_does) {
  echo backend;
  any_backend const erased = backend;
  auto const copy = erased;
  EXPECT_EQ(copy.name, "echo");
  EXPECT_EQ(copy.level, backend_level::runs_one_device);
  EXPECT_EQ(copy.memory().fixed, 7_MiB);
  auto started = copy.start({});
  ASSERT_TRUE(started);
  EXPECT_EQ(started->load().running, 5);

  boost::asio::io_context loop;
  std::vector<token_id> streamed;
  std::optional<generation> end;
  generation_request request;
  request.prompt = {3, 1, 4};
  auto const cancel = started->start(
      request, loop.get_executor(), [&](std::span<token_id const> t) { streamed.assign(t.begin(), t.end()); },
      [&](result<generation> g) { end = g.value(); });
  loop.run();
  EXPECT_EQ(streamed, request.prompt);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->tokens, request.prompt);
  cancel();
  EXPECT_EQ(*backend.stopped, 1);
}

TEST(any_backend, gives_the_backends_error) {
  echo backend;
  backend.broken = true;
  auto const started = any_backend(backend).start({});
  ASSERT_TRUE(started.has_error());
  EXPECT_EQ(started.error().code, errc::device_lost);
}

TEST(any_backend, keeps_its_library_for_instances_and_their_cancel_functions) {
  auto library = std::make_shared<int>(0);
  std::weak_ptr<int> const loaded = library;
  cancel_function cancel;
  {
    std::optional<any_instance> instance;
    {
      any_backend backend = echo{};
      backend.keep_library(std::move(library));
      instance = backend.start({}).value();
    }
    EXPECT_FALSE(loaded.expired());
    boost::asio::io_context loop;
    cancel = instance->start({}, loop.get_executor(), [](std::span<token_id const>) {}, [](result<generation>) {});
  }
  EXPECT_FALSE(loaded.expired());
  cancel();
  cancel = nullptr;
  EXPECT_TRUE(loaded.expired());
}
