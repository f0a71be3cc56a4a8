#pragma once
/// @file
/// One host of a plan as a drawing: its devices in their NUMA nodes, what links them, what is on each and how replicas pass through.

#include <gpuplace/core/quantity_text.hpp>
#include <gpuplace/plan/detail/abridge.hpp>
#include <gpuplace/plan/detail/html_style.hpp>
#include <gpuplace/plan/detail/html_text.hpp>
#include <gpuplace/plan/labels.hpp>
#include <gpuplace/plan/page_facts.hpp>
#include <gpuplace/plan/plan.hpp>
#include <gpuplace/plan/tree.hpp>
#include <gpuplace/plan/usage.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::detail {

/// A stage by where it stands in the plan.
struct stage_at {
  std::size_t model, replica, stage;
};

/// A plan with what drawing asks of it again and again.
struct page_plan {
  plan const& p;
  page_facts const& facts;
  std::vector<device_usage> usage;
  std::map<device_id, std::size_t> places;
  std::vector<std::vector<stage_at>> on;  ///< the stages on each device

  page_plan(plan const& of, page_facts const& shown) : p(of), facts(shown), usage(usage_by_device(of)), on(of.devices.size()) {
    for (std::size_t d = 0; d < p.devices.size(); ++d) places.emplace(p.devices[d].id, d);
    for (std::size_t m = 0; m < p.models.size(); ++m)
      for (std::size_t r = 0; r < p.models[m].replicas.size(); ++r)
        for (std::size_t s = 0; s < p.models[m].replicas[r].stages.size(); ++s)
          if (auto const at = places.find(p.models[m].replicas[r].stages[s].device); at != places.end())
            on[at->second].push_back({m, r, s});
  }
  stage const& operator[](stage_at const& s) const { return p.models[s.model].replicas[s.replica].stages[s.stage]; }
  /// One colour a replica where there is one model, else one a model.
  std::string colour(stage_at const& s) const {
    return std::to_string((p.models.size() == 1 ? s.replica : s.model) % page_colours);
  }
  pictured_replica const* times(stage_at const& s) const {
    if (s.model >= facts.times.size() || s.replica >= facts.times[s.model].size()) return nullptr;
    return &facts.times[s.model][s.replica];
  }
  pictured_device place(std::size_t d) const {
    return d < facts.machine.devices.size() ? facts.machine.devices[d] : pictured_device{};
  }
};

struct point {
  int x = 0, y = 0;
};

inline std::string at(int x, int y) { return " x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\""; }
inline std::string xy(point q) { return std::to_string(q.x) + " " + std::to_string(q.y); }
inline std::string svg_text(int x, int y, std::string_view type, std::string const& safe) {
  return "<text" + at(x, y) + " class=\"" + std::string(type) + "\">" + safe + "</text>\n";
}
inline std::string svg_box(int x, int y, int w, int h, std::string_view type, int round = 6) {
  return "<rect" + at(x, y) + " width=\"" + std::to_string(w) + "\" height=\"" + std::to_string(h) + "\" rx=\"" +
         std::to_string(round) + "\" class=\"" + std::string(type) + "\"/>\n";
}
/// A label on a line, with paper behind it.
inline std::string svg_label(point q, std::string_view type, std::string const& text) {
  auto const w = static_cast<int>(7 * text_width(text)) + 4;
  return svg_box(q.x - w / 2, q.y - 9, w, 13, "paper", 3) + svg_text(q.x, q.y + 1, "small " + std::string(type), page_text(text));
}

/// The drawing of one host.
class host_drawing {
public:
  host_drawing(page_plan const& page, std::string const& host, std::vector<std::size_t> const& devices) : page_(page), host_(host) {
    for (auto const d : devices) most_chips_ = std::max(most_chips_, std::min(page.on[d].size(), most_shown));
    linked_ = std::ranges::any_of(page.facts.machine.links, [&](auto const& l) {
      return l.a < page.p.devices.size() && page.p.devices[l.a].id.host == host;
    });
    for (auto const& f : page.facts.machine.fabrics)
      if (f.host == host) fabric_ = f.label;
    lay_out(devices);
  }

  std::string text() const {
    std::string body;
    for (auto const& b : boxes_) body += box(b);
    body += wires() + bands();
    for (auto const& [d, corner] : corners_) body += card(d, corner);
    body += hops() + band_names() + gaps_;
    return "<svg viewBox=\"0 0 " + std::to_string(width_) + " " + std::to_string(height_) +
           "\" style=\"max-width:" + std::to_string(width_ * 11 / 10) + "px\" role=\"img\" aria-label=\"" +
           page_text(host_.empty() ? "machine" : host_) + "\">\n" + body + "</svg>\n";
  }

private:
  static constexpr std::size_t most_shown = 4, columns = 4, most_devices = 64;
  static constexpr int card_width = 206, gap = 56, chip = 40, margin = 16, title = 26;

