"""--plugin: strategies of a shared library in plan, run and their help; what is no plugin."""
import os, pathlib, shutil, subprocess, tempfile, unittest
from command import DATA, GPUPLACE, call, read_json

FILL_FIRST, LONG_APART = os.environ["GPUPLACE_FILL_FIRST"], os.environ["GPUPLACE_LONG_APART"]
MODEL = ("--model", "preset:qwen2.5-14b", "--topology", "uniform:4x16GiB", "--allocation", "one_group")


class Plugins(unittest.TestCase):
    def test_a_partition_plans(self):
        replica, = read_json("plan", *MODEL, "--plugin", FILL_FIRST, "--partition", "fill_first")["models"][0]["replicas"]
        counts = [len(s["units"]) for s in replica["stages"]]
        self.assertEqual(sum(counts), 51)
        self.assertEqual(len(counts), 2)
        self.assertGreater(counts[0], counts[1])

    def test_the_order_of_options_does_not_matter(self):
        after = call("plan", *MODEL, "--partition", "fill_first", "--plugin", FILL_FIRST)
        self.assertEqual(after.returncode, 0, after.stderr)

    def test_several_plugins(self):
        shown = call("run", "--plugin", FILL_FIRST, "--plugin", LONG_APART, "--help").stdout
        self.assertIn("whole units on each device in turn until it is full (" + FILL_FIRST + ")", shown)
        self.assertIn("long_apart(TOKENS)", shown)
        self.assertIn("contiguous_shards", shown)
        self.assertNotIn("fill_first", call("run", "--help").stdout)

    def test_an_unknown_name_lists_those_of_the_plugin(self):
        words = call("plan", *MODEL, "--plugin", FILL_FIRST, "--partition", "fil_first").stderr
        for part in ("did you mean 'fill_first'?", "even", FILL_FIRST):
            self.assertIn(part, words)

    def test_a_router_of_a_plugin_reads_its_setting(self):
        done = call("run", "--model", DATA / "models" / "tiny_llama", "--prompt", "a", "--topology", "cpu:1", "--backend", "simulated",
                    "--plugin", LONG_APART, "--routing", "long_apart(many)")
        self.assertEqual(done.returncode, 1)
        self.assertIn("'many' is not a whole number", done.stderr)

    def test_the_same_twice_is_refused(self):
        done = call("plan", *MODEL, "--plugin", FILL_FIRST, "--plugin", FILL_FIRST)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("partition 'fill_first' is registered already by " + FILL_FIRST, done.stderr)

    def test_what_is_no_plugin(self):
        with tempfile.NamedTemporaryFile(suffix=".so") as text:
            text.write(b"not a library\n" * 100)
            text.flush()
            for file, why in (("/nonexistent.so", "no such file"), (text.name, "cannot be loaded"), (tempfile.gettempdir(), "is not a file")):
                with self.subTest(file):
                    done = call("plan", *MODEL, "--plugin", file)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertIn(file, done.stderr)
                    self.assertIn(why, done.stderr)


class TorchOnDemand(unittest.TestCase):
    def test_the_command_itself_links_no_libtorch(self):
        self.assertNotIn("libtorch", subprocess.run(["ldd", GPUPLACE], capture_output=True, text=True, check=True).stdout)

    @unittest.skipUnless((pathlib.Path(GPUPLACE).parent / "libgpuplace_torch_backend.so").exists(), "built without torch")
    def test_a_missing_torch_plugin_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            alone = shutil.copy(GPUPLACE, folder)
            done = subprocess.run([alone, "run", "--model", DATA / "models" / "tiny_llama", "--prompt", "a", "--topology", "cpu:1"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(folder + "/libgpuplace_torch_backend.so", done.stderr)
            self.assertIn("build or install it again", done.stderr)


if __name__ == "__main__":
    unittest.main()
