"""gpuplace plan: the documents' pictures, the contract's keys, refusals."""
import json, unittest
from command import call, model_folder, read_json

GIB = 2**30


def layers(stage):
    return [int(u.split("layers.")[1]) for u in stage["units"] if "layers." in u]


class Pictures(unittest.TestCase):
    def setUp(self):
        self.target, self.drafter = model_folder(), model_folder(hidden_size=512, intermediate_size=1536, num_attention_heads=8)
        self.addCleanup(self.target.cleanup)
        self.addCleanup(self.drafter.cleanup)
        self.pair = ("--model", self.target.name, "--model", self.drafter.name)

    def plan(self, *arguments):
        return read_json("plan", *arguments)

    def test_six_and_two(self):
        p = self.plan(*self.pair, "--topology", "uniform:8x24GiB", "--allocation", "ratio(6:2)", "--partition", "even")
        target, drafter = (m["replicas"][0]["stages"] for m in p["models"])
        self.assertEqual([s["device"] for s in target + drafter], [f"cuda:{i}" for i in range(8)])
        self.assertEqual([layers(s) for s in target], [list(range(4 * i, 4 * i + 4)) for i in range(6)])
        self.assertEqual([layers(s) for s in drafter], [list(range(12)), list(range(12, 24))])

    def test_separate_and_same(self):
        def devices(allocation, topology):
            p = self.plan(*self.pair, "--topology", topology, "--allocation", allocation)
            return [[s["device"] for s in m["replicas"][0]["stages"]] for m in p["models"]]
        self.assertEqual(devices("separate", "uniform:2x24GiB"), [["cuda:0"], ["cuda:1"]])
        self.assertEqual(devices("same", "uniform:1x24GiB"), [["cuda:0"], ["cuda:0"]])

    def test_replicas_whole_and_split(self):
        def stages(allocation, partition):
            p = self.plan("--model", self.target.name, "--topology", "uniform:4x24GiB", "--allocation", allocation, "--partition", partition)
            return [[s["device"] for s in r["stages"]] for r in p["models"][0]["replicas"]]
        self.assertEqual(stages("data_parallel(4)", "whole"), [["cuda:0"], ["cuda:1"], ["cuda:2"], ["cuda:3"]])
        self.assertEqual(stages("data_parallel(2)", "even"), [["cuda:0", "cuda:1"], ["cuda:2", "cuda:3"]])

    def test_device_map_is_complete(self):
        done = call("plan", "--model", self.target.name, "--topology", "uniform:3x24GiB", "--allocation", "one_group", "--format", "device-map")
        modules = json.loads(done.stdout)
        self.assertEqual(modules["model.embed_tokens"], 0)
        self.assertEqual([modules[f"model.layers.{i}"] for i in range(24)], [0] * 8 + [1] * 8 + [2] * 8)
        self.assertEqual((modules["model.norm"], modules["lm_head"]), (2, 2))

    def test_text_and_dot_show_every_device(self):
        for form in ("text", "dot"):
            shown = call("plan", *self.pair, "--topology", "uniform:8x24GiB", "--allocation", "ratio(6:2)", "--format", form).stdout
            for i in range(8):
                self.assertIn(f"GPU {i}", shown)


