#pragma once
// One line that shows how far a run is: a bar, and the rate of every replica.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace gpuplace::cli {

// Draws on standard error: redrawn in place on a terminal, a new line every few seconds elsewhere.
class progress {
public:
  // `labels` names the replicas; `prompts` are expected in all, `finished` of them are there already. What `devices` says stands
  // at the end of the line.
  progress(std::vector<std::string> labels, std::size_t prompts, std::size_t finished = 0,
           std::function<std::string()> devices = {});

  void add_tokens(std::size_t replica, std::size_t count);
  void add_finished();
  // Words of their own line, above the bar.
  void say(std::string const& words);
  void finish();

  // Tokens of each replica so far.
  std::vector<std::size_t> const& tokens() const { return tokens_; }

private:
  using clock = std::chrono::steady_clock;
  void draw_if_due();
  void draw();

  std::vector<std::string> labels_;
  std::vector<std::size_t> tokens_;
  std::size_t prompts_;
  std::size_t finished_;
  std::function<std::string()> devices_;
  clock::time_point start_ = clock::now();
  clock::time_point next_draw_ = start_;
  bool terminal_;
};

}  // namespace gpuplace::cli
