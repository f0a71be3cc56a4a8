#pragma once
/// @file
/// Exceptions of a plugin's code as errors, while the code that could destroy them is still loaded.

#include <gpuplace/core/result.hpp>

#include <exception>
#include <string>

namespace gpuplace::detail {

/// `call()`, or an error that says what it throws.
/// @param where  the spec or file that errors name
template <class Call>
auto without_exceptions(std::string const& where, Call call) -> decltype(call()) {
  constexpr auto remedy = "this is a fault of the plugin: tell its author";
  try {
    return call();
  } catch (std::exception const& e) {
    return error{errc::invalid_argument, std::string("throws an exception: ") + e.what(), where, remedy};
  } catch (...) {
    return error{errc::invalid_argument, "throws an exception of an unknown kind", where, remedy};
  }
}

}  // namespace gpuplace::detail
