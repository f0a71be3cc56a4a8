// A plugin that does what the environment variable GPUPLACE_TEST_MODE says: all that a good one may do, and what a bad one does.

#include <gpuplace/plugin.hpp>

#include <boost/asio/post.hpp>

#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

using namespace gpuplace;

namespace {

std::string mode() {
  auto const* const set = std::getenv("GPUPLACE_TEST_MODE");
  return set ? set : "";
}

// Its code, and that which destroys it, is in this library alone.
struct own_exception : std::exception {
  std::string text = "an exception of the plugin";
  char const* what() const noexcept override { return text.c_str(); }
};

struct from_plugin {
  static constexpr std::string_view name = "from_plugin";
  std::vector<int> memory = std::vector<int>(100, 1);
  result<stages> partition(std::span<unit const> units, device_group const& group, demand const&) const {
    if (group.empty()) throw own_exception();
    return stages{{.device = group.size() - 1, .first = 0, .last = units.size()}};
  }
};

struct backwards {
  static constexpr std::string_view name = "backwards";
  result<std::vector<candidate>> propose(workload const&, device_group const& view) const {
    if (view.empty()) throw own_exception();
    std::vector<std::size_t> positions;
    for (std::size_t i = view.size(); i > 0; --i) positions.push_back(i - 1);
    return std::vector<candidate>{{.models = {{view.subset(positions)}}, .label = "backwards"}};
  }
};

struct always_last {
  static constexpr std::string_view name = "always_last";
  decision route(routing_request const&, fleet_view const& fleet) const { return decision::to(fleet.size() - 1); }
};

struct echo_instance {
  cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink, generation_handler on_end) {
    boost::asio::post(where, [request = std::move(request), on_end = std::move(on_end)] {
      generation done;
      done.tokens = request.prompt;
      on_end(std::move(done));
    });
    return [] {};
  }
  instance_load load() const { return {}; }
};

struct echo {
  static constexpr std::string_view name = "echo";
  static constexpr backend_level level = backend_level::runs_one_device;
  using instance = echo_instance;
  memory_profile memory() const { return {}; }
  result<echo_instance> start(replica_start const& what) const {
    if (what.replica == 13) throw own_exception();
    return echo_instance{};
  }
};

result<void> add_strategies(registries& to) {
  GPUPLACE_CHECK(to.partitions.add<from_plugin>("all on the last device"));
  if (mode() == "refuse") return error{errc::unsupported, "is not made for this day", "test plugin", "come again"};
  if (mode() == "throw") throw own_exception();
  if (mode() == "throw a number") throw 7;
  GPUPLACE_CHECK(to.allocations.add<backwards>("the devices from the last to the first"));
  GPUPLACE_CHECK(to.routings.add<always_last>("the last instance"));
  GPUPLACE_CHECK(to.partitions.add("thrower", "thrower", "throws", [](spec const&) -> result<any_partition> { throw own_exception(); }));
  if (mode() == "backend") GPUPLACE_CHECK(to.backends.add<echo>("says what it hears"));
  return {};
}

}  // namespace

extern "C" plugin_entry gpuplace_plugin() {
  static std::string tag;
  auto const asked = mode();
  if (asked == "throw early") throw own_exception();
  if (asked == "no tag") return {nullptr, &add_strategies};
  if (asked == "no function") return {plugin_of<&add_strategies>().abi, nullptr};
  if (asked.starts_with("tag ")) {
    tag = asked.substr(4);
    return {tag.c_str(), &add_strategies};
  }
  return plugin_of<&add_strategies>();
}
