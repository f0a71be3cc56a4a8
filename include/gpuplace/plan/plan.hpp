#pragma once
/// @file
/// A plan: what goes where, with bytes and predicted times. Plain data that can be printed, stored,
/// edited by hand and carried out on another machine.

#include <gpuplace/core/device_id.hpp>
#include <gpuplace/core/units.hpp>
#include <gpuplace/model/demand.hpp>
#include <gpuplace/model/model_description.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gpuplace {

/// Keys of a stored plan that this version does not know, with their JSON text (compact, keys sorted): they survive a round trip.
using unknown_keys = std::map<std::string, std::string>;

/// Consecutive units on one device.
struct stage {
  device_id device;
  std::vector<std::string> units;
  bytes weight_bytes;
  bytes kv_bytes;       ///< the demand: what context and sequences need
  bytes kv_pool_bytes;  ///< the grant: all that is left under the limit, at least kv_bytes
  bytes workspace_bytes;
  int tensor_parallel = 1;
  unknown_keys extra;

  /// What the demand takes of the device.
  bytes used_bytes() const { return weight_bytes + kv_bytes + workspace_bytes; }
  friend bool operator==(stage const&, stage const&) = default;
};

/// One whole copy of a model: an ordered chain of stages.
struct replica {
  std::string group;  ///< a name for replicas that belong together; may be empty
  int rank = 0;       ///< the process that runs it
  std::vector<std::string> adapters;
  std::string endpoint;  ///< URL of the server that holds it; empty: in this process
  int micro_batches = 1;  ///< parts of a decoding step that follow each other through the stages
  std::vector<stage> stages;
  unknown_keys extra;

  friend bool operator==(replica const&, replica const&) = default;
};

/// One model of the workload and its replicas.
struct model_plan {
  std::string name;
  std::string role;
  std::string source;
  std::string fingerprint;
  dtype type = dtype::bf16;  ///< format of the weights; `quantization` in JSON where it is int8 or int4
  std::int64_t context = 0;
  std::int64_t batch = 0;
  coupling how = coupling::independent;
  bool tied_embeddings = false;        ///< the head multiplies with the embedding's weight
  tied_head head = tied_head::copied;  ///< where such a head is
  std::vector<replica> replicas;
  unknown_keys extra;

  friend bool operator==(model_plan const&, model_plan const&) = default;
};

/// One device of the view, idle ones too.
struct planned_device {
  device_id id;
  std::string name;
  std::string uuid;
  std::string pci;
  int physical_index = 0;  ///< its number before any renumbering; -1 is unknown
  bytes capacity_bytes;    ///< the limit that the plan keeps
  bytes used_bytes;        ///< weights, KV demand and workspace of all stages, and the backend's base
  unknown_keys extra;

  friend bool operator==(planned_device const&, planned_device const&) = default;
};

/// What the cost model says of one model.
struct model_prediction {
  std::string role;
  seconds decode_step{0};        ///< from one token of every sequence of one replica to the next
  seconds prefill{0};            ///< one prompt of the full context through one replica
  double tokens_per_second = 0;  ///< all replicas together, decoding
  unknown_keys extra{};

  friend bool operator==(model_prediction const&, model_prediction const&) = default;
};

struct plan {
  static constexpr std::string_view current_schema = "gpuplace.plan/1";

  std::string schema{current_schema};
  std::vector<model_plan> models;
  std::vector<planned_device> devices;
  std::vector<model_prediction> predicted;
  std::vector<std::string> notes;  ///< what planning wants its reader to know: clamped limits, idle devices
  unknown_keys extra;
  unknown_keys predicted_extra{};  ///< of the object `predicted`

  friend bool operator==(plan const&, plan const&) = default;
};

}  // namespace gpuplace
