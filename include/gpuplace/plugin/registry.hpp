#pragma once
/// @file
/// Strategies and backends by name.

#include <gpuplace/core/edit_distance.hpp>
#include <gpuplace/core/result.hpp>
#include <gpuplace/plugin/detail/without_exceptions.hpp>
#include <gpuplace/plugin/spec.hpp>

#include <algorithm>
#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuplace {

/// What a registry makes: a type-erased form with a label, such as `any_partition`.
template <class Any>
concept registrable = std::movable<Any> && requires(Any any, std::string text, std::shared_ptr<void> library) {
  any.label = text;
  any.keep_library(library);
};

/// Makes strategies of one family, or backends, from spec strings. It is filled by plain calls of `add`, since static
/// registration objects get dropped by linkers.
/// When to use: for choices in files and on command lines; in code, name the strategy's type.
/// Threads:    const calls are safe on shared objects
template <registrable Any>
class registry {
public:
  using factory = std::function<result<Any>(spec const&)>;

  /// What `--help` and unknown names show.
  struct entry {
    std::string name;
    std::string usage;        ///< `ratio(A:B)`
    std::string description;  ///< one clause without a full stop
    factory make;
    std::string origin;  ///< the plugin's file; empty for what the program brings itself
  };

  /// @param kind  what is made, for messages: "allocation"
  explicit registry(std::string kind) : kind_(std::move(kind)) {}

  /// Makes `name` known. `make` gets the spec with its arguments and refuses those that it does not take.
  /// @param library  keeps the code of `make` and of what it makes loaded; null for code of this program
  /// Errors:     errc::invalid_argument for a name that is taken or that no spec can spell, and for an empty factory
  result<void> add(std::string name, std::string usage, std::string description, factory make, std::shared_ptr<void> library = {}) {
    auto const spelled = parse_spec(name);
    if (!spelled || spelled->name != name)
      return error{errc::invalid_argument, "'" + detail::printable(name) + "' is no name", kind_ + " registry",
                   "use letters, digits, '_', '-' and '.', a letter first"};
    if (auto const* taken = find(name))
      return error{errc::invalid_argument,
                   kind_ + " '" + name + "' is registered already" + (taken->origin.empty() ? "" : " by " + taken->origin),
                   kind_ + " registry", "choose another name"};
    if (!make) return error{errc::invalid_argument, kind_ + " '" + name + "' has no factory", kind_ + " registry", {}};
    if (library) make = kept_factory{std::move(library), std::move(make)};
    entries_.push_back({std::move(name), std::move(usage), std::move(description), std::move(make), {}});
    return {};
  }

  /// Makes `S` known by its own name: a strategy or backend that needs no arguments.
  template <class S>
    requires std::default_initializable<S> && std::constructible_from<Any, S>
  result<void> add(std::string description) {
    std::string name(S::name);
    auto usage = name;
    return add(std::move(name), std::move(usage), std::move(description), [](spec const& asked) -> result<Any> {
      GPUPLACE_CHECK(asked.allow(0));
      return Any(S{});
    });
  }

  /// Notes that the entries from `first` on come from the plugin `origin`; `library` keeps their code loaded.
  void came_from(std::string const& origin, std::shared_ptr<void> const& library, std::size_t first) {
    for (auto& e : std::span(entries_).subspan(first)) {
      e.origin = origin;
      e.make = kept_factory{library, std::move(e.make)};
    }
  }

  /// What `spec_text` asks for; its label is the spec.
  /// Errors:     errc::invalid_argument for text that is no spec or arguments that the strategy refuses;
  ///             errc::not_found for an unknown name, with the nearest known one and a list of all
  result<Any> make(std::string_view spec_text) const {
    GPUPLACE_TRY(auto const asked, parse_spec(spec_text));
    return make(asked);
  }
  result<Any> make(spec const& asked) const {
    auto const* known = find(asked.name);
    if (!known) return unknown(asked.name);
    auto made = known->make(asked);
    if (made) {
      made->label = to_string(asked);
      return made;
    }
    auto failed = made.error();
    if (failed.remedy.empty()) failed.remedy = "write " + known->usage + ": " + known->description;
    return failed;
  }

  entry const* find(std::string_view name) const {
    auto const at = std::ranges::find(entries_, name, &entry::name);
    return at == entries_.end() ? nullptr : &*at;
  }
  /// All entries, in the order in which they were added.
  std::vector<entry> const& entries() const& { return entries_; }
  std::vector<entry> const& entries() && = delete;
  std::string const& kind() const { return kind_; }

  /// One line for each entry: usage and description, in columns, and the plugin that it comes from.
  std::string help() const {
    std::size_t width = 0;
    for (auto const& e : entries_) width = std::max(width, e.usage.size());
    std::string text;
    for (auto const& e : entries_)
      text += "  " + e.usage + std::string(width - e.usage.size() + 2, ' ') + e.description +
              (e.origin.empty() ? "" : " (" + e.origin + ')') + '\n';
    return text;
  }

private:
  /// Members are destroyed from the last to the first: the factory before its code. What a library's factory throws is
  /// turned into an error before the library can go.
  struct kept_factory {
    std::shared_ptr<void> library;
    factory make;
    result<Any> operator()(spec const& asked) const {
      auto made = detail::without_exceptions(detail::printable(to_string(asked)), [&] { return make(asked); });
      if (made) made->keep_library(library);
      return made;
    }
  };

  error unknown(std::string_view name) const {
    std::string remedy;
    std::vector<std::string_view> names;
    for (auto const& e : entries_) names.push_back(e.name);
    if (auto const nearest = detail::nearest_name(name, names); !nearest.empty())
      remedy = "did you mean '" + std::string(nearest) + "'? ";
    remedy += entries_.empty() ? "none is registered" : "known are:\n" + help();
    if (remedy.back() == '\n') remedy.pop_back();
    return {errc::not_found, "there is no " + kind_ + " '" + std::string(name) + "'", {}, std::move(remedy)};
  }

  std::string kind_;
  std::vector<entry> entries_;
};

}  // namespace gpuplace
