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
  if (router != contiguous_shards::name)
    return fmt::format("{} prompts go to {} replicas by {}\n", prompts, model.replicas.size(), router);
  std::string text;
  auto const shards = shard_of(prompts, model.replicas.size());
  for (std::size_t r = 0; r < shards.size(); ++r) {
    text += fmt::format("{}: {} prompts", replica_label(model.replicas[r]), shards[r].size());
    text += shards[r].empty() ? "\n" : fmt::format(" (indices {}-{})\n", shards[r].first, shards[r].last - 1);
  }
  return text;
}

namespace {

nlohmann::ordered_json logprobs_json(std::vector<token_logprobs> const& all, std::function<std::string(token_id)> const& piece_of) {
  auto const one = [&](token_probability const& p) {
    return nlohmann::ordered_json{{"token", piece_of(p.token)}, {"token_id", p.token}, {"logprob", p.logprob}};
  };
  auto list = nlohmann::ordered_json::array();
  for (auto const& at : all) {
    auto entry = one(at.chosen);
    entry["top"] = nlohmann::ordered_json::array();
    for (auto const& p : at.top) entry["top"].push_back(one(p));
    list.push_back(std::move(entry));
  }
  return list;
}

// What one sample has of its own.
void add_sample(nlohmann::ordered_json& into, generation const& g, std::string const& text, bool with_token_ids,
                std::function<std::string(token_id)> const& piece_of) {
  into["text"] = text;
  into["finish_reason"] = to_string(g.reason);
  into["completion_tokens"] = g.tokens.size();
  if (with_token_ids) into["token_ids"] = g.tokens;
  if (!g.logprobs.empty()) into["logprobs"] = logprobs_json(g.logprobs, piece_of);
}

}  // namespace

std::string json_row(std::size_t index, row_result const& row, model_plan const& model, bool with_token_ids,
                     std::function<std::string(token_id)> const& piece_of) {
  nlohmann::ordered_json line;
  line["index"] = index;
  line["prompt"] = row.prompt;
  if (!row.outcome) {
    line["error"] = row.outcome.error().message();
  } else {
    auto const& g = *row.outcome;
    add_sample(line, g, row.texts.front(), with_token_ids, piece_of);
    line["prompt_tokens"] = g.prompt_tokens;
    line["replica"] = g.instance;
    line["device"] = replica_devices(model.replicas[g.instance]);
    if (with_token_ids) line["prompt_token_ids"] = row.prompt_tokens;
    for (std::size_t s = 0; s < g.more.size(); ++s) {
      nlohmann::ordered_json sample;
      add_sample(sample, g.more[s], row.texts[s + 1], with_token_ids, piece_of);
      line["more"].push_back(std::move(sample));
    }
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

namespace {

std::string for_people(std::size_t number, std::string const& line) {
  auto const row = nlohmann::json::parse(line);
  auto const answer = row.contains("text") ? row["text"].get<std::string>() : "error: " + row.value("error", "");
  auto shown = fmt::format("[{}] {}\n{}\n\n", number, row.value("prompt", ""), answer);
  if (row.contains("more"))
    for (auto const& sample : row["more"]) shown += sample["text"].get<std::string>() + "\n\n";
  return shown;
}

}  // namespace

result<void> answer_printer::print(journal const& rows, std::size_t number) {
  GPUPLACE_TRY(auto const line, rows.get(number));
  if (!line) return {};
  auto const shown = json_ ? *line : for_people(number, *line);
  if (std::fwrite(shown.data(), 1, shown.size(), out_) != shown.size())
    return error{errc::unreadable, "the answers could not be written", "output",
                 "check the space left, or whether the reader has gone"};
  return {};
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
