#include <gpuplace/plugin/load_plugin.hpp>

#include <boost/asio/io_context.hpp>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace gpuplace;
using namespace gpuplace::literals;
namespace fs = std::filesystem;

namespace {

// Every test has copies of its own: the dynamic linker takes each for another library.
class load_plugin_test : public ::testing::Test {
protected:
  load_plugin_test() : folder_(fs::temp_directory_path() / ("gpuplace-plugins-" + std::to_string(::getpid()))) {
    fs::create_directory(folder_);
  }
  ~load_plugin_test() override {
    ::unsetenv("GPUPLACE_TEST_MODE");
    fs::remove_all(folder_);
  }
  fs::path path(std::string const& name) const { return folder_ / name; }
  fs::path by_mode(std::string const& mode, std::string const& name = "libby_mode.so") const {
    ::setenv("GPUPLACE_TEST_MODE", mode.c_str(), 1);
    fs::copy_file(GPUPLACE_TEST_PLUGIN_BY_MODE, path(name), fs::copy_options::skip_existing);
    return path(name);
  }

private:
  fs::path folder_;
};

bool is_loaded(fs::path const& file) {
  auto* const handle = ::dlopen(file.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle) ::dlclose(handle);
  return handle != nullptr;
}

// What a failed load must leave behind: nothing.
void expect_untouched(registries const& known) {
  registries const fresh;
  EXPECT_EQ(known.allocations.entries().size(), fresh.allocations.entries().size());
  EXPECT_EQ(known.partitions.entries().size(), fresh.partitions.entries().size());
  EXPECT_EQ(known.routings.entries().size(), fresh.routings.entries().size());
  EXPECT_TRUE(known.backends.entries().empty());
}

error refused(fs::path const& file) {
  registries known;
  auto const loaded = load_plugin(file, known);
  expect_untouched(known);
  EXPECT_TRUE(loaded.has_error());
  EXPECT_FALSE(is_loaded(file));
  return loaded ? error{} : loaded.error();
}

std::vector<unit> three_layers() { return std::vector<unit>(3); }

}  // namespace

TEST_F(load_plugin_test, adds_what_the_plugin_brings) {
  registries known;
  auto const file = by_mode("");
  auto const loaded = load_plugin(file, known);
  ASSERT_TRUE(loaded) << loaded.error();
  auto const group = uniform_group(4, 1_GiB, {});
  EXPECT_EQ(known.partitions.make("from_plugin").value().partition(three_layers(), group, {}).value()[0].device, 3U);
  EXPECT_EQ(known.allocations.make("backwards").value().propose({}, group).value()[0].models[0][0][0].id.index, 3);
  std::vector<instance_load> const idle(5);
  EXPECT_EQ(known.routings.make("always_last").value().route({}, fleet_view(idle)).instance(), 4U);
  EXPECT_EQ(known.partitions.make("from_plugin(3)").error().code, errc::invalid_argument);
}

TEST_F(load_plugin_test, names_of_plugins_are_listed_with_their_file) {
  registries known;
  auto const file = by_mode("");
  ASSERT_TRUE(load_plugin(file, known));
  auto const unknown = known.partitions.make("from_plugn").error();
  EXPECT_EQ(unknown.remedy.substr(0, 26), "did you mean 'from_plugin'");
  EXPECT_NE(unknown.remedy.find("all on the last device (" + file.string() + ")"), std::string::npos);
  EXPECT_EQ(known.partitions.find("even")->origin, "");
}

TEST_F(load_plugin_test, objects_outlive_the_registries_and_keep_their_library) {
  auto const file = by_mode("");
  std::optional<any_partition> partition;
  std::optional<any_routing> routing;
  {
    registries known;
    ASSERT_TRUE(load_plugin(file, known));
    partition = known.partitions.make("from_plugin").value();
    routing = known.routings.make("always_last").value();
  }
  EXPECT_TRUE(is_loaded(file));
  EXPECT_EQ(partition->partition(three_layers(), uniform_group(2, 1_GiB, {}), {}).value()[0].device, 1U);
  auto copy = partition;
  partition.reset();
  routing.reset();
  EXPECT_TRUE(is_loaded(file));
  EXPECT_TRUE(copy->partition(three_layers(), uniform_group(2, 1_GiB, {}), {}));
  copy.reset();
  EXPECT_FALSE(is_loaded(file));
}

TEST_F(load_plugin_test, groups_that_an_allocation_proposed_outlive_its_library) {
  auto const file = by_mode("");
  std::vector<candidate> proposed;
  {
    registries known;
    ASSERT_TRUE(load_plugin(file, known));
    proposed =
        known.allocations.make("backwards").value().propose({}, uniform_group(3, 1_GiB, {.kind = path_kind::nvlink})).value();
  }
  EXPECT_FALSE(is_loaded(file));
  auto const group = proposed[0].models[0][0];
  proposed.clear();
  EXPECT_EQ(group[0].id.index, 2);
  EXPECT_EQ(group.path(0, 1).kind, path_kind::nvlink);
  EXPECT_EQ(group.find(group[1].id), 1U);
}

