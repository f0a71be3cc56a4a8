#include "row_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace gpuplace::cli {

namespace {

error failed(std::string what, std::string const& path) {
  return {errc::unreadable, std::move(what) + ": " + std::strerror(errno), path,
          "check the folder's permissions and the space left"};
}

bool write_all(int file, void const* data, std::size_t size, std::uint64_t at) {
  auto const* from = static_cast<char const*>(data);
  while (size > 0) {
    auto const written = ::pwrite(file, from, size, static_cast<::off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    from += written, at += static_cast<std::uint64_t>(written), size -= static_cast<std::size_t>(written);
  }
  return true;
}

// How much could be read: less than `size` at the file's end.
std::optional<std::size_t> read_all(int file, void* data, std::size_t size, std::uint64_t at) {
  auto* into = static_cast<char*>(data);
  std::size_t done = 0;
  while (done < size) {
    auto const got = ::pread(file, into + done, size - done, static_cast<::off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace

result<row_file> row_file::open(std::string path) {
  constexpr int flags = O_RDWR | O_CREAT | O_CLOEXEC;
  auto const rows = ::open(path.c_str(), flags, 0666);
  if (rows < 0) return failed("the file cannot be written", path);
  auto const index = ::open((path + ".index").c_str(), flags, 0666);
  if (index < 0) {
    auto why = failed("the file cannot be written", path + ".index");
    ::close(rows);
    return why;
  }
  struct ::stat about{};
  auto const end = ::fstat(rows, &about) == 0 ? static_cast<std::uint64_t>(about.st_size) : 0;
  return row_file(std::move(path), rows, index, end);
}

row_file::row_file(row_file&& other) noexcept
    : path_(std::move(other.path_)),
      rows_(std::exchange(other.rows_, -1)),
      index_(std::exchange(other.index_, -1)),
      end_(other.end_) {}

row_file::~row_file() {
  if (rows_ >= 0) ::close(rows_);
  if (index_ >= 0) ::close(index_);
}

result<void> row_file::put(std::size_t number, std::string_view text) {
  if (!write_all(rows_, text.data(), text.size(), end_)) return failed("a row could not be written", path_);
  end_ += text.size();
  entry const where{end_, text.size()};
  if (!write_all(index_, &where, sizeof where, number * sizeof where))
    return failed("the index could not be written", path_ + ".index");
  return {};
}

result<std::optional<std::string>> row_file::get(std::size_t number) const {
  entry where;
  auto const known = read_all(index_, &where, sizeof where, number * sizeof where);
  if (!known) return failed("the index could not be read", path_ + ".index");
  // An entry beyond the rows is what a machine that lost power may leave: its row is not there.
  if (*known < sizeof where || where.end == 0 || where.size > where.end || where.end > end_) return std::optional<std::string>{};
  std::string text(where.size, '\0');
  auto const got = read_all(rows_, text.data(), text.size(), where.end - where.size);
  if (!got || *got < text.size()) return failed("a row could not be read", path_);
  return std::optional(std::move(text));
}

}  // namespace gpuplace::cli
