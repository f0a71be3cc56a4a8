#include <gpuplace/runtime/kv_pages.hpp>

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

using namespace gpuplace;

TEST(kv_pages, hands_out_each_page_once) {
  kv_pages pages(3);
  std::set<page_id> const got{*pages.take(), *pages.take(), *pages.take()};
  EXPECT_EQ(got, (std::set<page_id>{0, 1, 2}));
  EXPECT_FALSE(pages.take());
  pages.give_back(1);
  EXPECT_EQ(pages.free(), 1);
  EXPECT_EQ(pages.take(), page_id{1});
}

TEST(kv_pages, conserves_pages_whatever_happens) {
  std::mt19937 random(7);
  kv_pages pages(50);
  std::set<page_id> held;
  for (int i = 0; i < 5000; ++i) {
    if (random() % 2 == 0) {
      auto const page = pages.take();
      ASSERT_EQ(page.has_value(), held.size() < 50);
      if (page) {
        ASSERT_TRUE(held.insert(*page).second);
      }
    } else if (!held.empty()) {
      auto const at = std::next(held.begin(), static_cast<std::ptrdiff_t>(random() % held.size()));
      pages.give_back(*at);
      held.erase(at);
    }
    ASSERT_EQ(pages.free() + static_cast<std::int64_t>(held.size()), pages.size());
  }
}

TEST(kv_pages, counts_pages_of_tokens) {
  EXPECT_EQ(pages_for(0, 16), 0);
  EXPECT_EQ(pages_for(1, 16), 1);
  EXPECT_EQ(pages_for(16, 16), 1);
  EXPECT_EQ(pages_for(17, 16), 2);
}

TEST(kv_pages, a_shared_page_is_free_when_its_last_holder_gives_it_back) {
  kv_pages pool(2);
  auto const page = *pool.take();
  pool.share(page);
  pool.share(page);
  pool.give_back(page);
  pool.give_back(page);
  EXPECT_EQ(pool.free(), 1);
  pool.give_back(page);
  EXPECT_EQ(pool.free(), 2);
}
