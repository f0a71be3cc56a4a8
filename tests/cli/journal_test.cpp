#include "cli/run/journal.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

using namespace gpuplace;
namespace fs = std::filesystem;

namespace {

class journal_test : public ::testing::Test {
protected:
  void SetUp() override {
    folder = fs::path(::testing::TempDir()) / ("journal_test." + std::to_string(::getpid()));
    fs::create_directories(folder);
    output = (folder / "answers.jsonl").string();
  }
  void TearDown() override { fs::remove_all(folder); }

  static std::string line(std::size_t i) {
    return R"({"index":)" + std::to_string(i) + R"(,"prompt":"p","text":"t)" + std::to_string(i) + "\"}\n";
  }
  std::string written() const {
    std::ostringstream text;
    text << std::ifstream(output).rdbuf();
    return text.str();
  }

  fs::path folder;
  std::string output;
  nlohmann::json const what = {{"seed", 1}};
};

TEST_F(journal_test, rows_that_come_in_any_order_are_written_in_order) {
  auto rows = cli::journal::open(output, false).value();
  EXPECT_EQ(rows.begin(what, 3).value(), 0U);
  for (std::size_t const i : {2, 0, 1}) {
    EXPECT_FALSE(fs::exists(output));
    ASSERT_TRUE(rows.put(i, line(i)));
  }
  ASSERT_TRUE(rows.complete());
  EXPECT_EQ(written(), line(0) + line(1) + line(2));
  EXPECT_FALSE(fs::exists(output + ".run"));
}

TEST_F(journal_test, a_run_that_ended_early_goes_on) {
  {
    auto rows = cli::journal::open(output, false).value();
    ASSERT_TRUE(rows.begin(what, 4));
    ASSERT_TRUE(rows.put(3, line(3)));
    ASSERT_TRUE(rows.put(1, R"({"index":1,"prompt":"p","error":"no"})"
                            "\n"));
  }
  auto rows = cli::journal::open(output, false).value();
  EXPECT_EQ(rows.begin(what, 4).value(), 1U) << "a row that failed is tried again";
  EXPECT_TRUE(rows.done(3));
  for (std::size_t const i : {0, 1, 2}) ASSERT_TRUE(rows.put(i, line(i)));
  ASSERT_TRUE(rows.complete());
  EXPECT_EQ(written(), line(0) + line(1) + line(2) + line(3));
}

TEST_F(journal_test, what_was_torn_is_not_taken_for_a_row) {
  {
    auto rows = cli::journal::open(output, false).value();
    ASSERT_TRUE(rows.begin(what, 3));
    for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(rows.put(i, line(i)));
  }
  auto const file = output + ".run/answers.jsonl";
  fs::resize_file(file, fs::file_size(file) - 4);
  auto rows = cli::journal::open(output, false).value();
  EXPECT_EQ(rows.begin(what, 3).value(), 2U);
  EXPECT_FALSE(rows.done(2));
}

TEST_F(journal_test, the_rows_of_another_run_are_not_mixed_in) {
  {
    auto rows = cli::journal::open(output, false).value();
    ASSERT_TRUE(rows.begin(what, 2));
    ASSERT_TRUE(rows.put(0, line(0)));
  }
  {
    auto rows = cli::journal::open(output, false).value();
    auto const refused = rows.begin({{"seed", 2}}, 2);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::mismatch);
    EXPECT_NE(refused.error().message().find("seed was 1, is 2"), std::string::npos) << refused.error().message();
  }
  auto rows = cli::journal::open(output, true).value();
  EXPECT_EQ(rows.begin({{"seed", 2}}, 2).value(), 0U);
}

TEST_F(journal_test, two_runs_do_not_write_one_output) {
  auto const first = cli::journal::open(output, false).value();
  auto const second = cli::journal::open(output, false);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::unavailable);
}

TEST_F(journal_test, a_run_without_a_finished_row_leaves_nothing) {
  {
    auto rows = cli::journal::open(output, false).value();
    ASSERT_TRUE(rows.begin(what, 2));
  }
  EXPECT_FALSE(fs::exists(output + ".run"));
  EXPECT_EQ(cli::journal::open((folder / "no" / "such" / "folder").string() + '\0', false).has_error(), true);
}

TEST_F(journal_test, without_an_output_rows_are_kept_while_it_lives) {
  auto rows = cli::journal::open(std::nullopt, false).value();
  auto const held = fs::path(rows.prompts_path()).parent_path();
  EXPECT_TRUE(fs::exists(held));
  EXPECT_EQ(rows.begin(what, 2).value(), 0U);
  EXPECT_FALSE(fs::exists(held)) << "open files need no name";
  ASSERT_TRUE(rows.put(1, line(1)));
  EXPECT_EQ(rows.get(1).value(), line(1));
  EXPECT_EQ(rows.get(0).value(), std::nullopt);
}

}  // namespace
