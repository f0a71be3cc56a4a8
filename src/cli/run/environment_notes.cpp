#include "environment_notes.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string_view>

extern char** environ;

namespace gpuplace::cli {

namespace {

// The names of the variables that `chosen` takes, with commas between them.
template <class F>
std::vector<std::string> names_of(std::vector<std::string> const& environment, F&& chosen) {
  std::vector<std::string> names;
  for (auto const& variable : environment)
    if (chosen(variable)) names.push_back(variable.substr(0, variable.find('=')));
  std::ranges::sort(names);
  return names;
}

std::string note(std::vector<std::string> const& names, std::string_view why) {
  std::string list;
  for (auto const& name : names) list += (list.empty() ? "" : ", ") + name;
  return fmt::format("{} {} no effect: {}", list, names.size() == 1 ? "has" : "have", why);
}

}  // namespace

std::vector<std::string> environment_notes(std::vector<std::string> const& environment, bool one_process) {
  std::vector<std::string> notes;
  auto const allocator = names_of(environment, [](std::string const& variable) {
    return variable.starts_with("PYTORCH_CUDA_ALLOC_CONF=") || variable.starts_with("PYTORCH_ALLOC_CONF=");
  });
  if (!allocator.empty()) notes.push_back(note(allocator, "a replica's memory on a GPU is reserved once, as the plan says"));
  if (!one_process) return notes;
  auto const nccl = names_of(environment, [](std::string const& variable) {
    return variable.starts_with("NCCL_") &&
           !variable.starts_with("NCCL_VERSION=") &&    // tells of a container's library, asks nothing
           !variable.starts_with("NCCL_P2P_DISABLE=");  // which is heeded
  });
  if (!nccl.empty()) notes.push_back(note(nccl, "NCCL carries data between processes alone, and this is the only one"));
  return notes;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** at = environ; *at != nullptr; ++at) all.emplace_back(*at);
  return all;
}

}  // namespace gpuplace::cli
