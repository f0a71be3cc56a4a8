#include <gpuplace/text/stream_decoder.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include "text_data.hpp"

#include <gtest/gtest.h>

#include <thread>

using namespace gpuplace;
using text::tokenizer;
using ids = std::vector<token_id>;

namespace {
tokenizer small(std::string const& name) { return tokenizer::read(text_data(name + ".tokenizer.json")).value(); }

void expect_equal(tokenizer const& t, nlohmann::ordered_json const& expected) {
  auto const strings = odd_strings();
  ASSERT_GE(strings.size(), 200u);
  ASSERT_EQ(strings.size(), expected["ids"].size());
  EXPECT_EQ(t.size(), expected["size"].get<std::size_t>());
  for (std::size_t i = 0; i < strings.size(); ++i) {
    auto const wanted = expected["ids"][i].get<ids>();
    EXPECT_EQ(t.encode(strings[i]), wanted) << i << ": " << strings[i];
    EXPECT_EQ(t.encode(strings[i], false), expected["bare_ids"][i].get<ids>()) << i << ": " << strings[i];
    EXPECT_EQ(t.decode(wanted), expected["decoded"][i].get<std::string>()) << i;
    EXPECT_EQ(t.decode(wanted, false), expected["decoded_with_special"][i].get<std::string>()) << i;
    auto const rest = wanted.empty() ? wanted : ids(wanted.begin() + 1, wanted.end());
    EXPECT_EQ(t.decode(rest, false), expected["decoded_without_first"][i].get<std::string>()) << i;
  }
}

/// Added tokens that are looked for in normalised text are kept as that: they have two spellings.
bool is_respelled(std::string const& kind, std::string const& name) {
  return (kind == "flags" && name == "fin") || (kind == "llama2" && name.ends_with("<l>"));
}

nlohmann::json file_of(std::string const& name) { return stored_json(name + ".tokenizer.json"); }
error refusal(nlohmann::json const& file) {
  auto const read = tokenizer::parse(file.dump(), "here");
  EXPECT_TRUE(read.has_error());
  return read ? error{} : read.error();
}
}  // namespace

class small_tokenizer : public testing::TestWithParam<char const*> {};
TEST_P(small_tokenizer, gives_the_ids_of_hugging_face) {
  expect_equal(small(GetParam()), stored_json(GetParam() + std::string(".expected.json")));
}

TEST_P(small_tokenizer, streams_what_it_decodes) {
  auto const t = small(GetParam());
  for (auto const& s : odd_strings())
    for (bool const skip : {true, false}) {
      auto encoded = t.encode(s);
      if (encoded.size() > 3) encoded.erase(encoded.begin() + 1);  // leaves halves of characters
      text::stream_decoder stream(t, skip);
      std::string joined;
      for (auto const id : encoded) {
        auto const piece = stream.push(id);
        EXPECT_NO_THROW(nlohmann::json(piece).dump()) << "not UTF-8";
        joined += piece;
      }
      EXPECT_EQ(joined + stream.finish(), t.decode(encoded, skip)) << s;
    }
}

TEST_P(small_tokenizer, knows_its_tokens_by_name_and_id) {
  auto const t = small(GetParam());
  for (token_id i = 0; i < static_cast<token_id>(t.size()); ++i) {
    auto const name = t.token(i).value();
    if (is_respelled(GetParam(), name)) continue;
    EXPECT_EQ(t.id(name), i);
  }
  EXPECT_FALSE(t.id("no such token"));
  EXPECT_FALSE(t.token(-1));
  EXPECT_FALSE(t.token(1 << 30));
  EXPECT_EQ(t.decode(ids{-5, 1 << 30}), "");
}
INSTANTIATE_TEST_SUITE_P(kinds, small_tokenizer,
                         testing::Values("smollm", "qwen", "llama3", "tekken", "flags", "llama2", "mistral", "gemma", "metaspace",
                                         "unigram", "unigram_unknown"));

class large_tokenizer : public testing::TestWithParam<char const*> {};
TEST_P(large_tokenizer, gives_the_ids_of_hugging_face) {
  auto const folder = test_model(GetParam(), "tokenizer.json");
  if (folder.empty()) GTEST_SKIP() << "no " << GetParam() << " in the folder GPUPLACE_TEST_MODELS";
  auto const t = tokenizer::read(folder);
  ASSERT_TRUE(t) << t.error();
  expect_equal(*t, stored_json(GetParam() + std::string(".model.json")));
}
INSTANTIATE_TEST_SUITE_P(models, large_tokenizer, testing::Values("SmolLM2-135M-Instruct", "Qwen2.5"));

TEST(stream_decoder, never_gives_half_a_character) {
  auto const t = small("smollm");
  text::stream_decoder stream(t);
  auto const smile = t.encode("\xF0\x9F\xA4\x96");
  ASSERT_GT(smile.size(), 1u);
  for (std::size_t i = 0; i + 1 < smile.size(); ++i) EXPECT_EQ(stream.push(smile[i]), "");
  EXPECT_EQ(stream.push(smile.back()), "\xF0\x9F\xA4\x96");
  stream.push(smile[0]);
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.finish(), "");
}

