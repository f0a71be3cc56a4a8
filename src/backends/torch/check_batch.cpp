#include "check_batch.hpp"

#include <gpuplace/runtime/kv_pages.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace gpuplace::torch_detail {
namespace {

/// The first number outside [0, end), or none. Looks at all of them without a branch, for there are many in every step.
template <class T>
T const* find_outside(std::span<T const> numbers, std::int64_t end) {
  auto least = T{0}, most = T{0};
  for (auto const n : numbers) least = std::min(least, n), most = std::max(most, n);
  if (least == 0 && most < end) return nullptr;
  return &*std::ranges::find_if(numbers, [end](T n) { return n < 0 || n >= end; });
}

}  // namespace

result<void> check_batch(batch const& work, executor_limits const& limits, std::int64_t vocabulary) {
  auto const refuse = [](std::size_t row, std::string what) {
    return error{errc::invalid_argument, "row " + std::to_string(row) + ' ' + std::move(what), "torch step", {}};
  };
  if (static_cast<std::int64_t>(work.rows.size()) > limits.slots || work.token_count() > limits.step_tokens)
    return error{errc::invalid_argument,
                 "a batch of " + std::to_string(work.rows.size()) + " rows and " + std::to_string(work.token_count()) +
                     " tokens is larger than was reserved",
                 "torch step",
                 {}};
  for (std::size_t i = 0; i < work.rows.size(); ++i) {
    auto const& row = work.rows[i];
    auto const count = static_cast<std::int64_t>(row.tokens.size());
    if (row.slot < 0 || row.slot >= limits.slots)
      return refuse(i, "is in slot " + std::to_string(row.slot) + ", which does not exist");
    if (count == 0 || row.start < 0) return refuse(i, "has no tokens or starts before position 0");
    if (row.start + count > limits.context)
      return refuse(i, "goes beyond the context of " + std::to_string(limits.context) + " tokens");
    if (row.samples < 0 || row.samples > count) return refuse(i, "samples more positions than it has");
    auto const needed = pages_for(row.start + count, limits.page_tokens);
    if (static_cast<std::int64_t>(row.pages.size()) < needed) return refuse(i, "has too few pages for its tokens");
    if (auto const* page = find_outside(row.pages.first(static_cast<std::size_t>(needed)), limits.kv_pages))
      return refuse(i, "names page " + std::to_string(*page) + ", which does not exist");
    if (auto const* token = find_outside(row.tokens, vocabulary))
      return refuse(i, "holds token " + std::to_string(*token) + ", which is not in the vocabulary");
  }
  return {};
}

sample_request request_of(batch_row const& row, std::int64_t i) {
  auto const history = row.history.first(std::min(row.history.size(), static_cast<std::size_t>(row.start + i + 1)));
  return {row.how, row.random_stream, row.start + i + 1, history, row.prompt_tokens, row.forbidden, row.logprobs};
}

}  // namespace gpuplace::torch_detail
