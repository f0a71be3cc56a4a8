#include <gtest/gtest.h>

#include <gpuplace/topology/cpu_slots.hpp>
#include <gpuplace/topology/json.hpp>
#include <gpuplace/topology/measure.hpp>
#include <gpuplace/topology/presets.hpp>
#include <set>
#include <string>
#include <vector>

using namespace gpuplace;
using topology::device_rates;
using topology::pair_rates;

namespace {

/// Rates that tell which device they are of.
device_rates made_up(device const& d) {
  auto const n = static_cast<double>(d.id.index);
  return {gigabytes_per_second{1000 + n}, gigabytes_per_second{50 + n}, gigabytes_per_second{40 + n}, teraflops{700 + n},
          teraflops{50 + n}};
}
pair_rates between(device const& a, device const& b) {
  auto const n = static_cast<double>(10 * a.id.index + b.id.index);
  return {gigabytes_per_second{300 + n}, microseconds{5 + n}, false};
}
topology::prober const whole{made_up, between};

topology::measurements measured(topology::graph const& g, topology::prober const& with = whole) {
  auto made = topology::measure(g, with);
  made.when = "2026-11-23 18:20";
  return made;
}

}  // namespace

TEST(measure, asks_for_every_device_and_every_pair_both_ways_and_keeps_the_worse) {
  auto const g = topology::preset("4xa100").value();
  std::multiset<std::pair<int, int>> asked;
  topology::prober with{made_up, [&](device const& a, device const& b) -> result<pair_rates> {
                          asked.emplace(a.id.index, b.id.index);
                          return between(a, b);
                        }};
  std::vector<std::string> said;
  auto const made = topology::measure(g, with, [&](std::string const& what) { said.push_back(what); });
  EXPECT_EQ(made.devices.size(), 4u);
  EXPECT_EQ(asked.size(), 12u);
  EXPECT_EQ(std::set(asked.begin(), asked.end()).size(), 12u);
  ASSERT_EQ(made.pairs.size(), 6u);
  for (auto const& pair : made.pairs) {
    EXPECT_LT(pair.from, pair.to);
    auto const there = between(g.devices()[pair.from], g.devices()[pair.to]);
    auto const back = between(g.devices()[pair.to], g.devices()[pair.from]);
    EXPECT_EQ(pair.rates.bandwidth, std::min(there.bandwidth, back.bandwidth));
    EXPECT_EQ(pair.rates.latency, std::max(there.latency, back.latency));
  }
  EXPECT_EQ(said.size(), 10u);
  EXPECT_EQ(said.front(), "cuda:0");
  EXPECT_EQ(said.back(), "cuda:2 and cuda:3");
}

TEST(measure, goes_on_where_one_device_fails) {
  auto const g = topology::preset("2xh100").value();
  topology::prober const with{
      [](device const& d) -> result<device_rates> {
        if (d.id.index == 1) return error{errc::unavailable, "out of memory", "cuda:1", "end pid 7"};
        return made_up(d);
      },
      [](device const&, device const&) -> result<pair_rates> { return error{errc::unavailable, "no way", "", ""}; }};
  auto const made = measured(g, with);
  EXPECT_EQ(made.devices[0], made_up(g.devices()[0]));
  EXPECT_EQ(made.devices[1], device_rates{});
  EXPECT_EQ(made.failures, (std::vector<std::string>{"cuda:1 was not measured: out of memory; end pid 7",
                                                     "cuda:0 and cuda:1 were not measured: no way"}));
  auto const rated = topology::with_rates(g, made);
  EXPECT_EQ(rated.devices()[1], g.devices()[1]);
  EXPECT_EQ(topology::all_devices(rated).path(0, 1), topology::all_devices(g).path(0, 1));
  EXPECT_EQ(rated.notes.size(), g.notes.size() + 2);
}

TEST(with_rates, plans_see_what_was_measured) {
  auto const g = topology::preset("dgx-h100").value();
  auto const found = measured(g);
  auto const rated = topology::with_rates(g, found);
  auto const group = topology::all_devices(rated);
  auto const assumed = topology::all_devices(g);
  ASSERT_EQ(group.size(), 8u);
  for (std::size_t i = 0; i < group.size(); ++i) {
    auto const rates = made_up(g.devices()[i]);
    EXPECT_EQ(group[i].memory_bandwidth, rates.memory);
    EXPECT_EQ(group[i].peak_bf16, rates.bf16);
    EXPECT_EQ(group[i].peak_fp32, rates.fp32);
    EXPECT_EQ(group[i].from_host, rates.from_host);
    EXPECT_EQ(group[i].to_host, rates.to_host);
    EXPECT_EQ(group[i].note, "measured 2026-11-23 18:20: memory, products, host links");
    EXPECT_EQ(group.capacity(i), assumed.capacity(i));
  }
  for (auto const& pair : found.pairs) {
    auto const p = group.path(pair.from, pair.to);
    EXPECT_EQ(p.bandwidth, pair.rates.bandwidth);
    EXPECT_EQ(p.latency, pair.rates.latency);
    EXPECT_EQ(p.kind, assumed.path(pair.from, pair.to).kind);
    EXPECT_EQ(p.nvlinks, assumed.path(pair.from, pair.to).nvlinks);
  }
}

