// Checkpoints that have a tokenizer.model alone.
#include <gpuplace/text/stream_decoder.hpp>
#include <gpuplace/text/tokenizer.hpp>

#include "text_data.hpp"

#include <gtest/gtest.h>

#include <map>

using namespace gpuplace;
using text::tokenizer;
using ids = std::vector<token_id>;

namespace {
/// A folder with a stored model and the settings of a test.
class model_folder {
public:
  explicit model_folder(std::string const& model) : path_(std::filesystem::path(testing::TempDir()) / name()) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
    std::filesystem::copy_file(text_data(model) / "tokenizer.model", path_ / "tokenizer.model");
  }
  ~model_folder() { std::filesystem::remove_all(path_); }
  void write(std::string const& file, nlohmann::json const& content) const { std::ofstream(path_ / file) << content; }
  std::filesystem::path const& path() const { return path_; }

private:
  static std::string name() { return std::string("model_") + testing::UnitTest::GetInstance()->current_test_info()->name(); }
  std::filesystem::path path_;
};
}  // namespace

class sentencepiece : public testing::TestWithParam<char const*> {};

TEST_P(sentencepiece, gives_the_ids_of_the_library) {
  auto const t = tokenizer::read(text_data(GetParam()));
  ASSERT_TRUE(t) << t.error();
  auto const expected = stored_json(GetParam() + std::string(".expected.json"));
  auto const strings = odd_strings();
  ASSERT_EQ(strings.size(), expected["ids"].size());
  auto const plain = expected["plain"].get<std::vector<std::size_t>>();
  std::map<std::size_t, std::string> decoded;
  for (std::size_t i = 0; i < plain.size(); ++i) decoded[plain[i]] = expected["decoded"][i];
  for (std::size_t i = 0; i < strings.size(); ++i) {
    auto const wanted = expected["ids"][i].get<ids>();
    EXPECT_EQ(t->encode(strings[i], false), wanted) << i << ": " << strings[i];
    if (decoded.contains(i)) {
      EXPECT_EQ(t->decode(wanted, false), decoded[i]) << i;
    }
  }
}

TEST_P(sentencepiece, streams_what_it_decodes) {
  auto const t = tokenizer::read(text_data(GetParam())).value();
  for (auto const& s : odd_strings()) {
    auto encoded = t.encode(s);
    if (encoded.size() > 3) encoded.erase(encoded.begin() + 2);
    text::stream_decoder stream(t);
    std::string joined;
    for (auto const id : encoded) {
      auto const piece = stream.push(id);
      EXPECT_NO_THROW(nlohmann::json(piece).dump()) << "not UTF-8";
      joined += piece;
    }
    EXPECT_EQ(joined + stream.finish(), t.decode(encoded)) << s;
  }
}
INSTANTIATE_TEST_SUITE_P(kinds, sentencepiece, testing::Values("spm_bpe", "spm_unigram"));

TEST(tokenizer_model, has_the_ids_of_the_tokenizer_json_made_of_it) {
  auto const from_model = tokenizer::read(text_data("spm_bpe")).value();
  auto const from_json = tokenizer::read(text_data("mistral.tokenizer.json")).value();
  for (auto const* s : {"the devices of the graph", "two  spaces  ", "caf\xC3\xA9 \xF0\x9F\x98\x80", "1234 != 12", ""})
    EXPECT_EQ(from_model.encode(s, false), from_json.encode(s, false)) << s;
}

TEST(tokenizer_model, puts_the_tokens_around_a_text_that_the_settings_name) {
  model_folder const folder("spm_bpe");
  auto const bare = tokenizer::read(folder.path()).value().encode("the", false);
  auto const with = [&](token_id before, std::optional<token_id> behind = {}) {
    auto all = bare;
    if (before >= 0) all.insert(all.begin(), before);
    if (behind) all.push_back(*behind);
    return all;
  };
  EXPECT_EQ(tokenizer::read(folder.path())->encode("the"), with(1));
  folder.write("tokenizer_config.json", {{"add_bos_token", false}});
  EXPECT_EQ(tokenizer::read(folder.path())->encode("the"), bare);
  folder.write("tokenizer_config.json", {{"add_bos_token", true}, {"add_eos_token", true}});
  EXPECT_EQ(tokenizer::read(folder.path())->encode("the"), with(1, 2));
  EXPECT_EQ(tokenizer::read(folder.path() / "tokenizer.model")->encode("the"), with(1, 2));
}

TEST(tokenizer_model, takes_added_tokens_from_the_files_beside_it) {
  model_folder const folder("spm_bpe");
  auto const size = static_cast<token_id>(tokenizer::read(folder.path())->size());
  folder.write("added_tokens.json", {{"<pad>", size + 3}});
  folder.write("special_tokens_map.json", {{"pad_token", "<pad>"}, {"additional_special_tokens", {"<|end|>"}}});
  folder.write("tokenizer_config.json",
               {{"added_tokens_decoder", {{std::to_string(size), {{"content", "<tool>"}, {"rstrip", true}, {"special", false}}}}}});
  auto const t = tokenizer::read(folder.path()).value();
  EXPECT_EQ(t.id("<pad>"), size + 3);
  EXPECT_EQ(t.id("<tool>"), size);
  EXPECT_EQ(t.id("<|end|>"), size + 4);
  EXPECT_TRUE(t.is_special(size + 3));
  EXPECT_FALSE(t.is_special(size));
  EXPECT_EQ(t.encode("<tool>   <pad>", false), (ids{size, size + 3}));
  EXPECT_EQ(t.decode(ids{size, size + 3}), "<tool>");
  EXPECT_EQ(t.decode(ids{1, size + 3}, false), "<s><pad>");
}

TEST(tokenizer_model, puts_a_space_before_the_first_stretch_alone_where_legacy_is_false) {
  model_folder const folder("spm_bpe");
  auto const legacy = tokenizer::read(folder.path()).value();
  folder.write("tokenizer_config.json", {{"legacy", false}});
  auto const now = tokenizer::read(folder.path()).value();
  auto const spaced = now.id("\xE2\x96\x81in").value(), bare = now.id("in").value();
  EXPECT_EQ(legacy.encode("in</s>in", false), (ids{spaced, 2, spaced}));
  EXPECT_EQ(now.encode("in</s>in", false), (ids{spaced, 2, bare}));
  EXPECT_EQ(now.encode("</s>in", false), (ids{2, bare}));
  EXPECT_EQ(now.decode(ids{spaced, 2, bare}), "inin");
}

TEST(tokenizer_model, refuses_what_is_no_model) {
  model_folder const folder("spm_bpe");
  std::ofstream(folder.path() / "tokenizer.model") << "IQ== 0\nIg== 1\n";
  auto const e = tokenizer::read(folder.path()).error();
  EXPECT_EQ(e.code, errc::malformed);
  EXPECT_NE(e.message().find("tokenizer.model"), std::string::npos) << e;
  model_folder const other("spm_unigram");
  other.write("tokenizer_config.json", nlohmann::json::array());
  EXPECT_EQ(tokenizer::read(other.path()).error().code, errc::malformed);
}
