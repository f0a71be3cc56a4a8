"""topo --probe and doctor on a machine with two H100s: made-up libraries stand in for NVIDIA's driver and for what measures."""
import json, os, pathlib, shutil, subprocess, tempfile, unittest
from lost_device_command_test import small_model

GPUPLACE = pathlib.Path(os.environ["GPUPLACE"])
NVML, PROBE = os.environ.get("GPUPLACE_FAKE_NVML", ""), os.environ.get("GPUPLACE_FAKE_PROBE", "")


@unittest.skipUnless(NVML and PROBE and (GPUPLACE.parent / "libgpuplace_cuda_probe.so").exists(), "built without CUDA")
class TwoCards(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        shutil.copy(GPUPLACE, cls.folder)  # a command looks for its libraries beside itself
        shutil.copy(PROBE, cls.folder / "libgpuplace_cuda_probe.so")
        (cls.folder / "libnvidia-ml.so.1").symlink_to(NVML)

    def call(self, *arguments, env={}):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CUDA_")} | {"LD_LIBRARY_PATH": str(self.folder)} | env
        return subprocess.run([self.folder / "gpuplace", *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=120)

    def measured(self, env={}):
        done = self.call("topo", "--probe", "--format", "json", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_every_card_and_pair_is_measured(self):
        t = self.measured()
        self.assertEqual([d["memory_bandwidth_gb_s"] for d in t["devices"]], [3000, 2999])
        self.assertEqual([(d["from_host_gb_s"], d["to_host_gb_s"], d["peak_bf16_tflops"], d["peak_fp32_tflops"]) for d in t["devices"]],
                         [(55, 54, 700, 50)] * 2)
        self.assertEqual({(p["kind"], p["nvlinks"], p["bandwidth_gb_s"], p["latency_us"]) for p in t["paths"]}, {("nvlink", 18, 300, 10)})

    def test_measured_is_shown_beside_assumed(self):
        text = self.call("topo", "--probe").stdout
        for part in ("3000 GB/s", "3350 GB/s", "cuda:0 and cuda:1  NV18", "300 GB/s", "371 GB/s", "--output FILE"):
            self.assertIn(part, text)

    def test_cards_are_found_by_their_slot(self):
        t = self.measured(env={"CUDA_VISIBLE_DEVICES": "1"})
        self.assertEqual([(d["id"], d["memory_bandwidth_gb_s"]) for d in t["devices"]], [("cuda:0", 2999)])

    def test_a_card_that_cannot_be_measured_keeps_what_was_assumed(self):
        t = self.measured(env={"FAKE_PROBE_FAILS": "1"})
        self.assertEqual([d["memory_bandwidth_gb_s"] for d in t["devices"]], [3000, 3350])
        self.assertTrue(any("cuda:1 was not measured: out of memory" in note for note in t["notes"]), t["notes"])

    def test_products_need_cublas_and_the_rest_does_not(self):
        done = self.call("topo", "--probe", "--format", "json", env={"FAKE_PROBE_HAS_NO_CUBLAS": "1"})
        self.assertIn("products on cuda:0 were not measured: libcublasLt is not found", done.stderr)
        first = json.loads(done.stdout)["devices"][0]
        self.assertEqual((first["memory_bandwidth_gb_s"], first["peak_bf16_tflops"]), (3000, 989.4))

    def test_the_command_fails_where_nothing_can_be_measured(self):
        done = self.call("topo", "--probe", env={"FAKE_PROBE_FAILS": "0", "CUDA_VISIBLE_DEVICES": "0"})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("out of memory", done.stderr)

    def checks(self, env={}):
        return {c["check"]: c for c in json.loads(self.call("doctor", "--format", "json", env=env).stdout)["checks"]}

    def test_a_run_tells_how_busy_its_cards_were(self):
        model = small_model(self.folder)
        done = self.call("run", "--model", model, "--prompt", "one", "--prompt", "two", "--raw", "--ignore-eos", "--max-tokens", 900,
                         "--allocation", "data_parallel(2)", "--plugin", os.environ["GPUPLACE_LOSING_BACKEND"], "--backend", "losing(cuda:9,0)",
                         env={"NCCL_DEBUG": "INFO", "NCCL_P2P_DISABLE": "1", "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("cuda:0: busy 37 % of the time, at most 1.0 GiB of 80.0 GiB in use; it waited between steps", done.stderr)
        self.assertIn("cuda:1: busy 38 % of the time, at most 30.0 GiB of 80.0 GiB in use; ", done.stderr)
        self.assertIn("| cuda:0 37 % 1.0 GiB  cuda:1 38 % 30.0 GiB", done.stderr)
        notes = [line for line in done.stderr.splitlines() if line.startswith("note: ") and "no effect" in line]
        self.assertEqual(len(notes), 2, notes)

    def test_the_doctor_knows_the_cards(self):
        found = self.checks()
        for check in ("driver", "GPU 0", "GPU 1", "visible", "MIG", "P2P", "NVLink", "memory 0", "CUDA"):
            self.assertEqual(found[check]["verdict"], "ok", found[check])
        self.assertIn("580.65.06", found["driver"]["found"])
        self.assertEqual(found["memory 1"]["verdict"], "warn")
        self.assertIn("pid 4242", found["memory 1"]["found"])

    def test_the_doctor_sees_what_the_environment_hides(self):
        self.assertIn("CUDA_VISIBLE_DEVICES=1: cuda:0", self.checks(env={"CUDA_VISIBLE_DEVICES": "1"})["visible"]["found"])
        self.assertEqual(self.checks(env={"CUDA_VISIBLE_DEVICES": "7"})["visible"]["verdict"], "warn")
        self.assertEqual(self.checks(env={"CUDA_VISIBLE_DEVICES": "0,0"})["visible"]["verdict"], "fail")

    def test_the_doctor_says_which_card_does_not_compute(self):
        found = self.checks(env={"FAKE_PROBE_FAILS": "1"})
        self.assertEqual(found["CUDA"]["verdict"], "fail")
        self.assertIn("cuda:1", found["CUDA"]["found"])


if __name__ == "__main__":
    unittest.main()
