#include "choice.hpp"
#include "cuda_fixture.hpp"
#include "kernels/kernels.hpp"
#include "backends/torch/sampling_cases.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace gpuplace::torch_tests {
namespace {

using torch_detail::choice_of;
using torch_detail::sample_token;

/// Asks the kernel for many rows at once, and compares with what the host draws from each.
class device_sampling : public ::testing::Test {
protected:
  void SetUp() override {
    GPUPLACE_NEEDS_GPU();
    on_.emplace();
    cuda::check(cuda::make_lane(*on_, lane_), "a lane");
  }

  struct asked {
    named_logits const* row;
    sample_request request;
  };

  template <class T>
  cuda::device_memory send(std::vector<T> const& numbers) {
    auto memory = cuda::allocate(numbers.size() * sizeof(T), "a test's numbers");
    cuda::check(cudaMemcpy(memory.as(), numbers.data(), numbers.size() * sizeof(T), cudaMemcpyHostToDevice), "sending");
    cuda::check(cudaDeviceSynchronize(), "sending");
    return memory;
  }

  /// Row r's history is text r; all are given to the device.
  void expect_host_tokens(std::vector<asked> const& all, std::size_t vocabulary) {
    std::vector<float> logits;
    std::vector<cuda::choice_rule> rules;
    std::size_t context = 1;
    for (auto const& a : all) context = std::max(context, a.request.history.size());
    std::vector<std::int32_t> texts(all.size() * context, -1);
    for (std::size_t r = 0; r < all.size(); ++r) {
      logits.insert(logits.end(), all[r].row->logits.begin(), all[r].row->logits.end());
      auto const rule = choice_of(all[r].request, static_cast<slot_id>(r), static_cast<std::int64_t>(vocabulary));
      ASSERT_TRUE(rule);
      rules.push_back(*rule);
      std::ranges::copy(all[r].request.history, texts.begin() + static_cast<std::ptrdiff_t>(r * context));
    }
    auto const device_rules = send(rules);
    auto const device_texts = send(texts);
    auto const keys = send(std::vector<unsigned long long>(all.size(), 0));
    auto const tokens = send(std::vector<std::int32_t>(all.size(), -7));
    auto const told = cuda::allocate_pinned(all.size() * sizeof(cuda::told_row));
    for (int again = 0; again < 2; ++again) {
      auto const device_logits = send(logits);  // penalties change them
      cuda::check(cuda::choose(device_logits.as<float>(), static_cast<int>(all.size()), static_cast<int>(vocabulary),
                               keys.as<unsigned long long>(), device_rules.as<cuda::choice_rule>(), device_texts.as<std::int32_t>(),
                               static_cast<int>(context), tokens.as<std::int32_t>(), told.as<cuda::told_row>(), lane_),
                  "choosing");
      on_->wait();
      std::vector<std::int32_t> ours(all.size());
      cuda::check(cudaMemcpy(ours.data(), tokens.as(), tokens.size(), cudaMemcpyDeviceToHost), "fetching");
      for (std::size_t r = 0; r < all.size(); ++r)
        EXPECT_EQ(ours[r], sample_token(all[r].row->logits, all[r].request).value_or(-1))
            << all[r].row->name << ' ' << vocabulary << ' ' << describe(all[r].request.how) << " row " << r;
      for (std::size_t r = 0; r < all.size(); ++r)
        if (all[r].request.logprobs >= 0 && ours[r] >= 0) expect_host_logprobs(all[r], ours[r], told.as<cuda::told_row>()[r]);
    }
  }

