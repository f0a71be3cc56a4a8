"""gpuplace topo: the contract's keys, the environment, the forms."""
import json, pathlib, tempfile, unittest
from command import DATA, call, read_json


class Topology(unittest.TestCase):
    def test_every_ordered_pair_has_a_path(self):
        t = read_json("topo", "--topology", "preset:dgx-h100")
        ids = [d["id"] for d in t["devices"]]
        self.assertEqual(ids, [f"cuda:{i}" for i in range(8)])
        self.assertLessEqual({"id", "name", "host", "numa", "memory_bytes"}, t["devices"][0].keys())
        self.assertEqual(sorted((p["from"], p["to"]) for p in t["paths"]), sorted((a, b) for a in ids for b in ids if a != b))
        self.assertLessEqual({"from", "to", "kind", "bandwidth_gb_s", "latency_us"}, t["paths"][0].keys())

    def test_the_environment_hides_and_renumbers(self):
        t = read_json("topo", "--topology", "uniform:8x24GiB", env={"CUDA_VISIBLE_DEVICES": "4,5,6,7"})
        self.assertEqual([d["id"] for d in t["devices"]], [f"cuda:{i}" for i in range(4)])

    def test_reads_what_nvidia_smi_prints(self):
        for file in sorted((DATA / "topologies").glob("*.txt")):
            with self.subTest(file.name):
                done = call("topo", "--topology", file)
                self.assertEqual((done.returncode == 0, bool(done.stdout)), (True, True) if "damaged" not in file.name else (False, False), done.stderr)

    def test_reads_what_nccl_writes(self):
        for file in sorted((DATA / "topologies" / "nccl").glob("*.xml")):
            with self.subTest(file.name):
                t = read_json("topo", "--topology", file)
                self.assertIn(len(t["devices"]), (2, 8))

    def test_a_damaged_cell_is_named(self):
        path = self.enterContext(tempfile.NamedTemporaryFile("w", suffix=".txt"))
        path.write("\tGPU0\tGPU1\nGPU0\t X \tN?8\nGPU1\tNV18\t X \n")
        path.flush()
        done = call("topo", "--topology", path.name)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        for part in (path.name + ":2", "row GPU0, column GPU1", "'N?8'"):
            self.assertIn(part, done.stderr)

    def test_a_wrong_preset_is_answered_with_those_there_are(self):
        done = call("topo", "--topology", "preset:dgx-9000")
        for part in ("dgx-9000", "dgx-h100", "dgx1-v100", "rtx3060", "cpu:N"):
            self.assertIn(part, done.stderr)

    def test_a_device_that_does_not_exist_leaves_nothing_to_show(self):
        done = call("topo", "--topology", "preset:2xh100", env={"CUDA_VISIBLE_DEVICES": "7"})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("CUDA_VISIBLE_DEVICES", done.stderr)

    def test_json_comes_back_as_it_went(self):
        done = call("topo", "--topology", "preset:8xrtx3060", "--format", "json")
        path = self.enterContext(tempfile.NamedTemporaryFile("w", suffix=".json"))
        path.write(done.stdout)
        path.flush()
        self.assertEqual(call("topo", "--topology", path.name, "--format", "json").stdout, done.stdout)

    def test_this_machine_has_cpu_slots(self):
        t = read_json("topo", "--topology", "cpu:2")
        self.assertEqual([d["id"] for d in t["devices"]], ["cpu:0", "cpu:1"])
        self.assertTrue(all(d["memory_bytes"] > 0 for d in t["devices"]))

    def test_dot_draws_every_device(self):
        drawing = call("topo", "--topology", "preset:dgx1-v100", "--format", "dot").stdout
        self.assertTrue(drawing.startswith("graph") or drawing.startswith("digraph"))
        for i in range(8):
            self.assertIn(f"cuda:{i}", drawing)

    def test_measured_rates_take_the_place_of_assumed_ones(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        done = call("topo", "--topology", "cpu:2", "--probe", "--output", folder / "machine.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("measured", "assumed", "cpu:1  memory"):
            self.assertIn(part, done.stdout)
        self.assertIn("measuring cpu:0", done.stderr)
        measured = json.loads((folder / "machine.json").read_text())
        self.assertTrue(all(d["note"].startswith("measured 20") and d["memory_bandwidth_gb_s"] > 0.1 for d in measured["devices"]))
        again = call("topo", "--topology", folder / "machine.json", "--format", "json").stdout
        self.assertEqual(json.loads(again), measured)
        assumed = read_json("topo", "--topology", "cpu:2")
        plans = [read_json("plan", "--model", "preset:qwen2.5-1.5b", "--allocation", "one_group", "--partition", "even", "--topology", t)
                 for t in ("cpu:2", folder / "machine.json")]
        if measured["devices"][0]["memory_bandwidth_gb_s"] != assumed["devices"][0]["memory_bandwidth_gb_s"]:
            self.assertNotEqual(plans[0]["predicted"], plans[1]["predicted"])

    def test_only_this_machine_can_be_measured(self):
        for source in ("preset:2xh100", DATA / "topologies"):
            done = call("topo", "--topology", source, "--probe")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("only the machine", call("topo", "--topology", "preset:2xh100", "--probe").stderr)

    def test_the_json_goes_to_a_file_too(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        printed = call("topo", "--topology", "preset:2xh100", "--output", folder / "machine.json", "--format", "json").stdout
        self.assertEqual((folder / "machine.json").read_text(), printed)
        done = call("topo", "--topology", "preset:2xh100", "--output", folder / "no" / "machine.json")
        self.assertEqual((done.returncode, done.stdout), (1, ""))

    def test_what_is_no_topology_is_refused(self):
        for source in ("/nonexistent.txt", "preset:dgx-9000", "uniform:0x80GiB", "uniform:8xlots", "cpu:0", __file__):
            with self.subTest(source):
                done = call("topo", "--topology", source)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertGreater(len(done.stderr), 40)


if __name__ == "__main__":
    unittest.main()
