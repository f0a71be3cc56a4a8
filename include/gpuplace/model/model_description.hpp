#pragma once
/// @file
/// A model as planning sees it: an ordered list of units.

#include <gpuplace/model/demand.hpp>
#include <gpuplace/model/model_config.hpp>
#include <gpuplace/model/unit.hpp>

#include <string>
#include <vector>

namespace gpuplace {

/// An ordered chain of units, from the embedding to the head, with where it came from.
struct model_description {
  std::string name;         ///< what people call it: the folder's or the preset's name
  std::string source;       ///< where its config was read: a path or `preset:NAME`
  std::string fingerprint;  ///< hash of the config and of the weights' headers: plans refuse another model
  model_config config;
  dtype type = dtype::bf16;  ///< the format the units were sized for
  std::vector<unit> units;

  friend bool operator==(model_description const&, model_description const&) = default;
};

/// How the models of a workload work together.
enum class coupling { independent, speculative };

constexpr std::string_view to_string(coupling c) { return c == coupling::independent ? "independent" : "speculative"; }

/// One model to place, with its part and its load.
struct model_demand {
  std::string role;  ///< `model`, `target`, `drafter`
  model_description model;
  demand load;
};

/// The models to place and how they are coupled.
struct workload {
  std::vector<model_demand> models;
  coupling how = coupling::independent;
};

}  // namespace gpuplace
