#include <gpuplace/simulation/virtual_clock.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <string>

using namespace gpuplace;

TEST(virtual_clock, runs_events_by_time_then_by_order) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  std::string order;
  clock.after(seconds{2}, [&] { order += 'c'; });
  clock.after(seconds{1}, [&] { order += 'a'; });
  clock.after(seconds{1}, [&] {
    order += 'b';
    EXPECT_EQ(clock.now(), seconds{1});
    clock.after(seconds{0}, [&] { order += '!'; });
  });
  EXPECT_EQ(clock.now(), seconds{0});
  loop.run();
  EXPECT_EQ(order, "ab!c");
  EXPECT_EQ(clock.now(), seconds{2});
}

TEST(virtual_clock, other_handlers_run_between_events) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  std::string order;
  clock.after(seconds{1}, [&] {
    order += '1';
    boost::asio::post(loop, [&] {
      order += 'h';
      EXPECT_EQ(clock.now(), seconds{1}) << "time stands still for handlers";
    });
  });
  clock.after(seconds{5}, [&] { order += '5'; });
  loop.run();
  EXPECT_EQ(order, "1h5");
}

TEST(virtual_clock, a_negative_delay_is_none) {
  boost::asio::io_context loop;
  virtual_clock clock(loop);
  clock.after(seconds{-3}, [] {});
  loop.run();
  EXPECT_EQ(clock.function()(), seconds{0});
}
