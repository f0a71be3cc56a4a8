"""gpuplace run when a device is lost on the way: nothing is answered twice, nothing is left out."""
import json, os, pathlib, shutil, tempfile, unittest
from command import CONFIG, DATA, call

PLUGIN, BREAKING = os.environ["GPUPLACE_LOSING_BACKEND"], os.environ["GPUPLACE_BREAKING_BACKEND"]
COUNT = 24


def small_model(folder):
    """A model with a tokenizer and no weights: the backends here need none."""
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": 2}))
    shutil.copy(DATA / "text" / "llama3.tokenizer.json", model / "tokenizer.json")
    return model


class LostDevice(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        model = small_model(self.folder)
        self.output = self.folder / "out.jsonl"
        prompts = self.folder / "prompts.jsonl"
        prompts.write_text("".join(json.dumps({"prompt": f"number {i} of them", "max_tokens": 4 + i % 7}) + "\n" for i in range(COUNT)))
        self.what = ["run", "--model", model, "--prompts", prompts, "--raw", "--ignore-eos", "--token-ids", "--batch", "4", "--plugin", PLUGIN]

    def run_with(self, backend, devices=2, output=None, routing="round_robin"):
        return call(*self.what, "--topology", f"cpu:{devices}", "--allocation", f"data_parallel({devices})", "--routing", routing,
                    "--backend", backend, "--output", output or self.output)

    def rows(self, path=None):
        return [json.loads(line) for line in (path or self.output).read_text().splitlines()]

    def whole(self):
        """The rows of a run that loses nothing, without where they were answered."""
        path = self.folder / "whole.jsonl"
        done = self.run_with("losing(cpu:9,0)", output=path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.answers(self.rows(path))

    @staticmethod
    def answers(rows):
        return [{k: v for k, v in r.items() if k not in ("replica", "device")} for r in rows]

    def test_prompts_in_flight_begin_again_on_another_replica(self):
        whole = self.whole()
        for routing in ("round_robin", "contiguous_shards", "least_loaded"):
            for steps in (0, 1, 7):
                with self.subTest(routing=routing, steps=steps):
                    done = self.run_with(f"losing(cpu:1,{steps})", routing=routing)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    rows = self.rows()
                    self.assertEqual([r["index"] for r in rows], list(range(COUNT)))
                    self.assertEqual(self.answers(rows), whole)
                    self.assertEqual(done.stderr.count("cpu:1: the device fell off the bus; its prompts begin again on the other replicas"), 1, done.stderr)
                    self.assertIn(f"{COUNT} of {COUNT} prompts answered", done.stderr)
                    self.assertFalse((self.folder / "out.jsonl.run").exists())

    def test_replicas_that_lost_nothing_share_the_rest(self):
        done = self.run_with("losing(cpu:0,5)", devices=3)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.answers(self.rows()), self.whole())
        self.assertEqual({r["device"] for r in self.rows()[-6:]}, {"cpu:1", "cpu:2"})

    def test_a_run_without_devices_keeps_its_answers_and_goes_on_when_repeated(self):
        done = self.run_with("losing(cpu:0,9)", devices=1)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, rf"stopped; [1-9]\d* of {COUNT} answers are kept in .*out.jsonl.run: repeat the command to go on")
        self.assertIn("fell off the bus", done.stderr)
        self.assertFalse(self.output.exists())
        again = self.run_with("losing(cpu:0,12)", devices=1)  # loses the device once more, a few answers later
        self.assertEqual(again.returncode, 1, again.stderr)
        self.assertIn("cpu:0: the device fell off the bus", again.stderr.splitlines()[-2])
        kept = (self.folder / "out.jsonl.run" / "answers.jsonl").read_text().splitlines()
        self.assertEqual(len({json.loads(r)["index"] for r in kept if r}), len([r for r in kept if r]))
        for _ in range(COUNT):
            again = self.run_with("losing(cpu:0,12)", devices=1)
            if again.returncode == 0:
                break
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertRegex(again.stderr, r"going on with a run that has answered \d+ of 24 prompts")
        self.assertEqual(self.answers(self.rows()), self.whole())

    def test_memory_that_runs_out_in_a_step_ends_the_prompts_of_that_step_alone(self):
        whole = self.whole()
        for devices in (1, 2):
            with self.subTest(devices=devices):
                self.output.unlink(missing_ok=True)
                done = self.run_with("losing(cpu:0,9,memory)", devices=devices)
                self.assertEqual(done.returncode, 1, done.stderr)
                rows = self.rows()
                self.assertEqual([r["index"] for r in rows], list(range(COUNT)))
                failed = [r for r in rows if "error" in r]
                self.assertTrue(1 <= len(failed) <= 4, failed)
                for row in failed:
                    self.assertIn("memory ran out", row["error"])
                    self.assertIn("lower --max-num-seqs", row["error"])
                answered = {r["index"]: r for r in self.answers(rows) if "error" not in r}
                self.assertEqual(list(answered.values()), [r for r in whole if r["index"] in answered])
                self.assertIn(f"{len(failed)} prompts have no answer", done.stderr)
                self.assertIn("step on cpu:0: memory ran out", done.stderr)


class LostReplicas(unittest.TestCase):
    """With a backend that repeats each prompt and loses its devices after so many answers."""
    COUNT = 40

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.output = self.folder / "out.jsonl"
        self.model = small_model(self.folder)
        (self.folder / "in.txt").write_text("".join(f"prompt {i}\n" for i in range(self.COUNT)))

    def run_with(self, backend, *arguments):
        return call("run", "--model", self.model, "--raw", "--prompts", self.folder / "in.txt", "--output", self.output, "--topology", "uniform:2x8GiB",
                    "--allocation", "data_parallel(2)", "--plugin", BREAKING, "--backend", backend, *arguments)

    def rows(self):
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def test_the_other_replica_answers_what_was_in_flight(self):
        for routing in ("contiguous_shards", "round_robin", "least_loaded"):
            with self.subTest(routing):
                self.output.unlink(missing_ok=True)
                done = self.run_with("breaking(3)", "--routing", routing, "--restart")
                self.assertEqual(done.returncode, 0, done.stderr)
                rows = self.rows()
                self.assertEqual([(r["index"], r["text"]) for r in rows], [(i, f"prompt {i}") for i in range(self.COUNT)])
                self.assertEqual(sum(r["replica"] == 0 for r in rows), 3)
                self.assertEqual(sum(r["replica"] == 1 for r in rows), self.COUNT - 3)

    def test_with_every_device_lost_the_finished_rows_are_kept(self):
        done = self.run_with("breaking(3:5)")
        self.assertEqual(done.returncode, 1)
        self.assertFalse(self.output.exists())
        self.assertIn("every replica has lost its devices", done.stderr)
        self.assertIn(f"8 of {self.COUNT} answers are kept", done.stderr)
        again = self.run_with("breaking(0)")
        self.assertEqual(again.returncode, 0, again.stderr)
        rows = self.rows()
        self.assertEqual([(r["index"], r["text"]) for r in rows], [(i, f"prompt {i}") for i in range(self.COUNT)])
        self.assertEqual(sum(r["replica"] == 0 for r in rows), 3)


if __name__ == "__main__":
    unittest.main()
