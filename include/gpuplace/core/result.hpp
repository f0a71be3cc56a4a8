#pragma once
/// @file
/// `result<T>`: a value or an `error`. std::expected is not in C++20, Boost.System's result is its equal.

#include <gpuplace/core/error.hpp>

#include <boost/system/result.hpp>

#include <type_traits>
#include <utility>

namespace gpuplace {

template <class T>
using result = boost::system::result<T, error>;

/// True for every `result<T>`; the concepts ask with it what a strategy returns.
template <class R, class T>
inline constexpr bool is_result_of = std::is_same_v<std::remove_cvref_t<R>, result<T>>;

}  // namespace gpuplace

#define GPUPLACE_DETAIL_CONCAT_(a, b) a##b
#define GPUPLACE_DETAIL_CONCAT(a, b) GPUPLACE_DETAIL_CONCAT_(a, b)
#define GPUPLACE_DETAIL_TRY(name, declaration, ...) \
  auto name = (__VA_ARGS__);                        \
  if (!name) return std::move(name).error();        \
  declaration = *std::move(name)

/// Binds the value of a result, or returns its error from the enclosing function:
/// `GPUPLACE_TRY(auto config, read(path));`
#define GPUPLACE_TRY(declaration, ...) \
  GPUPLACE_DETAIL_TRY(GPUPLACE_DETAIL_CONCAT(gpuplace_try_, __LINE__), declaration, __VA_ARGS__)

/// Returns the error of a result from the enclosing function; the value is not wanted.
#define GPUPLACE_CHECK(...)                                                                             \
  do {                                                                                                  \
    if (auto gpuplace_check = (__VA_ARGS__); !gpuplace_check) return std::move(gpuplace_check).error(); \
  } while (false)
