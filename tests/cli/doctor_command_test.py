"""gpuplace doctor: a line each check, and what is wrong with ports and models."""
import json, os, pathlib, socket, tempfile, unittest
from command import call, model_folder

GPUS = os.path.isdir("/proc/driver/nvidia/gpus")


def checks(*arguments, **options):
    done = call("doctor", "--format", "json", *arguments, **options)
    return done, {c["check"]: c for c in json.loads(done.stdout)["checks"]}


class Doctor(unittest.TestCase):
    @unittest.skipIf(GPUS, "a machine with GPUs may have faults of its own")
    def test_a_machine_without_gpus_is_no_fault(self):
        done, found = checks()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(found["driver"]["verdict"], "skip")
        self.assertEqual(found["GPUs"]["verdict"], "skip")

    def test_every_check_has_a_line(self):
        text = call("doctor").stdout.splitlines()
        _, found = checks()
        self.assertEqual(len(text), len(found) + 1)
        for line in text[:-1]:
            self.assertIn(line.split()[0], ("ok", "warn", "fail", "skip"))
        for check in ("driver", "MIG", "P2P", "NVLink", "CUDA", "torch", "vLLM", "model", "cache", "disk"):
            self.assertIn(check, found)

    def test_a_taken_port_is_shown_with_its_owner(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            _, found = checks("--ports", port)
        self.assertEqual(found[f"port {port}"]["verdict"], "warn")
        self.assertIn(f"pid {os.getpid()} ", found[f"port {port}"]["found"])
        self.assertNotIn("ports", found)

    def test_a_model_that_can_be_run(self):
        folder = model_folder()
        with folder:
            done, found = checks("--model", folder.name)
        self.assertEqual(found["model"]["verdict"], "ok", found["model"])
        self.assertIn("24 layers", found["model"]["found"])

    def test_a_model_that_is_not_there_fails(self):
        done, found = checks("--model", "/no/such/model")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(found["model"]["verdict"], "fail")
        self.assertIn("/no/such/model", found["model"]["found"])

    def test_a_program_that_hangs_is_waited_for_briefly(self):
        with tempfile.TemporaryDirectory() as folder:
            python = pathlib.Path(folder) / "python3"
            python.write_text("#!/bin/sh\nexec sleep 600\n")
            python.chmod(0o755)
            _, found = checks(env={"PATH": f"{folder}:/usr/bin:/bin"}, timeout=60)
        self.assertEqual(found["vLLM"]["verdict"], "warn")

    def test_wrong_ports_are_refused(self):
        for ports in ("", "x", "9-8", "0"):
            done = call("doctor", "--ports", ports)
            self.assertEqual((done.returncode, done.stdout), (1, ""), ports)


if __name__ == "__main__":
    unittest.main()
