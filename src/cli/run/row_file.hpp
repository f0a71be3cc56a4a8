#pragma once
// Rows of text in a file, found by number through an index file beside it.

#include <gpuplace/core/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplace::cli {

// Rows lie on disk in the order they were put there; each entry of the index is written after its row. A program that is
// killed at any moment leaves a file that can be opened again with every row that the index knows.
class row_file {
public:
  // Opens `path` and `path`.index, made where they are not there. Errors: errc::unreadable
  static result<row_file> open(std::string path);
  row_file(row_file&& other) noexcept;
  row_file& operator=(row_file&&) = delete;
  ~row_file();

  // Writes one row; a second row of the same number takes its place. Errors: errc::unreadable, as when the disk is full
  result<void> put(std::size_t number, std::string_view text);

  // A row; nothing where there is none. Errors: errc::unreadable
  result<std::optional<std::string>> get(std::size_t number) const;

  std::string const& path() const { return path_; }

private:
  struct entry {
    std::uint64_t end = 0;  // of the row in the file; 0: there is none
    std::uint64_t size = 0;
  };
  row_file(std::string path, int rows, int index, std::uint64_t end)
      : path_(std::move(path)), rows_(rows), index_(index), end_(end) {}

  std::string path_;
  int rows_;
  int index_;
  std::uint64_t end_;
};

}  // namespace gpuplace::cli
