#pragma once
/// @file
/// A plan as a drawing for Graphviz: `gpuplace plan … --format dot | dot -Tsvg`.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/plan/labels.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/plan/usage.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace {

namespace detail {

/// A model's fill, and a darker tone for its arrows.
struct model_colour {
  std::string_view fill, line;
};
inline constexpr std::array<model_colour, 6> model_colours{{{"#cfe3ff", "#2f6fd0"},
                                                            {"#ffe1c2", "#d07a1f"},
                                                            {"#d3f2d6", "#2f9e4f"},
                                                            {"#ead9fb", "#8250c4"},
                                                            {"#ffd6dc", "#cf3f56"},
                                                            {"#d0f0ee", "#1f9088"}}};
inline constexpr model_colour const& colour_of(std::size_t model) { return model_colours[model % model_colours.size()]; }

/// Text inside Graphviz' HTML-like labels.
inline std::string html_text(std::string_view text) {
  std::string safe;
  for (char const c : text) {
    if (c == '&') safe += "&amp;";
    else if (c == '<') safe += "&lt;";
    else if (c == '>') safe += "&gt;";
    else if (c == '"') safe += "&quot;";
    else safe += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return safe;
}

inline std::string small_text(std::string_view text, std::string_view colour = "#5b6470") {
  return "<FONT POINT-SIZE=\"9\" COLOR=\"" + std::string(colour) + "\">" + html_text(text) + "</FONT>";
}

inline std::string bar_cell(int width, std::string_view colour) {
  return width > 0 ? "<TD FIXEDSIZE=\"TRUE\" WIDTH=\"" + std::to_string(width) + "\" HEIGHT=\"6\" BGCOLOR=\"" +
                         std::string(colour) + "\"></TD>"
                   : "";
}

/// How full a device is: used, the KV pool beyond the demand, free.
inline std::string bar_html(planned_device const& d, device_usage const& use) {
  constexpr double length = 150;
  auto const part = [&](bytes amount) {
    if (d.capacity_bytes.count() <= 0) return 0;
    return static_cast<int>(
        std::clamp(static_cast<double>(amount.count()) / static_cast<double>(d.capacity_bytes.count()), 0.0, 1.0) * length);
  };
  auto const used = part(d.used_bytes);
  auto const pool = std::max(part(d.used_bytes + std::max(use.kv_pool - use.kv, bytes{})) - used, 0);
  return "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"0\"><TR>" + bar_cell(used, "#4a5563") +
         bar_cell(pool, "#aab4c0") + bar_cell(static_cast<int>(length) - used - pool, "#e2e6eb") + "</TR></TABLE>";
}

inline std::string device_html(planned_device const& d, device_usage const& use) {
  auto const row = [](std::string const& cell) { return "<TR><TD>" + cell + "</TD></TR>"; };
  auto html = "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"1\">" +
              row("<B>" + html_text(device_label(without_host(d.id))) + "</B>");
  if (!d.name.empty()) html += row(small_text(d.name));
  return html + row(bar_html(d, use)) + row(small_text(to_string(d.used_bytes) + " of " + to_string(d.capacity_bytes))) +
         "</TABLE>";
}

inline std::string stage_html(model_plan const& m, std::size_t replica_number, stage const& s) {
  auto title = m.role;
  if (m.replicas.size() > 1) title += " · replica " + std::to_string(replica_number);
  auto amounts = to_string(s.weight_bytes) + " weights";
  if (s.kv_bytes.count() > 0) amounts += ", " + to_string(s.kv_bytes) + " KV";
  return "<B>" + html_text(title) + "</B><BR/>" + html_text(units_text(s.units)) + "<BR/>" + small_text(amounts);
}

struct drawn_stage {
  std::string node;
  std::string html;
  std::size_t model = 0;
};

inline std::string stage_node(std::size_t model, std::size_t replica_number, std::size_t stage_number) {
  return "m" + std::to_string(model) + "_r" + std::to_string(replica_number) + "_s" + std::to_string(stage_number);
}

inline std::string legend_html(plan const& p) {
  std::string html = "<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"6\"><TR>";
  for (std::size_t m = 0; m < p.models.size(); ++m) {
    auto const& model = p.models[m];
    auto words = model.role + ": " + model.name + ", " + std::string(to_string(model.type));
    if (model.replicas.size() > 1) words += ", " + std::to_string(model.replicas.size()) + " replicas";
    html += "<TD BGCOLOR=\"" + std::string(colour_of(m).fill) + "\">  " + html_text(words) + "  </TD>";
  }
  return html + "<TD>" + small_text("bars: used, KV pool beyond the demand, free") + "</TD></TR></TABLE>";
}

inline void append_device(std::string& out, plan const& p, std::size_t d, device_usage const& use,
                          std::vector<drawn_stage> const& stages) {
  auto const number = std::to_string(d);
  out += "    subgraph cluster_device" + number +
         " {\n      peripheries=1; style=\"rounded,filled\"; color=\"#c3cad3\"; fillcolor=\"#f7f8fa\"; margin=10;\n" +
         "      label=<" + device_html(p.devices[d], use) + ">;\n";
  for (auto const& s : stages)
    out += "      " + s.node + " [fillcolor=\"" + std::string(colour_of(s.model).fill) + "\", label=<" + s.html + ">];\n";
  if (stages.empty()) out += "      idle" + number + " [fillcolor=\"#eceff3\", fontcolor=\"#8a93a0\", label=\"idle\"];\n";
  out += "    }\n";
}

inline void append_hops(std::string& out, plan const& p) {
  for (std::size_t m = 0; m < p.models.size(); ++m)
    for (std::size_t r = 0; r < p.models[m].replicas.size(); ++r)
      for (std::size_t s = 1; s < p.models[m].replicas[r].stages.size(); ++s)
        out += "  " + stage_node(m, r, s - 1) + " -> " + stage_node(m, r, s) + " [color=\"" + std::string(colour_of(m).line) +
               "\"];\n";
}

}  // namespace detail

/// Devices as boxes with a bar that shows how full they are, grouped by host; in them the stages, one colour a model; arrows for
/// the hops of a replica. Stages on devices that the plan does not list are left out.
inline std::string to_dot(plan const& p) {
  std::map<device_id, std::vector<detail::drawn_stage>> drawn;
  for (std::size_t m = 0; m < p.models.size(); ++m)
    for (std::size_t r = 0; r < p.models[m].replicas.size(); ++r) {
      auto const& chain = p.models[m].replicas[r].stages;
      for (std::size_t s = 0; s < chain.size(); ++s)
        drawn[chain[s].device].push_back({detail::stage_node(m, r, s), detail::stage_html(p.models[m], r, chain[s]), m});
    }
  std::map<std::string, std::vector<std::size_t>> hosts;
  for (std::size_t d = 0; d < p.devices.size(); ++d) hosts[p.devices[d].id.host].push_back(d);

  std::string out =
      "digraph plan {\n"
      "  rankdir=LR; compound=true; nodesep=0.2; ranksep=0.45; pad=0.3; bgcolor=white; labelloc=t; fontname=\"Helvetica\"; "
      "fontsize=12;\n"
      "  node [shape=box, style=\"rounded,filled\", penwidth=0, fontname=\"Helvetica\", fontsize=11, margin=\"0.15,0.08\"];\n"
      "  edge [penwidth=2, arrowsize=0.8];\n"
      "  label=<" +
      detail::legend_html(p) + ">;\n";
  auto const usage = usage_by_device(p);
  std::size_t number = 0;
  for (auto const& [host, devices] : hosts) {
    out +=
        "  subgraph cluster_host" + std::to_string(number++) + " {\n    " +
        (host.empty() ? std::string("peripheries=0; label=\"\";")
                      : "style=\"rounded,dashed\"; color=\"#8a93a0\"; margin=14; label=<<B>" + detail::html_text(host) + "</B>>;") +
        "\n";
    for (auto const d : devices) detail::append_device(out, p, d, usage[d], drawn[p.devices[d].id]);
    out += "  }\n";
  }
  detail::append_hops(out, p);
  return out + "}\n";
}

}  // namespace gpuplace
