// gpuplace run: plan, load, answer every prompt, report.

#include "backends.hpp"
#include "command.hpp"
#include "planning.hpp"
#include "progress.hpp"
#include "prompts.hpp"
#include "report.hpp"

#include <gpuplace/placement/validate.hpp>
#include <gpuplace/plan/json.hpp>
#include <gpuplace/plan/tree.hpp>
#include <gpuplace/plugin/builtin.hpp>
#include <gpuplace/runtime/fleet.hpp>
#include <gpuplace/text/chat_template.hpp>
#include <gpuplace/text/tokenizer.hpp>
#include <gpuplace/topology/print.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>

namespace gpuplace::cli {

namespace {

struct run_options {
  planning_options planning;
  std::string prompts;
  std::vector<std::string> prompt;
  std::string plan_file;
  std::string routing = "contiguous_shards";
  std::string backend = GPUPLACE_HAVE_TORCH ? "torch" : "simulated";
  std::string output;
  std::int64_t max_tokens = 128;
  double temperature = 0;
  double top_p = 1;
  std::uint64_t seed = 0;
  bool raw = false;
  bool token_ids = false;
};

using fleet_type = fleet<any_routing, any_backend>;
using clock = std::chrono::steady_clock;

double seconds_since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

// Enough to keep a device busy; more sequences in flight cost memory that the plan must find.
constexpr std::size_t default_batch = 16;

result<std::vector<prompt_row>> open_prompts(run_options const& options) {
  if (!options.prompt.empty()) {
    std::vector<prompt_row> rows;
    for (auto const& text : options.prompt)
      rows.push_back({.text = text, .messages = nullptr, .max_tokens = {}, .temperature = {}, .top_p = {}, .seed = {}});
    return rows;
  }
  return read_prompts(options.prompts);
}

// The text side of a checkpoint. The template is absent where prompts are raw.
struct text_side {
  text::tokenizer tokens;
  std::optional<text::chat_template> conversation;
};

result<text_side> open_text(run_options const& options, std::string const& folder) {
  GPUPLACE_TRY(auto tokens, text::tokenizer::read(folder));
  if (options.raw) return text_side{std::move(tokens), std::nullopt};
  auto conversation = text::chat_template::read(folder);
  if (!conversation && conversation.error().code == errc::not_found)
    return error{errc::not_found, "the checkpoint has no chat template", folder, "give --raw to continue prompts as they are"};
  if (!conversation) return conversation.error();
  return text_side{std::move(tokens), *std::move(conversation)};
}

result<std::vector<token_id>> tokens_of(prompt_row const& row, text_side const& side) {
  if (!side.conversation) {
    if (!row.messages.is_null())
      return error{errc::invalid_argument, "a row with `messages` needs the chat template", row.text, "leave --raw out, or give `prompt`"};
    return side.tokens.encode(row.text);
  }
  auto const one_turn = nlohmann::json::array({{{"role", "user"}, {"content", row.text}}});
  GPUPLACE_TRY(auto const written, side.conversation->render(row.messages.is_null() ? one_turn : row.messages));
  return side.tokens.encode(written, false);
}

generation_request request_of(std::vector<token_id> tokens, prompt_row const& row, run_options const& options, model_config const& config) {
  generation_request request;
  request.prompt = std::move(tokens);
  request.max_tokens = row.max_tokens.value_or(options.max_tokens);
  request.end_tokens = config.end_tokens;
  request.how = {.temperature = row.temperature.value_or(options.temperature),
                 .top_p = row.top_p.value_or(options.top_p),
                 .top_k = 0,
                 .seed = row.seed.value_or(options.seed)};
  return request;
}

result<plan> open_plan(run_options const& options, machine const& on, workload const& work, place_options const& settings) {
  if (!options.plan_file.empty()) {
    GPUPLACE_TRY(auto stored, read_plan(options.plan_file));
    std::vector<model_description> models;
    for (auto const& m : work.models) models.push_back(m.model);
    GPUPLACE_CHECK(validate(stored, models, on.view, settings.memory));
    return stored;
  }
  GPUPLACE_TRY(auto const allocation, open_allocation(options.planning));
  GPUPLACE_TRY(auto const partition, open_partition(options.planning));
  return make_plan(on, work, allocation, partition, settings);
}

row_result unanswered(std::vector<token_id> prompt) {
  return {.outcome = error{errc::cancelled, "the run ended before this prompt", {}, {}}, .prompt_tokens = std::move(prompt), .text = {}};
}

// Starts the fleet and waits for it.
result<void> start(fleet_type& served, boost::asio::io_context& loop) {
  std::optional<result<void>> outcome;
  served.async_start([&](result<void> r) { outcome = std::move(r); });
  loop.restart();
  loop.run();
  return *std::move(outcome);
}

std::vector<row_result> generate(fleet_type& served, boost::asio::io_context& loop, std::vector<generation_request> requests,
                                 model_plan const& model) {
  std::vector<std::string> labels;
  for (auto const& r : model.replicas) labels.push_back(replica_label(r));
  progress bar(std::move(labels), requests.size());
  std::vector<row_result> rows;
  for (auto const& r : requests) rows.push_back(unanswered(r.prompt));
  served.async_generate_all(
      std::move(requests),
      {.on_tokens = [&](std::size_t, std::size_t replica, std::span<token_id const> tokens) { bar.add_tokens(replica, tokens.size()); },
       .on_result = [&](std::size_t, result<generation> const&) { bar.add_finished(); }},
      [&](std::vector<result<generation>> all) {
        for (std::size_t i = 0; i < all.size(); ++i) rows[i].outcome = std::move(all[i]);
      });
  loop.restart();
  loop.run();
  bar.finish();
  return rows;
}

result<void> write_results(run_options const& options, std::vector<prompt_row> const& asked, std::vector<row_result> const& rows,
                           model_plan const& model) {
  if (options.output.empty()) {
    for (std::size_t i = 0; i < rows.size(); ++i) fmt::print("{}", text_row(i, asked[i], rows[i]));
    return {};
  }
  std::string lines;
  for (std::size_t i = 0; i < rows.size(); ++i) lines += json_row(i, asked[i], rows[i], model, options.token_ids);
  if (options.output == "-") {
    fmt::print("{}", lines);
    return {};
  }
  std::ofstream file(options.output, std::ios::binary);
  file << lines;
  file.close();
  if (!file) return error{errc::unreadable, "the results could not be written", options.output, "check the folder and the space left"};
  return {};
}

// Rows whose prompt cannot be turned into tokens fail alone; `requests` and `of_row` hold the others.
struct prepared {
  std::vector<generation_request> requests;
  std::vector<std::size_t> of_row;
  std::vector<row_result> rows;
};

prepared prepare(std::vector<prompt_row> const& asked, text_side const& side, run_options const& options, model_config const& config) {
  prepared made;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    auto tokens = tokens_of(asked[i], side);
    made.rows.push_back(unanswered({}));
    if (!tokens) {
      made.rows[i].outcome = tokens.error();
      continue;
    }
    made.of_row.push_back(i);
    made.requests.push_back(request_of(*std::move(tokens), asked[i], options, config));
  }
  return made;
}

result<std::size_t> run_prompts(run_options const& options) {
  GPUPLACE_TRY(auto const asked, open_prompts(options));
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
  GPUPLACE_TRY(auto const work, open_workload(options.planning, static_cast<std::int64_t>(std::min(asked.size(), default_batch))));
  if (work.models.size() != 1) return error{errc::unsupported, "one model can be run at a time", "--model", "name it once"};
  boost::asio::io_context loop;
  GPUPLACE_TRY(auto const backend, backends(loop).make(options.backend));
  GPUPLACE_TRY(auto router, builtin_routings().make(options.routing));
  GPUPLACE_TRY(auto const placed, open_plan(options, on, work, {.memory = backend.memory()}));
  auto const& model = placed.models.front();
  fmt::print(stderr, "{}\n{}\n{}", topology::to_table(on.all), plan_text(placed), allocation_text(model, asked.size(), router.label));
  std::fflush(stderr);

  GPUPLACE_TRY(auto const side, open_text(options, model.source));
  auto made = prepare(asked, side, options, work.models.front().model.config);
  run_times times;
  fleet_type served(loop, placed, on.view, work, std::move(router), backend);
  auto const loading = clock::now();
  GPUPLACE_CHECK(start(served, loop));
  times.loading = seconds_since(loading);
  auto const generating = clock::now();
  auto answered = generate(served, loop, std::move(made.requests), model);
  times.generating = seconds_since(generating);
  for (std::size_t k = 0; k < answered.size(); ++k) {
    auto& row = made.rows[made.of_row[k]];
    row = std::move(answered[k]);
    if (row.outcome) row.text = side.tokens.decode(row.outcome->tokens);
  }
  GPUPLACE_CHECK(write_results(options, asked, made.rows, model));
  fmt::print(stderr, "{}", summary_text(made.rows, model, times));
  return static_cast<std::size_t>(std::ranges::count_if(made.rows, [](row_result const& r) { return r.outcome.has_error(); }));
}

exit_code run(run_options const& options) {
  auto const failed = run_prompts(options);
  if (!failed) return fail(failed.error());
  if (*failed == 0) return exit_code::success;
  return fail({errc::unavailable, std::to_string(*failed) + " prompts have no answer", {}, "their rows say why"});
}

}  // namespace

