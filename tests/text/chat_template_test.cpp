#include <gpuplace/text/chat_template.hpp>

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;
using gpuplace::errc;
using gpuplace::text::chat_template;
using json = nlohmann::ordered_json;

fs::path const data = fs::path(GPUPLACE_TEST_DATA) / "text";

std::string slurp(fs::path const& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

json oracles() { return json::parse(slurp(data / "template_oracles.json")); }

gpuplace::result<std::string> rendered(std::string const& source, json const& messages, bool prompt = true,
                                       json const& variables = json::object()) {
  auto const parsed = chat_template::parse(source);
  if (!parsed) return parsed.error();
  return parsed->render(messages, prompt, variables);
}

void expect_as(json const& oracle, gpuplace::result<std::string> const& got, std::string const& what) {
  if (oracle.contains("text")) {
    ASSERT_TRUE(got) << what << "\n" << got.error();
    EXPECT_EQ(oracle["text"].get<std::string>(), *got) << what;
  } else {
    ASSERT_FALSE(got) << what << "\n" << *got;
    EXPECT_EQ(oracle["error"].get<std::string>(), to_string(got.error().code)) << what << "\n" << got.error();
  }
}

gpuplace::error error_of(std::string const& source) {
  auto const got = rendered(source, json::array({{{"role", "user"}, {"content", "x"}}}));
  EXPECT_FALSE(got) << source;
  return got ? gpuplace::error{} : got.error();
}

TEST(chat_template, renders_conversations_as_transformers_does) {
  auto const all = oracles();
  ASSERT_GT(all["cases"].size(), 100u);
  for (auto const& c : all["cases"]) {
    auto const name = c["template"].get<std::string>();
    auto const& messages = all["conversations"][c["messages"].get<std::size_t>()];
    auto const& variables = all["variables"][c["variables"].get<std::size_t>()];
    auto const source = slurp(fs::path(name).is_absolute() ? fs::path(name) : data / "templates" / name);
    expect_as(c, rendered(source, messages, c["add_generation_prompt"], variables),
              name + " " + messages.dump() + " " + variables.dump());
  }
}

TEST(chat_template, evaluates_pieces_of_jinja_as_transformers_does) {
  auto const all = oracles();
  for (auto const& piece : all["pieces"]) expect_as(piece, rendered(piece["source"], all["conversations"][2]), piece["source"]);
}

TEST(chat_template, sorted_json_renders_too) {
  auto const t = chat_template::parse("{{ messages[0].role }}{{ x }}{{ add_generation_prompt }}");
  ASSERT_TRUE(t);
  nlohmann::json const messages = {{{"role", "user"}}};
  EXPECT_EQ(*t->render(messages), "userTrue");
  EXPECT_EQ(*t->render(messages, false), "userFalse");
  EXPECT_EQ(*t->render(messages, false, nlohmann::json{{"x", 3}}), "user3False");
}

TEST(chat_template, time_comes_from_the_clock) {
  auto const t = chat_template::parse("{{ strftime_now('%Y') }}");
  ASSERT_TRUE(t);
  auto const then = [] { return std::chrono::system_clock::time_point(std::chrono::hours(24 * 200)); };
  EXPECT_EQ(*t->render(json::array(), true, json::object(), then), "1970");
}

TEST(chat_template, errors_name_the_line_and_the_construct) {
  auto const malformed = error_of("a\nb\n{{ 1 + }}");
  EXPECT_EQ(malformed.code, errc::malformed);
  EXPECT_EQ(malformed.where, "chat template:3");

  EXPECT_EQ(error_of("{% break %}").code, errc::malformed);
  auto const filter = error_of("\n{{ 'x' | wordwrap }}");
  EXPECT_EQ(filter.code, errc::unsupported);
  EXPECT_EQ(filter.where, "chat template:2");
  EXPECT_NE(filter.what.find("wordwrap"), std::string::npos);

  for (auto const source :
       {"{{ 'a'.zfill(3) }}", "{{ 'a' is escaped }}", "{{ lipsum() }}", "{% include 'x' %}", "{{ '%s' % 1 }}", "{{ f(*[1]) }}",
        "{{ messages.append(1) }}", "{{ 99999999999999999999 }}", "{{ 9223372036854775807 + 1 }}"})
    EXPECT_EQ(error_of(source).code, errc::unsupported) << source;

  auto const raised = error_of("\n\n{{ raise_exception('roles must alternate') }}");
  EXPECT_EQ(raised.code, errc::invalid_argument);
  EXPECT_EQ(raised.what, "roles must alternate");
  EXPECT_EQ(raised.where, "chat template:3");
}

TEST(chat_template, hostile_templates_end_in_errors) {
  auto const repeat = [](std::string const& s, int n) {
    std::string all;
    for (int i = 0; i < n; ++i) all += s;
    return all;
  };
  std::vector<std::string> const sources = {
      "{{ " + repeat("(", 100000) + "1" + repeat(")", 100000) + " }}",
      "{{ " + repeat("[", 100000) + repeat("]", 100000) + " }}",
      "{{ " + repeat("not ", 100000) + "1 }}",
      "{{ " + repeat("-", 100000) + "1 }}",
      "{{ 1" + repeat(" + 1", 100000) + " }}",
      "{{ x" + repeat(".y", 100000) + " }}",
      "{{ x" + repeat("|trim", 100000) + " }}",
      "{{ " + repeat("1 if 1 else ", 100000) + "1 }}",
      repeat("{% if 1 %}", 100000) + repeat("{% endif %}", 100000),
      repeat("{% for i in [1] %}", 100000) + repeat("{% endfor %}", 100000),
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
      "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x == [ns.x][0][:] }}",
      "{{ 'x' * 999999999999 }}",
      "{{ [0] * 999999999999 }}",
      "{{ 2 ** 999999999999 }}",
      "{{ [1] | tojson(indent=999999999) }}",
      "{{ strftime_now('%999999999d') }}",
      "{{ 'abc'[::0] }}",
      "{% set ns = namespace() %}{% set ns.self = [ns] %}{{ ns.self }}"};
  auto const begin = std::chrono::steady_clock::now();
  for (auto const& source : sources) EXPECT_TRUE(!error_of(source).what.empty()) << source.substr(0, 80);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(chat_template, deeply_nested_conversations_are_refused) {
  json deep = 1;
  for (int i = 0; i < 3000; ++i) deep = json::array({std::move(deep)});
  auto const got = rendered("{{ messages }}", deep);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, errc::invalid_argument);
}

TEST(chat_template, mutated_templates_never_crash) {
  std::mt19937 random(7);
  auto const all = oracles();
  std::string const pieces[] = {"{{", "}}", "{%", "%}",   "{#",     "-",  "'",  "(",      ")", "[",
                                "]",  "|",  ".",  " if ", " else ", "\n", "\\", "endfor", "1", "\xff"};
  int right = 0;
  for (auto const name : {"chatml.jinja", "tools.jinja", "thinking.jinja", "headers.jinja"}) {
    auto const original = slurp(data / "templates" / name);
    for (int round = 0; round < 150; ++round) {
      auto text = original;
      for (auto changes = random() % 3 + 1; changes > 0; --changes) {
        auto const at = random() % text.size();
        if (random() % 2) text.erase(at, random() % 4 + 1);
        else text.insert(at, pieces[random() % std::size(pieces)]);
      }
      right += rendered(text, all["conversations"][random() % all["conversations"].size()], true,
                        all["variables"][random() % all["variables"].size()])
                   .has_value();
    }
  }
  EXPECT_GT(right, 0);
}

TEST(chat_template, one_template_serves_many_threads) {
  auto const t = chat_template::parse(slurp(data / "templates" / "chatml.jinja"));
  ASSERT_TRUE(t);
  auto const messages = oracles()["conversations"][3];
  auto const expected = *t->render(messages);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) EXPECT_EQ(*t->render(messages), expected);
    });
  for (auto& thread : threads) thread.join();
}

