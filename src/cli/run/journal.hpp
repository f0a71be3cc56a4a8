#pragma once
// The files of one run, from which a run that was killed goes on.

#include "row_file.hpp"

#include <gpuplace/core/result.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace gpuplace::cli {

// A run with the output `answers.jsonl` keeps its prompts and its finished rows in the folder `answers.jsonl.run` until it
// is complete; the output is then written in order, in one piece. A run without an output file keeps nothing.
class journal {
public:
  // Errors: errc::unreadable; errc::unavailable while another run writes the same output
  static result<journal> open(std::optional<std::string> const& output, bool restart);
  journal(journal&& other) noexcept;
  journal& operator=(journal&&) = delete;
  ~journal();  // a folder without a finished row is removed

  // Where the prompts are to be spooled before begin().
  std::string prompts_path() const { return (folder_ / "prompts").string(); }

  // Says what the run is, by name: a run that goes on must be the same. Gives how many of its rows are there already.
  // Errors: errc::mismatch for the rows of another run, with what differs
  result<std::size_t> begin(nlohmann::json const& what, std::size_t count);

  bool done(std::size_t number) const { return done_[number]; }
  std::size_t done_count() const { return finished_; }

  // A finished row, with its line's end.
  result<void> put(std::size_t number, std::string_view line);
  result<std::optional<std::string>> get(std::size_t number) const { return rows_->get(number); }

  // Every row in order into the output file, which takes the folder's place.
  result<void> complete();

private:
  journal(std::filesystem::path folder, std::optional<std::string> output, int lock)
      : folder_(std::move(folder)), output_(std::move(output)), lock_(lock) {}
  result<void> check_same(nlohmann::json const& what) const;
  result<void> find_done(std::size_t count);

  std::filesystem::path folder_;
  std::optional<std::string> output_;  // absent: a temporary folder
  int lock_;
  std::optional<row_file> rows_;
  std::vector<bool> done_;
  std::size_t finished_ = 0;
};

}  // namespace gpuplace::cli