TEST(tokenizer, gives_the_same_ids_from_many_threads) {
  auto const t = small("qwen");
  auto const strings = odd_strings();
  std::vector<ids> once;
  for (auto const& s : strings) once.push_back(small("qwen").encode(s));
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n)
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < strings.size(); ++i) EXPECT_EQ(t.encode(strings[i]), once[i]);
    });
  for (auto& thread : threads) thread.join();
}

TEST(tokenizer, long_words_take_little_more_than_their_length) {
  auto const t = small("smollm");
  std::string const word(1 << 20, 'a');
  EXPECT_EQ(t.decode(t.encode(word)), word);
}

TEST(tokenizer, refuses_what_it_does_not_know_by_name) {
  struct change {
    char const* pointer;
    nlohmann::json value;
    char const* named;
  };
  for (auto const& c : std::vector<change>{{"/model/type", "WordPiece", "WordPiece"},
                                           {"/model/dropout", 0.1, "dropout"},
                                           {"/model/end_of_word_suffix", "</w>", "end_of_word_suffix"},
                                           {"/normalizer", {{"type", "BertNormalizer"}}, "BertNormalizer"},
                                           {"/pre_tokenizer", {{"type", "UnicodeScripts"}}, "UnicodeScripts"},
                                           {"/pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "last"}}, "last"},
                                           {"/post_processor", {{"type", "BertProcessing"}}, "BertProcessing"},
                                           {"/decoder", {{"type", "WordPiece"}}, "WordPiece"}}) {
    auto file = file_of("qwen");
    file[nlohmann::json::json_pointer(c.pointer)] = c.value;
    auto const e = refusal(file);
    EXPECT_EQ(e.code, errc::unsupported) << c.pointer;
    EXPECT_NE(e.message().find(c.named), std::string::npos) << e;
    EXPECT_EQ(e.where, "here");
  }
}

TEST(tokenizer, refuses_regular_expressions_that_the_libraries_read_differently) {
  for (auto const* pattern : {"[a-z&&[^b]]", "\\Xa", "a(?i)b", "\\bword\\b"}) {
    auto file = file_of("qwen");
    file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = pattern;
    EXPECT_EQ(refusal(file).code, errc::unsupported) << pattern;
  }
  auto file = file_of("qwen");
  file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(";
  EXPECT_EQ(refusal(file).code, errc::malformed);
}

TEST(tokenizer, refuses_broken_files) {
  for (auto const* text : {"", "{", "[]", "{}", R"({"model":7})", R"({"model":{"type":"BPE"}})"})
    EXPECT_EQ(tokenizer::parse(text).error().code, errc::malformed) << text;
  auto const broken = [](char const* pointer, nlohmann::json value) {
    auto file = file_of("qwen");
    file[nlohmann::json::json_pointer(pointer)] = std::move(value);
    return refusal(file).code;
  };
  EXPECT_EQ(broken("/model/merges/0", "a"), errc::malformed);
  EXPECT_EQ(broken("/model/merges/0", nlohmann::json::array({"no such", "pair"})), errc::malformed);
  EXPECT_EQ(broken("/model/vocab/a", -1), errc::malformed);
  EXPECT_EQ(broken("/model/vocab/a", 1e30), errc::malformed);
  EXPECT_EQ(broken("/added_tokens/0", 5), errc::malformed);
  EXPECT_EQ(broken("/added_tokens/0/id", std::uint64_t(1) << 63), errc::malformed);
  EXPECT_EQ(tokenizer::read("/no/such/folder").error().code, errc::not_found);
}

TEST(tokenizer, replacements_that_fill_the_memory_are_stopped) {
  auto file = file_of("gemma");
  nlohmann::json const twice = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", nlohmann::json(60, twice)}};
  auto const t = tokenizer::parse(file.dump()).value();
  EXPECT_NO_THROW(t.encode("none", false));
  EXPECT_THROW(t.encode("a", false), failure);
}

TEST(tokenizer, refuses_broken_unigram_files) {
  auto const broken = [](char const* pointer, nlohmann::json value) {
    auto file = file_of("unigram");
    file[nlohmann::json::json_pointer(pointer)] = std::move(value);
    return refusal(file).code;
  };
  EXPECT_EQ(broken("/model/unk_id", nullptr), errc::unsupported);
  EXPECT_EQ(broken("/model/unk_id", 1 << 20), errc::malformed);
  EXPECT_EQ(broken("/model/vocab", nlohmann::json::array()), errc::malformed);
  EXPECT_EQ(broken("/model/vocab/3", "not a pair"), errc::malformed);
  EXPECT_EQ(broken("/model/vocab/3/1", "no number"), errc::malformed);
  EXPECT_EQ(broken("/normalizer/precompiled_charsmap", "!!!!"), errc::malformed);
  EXPECT_EQ(broken("/normalizer/precompiled_charsmap", "/////w=="), errc::malformed);
  EXPECT_EQ(broken("/pre_tokenizer", {{"type", "ByteLevel"}}), errc::unsupported);
  EXPECT_EQ(tokenizer::parse(std::string(100'000, '[')).error().code, errc::malformed);
}