TEST(with_rates, come_back_from_json) {
  for (auto const* name : {"dgx-h100", "8xrtx3060", "dgx1-v100"}) {
    auto const g = topology::preset(name).value();
    auto const rated = topology::with_rates(g, measured(g));
    auto const back = topology::from_json_text(topology::to_json(rated).dump()).value();
    EXPECT_EQ(back.devices(), rated.devices());
    EXPECT_EQ(back.notes, rated.notes);
    auto const there = topology::all_devices(rated), here = topology::all_devices(back);
    for (std::size_t a = 0; a < there.size(); ++a)
      for (std::size_t b = 0; b < there.size(); ++b) EXPECT_EQ(there.path(a, b), here.path(a, b)) << name << ' ' << a << ' ' << b;
  }
}

TEST(with_rates, a_copy_through_the_host_is_not_halved_again) {
  auto const g = topology::preset("2xrtx3060").value();
  ASSERT_FALSE(g.devices()[0].peer_to_peer);
  auto through_host = whole;
  through_host.pair_of = [](device const&, device const&) -> result<pair_rates> {
    return pair_rates{gigabytes_per_second{9}, microseconds{20}, true};
  };
  auto const staged = topology::all_devices(topology::with_rates(g, measured(g, through_host)));
  EXPECT_EQ(staged.path(0, 1).bandwidth.value(), 9);
  EXPECT_TRUE(staged.path(0, 1).staged);
  EXPECT_FALSE(staged[0].peer_to_peer);
  auto const peers = topology::all_devices(topology::with_rates(g, measured(g)));
  EXPECT_EQ(peers.path(0, 1).bandwidth.value(), 301);
  EXPECT_FALSE(peers.path(0, 1).staged);
  EXPECT_TRUE(peers[0].peer_to_peer);
}

TEST(with_rates, keeps_what_was_assumed_where_nothing_was_measured) {
  auto const g = topology::cpu_slots(2, {"a CPU", 4, bytes{std::int64_t{8} << 30}}).value();
  topology::prober const memory_alone{
      [](device const&) -> result<device_rates> { return device_rates{.memory = gigabytes_per_second{7}}; }, {}};
  auto const rated = topology::with_rates(g, measured(g, memory_alone));
  EXPECT_EQ(rated.devices()[0].memory_bandwidth.value(), 7);
  EXPECT_EQ(rated.devices()[0].peak_bf16, g.devices()[0].peak_bf16);
  EXPECT_EQ(rated.devices()[0].note, "measured 2026-11-23 18:20: memory; otherwise rates are estimates");
  EXPECT_EQ(topology::all_devices(rated).path(0, 1), topology::all_devices(g).path(0, 1));
  auto const nothing = topology::with_rates(g, measured(g, {}));
  EXPECT_EQ(nothing.devices(), g.devices());
}

TEST(to_comparison, shows_measured_beside_assumed) {
  auto const g = topology::preset("2xh100").value();
  EXPECT_EQ(topology::to_comparison(g, measured(g)),
            R"(                                                measured       assumed
cuda:0             memory                      1000 GB/s     3350 GB/s   30 %
                   bf16 products             700 TFLOP/s   989 TFLOP/s   71 %
                   fp32 products            50.0 TFLOP/s  66.9 TFLOP/s   75 %
                   from pinned host memory     50.0 GB/s             -
                   to pinned host memory       40.0 GB/s             -
cuda:1             memory                      1001 GB/s     3350 GB/s   30 %
                   bf16 products             701 TFLOP/s   989 TFLOP/s   71 %
                   fp32 products            51.0 TFLOP/s  66.9 TFLOP/s   76 %
                   from pinned host memory     51.0 GB/s             -
                   to pinned host memory       41.0 GB/s             -
cuda:0 and cuda:1  NV18                         301 GB/s      371 GB/s   81 %
                   a small copy                  15.0 us       11.5 us  130 %
)");
}

TEST(to_comparison, says_nothing_of_what_was_not_measured) {
  auto const g = topology::preset("2xh100").value();
  EXPECT_EQ(topology::to_comparison(g, measured(g, {})), "");
}
