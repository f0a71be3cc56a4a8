#include "journal.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace gpuplace::cli {

namespace fs = std::filesystem;

namespace {

error failed(std::string what, fs::path const& path, std::string const& why) {
  return {errc::unreadable, std::move(what) + ": " + why, path.string(), "check the folder's permissions and the space left"};
}

result<fs::path> temporary_folder() {
  std::error_code why;
  auto pattern = (fs::temp_directory_path(why) / "gpuplace-run-XXXXXX").string();
  if (why || ::mkdtemp(pattern.data()) == nullptr)
    return failed("no temporary folder could be made", pattern, std::strerror(errno));
  return fs::path(pattern);
}

void remove_rows(fs::path const& path) {
  std::error_code ignored;
  fs::remove(path, ignored);
  fs::remove(path.string() + ".index", ignored);
}

// Whether a line is an answer as it was written. Rows that failed are tried again.
bool is_answer(std::string const& line, std::size_t number) {
  auto const row = nlohmann::json::parse(line, nullptr, false);
  return row.is_object() && row.value("index", nlohmann::json()) == number && row.contains("text") && line.ends_with('\n');
}

}  // namespace

result<journal> journal::open(std::optional<std::string> const& output, bool restart) {
  if (!output) {
    GPUPLACE_TRY(auto folder, temporary_folder());
    return journal(std::move(folder), std::nullopt, -1);
  }
  fs::path const folder = *output + ".run";
  std::error_code why;
  if (fs::is_directory(*output, why)) return error{errc::invalid_argument, "the output is a folder", *output, "name a file"};
  fs::create_directories(folder, why);
  if (why) return failed("the folder of the run could not be made", folder, why.message());
  auto const lock = ::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) return failed("the folder of the run cannot be written", folder, std::strerror(errno));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    return error{errc::unavailable, "another run is writing this output", *output, "wait for it, or name another --output"};
  }
  journal made(folder, output, lock);
  if (restart) {
    remove_rows(folder / "answers.jsonl");
    fs::remove(folder / "run.json", why);
  }
  remove_rows(folder / "prompts");
  return made;
}

journal::journal(journal&& other) noexcept
    : folder_(std::exchange(other.folder_, {})),
      output_(std::move(other.output_)),
      lock_(std::exchange(other.lock_, -1)),
      rows_(std::move(other.rows_)),
      done_(std::move(other.done_)),
      finished_(other.finished_) {}

journal::~journal() {
  std::error_code ignored;
  if (!folder_.empty() && (!output_ || !fs::exists(folder_ / "run.json", ignored) || (rows_ && finished_ == 0)))
    fs::remove_all(folder_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

result<void> journal::check_same(nlohmann::json const& what) const {
  std::ifstream file(folder_ / "run.json");
  if (!file) return {};
  auto const before = nlohmann::json::parse(file, nullptr, false);
  if (before == what) return {};
  std::string differs = "its record cannot be read";
  if (before.is_object()) {
    differs.clear();
    for (auto const& [key, value] : what.items())
      if (!before.contains(key) || before[key] != value)
        differs += (differs.empty() ? "" : "; ") + key + " was " + (before.contains(key) ? before[key].dump() : "not set") +
                   ", is " + value.dump();
  }
  return error{errc::mismatch, "an unfinished run of this output is another one: " + differs, folder_.string(),
               "repeat its command to finish it, give --restart to drop its rows, or name another --output"};
}

result<void> journal::find_done(std::size_t count) {
  done_.assign(count, false);
  finished_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    GPUPLACE_TRY(auto const line, rows_->get(i));
    done_[i] = line && is_answer(*line, i);
    finished_ += done_[i];
  }
  return {};
}

result<std::size_t> journal::begin(nlohmann::json const& what, std::size_t count) {
  GPUPLACE_CHECK(check_same(what));
  GPUPLACE_TRY(auto rows, row_file::open((folder_ / "answers.jsonl").string()));
  rows_.emplace(std::move(rows));
  if (!output_) {
    // The files stay open: without names, nothing is left behind however the run ends.
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    folder_.clear();
    done_.assign(count, false);
    return 0;
  }
  std::ofstream file(folder_ / "run.json");
  file << what.dump(2) << "\n";
  file.close();
  if (!file) return failed("the record of the run could not be written", folder_ / "run.json", std::strerror(errno));
  GPUPLACE_CHECK(find_done(count));
  return finished_;
}

result<void> journal::put(std::size_t number, std::string_view line) {
  GPUPLACE_CHECK(rows_->put(number, line));
  if (!done_[number]) ++finished_;
  done_[number] = true;
  return {};
}

result<void> journal::complete() {
  if (!output_) return {};
  auto const part = *output_ + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  for (std::size_t i = 0; i < done_.size() && file; ++i) {
    GPUPLACE_TRY(auto const line, rows_->get(i));
    if (line) file << *line;
  }
  file.close();
  if (!file) return failed("the results could not be written", part, std::strerror(errno));
  std::error_code why;
  fs::rename(part, *output_, why);
  if (why) return failed("the results could not be put in place", *output_, why.message());
  fs::remove_all(folder_, why);
  folder_.clear();
  return {};
}

}  // namespace gpuplace::cli
