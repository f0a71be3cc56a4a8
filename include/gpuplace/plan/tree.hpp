#pragma once
/// @file
/// A plan for people: a tree of devices for each model, and a table of what each device holds.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/plan/detail/abridge.hpp>
#include <gpuplace/plan/detail/text_columns.hpp>
#include <gpuplace/plan/labels.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/plan/usage.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

namespace detail {

struct tree_line {
  std::string text;
  std::string used;  ///< empty on lines that carry no memory
  std::string capacity;
};

struct branch {
  std::string_view stem, below;
};
inline constexpr branch inner_branch{"├─ ", "│  "};
inline constexpr branch last_branch{"└─ ", "   "};

inline std::string replica_words(replica const& r) {
  std::string text;
  auto const add = [&](std::string const& word) { text += (text.empty() ? "" : ", ") + word; };
  for (auto const& adapter : r.adapters) add("adapter " + adapter);
  if (!r.group.empty()) add("group " + r.group);
  if (r.rank != 0) add("rank " + std::to_string(r.rank));
  if (r.micro_batches > 1) add(std::to_string(r.micro_batches) + " micro-batches");
  if (!r.endpoint.empty()) add("at " + r.endpoint);
  return text;
}

inline tree_line stage_line(plan const& p, stage const& s, std::string const& before) {
  tree_line line{before + to_string(s.device) + ": " + units_text(s.units), to_string(s.used_bytes()), {}};
  if (s.tensor_parallel > 1) line.text += " (tensor parallel " + std::to_string(s.tensor_parallel) + ')';
  if (auto const* const d = find_device(p, s.device)) line.capacity = to_string(d->capacity_bytes);
  return line;
}

inline void add_stages(plan const& p, replica const& r, std::string const& indent, std::vector<tree_line>& lines) {
  for (auto const& s : r.stages)
    lines.push_back(stage_line(p, s, indent + std::string((&s == &r.stages.back() ? last_branch : inner_branch).stem)));
}

/// Whether two replicas differ in nothing but their devices.
inline bool same_shape(replica const& a, replica const& b) {
  return replica_words(a) == replica_words(b) &&
         std::equal(a.stages.begin(), a.stages.end(), b.stages.begin(), b.stages.end(), [](stage const& x, stage const& y) {
           return x.units == y.units && x.weight_bytes == y.weight_bytes && x.kv_bytes == y.kv_bytes &&
                  x.workspace_bytes == y.workspace_bytes && x.tensor_parallel == y.tensor_parallel;
         });
}

inline void add_replica(plan const& p, replica const& r, std::size_t number, branch const& b, std::vector<tree_line>& lines) {
  auto name = std::string(b.stem) + "replica " + std::to_string(number);
  if (auto const words = replica_words(r); !words.empty()) name += " (" + words + ')';
  if (r.stages.size() == 1) return lines.push_back(stage_line(p, r.stages.front(), name + " on "));
  lines.push_back({name + ':', {}, {}});
  add_stages(p, r, std::string(b.below), lines);
}

inline std::vector<tree_line> model_lines(plan const& p, model_plan const& m) {
  auto title = m.role + " (" + m.name + ", " + std::string(to_string(m.type));
  std::vector<tree_line> lines;
  if (m.replicas.size() == 1) {  // no level of its own for the only replica
    auto const words = replica_words(m.replicas.front());
    lines.push_back({title + (words.empty() ? "" : ", " + words) + "):", {}, {}});
    add_stages(p, m.replicas.front(), {}, lines);
    return lines;
  }
  lines.push_back({title + "), " + std::to_string(m.replicas.size()) + " replicas:", {}, {}});
  auto const shown =
      abridge(m.replicas.size(), [&](std::size_t i, std::size_t j) { return same_shape(m.replicas[i], m.replicas[j]); });
  for (auto const& s : shown) {
    if (s.hidden) lines.push_back({std::string(inner_branch.stem) + "… " + std::to_string(s.count) + " more like it", {}, {}});
    else add_replica(p, m.replicas[s.first], s.first, s.first + 1 == m.replicas.size() ? last_branch : inner_branch, lines);
  }
  return lines;
}

inline std::string lines_text(std::vector<tree_line> const& lines) {
  std::size_t left = 0, used = 0, capacity = 0;
  for (auto const& line : lines) {
    if (line.used.empty()) continue;
    left = std::max(left, text_width(line.text));
    used = std::max(used, text_width(line.used));
    capacity = std::max(capacity, text_width(line.capacity));
  }
  std::string text;
  for (auto const& line : lines) {
    text += line.used.empty() ? line.text : padded(line.text, left + 3, false) + padded(line.used, used, true);
    if (!line.capacity.empty()) text += " of " + padded(line.capacity, capacity, true);
    text += '\n';
  }
  return text;
}

inline constexpr std::size_t bar_cells = 20;

/// `full` and `half` as parts of `whole`; something is always shown of what is there.
inline std::string bar_text(bytes full, bytes half, bytes whole) {
  auto const cells = [&](bytes part) {
    if (whole.count() <= 0 || part.count() <= 0) return std::size_t{0};
    auto const share = static_cast<double>(part.count()) / static_cast<double>(whole.count()) * static_cast<double>(bar_cells);
    return static_cast<std::size_t>(std::clamp(std::round(share), 1.0, static_cast<double>(bar_cells)));
  };
  auto const solid = cells(full);
  auto const hatched = half.count() > 0 ? std::max(cells(full + half), solid) - solid : 0;
  return repeated("█", solid) + repeated("▒", hatched) + repeated("·", bar_cells - solid - hatched);
}

inline std::string amount_or_dash(bytes amount) { return amount.count() == 0 ? "-" : to_string(amount); }

inline std::string percent_text(bytes part, bytes whole) {
  if (whole.count() <= 0) return {};
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.0f %%",
                100.0 * static_cast<double>(part.count()) / static_cast<double>(whole.count()));
  return text.data();
}

