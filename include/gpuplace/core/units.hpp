#pragma once
/// @file
/// Quantities carry their unit in the type; names and JSON keys need no suffix inside the library.

#include <chrono>
#include <compare>
#include <cstdint>

namespace gpuplace {

/// An amount of memory or of data moved. Signed, so that "room left" may be negative in explanations.
class bytes {
public:
  constexpr bytes() = default;
  constexpr explicit bytes(std::int64_t count) : count_(count) {}

  constexpr std::int64_t count() const { return count_; }
  constexpr double gib() const { return static_cast<double>(count_) / (1024.0 * 1024.0 * 1024.0); }

  friend constexpr auto operator<=>(bytes, bytes) = default;
  constexpr bytes& operator+=(bytes other) {
    count_ += other.count_;
    return *this;
  }
  constexpr bytes& operator-=(bytes other) {
    count_ -= other.count_;
    return *this;
  }
  friend constexpr bytes operator+(bytes a, bytes b) { return a += b; }
  friend constexpr bytes operator-(bytes a, bytes b) { return a -= b; }
  friend constexpr bytes operator*(bytes a, std::int64_t n) { return bytes{a.count_ * n}; }
  friend constexpr bytes operator*(std::int64_t n, bytes a) { return a * n; }
  /// How many whole `b` go into `a`.
  friend constexpr std::int64_t operator/(bytes a, bytes b) { return a.count_ / b.count_; }

private:
  std::int64_t count_ = 0;
};

/// A transfer rate in 10^9 bytes a second, as vendors and NCCL state it.
class gigabytes_per_second {
public:
  constexpr gigabytes_per_second() = default;
  constexpr explicit gigabytes_per_second(double value) : value_(value) {}
  constexpr double value() const { return value_; }
  friend constexpr auto operator<=>(gigabytes_per_second, gigabytes_per_second) = default;
  friend constexpr gigabytes_per_second operator*(gigabytes_per_second r, double n) { return gigabytes_per_second{r.value_ * n}; }

private:
  double value_ = 0;
};

/// An arithmetic rate in 10^12 floating-point operations a second.
class teraflops {
public:
  constexpr teraflops() = default;
  constexpr explicit teraflops(double value) : value_(value) {}
  constexpr double value() const { return value_; }
  friend constexpr auto operator<=>(teraflops, teraflops) = default;

private:
  double value_ = 0;
};

/// Durations of the cost model; any std::chrono duration converts to them.
using seconds = std::chrono::duration<double>;
using microseconds = std::chrono::duration<double, std::micro>;

/// Time to move `amount` at `rate`; an unknown (zero) rate costs nothing.
constexpr seconds operator/(bytes amount, gigabytes_per_second rate) {
  return rate.value() > 0 ? seconds{static_cast<double>(amount.count()) / (rate.value() * 1e9)} : seconds{0};
}

inline namespace literals {
constexpr bytes operator""_B(unsigned long long n) { return bytes{static_cast<std::int64_t>(n)}; }
constexpr bytes operator""_KiB(unsigned long long n) { return bytes{static_cast<std::int64_t>(n) << 10}; }
constexpr bytes operator""_MiB(unsigned long long n) { return bytes{static_cast<std::int64_t>(n) << 20}; }
constexpr bytes operator""_GiB(unsigned long long n) { return bytes{static_cast<std::int64_t>(n) << 30}; }
constexpr bytes operator""_MB(unsigned long long n) { return bytes{static_cast<std::int64_t>(n) * 1000000}; }
constexpr bytes operator""_GB(unsigned long long n) { return bytes{static_cast<std::int64_t>(n) * 1000000000}; }
}  // namespace literals

}  // namespace gpuplace
