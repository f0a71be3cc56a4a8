#pragma once
// A batch under way: rows become requests, results become rows of the journal.

#include "answers.hpp"
#include "journal.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "prompts.hpp"
#include "requests.hpp"
#include "summary.hpp"

#include <gpuplace/runtime/batch_source.hpp>
#include <gpuplace/runtime/clock.hpp>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

namespace gpuplace::cli {

// What a batch is made of; all of it outlives the batch.
struct batch_parts {
  run_options const& options;
  spooled_prompts const& prompts;
  text_side const& side;
  model_config const& config;
  model_plan const& model;
  journal& rows;
  clock_function now;                      // the backend's
  std::function<std::string()> devices{};  // words on how busy they are
};

class batch_run {
public:
  // @param stop  asked to end the batch when going on has no sense
  batch_run(batch_parts parts, std::function<void()> stop);

  // @param in_flight  most requests at once
  batch_source source(std::size_t in_flight);
  batch_sinks sinks();

  void begin();
  // After the last result. Errors: what ended the batch early
  result<void> end();

  run_summary& summary() { return summary_; }
  std::string const& first_failure() const { return first_failure_; }
  // The same on one line, to follow other words.
  std::string first_loss() const;

private:
  struct asked {
    std::string prompt;
    std::vector<std::string> stop;
    std::vector<token_id> tokens;  // kept where they are to be written
  };
  std::optional<result<generation_request>> read(std::size_t index);
  void take(std::size_t index, result<generation> const& outcome);
  void write(std::size_t index, result<generation> const& outcome);
  std::string text_of(generation const& g, std::vector<std::string> const& stop) const;
  void restarted(error const& why);
  void give_up(error why);

  batch_parts with_;
  std::function<void()> stop_;
  std::unordered_map<std::size_t, asked> in_flight_;
  run_summary summary_;
  progress bar_;
  std::optional<answer_printer> printer_;  // absent where the answers go to a file
  std::optional<error> broken_;
  std::string first_failure_;
  std::set<std::string> lost_;  // devices whose loss was said
};

}  // namespace gpuplace::cli
