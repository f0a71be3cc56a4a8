#include "batch_run.hpp"

#include <gpuplace/text/answer_text.hpp>

#include <utility>

namespace gpuplace::cli {

namespace {

std::vector<std::string> labels_of(model_plan const& model) {
  std::vector<std::string> labels;
  for (auto const& r : model.replicas) labels.push_back(replica_label(r));
  return labels;
}

// A row that failed because nothing could take it is not finished: the next run tries it again.
bool is_final(result<generation> const& outcome) {
  if (outcome) return outcome->reason != finish_reason::cancelled;
  return outcome.error().code != errc::unavailable && outcome.error().code != errc::device_lost &&
         outcome.error().code != errc::cancelled;
}

}  // namespace

batch_run::batch_run(batch_parts parts, std::function<void()> stop)
    : with_(std::move(parts)),
      stop_(std::move(stop)),
      summary_(with_.model),
      bar_(labels_of(with_.model), with_.prompts.count, with_.rows.done_count(), with_.devices) {
  auto const& output = with_.options.output;
  if (output.empty() || output == "-") printer_.emplace(stdout, !output.empty());
}

batch_source batch_run::source(std::size_t in_flight) {
  return {.count = with_.prompts.count, .read = [this](std::size_t i) { return read(i); }, .in_flight = in_flight};
}

batch_sinks batch_run::sinks() {
  return {.on_tokens = [this](std::size_t, std::size_t replica,
                              std::span<token_id const> tokens) { bar_.add_tokens(replica, tokens.size()); },
          .on_restart = [this](std::size_t, error const& why) { restarted(why); },
          .on_result = [this](std::size_t i, result<generation> const& outcome) { take(i, outcome); }};
}

void batch_run::begin() { summary_.begin(with_.now()); }

result<void> batch_run::end() {
  summary_.end(with_.now());
  bar_.finish();
  if (broken_) return *broken_;
  return printer_ ? printer_->print_rest(with_.rows, with_.prompts.count) : result<void>{};
}

std::optional<result<generation_request>> batch_run::read(std::size_t index) {
  if (with_.rows.done(index)) return std::nullopt;
  auto const row = with_.prompts.read(index);
  if (!row) return result<generation_request>(row.error());
  auto request = request_of(index, *row, with_.side, with_.options, with_.config);
  auto& kept = in_flight_[index];
  kept.prompt = row->text;
  kept.stop = stop_strings_of(*row, with_.options);
  if (request && with_.options.token_ids) kept.tokens = request->prompt;
  return request;
}

void batch_run::take(std::size_t index, result<generation> const& outcome) {
  if (is_final(outcome)) {
    write(index, outcome);
    bar_.add_finished();
  } else if (!outcome && outcome.error().code == errc::unavailable) {
    give_up({errc::unavailable, "every replica has lost its devices" + first_loss(), "run",
             "check the devices, then repeat the command"});
  }
  if (!outcome) {
    if (summary_.failed() == 0) first_failure_ = outcome.error().message();
    summary_.add_failure();
  }
  in_flight_.erase(index);
}

std::string batch_run::first_loss() const {
  return first_failure_.empty() ? "" : "; the first: " + first_failure_.substr(0, first_failure_.find('\n'));
}

void batch_run::restarted(error const& why) {
  if (lost_.insert(why.where).second) bar_.say(why.where + ": " + why.what + "; its prompts begin again on the other replicas");
}

void batch_run::write(std::size_t index, result<generation> const& outcome) {
  auto kept = std::move(in_flight_[index]);
  row_result row{.prompt = std::move(kept.prompt), .outcome = outcome, .texts = {}, .prompt_tokens = std::move(kept.tokens)};
  if (outcome) {
    row.texts.push_back(text_of(*outcome, kept.stop));
    for (auto const& sample : outcome->more) row.texts.push_back(text_of(sample, kept.stop));
    summary_.add(*outcome, with_.now());
  }
  auto const piece_of = [this](token_id token) { return with_.side.tokens.decode(std::span(&token, 1)); };
  if (auto const put = with_.rows.put(index, json_row(index, row, with_.model, with_.options.token_ids, piece_of)); !put)
    return give_up(put.error());
  if (!printer_) return;
  if (auto const printed = printer_->print_ready(with_.rows, with_.prompts.count); !printed) give_up(printed.error());
}

std::string batch_run::text_of(generation const& g, std::vector<std::string> const& stop) const {
  text::answer_text answer(with_.side.tokens, stop);
  auto text = answer.push(g.tokens);
  return text + answer.finish();
}

void batch_run::give_up(error why) {
  if (broken_) return;
  broken_ = std::move(why);
  stop_();
}

}  // namespace gpuplace::cli
