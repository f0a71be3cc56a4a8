#include <cli/doctor/examine.hpp>
#include <cli/doctor/run_briefly.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

using namespace gpuplace;
using namespace gpuplace::cli;
namespace fs = std::filesystem;

namespace {

/// Two H100s as they should be, on a machine with all that a run needs.
doctor_facts healthy() {
  using access = topology::gpu_pair_facts::access;
  doctor_facts facts;
  for (int i = 0; i < 2; ++i)
    facts.gpus.gpus.push_back({.index = i,
                               .name = "NVIDIA H100 80GB HBM3",
                               .total = 80_GiB,
                               .free = 79_GiB,
                               .sm = 90,
                               .nvlinks = {{.to = topology::nvlink_facts::end::nvswitch, .links = 18}}});
  facts.gpus.pairs.assign(2, std::vector<topology::gpu_pair_facts>(2, {path_kind::sys, access::yes}));
  facts.gpus.driver = "580.65.06";
  facts.gpus.cuda = 13000;
  facts.visible = std::vector<std::string>{"cuda:0", "cuda:1"};
  facts.cuda_built = true;
  facts.cuda_version = 13000;
  facts.torch = result<void>();
  facts.ports = {{8001, false, 0, ""}, {8002, false, 0, ""}};
  facts.vllm = std::string("0.11.0");
  facts.model = "a model";
  facts.opened = std::string("a model: 2 layers");
  facts.cache = {"/cache", true, true, 500_GiB};
  facts.here = {"/here", true, true, 500_GiB};
  return facts;
}

finding one(doctor_facts const& facts, std::string const& name) {
  auto const all = examine(facts);
  auto const at = std::ranges::find(all, name, &finding::name);
  EXPECT_NE(at, all.end()) << name;
  return at == all.end() ? finding{} : *at;
}
bool has(finding const& f, std::string const& part) { return (f.found + f.remedy).find(part) != std::string::npos; }

/// A folder that looks like /proc.
struct made_up_proc {
  fs::path folder = fs::temp_directory_path() / "gpuplace_doctor_test_proc";
  made_up_proc() {
    fs::remove_all(folder);
    fs::create_directories(folder / "net");
    fs::create_directories(folder / "77" / "fd");
    fs::create_directories(folder / "78" / "fd");
    fs::create_directories(folder / "self");
    std::ofstream(folder / "net" / "tcp")
        << "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
           "   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 555 1 0 100 0 0 10 0\n"
           "   1: 0100007F:1F42 0100007F:1F41 01 00000000:00000000 00:00000000 00000000     0        0 556 1 0 100 0 0 10 0\n"
           "a broken line\n";
    std::ofstream(folder / "net" / "tcp6")
        << "  sl  local_address\n"
           "   0: 00000000000000000000000000000000:1F43 00000000000000000000000000000000:0000 0A 00000000:00000000 "
           "00:00000000 00000000 0 0 557 1 0 100 0 0 10 0\n";
    std::ofstream(folder / "77" / "comm") << "vllm\n";
    fs::create_symlink("socket:[554]", folder / "78" / "fd" / "1");
    fs::create_symlink("/dev/null", folder / "77" / "fd" / "0");
    fs::create_symlink("socket:[555]", folder / "77" / "fd" / "3");
  }
  ~made_up_proc() { fs::remove_all(folder); }
};

}  // namespace

TEST(doctor, finds_nothing_wrong_with_a_healthy_machine) {
  for (auto const& f : examine(healthy())) EXPECT_EQ(f.how, verdict::ok) << f.name << ": " << f.found;
}

TEST(doctor, a_machine_without_gpus_is_no_fault) {
  doctor_facts facts;
  facts.cache = facts.here = healthy().here;
  facts.vllm = error{errc::not_found, "no such program", "python3", {}};
  for (auto const& f : examine(facts)) EXPECT_TRUE(f.how == verdict::ok || f.how == verdict::skip) << f.name << ": " << f.found;
  EXPECT_TRUE(has(one(facts, "driver"), "cpu:N"));
  EXPECT_EQ(one(facts, "vLLM").how, verdict::skip);
}

