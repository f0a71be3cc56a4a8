#pragma once
// The command line of the example.

#include <gpuplace/core/result.hpp>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

struct options {
  std::string model = "preset:qwen3-8b";
  std::string topology = "preset:4xa100";
  std::optional<std::size_t> num_gpus;
  double memory_utilization = 0.9;
  std::int64_t max_model_len = 4096;
  std::int64_t max_tokens = 256;

  bool simulated() const { return model.starts_with("preset:"); }
};

template <class T>
gpuplace::result<T> read_number(std::string_view name, std::string_view text, T least, T most) {
  T value{};
  auto const [end, why] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (why != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return gpuplace::error{gpuplace::errc::invalid_argument, "'" + std::string(text) + "' cannot be used", std::string(name), {}};
  return value;
}

inline gpuplace::result<options> read_options(int argc, char** argv) {
  options asked;
  bool located = false;
  for (int i = 1; i < argc; i += 2) {
    std::string_view const name = argv[i];
    if (i + 1 == argc)
      return gpuplace::error{gpuplace::errc::invalid_argument, "it needs a value", std::string(name),
                             "main.cpp says which options there are"};
    std::string_view const value = argv[i + 1];
    if (name == "--model") {
      asked.model = value;
      if (!located && !asked.simulated()) asked.topology = "live";
    } else if (name == "--topology") {
      asked.topology = value;
      located = true;
    } else if (name == "--num-gpus") {
      GPUPLACE_TRY(asked.num_gpus, read_number<std::size_t>(name, value, 1, 4096));
    } else if (name == "--gpu-memory-utilization") {
      GPUPLACE_TRY(asked.memory_utilization, read_number<double>(name, value, 0.01, 1.0));
    } else if (name == "--max-model-len") {
      GPUPLACE_TRY(asked.max_model_len, read_number<std::int64_t>(name, value, 1, 1 << 24));
    } else if (name == "--max-tokens") {
      GPUPLACE_TRY(asked.max_tokens, read_number<std::int64_t>(name, value, 1, 1 << 24));
    } else {
      return gpuplace::error{gpuplace::errc::invalid_argument, "there is no such option", std::string(name),
                             "main.cpp says which there are"};
    }
  }
  return asked;
}
