#pragma once
/// @file
/// A plan as a page: `gpuplace plan … --format html > plan.html`. One file, no script, nothing loaded from elsewhere. A plan without
/// models shows the machine alone: `gpuplace topo --format html`.
/// Not in the umbrella: include it where pages are written.

#include <gpuplace/plan/detail/html_host.hpp>

#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gpuplace {

namespace detail {

/// Hosts drawn at most; of hosts that look the same only the first is drawn.
inline constexpr std::size_t most_hosts_drawn = 16;

struct like_hosts {
  std::string first, last;  ///< names
  std::size_t count = 0;
  std::vector<std::size_t> devices;  ///< of the first
};

/// What a host looks like, apart from names and numbers of replicas.
inline std::string looks_of(page_plan const& page, std::vector<std::size_t> const& devices) {
  std::string looks;
  for (auto const d : devices) {
    auto const& one = page.p.devices[d];
    auto const& use = page.usage[d];
    auto const place = page.place(d);
    looks += to_string(without_host(one.id)) + '|' + one.name + '|' + place.behind + '|' + std::to_string(place.numa);
    for (auto const amount : {one.capacity_bytes, one.used_bytes, use.weights, use.kv, use.workspace, use.kv_pool})
      looks += '|' + std::to_string(amount.count());
    for (auto const& s : page.on[d]) looks += '|' + std::to_string(s.model) + ':' + units_text(page[s].units);
    looks += '\n';
  }
  return looks;
}

inline std::vector<like_hosts> grouped_hosts(page_plan const& page) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::size_t>> members;
  for (std::size_t d = 0; d < page.p.devices.size(); ++d) {
    auto& here = members[page.p.devices[d].id.host];
    if (here.empty()) names.push_back(page.p.devices[d].id.host);
    here.push_back(d);
  }
  std::map<std::string, std::size_t> known;
  std::vector<like_hosts> groups;
  for (auto const& name : names) {
    auto const [at, fresh] = known.try_emplace(looks_of(page, members[name]), groups.size());
    if (fresh) groups.push_back({name, name, 0, members[name]});
    groups[at->second].last = name;
    ++groups[at->second].count;
  }
  return groups;
}

inline std::string key_text(std::string_view type, std::string_view words) {
  return "<span><span class=\"key " + std::string(type) + "\"></span>" + std::string(words) + "</span>\n";
}

inline std::string tile_html(plan const& p, std::size_t m, std::string const& colour) {
  auto const& model = p.models[m];
  auto words =
      std::string(to_string(model.type)) + ", " + std::to_string(model.batch) + " x " + std::to_string(model.context) + " tokens";
  if (model.replicas.size() > 1) words += ", " + std::to_string(model.replicas.size()) + " replicas";
  auto text = "<div class=\"tile" + colour + "\"><span>" + page_text(model.role) + "</span><b>" + page_text(model.name) +
              "</b><span>" + page_text(words) + "</span></div>\n";
  if (m >= p.predicted.size()) return text;
  auto const& t = p.predicted[m];
  std::array<char, 48> rate{};
  std::snprintf(rate.data(), rate.size(), "%.4g", t.tokens_per_second);
  auto const figure = [&](std::string const& value, std::string_view what) {
    text +=
        "<div class=\"tile\"><span>predicted</span><b>" + page_text(value) + "</b><span>" + std::string(what) + "</span></div>\n";
  };
  if (t.decode_step > seconds{0}) {
    figure(duration_text(t.decode_step), "a decode step");
    figure(duration_text(t.prefill), "a prompt of full context");
    figure(rate.data(), "tokens/s, all replicas");
  }
  return text;
}

inline std::string page_legend(plan const& p) {
  auto const keys = p.models.empty() ? key_text("work", "used by others")
                                     : key_text("weights", "weights") + key_text("kv", "KV cache, the demand") +
                                           key_text("work", "workspace") + key_text("pool", "KV pool beyond the demand");
  return "<div class=\"legend\">\n" + keys + key_text("free", "free") + "</div>\n";
}

inline std::string markers() {
  std::string text = "<svg width=\"0\" height=\"0\" style=\"position:absolute;width:0\" aria-hidden=\"true\"><defs>";
  for (std::size_t c = 0; c < page_colours; ++c)
    text += "<marker id=\"a" + std::to_string(c) +
            "\" viewBox=\"0 0 8 8\" refX=\"5\" refY=\"4\" markerWidth=\"5\" markerHeight=\"5\" orient=\"auto\"><path class=\"e" +
            std::to_string(c) + "\" d=\"M0 0L8 4L0 8z\"/></marker>";
  return text + "</defs></svg>\n";
}

