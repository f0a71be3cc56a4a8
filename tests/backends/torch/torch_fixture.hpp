#pragma once
/// @file
/// Loads checkpoints into torch executors, whole or split, and drives them with the oracles that transformers left.

#include "torch_executor.hpp"

#include <gpuplace/testing/step_driver.hpp>
#include <gpuplace/weights/open_model.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace::torch_tests {

using torch_detail::torch_executor;

inline std::filesystem::path data_folder() { return std::filesystem::path(GPUPLACE_TEST_DATA) / "models"; }

struct load_settings {
  std::size_t devices = 1;  ///< decoder layers are spread evenly over so many `cpu:` devices
  dtype type = dtype::fp32;
  std::int64_t batch = 4;
  std::int64_t context = 320;
  torch_detail::executor_options options{};
};

/// A plan's model and replica for `model`, made by hand.
inline std::pair<model_plan, replica> spread(model_description const& model, load_settings const& settings) {
  model_plan planned;
  planned.name = model.name;
  planned.source = model.source;
  planned.fingerprint = model.fingerprint;
  planned.type = settings.type;
  planned.context = settings.context;
  planned.batch = settings.batch;
  replica placed;
  placed.stages.resize(settings.devices);
  auto const layers = static_cast<std::size_t>(model.config.layers);
  std::size_t layer = 0, at = 0;
  for (auto const& u : model.units) {
    if (u.kind == unit_kind::decoder_layer) at = std::min(settings.devices - 1, layer++ * settings.devices / layers);
    placed.stages[at].units.push_back(u.name);
  }
  for (std::size_t i = 0; i < settings.devices; ++i) {
    placed.stages[i].device = {device_kind::cpu, static_cast<int>(i), {}};
    placed.stages[i].kv_pool_bytes = bytes{std::int64_t{1} << 34};
  }
  return {std::move(planned), std::move(placed)};
}

inline result<torch_executor> load(std::filesystem::path const& folder, load_settings const& settings = {}) {
  GPUPLACE_TRY(auto const model, open_model(folder.string(), settings.type));
  GPUPLACE_TRY(auto weights, open_checkpoint(folder));
  auto const [planned, placed] = spread(model, settings);
  return torch_executor::load(planned, placed, model, std::make_shared<checkpoint const>(std::move(weights)), settings.options);
}

struct oracle_prompt {
  std::vector<token_id> prompt;
  std::vector<token_id> greedy;
};

inline std::vector<oracle_prompt> read_oracle(std::filesystem::path const& file) {
  std::ifstream in(file);
  auto const json = nlohmann::json::parse(in);
  std::vector<oracle_prompt> all;
  for (auto const& p : json.at("prompts"))
    all.push_back({p.at("prompt_token_ids").get<std::vector<token_id>>(), p.at("greedy_token_ids").get<std::vector<token_id>>()});
  return all;
}

/// Runs sequences one step at a time; sequence s has slot s and every pages of its own.
template <step_executor E>
class sequence_driver {
public:
  explicit sequence_driver(E& executor) : driver_(executor), limits_(executor.limits()) {}

  std::vector<page_id> pages(std::size_t slot) const {
    auto const each = limits_.kv_pages / limits_.slots;
    std::vector<page_id> own(static_cast<std::size_t>(each));
    std::iota(own.begin(), own.end(), static_cast<page_id>(static_cast<std::int64_t>(slot) * each));
    return own;
  }

  result<std::vector<token_id>> step(std::size_t slot, std::int64_t start, std::span<token_id const> tokens, std::int32_t samples) {
    auto const own = pages(slot);
    batch work;
    work.rows.push_back({static_cast<slot_id>(slot), start, tokens, own, samples, {}, 0});
    GPUPLACE_TRY(auto outcome, driver_.step(work));
    return std::move(outcome.tokens);
  }

  /// `count` greedy tokens after each prompt, all prompts side by side, prompts in chunks of at most `chunk`.
  std::vector<std::vector<token_id>> greedy(std::vector<std::vector<token_id>> const& prompts, std::size_t count,
                                            std::size_t chunk) {
    auto texts = prompts;
    std::vector<std::size_t> held(prompts.size(), 0);
    std::vector<std::vector<page_id>> tables;
    for (std::size_t s = 0; s < prompts.size(); ++s) tables.push_back(pages(s));
    for (;;) {
      batch work;
      std::vector<std::size_t> rows;
      for (std::size_t s = 0; s < texts.size(); ++s) {
        if (texts[s].size() == prompts[s].size() + count) continue;
        auto const take = std::min(chunk, texts[s].size() - held[s]);
        work.rows.push_back({static_cast<slot_id>(s),
                             static_cast<std::int64_t>(held[s]),
                             std::span(texts[s]).subspan(held[s], take),
                             tables[s],
                             held[s] + take == texts[s].size() ? 1 : 0,
                             {},
                             0});
        rows.push_back(s);
        held[s] += take;
      }
      if (rows.empty()) break;
      auto const outcome = driver_.step(work);
      if (!outcome) {
        ADD_FAILURE() << outcome.error();
        break;
      }
      std::size_t next = 0;
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (work.rows[i].samples > 0) texts[rows[i]].push_back(outcome->tokens[next++]);
    }
    for (std::size_t s = 0; s < texts.size(); ++s)
      texts[s].erase(texts[s].begin(), texts[s].begin() + static_cast<std::ptrdiff_t>(prompts[s].size()));
    return texts;
  }

  testing::step_driver<E>& driver() { return driver_; }

private:
  testing::step_driver<E> driver_;
  executor_limits limits_;
};

}  // namespace gpuplace::torch_tests