void add_run(CLI::App& app, action& chosen) {
  auto options = std::make_shared<run_options>();
  auto* const command = app.add_subcommand("run", "Answer prompts with a model, placed by a plan");
  command->footer("Examples:\n"
                  "  gpuplace run --model DIR --prompt 'What is the capital of France?'\n"
                  "  gpuplace run --model DIR --prompts questions.txt --topology cpu:2 --allocation 'data_parallel(2)' --output answers.jsonl\n"
                  "  gpuplace run --model DIR --prompts questions.txt --topology cpu:2 --allocation one_group --partition even\n"
                  "Answers go to standard output in the order of the prompts; the plan, the progress and the summary to standard error.\n"
                  "--batch is how many sequences each replica has in flight (default: the number of prompts, at most 16).");
  add_planning_options(*command, options->planning);
  command->get_option("--model")->required();
  auto* const source = command->add_option_group("prompts", "Where prompts come from");
  source->add_option("--prompts", options->prompts, "A file: a prompt a line, or JSONL rows with `prompt` or `messages`; - is standard input")->type_name("FILE");
  source->add_option("--prompt", options->prompt, "A prompt; may be given several times")->type_name("TEXT");
  source->require_option(1);
  command->add_option("--plan", options->plan_file, "Carry out this stored plan instead of planning")->type_name("FILE");
  command->add_option("--routing", options->routing, "Which replica takes a prompt: contiguous_shards, round_robin")->type_name("SPEC")->capture_default_str();
  command->add_option("--backend", options->backend, "torch, or simulated (times without devices)")->type_name("SPEC")->capture_default_str();
  command->add_option("--max-tokens", options->max_tokens, "Most new tokens of each answer")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--temperature", options->temperature, "0: always the most likely token")->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--top-p", options->top_p, "Sample among the most likely tokens of this total probability")->check(CLI::Range(0.0, 1.0))->capture_default_str();
  command->add_option("--seed", options->seed, "Of all draws; each prompt's own seed follows from it and the prompt's index")->capture_default_str();
  command->add_flag("--raw", options->raw, "Continue prompts as they are, without the chat template");
  command->add_flag("--token-ids", options->token_ids, "Write token ids to the JSONL rows");
  command->add_option("--output", options->output, "Write JSONL rows to this file; - is standard output")->type_name("FILE");
  command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace gpuplace::cli
