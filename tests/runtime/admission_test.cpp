#include <gpuplace/runtime/admission.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace gpuplace;

namespace {

constexpr executor_limits limits{.slots = 4, .kv_pages = 40, .page_tokens = 4, .step_tokens = 32, .context = 64};

/// The error of a good request after `change`; "taken" where it is still good.
template <class Change>
error refusal(Change change) {
  generation_request request;
  request.index = 6;
  request.prompt = {1, 2, 3};
  request.max_tokens = 8;
  change(request);
  auto const checked = check_request(request, limits);
  return checked ? error{errc::cancelled, "taken", {}, {}} : checked.error();
}

#define EXPECT_REFUSED(change, text)                                             \
  do {                                                                           \
    auto const why = refusal([](generation_request& r) { change; });             \
    EXPECT_EQ(why.code, errc::invalid_argument) << #change;                      \
    EXPECT_NE(why.what.find(text), std::string::npos) << #change << ": " << why; \
    EXPECT_EQ(why.where, "request 6");                                           \
    EXPECT_FALSE(why.remedy.empty());                                            \
  } while (false)

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

}  // namespace

TEST(admission, takes_what_makes_sense) {
  EXPECT_EQ(refusal([](generation_request&) {}).what, "taken");
  auto const all = refusal([](generation_request& r) {
    r.how = {.temperature = 2,
             .top_p = 1,
             .top_k = 1,
             .min_p = 1,
             .repetition_penalty = 0.5,
             .frequency_penalty = -2,
             .presence_penalty = 2};
    r.n = 4;
    r.min_tokens = 8;
    r.logprobs = most_logprobs;
    r.time_limit = seconds{0.1};
  });
  EXPECT_EQ(all.what, "taken");
}

TEST(admission, names_the_setting_and_its_value) {
  EXPECT_REFUSED(r.how.temperature = -0.5, "temperature is -0.5");
  EXPECT_REFUSED(r.how.temperature = no_number, "temperature is nan");
  EXPECT_REFUSED(r.how.temperature = infinite, "temperature is inf");
  EXPECT_REFUSED(r.how.top_p = 0, "top_p is 0.0");
  EXPECT_REFUSED(r.how.top_p = 1.5, "top_p is 1.5");
  EXPECT_REFUSED(r.how.top_p = no_number, "top_p is nan");
  EXPECT_REFUSED(r.how.top_k = -1, "top_k is -1");
  EXPECT_REFUSED(r.how.min_p = -0.1, "min_p is -0.1");
  EXPECT_REFUSED(r.how.min_p = 1.1, "min_p is 1.1");
  EXPECT_REFUSED(r.how.repetition_penalty = 0, "repetition_penalty is 0.0");
  EXPECT_REFUSED(r.how.repetition_penalty = no_number, "repetition_penalty is nan");
  EXPECT_REFUSED(r.how.frequency_penalty = infinite, "frequency_penalty is inf");
  EXPECT_REFUSED(r.how.presence_penalty = no_number, "presence_penalty is nan");
  EXPECT_REFUSED(r.max_tokens = 0, "max_tokens is 0");
  EXPECT_REFUSED(r.max_tokens = -3, "max_tokens is -3");
  EXPECT_REFUSED(r.min_tokens = -1, "min_tokens is -1");
  EXPECT_REFUSED(r.min_tokens = 9, "min_tokens is 9");
  EXPECT_REFUSED(r.n = 0, "n is 0");
  EXPECT_REFUSED(r.n = 5, "n is 5");
  EXPECT_REFUSED(r.logprobs = -1, "logprobs is -1");
  EXPECT_REFUSED(r.logprobs = most_logprobs + 1, "logprobs is 21");
  EXPECT_REFUSED(r.time_limit = seconds{0}, "time_limit is 0.0");
  EXPECT_REFUSED(r.prompt.clear(), "no tokens");
}

TEST(admission, a_prompt_as_long_as_the_context_is_refused_with_a_way_out) {
  auto const why = refusal([](generation_request& r) { r.prompt.assign(64, 1); });
  EXPECT_EQ(why.code, errc::does_not_fit);
  EXPECT_NE(why.what.find("64 tokens"), std::string::npos) << why;
  EXPECT_NE(why.remedy.find("--context 72"), std::string::npos) << why;
  EXPECT_EQ(refusal([](generation_request& r) { r.prompt.assign(63, 1); }).what, "taken");
}
