#pragma once
// A model with a whole copy on each device, for callers that wait for their answers: any number of threads at once.

#include <gpuplace/placement/allocation.hpp>
#include <gpuplace/placement/partition.hpp>
#include <gpuplace/routing/contiguous_shards.hpp>
#include <gpuplace/runtime/deployment.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <functional>
#include <string>
#include <thread>
#include <vector>

// From text to tokens and back.
struct codec {
  std::function<gpuplace::result<std::vector<gpuplace::token_id>>(std::string const& prompt)> encode;
  std::function<std::string(std::vector<gpuplace::token_id> const&)> decode;
};

struct answer {
  std::string text;
  std::size_t device = 0;  // whose copy wrote it
  std::size_t tokens = 0;
};

template <gpuplace::execution_backend Backend>
class offline_model {
public:
  // `loop` runs on a thread of this object's own.
  offline_model(boost::asio::io_context& loop, gpuplace::device_group const& devices, gpuplace::workload const& work,
                Backend backend, codec text, gpuplace::generation_request options)
      : loop_(loop),
        deployed_(loop, devices, work, gpuplace::data_parallel{devices.size()}, gpuplace::whole{}, gpuplace::contiguous_shards{},
                  std::move(backend)),
        text_(std::move(text)),
        options_(std::move(options)) {}
  ~offline_model() {
    stay_.reset();
    if (thread_.joinable()) thread_.join();
  }

  gpuplace::result<gpuplace::plan> const& plan() const { return deployed_.plan(); }
  gpuplace::result<void> load() { return deployed_.async_start(on_loop()).get(); }

  // One prompt, on the devices in turn.
  gpuplace::result<answer> generate(std::string const& prompt) {
    GPUPLACE_TRY(auto request, request_of(prompt));
    GPUPLACE_TRY(auto const done, deployed_.async_generate(std::move(request), {}, on_loop()).get());
    return answer_of(done);
  }

  // Many, in one consecutive part for each device; answers are in the order of the prompts.
  std::vector<gpuplace::result<answer>> generate_all(std::vector<std::string> const& prompts) {
    std::vector<gpuplace::result<answer>> answers(prompts.size(),
                                                  gpuplace::error{gpuplace::errc::cancelled, "no answer came", {}, {}});
    deployed_
        .async_generate_from({.count = prompts.size(),
                              .read =
                                  [&](std::size_t i) {
                                    auto request = request_of(prompts[i]);
                                    if (request) request->index = i;
                                    return request;
                                  }},
                             {.on_tokens = {},
                              .on_result =
                                  [&](std::size_t i, gpuplace::result<gpuplace::generation> const& g) {
                                    if (g) answers[i] = answer_of(*g);
                                    else answers[i] = g.error();
                                  }},
                             on_loop())
        .get();
    return answers;
  }

private:
  // A future whose handlers run on the loop: without that they would run on threads of Asio's own.
  auto on_loop() const { return boost::asio::bind_executor(loop_.get_executor(), boost::asio::use_future); }

  gpuplace::result<gpuplace::generation_request> request_of(std::string const& prompt) const {
    auto request = options_;
    GPUPLACE_TRY(request.prompt, text_.encode(prompt));
    return request;
  }
  answer answer_of(gpuplace::generation const& g) const { return {text_.decode(g.tokens), g.instance, g.tokens.size()}; }

  boost::asio::io_context& loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> stay_{loop_.get_executor()};
  std::thread thread_{[this] { loop_.run(); }};
  gpuplace::deployment<gpuplace::data_parallel, gpuplace::whole, gpuplace::contiguous_shards, Backend> deployed_;
  codec text_;
  gpuplace::generation_request options_;
};
