#include <gpuplace/plan/json.hpp>

#include <gtest/gtest.h>

#include "plans.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

using namespace gpuplace;
using nlohmann::ordered_json;

namespace {

/// The error of the 6:2 plan after a hand has edited its JSON.
error refused(std::function<void(ordered_json&)> const& edit) {
  auto json = to_json(plans::six_to_two());
  edit(json);
  auto const read = parse_plan(json.dump(), "plan.json");
  return read ? error{errc::invalid_argument, "read without an error", {}, {}} : read.error();
}

std::vector<std::string> keys_of(ordered_json const& object) {
  std::vector<std::string> keys;
  for (auto const& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

TEST(plan_json, any_plan_survives_a_round_trip) {
  plans::random_plans random(7);
  for (int i = 0; i < 150; ++i) {
    auto const p = random.next();
    for (int const indent : {-1, 0, 2}) {
      auto const read = parse_plan(to_json_text(p, indent));
      ASSERT_TRUE(read) << read.error() << to_json_text(p);
      ASSERT_EQ(*read, p) << to_json_text(p) << to_json_text(*read);
    }
  }
}

TEST(plan_json, keys_come_in_the_documented_order) {
  auto const json = to_json(plans::six_to_two());
  EXPECT_EQ(keys_of(json), (std::vector<std::string>{"schema", "models", "devices", "predicted", "notes"}));
  EXPECT_EQ(keys_of(json["models"][0]),
            (std::vector<std::string>{"name", "role", "source", "fingerprint", "dtype", "quantization", "context", "batch",
                                      "coupling", "tied_embeddings", "tied_head", "replicas"}));
  EXPECT_EQ(keys_of(json["models"][0]["replicas"][0]),
            (std::vector<std::string>{"group", "rank", "adapters", "endpoint", "micro_batches", "stages"}));
  EXPECT_EQ(keys_of(json["models"][0]["replicas"][0]["stages"][0]),
            (std::vector<std::string>{"device", "units", "weight_bytes", "kv_bytes", "kv_pool_bytes", "workspace_bytes",
                                      "tensor_parallel"}));
  EXPECT_EQ(keys_of(json["devices"][0]),
            (std::vector<std::string>{"id", "host", "name", "uuid", "pci", "physical_index", "capacity_bytes", "used_bytes"}));
}

TEST(plan_json, indented_text_is_the_same_json_with_units_on_one_line) {
  auto const p = plans::six_to_two();
  auto const text = to_json_text(p);
  EXPECT_EQ(ordered_json::parse(text), to_json(p));
  EXPECT_NE(text.find(R"(["model.layers.4", "model.layers.5", "model.layers.6", "model.layers.7"])"), text.npos);
  EXPECT_EQ(to_json_text(p, -1), to_json(p).dump() + "\n");
}

TEST(plan_json, above_256_replicas_equal_ones_are_stored_once) {
  auto const few = plans::copies(256);
  EXPECT_EQ(to_json(few)["models"][0]["replicas"].size(), 256U);
  auto many = plans::copies(1000);
  many.models[0].replicas[500].rank = 1;
  many.models[0].replicas[501].extra["x-note"] = "1";
  auto const json = to_json(many);
  auto const& entries = json["models"][0]["replicas"];
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0]["copies"].size(), 499U);
  EXPECT_EQ(entries[0]["copies"][0], ordered_json::parse(R"(["cuda:1"])"));
  EXPECT_FALSE(entries[1].contains("copies"));
  EXPECT_EQ(parse_plan(to_json_text(many)).value(), many);
  EXPECT_LT(to_json_text(many).size(), to_json_text(few).size() * 2);
}

TEST(plan_json, copies_are_checked_like_stages) {
  auto const wrong = [](ordered_json const& copies) {
    auto json = to_json(plans::six_to_two());
    json["models"][1]["replicas"][0]["copies"] = copies;
    auto const read = parse_plan(json.dump(), "plan.json");
    return read ? std::string("read") : read.error().message();
  };
  EXPECT_EQ(wrong(ordered_json::parse(R"([["cuda:0", "cuda:1"]])")), "read");
  EXPECT_NE(wrong(ordered_json::parse(R"([["cuda:0"]])")).find("models[1].replicas[0].copies[0]: is no list of as many devices"),
            std::string::npos);
  EXPECT_NE(wrong(ordered_json::parse(R"([["cuda:0", "cuda:99"]])")).find("copies[0][1]: 'cuda:99' is not in"), std::string::npos);
  EXPECT_NE(wrong(ordered_json::parse(R"([["cuda:0", 1]])")).find("not a string"), std::string::npos);
  EXPECT_NE(wrong(ordered_json::parse(R"([["cuda:0", "gpu"]])")).find("is not a device"), std::string::npos);
  EXPECT_NE(wrong(3).find("not a list"), std::string::npos);
  ordered_json endless = ordered_json::array();
  for (int i = 0; i < 300'000; ++i) endless.push_back({"cuda:0", "cuda:1"});
  EXPECT_NE(wrong(endless).find("more than 4000000 units"), std::string::npos);
}

TEST(plan_json, quantised_weights_name_what_is_computed_with_too) {
  auto p = plans::six_to_two();
  p.models[0].type = dtype::int4;
  auto const json = to_json(p);
  EXPECT_EQ(json["models"][0]["dtype"], "bf16");
  EXPECT_EQ(json["models"][0]["quantization"], "int4");
  EXPECT_TRUE(json["models"][1]["quantization"].is_null());
}

TEST(plan_json, unknown_keys_stay_at_every_level_and_never_replace_known_ones) {
  auto json = to_json(plans::six_to_two());
  auto const strange = ordered_json::parse(R"({"by":["hand",{"b":1}],"c":null})");
  auto& model = json["models"][0];
  model["replicas"][0]["stages"][2]["x-mine"] = strange;  // the innermost first: a new key moves its neighbours
  model["replicas"][0]["x-mine"] = strange;
  model["x-mine"] = strange;
  json["devices"][3]["x-mine"] = strange;
  json["predicted"]["x-mine"] = strange;
  json["x-mine"] = strange;
  auto p = parse_plan(json.dump()).value();
  EXPECT_EQ(to_json(p), json);
  p.extra["models"] = "[]";
  p.extra["x-text"] = "not JSON";
  auto const written = to_json(p);
  EXPECT_EQ(written["models"], json["models"]);
  EXPECT_EQ(written["x-text"], "not JSON");
}

TEST(plan_json, what_no_json_can_hold_becomes_unknown_or_is_replaced) {
  auto p = plans::six_to_two();
  p.predicted = {{.role = "target", .decode_step = seconds{std::numeric_limits<double>::infinity()}}};
  p.models[0].source = "bad \xff path";
  auto const read = parse_plan(to_json_text(p));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->predicted[0].decode_step.count(), 0);
  EXPECT_EQ(read->models[0].source, "bad \xef\xbf\xbd path");
}

TEST(plan_json, optional_keys_may_be_left_out) {
  auto const read =
      parse_plan(R"({"schema": "gpuplace.plan/1", "devices": [{"id": "cpu:0", "capacity_bytes": 100}], "models": [{"role": "model",
    "dtype": "float16", "context": 16, "batch": 1, "replicas": [{"stages": [{"device": "cpu:0", "units": ["model.norm"], "weight_bytes": 1,
    "kv_bytes": 2, "kv_pool_bytes": 3, "workspace_bytes": 4}]}]}]})");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->models[0].type, dtype::fp16);
  EXPECT_EQ(read->models[0].replicas[0].stages[0].used_bytes(), 7_B);
  EXPECT_EQ(read->devices[0].physical_index, -1);
}

