#pragma once
// What the oracles stored, see make_oracles.py.

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

inline std::filesystem::path text_data(std::string const& name) {
  return std::filesystem::path(GPUPLACE_TEST_DATA) / "text" / name;
}

inline nlohmann::ordered_json stored_json(std::string const& name) {
  std::ifstream in(text_data(name));
  return nlohmann::ordered_json::parse(in);
}

/// The odd strings: text, or {"hex"} where they are not UTF-8.
inline std::vector<std::string> odd_strings() {
  std::vector<std::string> all;
  for (auto const& entry : stored_json("strings.json")) {
    if (entry.is_string()) {
      all.push_back(entry.get<std::string>());
      continue;
    }
    auto const hex = entry["hex"].get<std::string>();
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    all.push_back(bytes);
  }
  return all;
}

/// A checkpoint that is too large for the tree; empty where GPUPLACE_TEST_MODELS does not hold it.
inline std::filesystem::path test_model(std::string const& name, std::string const& file) {
  auto const* folder = std::getenv("GPUPLACE_TEST_MODELS");
  if (folder == nullptr) return {};
  auto const path = std::filesystem::path(folder) / name;
  return std::filesystem::exists(path / file) ? path : std::filesystem::path();
}