TEST_F(load_plugin_test, exceptions_of_strategies_and_factories_are_errors) {
  registries known;
  ASSERT_TRUE(load_plugin(by_mode(""), known));
  auto const made = known.partitions.make("thrower").error();
  EXPECT_EQ(made.what, "throws an exception: an exception of the plugin");
  EXPECT_EQ(made.where, "thrower");
  auto const partitioned = known.partitions.make("from_plugin").value().partition(three_layers(), {}, {}).error();
  EXPECT_EQ(partitioned.what, "throws an exception: an exception of the plugin");
  EXPECT_EQ(partitioned.where, "partition from_plugin");
  EXPECT_EQ(known.allocations.make("backwards").value().propose({}, {}).error().where, "allocation backwards");
}

TEST_F(load_plugin_test, a_registration_that_fails_adds_nothing) {
  auto const file = by_mode("refuse");
  EXPECT_EQ(refused(file).message(), file.string() + ", test plugin: is not made for this day\n  come again");
  for (auto const* const mode : {"throw", "throw early"}) {
    auto const thrown = refused(by_mode(mode));
    EXPECT_EQ(thrown.what, "throws an exception: an exception of the plugin") << mode;
    EXPECT_EQ(thrown.where, file.string());
  }
  EXPECT_EQ(refused(by_mode("throw a number")).what, "throws an exception of an unknown kind");
  EXPECT_EQ(refused(by_mode("no function")).code, errc::malformed);
}

TEST_F(load_plugin_test, what_was_built_otherwise_is_refused_in_words) {
  for (auto const& part : abi_parts()) {
    auto theirs = abi_parts();
    for (auto& p : theirs)
      if (p.name == part.name) p.value = "of old";
    auto const file = by_mode("tag " + abi_tag(theirs));
    auto const e = refused(file);
    EXPECT_EQ(e.code, errc::mismatch);
    EXPECT_EQ(e.where, file.string());
    EXPECT_EQ(e.what, "the plugin was built with " + part.name + " of old, here it is " + part.value);
  }
  EXPECT_EQ(refused(by_mode("no tag")).code, errc::mismatch);
}

TEST_F(load_plugin_test, what_is_no_plugin_is_refused) {
  EXPECT_EQ(refused(path("nothing.so")).code, errc::not_found);
  EXPECT_EQ(refused(path("")).code, errc::unreadable);
  std::ofstream(path("text.so")) << "not a library\n";
  auto const text = refused(path("text.so"));
  EXPECT_EQ(text.code, errc::unreadable);
  EXPECT_EQ(text.what.substr(0, 18), "cannot be loaded: ");
  EXPECT_NE(text.what.find("text.so"), std::string::npos);
  std::ifstream whole(GPUPLACE_TEST_PLUGIN_BY_MODE, std::ios::binary);
  std::string const bytes{std::istreambuf_iterator<char>(whole), {}};
  for (auto const length :
       {std::size_t{0}, std::size_t{5}, std::size_t{40}, std::size_t{64}, std::size_t{1000}, bytes.size() / 2, bytes.size() - 1}) {
    std::ofstream(path("cut.so"), std::ios::binary) << bytes.substr(0, length);
    EXPECT_EQ(refused(path("cut.so")).code, errc::unreadable) << length;
  }
  auto const other = refused(GPUPLACE_TEST_PLUGIN_NO_SYMBOL);
  EXPECT_EQ(other.code, errc::malformed);
  EXPECT_NE(other.what.find("gpuplace_plugin"), std::string::npos);
}

TEST_F(load_plugin_test, a_name_that_is_taken_is_refused_and_says_by_whom) {
  registries known;
  auto const first = by_mode("", "liba.so");
  auto const second = by_mode("", "libb.so");
  ASSERT_TRUE(load_plugin(first, known));
  auto const count = known.partitions.entries().size();
  for (auto const& again : {first, second}) {
    auto const e = load_plugin(again, known).error();
    EXPECT_EQ(e.what, "partition 'from_plugin' is registered already by " + first.string());
    EXPECT_EQ(e.where, again.string() + ", partition registry");
  }
  EXPECT_FALSE(is_loaded(second));
  EXPECT_EQ(known.partitions.entries().size(), count);
  EXPECT_TRUE(known.partitions.make("from_plugin"));
}

TEST_F(load_plugin_test, registries_of_their_own_may_load_the_same_file) {
  auto const file = by_mode("");
  auto one = std::make_unique<registries>();
  registries two;
  ASSERT_TRUE(load_plugin(file, *one));
  ASSERT_TRUE(load_plugin(file, two));
  one.reset();
  EXPECT_TRUE(two.partitions.make("from_plugin").value().partition(three_layers(), uniform_group(2, 1_GiB, {}), {}));
}

TEST_F(load_plugin_test, the_library_of_a_backend_stays_for_what_it_posted) {
  auto const file = by_mode("backend");
  boost::asio::io_context loop;
  std::vector<token_id> heard;
  {
    registries known;
    ASSERT_TRUE(load_plugin(file, known));
    auto const backend = known.backends.make("echo").value();
    EXPECT_EQ(backend.start({.replica = 13}).error().where, "backend echo");
    auto instance = backend.start({}).value();
    generation_request request;
    request.prompt = {3, 1, 4};
    instance.start(request, loop.get_executor(), [](auto const&) {}, [&](result<generation> g) { heard = g.value().tokens; });
  }
  EXPECT_TRUE(is_loaded(file));
  loop.run();
  EXPECT_EQ(heard, (std::vector<token_id>{3, 1, 4}));
}
