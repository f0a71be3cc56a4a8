"""--config: options from a JSON file; the command line wins; what is wrong is named."""
import json, os, pathlib, tempfile, unittest
from command import DATA, call, read_json

PAIR = {"model": ["preset:qwen3-8b", "preset:qwen3-1.7b"], "topology": "uniform:8x80GiB", "allocation": "ratio(6:2)", "partition": "even"}


class Config(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def config(self, content):
        file = self.folder / "config.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    def refused(self, content, *arguments, command="plan", code=2):
        file = self.config(content)
        done = call(command, "--config", file, *arguments)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertIn(str(file), done.stderr)
        return done.stderr

    def test_a_file_says_what_the_command_line_would(self):
        file = self.config(PAIR | {"batch": 4, "context": 2048, "weights-only": False})
        stated = [a for key, value in PAIR.items() for v in (value if isinstance(value, list) else [value]) for a in ("--" + key, v)]
        self.assertEqual(read_json("plan", "--config", file), read_json("plan", *stated, "--batch", 4, "--context", 2048))

    def test_the_command_line_wins(self):
        file = self.config(PAIR | {"batch": 4, "max-memory": {"0": "40GiB", "1": "60GiB"}, "format": "text"})
        p = read_json("plan", "--model", "preset:qwen3-8b", "--allocation", "one_group", "--config", file, "--max-num-seqs", 2)
        self.assertEqual([(m["source"], m["batch"]) for m in p["models"]], [("preset:qwen3-8b", 2)])
        self.assertEqual([d["capacity_bytes"] >> 30 for d in p["devices"][:3]], [40, 60, 0])

    def test_flags(self):
        one = {"model": "preset:qwen2.5-7b", "topology": "uniform:1x80GiB"}
        self.assertEqual(read_json("plan", "--config", self.config(one | {"weights-only": True})),
                         read_json("plan", "--model", "preset:qwen2.5-7b", "--topology", "uniform:1x80GiB", "--weights-only"))
        self.assertIn("weights-only: is a flag, not \"yes\"", self.refused(one | {"weights-only": "yes"}))

    def test_one_file_for_several_commands(self):
        shared = {"model": "preset:qwen2.5-7b", "topology": "uniform:2x80GiB", "batch": 2, "plan": {"batch": 8}, "run": {"max-tokens": 24, "prompt": "a"}}
        self.assertEqual(read_json("plan", "--config", self.config(shared))["models"][0]["batch"], 8)
        self.assertIn("no option 'max-token'", self.refused(shared | {"run": {"max-token": 24}}))

    def test_the_plugins_of_a_file_are_loaded(self):
        file = self.config({"plugin": os.environ["GPUPLACE_FILL_FIRST"], "partition": "fill_first", "model": "preset:qwen2.5-14b",
                            "topology": "uniform:4x16GiB", "allocation": "one_group"})
        self.assertEqual(len(read_json("plan", "--config", file)["models"][0]["replicas"][0]["stages"]), 2)
        self.assertIn("fill_first", call("plan", "--config", file, "--help").stdout)

    def test_unknown_keys_are_named_with_the_nearest(self):
        words = self.refused(PAIR | {"alocation": "one_group"})
        self.assertIn("config.json, alocation: gpuplace plan has no option 'alocation'\n  did you mean 'allocation'?", words)
        self.assertIn("config.json, max-tokens: 'max-tokens' is no option of gpuplace plan but of gpuplace run", self.refused(PAIR | {"max-tokens": 3}))
        for key in ("help", "config", "", "--model", "m", "prompts"):
            with self.subTest(key):
                self.refused(PAIR | {key: "x"})

    def test_values_that_make_no_sense(self):
        for setting, part in (({"batch": "many"}, "batch"), ({"batch": None}, "null"), ({"batch": [1, 2]}, "batch"), ({"format": "yaml"}, "yaml"),
                              ({"batch": 1, "max-num-seqs": 2}, "by its other name"), ({"model": [["a"]]}, "model")):
            with self.subTest(setting):
                self.assertIn(part, self.refused(PAIR | setting))

    def test_files_that_are_no_configuration(self):
        self.assertIn("not valid JSON", self.refused('{"model": '))
        self.assertIn("JSON object", self.refused('["model"]'))
        self.refused("")
        missing = call("plan", "--config", "/nonexistent.json")
        self.assertEqual(missing.returncode, 2)
        self.assertIn("/nonexistent.json", missing.stderr)
        self.assertIn("--model is required", self.refused_requirement())

    def refused_requirement(self):
        done = call("plan", "--config", self.config({"topology": "cpu:1"}))
        self.assertEqual(done.returncode, 2)
        return done.stderr

    def test_prompts_of_the_command_line_replace_those_of_the_file(self):
        shared = {"model": str(DATA / "models" / "tiny_llama"), "topology": "cpu:1", "backend": "simulated", "prompts": "/nonexistent.txt"}
        done = call("run", "--config", self.config(shared), "--prompt", "a")
        self.assertIn("tokenizer.json", done.stderr)
        self.assertIn("/nonexistent.txt", call("run", "--config", self.config(shared)).stderr)


if __name__ == "__main__":
    unittest.main()
