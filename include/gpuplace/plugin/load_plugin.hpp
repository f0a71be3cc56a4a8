#pragma once
/// @file
/// Strategies and backends from a shared library, at run time.

#include <gpuplace/plugin/detail/shared_library.hpp>
#include <gpuplace/plugin/detail/without_exceptions.hpp>
#include <gpuplace/plugin/plugin_entry.hpp>
#include <gpuplace/plugin/registries.hpp>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// Keeps a library until the process ends: a backend's threads, and handlers that it has posted, run its code at times of
/// their own. On purpose never freed.
inline void keep_for_good(std::shared_ptr<void> library) {
  static std::mutex guard;
  static auto& kept = *new std::vector<std::shared_ptr<void>>;
  std::scoped_lock const lock(guard);
  kept.push_back(std::move(library));
}

inline result<plugin_entry> open_entry(boost::dll::shared_library const& library, std::string const& file) {
  if (!library.has(plugin_symbol))
    return error{errc::malformed, "is no plugin of gpuplace: it exports no function " + std::string(plugin_symbol), file,
                 "write  extern \"C\" gpuplace::plugin_entry gpuplace_plugin() { return gpuplace::plugin_of<&add_strategies>(); }  "
                 "and let it be visible where the plugin hides its symbols"};
  GPUPLACE_TRY(auto const entry,
               without_exceptions(file, [&]() -> result<plugin_entry> { return library.get<plugin_entry()>(plugin_symbol)(); }));
  GPUPLACE_CHECK(check_abi_tag(entry.abi ? entry.abi : "", file));
  if (!entry.add) return error{errc::malformed, "has no function that adds its strategies", file, "give gpuplace::plugin_of one"};
  return entry;
}

}  // namespace detail

/// Adds what the plugin `file` brings to `to`, or nothing where it fails. The plugin's code stays loaded for as long as an
/// entry, or any object made by one, lives, whatever becomes of `to`; that of a plugin which adds backends stays for good.
/// @param file  a path: a name without folder is looked for in the working folder, nowhere else
/// Errors:     errc::not_found, errc::unreadable; errc::malformed for a library that is no plugin; errc::mismatch for one that
///             was built otherwise; errc::invalid_argument for names that are taken and for a plugin that throws
/// Threads:    safe for distinct registries
inline result<void> load_plugin(std::filesystem::path const& file, registries& to) {
  auto const name = file.string();
  GPUPLACE_TRY(auto const library, detail::open_library(file));
  GPUPLACE_TRY(auto const entry, detail::open_entry(*library, name));
  auto extended = to;
  if (auto added = detail::without_exceptions(name, [&] { return entry.add(extended); }); !added) {
    auto failed = added.error();
    failed.where = failed.where.empty() || failed.where == name ? name : name + ", " + failed.where;
    return failed;
  }
  extended.allocations.came_from(name, library, to.allocations.entries().size());
  extended.partitions.came_from(name, library, to.partitions.entries().size());
  extended.routings.came_from(name, library, to.routings.entries().size());
  extended.backends.came_from(name, library, to.backends.entries().size());
  if (extended.backends.entries().size() > to.backends.entries().size()) detail::keep_for_good(library);
  to = std::move(extended);
  return {};
}

}  // namespace gpuplace