TEST(doctor, every_warning_and_failure_says_what_to_do) {
  auto facts = healthy();
  facts.gpus.driver = "570.10";
  facts.gpus.cuda = 12080;
  facts.gpus.gpus[1].free = 20_GiB;
  facts.gpus.gpus[0].sm = 75;
  facts.gpus.gpus[0].nvlinks[0].links = 9;
  facts.gpus.gpus[1].mig = true;
  facts.gpus.pairs[0][1].peer_access = topology::gpu_pair_facts::access::no;
  facts.visible = std::vector<std::string>{};
  facts.cuda_built = false;
  facts.ports[0].taken = true;
  facts.vllm = error{errc::timed_out, "no answer", "python3", {}};
  facts.cache.writable = false;
  facts.here.free = 1_GiB;
  std::size_t troubles = 0;
  for (auto const& f : examine(facts)) {
    if (f.how != verdict::warn && f.how != verdict::fail) continue;
    ++troubles;
    EXPECT_FALSE(f.remedy.empty()) << f.name;
  }
  EXPECT_GE(troubles, 12u);
}

TEST(doctor, holds_the_driver_against_the_build) {
  auto facts = healthy();
  EXPECT_TRUE(has(one(facts, "driver"), "series 580"));
  facts.gpus.driver = "570.133.20";
  facts.gpus.cuda = 12080;
  EXPECT_EQ(one(facts, "driver").how, verdict::fail);
  EXPECT_TRUE(has(one(facts, "driver"), "12.8"));
  EXPECT_TRUE(has(one(facts, "driver"), "13.0"));
  facts.gpus.cuda = 0;  // where the driver does not tell, its number does
  EXPECT_EQ(one(facts, "driver").how, verdict::fail);
  facts.gpus.driver = "590.1";
  EXPECT_EQ(one(facts, "driver").how, verdict::ok);
  facts.cuda_version = 12080;
  facts.gpus.driver = "535.1";
  EXPECT_EQ(one(facts, "driver").how, verdict::ok);
  facts.cuda_version = 0;
  EXPECT_EQ(one(facts, "driver").how, verdict::ok);
}

TEST(doctor, tells_a_driver_without_its_library_from_none) {
  doctor_facts facts;
  EXPECT_EQ(one(facts, "driver").how, verdict::skip);
  facts.driver_loaded = true;
  EXPECT_EQ(one(facts, "driver").how, verdict::fail);
  EXPECT_TRUE(has(one(facts, "driver"), "libnvidia-ml.so.1"));
  facts.gpus.notes = {"GPUs are not read, NVML does not start: Driver/library version mismatch; try nvidia-smi"};
  EXPECT_TRUE(has(one(facts, "driver"), "mismatch"));
}

TEST(doctor, names_those_who_hold_memory) {
  auto facts = healthy();
  facts.gpus.gpus[1].free = 50_GiB;
  EXPECT_TRUE(has(one(facts, "memory 1"), "cannot be seen"));
  facts.gpus.gpus[1].owners = {{4242, "trainer", 29_GiB}};
  auto const f = one(facts, "memory 1");
  EXPECT_EQ(f.how, verdict::warn);
  for (auto const* part : {"50.0 GiB of 80.0 GiB", "pid 4242", "trainer", "29.0 GiB"}) EXPECT_TRUE(has(f, part)) << f.found;
  EXPECT_EQ(one(facts, "memory 0").how, verdict::ok);
}

