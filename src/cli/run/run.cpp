// gpuplace run: plan, load, answer every prompt, report.

#include "../backends.hpp"
#include "../command.hpp"
#include "batch_run.hpp"
#include "device_watch.hpp"
#include "environment_notes.hpp"
#include "interrupt.hpp"
#include "options.hpp"
#include "own_world.hpp"

#include <gpuplace/placement/resolve_devices.hpp>
#include <gpuplace/placement/validate.hpp>
#include <gpuplace/plan/json.hpp>
#include <gpuplace/plan/tree.hpp>
#include <gpuplace/runtime/fleet.hpp>
#include <gpuplace/topology/print.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

namespace gpuplace::cli {

namespace {

using fleet_type = fleet<any_routing, any_backend>;

// Enough to keep a device busy; more sequences in flight cost memory that the plan must find.
constexpr std::int64_t default_batch = 16;

// Sequences in flight in each replica: all that a small batch has, and room for every sample of one prompt.
std::int64_t sequences_of(run_options const& options, spooled_prompts const& prompts) {
  auto const samples = std::max(options.samples, prompts.most_samples);
  return std::max(samples, std::min(static_cast<std::int64_t>(prompts.count) * samples, default_batch));
}

// Where finished rows are kept until all are there: beside an output file that can take their place.
std::optional<std::string> journaled_output(run_options const& options) {
  std::error_code ignored;
  bool const file = !std::filesystem::exists(options.output, ignored) || std::filesystem::is_regular_file(options.output, ignored);
  if (options.output.empty() || options.output == "-" || !file) return std::nullopt;
  return options.output;
}

result<spooled_prompts> open_prompts(run_options const& options, std::string path) {
  if (!options.prompt.empty()) return spool_prompts(options.prompt, std::move(path));
  return spool_prompts(options.prompts, std::move(path));
}

result<plan> open_plan(run_options const& options, machine const& on, workload const& work, place_options const& settings) {
  if (!options.plan_file.empty()) {
    GPUPLACE_TRY(auto const stored, read_plan(options.plan_file));
    std::vector<model_description> models;
    for (auto const& m : work.models) models.push_back(m.model);
    GPUPLACE_TRY(auto here, resolve_devices(stored, on.view));
    for (auto const& note : here.notes) fmt::print(stderr, "{}\n", note);
    GPUPLACE_CHECK(validate(here.resolved, models, on.view, settings.memory));
    return std::move(here.resolved);
  }
  GPUPLACE_TRY(auto const allocation, open_allocation(options.planning));
  GPUPLACE_TRY(auto const partition, open_partition(options.planning));
  return make_plan(on, work, allocation, partition, settings);
}

// What decides a run's answers. Where they are computed does not: a run may go on upon other devices, or with other settings of
// its backend.
nlohmann::json identity_of(run_options const& options, model_description const& model, spooled_prompts const& prompts,
                           std::string const& backend) {
  return {{"model", model.fingerprint},
          {"dtype", to_string(model.type)},
          {"prompts", prompts.hash},
          {"count", prompts.count},
          {"max_tokens", options.max_tokens},
          {"temperature", options.how.temperature},
          {"top_p", options.how.top_p},
          {"top_k", options.how.top_k},
          {"min_p", options.how.min_p},
          {"repetition_penalty", options.how.repetition_penalty},
          {"frequency_penalty", options.how.frequency_penalty},
          {"presence_penalty", options.how.presence_penalty},
          {"min_tokens", options.min_tokens},
          {"ignore_eos", options.ignore_end},
          {"n", options.samples},
          {"logprobs", options.logprobs ? nlohmann::json(*options.logprobs) : nlohmann::json()},
          {"seed", options.how.seed},
          {"stop", options.stop},
          {"raw", options.raw},
          {"token_ids", options.token_ids},
          {"backend", backend}};
}

result<void> start(fleet_type& served, boost::asio::io_context& loop) {
  interrupt by_user(loop);
  std::optional<result<void>> outcome;
  served.async_start(boost::asio::bind_cancellation_slot(by_user.slot(), [&](result<void> r) {
    outcome = std::move(r);
    by_user.done();
  }));
  loop.restart();
  loop.run();
  return *std::move(outcome);
}

// Requests with the replicas at once: each has as many waiting as it runs.
std::size_t in_flight_of(model_plan const& model) {
  return std::max<std::size_t>(2, 2 * model.replicas.size() * static_cast<std::size_t>(std::max<std::int64_t>(1, model.batch)));
}

enum class ending { complete, interrupted };

// Every row in its place: in the output file, or in a file that cannot be replaced, such as a pipe.
result<void> write_output(run_options const& options, journal& rows, std::size_t count) {
  if (journaled_output(options)) return rows.complete();
  if (options.output.empty() || options.output == "-") return {};
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file(std::fopen(options.output.c_str(), "wb"), std::fclose);
  if (!file) return error{errc::unreadable, "the output cannot be opened", options.output, "check its permissions"};
  return answer_printer(file.get(), true).print_rest(rows, count);
}

std::string how_to_go_on(run_options const& options, journal const& rows, std::size_t count) {
  if (!journaled_output(options) || rows.done_count() == 0)
    return fmt::format("stopped; {} of {} prompts were answered\n", rows.done_count(), count);
  return fmt::format("stopped; {} of {} answers are kept in {}.run: repeat the command to go on\n", rows.done_count(), count,
                     options.output);
}

// Answers every row that has no answer yet.
// @param watched  reads the devices meanwhile; may be null
result<ending> generate(fleet_type& served, boost::asio::io_context& loop, batch_parts const& with, seconds loading,
                        device_watch* watched) {
  auto const count = with.prompts.count;
  auto const resumed = with.rows.done_count();
  interrupt by_user(loop);
  batch_run batch(with, [&] { by_user.cancel(); });
  batch.summary().loaded(loading);
  batch.begin();
  served.async_generate_from(batch.source(in_flight_of(with.model)), batch.sinks(),
                             boost::asio::bind_cancellation_slot(by_user.slot(), [&](std::size_t) { by_user.done(); }));
  loop.restart();
  loop.run();
  auto const ended = batch.end();
  auto const uses = watched != nullptr ? watched->stop() : std::vector<device_use>();
  fmt::print(stderr, "{}", batch.summary().text(count, resumed, served.statistics(), uses));
  bool const whole = with.rows.done_count() == count;
  if (!whole) fmt::print(stderr, "{}", how_to_go_on(with.options, with.rows, count));
  if (!ended) return ended.error();
  if (!whole && by_user.seen()) return ending::interrupted;
  if (!whole)
    return error{errc::device_lost,
                 std::to_string(count - with.rows.done_count()) + " prompts lost the devices they ran on" + batch.first_loss(),
                 "run", "repeat the command"};
  GPUPLACE_CHECK(write_output(with.options, with.rows, count));
  if (batch.summary().failed() == 0) return ending::complete;
  return error{errc::unavailable,
               std::to_string(batch.summary().failed()) + " prompts have no answer",
               {},
               "their rows say why; the first: " + batch.first_failure()};
}

// What ranks above 0 do: the stages on their devices, as rank 0 asks for them. The prompts count for the plan alone.
result<ending> serve_rank(run_options const& options, world const& here) {
  if (options.prompts == "-")
    return error{errc::unsupported, "only one of several processes can read standard input", "--prompts", "give a file"};
  GPUPLACE_TRY(auto rows, journal::open(std::nullopt, false));  // rank 0 writes the answers
  GPUPLACE_TRY(auto const prompts, open_prompts(options, rows.prompts_path()));
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
  GPUPLACE_TRY(auto const work,
               open_workload(options.planning, sequences_of(options, prompts), static_cast<std::int64_t>(prompts.count)));
  boost::asio::io_context loop;
  GPUPLACE_TRY(auto const known_backends, backends(*options.planning.known, loop));
  GPUPLACE_TRY(auto backend, known_backends.make(options.backend));
  GPUPLACE_TRY(auto const own, open_plan(options, on, work, {.memory = backend.memory()}));
  GPUPLACE_TRY(auto whole, backend.join(here, own, seconds{options.meeting_limit}));
  GPUPLACE_CHECK(backend.serve({std::make_shared<plan const>(std::move(whole)), 0, 0, work.models.front().model, on.view}));
  return ending::complete;
}

result<ending> run_prompts(run_options const& options) {
  GPUPLACE_TRY(auto const here, own_world());
  if (here.rank > 0) return serve_rank(options, here);
  GPUPLACE_TRY(auto rows, journal::open(journaled_output(options), options.restart));
  GPUPLACE_TRY(auto const prompts, open_prompts(options, rows.prompts_path()));
  GPUPLACE_TRY(auto const on, open_machine(options.planning));
  GPUPLACE_TRY(auto const work,
               open_workload(options.planning, sequences_of(options, prompts), static_cast<std::int64_t>(prompts.count)));
  if (work.models.size() != 1) return error{errc::unsupported, "one model can be run at a time", "--model", "name it once"};
  boost::asio::io_context loop;
  GPUPLACE_TRY(auto const known_backends, backends(*options.planning.known, loop));
  GPUPLACE_TRY(auto backend, known_backends.make(options.backend));
  GPUPLACE_TRY(auto router, options.planning.known->routings.make(options.routing));
  GPUPLACE_TRY(auto placed, open_plan(options, on, work, {.memory = backend.memory()}));
  if (!here.alone()) {
    fmt::print(stderr, "rank 0 of {} (by {}) waits for the others at {}:{}\n", here.size, here.launcher, here.address, here.port);
    GPUPLACE_TRY(placed, backend.join(here, placed, seconds{options.meeting_limit}));
  }
  auto const& description = work.models.front().model;
  auto const& model = placed.models.front();
  GPUPLACE_TRY(auto const side, open_text(description.source, options.raw));
  GPUPLACE_TRY(auto const resumed, rows.begin(identity_of(options, description, prompts, backend.name), prompts.count));
  fmt::print(stderr, "{}\n{}\n{}", topology::to_table(on.all), plan_text(placed),
             allocation_text(model, prompts.count, router.label));
  for (auto const& note : environment_notes(own_environment(), here.alone())) fmt::print(stderr, "note: {}\n", note);
  if (resumed > 0) fmt::print(stderr, "going on with a run that has answered {} of {} prompts\n", resumed, prompts.count);

  auto const now = backend.time();
  fleet_type served(loop, placed, on.view, work, std::move(router), backend);
  fmt::print(stderr, "loading {} on {}\n", description.name,
             model.replicas.size() == 1 ? "one replica" : std::to_string(model.replicas.size()) + " replicas");
  auto const loading = now();
  GPUPLACE_CHECK(start(served, loop));
  // A backend with a clock of its own computes nothing on the devices.
  auto const watched = backend.name == "simulated" ? nullptr : watch_gpus(gpus_of(placed, model));
  auto const devices = [&] { return watched ? watched->now() : std::string(); };
  return generate(served, loop, {options, prompts, side, description.config, model, rows, now, devices}, now() - loading,
                  watched.get());
}

exit_code run(run_options const& options) {
  auto const how = run_prompts(options);
  if (!how) return fail(how.error());
  return *how == ending::complete ? exit_code::success : exit_code::interrupted;
}

}  // namespace

void add_run(CLI::App& app, action& chosen) {
  auto options = std::make_shared<run_options>();
  auto* const command = app.add_subcommand("run", "Answer prompts with a model, placed by a plan");
  command->footer(
      "Examples:\n"
      "  gpuplace run --model DIR --prompt 'What is the capital of France?'\n"
      "  gpuplace run --model DIR --prompts questions.txt --topology cpu:2 --allocation 'data_parallel(2)' --output answers.jsonl\n"
      "  gpuplace run --model DIR --prompts questions.txt --topology cpu:2 --allocation one_group --partition even\n"
      "  torchrun --no-python --nproc-per-node 2 gpuplace run --model DIR --prompts questions.txt --topology cpu:2 "
      "--allocation one_group\n"
      "Answers go to standard output in the order of the prompts; the plan, the progress and the summary to standard error.\n"
      "Until all answers are there they are kept in a folder beside the output file: a run that was stopped or killed goes on\n"
      "where it was when its command is repeated.\n"
      "--batch is how many sequences each replica has in flight (default: the number of prompts, at most 16).");
  options->backend = GPUPLACE_HAVE_TORCH ? "torch" : "simulated";
  add_planning_options(*command, options->planning);
  command->get_option("--model")->required();
  auto* const source = command->add_option_group("prompts", "Where prompts come from");
  source
      ->add_option("--prompts", options->prompts,
                   "A file: a prompt a line, or JSONL rows with `prompt` or `messages`; - is standard input")
      ->type_name("FILE");
  source->add_option("--prompt", options->prompt, "A prompt; may be given several times")->type_name("TEXT");
  source->require_option(1);
  command->add_option("--plan", options->plan_file, "Carry out this stored plan instead of planning")->type_name("FILE");
  command
      ->add_option("--meeting-limit", options->meeting_limit,
                   "Under torchrun, mpirun or srun: seconds in which all processes must have come")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS")
      ->capture_default_str();
  command->add_option("--routing", options->routing, "Which replica takes a prompt: contiguous_shards, round_robin, least_loaded")
      ->type_name("SPEC")
      ->capture_default_str();
  command->add_option("--backend", options->backend, "torch, or simulated (times without devices)")
      ->type_name("SPEC")
      ->capture_default_str();
  command->add_option("--max-tokens", options->max_tokens, "Most new tokens of each answer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--temperature", options->how.temperature, "0: always the most likely token")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--top-p", options->how.top_p, "Sample among the most likely tokens of this total probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--top-k", options->how.top_k, "Sample among so many of the most likely tokens; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--min-p", options->how.min_p, "Sample among tokens at least so likely, as a fraction of the likeliest")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--repetition-penalty", options->how.repetition_penalty, "Above 1: tokens that were there become less likely")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--frequency-penalty", options->how.frequency_penalty,
                   "Taken off a token's logit for each time the answer has it")
      ->capture_default_str();
  command->add_option("--presence-penalty", options->how.presence_penalty, "Taken off the logit of a token that the answer has")
      ->capture_default_str();
  command->add_option("--stop", options->stop, "Ends an answer before this text; may be given several times")->type_name("TEXT");
  command->add_option("--min-tokens", options->min_tokens, "No answer ends by itself before so many tokens")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--ignore-eos", options->ignore_end, "Answers end by their length alone");
  command->add_option("-n,--samples", options->samples, "Answers to each prompt")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--logprobs", options->logprobs,
                   "Write the log-probability of each token, and of so many of the most likely ones")
      ->check(CLI::Range(0, 20))
      ->type_name("N");
  command->add_option("--seed", options->how.seed, "Of all draws; each prompt's own seed follows from it and the prompt's index")
      ->capture_default_str();
  command->add_flag("--raw", options->raw, "Continue prompts as they are, without the chat template");
  command->add_flag("--token-ids", options->token_ids, "Write token ids to the JSONL rows");
  command->add_option("--output", options->output, "Write JSONL rows to this file; - is standard output")->type_name("FILE");
  command->add_flag("--restart", options->restart, "Drop the rows of an unfinished run of the same output");
  command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace gpuplace::cli
