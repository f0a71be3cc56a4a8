#include <gpuplace/model/describe.hpp>
#include <gpuplace/model/presets.hpp>
#include <gpuplace/simulation/simulated_backend.hpp>
#include <gpuplace/testing/backend_contract.hpp>
#include <gpuplace/testing/instance_archetype.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

using namespace gpuplace;

namespace {

struct nameless_backend : gpuplace::testing::archetype_backend {
  int name();
};
struct without_memory : gpuplace::testing::archetype_backend {
  void memory() const;
};
struct without_level : gpuplace::testing::archetype_backend {
  void level();
};
struct without_start : gpuplace::testing::archetype_backend {
  void start() const;
};
struct not_an_instance : gpuplace::testing::archetype_backend {
  using instance = int;
};
static_assert(!execution_backend<nameless_backend> && !execution_backend<without_memory> && !execution_backend<without_level>);
static_assert(!execution_backend<without_start> && !execution_backend<not_an_instance>);

struct without_load : gpuplace::testing::archetype_instance {
  int load() const;
};
struct starts_nothing : gpuplace::testing::archetype_instance {
  void start(generation_request, boost::asio::any_io_executor, token_sink, generation_handler);
};
static_assert(!model_instance<without_load> && !model_instance<starts_nothing>);

struct ladder {
  boost::asio::io_context loop;
  simulated_backend backend{virtual_clock(loop)};
  gpuplace::testing::backend_contract_settings settings;

  ladder() {
    settings.loop = &loop;
    settings.devices = uniform_group(2, 80_GiB, {.kind = path_kind::nvlink, .nvlinks = 4, .bandwidth = gigabytes_per_second{80}});
    settings.work.models.push_back(
        {"model", describe(preset_config("qwen3-1.7b").value(), dtype::bf16, "qwen3-1.7b", "preset:qwen3-1.7b"), {}});
    settings.work.models[0].load.context = 128;
    settings.work.models[0].load.sequences = 4;
    settings.lose = [this](device_id const& id) { backend.lose(id); };
  }
};

/// Starts on any device, asked for or not: the contract must say so.
struct starts_anywhere : simulated_backend {
  using simulated_backend::simulated_backend;
  result<instance> start(replica_start what) const {
    auto moved = *what.whole;
    for (auto& s : moved.models[what.model].replicas[what.replica].stages) s.device = what.devices[0].id;
    what.whole = std::make_shared<plan const>(std::move(moved));
    return simulated_backend::start(what);
  }
};

}  // namespace

TEST(backend_contract, the_simulated_backend_climbs_to_the_top) {
  ladder l;
  auto const climbed = gpuplace::testing::check_backend(l.backend, l.settings);
  EXPECT_TRUE(climbed) << climbed.error();
}

TEST(backend_contract, says_which_rung_broke) {
  ladder l;
  auto const archetype = gpuplace::testing::archetype_backend::make();
  EXPECT_TRUE(gpuplace::testing::check_backend(archetype, l.settings));
  EXPECT_EQ(gpuplace::testing::check_backend(archetype, l.settings, backend_level::discovers).error().where,
            "backend contract, level 2");
  EXPECT_EQ(gpuplace::testing::check_backend(starts_anywhere(virtual_clock(l.loop)), l.settings).error().where,
            "backend contract, level 2");
}

