#include <gtest/gtest.h>

#include <gpuplace/model/model_path.hpp>
#include <string>

#include "model/temporary_folder.hpp"

using namespace gpuplace;
using testing_tools::scoped_environment;
using testing_tools::temporary_folder;

TEST(model_path, folders_and_files_are_named_after_the_folder) {
  temporary_folder const folder;
  auto const file = folder.write("tiny-llama/config.json", "{}");
  auto const name = [](std::filesystem::path const& path) { return find_model(path.string()).value().name; };
  EXPECT_EQ(name(file), "tiny-llama");
  EXPECT_EQ(name(file.parent_path()), "tiny-llama");
  EXPECT_EQ(name(file.parent_path() / ""), "tiny-llama");
  EXPECT_EQ(name(file.parent_path() / "."), "tiny-llama");
  EXPECT_EQ(find_model(file.string()).value().path, file);
}

TEST(model_path, presets_need_a_name) {
  auto const found = find_model("preset:qwen3-8b").value();
  EXPECT_TRUE(found.is_preset());
  EXPECT_EQ(found.name, "qwen3-8b");
  EXPECT_EQ(find_model("preset:").error().code, errc::invalid_argument);
}

TEST(model_path, hugging_face_names_resolve_through_the_cache) {
  temporary_folder const cache;
  cache.write("models--Org--Name-1.5B/refs/main", "abc123\n");
  cache.write("models--Org--Name-1.5B/snapshots/abc123/config.json", "{}");
  scoped_environment const set("HF_HUB_CACHE", cache.path().string());
  auto const found = find_model("Org/Name-1.5B").value();
  EXPECT_EQ(found.name, "Org/Name-1.5B");
  EXPECT_EQ(found.path, cache.path() / "models--Org--Name-1.5B/snapshots/abc123");
}

TEST(model_path, links_into_the_blobs_are_followed) {
  temporary_folder const home;
  home.write("hub/models--Org--Name/refs/main", "abc");
  home.write("hub/models--Org--Name/blobs/0123", "{}");
  auto const snapshot = home.path() / "hub/models--Org--Name/snapshots/abc";
  std::filesystem::create_directories(snapshot);
  std::filesystem::create_symlink("../../blobs/0123", snapshot / "config.json");
  scoped_environment const hub("HF_HUB_CACHE", ""), set("HF_HOME", home.path().string());
  EXPECT_EQ(find_model("Org/Name").value().path, snapshot);
}

TEST(model_path, an_absent_model_gets_the_command_that_downloads_it) {
  temporary_folder const cache;
  scoped_environment const set("HF_HUB_CACHE", cache.path().string());
  auto const e = find_model("Qwen/Qwen2.5-7B-Instruct").error();
  EXPECT_EQ(e.code, errc::not_found);
  EXPECT_NE(e.remedy.find("hf download Qwen/Qwen2.5-7B-Instruct"), std::string::npos);
  cache.write("models--Qwen--Qwen2.5-7B-Instruct/refs/main", "gone");
  EXPECT_EQ(find_model("Qwen/Qwen2.5-7B-Instruct").error().code, errc::not_found) << "a revision without its snapshot";
  cache.write("models--Qwen--Qwen2.5-7B-Instruct/refs/main", "half");
  std::filesystem::create_directories(cache.path() / "models--Qwen--Qwen2.5-7B-Instruct/snapshots/half");
  EXPECT_EQ(find_model("Qwen/Qwen2.5-7B-Instruct").error().code, errc::not_found) << "a snapshot without a config.json";
  std::filesystem::create_symlink("../../blobs/gone",
                                  cache.path() / "models--Qwen--Qwen2.5-7B-Instruct/snapshots/half/config.json");
  EXPECT_EQ(find_model("Qwen/Qwen2.5-7B-Instruct").error().code, errc::not_found) << "a link to a file that was not fetched";
  cache.write("models--Qwen--Qwen2.5-7B-Instruct/refs/main", " \n");
  EXPECT_EQ(find_model("Qwen/Qwen2.5-7B-Instruct").error().code, errc::not_found) << "an empty revision";
}

TEST(model_path, other_words_are_not_sent_to_download_anything) {
  for (char const* text : {"", "/no/such/folder", "../no-such", "a/b/c", "no-such-folder", "a b/c", "a/", "/a", "./x"}) {
    auto const e = find_model(text).error();
    EXPECT_EQ(e.code, errc::not_found) << text;
    EXPECT_EQ(e.remedy.find("hf download"), std::string::npos) << text;
  }
}

TEST(model_path, the_cache_is_where_hugging_face_puts_it) {
  scoped_environment const hub("HF_HUB_CACHE", ""), home("HF_HOME", ""), xdg("XDG_CACHE_HOME", ""), user("HOME", "/home/someone");
  EXPECT_EQ(hugging_face_cache(), "/home/someone/.cache/huggingface/hub");
  scoped_environment const xdg_set("XDG_CACHE_HOME", "/cache");
  EXPECT_EQ(hugging_face_cache(), "/cache/huggingface/hub");
  scoped_environment const home_set("HF_HOME", "/hf");
  EXPECT_EQ(hugging_face_cache(), "/hf/hub");
  scoped_environment const hub_set("HF_HUB_CACHE", "/hub");
  EXPECT_EQ(hugging_face_cache(), "/hub");
}
