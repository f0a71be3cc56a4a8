// A backend that repeats prompts, and whose replicas lose their devices: `breaking(3)` means replica 0 after three answers,
// `breaking(3:5)` replica 1 after five, too. The last request before the loss is told and not answered.

#include <gpuplace/plugin.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

using namespace gpuplace;

namespace {

struct breaking_instance {
  std::int64_t answers;  // until the device is lost; below 0: it never is
  std::shared_ptr<std::atomic<std::int64_t>> seen = std::make_shared<std::atomic<std::int64_t>>(0);

  bool lost() const { return answers >= 0 && *seen > answers; }

  cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink, generation_handler on_end) {
    ++*seen;
    boost::asio::post(where, [broken = lost(), request = std::move(request), on_end = std::move(on_end)] {
      if (broken) return on_end(error{errc::device_lost, "the device is lost", "cuda:0", "plan again without it"});
      generation done;
      done.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
      done.tokens = request.prompt;
      on_end(std::move(done));
    });
    return [] {};
  }
  instance_load load() const { return {.available = !lost()}; }
};

struct breaking {
  static constexpr std::string_view name = "breaking";
  static constexpr backend_level level = backend_level::survives_failure;
  using instance = breaking_instance;
  std::vector<std::int64_t> answers;

  memory_profile memory() const { return {}; }
  result<instance> start(replica_start const& what) const {
    return instance{what.replica < answers.size() ? answers[what.replica] : -1};
  }
};

result<void> add_strategies(registries& to) {
  return to.backends.add("breaking", "breaking(N:M)", "loses its devices after so many answers",
                         [](spec const& asked) -> result<any_backend> {
                           GPUPLACE_TRY(auto answers, asked.integers(0));
                           return any_backend(breaking{std::move(answers)});
                         });
}

}  // namespace

extern "C" plugin_entry gpuplace_plugin() { return plugin_of<&add_strategies>(); }