inline std::string hosts_html(page_plan const& page) {
  auto const groups = grouped_hosts(page);
  std::string text;
  std::size_t drawn = 0, left = 0;
  for (auto const& g : groups) {
    if (drawn == most_hosts_drawn) {
      left += g.count;
      continue;
    }
    ++drawn;
    if (!g.first.empty()) {
      text += "<h2>" + page_text(g.first);
      if (g.count > 1)
        text += " <span class=\"soft\">and " + std::to_string(g.count - 1) + " more like it, to " + page_text(g.last) + "</span>";
      text += "</h2>\n";
    }
    text += host_drawing(page, g.first, g.devices).text();
  }
  if (left > 0) text += "<p class=\"soft\">" + std::to_string(left) + " more hosts are not drawn.</p>\n";
  return text;
}

/// The hops that leave a host, which no drawing of one host shows.
inline std::string far_hops_html(page_plan const& page) {
  constexpr std::size_t most = 12;
  std::string lines;
  std::size_t count = 0;
  for (std::size_t m = 0; m < page.p.models.size(); ++m)
    for (std::size_t r = 0; r < page.p.models[m].replicas.size(); ++r) {
      auto const& chain = page.p.models[m].replicas[r].stages;
      for (std::size_t s = 0; s + 1 < chain.size(); ++s) {
        if (chain[s].device.host == chain[s + 1].device.host || ++count > most) continue;
        auto words = page.p.models[m].role + ", replica " + std::to_string(r) + ": " + device_label(chain[s].device) + " → " +
                     device_label(chain[s + 1].device);
        if (auto const* const t = page.times({m, r, s}); t && s < t->hops.size())
          words += ": " + t->hops[s].link + ", " + t->hops[s].time;
        lines += "<li>" + page_text(words) + "</li>\n";
      }
    }
  if (count == 0) return {};
  if (count > most) lines += "<li>… " + std::to_string(count - most) + " more</li>\n";
  return "<h2>From host to host</h2>\n<ul>\n" + lines + "</ul>\n";
}

}  // namespace detail

/// The page of a plan: each host with its NUMA nodes, devices and links; on every device a bar of its memory and the stages it
/// holds; arrows for hops; what is predicted; explanation and notes. It follows the reader's light or dark scheme. Hosts that look
/// the same are drawn once, with their number.
/// All text of the plan is escaped, and what is no UTF-8 replaced: a page of a foreign plan runs nothing.
/// @param facts  the machine, times and an explanation, see picture_of() and page_facts_of(); what is absent is left out
/// Complexity: O((stages + devices) log devices)
inline std::string to_html(plan const& p, page_facts const& facts = {}) {
  detail::page_plan const page(p, facts);
  std::string names;
  for (auto const& m : p.models) names += (names.empty() ? "" : ", ") + m.name;
  auto const title = p.models.empty() ? std::string("Machine") : "Plan of " + names;
  if (p.models.empty()) names = title;
  auto html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>" +
      detail::page_text(title) + "</title>\n<style>" + std::string(detail::page_style) + detail::colour_rules() +
      "</style>\n</head>\n<body>\n" + detail::markers() + "<h1>" + detail::page_text(names) + "</h1>\n<div class=\"soft\">" +
      std::to_string(p.devices.size()) + (p.devices.size() == 1 ? " device" : " devices") + "</div>\n<div class=\"tiles\">\n";
  for (std::size_t m = 0; m < p.models.size(); ++m)
    html += detail::tile_html(p, m, p.models.size() > 1 ? " c" + std::to_string(m % detail::page_colours) : "");
  html += "</div>\n" + detail::page_legend(p) + detail::hosts_html(page) + detail::far_hops_html(page);
  if (!p.notes.empty()) {
    html += "<h2>Notes</h2>\n<ul>\n";
    for (auto const& note : p.notes) html += "<li>" + detail::page_text(note) + "</li>\n";
    html += "</ul>\n";
  }
  if (!facts.explanation.empty()) html += "<h2>Why</h2>\n<pre>" + detail::page_text(facts.explanation) + "</pre>\n";
  return html + "</body>\n</html>\n";
}

}  // namespace gpuplace
