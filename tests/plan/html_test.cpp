#include <gpuplace/plan/html.hpp>

#include "plans.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace gpuplace;

std::size_t times(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Every tag of the page opens and closes in turn, attributes are quoted, and the names are those that pages of plans use.
::testing::AssertionResult is_sound(std::string const& html) {
  constexpr std::array<std::string_view, 26> known{"html", "head", "meta", "title", "style", "body",     "h1",   "h2",   "div",
                                                   "span", "b",    "svg",  "g",     "rect",  "text",     "path", "defs", "marker",
                                                   "pre",  "ul",   "li",   "p",     "br",    "!DOCTYPE", "a",    "i"};
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != html.npos; at = html.find('<', at)) {
    auto end = at + 1;
    for (bool quoted = false; end < html.size() && (quoted || html[end] != '>'); ++end) quoted ^= html[end] == '"';
    auto const tag = html.substr(at + 1, end - at - 1);
    bool const closes = tag.starts_with('/');
    auto const name = tag.substr(closes ? 1 : 0, tag.find_first_of(" /", 1) - (closes ? 1 : 0));
    if (std::ranges::find(known, name) == known.end()) return ::testing::AssertionFailure() << "<" << tag << ">";
    if (tag.find(" on") != tag.npos || tag.find("href") != tag.npos || tag.find("src=") != tag.npos)
      return ::testing::AssertionFailure() << "<" << tag << ">";
    if (closes) {
      if (open.empty() || open.back() != name) return ::testing::AssertionFailure() << "</" << name << "> closes nothing";
      open.pop_back();
    } else if (!tag.ends_with('/') && name != "meta" && name != "!DOCTYPE") {
      open.push_back(name);
    }
    at = name == "style" && !closes ? html.find("</style>", end) : end;
  }
  if (!open.empty()) return ::testing::AssertionFailure() << "<" << open.back() << "> stays open";
  return ::testing::AssertionSuccess();
}

TEST(html, shows_models_devices_stages_and_hops) {
  auto p = plans::six_to_two();
  p.predicted = {{.role = "target", .decode_step = seconds{0.0123}, .prefill = seconds{0.5}, .tokens_per_second = 81.3}};
  p.notes = {"a note"};
  auto const html = to_html(p);
  EXPECT_TRUE(is_sound(html));
  for (auto const* part : {"Qwen3-8B", "Qwen3-1.7B", "GPU 7", "layers 0-3 + embedding", "layers 20-23 + norm + head", "12.3 ms",
                           "81.3", "a note", "prefers-color-scheme:dark", "4.0 GiB of 24.0 GiB"})
    EXPECT_EQ(html.find(part) == html.npos, false) << part;
  EXPECT_EQ(times(html, "marker-end"), 6U);  // five hops of the target, one of the drafter
}

TEST(html, loads_nothing_and_runs_nothing) {
  auto const html = to_html(plans::six_to_two());
  for (auto const* part : {"<script", "http:", "https:", "@import", "<img", "<link", "javascript:"})
    EXPECT_EQ(html.find(part), html.npos) << part;
}

TEST(html, draws_links_fabrics_and_nodes) {
  auto const p = plans::copies(8);
  page_facts facts;
  facts.machine.devices.resize(8);
  for (std::size_t d = 0; d < 8; ++d) facts.machine.devices[d] = {.numa = d < 4 ? 0 : 1, .behind = "PLX"};
  facts.machine.links = {{0, 1, "NV2", 2}, {0, 4, "NV1", 1}};
  facts.machine.way = [](std::size_t, std::size_t) { return std::string("SYS · 9 GB/s"); };
  auto const meshed = to_html(p, facts);
  EXPECT_TRUE(is_sound(meshed));
  for (auto const* part : {"NUMA 0", "NUMA 1", "NV2", "NV1", "SYS · 9 GB/s", "PLX"})
    EXPECT_NE(meshed.find(part), meshed.npos) << part;
  facts.machine.links.clear();
  facts.machine.fabrics = {{"", "NVSwitch · NV18"}};
  auto const switched = to_html(p, facts);
  EXPECT_EQ(times(switched, "NVSwitch · NV18"), 1U);
  EXPECT_EQ(times(switched, "class=\"wire\""), 8U);
}

