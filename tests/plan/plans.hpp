#pragma once
/// @file
/// Plans for the tests of this room: the picture of a 24-layer target and drafter over eight GPUs, and random ones.

#include <cstdint>
#include <gpuplace/plan/plan.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace plans {

using namespace gpuplace;

inline device_id cuda(int index, std::string host = {}) { return {device_kind::cuda, index, std::move(host)}; }

/// Layers [first, last] of a model of `layers` layers, with its embedding at the front and its norm and head at the end.
inline stage layers(device_id device, int first, int last, int count) {
  stage s{.device = std::move(device),
          .weight_bytes = 2_GiB,
          .kv_bytes = 1_GiB,
          .kv_pool_bytes = 8_GiB,
          .workspace_bytes = 512_MiB,
          .extra = {}};
  if (first == 0) s.units.push_back("model.embed_tokens");
  for (int i = first; i <= last; ++i) s.units.push_back("model.layers." + std::to_string(i));
  if (last + 1 == count) s.units.insert(s.units.end(), {"model.norm", "lm_head"});
  return s;
}

inline void add_device(plan& p, device_id id, bytes used) {
  p.devices.push_back(
      {.id = std::move(id), .name = "GPU", .uuid = {}, .pci = {}, .capacity_bytes = 24_GiB, .used_bytes = used, .extra = {}});
}

inline model_plan model(std::string role, std::string name, std::vector<replica> replicas) {
  model_plan m;
  m.role = std::move(role);
  m.name = std::move(name);
  m.context = 4096;
  m.batch = 1;
  m.replicas = std::move(replicas);
  return m;
}

/// Six GPUs for the target, two for the drafter.
inline plan six_to_two() {
  plan p;
  replica target, drafter;
  for (int g = 0; g < 6; ++g) target.stages.push_back(layers(cuda(g), 4 * g, 4 * g + 3, 24));
  for (int g = 0; g < 2; ++g) drafter.stages.push_back(layers(cuda(6 + g), 12 * g, 12 * g + 11, 24));
  p.models = {model("target", "Qwen3-8B", {target}), model("drafter", "Qwen3-1.7B", {drafter})};
  for (auto& m : p.models) m.how = coupling::speculative;
  for (int g = 0; g < 8; ++g) add_device(p, cuda(g), 4_GiB);
  return p;
}

/// A 24-layer model whole on each of `count` GPUs.
inline plan copies(int count) {
  plan p;
  p.models = {model("model", "Qwen2.5-7B", {})};
  for (int g = 0; g < count; ++g) {
    replica r;
    r.stages.push_back(layers(cuda(g), 0, 23, 24));
    p.models[0].replicas.push_back(r);
    add_device(p, cuda(g), 4_GiB);
  }
  return p;
}

/// Any plan that the format can hold, of awkward texts and amounts.
class random_plans {
public:
  explicit random_plans(std::uint32_t seed) : random_(seed) {}

  plan next() {
    plan p;
    for (int d = 0, count = number(1, 6); d < count; ++d) {
      planned_device device{.id = {number(0, 1) ? device_kind::cuda : device_kind::cpu, d, number(0, 2) ? "" : "node-1"},
                            .name = text(),
                            .uuid = text(),
                            .pci = text(),
                            .physical_index = number(-1, 7),
                            .capacity_bytes = amount(),
                            .used_bytes = amount(),
                            .extra = extra()};
      p.devices.push_back(device);
    }
    for (int m = 0, count = number(0, 3); m < count; ++m) p.models.push_back(random_model(p));
    for (auto const& m : p.models)
      p.predicted.push_back({.role = m.role,
                             .decode_step = seconds{real()},
                             .prefill = seconds{real()},
                             .tokens_per_second = real(),
                             .extra = extra()});
    for (int n = number(0, 2); n > 0; --n) p.notes.push_back(text());
    p.extra = extra();
    p.predicted_extra = extra();
    return p;
  }
  int number(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }

private:
  model_plan random_model(plan const& p) {
    model_plan m{.name = text(), .role = "role" + text(), .source = text(), .fingerprint = text(), .extra = extra()};
    m.type = all_dtypes[static_cast<std::size_t>(number(0, 4))];
    m.context = number(0, 1 << 30);
    m.batch = number(0, 4096);
    m.how = number(0, 1) ? coupling::independent : coupling::speculative;
    m.tied_embeddings = number(0, 1) != 0;
    m.head = number(0, 1) ? tied_head::shared : tied_head::copied;
    for (int r = number(1, 3); r > 0; --r) m.replicas.push_back(random_replica(p));
    return m;
  }
  replica random_replica(plan const& p) {
    replica r{.group = text(), .rank = number(0, 9), .endpoint = text(), .micro_batches = number(1, 8), .extra = extra()};
    for (int a = number(0, 2); a > 0; --a) r.adapters.push_back(text());
    int unit = 0;
    for (int s = number(1, 4); s > 0; --s) {
      stage made{.device = p.devices[static_cast<std::size_t>(number(0, static_cast<int>(p.devices.size()) - 1))].id,
                 .weight_bytes = amount(),
                 .kv_bytes = amount(),
                 .workspace_bytes = amount(),
                 .tensor_parallel = number(1, 8),
                 .extra = extra()};
      made.kv_pool_bytes = made.kv_bytes + bytes{number(0, 1 << 30)};
      for (int u = number(1, 5); u > 0; --u) made.units.push_back("model.layers." + std::to_string(unit++));
      r.stages.push_back(made);
    }
    return r;
  }
  bytes amount() {
    return bytes{std::uniform_int_distribution<std::int64_t>(0, (std::int64_t{1} << 50) - (std::int64_t{1} << 31))(random_)};
  }
  double real() {
    return number(0, 4) ? std::uniform_real_distribution<double>(0, 1e6)(random_)
                        : std::uniform_real_distribution<double>(0, 1e-9)(random_);
  }
  std::string text() {
    static constexpr char const* texts[] = {"",         "a",        "层 0-3", "quote \" and \\ and /", "line\nfeed\ttab",
                                            "<b>&amp;", "GPU-5d1e", "null"};
    return texts[number(0, 7)];
  }
  unknown_keys extra() {
    static constexpr char const* values[] = {"1", "null", R"("text")", R"({"a":[1,2,{"b":null}],"z":0.1})", "[]", "-1.5e-07"};
    unknown_keys keys;
    for (int n = number(0, 5) - 3; n > 0; --n) keys["x-" + std::to_string(n)] = values[number(0, 5)];
    return keys;
  }

  std::mt19937 random_;
};

}  // namespace plans
