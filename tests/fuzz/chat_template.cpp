// A chat template from strangers: it is refused in words, or it writes a text, within its limits of work, memory and depth.
#include <gpuplace/text/chat_template.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

void hold(bool holds) {
  if (!holds) std::abort();
}

nlohmann::ordered_json const& conversation() {
  static auto const messages = nlohmann::ordered_json::parse(R"([
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather in Genève?"},
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"place": "Genève"}}}]},
    {"role": "tool", "content": "21"},
    {"role": "user", "content": [{"type": "text", "text": "Thanks"}]}])");
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace gpuplace;
  auto const read = text::chat_template::parse(std::string(reinterpret_cast<char const*>(data), size));
  if (!read) return hold(!read.error().what.empty()), 0;
  static auto const variables =
      nlohmann::ordered_json::parse(R"({"tools": [{"type": "function", "function": {"name": "weather"}}], "bos_token": "<s>"})");
  auto const written = read->render(conversation(), true, variables, [] { return std::chrono::system_clock::time_point(); });
  if (!written) hold(!written.error().what.empty());
  return 0;
}
