#include "finding.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace gpuplace::cli {

namespace {

constexpr std::array<verdict, 4> verdicts{verdict::ok, verdict::warn, verdict::fail, verdict::skip};

auto count_of(std::vector<finding> const& findings, verdict how) { return std::ranges::count(findings, how, &finding::how); }

}  // namespace

std::string to_text(std::vector<finding> const& findings) {
  std::size_t width = 0;
  for (auto const& f : findings) width = std::max(width, f.name.size());
  std::string text;
  for (auto const& f : findings)
    text +=
        fmt::format("{:<4}  {:<{}}  {}{}{}\n", to_string(f.how), f.name, width, f.found, f.remedy.empty() ? "" : "; ", f.remedy);
  std::string counts;
  for (auto const how : verdicts)
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count_of(findings, how), to_string(how));
  return text + fmt::format("{} checks: {}\n", findings.size(), counts);
}

std::string to_json(std::vector<finding> const& findings) {
  auto checks = nlohmann::ordered_json::array();
  for (auto const& f : findings)
    checks.push_back({{"check", f.name}, {"verdict", to_string(f.how)}, {"found", f.found}, {"remedy", f.remedy}});
  nlohmann::ordered_json made{{"checks", std::move(checks)}};
  for (auto const how : verdicts) made[std::string(to_string(how))] = count_of(findings, how);
  return made.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace gpuplace::cli