class chat_template_folder : public testing::Test {
protected:
  chat_template_folder() : folder(fs::temp_directory_path() / ("gpuplace-chat-" + std::to_string(std::random_device()()))) {
    fs::create_directories(folder);
  }
  ~chat_template_folder() override { fs::remove_all(folder); }
  void write(std::string const& name, std::string const& text) const { std::ofstream(folder / name) << text; }
  std::string render() const {
    auto const t = chat_template::read(folder);
    EXPECT_TRUE(t) << t.error();
    return t ? *t->render(json::array()) : "";
  }
  fs::path folder;
};

TEST_F(chat_template_folder, without_a_template_is_not_found) {
  EXPECT_EQ(chat_template::read(folder).error().code, errc::not_found);
  write("tokenizer_config.json", "{}");
  EXPECT_EQ(chat_template::read(folder).error().code, errc::not_found);
  write("tokenizer_config.json", "nonsense");
  EXPECT_EQ(chat_template::read(folder).error().code, errc::malformed);
}

TEST_F(chat_template_folder, reads_the_string_of_the_config) {
  write("tokenizer_config.json",
        R"({"chat_template": "{{ bos_token }}|{{ eos_token }}", "bos_token": "<s>", "eos_token": {"content": "</s>"}})");
  EXPECT_EQ(render(), "<s>|</s>");
}

TEST_F(chat_template_folder, reads_the_default_of_several) {
  write("tokenizer_config.json",
        R"({"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]})");
  EXPECT_EQ(render(), "yes");
}

TEST_F(chat_template_folder, prefers_the_file_of_its_own) {
  write("tokenizer_config.json", R"({"chat_template": "no", "bos_token": "<s>"})");
  write("chat_template.jinja", "own {{ bos_token }}\n");
  EXPECT_EQ(render(), "own <s>");
  write("chat_template.jinja", "{% if %}");
  auto const e = chat_template::read(folder).error();
  EXPECT_EQ(e.code, errc::malformed);
  EXPECT_EQ(e.where, (folder / "chat_template.jinja").string() + ":1");
}

}  // namespace
