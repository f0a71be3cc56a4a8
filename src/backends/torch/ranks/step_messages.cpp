#include "step_messages.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace gpuplace::torch_detail {
namespace {

enum class kind : std::uint8_t { step, fork, end };

/// Numbers as this machine has them: all ranks are built for one kind of processor.
class writer {
public:
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void put(T const& value) {
    auto const* const bytes = reinterpret_cast<std::byte const*>(&value);
    made_.insert(made_.end(), bytes, bytes + sizeof(T));
  }
  template <class T>
  void put_list(std::span<T const> items) {
    put(static_cast<std::uint64_t>(items.size()));
    auto const bytes = std::as_bytes(items);
    made_.insert(made_.end(), bytes.begin(), bytes.end());
  }
  void put_text(std::string const& text) { put_list(std::span<char const>(text)); }
  std::vector<std::byte> take() { return std::move(made_); }

private:
  std::vector<std::byte> made_;
};

/// Reads no further than the message goes: from the first thing that is missing on, everything is nought.
class reader {
public:
  explicit reader(std::span<std::byte const> from) : left_(from) {}

  template <class T>
    requires std::is_trivially_copyable_v<T>
  T get() {
    T value{};
    if (left_.size() < sizeof(T)) return broken_ = true, value;
    std::memcpy(&value, left_.data(), sizeof(T));
    left_ = left_.subspan(sizeof(T));
    return value;
  }
  template <class T>
  std::vector<T> get_list() {
    auto const count = get<std::uint64_t>();
    if (broken_ || count > left_.size() / sizeof(T)) return broken_ = true, std::vector<T>();
    std::vector<T> items(count);
    if (count > 0) std::memcpy(items.data(), left_.data(), count * sizeof(T));
    left_ = left_.subspan(count * sizeof(T));
    return items;
  }
  std::string get_text() {
    auto const letters = get_list<char>();
    return {letters.begin(), letters.end()};
  }
  /// A count of things that take at least a byte each.
  std::size_t get_count() {
    auto const count = get<std::uint64_t>();
    if (count > left_.size()) return broken_ = true, 0;
    return count;
  }
  bool whole() const { return !broken_ && left_.empty(); }
  bool broken() const { return broken_; }

private:
  std::span<std::byte const> left_;
  bool broken_ = false;
};

error broken(char const* what) {
  return {errc::malformed, std::string(what) + " is cut off or too long", "ranks", "run one build on all ranks"};
}

owned_batch read_batch(reader& from) {
  owned_batch made;
  auto const rows = from.get_count();
  made.work.rows.reserve(rows);
  auto const keep = [&]() -> std::span<std::int32_t const> { return made.lists.emplace_back(from.get_list<std::int32_t>()); };
  for (std::size_t i = 0; i < rows && !from.broken(); ++i) {
    batch_row row;
    row.slot = from.get<slot_id>();
    row.start = from.get<std::int64_t>();
    row.samples = from.get<std::int32_t>();
    row.how = from.get<sampling>();
    row.random_stream = from.get<std::uint64_t>();
    row.prompt_tokens = from.get<std::int64_t>();
    row.logprobs = from.get<std::int32_t>();
    row.tokens = keep();
    row.pages = keep();
    row.history = keep();
    row.forbidden = keep();
    made.work.rows.push_back(row);
  }
  return made;
}

}  // namespace

std::vector<std::byte> encode_step(batch const& work) {
  writer to;
  to.put(kind::step);
  to.put(static_cast<std::uint64_t>(work.rows.size()));
  for (auto const& row : work.rows) {
    to.put(row.slot);
    to.put(row.start);
    to.put(row.samples);
    to.put(row.how);
    to.put(row.random_stream);
    to.put(row.prompt_tokens);
    to.put(row.logprobs);
    for (auto const list : {row.tokens, row.pages, row.history, row.forbidden}) to.put_list(list);
  }
  return to.take();
}

std::vector<std::byte> encode_fork(slot_id from, slot_id to, std::span<page_id const> from_pages,
                                   std::span<page_id const> to_pages) {
  writer out;
  out.put(kind::fork);
  out.put(from);
  out.put(to);
  out.put_list(from_pages);
  out.put_list(to_pages);
  return out.take();
}

std::vector<std::byte> encode_end() {
  writer to;
  to.put(kind::end);
  return to.take();
}

result<order> decode_order(std::span<std::byte const> message) {
  reader from(message);
  switch (from.get<kind>()) {
    case kind::step: {
      auto made = read_batch(from);
      if (!from.whole()) return broken("a step");
      return order(std::move(made));
    }
    case kind::fork: {
      fork_order made;
      made.from = from.get<slot_id>();
      made.to = from.get<slot_id>();
      made.from_pages = from.get_list<page_id>();
      made.to_pages = from.get_list<page_id>();
      if (!from.whole()) return broken("a fork");
      return order(std::move(made));
    }
    case kind::end:
      if (!from.whole()) return broken("an end");
      return order(end_order{});
  }
  return error{errc::malformed, "a message is of no known kind", "ranks", "run one build on all ranks"};
}

std::vector<std::byte> encode_answer(result<step_outcome> const& answer) {
  writer to;
  to.put(answer.has_value());
  if (!answer) {
    auto const why = answer.error();
    to.put(why.code);
    for (auto const* text : {&why.what, &why.where, &why.remedy}) to.put_text(*text);
    return to.take();
  }
  to.put(answer->device_time.count());
  to.put_list(std::span<token_id const>(answer->tokens));
  to.put(static_cast<std::uint64_t>(answer->logprobs.size()));
  for (auto const& told : answer->logprobs) {
    to.put(told.chosen);
    to.put_list(std::span(told.top));
  }
  return to.take();
}

result<step_outcome> decode_answer(std::span<std::byte const> message) {
  reader from(message);
  if (from.get<std::uint8_t>() == 0) {
    error said;
    said.code = from.get<errc>();
    said.what = from.get_text();
    said.where = from.get_text();
    said.remedy = from.get_text();
    if (!from.whole()) return broken("an error");
    return said;
  }
  step_outcome made;
  made.device_time = seconds{from.get<double>()};
  made.tokens = from.get_list<token_id>();
  auto const told = from.get_count();
  for (std::size_t i = 0; i < told && !from.broken(); ++i) {
    auto const chosen = from.get<token_probability>();
    made.logprobs.push_back({chosen, from.get_list<token_probability>()});
  }
  if (!from.whole()) return broken("an answer");
  return made;
}

}  // namespace gpuplace::torch_detail