struct slip {
  char const* what;
  std::function<void(ordered_json&)> edit;
  errc code;
  std::string where;
  std::string says;
};

ordered_json& stage_at(ordered_json& json, int s) { return json["models"][0]["replicas"][0]["stages"][s]; }

TEST(plan_json, every_slip_of_a_hand_is_an_error_that_names_the_place) {
  std::string const stages = "models[0].replicas[0].stages";
  slip const slips[] = {
      {"no schema", [](auto& j) { j.erase("schema"); }, errc::malformed, "", "has no 'schema'"},
      {"schema", [](auto& j) { j["schema"] = "gpuplace.plan/9"; }, errc::unsupported, "schema", "gpuplace.plan/9"},
      {"no models", [](auto& j) { j.erase("models"); }, errc::malformed, "", "has no 'models'"},
      {"models", [](auto& j) { j["models"] = 3; }, errc::malformed, "models", "is 3, not a list"},
      {"model", [](auto& j) { j["models"][1] = "x"; }, errc::malformed, "models[1]", "not an object"},
      {"role", [](auto& j) { j["models"][1]["role"] = 1; }, errc::malformed, "models[1].role", "not a string"},
      {"dtype", [](auto& j) { j["models"][0]["dtype"] = "int4"; }, errc::malformed, "models[0].dtype", "int4"},
      {"quantization", [](auto& j) { j["models"][0]["quantization"] = "int5"; }, errc::malformed, "models[0].quantization", "int5"},
      {"both", [](auto& j) { j["models"][0]["quantization"] = "int8", j["models"][0]["dtype"] = "fp32"; }, errc::unsupported,
       "models[0].dtype", "fp32"},
      {"context", [](auto& j) { j["models"][0]["context"] = 4096.5; }, errc::malformed, "models[0].context", "whole number"},
      {"batch", [](auto& j) { j["models"][0]["batch"] = -1; }, errc::malformed, "models[0].batch", "is -1"},
      {"coupling", [](auto& j) { j["models"][0]["coupling"] = "close"; }, errc::malformed, "models[0].coupling", "close"},
      {"head", [](auto& j) { j["models"][0]["tied_head"] = "both"; }, errc::malformed, "models[0].tied_head", "both"},
      {"tied", [](auto& j) { j["models"][0]["tied_embeddings"] = 1; }, errc::malformed, "models[0].tied_embeddings",
       "true or false"},
      {"no replica", [](auto& j) { j["models"][0]["replicas"].clear(); }, errc::malformed, "models[0].replicas", "empty"},
      {"rank", [](auto& j) { j["models"][0]["replicas"][0]["rank"] = 1e30; }, errc::malformed, "models[0].replicas[0].rank",
       "whole number"},
      {"adapter", [](auto& j) { j["models"][0]["replicas"][0]["adapters"] = {"a", 2}; }, errc::malformed,
       "models[0].replicas[0].adapters[1]", "is 2"},
      {"micro", [](auto& j) { j["models"][0]["replicas"][0]["micro_batches"] = 0; }, errc::malformed,
       "models[0].replicas[0].micro_batches", "is 0"},
      {"no stage", [](auto& j) { j["models"][0]["replicas"][0]["stages"].clear(); }, errc::malformed, stages, "empty"},
      {"device", [](auto& j) { stage_at(j, 2)["device"] = "cuda:9"; }, errc::not_found, stages + "[2].device",
       "'cuda:9' is not in \"devices\""},
      {"name", [](auto& j) { stage_at(j, 2)["device"] = "gpu7"; }, errc::malformed, stages + "[2].device", "gpu7"},
      {"no units", [](auto& j) { stage_at(j, 1)["units"].clear(); }, errc::malformed, stages + "[1].units", "empty"},
      {"no name", [](auto& j) { stage_at(j, 1)["units"][0] = ""; }, errc::malformed, stages + "[1].units[0]", "empty"},
      {"twice", [](auto& j) { stage_at(j, 3)["units"][1] = "model.layers.4"; }, errc::malformed, stages + "[3].units[1]",
       stages + "[1].units[0]"},
      {"no bytes", [](auto& j) { stage_at(j, 0).erase("kv_bytes"); }, errc::malformed, stages + "[0]", "has no 'kv_bytes'"},
      {"negative", [](auto& j) { stage_at(j, 0)["weight_bytes"] = -5; }, errc::malformed, stages + "[0].weight_bytes", "is -5"},
      {"huge", [](auto& j) { stage_at(j, 0)["weight_bytes"] = 18446744073709551615u; }, errc::malformed,
       stages + "[0].weight_bytes", "whole number"},
      {"pool", [](auto& j) { stage_at(j, 0)["kv_pool_bytes"] = 1; }, errc::malformed, stages + "[0].kv_pool_bytes",
       "less than kv_bytes"},
      {"parallel", [](auto& j) { stage_at(j, 0)["tensor_parallel"] = "2"; }, errc::malformed, stages + "[0].tensor_parallel",
       "is \"2\""},
      {"two devices", [](auto& j) { j["devices"][1]["id"] = "cuda:0"; }, errc::malformed, "devices[1]", "twice"},
      {"host", [](auto& j) { j["devices"][1]["host"] = "node2"; }, errc::malformed, "devices[1].host", "node2"},
      {"capacity", [](auto& j) { j["devices"][1].erase("capacity_bytes"); }, errc::malformed, "devices[1]", "capacity_bytes"},
      {"predicted", [](auto& j) { j["predicted"] = {1}; }, errc::malformed, "predicted", "a list"},
      {"time", [](auto& j) { j["predicted"]["models"] = {{{"role", "target"}, {"prefill_s", -1}}}; }, errc::malformed,
       "predicted.models[0].prefill_s", "is -1"},
      {"notes", [](auto& j) { j["notes"] = "none"; }, errc::malformed, "notes", "not a list"},
  };
  for (auto const& s : slips) {
    auto const e = refused(s.edit);
    EXPECT_EQ(e.code, s.code) << s.what << ": " << e;
    EXPECT_EQ(e.where, s.where.empty() ? "plan.json" : "plan.json: " + s.where) << s.what << ": " << e;
    EXPECT_NE(e.what.find(s.says), std::string::npos) << s.what << ": " << e;
    EXPECT_FALSE(e.remedy.empty()) << s.what << ": " << e;
  }
}