inline std::vector<std::string> device_row(planned_device const& d, device_usage const& use) {
  auto const beyond = std::max(use.kv_pool - use.kv, bytes{});
  return {device_label(d.id) + " (" + to_string(without_host(d.id)) + ')',
          amount_or_dash(use.weights),
          amount_or_dash(use.kv),
          amount_or_dash(use.workspace),
          amount_or_dash(d.used_bytes),
          amount_or_dash(use.kv_pool),
          to_string(d.capacity_bytes),
          percent_text(d.used_bytes, d.capacity_bytes),
          bar_text(d.used_bytes, beyond, d.capacity_bytes)};
}

/// "5.73 ms", or "14.5 s" from a second on.
inline std::string duration_text(seconds t) {
  std::array<char, 48> text{};
  bool const long_one = t >= seconds{1};
  std::snprintf(text.data(), text.size(), long_one ? "%.1f s" : "%.3g ms", long_one ? t.count() : t.count() * 1e3);
  return text.data();
}

inline std::string predicted_text(plan const& p) {
  std::string text;
  for (auto const& one : p.predicted) {
    std::array<char, 160> numbers{};
    std::snprintf(numbers.data(), numbers.size(), "%s a decode step, %s a prompt, %.4g tokens/s\n",
                  duration_text(one.decode_step).c_str(), duration_text(one.prefill).c_str(), one.tokens_per_second);
    text += one.role + " (predicted): " + numbers.data();
  }
  return text;
}

}  // namespace detail

/// One tree a model: its devices, what is on each, and how much of the device that takes. Several replicas stand under their
/// numbers; of more than sixteen, like neighbours are shown by the first, a count and the last.
inline std::string tree_text(plan const& p) {
  std::string text;
  for (auto const& m : p.models) text += (text.empty() ? "" : "\n") + detail::lines_text(detail::model_lines(p, m));
  return text;
}

/// One row a device: weights, KV cache, workspace (with what the backend takes for itself), their sum, the pool that the KV cache
/// is granted, the capacity that the plan keeps, and a bar: █ used, ▒ the pool beyond the demand, · free.
inline std::string device_table(plan const& p) {
  auto const usage = usage_by_device(p);
  std::vector<std::vector<std::string>> rows{
      {"device", "weights", "KV cache", "workspace", "used", "KV pool", "capacity", "", "█ used ▒ pool"}};
  auto const alike = [&](std::size_t i, std::size_t j) {
    return usage[i] == usage[j] && p.devices[i].capacity_bytes == p.devices[j].capacity_bytes &&
           p.devices[i].used_bytes == p.devices[j].used_bytes;
  };
  for (auto const& s : detail::abridge(p.devices.size(), alike)) {
    if (s.hidden) rows.push_back({"… " + std::to_string(s.count) + " more like it"});
    else rows.push_back(detail::device_row(p.devices[s.first], usage[s.first]));
  }
  return detail::columns_text(rows);
}

/// Everything a reader of a plan wants on one screen: trees, table, predictions, notes.
inline std::string plan_text(plan const& p) {
  auto text = tree_text(p);
  if (!p.devices.empty()) text += '\n' + device_table(p);
  if (!p.predicted.empty()) text += '\n' + detail::predicted_text(p);
  if (!p.notes.empty()) text += '\n';
  for (auto const& note : p.notes) text += "note: " + note + '\n';
  return text;
}

}  // namespace gpuplace