class Contract(unittest.TestCase):
    def test_keys(self):
        p = read_json("plan", "--model", "preset:qwen3-8b", "--topology", "preset:2xh100")
        self.assertLessEqual({"schema", "models", "devices", "predicted"}, p.keys())
        self.assertLessEqual({"name", "role", "source", "fingerprint", "dtype", "quantization", "context", "batch", "coupling", "replicas"},
                             p["models"][0].keys())
        self.assertLessEqual({"group", "rank", "adapters", "endpoint", "micro_batches", "stages"}, p["models"][0]["replicas"][0].keys())
        self.assertLessEqual({"device", "units", "weight_bytes", "kv_bytes", "kv_pool_bytes", "workspace_bytes", "tensor_parallel"},
                             p["models"][0]["replicas"][0]["stages"][0].keys())
        self.assertLessEqual({"id", "host", "uuid", "pci", "physical_index", "capacity_bytes", "used_bytes"}, p["devices"][0].keys())

    def test_idle_and_excluded_devices_are_listed(self):
        p = read_json("plan", "--model", "preset:qwen2.5-7b", "--topology", "uniform:4x80GiB", "--max-memory", '{"0": "75GiB", "2": "75GiB"}')
        self.assertEqual([d["id"] for d in p["devices"]], [f"cuda:{i}" for i in range(4)])
        self.assertEqual([d["used_bytes"] > 0 for d in p["devices"]], [True, False, True, False])

    def test_both_names_of_the_demand(self):
        a = read_json("plan", "--model", "preset:qwen2.5-7b", "--topology", "uniform:1x80GiB", "--batch", 4, "--context", 2048)
        b = read_json("plan", "--model", "preset:qwen2.5-7b", "--topology", "uniform:1x80GiB", "--max-num-seqs", 4, "--max-model-len", 2048)
        self.assertEqual(a, b)
        self.assertEqual((a["models"][0]["batch"], a["models"][0]["context"]), (4, 2048))

    def test_kv_cache_is_counted(self):
        small, large = (read_json("plan", "--model", "preset:qwen2.5-7b", "--topology", "uniform:1x80GiB", "--batch", n)["devices"][0]["used_bytes"]
                        for n in (1, 8))
        # 28 layers, 4 KV heads of 128, keys and values, bf16.
        self.assertGreaterEqual(large - small, 7 * 4096 * 28 * 2 * 4 * 128 * 2)


class Refusals(unittest.TestCase):
    def refused(self, *arguments, code=1):
        done = call("plan", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_what_does_not_fit_says_what_would(self):
        words = self.refused("--model", "preset:qwen2.5-72b", "--topology", "uniform:2x24GiB", "--allocation", "one_group", "--partition", "even")
        for part in ("cuda:0", "GiB", "weights", "KV cache", "more devices"):
            self.assertIn(part, words)

    def test_too_few_devices(self):
        words = self.refused("--model", "preset:qwen3-8b", "--model", "preset:qwen3-1.7b", "--topology", "uniform:4x80GiB", "--allocation", "ratio(6:2)")
        self.assertIn("needs 8 devices, there are 4", words)

    def test_unknown_names_are_listed(self):
        base = ("--topology", "uniform:2x80GiB", "--model")
        self.assertIn("even", self.refused(*base, "preset:qwen2.5-7b", "--partition", "evenly"))
        self.assertIn("ratio", self.refused(*base, "preset:qwen2.5-7b", "--allocation", "rato(1:1)"))
        self.assertIn("qwen2.5-7b", self.refused(*base, "preset:qwen9"))
        self.assertIn("dgx-h100", self.refused("--topology", "preset:dgx", "--model", "preset:qwen2.5-7b"))

    def test_limits_that_make_no_sense(self):
        for text in ("lots", "-3GiB", '{"0": "5XB"}', '{"7": "5GiB"}'):
            self.refused("--model", "preset:qwen2.5-7b", "--topology", "uniform:2x80GiB", "--max-memory=" + text)
        self.refused("--model", "preset:qwen2.5-7b", "--topology", "uniform:2x80GiB", "--max-memory", "", code=1)

    def test_wrong_usage_exits_2(self):
        self.refused("--model", "preset:qwen2.5-7b", "--no-such-option", code=2)
        self.refused("--model", "preset:qwen2.5-7b", "--batch", "many", code=2)

    def test_files_that_are_not_models(self):
        self.assertIn("config.json", self.refused("--model", "/nonexistent"))
        with model_folder(architectures=["MambaForCausalLM"], model_type="mamba") as folder:
            self.assertIn("Mamba", self.refused("--model", folder))
        with model_folder(num_hidden_layers="many") as folder:
            self.assertIn("num_hidden_layers", self.refused("--model", folder))


if __name__ == "__main__":
    unittest.main()
