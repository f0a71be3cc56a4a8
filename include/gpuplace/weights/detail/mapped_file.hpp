#pragma once
/// @file
/// A file's bytes as memory, read on first touch and never copied.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <gpuplace/core/result.hpp>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace gpuplace::detail {

/// Owns a read-only mapping. The file must not shrink while it is mapped.
/// Threads:    const calls are safe on shared objects
class mapped_file {
public:
  mapped_file() = default;
  mapped_file(mapped_file&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~mapped_file() {
    if (data_) ::munmap(data_, size_);
  }

  /// Errors:     errc::not_found, errc::unreadable
  static result<mapped_file> open(std::filesystem::path const& path) {
    descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number < 0) return refuse(path, errno == ENOENT ? errc::not_found : errc::unreadable, errno);
    struct ::stat status{};
    if (::fstat(file.number, &status) != 0) return refuse(path, errc::unreadable, errno);
    if (!S_ISREG(status.st_mode)) return error{errc::unreadable, "is not a regular file", path.string(), {}};
    mapped_file mapped;
    if (status.st_size == 0) return mapped;
    mapped.size_ = static_cast<std::size_t>(status.st_size);
    void* const data = ::mmap(nullptr, mapped.size_, PROT_READ, MAP_SHARED, file.number, 0);
    if (data == MAP_FAILED) return refuse(path, errc::unreadable, errno);
    mapped.data_ = data;
    return mapped;
  }

  std::span<std::byte const> data() const { return {static_cast<std::byte const*>(data_), size_}; }

private:
  struct descriptor {
    explicit descriptor(int n) : number(n) {}
    descriptor(descriptor const&) = delete;
    descriptor& operator=(descriptor const&) = delete;
    ~descriptor() {
      if (number >= 0) ::close(number);
    }
    int number;
  };

  static error refuse(std::filesystem::path const& path, errc code, int reason) {
    return {code, "cannot be opened: " + std::generic_category().message(reason), path.string(), {}};
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace gpuplace::detail