TEST(html, like_hosts_are_drawn_once) {
  plan p;
  std::vector<replica> replicas;
  for (int h = 0; h < 1000; ++h)
    for (int g = 0; g < 8; ++g) {
      auto const id = plans::cuda(g, "node" + std::to_string(h));
      replicas.push_back({.stages = {plans::layers(id, 0, 23, 24)}, .extra = {}});
      plans::add_device(p, id, 4_GiB);
    }
  p.models = {plans::model("model", "fleet", replicas)};
  auto const html = to_html(p);
  EXPECT_TRUE(is_sound(html));
  EXPECT_NE(html.find("and 999 more like it, to node999"), html.npos);
  EXPECT_EQ(times(html, "role=\"img\""), 1U);
  EXPECT_LT(html.size(), 60000U);
}

TEST(html, many_devices_of_one_host_are_counted) {
  plan p;
  for (int g = 0; g < 500; ++g) plans::add_device(p, plans::cuda(g), bytes{});
  p.models = {plans::model("model", "nothing", {})};
  auto const html = to_html(p);
  EXPECT_TRUE(is_sound(html));
  EXPECT_NE(html.find("… 498 more like it"), html.npos);
}

TEST(html, an_empty_plan_is_a_page) { EXPECT_TRUE(is_sound(to_html({}))); }

TEST(html, replaces_what_is_no_text) {
  EXPECT_EQ(detail::page_text("<a&'\">"), "&lt;a&amp;&#39;&quot;&gt;");
  EXPECT_EQ(detail::page_text("é€😀"), "é€😀");
  for (std::string_view bad : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x01", "\x7f"})
    EXPECT_EQ(detail::page_text(bad).starts_with("\xef\xbf\xbd"), true) << bad;
  EXPECT_EQ(detail::page_text("abcdef", 4), "abc…");
  EXPECT_EQ(detail::page_text("abcd", 4), "abcd");
}

// Names from anywhere, made of markup and broken bytes: the page keeps its structure.
TEST(html, foreign_text_is_never_markup) {
  std::mt19937 random(7);
  constexpr std::array<std::string_view, 14> pieces{"</text>",  "<script>alert(1)</script>",
                                                    "\"",       "'",
                                                    "]]>",      "<!--",
                                                    "&lt;",     "\xff",
                                                    "\xe2\x82", "</style>",
                                                    "{}",       "\n",
                                                    "onload=",  "<svg/onload=x>"};
  auto const nonsense = [&] {
    std::string text;
    for (auto n = 1 + random() % 5; n > 0; --n)
      if (random() % 3 == 0) text += static_cast<char>(random() % 256);
      else text += pieces[random() % pieces.size()];
    return text;
  };
  for (int round = 0; round < 60; ++round) {
    auto p = plans::six_to_two();
    page_facts facts;
    for (auto& m : p.models) m.name = nonsense(), m.role = nonsense();
    auto const host = round % 2 ? nonsense() : std::string();
    for (auto& d : p.devices) d.name = nonsense(), d.id.host = host;
    for (auto& m : p.models)
      for (auto& r : m.replicas)
        for (auto& s : r.stages) s.device.host = host, s.units.push_back(nonsense());
    p.notes = {nonsense(), nonsense()};
    facts.explanation = nonsense();
    facts.machine.devices.assign(8, {.numa = 0, .behind = nonsense()});
    facts.machine.links = {{0, 1, nonsense(), 1}, {2, 5, nonsense(), 4}};
    facts.machine.fabrics = {{host, nonsense()}};
    facts.machine.way = [&](std::size_t, std::size_t) { return nonsense(); };
    facts.times = {{{.stages = {nonsense(), nonsense()}, .hops = {{nonsense(), nonsense()}}}}};
    auto const html = to_html(p, facts);
    ASSERT_TRUE(is_sound(html)) << html;
    for (std::string_view rest = html; !rest.empty();) {
      auto const length = detail::utf8_length(rest);
      ASSERT_GT(length, 0U);
      rest.remove_prefix(length);
    }
  }
}

}  // namespace
