#pragma once
// One batch on a fleet, timed.

#include "synthetic.hpp"

#include <gpuplace/core/result.hpp>
#include <gpuplace/model/model_description.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/plugin/any_backend.hpp>
#include <gpuplace/plugin/any_routing.hpp>
#include <gpuplace/runtime/instance_statistics.hpp>
#include <gpuplace/topology/device_group.hpp>

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace gpuplace::cli {

// Times are in the backend's seconds.
struct measurement {
  double loading = 0;
  double span = 0;  // from the first request to the last answer
  std::size_t requests = 0;
  std::size_t tokens = 0;
  std::vector<double> first_token;  // of each request, waiting included
  std::vector<double> latency;
  std::vector<std::size_t> tokens_of;    // of each replica
  std::vector<instance_statistics> did;  // during the measurement

  double tokens_per_second() const { return static_cast<double>(tokens) / span; }
  double requests_per_minute() const { return 60 * static_cast<double>(requests) / span; }
  double at_work() const;             // part of the time that replicas worked, on average; 0 where a backend keeps no count
  double sequences_per_step() const;  // likewise
};

// What is run: a plan with one model, and how.
struct trial {
  plan placed;
  device_group view;
  workload work;
  any_routing router;
  any_backend backend;
};

// When requests come: all at once, or one after the other at random times with this mean rate.
struct arrivals {
  double per_second = 0;                                            // 0: all at once
  std::function<void(seconds delay, std::function<void()>)> after;  // of the backend's clock
  std::uint64_t seed = 0;
};

// Loads the replicas, answers a few requests to warm up, then all of them. The backend's handlers run on `loop`.
// Errors: those of the fleet, and of the first request that fails
result<measurement> measure(boost::asio::io_context& loop, trial what, synthetic_requests const& requests, arrivals when = {});

}  // namespace gpuplace::cli
