"""gpuplace plan: the documents' pictures, the contract's keys, refusals."""
import json, tempfile, unittest
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


class DeviceMaps(unittest.TestCase):
    BASE = ("--model", "preset:qwen2.5-7b", "--topology", "uniform:4x80GiB")

    def stages(self, *arguments):
        p = read_json("plan", *self.BASE, *arguments)
        return [(s["device"], len(layers(s))) for s in p["models"][0]["replicas"][0]["stages"]]

    def test_every_form(self):
        for text in ("cuda:1", "1", '{"": 1}', '{"": "cuda:1"}', "{'': 1}"):
            self.assertEqual(self.stages("--device-map", text), [("cuda:1", 28)], text)
        for text in ("cuda:0,cuda:1", '{"": [0, 1]}', "[0, 1]"):
            self.assertEqual(self.stages("--device-map", text), [("cuda:0", 14), ("cuda:1", 14)], text)
        self.assertEqual(self.stages("--device-map", "sequential"), [("cuda:0", 28)])
        self.assertEqual(self.stages("--device-map", "auto"), self.stages("--allocation", "one_group", "--partition", "balanced"))
        self.assertEqual(self.stages("--device-map", "balanced_low_0")[0][0], "cuda:1")
        self.assertEqual(self.stages("--device-map", '{"model": 0, "lm_head": 3}'), [("cuda:0", 28), ("cuda:3", 0)])

    def test_with_limits(self):
        self.assertEqual([d for d, _ in self.stages("--device-map", "sequential", "--max-memory", "8GiB,8GiB")], ["cuda:0", "cuda:1"])
        self.assertEqual(self.stages("--device-map", "{'': [0, 2]}", "--max-memory", "{0: '20GiB', 2: '20GiB'}"), [("cuda:0", 14), ("cuda:2", 14)])

    def test_a_file_that_the_command_wrote(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(call("plan", *self.BASE, "--allocation", "one_group", "--format", "device-map").stdout)
            file.flush()
            self.assertEqual(self.stages("--device-map", file.name), [(f"cuda:{i}", 7) for i in range(4)])

    def test_refusals_name_what_is_wrong(self):
        def refused(text, *more):
            done = call("plan", *self.BASE, "--device-map", text, *more)
            self.assertEqual((done.returncode, done.stdout), (1, ""), text)
            return done.stderr
        self.assertIn("host memory", refused('{"model": 0, "lm_head": "cpu"}'))
        self.assertIn("disk", refused('{"model": 0, "lm_head": "disk"}'))
        self.assertIn("mps", refused("mps"))
        self.assertIn("there is no device cuda:9", refused("cuda:9"))
        self.assertIn("did you mean 'model.layers'?", refused('{"": 0, "model.layer": 1}'))
        completed = refused('{"model": 0}')
        self.assertIn("does not place lm_head", completed)
        self.assertIn('{"model": 0, "lm_head": 0}', completed)
        self.assertIn("--max-memory leaves out", refused("cuda:1", "--max-memory", '{"0": "70GiB"}'))

    def test_a_comparison_refuses_what_it_would_pass_over(self):
        for option in (("--device-map", "0"), ("--reorder",), ("--explain",)):
            self.assertEqual(call("plan", *self.BASE, "--compare", *option).returncode, 2, option)
        drawn = call("plan", *self.BASE, "--compare", "--format", "html")
        self.assertEqual((drawn.returncode, drawn.stdout), (1, ""))
        self.assertIn("no format html", drawn.stderr)

    def test_it_stands_for_the_partition(self):
        self.assertEqual(call("plan", *self.BASE, "--device-map", "0", "--partition", "even").returncode, 2)


class Defaults(unittest.TestCase):
    def replicas(self, *arguments):
        p = read_json("plan", *arguments)
        return [[[s["device"] for s in r["stages"]] for r in m["replicas"]] for m in p["models"]], p["notes"]

    def test_small_models_are_copied_large_ones_split(self):
        small, notes = self.replicas("--model", "preset:qwen2.5-7b", "--topology", "uniform:4x80GiB")
        self.assertEqual(small, [[[f"cuda:{i}"] for i in range(4)]])
        self.assertIn("allocation data_parallel(4)", notes[0])
        self.assertIn("also considered data_parallel(2)", notes[0])
        large, notes = self.replicas("--model", "preset:qwen2.5-72b", "--topology", "uniform:4x80GiB")
        self.assertEqual(large, [[["cuda:0", "cuda:1"], ["cuda:2", "cuda:3"]]])
        self.assertIn("data_parallel(4) (does not fit)", notes[0])

    def test_explain_names_the_losers(self):
        done = call("plan", "--model", "preset:qwen2.5-7b", "--topology", "uniform:4x80GiB", "--explain")
        self.assertIn("also considered data_parallel(2)", done.stdout)


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