  struct drawn_box {
    int numa, x, y, w, h;
    std::size_t first, last;  ///< devices, for the way between them
  };
  struct drawn_row {
    int top, bottom;
    std::vector<std::size_t> devices;
  };

  int card_height() const {
    auto const chips = page_.p.models.empty() ? 0 : std::max<std::size_t>(most_chips_, 1);
    return 86 + chip * static_cast<int>(chips);
  }
  int channel() const { return linked_ ? 108 : fabric_.empty() ? 30 : 66; }

  void lay_out(std::vector<std::size_t> const& devices) {
    std::map<int, std::vector<std::size_t>> nodes;
    for (auto const d : devices) nodes[page_.place(d).numa].push_back(d);
    int y = 4;
    std::size_t widest = 1;
    for (auto const& [numa, members] : nodes) {
      auto const shown = shown_of(members);
      auto const columns_here = std::min(columns, shown.size());
      widest = std::max(widest, columns_here);
      auto const top = y;
      y += title;
      for (std::size_t i = 0; i < shown.size(); i += columns) {
        if (i > 0) y += channel();
        drawn_row row{y, y + card_height(), {}};
        for (std::size_t c = 0; c < columns && i + c < shown.size(); ++c) {
          auto const& one = shown[i + c];
          point const corner{margin + static_cast<int>(c) * (card_width + gap), y};
          if (one.hidden) {
            gaps_ +=
                svg_text(corner.x + 20, corner.y + card_height() / 2, "name", "… " + std::to_string(one.count) + " more like it");
          } else {
            corners_.emplace(members[one.first], corner);
            row.devices.push_back(members[one.first]);
          }
        }
        y += card_height();
        rows_.push_back(std::move(row));
      }
      y += margin;
      boxes_.push_back({numa, 2, top, 0, y - top, members.front(), members.back()});
      y += channel();
    }
    bool const below = linked_ || (!fabric_.empty() && rows_.size() % 2 == 1);
    height_ = below ? y + 4 : y - channel() + 4;
    width_ = 2 * margin + static_cast<int>(widest) * (card_width + gap) - gap;
    width_ = std::max(width_, 560);
    for (auto& b : boxes_) b.w = width_ - 4;
  }

  std::vector<shown_items> shown_of(std::vector<std::size_t> const& members) const {
    auto const alike = [&](std::size_t i, std::size_t j) {
      auto const a = members[i], b = members[j];
      return members.size() > most_devices && page_.usage[a] == page_.usage[b] &&
             page_.p.devices[a].capacity_bytes == page_.p.devices[b].capacity_bytes;
    };
    auto shown = abridge(members.size(), alike);
    if (shown.size() > 2 * most_devices) {
      auto const first = shown[most_devices].first;
      shown.resize(most_devices);
      shown.push_back({first, members.size() - first, true});
    }
    return shown;
  }

  std::string box(drawn_box const& b) const {
    auto text = svg_box(b.x, b.y, b.w, b.h, "numa", 10);
    std::string words = b.numa >= 0 ? "NUMA " + std::to_string(b.numa) : std::string();
    if (page_.facts.machine.way && b.first != b.last) {
      auto const way = page_.facts.machine.way(b.first, b.last);
      if (!way.empty()) words += (words.empty() ? "" : " · ") + std::string("between its devices ") + way;
    }
    return text + svg_text(b.x + b.w - 14, b.y + 18, "soft right", page_text(words));
  }

  std::string bar(std::size_t d, int x, int y, int length) const {
    auto const& use = page_.usage[d];
    auto const whole = static_cast<double>(std::max<std::int64_t>(page_.p.devices[d].capacity_bytes.count(), 1));
    auto text = svg_box(x, y, length, 14, "free", 3);
    bytes before;
    auto const part = [&](bytes amount, std::string_view type) {
      auto const from = static_cast<int>(std::clamp(static_cast<double>(before.count()) / whole, 0.0, 1.0) * length);
      before += std::max(amount, bytes{});
      auto const to = static_cast<int>(std::clamp(static_cast<double>(before.count()) / whole, 0.0, 1.0) * length);
      if (amount.count() > 0) text += svg_box(x + from, y, std::max(to - from, 1), 14, type, 1);
    };
    part(use.weights, "weights");
    part(use.kv, "kv");
    part(page_.p.models.empty() ? page_.p.devices[d].used_bytes : use.workspace, "work");
    part(use.kv_pool - use.kv, "pool");
    return text;
  }

