#include "answers.hpp"

#include "journal.hpp"

#include <gpuplace/plan/labels.hpp>
#include <gpuplace/routing/contiguous_shards.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace gpuplace::cli {

namespace {

// The devices of a replica, each once, in the order of its stages.
std::vector<device_id> devices_of(replica const& r) {
  std::vector<device_id> devices;
  for (auto const& s : r.stages)
    if (std::ranges::find(devices, s.device) == devices.end()) devices.push_back(s.device);
  return devices;
}

}  // namespace

std::string replica_label(replica const& r) {
  auto const devices = devices_of(r);
  auto label = device_label(devices.front());
  for (std::size_t d = 1; d < devices.size(); ++d) label += "+" + std::to_string(devices[d].index);
  return label;
}

std::string replica_devices(replica const& r) {
  std::string text;
  for (auto const& d : devices_of(r)) text += (text.empty() ? "" : ",") + to_string(d);
  return text;
}

std::string allocation_text(model_plan const& model, std::size_t prompts, std::string const& router) {
  if (router != contiguous_shards::name) return fmt::format("{} prompts go to {} replicas by {}\n", prompts, model.replicas.size(), router);
  std::string text;
  auto const shards = shard_of(prompts, model.replicas.size());
  for (std::size_t r = 0; r < shards.size(); ++r) {
    text += fmt::format("{}: {} prompts", replica_label(model.replicas[r]), shards[r].size());
    text += shards[r].empty() ? "\n" : fmt::format(" (indices {}-{})\n", shards[r].first, shards[r].last - 1);
  }
  return text;
}

std::string json_row(std::size_t index, row_result const& row, model_plan const& model, bool with_token_ids) {
  nlohmann::ordered_json line;
  line["index"] = index;
  line["prompt"] = row.prompt;
  if (!row.outcome) {
    line["error"] = row.outcome.error().message();
  } else {
    auto const& g = *row.outcome;
    line["text"] = row.text;
    line["finish_reason"] = to_string(g.reason);
    line["prompt_tokens"] = g.prompt_tokens;
    line["completion_tokens"] = g.tokens.size();
    line["replica"] = g.instance;
    line["device"] = replica_devices(model.replicas[g.instance]);
    if (with_token_ids) {
      line["prompt_token_ids"] = row.prompt_tokens;
      line["token_ids"] = g.tokens;
    }
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

namespace {

std::string for_people(std::size_t number, std::string const& line) {
  auto const row = nlohmann::json::parse(line);
  auto const answer = row.contains("text") ? row["text"].get<std::string>() : "error: " + row.value("error", "");
  return fmt::format("[{}] {}\n{}\n\n", number, row.value("prompt", ""), answer);
}

}  // namespace

result<bool> answer_printer::print(journal const& rows, std::size_t number) {
  GPUPLACE_TRY(auto const line, rows.get(number));
  if (!line) return false;
  auto const shown = json_ ? *line : for_people(number, *line);
  if (std::fwrite(shown.data(), 1, shown.size(), out_) != shown.size())
    return error{errc::unreadable, "the answers could not be written", "output", "check the space left, or whether the reader has gone"};
  return true;
}

result<void> answer_printer::print_ready(journal const& rows, std::size_t count) {
  for (; next_ < count && rows.done(next_); ++next_) GPUPLACE_CHECK(print(rows, next_));
  std::fflush(out_);
  return {};
}

result<void> answer_printer::print_rest(journal const& rows, std::size_t count) {
  for (; next_ < count; ++next_) GPUPLACE_CHECK(print(rows, next_));
  std::fflush(out_);
  return {};
}

}  // namespace gpuplace::cli
