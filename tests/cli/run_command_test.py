"""gpuplace run: real answers of a real small model, in order, whole and split; bad input."""
import json, os, pathlib, signal, subprocess, tempfile, time, unittest
from command import DATA, GPUPLACE, call

MODELS = pathlib.Path(os.environ.get("GPUPLACE_TEST_MODELS", "/nonexistent"))
MODEL = MODELS / "SmolLM2-135M-Instruct"
QUESTIONS = ["What is the capital of France?", "Name a colour of the rainbow.", "What is 2 + 2?", "Who wrote Hamlet?", "What do bees make?"]


@unittest.skipUnless(MODEL.exists(), "GPUPLACE_TEST_MODELS names no folder with SmolLM2-135M-Instruct")
class Run(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.questions = self.folder / "questions.txt"
        self.questions.write_text("\n".join(QUESTIONS) + "\n")

    def run_rows(self, *arguments):
        done = call("run", "--model", MODEL, "--prompts", self.questions, "--max-tokens", 12, "--output", self.folder / "out.jsonl", "--token-ids", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in (self.folder / "out.jsonl").read_text().splitlines()], done.stderr

    def test_a_question_is_answered(self):
        done = call("run", "--model", MODEL, "--prompt", QUESTIONS[0], "--max-tokens", 16, "--topology", "cpu:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("The capital of France is Paris.", done.stdout)

    def test_data_parallel_and_split_give_the_same_answers_in_order(self):
        parallel, shown = self.run_rows("--topology", "cpu:2", "--allocation", "data_parallel(2)", "--dtype", "fp32")
        self.assertIn("CPU 0: 3 prompts (indices 0-2)\nCPU 1: 2 prompts (indices 3-4)\n", shown)
        self.assertEqual([r["index"] for r in parallel], list(range(5)))
        self.assertEqual([r["prompt"] for r in parallel], QUESTIONS)
        self.assertEqual([r["device"] for r in parallel], ["cpu:0"] * 3 + ["cpu:1"] * 2)
        split, _ = self.run_rows("--topology", "cpu:2", "--allocation", "one_group", "--partition", "even", "--dtype", "fp32")
        self.assertEqual([r["token_ids"] for r in split], [r["token_ids"] for r in parallel])
        self.assertEqual({r["device"] for r in split}, {"cpu:0,cpu:1"})

    def test_rows_have_the_documented_keys(self):
        rows, _ = self.run_rows("--topology", "cpu:1")
        self.assertEqual(set(rows[0]), {"index", "prompt", "text", "finish_reason", "prompt_tokens", "completion_tokens", "replica", "device",
                                        "prompt_token_ids", "token_ids"})
        self.assertEqual(rows[0]["prompt_tokens"], len(rows[0]["prompt_token_ids"]))
        self.assertEqual(rows[0]["completion_tokens"], len(rows[0]["token_ids"]))
        self.assertIn(rows[0]["finish_reason"], ("stop", "length"))

    def test_a_stored_plan_is_carried_out(self):
        plan = self.folder / "plan.json"
        plan.write_text(call("plan", "--model", MODEL, "--topology", "cpu:2", "--allocation", "data_parallel(2)", "--batch", 4, "--format", "json").stdout)
        rows, _ = self.run_rows("--topology", "cpu:2", "--plan", plan)
        self.assertEqual({r["replica"] for r in rows}, {0, 1})

    def test_a_sample_does_not_depend_on_placement(self):
        sampled = ("--temperature", "1", "--seed", "7", "--dtype", "fp32")
        one, _ = self.run_rows("--topology", "cpu:1", *sampled)
        two, _ = self.run_rows("--topology", "cpu:2", "--allocation", "data_parallel(2)", *sampled)
        other, _ = self.run_rows("--topology", "cpu:1", "--temperature", "1", "--seed", "8", "--dtype", "fp32")
        self.assertEqual([r["token_ids"] for r in one], [r["token_ids"] for r in two])
        self.assertNotEqual([r["token_ids"] for r in one], [r["token_ids"] for r in other])

    def test_a_prompt_longer_than_the_context_fails_alone(self):
        self.questions.write_text("short\n" + "word " * 600 + "\n")
        done = call("run", "--model", MODEL, "--prompts", self.questions, "--topology", "cpu:1", "--context", 256, "--max-tokens", 4, "--output", "-")
        self.assertEqual(done.returncode, 1)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertIn("text", rows[0])
        self.assertIn("256", rows[1]["error"])
        self.assertIn("1 prompts have no answer", done.stderr)

    def test_jsonl_rows_have_their_own_options(self):
        self.questions.write_text(json.dumps({"messages": [{"role": "user", "content": QUESTIONS[0]}], "max_tokens": 3}) + "\n")
        rows, _ = self.run_rows("--topology", "cpu:1")
        self.assertEqual((rows[0]["completion_tokens"], rows[0]["finish_reason"]), (3, "length"))


    def test_an_answer_ends_before_its_stop_string(self):
        whole, _ = self.run_rows("--topology", "cpu:1", "--dtype", "fp32")
        word = whole[0]["text"].split()[3]
        rows, _ = self.run_rows("--topology", "cpu:1", "--dtype", "fp32", "--stop", word)
        self.assertEqual(rows[0]["text"], whole[0]["text"][: whole[0]["text"].index(word)])
        self.assertEqual(rows[0]["finish_reason"], "stop")
        self.assertLess(rows[0]["completion_tokens"], whole[0]["completion_tokens"])

    def test_several_samples_and_log_probabilities(self):
        self.questions.write_text(json.dumps({"prompt": QUESTIONS[0], "n": 3, "temperature": 1.0, "logprobs": 2, "max_tokens": 5}) + "\n")
        rows, _ = self.run_rows("--topology", "cpu:1", "--dtype", "fp32")
        samples = [rows[0], *rows[0]["more"]]
        self.assertEqual(len(samples), 3)
        self.assertGreater(len({s["text"] for s in samples}), 1)
        for s in samples:
            self.assertEqual(len(s["logprobs"]), s["completion_tokens"])
            for token, at in zip(s["token_ids"], s["logprobs"]):
                self.assertEqual(at["token_id"], token)
                self.assertEqual(len(at["top"]), 2)
                self.assertLessEqual(at["logprob"], at["top"][0]["logprob"] + 1e-6)

    def test_a_repetition_penalty_changes_a_repeating_answer(self):
        self.questions.write_text("a a a a a a a a\n")
        plain, _ = self.run_rows("--raw", "--topology", "cpu:1", "--dtype", "fp32")
        other, _ = self.run_rows("--raw", "--topology", "cpu:1", "--dtype", "fp32", "--repetition-penalty", "1.8")
        self.assertLess(len(set(plain[0]["token_ids"])), len(set(other[0]["token_ids"])))


@unittest.skipUnless(MODEL.exists(), "GPUPLACE_TEST_MODELS names no folder with SmolLM2-135M-Instruct")
class LongBatches(unittest.TestCase):
    """Runs that are killed, stopped and repeated."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.output = self.folder / "out.jsonl"
        self.questions = self.folder / "questions.jsonl"
        # Lengths differ, so that answers come one by one.
        self.questions.write_text("".join(json.dumps({"prompt": f"Tell me about the number {i}.", "max_tokens": 2 + 5 * i}) + "\n" for i in range(12)))
        self.what = ["run", "--model", MODEL, "--prompts", self.questions, "--dtype", "fp32"]
        self.arguments = [*self.what, "--topology", "cpu:1", "--batch", "3"]

    def start(self):
        """A run that has finished some rows and not all."""
        running = subprocess.Popen([GPUPLACE, *map(str, [*self.arguments, "--output", self.output])], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        answers = self.folder / "out.jsonl.run" / "answers.jsonl"
        deadline = time.monotonic() + 120
        while (not answers.exists() or answers.read_bytes().count(b"\n") < 2) and time.monotonic() < deadline:
            self.assertIsNone(running.poll(), "it ended too early")
            time.sleep(0.01)
        return running

    def rows(self, path):
        return [json.loads(line) for line in path.read_text().splitlines()]

    def uninterrupted(self):
        done = call(*self.arguments, "--output", self.folder / "whole.jsonl")
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.rows(self.folder / "whole.jsonl")

    def test_a_killed_run_goes_on_and_gives_the_same_answers(self):
        running = self.start()
        running.kill()
        running.communicate()
        self.assertFalse(self.output.exists())
        again = call(*self.arguments, "--output", self.output)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertRegex(again.stderr, r"going on with a run that has answered \d+ of 12 prompts")
        self.assertRegex(again.stderr, r"12 of 12 prompts answered \(\d+ of them by an earlier run\)")
        self.assertEqual(self.rows(self.output), self.uninterrupted())
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["out.jsonl", "questions.jsonl", "whole.jsonl"])

    def test_an_interrupted_run_ends_cleanly_and_says_how_to_go_on(self):
        running = self.start()
        running.send_signal(signal.SIGINT)
        shown = running.communicate(timeout=60)[1]
        self.assertEqual(running.returncode, 130, shown)
        self.assertRegex(shown, r"stopped; \d+ of 12 answers are kept in .*out.jsonl.run: repeat the command to go on")
        other = call(*self.arguments, "--output", self.output, "--seed", "3")
        self.assertEqual(other.returncode, 1)
        self.assertIn("seed was 0, is 3", other.stderr)
        self.assertIn("--restart", other.stderr)
        again = call(*self.what, "--output", self.output, "--topology", "cpu:2", "--allocation", "data_parallel(2)")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual([r["text"] for r in self.rows(self.output)], [r["text"] for r in self.uninterrupted()])

    def test_what_each_replica_did_is_said(self):
        done = call(*self.what, "--topology", "cpu:2", "--allocation", "data_parallel(2)", "--output", self.output)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"CPU 1: 6 prompts, \d+ tokens, [\d.]+ tokens/s, at work \d+ % of the time, [\d.]+ sequences a step")
        self.assertRegex(done.stderr, r"Parallelism: [\d.]+ of 2 replicas worked at a time")
        self.assertRegex(done.stderr, r"lost to skew: CPU 0 was done [\d.]+ s before the last")
        self.assertRegex(done.stderr, r"Batching: [\d.]+ sequences a step, where 12 fit: 12 prompts are too few to fill 2 replicas")

    def test_memory_does_not_grow_with_the_batch(self):
        peaks = []
        for count in (200, 20000):
            self.questions.write_text("".join(f"Tell me about the number {i}, and why it matters so much to so many.\n" for i in range(count)))
            with open(os.devnull, "w") as nowhere:
                running = subprocess.Popen([GPUPLACE, "run", "--model", str(MODEL), "--prompts", str(self.questions), "--topology", "preset:4xa100", "--backend",
                                            "simulated", "--max-tokens", "4", "--output", str(self.folder / f"{count}.jsonl")], stderr=nowhere)
                _, status, used = os.wait4(running.pid, 0)
                running.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(running.returncode, 0)
            self.assertEqual(len(self.rows(self.folder / f"{count}.jsonl")), count)
            peaks.append(used.ru_maxrss)
        self.assertLess(peaks[1] - peaks[0], 2048, f"KiB: {peaks}")

    def test_several_samples_all_count(self):
        done = call(*self.arguments, "--max-tokens", "4", "-n", "2", "--ignore-eos", "--output", self.output)
        self.assertEqual(done.returncode, 0, done.stderr)
        tokens = sum(s["completion_tokens"] for r in self.rows(self.output) for s in [r, *r["more"]])
        self.assertIn(f"12 of 12 prompts answered, {tokens} tokens in", done.stderr)

    def test_answers_go_to_any_file(self):
        done = call(*self.arguments, "--max-tokens", "4", "--output", "/dev/stdout")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([json.loads(line)["index"] for line in done.stdout.splitlines()], list(range(12)))
        self.assertIn("Not a directory", call(*self.arguments, "--output", self.folder / "questions.jsonl" / "out.jsonl").stderr)



class Refusals(unittest.TestCase):
    def refused(self, *arguments, code=1):
        done = call("run", *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def test_prompts_that_are_not_there(self):
        model = DATA / "models" / "tiny_llama"
        self.assertIn("no prompt", self.refused("--model", model, "--prompts", os.devnull))
        self.assertIn("/nonexistent", self.refused("--model", model, "--prompts", "/nonexistent"))
        self.refused("--model", model, code=2)

    def test_names_that_are_not_known(self):
        model = DATA / "models" / "tiny_llama"
        self.assertIn("simulated", self.refused("--model", model, "--prompt", "a", "--topology", "cpu:1", "--backend", "cuda"))
        self.assertIn("round_robin", self.refused("--model", model, "--prompt", "a", "--topology", "cpu:1", "--routing", "random"))

    def test_a_model_without_a_tokenizer(self):
        self.assertIn("tokenizer.json", self.refused("--model", DATA / "models" / "tiny_llama", "--prompt", "a", "--topology", "cpu:1"))


if __name__ == "__main__":
    unittest.main()
