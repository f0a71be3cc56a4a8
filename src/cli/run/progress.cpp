#include "progress.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <unistd.h>

namespace gpuplace::cli {

namespace {
constexpr std::size_t bar_width = 30;
constexpr std::size_t most_named_replicas = 8;
constexpr std::chrono::milliseconds terminal_period{100};
constexpr std::chrono::seconds file_period{5};
}  // namespace

progress::progress(std::vector<std::string> labels, std::size_t prompts, std::size_t finished, std::function<std::string()> devices)
    : labels_(std::move(labels)),
      tokens_(labels_.size()),
      prompts_(prompts),
      finished_(finished),
      devices_(std::move(devices)),
      terminal_(::isatty(STDERR_FILENO) == 1) {}

void progress::add_tokens(std::size_t replica, std::size_t count) {
  tokens_[replica] += count;
  draw_if_due();
}

void progress::add_finished() {
  ++finished_;
  draw_if_due();
}

void progress::say(std::string const& words) {
  fmt::print(stderr, "{}{}\n", terminal_ ? "\r\x1b[K" : "", words);
  std::fflush(stderr);
}

void progress::finish() {
  draw();
  if (terminal_) fmt::print(stderr, "\n");
}

void progress::draw_if_due() {
  auto const now = clock::now();
  if (now < next_draw_) return;
  next_draw_ = now + (terminal_ ? clock::duration(terminal_period) : clock::duration(file_period));
  draw();
}

void progress::draw() {
  auto const elapsed = std::max(1e-9, std::chrono::duration<double>(clock::now() - start_).count());
  auto const filled = prompts_ == 0 ? bar_width : bar_width * finished_ / prompts_;
  std::string line;
  for (std::size_t i = 0; i < bar_width; ++i) line += i < filled ? "█" : "░";
  line += fmt::format(" {}/{} prompts", finished_, prompts_);
  std::size_t total = 0;
  for (std::size_t r = 0; r < tokens_.size(); ++r) {
    total += tokens_[r];
    if (tokens_.size() <= most_named_replicas)
      line += fmt::format("  {} {:.1f} tok/s", labels_[r], static_cast<double>(tokens_[r]) / elapsed);
  }
  if (tokens_.size() > most_named_replicas)
    line += fmt::format("  {} replicas, {:.1f} tok/s", tokens_.size(), static_cast<double>(total) / elapsed);
  if (auto const devices = devices_ ? devices_() : std::string(); !devices.empty()) line += "  | " + devices;
  // The escape clears what a longer line left behind.
  if (terminal_) fmt::print(stderr, "\r{}\x1b[K", line);
  else fmt::print(stderr, "{}\n", line);
  std::fflush(stderr);
}

}  // namespace gpuplace::cli
