#include "own_world.hpp"

#include <cstdlib>
#include <optional>
#include <string>

namespace gpuplace::cli {

result<world> own_world() {
  return find_world([](std::string_view name) -> std::optional<std::string> {
    auto const* const value = std::getenv(std::string(name).c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
}

}  // namespace gpuplace::cli
