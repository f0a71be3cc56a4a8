#pragma once
/// @file
/// What a program and a plugin must have in common, as text that says so.

#include <gpuplace/core/result.hpp>
#include <gpuplace/core/version.hpp>
#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/plugin/registries.hpp>

#include <boost/version.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

/// One thing that decides how objects are laid out and passed: `Boost` is `1.81`.
struct abi_part {
  std::string name;
  std::string value;
  friend bool operator==(abi_part const&, abi_part const&) = default;
};

namespace detail {

inline std::string compiler_name() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__);
#elif defined(__GNUC__)
  return "gcc " + std::to_string(__GNUC__);
#else
  return "unknown";
#endif
}

inline std::string standard_library_name() {
#if defined(_LIBCPP_VERSION)
  return "libc++ " + std::to_string(_LIBCPP_VERSION / 1000);
#elif defined(_GLIBCXX_RELEASE)
  std::string name =
      "libstdc++ " + std::to_string(_GLIBCXX_RELEASE) + ", _GLIBCXX_USE_CXX11_ABI=" + std::to_string(_GLIBCXX_USE_CXX11_ABI);
#if defined(_GLIBCXX_DEBUG)
  name += ", _GLIBCXX_DEBUG";
#endif
  return name;
#else
  return "unknown";
#endif
}

/// Sizes of the types that cross the boundary, folded: headers of one version that differ are told apart.
template <class... Types>
std::string fold_sizes() {
  fnv1a folded;
  (folded.add(static_cast<std::int64_t>(sizeof(Types))), ...);
  return folded.hex();
}

inline std::string layout_name() {
  return fold_sizes<error, unit, device, device_group, path, demand, model_config, model_description, workload, candidate,
                    stage_span, memory_profile, plan, model_plan, replica, spec, instance_load, routing_request, decision, outcome,
                    replica_start, generation_request, generation, any_allocation, any_partition, any_routing, any_instance,
                    any_backend, registries>();
}

/// The value of the part called `name`, or null.
inline abi_part const* find_part(std::vector<abi_part> const& parts, std::string_view name) {
  auto const at = std::ranges::find(parts, name, &abi_part::name);
  return at == parts.end() ? nullptr : &*at;
}

/// What to rebuild a plugin with, where `part` differs.
inline std::string remedy_for(abi_part const& part) {
  return part.name == "layout" ? "this program's own gpuplace headers" : part.name + ' ' + part.value;
}

}  // namespace detail

/// The parts that the file which calls this is compiled with.
inline std::vector<abi_part> abi_parts() {
  auto const boost = std::to_string(BOOST_VERSION / 100'000) + '.' + std::to_string(BOOST_VERSION / 100 % 1'000);
  return {{"gpuplace", std::string(library_version)},
          {"compiler", detail::compiler_name()},
          {"C++ library", detail::standard_library_name()},
          {"Boost", boost},
          {"layout", detail::layout_name()}};
}

/// `parts` as text, one `name: value` a line.
inline std::string abi_tag(std::vector<abi_part> const& parts = abi_parts()) {
  std::string text;
  for (auto const& p : parts) text += p.name + ": " + p.value + '\n';
  return text;
}

/// Reads what abi_tag writes; lines that are no part are left out.
inline std::vector<abi_part> parse_abi_tag(std::string_view text) {
  std::vector<abi_part> parts;
  while (!text.empty()) {
    auto const line = text.substr(0, text.find('\n'));
    if (auto const colon = line.find(": "); colon != std::string_view::npos)
      parts.push_back({std::string(line.substr(0, colon)), std::string(line.substr(colon + 2))});
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return parts;
}

/// Refuses a plugin that was built with other parts than this program.
/// @param tag   the plugin's
/// @param file  where the plugin is, for messages
/// @param ours  what this program is built with
/// Errors:     errc::mismatch that names every part that differs and what to rebuild with
inline result<void> check_abi_tag(std::string_view tag, std::string const& file, std::vector<abi_part> const& ours = abi_parts()) {
  auto const theirs = parse_abi_tag(tag);
  std::string differences;
  std::string remedies;
  auto const differs = [&](std::string const& how, std::string const& remedy) {
    differences += (differences.empty() ? "" : "; ") + how;
    if (remedies.find(remedy) == std::string::npos) remedies += (remedies.empty() ? "" : ", ") + remedy;
  };
  for (auto const& our : ours) {
    auto const* their = detail::find_part(theirs, our.name);
    if (!their) differs("it does not say its " + our.name + ", here it is " + our.value, detail::remedy_for(our));
    else if (their->value != our.value)
      differs(our.name + ' ' + detail::printable(their->value) + ", here it is " + our.value, detail::remedy_for(our));
  }
  for (auto const& their : theirs)
    if (!detail::find_part(ours, their.name))
      differs(detail::printable(their.name + ' ' + their.value) + ", which this program knows nothing of",
              "this program's own gpuplace headers");
  if (differences.empty()) return {};
  return error{errc::mismatch, "the plugin was built with " + differences, file, "rebuild it with " + remedies};
}

}  // namespace gpuplace
