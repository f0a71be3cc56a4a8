#pragma once
// What each device of a run really did, and where the rest of the speed-up went.

#include "device_use.hpp"

#include <gpuplace/plan/plan.hpp>
#include <gpuplace/runtime/generation.hpp>
#include <gpuplace/runtime/instance_statistics.hpp>

#include <cstddef>
#include <random>
#include <string>
#include <vector>

namespace gpuplace::cli {

// Adds up a run as it goes on; its size does not grow with the rows. Times are in the backend's seconds.
class run_summary {
public:
  explicit run_summary(model_plan const& model);

  void loaded(seconds took) { loading_ = took; }
  void begin(seconds now) { began_ = now; }
  void add(generation const& g, seconds now);
  void add_failure() { ++failed_; }
  void end(seconds now) { ended_ = now; }

  std::size_t failed() const { return failed_; }

  // @param resumed     rows that an earlier run had finished
  // @param statistics  of each instance; all zeros where a backend keeps no count
  // @param uses        of the devices that were watched
  std::string text(std::size_t rows, std::size_t resumed, std::vector<instance_statistics> const& statistics,
                   std::vector<device_use> const& uses = {}) const;

private:
  struct share {
    std::string label;
    std::vector<device_id> devices;
    std::size_t prompts = 0;
    std::size_t tokens = 0;
    seconds last{0};  // when its last answer was there
  };
  std::string replicas_text(std::vector<instance_statistics> const& statistics) const;
  std::string parallelism_text(std::vector<instance_statistics> const& statistics) const;
  std::string batching_text(std::vector<instance_statistics> const& statistics, std::size_t rows) const;
  std::vector<replica_time> times(std::vector<instance_statistics> const& statistics) const;
  // The part of the run after a replica's last answer.
  double done_early(share const& s) const { return s.prompts == 0 ? 1.0 : (ended_ - s.last).count() / span(); }
  double span() const { return (ended_ - began_).count(); }

  std::vector<share> shares_;
  std::vector<double> first_tokens_;  // a sample of them, evenly drawn
  std::minstd_rand draw_;
  std::size_t answered_ = 0, failed_ = 0, tokens_ = 0;
  seconds loading_{0}, began_{0}, ended_{0};
};

}  // namespace gpuplace::cli
