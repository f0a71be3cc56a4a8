"""gpuplace bench: strategies, routers and numbers of devices beside each other."""
import json, os, unittest
from command import call, read_json

SCALING = ("bench", "scaling", "--model", "preset:qwen3-8b", "--topology", "preset:4xa100", "--backend", "simulated")


class Scaling(unittest.TestCase):
    def test_the_same_batch_on_one_to_four_devices(self):
        rows = read_json(*SCALING, "--requests", 100)["rows"]
        self.assertEqual([(r["devices"], r["batched"]) for r in rows], [(1, False), (1, True), (2, True), (3, True), (4, True)])
        self.assertTrue(all(r["requests"] == 100 for r in rows[1:]))
        self.assertAlmostEqual(rows[1]["speed_up"], 1)
        self.assertLess(rows[0]["speed_up"], 0.5, "batching is worth something")
        speeds = [r["speed_up"] for r in rows[1:]]
        self.assertEqual(speeds, sorted(speeds))
        for r in rows[1:]:
            self.assertLessEqual(r["speed_up"], r["devices"] + 1e-9)
            self.assertAlmostEqual(r["efficiency"], r["speed_up"] / r["devices"])
            self.assertLessEqual(r["at_work"], 1 + 1e-9)

    def test_the_table_has_a_row_for_each(self):
        done = call(*SCALING, "--devices", "1,4", "--answer-tokens", "16:128")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertRegex(lines[-3], r"^1, one at a time .*x")
        self.assertRegex(lines[-1], r"^4 +[\d.]+ +[\d.]+ +[\d.]+x +\d+ % .*█")

    @unittest.skipUnless("GPUPLACE_LOSING_BACKEND" in os.environ, "no backend that measures")
    def test_what_was_measured_stands_beside_what_was_predicted(self):
        what = ("bench", "scaling", "--model", "preset:qwen2.5-1.5b", "--topology", "cpu:2", "--context", 256, "--requests", 16, "--prompt-tokens", "4",
                "--answer-tokens", "8", "--plugin", os.environ["GPUPLACE_LOSING_BACKEND"], "--backend", "losing(cpu:9,0)")
        for row in read_json(*what)["rows"]:
            self.assertGreater(row["predicted_tokens_per_second"], 0)
            self.assertNotAlmostEqual(row["predicted_tokens_per_second"], row["tokens_per_second"])
        header, first = call(*what, "--devices", "1").stdout.splitlines()[2:4]
        self.assertEqual(header.split()[:4], ["devices", "prompts/min", "tokens/s", "predicted"])
        self.assertRegex(first, r"^1, one at a time +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+x")
        self.assertNotIn("predicted_tokens_per_second", read_json(*SCALING, "--devices", 1)["rows"][0])

    def test_replicas_may_span_devices(self):
        rows = read_json(*SCALING[:3], "preset:qwen2.5-72b", *SCALING[4:], "--devices-per-replica", 2, "--partition", "even", "--requests", 20, "--context", 1024)["rows"]
        self.assertEqual([r["devices"] for r in rows], [2, 2, 4])
        self.assertGreater(rows[-1]["speed_up"], 1)

    def test_what_cannot_be_measured_is_refused(self):
        self.assertIn("5 devices", call(*SCALING, "--devices", 5).stderr)
        self.assertIn("--answer-tokens", call(*SCALING, "--answer-tokens", "9:3").stderr)
        self.assertIn("qwen2.5-72b", call(*SCALING[:3], "preset:qwen2.5-72b", *SCALING[4:]).stderr)


class Placement(unittest.TestCase):
    def test_the_best_comes_first_and_what_does_not_fit_last(self):
        rows = read_json("bench", "placement", "--model", "preset:qwen2.5-14b", "--topology", "uniform:4x24GiB", "--strategy", "one_group/even",
                         "--strategy", "data_parallel(2)/even", "--strategy", "data_parallel(4)/whole")["rows"]
        self.assertEqual([r["allocation"] for r in rows], ["data_parallel(2)", "one_group", "data_parallel(4)"])
        self.assertGreater(rows[0]["tokens_per_second"], rows[1]["tokens_per_second"])
        self.assertIn("error", rows[2])
        self.assertTrue(all(r["planning_microseconds"] > 0 for r in rows))

    def test_without_names_all_that_need_no_arguments_take_part(self):
        done = call("bench", "placement", "--model", "preset:qwen3-8b", "--topology", "preset:2xh100")
        self.assertEqual(done.returncode, 0, done.stderr)
        for pair in ("one_group/even", "one_group/sequential", "auto/auto"):
            self.assertIn(pair, done.stdout)

    def test_unknown_names_are_refused_with_the_known(self):
        shown = call("bench", "placement", "--model", "preset:qwen3-8b", "--topology", "preset:2xh100", "--strategy", "best").stderr
        self.assertIn("data_parallel", shown)
        self.assertIn("even", shown)


class Routing(unittest.TestCase):
    ARGUMENTS = ("bench", "routing", "--model", "preset:qwen3-8b", "--topology", "preset:4xa100", "--allocation", "data_parallel(4)", "--requests", 200)

    def test_least_loaded_evens_out_answers_of_different_length(self):
        rows = {r["router"]: r for r in read_json(*self.ARGUMENTS, "--rate", 50, "--answer-tokens", "8:1024", "--strategy", "round_robin", "--strategy", "least_loaded")["rows"]}
        self.assertLess(rows["least_loaded"]["answer_seconds"]["p95"], 1.05 * rows["round_robin"]["answer_seconds"]["p95"])
        for r in rows.values():
            self.assertGreaterEqual(r["imbalance"], 1)
            self.assertGreater(r["nanoseconds_per_decision"], 0)

    def test_every_router_answers_every_request(self):
        names = [r["router"] for r in read_json(*self.ARGUMENTS)["rows"]]
        self.assertEqual(names, ["contiguous_shards", "round_robin", "least_loaded"])


if __name__ == "__main__":
    unittest.main()