  std::string card(std::size_t d, point c) const {
    auto const& shown = page_.p.devices[d];
    auto const& use = page_.usage[d];
    auto const inner = card_width - 20;
    auto text = "<g>" + svg_box(c.x, c.y, card_width, card_height(), "card", 9);
    auto const nothing_planned = page_.p.models.empty();
    text += "<title>" +
            page_text(nothing_planned
                          ? to_string(shown.id)
                          : to_string(shown.id) + ": " + to_string(use.weights) + " weights, " + to_string(use.kv) + " KV cache, " +
                                to_string(use.workspace) + " workspace, KV pool " + to_string(use.kv_pool)) +
            "</title>";
    text += svg_text(c.x + 10, c.y + 20, "name", page_text(device_label(without_host(shown.id)), 26));
    auto const behind = page_.place(d).behind;
    text += svg_text(c.x + card_width - 10, c.y + 20, "soft right", page_text(behind, 20));
    text += svg_text(c.x + 10, c.y + 36, "soft", page_text(shown.name, 30));
    text += bar(d, c.x + 10, c.y + 44, inner);
    text += svg_text(c.x + 10, c.y + 74, "soft",
                     page_text(to_string(shown.used_bytes) + " of " + to_string(shown.capacity_bytes) + " · " +
                               percent_text(shown.used_bytes, shown.capacity_bytes)));
    return text + (nothing_planned ? "" : chips(d, {c.x + 8, c.y + 82})) + "</g>\n";
  }

  std::string chips(std::size_t d, point c) const {
    auto const& here = page_.on[d];
    if (here.empty()) return svg_text(c.x + 4, c.y + 22, "soft", "idle");
    std::string text;
    for (std::size_t i = 0; i < std::min(here.size(), most_shown); ++i, c.y += chip) {
      if (i + 1 == most_shown && here.size() > most_shown) {
        text += svg_text(c.x + 4, c.y + 22, "soft", "… " + std::to_string(here.size() - i) + " more stages");
        break;
      }
      auto const& s = here[i];
      auto const& m = page_.p.models[s.model];
      bool const whole = m.replicas[s.replica].stages.size() == 1 && page_[s].units.size() > 1;
      auto const units = (whole ? "whole: " : "") + units_text(page_[s].units);
      auto words = m.role + (m.replicas.size() > 1 ? " · replica " + std::to_string(s.replica) : "");
      if (auto const* const t = page_.times(s); t && s.stage < t->stages.size()) words += " · " + t->stages[s.stage];
      text += "<g>" + svg_box(c.x, c.y, card_width - 16, chip - 6, "c" + page_.colour(s)) + "<title>" +
              page_text(words + ": " + units) + "</title>" + svg_text(c.x + 8, c.y + 15, "units", page_text(units, 29)) +
              svg_text(c.x + 8, c.y + 28, "soft", page_text(words, 32)) + "</g>\n";
    }
    return text;
  }

  /// Links straight from device to device: arcs below a row, lines between rows.
  std::string wires() const {
    std::string lines, labels;
    for (auto const& l : page_.facts.machine.links) {
      auto const a = corners_.find(l.a), b = corners_.find(l.b);
      if (a == corners_.end() || b == corners_.end()) continue;
      auto from = a->second, to = b->second;
      if (from.y > to.y || (from.y == to.y && from.x > to.x)) std::swap(from, to);
      point middle;
      std::string path;
      auto const apart = (to.x - from.x) / (card_width + gap);
      point const start{from.x + card_width / 2 + 12 * apart, from.y + card_height()};
      if (from.y == to.y) {
        point const end{to.x + card_width / 2 - 12 * apart, start.y};
        auto const depth = 4 + 30 * apart;
        middle = {(start.x + end.x) / 2, start.y + depth * 3 / 4};
        path = "M" + xy(start) + "C" + xy({start.x, start.y + depth}) + " " + xy({end.x, start.y + depth}) + " " + xy(end);
      } else {
        point const end{to.x + card_width / 2 - 12 * apart, to.y};
        middle = {start.x + (end.x - start.x) * 4 / 5, start.y + (end.y - start.y) * 4 / 5};
        path = "M" + xy(start) + "L" + xy(end);
      }
      lines +=
          "<path class=\"wire\" stroke-width=\"" + std::to_string(std::clamp(2 * l.width - 1, 1, 8)) + "\" d=\"" + path + "\"/>\n";
      labels += svg_label(middle, "wirename", l.label);
    }
    return lines + labels;
  }

  int band_top(std::size_t row) const {
    return row + 1 < rows_.size() ? (rows_[row].bottom + rows_[row + 1].top) / 2 - 12 : rows_[row].bottom + 34;
  }