TEST(doctor, looks_at_cards_links_and_slices) {
  auto facts = healthy();
  facts.gpus.gpus[0].sm = 75;
  EXPECT_TRUE(has(one(facts, "GPU 0"), "no bf16"));
  facts.gpus.gpus[1].nvlinks[0].links = 17;
  EXPECT_TRUE(has(one(facts, "NVLink"), "GPU 1: 17 of 18"));
  facts.gpus.pairs[0][1].peer_access = topology::gpu_pair_facts::access::no;
  EXPECT_TRUE(has(one(facts, "P2P"), "1 of 1"));
  facts.gpus.gpus[1].mig = true;
  facts.gpus.gpus[1].slices.resize(3);
  EXPECT_TRUE(has(one(facts, "MIG"), "GPU 1 in 3 slices"));
  facts.gpus.notes = {"GPU 2 is left out: GPU is lost"};
  EXPECT_EQ(one(facts, "GPUs").how, verdict::warn);
}

TEST(doctor, passes_on_what_other_parts_say) {
  auto facts = healthy();
  error const why{errc::unreadable, "it is damaged", "a place", "fetch it again"};
  facts.opened = why;
  facts.torch = result<void>(why);
  facts.cuda = why;
  facts.visible = why;
  for (auto const* name : {"model", "torch", "CUDA", "visible"})
    EXPECT_EQ(one(facts, name), (finding{verdict::fail, name, "a place: it is damaged", "fetch it again"}));
}

TEST(doctor, writes_text_and_json) {
  std::vector<finding> const some{{verdict::ok, "driver", "580", ""}, {verdict::warn, "port 8001", "taken", "end it"}};
  EXPECT_EQ(to_text(some),
            "ok    driver     580\n"
            "warn  port 8001  taken; end it\n"
            "2 checks: 1 ok, 1 warn, 0 fail, 0 skip\n");
  auto const j = nlohmann::json::parse(to_json(some));
  EXPECT_EQ(j["checks"][1],
            (nlohmann::json{{"check", "port 8001"}, {"verdict", "warn"}, {"found", "taken"}, {"remedy", "end it"}}));
  EXPECT_EQ(j["warn"], 1);
}

TEST(parse_ports, reads_ranges_and_lists) {
  EXPECT_EQ(parse_ports("8001-8003").value(), (std::vector<int>{8001, 8002, 8003}));
  EXPECT_EQ(parse_ports("80,8001-8002,65535").value(), (std::vector<int>{80, 8001, 8002, 65535}));
  for (auto const* text : {"", "x", "8001-", "-8001", "8002-8001", "0", "65536", "1,,2", "80 81", "1-65535", "99999999999"})
    EXPECT_FALSE(parse_ports(text)) << text;
}

TEST(port_list, is_what_parse_ports_reads) {
  for (std::string const text : {"8001-8008", "1, 3-4, 9"}) {
    std::string plain = text;
    std::erase(plain, ' ');
    EXPECT_EQ(port_list(parse_ports(plain).value()), text);
  }
  EXPECT_EQ(port_list({}), "");
}

TEST(look_at_ports, finds_who_listens) {
  made_up_proc const proc;
  EXPECT_EQ(look_at_ports({8001, 8002, 8003, 8004}, proc.folder),
            (std::vector<port_state>{{8001, true, 77, "vllm"}, {8002, false, 0, ""}, {8003, true, 0, ""}, {8004, false, 0, ""}}));
  EXPECT_FALSE(look_at_ports({8001}, "/nonexistent").front().taken);
}

TEST(run_briefly, gives_the_output_or_says_what_was_wrong) {
  using std::chrono::milliseconds;
  EXPECT_EQ(run_briefly({"echo", "two words"}, milliseconds(5000)).value(), "two words\n");
  EXPECT_EQ(run_briefly({"no-such-program-here"}, milliseconds(5000)).error().code, errc::not_found);
  EXPECT_EQ(run_briefly({"false"}, milliseconds(5000)).error().code, errc::unavailable);
  EXPECT_EQ(run_briefly({"sleep", "60"}, milliseconds(50)).error().code, errc::timed_out);
}