  static void expect_host_logprobs(asked const& a, token_id chosen, cuda::told_row const& told) {
    auto const expected = torch_detail::logprobs_of(a.row->logits, chosen, a.request.logprobs);
    auto const near = [](float x) { return 1e-5 + 1e-6 * std::abs(double{x}); };
    EXPECT_NEAR(told.chosen, expected.chosen.logprob, near(expected.chosen.logprob)) << a.row->name;
    if (told.count < 0) return;  // too many are as likely as the last: the host looks
    ASSERT_EQ(static_cast<std::size_t>(told.count), expected.top.size()) << a.row->name;
    for (std::size_t i = 0; i < expected.top.size(); ++i) {
      auto const theirs = expected.top[i];
      EXPECT_EQ(told.tokens[i], theirs.token) << a.row->name << " place " << i;
      if (!std::isinf(theirs.logprob)) {
        EXPECT_NEAR(told.logprobs[i], theirs.logprob, near(theirs.logprob)) << a.row->name;
      }
    }
  }

  std::optional<cuda::stream> on_;
  cuda::lane lane_;
};

TEST_F(device_sampling, draws_the_token_that_the_host_draws) {
  for (std::size_t const vocabulary : {7, 257, 32000, 151936}) {
    auto const rows = rows_of(vocabulary);
    std::vector<asked> all;
    for (auto const& row : rows)
      for (auto const& how : settings_to_try()) all.push_back({&row, {how, 11, static_cast<std::int64_t>(all.size())}});
    expect_host_tokens(all, vocabulary);
  }
}

TEST_F(device_sampling, tells_the_log_probabilities_that_the_host_tells) {
  for (std::size_t const vocabulary : {7, 257, 32000, 151936}) {
    auto const rows = rows_of(vocabulary);
    std::vector<asked> all;
    for (auto const& row : rows)
      for (std::int32_t const alternatives : {0, 1, 5, 20})
        for (auto const& how : {sampling{}, sampling{.temperature = 1}, sampling{.temperature = 1, .top_k = 7}}) {
          all.push_back({&row, {how, 3, static_cast<std::int64_t>(all.size())}});
          all.back().request.logprobs = alternatives;
        }
    expect_host_tokens(all, vocabulary);
  }
}

TEST_F(device_sampling, draws_many_different_tokens) {
  std::vector<named_logits> const rows{{"normal", normal_logits(50257, 1, 4)}};
  std::vector<asked> all;
  for (std::int64_t i = 0; i < 300; ++i) all.push_back({&rows[0], {{.temperature = 1, .top_p = 0.9}, 5, i}});
  expect_host_tokens(all, 50257);
}

TEST_F(device_sampling, penalises_and_forbids_as_the_host_does) {
  for (std::size_t const vocabulary : {7, 257, 32000, 151936}) {
    auto const rows = rows_of(vocabulary);
    std::mt19937 random(17);
    std::vector<token_id> history(3000), forbidden{0, 3, static_cast<token_id>(vocabulary) - 1};
    for (auto& t : history)
      t = static_cast<token_id>(random() % std::min<std::size_t>(vocabulary, 700) * (vocabulary / 700 + 1) % vocabulary);
    std::vector<asked> all;
    for (auto const& row : rows)
      for (double const temperature : {0.0, 0.8})
        for (auto const& how :
             {sampling{.repetition_penalty = 1.3}, sampling{.frequency_penalty = 0.4}, sampling{.presence_penalty = -0.7},
              sampling{.top_p = 0.9, .repetition_penalty = 0.8, .frequency_penalty = 0.1, .presence_penalty = 0.3},
              sampling{.top_k = 40}})
          for (std::size_t const length : {1, 5, 3000})
            for (bool const forbids : {false, true}) {
              sample_request request{how, 11, static_cast<std::int64_t>(all.size())};
              request.how.temperature = temperature;
              if (how.penalised()) request.history = std::span(history).first(length);
              request.prompt_tokens = static_cast<std::int64_t>(length / 3);
              if (forbids) request.forbidden = forbidden;
              if (vocabulary < 100000 || all.size() % 7 == 0) {
                all.push_back({&row, request});
              } else {
                all.push_back({&rows[0], request});
              }
            }
    all.resize(std::min<std::size_t>(all.size(), vocabulary < 100000 ? 1000 : 200));
    expect_host_tokens(all, vocabulary);
  }
}

}  // namespace
}  // namespace gpuplace::torch_tests