  /// The names of bands, above the hops that cross them.
  std::string band_names() const {
    std::string text;
    auto const w = static_cast<int>(9 * text_width(fabric_));
    for (std::size_t r = 0; r < rows_.size() && !fabric_.empty(); r += 2)
      text += svg_box(width_ / 2 - w / 2, band_top(r) + 2, w, 20, "bandpaper", 3) +
              svg_text(width_ / 2, band_top(r) + 16, "bandtext", page_text(fabric_));
    return text;
  }

  /// Fabrics as bands between two rows, with a wire to each device of both.
  std::string bands() const {
    std::string text;
    if (fabric_.empty()) return text;
    for (std::size_t r = 0; r < rows_.size(); r += 2) {
      auto const top = band_top(r);
      for (auto q = r; q < std::min(r + 2, rows_.size()); ++q)
        for (auto const d : rows_[q].devices) {
          auto const x = corners_.at(d).x + card_width / 2;
          text += "<path class=\"wire\" stroke-width=\"5\" d=\"M" + xy({x, q == r ? rows_[q].bottom : rows_[q].top}) + "L" +
                  xy({x, q == r ? top : top + 24}) + "\"/>\n";
        }
      text += svg_box(margin, top, width_ - 2 * margin, 24, "band");
    }
    return text;
  }

  int chip_height(stage_at const& s, std::size_t d) const {
    auto const& here = page_.on[d];
    auto const i = std::ranges::find_if(
        here, [&](auto const& o) { return o.model == s.model && o.replica == s.replica && o.stage == s.stage; });
    return 82 + chip * static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(i - here.begin()), most_shown - 1)) + 17;
  }

  std::string hop(stage_at const& s, std::size_t a, std::size_t b) const {
    auto const from = corners_.at(a), to = corners_.at(b);
    bool const right = to.x > from.x;
    bool const same_row = from.y == to.y, beside = same_row && std::abs(to.x - from.x) == card_width + gap;
    auto const next = stage_at{s.model, s.replica, s.stage + 1};
    point start{from.x + (right ? card_width : 0), from.y + chip_height(s, a)};
    point end{to.x + (right ? -4 : card_width + 4), to.y + chip_height(next, b)};
    std::string path;
    point middle{(start.x + end.x) / 2, (start.y + end.y) / 2};
    if (beside) {
      path = "M" + xy(start) + "L" + xy(end);
      middle.y -= 8;
    } else if (same_row) {
      start = {from.x + card_width / 2, from.y + card_height()};
      end = {to.x + card_width / 2, to.y + card_height() + 4};
      path = "M" + xy(start) + "C" + xy({start.x, start.y + 26}) + " " + xy({end.x, end.y + 26}) + " " + xy(end);
      middle = {(start.x + end.x) / 2, start.y + 16};
    } else {
      bool const down = to.y > from.y;
      start = {from.x + card_width * 3 / 4, from.y + (down ? card_height() : 0)};
      end = {to.x + card_width / 4, to.y + (down ? -4 : card_height() + 4)};
      auto const half = (start.y + end.y) / 2;
      path = "M" + xy(start) + "C" + xy({start.x, half + (down ? 20 : -20)}) + " " + xy({end.x, half - (down ? 20 : -20)}) + " " +
             xy(end);
      middle = {end.x, end.y + (down ? -20 : 20)};
    }
    auto const colour = page_.colour(s);
    auto text = "<path class=\"hop d" + colour + "\" marker-end=\"url(#a" + colour + ")\" d=\"" + path + "\"/>\n";
    if (auto const* const t = page_.times(s); t && s.stage < t->hops.size()) {
      auto const& h = t->hops[s.stage];
      if (beside)
        text += svg_text(middle.x, middle.y, "small", page_text(h.link, 9)) +
                svg_text(middle.x, middle.y + 22, "small", page_text(h.time, 9));
      else text += svg_label(middle, "e" + colour, h.link + " " + h.time);
    }
    return text;
  }

  std::string hops() const {
    std::string text;
    for (auto const& [d, corner] : corners_)
      for (auto const& s : page_.on[d]) {
        auto const& chain = page_.p.models[s.model].replicas[s.replica].stages;
        if (s.stage + 1 >= chain.size()) continue;
        auto const next = page_.places.find(chain[s.stage + 1].device);
        if (next == page_.places.end() || next->second == d || !corners_.contains(next->second)) continue;
        text += hop(s, d, next->second);
      }
    return text;
  }

  page_plan const& page_;
  std::string const& host_;
  std::size_t most_chips_ = 1;
  bool linked_ = false;
  std::string fabric_;
  std::map<std::size_t, point> corners_;
  std::vector<drawn_box> boxes_;
  std::vector<drawn_row> rows_;
  std::string gaps_;
  int width_ = 0, height_ = 0;
};

}  // namespace gpuplace::detail
