// A service that prepares prompts: links gpuplace::text, and through it ICU and PCRE2.
#include <gpuplace/text/chat_template.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include <nlohmann/json.hpp>

#include <iostream>

int main() {
  auto const chat =
      gpuplace::text::chat_template::parse("{% for m in messages %}{{ m.role | upper }}: {{ m.content }}\n{% endfor %}");
  if (!chat) return 1;
  auto const turns = nlohmann::json::parse(R"([{"role": "user", "content": "Where is Zürich?"}])");
  auto const prompt = chat->render(turns);
  if (!prompt || gpuplace::text::tokenizer::parse("{}")) return 1;
  std::cout << *prompt;
}
