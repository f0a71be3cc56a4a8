#include "report.hpp"

#include <gpuplace/plan/labels.hpp>
#include <gpuplace/routing/contiguous_shards.hpp>

#include <fmt/core.h>

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

std::string json_row(std::size_t index, prompt_row const& asked, row_result const& row, model_plan const& model, bool with_token_ids) {
  nlohmann::ordered_json line;
  line["index"] = index;
  line["prompt"] = asked.text;
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

std::string text_row(std::size_t index, prompt_row const& asked, row_result const& row) {
  auto const answer = row.outcome ? row.text : "error: " + row.outcome.error().message();
  return fmt::format("[{}] {}\n{}\n\n", index, asked.text, answer);
}

std::string summary_text(std::vector<row_result> const& rows, model_plan const& model, run_times const& times) {
  struct share {
    std::size_t prompts = 0;
    std::size_t tokens = 0;
  };
  std::vector<share> shares(model.replicas.size());
  std::size_t failed = 0;
  std::size_t tokens = 0;
  double first_token = 0;
  for (auto const& row : rows) {
    if (!row.outcome) {
      ++failed;
      continue;
    }
    auto& mine = shares[row.outcome->instance];
    ++mine.prompts;
    mine.tokens += row.outcome->tokens.size();
    tokens += row.outcome->tokens.size();
    first_token += row.outcome->first_token.count();
  }
  auto const rate = [&](std::size_t n) { return times.generating > 0 ? static_cast<double>(n) / times.generating : 0.0; };
  auto const answered = rows.size() - failed;
  auto text = fmt::format("{} of {} prompts answered, {} tokens in {:.2f} s: {:.1f} tokens/s; loading took {:.2f} s\n", answered, rows.size(), tokens,
                          times.generating, rate(tokens), times.loading);
  for (std::size_t r = 0; r < shares.size(); ++r)
    text += fmt::format("  {}: {} prompts, {} tokens, {:.1f} tokens/s\n", replica_label(model.replicas[r]), shares[r].prompts, shares[r].tokens, rate(shares[r].tokens));
  if (answered > 0) text += fmt::format("  first token after {:.2f} s on average, waiting included\n", first_token / static_cast<double>(answered));
  return text;
}

}  // namespace gpuplace::cli
