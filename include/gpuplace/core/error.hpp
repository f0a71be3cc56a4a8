#pragma once
/// @file
/// Expected failures as values: what happened, where, and what to do about it.

#include <boost/assert/source_location.hpp>

#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace gpuplace {

/// The kind of a failure, for programs; the words for people are in `error`.
enum class errc {
  invalid_argument,  ///< a value the caller gave makes no sense
  not_found,         ///< a file, device, unit, model or policy that does not exist
  unreadable,        ///< a file or endpoint that exists but could not be read
  malformed,         ///< foreign input that breaks its format
  unsupported,       ///< understood, but not something gpuplace can do
  does_not_fit,      ///< memory or device demand that no candidate meets
  unavailable,       ///< an endpoint, device or process that does not answer
  device_lost,       ///< a device failed while it was in use
  cancelled,         ///< the caller asked to stop
  timed_out,         ///< the given time was over
  mismatch,          ///< two things that must agree do not (plan hashes, ABI tags)
};

/// The name of `code` as it is written in the source.
constexpr std::string_view to_string(errc code) {
  switch (code) {
    case errc::invalid_argument: return "invalid_argument";
    case errc::not_found: return "not_found";
    case errc::unreadable: return "unreadable";
    case errc::malformed: return "malformed";
    case errc::unsupported: return "unsupported";
    case errc::does_not_fit: return "does_not_fit";
    case errc::unavailable: return "unavailable";
    case errc::device_lost: return "device_lost";
    case errc::cancelled: return "cancelled";
    case errc::timed_out: return "timed_out";
    case errc::mismatch: return "mismatch";
  }
  return "unknown";
}

/// One expected failure.
struct error {
  errc code = errc::invalid_argument;
  std::string what;    ///< what is wrong, a clause without a full stop
  std::string where;   ///< file:line, device, unit or option; may be empty
  std::string remedy;  ///< what the reader can do; may be empty

  /// The three parts as people read them: `where: what; remedy`.
  std::string message() const {
    std::string text = where.empty() ? what : where + ": " + what;
    if (!remedy.empty()) text += "\n  " + remedy;
    return text;
  }

  friend bool operator==(error const&, error const&) = default;
  friend std::ostream& operator<<(std::ostream& out, error const& e) { return out << e.message(); }
};

/// What `result<T>::value()` throws for those who prefer exceptions.
class failure : public std::runtime_error {
public:
  explicit failure(gpuplace::error e) : std::runtime_error(e.message()), error_(std::move(e)) {}
  gpuplace::error const& error() const noexcept { return error_; }

private:
  gpuplace::error error_;
};

/// Found by boost::system::result through argument-dependent lookup.
[[noreturn]] inline void throw_exception_from_error(error const& e, boost::source_location const&) { throw failure(e); }

}  // namespace gpuplace