TEST(plan_json, broken_text_names_the_line) {
  auto const read = parse_plan("{\n  \"schema\": \"gpuplace.plan/1\"\n  \"models\": []\n}", "plan.json");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, errc::malformed);
  EXPECT_EQ(read.error().where, "plan.json:3");
  EXPECT_EQ(parse_plan("", "plan.json").error().where, "plan.json:1");
}

TEST(plan_json, a_key_twice_and_endless_nesting_are_refused) {
  EXPECT_NE(parse_plan(R"({"schema": "a", "models": [], "schema": "b"})").error().what.find("'schema' twice"), std::string::npos);
  EXPECT_TRUE(parse_plan(R"({"schema":"gpuplace.plan/1","models":[],"devices":[],"a":{"k":1},"b":[{"k":1},{"k":2}]})"));
  for (char const* const open : {"[", "{\"a\":"}) {
    std::string deep = R"({"schema":"gpuplace.plan/1","models":[],"devices":[],"x":)";
    for (int i = 0; i < 200000; ++i) deep += open;
    EXPECT_EQ(parse_plan(deep).error().code, errc::malformed);
  }
}

TEST(plan_json, no_corruption_crashes_the_reader) {
  auto const text = to_json_text(plans::six_to_two());
  plans::random_plans random(11);
  std::string const pieces = "{}[]\",:0-9eE.x\\ \n\xff";
  int read_all_the_same = 0;
  for (int i = 0; i < 800; ++i) {
    auto broken = text;
    for (int n = random.number(1, 3); n > 0; --n) {
      auto const at = static_cast<std::size_t>(random.number(0, static_cast<int>(broken.size()) - 1));
      switch (random.number(0, 3)) {
        case 0: broken[at] = pieces[static_cast<std::size_t>(random.number(0, static_cast<int>(pieces.size()) - 1))]; break;
        case 1: broken.erase(at, static_cast<std::size_t>(random.number(1, 40))); break;
        case 2: broken.resize(at + 1); break;
        default: broken.insert(at, broken.substr(static_cast<std::size_t>(random.number(0, static_cast<int>(at))), 60));
      }
    }
    auto const read = parse_plan(broken);
    if (!read) {
      ASSERT_FALSE(read.error().what.empty());
      continue;
    }
    ++read_all_the_same;
    ASSERT_EQ(parse_plan(to_json_text(*read)).value(), *read);
  }
  EXPECT_GT(read_all_the_same, 0);
}

TEST(plan_json, files_are_read_and_their_absence_said) {
  auto const path = std::filesystem::temp_directory_path() / "gpuplace_plan_json_test.json";
  std::ofstream(path) << to_json_text(plans::copies(3));
  EXPECT_EQ(read_plan(path).value(), plans::copies(3));
  std::filesystem::remove(path);
  EXPECT_EQ(read_plan(path).error().code, errc::not_found);
}

}  // namespace
