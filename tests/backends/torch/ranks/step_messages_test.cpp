#include "ranks/step_messages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>
#include <vector>

namespace gpuplace::torch_detail {
namespace {

std::vector<std::int32_t> some(std::mt19937& draw, std::size_t most) {
  std::vector<std::int32_t> made(draw() % (most + 1));
  for (auto& n : made) n = static_cast<std::int32_t>(draw());
  return made;
}

/// The lists that a batch's rows refer to stay where they are while `lists` lives.
batch random_batch(std::mt19937& draw, std::vector<std::vector<std::int32_t>>& lists) {
  batch work;
  auto const rows = draw() % 5;
  lists.reserve(4 * rows);
  auto const keep = [&](std::size_t most) -> std::span<std::int32_t const> { return lists.emplace_back(some(draw, most)); };
  for (std::size_t i = 0; i < rows; ++i) {
    batch_row row;
    row.slot = static_cast<slot_id>(draw() % 100);
    row.start = static_cast<std::int64_t>(draw());
    row.tokens = keep(40);
    row.pages = keep(10);
    row.samples = static_cast<std::int32_t>(draw() % 3);
    row.how = {
        .temperature = 0.25 * static_cast<double>(draw() % 8), .top_k = static_cast<std::int64_t>(draw() % 50), .seed = draw()};
    row.random_stream = (std::uint64_t{draw()} << 32) | draw();
    row.history = keep(20);
    row.prompt_tokens = static_cast<std::int64_t>(draw() % 9);
    row.forbidden = keep(3);
    row.logprobs = static_cast<std::int32_t>(draw() % 22) - 1;
    work.rows.push_back(row);
  }
  return work;
}

void expect_same(batch_row const& a, batch_row const& b) {
  EXPECT_EQ(a.slot, b.slot);
  EXPECT_EQ(a.start, b.start);
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.how, b.how);
  EXPECT_EQ(a.random_stream, b.random_stream);
  EXPECT_EQ(a.prompt_tokens, b.prompt_tokens);
  EXPECT_EQ(a.logprobs, b.logprobs);
  EXPECT_TRUE(std::ranges::equal(a.tokens, b.tokens));
  EXPECT_TRUE(std::ranges::equal(a.pages, b.pages));
  EXPECT_TRUE(std::ranges::equal(a.history, b.history));
  EXPECT_TRUE(std::ranges::equal(a.forbidden, b.forbidden));
}

TEST(step_messages, steps_arrive_as_they_were) {
  std::mt19937 draw(1);
  for (int round = 0; round < 100; ++round) {
    std::vector<std::vector<std::int32_t>> lists;
    auto const work = random_batch(draw, lists);
    auto const message = encode_step(work);
    auto decoded = decode_order(message);
    ASSERT_TRUE(decoded) << decoded.error();
    auto const moved = std::get<owned_batch>(*std::move(decoded));
    ASSERT_EQ(moved.work.rows.size(), work.rows.size());
    for (std::size_t i = 0; i < work.rows.size(); ++i) expect_same(moved.work.rows[i], work.rows[i]);
    for (std::size_t cut = 0; cut < message.size(); cut += 1 + cut / 8)
      EXPECT_FALSE(decode_order(std::span(message).first(cut))) << cut << " of " << message.size();
  }
}

TEST(step_messages, forks_and_ends_arrive_as_they_were) {
  std::vector<page_id> const from{1, 2, 3}, to{1, 2, 9};
  auto const decoded = decode_order(encode_fork(4, 5, from, to));
  ASSERT_TRUE(decoded) << decoded.error();
  auto const& fork = std::get<fork_order>(*decoded);
  EXPECT_EQ(fork.from, 4);
  EXPECT_EQ(fork.to, 5);
  EXPECT_EQ(fork.from_pages, from);
  EXPECT_EQ(fork.to_pages, to);
  EXPECT_TRUE(std::holds_alternative<end_order>(*decode_order(encode_end())));
}

TEST(step_messages, answers_and_errors_arrive_as_they_were) {
  step_outcome outcome;
  outcome.tokens = {5, 6};
  outcome.device_time = seconds{0.25};
  outcome.logprobs = {{{5, -0.5F}, {{5, -0.5F}, {7, -1.5F}}}, {}};
  auto const message = encode_answer(outcome);
  auto const decoded = decode_answer(message);
  ASSERT_TRUE(decoded) << decoded.error();
  EXPECT_EQ(decoded->tokens, outcome.tokens);
  EXPECT_EQ(decoded->device_time, outcome.device_time);
  EXPECT_EQ(decoded->logprobs, outcome.logprobs);
  for (std::size_t cut = 0; cut < message.size(); ++cut)
    EXPECT_EQ(decode_answer(std::span(message).first(cut)).error().code, errc::malformed);

  error const why{errc::does_not_fit, "too large", "rank 1", "use more"};
  auto const said = decode_answer(encode_answer(why)).error();
  EXPECT_EQ(said.code, why.code);
  EXPECT_EQ(said.message(), why.message());
}

}  // namespace
}  // namespace gpuplace::torch_detail
