"""gpuplace plan --format html, as a browser shows it; and strategies beside each other."""
import pathlib, shutil, subprocess, tempfile, unittest
from command import call, read_json

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIX_TO_TWO = ("plan", "--model", "preset:qwen3-8b", "--model", "preset:qwen3-1.7b", "--topology", "preset:dgx-h100", "--allocation", "ratio(6:2)",
              "--partition", "even", "--format", "html")


def browse(page, *options):
    """What headless Chromium makes of a page."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "plan.html"
        file.write_text(page)
        done = subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", "--window-size=1180,900",
                               *(o.format(folder=folder) for o in options), file.as_uri()], capture_output=True, text=True, timeout=120)
        shot = pathlib.Path(folder) / "plan.png"
        return done.stdout, shot.read_bytes() if shot.exists() else b""


@unittest.skipUnless(BROWSER, "no chromium here: scripts/install_dependencies --for-tests installs it")
class InABrowser(unittest.TestCase):
    def test_it_shows_machine_plan_and_reasons(self):
        page = call(*SIX_TO_TWO)
        self.assertEqual(page.returncode, 0, page.stderr)
        shown, _ = browse(page.stdout, "--dump-dom")
        for part in ("GPU 0", "GPU 7", "NUMA 1", "NVSwitch · NV18", "qwen3-8b", "layers 0-5 + embedding", "bound by memory bandwidth", "room left"):
            self.assertIn(part, shown)
        self.assertEqual(shown.count("marker-end"), 6, "five hops of the target, one of the drafter")

    def test_it_shows_a_machine_alone(self):
        page = call("topo", "--topology", "preset:dgx-h100", "--format", "html")
        self.assertEqual(page.returncode, 0, page.stderr)
        shown, _ = browse(page.stdout, "--dump-dom")
        for part in ("Machine", "GPU 0", "GPU 7", "NUMA 1", "NVSwitch · NV18", "used by others"):
            self.assertIn(part, shown)
        for part in ("KV cache", "idle", "weights"):
            self.assertNotIn(part, shown[shown.index("<body"):])

    def test_the_picture_is_not_empty(self):
        _, picture = browse(call(*SIX_TO_TWO).stdout, "--screenshot={folder}/plan.png")
        self.assertTrue(picture.startswith(b"\x89PNG"))
        self.assertGreater(len(picture), 30000, "an empty page is some 5 kB")


class Comparison(unittest.TestCase):
    ARGUMENTS = ("plan", "--compare", "--model", "preset:qwen2.5-14b", "--topology", "uniform:4x24GiB")

    def test_every_partition_stands_beside_the_others_the_best_marked(self):
        done = call(*self.ARGUMENTS, "--allocation", "one_group")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertTrue(lines[1].startswith("* "), done.stdout)
        for name in ("whole", "even", "sequential", "balanced", "balanced_low_0", "optimal"):
            self.assertTrue(any(f"one_group/{name} " in line for line in lines), name)

    def test_named_pairs_as_json(self):
        rows = read_json(*self.ARGUMENTS, "--strategy", "one_group/even", "--strategy", "one_group/balanced", "--strategy", "data_parallel(4)/whole")["rows"]
        self.assertEqual(len(rows), 3)
        self.assertIn("error", rows[-1])
        by_name = {r["partition"]: r for r in rows}
        self.assertLessEqual(by_name["balanced"]["largest_bytes"], by_name["even"]["largest_bytes"])
        self.assertEqual(by_name["even"]["hops"], 3)
        self.assertTrue(all(r["least_room_bytes"] >= 0 for r in rows[:2]))

    def test_strategies_need_the_comparison(self):
        self.assertEqual(call("plan", "--model", "preset:qwen3-8b", "--strategy", "even").returncode, 2)


if __name__ == "__main__":
    unittest.main()