TEST(simulated_backend, a_lost_device_is_skipped_by_routers_and_refused_by_start) {
  ladder l;
  l.settings.work.models[0].load.sequences = 1;
  deployment d{l.loop, l.settings.devices, l.settings.work, data_parallel{2}, whole{}, round_robin{}, l.backend};
  generation_request request;
  request.prompt = {1, 2, 3};
  request.max_tokens = 4;
  std::vector<result<generation>> first, second;
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started);
    l.backend.lose({device_kind::cuda, 0, {}});
    d.async_generate_all({request, request}, {}, [&](auto all) {
      first = std::move(all);
      d.async_generate_all({request, request}, {}, [&](auto more) { second = std::move(more); });
    });
  });
  l.loop.run();
  ASSERT_EQ(second.size(), 2U);
  for (auto const& g : first) EXPECT_EQ(g->instance, 1U) << "what was lost before its first token runs again elsewhere";
  for (auto const& g : second) EXPECT_EQ(g->instance, 1U);
  deployment again{l.loop, l.settings.devices, l.settings.work, data_parallel{2}, whole{}, round_robin{}, l.backend};
  std::optional<error> why;
  again.async_start([&](result<void> started) { why = started.error(); });
  l.loop.restart();
  l.loop.run();
  EXPECT_EQ(why->code, errc::device_lost);
}

TEST(simulated_backend, a_batch_that_takes_tokens_back_begins_again_elsewhere_and_one_that_does_not_says_what_it_lost) {
  for (bool const takes_back : {true, false}) {
    ladder l;
    deployment d{l.loop, l.settings.devices, l.settings.work, data_parallel{2}, whole{}, round_robin{}, l.backend};
    std::vector<generation_request> requests(2);
    for (std::size_t i = 0; i < 2; ++i) {
      requests[i].index = i;
      requests[i].prompt = {1, 2, 3};
      requests[i].max_tokens = 8;
    }
    std::vector<std::size_t> kept(2), restarts;
    batch_sinks sinks;
    sinks.on_tokens = [&](std::size_t i, std::size_t instance, token_piece const& fresh) {
      kept[i] += fresh.tokens.size();
      if (instance == 0 && kept[i] == 3) l.backend.lose({device_kind::cuda, 0, {}});
    };
    if (takes_back)
      sinks.on_restart = [&](std::size_t i, error const& why) {
        EXPECT_EQ(why.where, "cuda:0");
        restarts.push_back(i);
        kept[i] = 0;
      };
    std::vector<result<generation>> all;
    d.async_start([&](result<void> started) {
      ASSERT_TRUE(started);
      d.async_generate_all(requests, sinks, [&](auto done) { all = std::move(done); });
    });
    l.loop.run();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_TRUE(all[1].has_value());
    if (takes_back) {
      EXPECT_EQ(restarts, std::vector<std::size_t>{0});
      ASSERT_TRUE(all[0].has_value()) << all[0].error();
      EXPECT_EQ(all[0]->instance, 1U);
      EXPECT_EQ(kept, (std::vector<std::size_t>{8, 8})) << "every token is told once since the last restart";
    } else {
      EXPECT_EQ(all[0].error().code, errc::device_lost);
    }
  }
}

TEST(simulated_backend, a_request_that_told_a_token_is_not_begun_again_and_the_last_device_ends_all) {
  ladder l;
  deployment d{l.loop, l.settings.devices, l.settings.work, data_parallel{2}, whole{}, round_robin{}, l.backend};
  generation_request request;
  request.prompt = {1, 2, 3};
  request.max_tokens = 20;
  std::optional<result<generation>> told, last;
  std::size_t tokens = 0;
  d.async_start([&](result<void> started) {
    ASSERT_TRUE(started);
    d.async_generate(
        request,
        [&](std::span<token_id const> fresh) {
          if (tokens == 0) l.backend.lose({device_kind::cuda, 0, {}});
          tokens += fresh.size();
        },
        [&](result<generation> g) {
          told = std::move(g);
          l.backend.lose({device_kind::cuda, 1, {}});
          d.async_generate(request, {}, [&](result<generation> none) { last = std::move(none); });
        });
  });
  l.loop.run();
  ASSERT_TRUE(told && last);
  EXPECT_EQ(told->error().code, errc::device_lost);
  EXPECT_EQ(told->error().where, "cuda:0");
  EXPECT_EQ(last->error().code, errc::device_lost);
  EXPECT_EQ(last->error().where, "cuda:1");
}
