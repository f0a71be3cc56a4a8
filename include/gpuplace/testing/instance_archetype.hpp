#pragma once
/// @file
/// The least that a model instance, and a backend that starts it, may be.

#include <gpuplace/runtime/execution_backend.hpp>

#include <boost/asio/post.hpp>

#include <string_view>
#include <utility>

namespace gpuplace::testing {

/// Offers what `model_instance` asks for and nothing more: no default constructor, no copies. Every answer is empty.
class archetype_instance {
public:
  static archetype_instance make() { return archetype_instance(0); }
  archetype_instance(archetype_instance&&) = default;
  archetype_instance& operator=(archetype_instance&&) = default;

  cancel_function start(generation_request request, boost::asio::any_io_executor where, token_sink, generation_handler on_end) {
    generation answer;
    answer.prompt_tokens = static_cast<std::int64_t>(request.prompt.size());
    boost::asio::post(where, [on_end = std::move(on_end), answer = std::move(answer)] { on_end(answer); });
    return [] {};
  }
  instance_load load() const { return {}; }

private:
  explicit archetype_instance(int) {}
};
static_assert(check_model_instance<archetype_instance>());

/// Offers what `execution_backend` asks for and nothing more: no default constructor, no assignment.
class archetype_backend {
public:
  using instance = archetype_instance;
  static constexpr std::string_view name = "archetype";
  static constexpr backend_level level = backend_level::constructs;

  static archetype_backend make() { return archetype_backend(0); }
  archetype_backend(archetype_backend const&) = default;
  archetype_backend& operator=(archetype_backend const&) = delete;

  memory_profile memory() const { return {}; }
  result<instance> start(replica_start const&) const { return instance::make(); }

private:
  explicit archetype_backend(int) {}
};
static_assert(check_execution_backend<archetype_backend>());

}  // namespace gpuplace::testing
