#pragma once
// What one check of `gpuplace doctor` found.

#include <string>
#include <string_view>
#include <vector>

namespace gpuplace::cli {

enum class verdict {
  ok,
  warn,  // works, and may surprise
  fail,  // will not work
  skip,  // nothing here to check
};

constexpr std::string_view to_string(verdict v) {
  switch (v) {
    case verdict::ok: return "ok";
    case verdict::warn: return "warn";
    case verdict::fail: return "fail";
    case verdict::skip: break;
  }
  return "skip";
}

struct finding {
  verdict how = verdict::ok;
  std::string name;    // of the check
  std::string found;   // what there is
  std::string remedy;  // what to do; empty where nothing is to be done

  friend bool operator==(finding const&, finding const&) = default;
};

// A line each, and how many there are of each verdict.
std::string to_text(std::vector<finding> const& findings);
// {"checks": [{"check", "verdict", "found", "remedy"}], "ok", "warn", "fail", "skip"}
std::string to_json(std::vector<finding> const& findings);

}  // namespace gpuplace::cli
