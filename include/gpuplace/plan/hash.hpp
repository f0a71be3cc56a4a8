#pragma once
/// @file
/// A plan's identity: processes of one run refuse to start on different plans.

#include <gpuplace/model/fingerprint.hpp>
#include <gpuplace/plan/plan.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gpuplace {

namespace detail {

/// Lists and maps go in with their size, so that no two plans run together.
class plan_hasher {
public:
  template <class T>
  void add(std::vector<T> const& items) {
    count(items.size());
    for (auto const& item : items) add(item);
  }
  void add(unknown_keys const& extra) {
    count(extra.size());
    for (auto const& [key, text] : extra) hash_.add(key).add(text);
  }
  void add(std::string const& text) { hash_.add(text); }
  void add(stage const& s) {
    hash_.add(to_string(s.device));
    add(s.units);
    for (auto const amount : {s.weight_bytes, s.kv_bytes, s.kv_pool_bytes, s.workspace_bytes}) hash_.add(amount.count());
    hash_.add(std::int64_t{s.tensor_parallel});
    add(s.extra);
  }
  void add(replica const& r) {
    hash_.add(r.group).add(std::int64_t{r.rank});
    add(r.adapters);
    hash_.add(r.endpoint).add(std::int64_t{r.micro_batches});
    add(r.stages);
    add(r.extra);
  }
  void add(model_plan const& m) {
    hash_.add(m.name).add(m.role).add(m.source).add(m.fingerprint).add(to_string(m.type)).add(m.context).add(m.batch);
    hash_.add(to_string(m.how)).add(std::int64_t{m.tied_embeddings}).add(std::int64_t{m.head == tied_head::copied});
    add(m.replicas);
    add(m.extra);
  }
  void add(planned_device const& d) {
    hash_.add(to_string(d.id)).add(d.name).add(d.uuid).add(d.pci).add(std::int64_t{d.physical_index});
    hash_.add(d.capacity_bytes.count()).add(d.used_bytes.count());
    add(d.extra);
  }
  std::uint64_t value() const { return hash_.value(); }

private:
  void count(std::size_t n) { hash_.add(static_cast<std::int64_t>(n)); }

  fnv1a hash_;
};

}  // namespace detail

/// The same number for the same plan on every machine, whatever the order of keys and the spacing of the file it came from.
/// Predictions and notes do not count: they change nothing of what is run.
/// Complexity: linear in the plan's size; not meant against forgery
inline std::uint64_t plan_hash(plan const& p) {
  detail::plan_hasher hash;
  hash.add(p.schema);
  hash.add(p.models);
  hash.add(p.devices);
  hash.add(p.extra);
  return hash.value();
}

}  // namespace gpuplace
