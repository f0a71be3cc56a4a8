"""gpuplace run in several processes, as torchrun, mpirun and srun start them: the environment alone tells who is who."""
import concurrent.futures, json, os, pathlib, socket, tempfile, unittest
from command import call

MODEL = pathlib.Path(os.environ.get("GPUPLACE_TEST_MODELS", "")) / "SmolLM2-135M-Instruct"
PROMPTS = ["What is the capital of France?", "Name three colours.", "Count to five.", "Why is the sky blue?"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@unittest.skipUnless((MODEL / "config.json").exists(), "GPUPLACE_TEST_MODELS names no folder with SmolLM2-135M-Instruct")
class Ranks(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.prompts = self.folder / "prompts.txt"
        self.prompts.write_text("\n".join(PROMPTS) + "\n")

    def run_one(self, output, *arguments, env=None):
        return call("run", "--model", MODEL, "--prompts", self.prompts, "--dtype", "fp32", "--max-tokens", "8", "--context", "256",
                    "--output", self.folder / output, *arguments, env=env)

    def run_all(self, environments, *arguments):
        """One process for each environment; arguments may differ by rank."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            def one(rank):
                own = [a[rank] if isinstance(a, list) else a for a in arguments]
                return self.run_one(f"{rank}.jsonl", *own, env=environments[rank])
            return list(pool.map(one, range(len(environments))))

    def torchrun(self, ranks):
        port = str(free_port())
        return [{"RANK": str(r), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port} for r in range(ranks)]

    def texts(self, output):
        return [json.loads(line)["text"] for line in (self.folder / output).read_text().splitlines()]

    def test_the_answers_are_those_of_one_process(self):
        alone = self.run_one("alone.jsonl", "--topology", "cpu:2", "--allocation", "one_group", "--partition", "even")
        self.assertEqual(alone.returncode, 0, alone.stderr)
        port = str(free_port())
        mpirun = [{"OMPI_COMM_WORLD_RANK": str(r), "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "MASTER_PORT": port}
                  for r in range(2)]
        for environments, placement in ((self.torchrun(2), ("one_group", "even")), (mpirun, ("data_parallel(2)", "whole"))):
            done = self.run_all(environments, "--topology", "cpu:2", "--allocation", placement[0], "--partition", placement[1])
            for rank, one in enumerate(done):
                self.assertEqual(one.returncode, 0, f"rank {rank}: {one.stderr}")
            self.assertEqual(self.texts("0.jsonl"), self.texts("alone.jsonl"))
            self.assertIn("rank 0 of 2", done[0].stderr)
            self.assertFalse((self.folder / "1.jsonl").exists(), "rank 0 alone writes answers")

    def test_ranks_with_other_plans_refuse_to_start(self):
        done = self.run_all(self.torchrun(2), "--topology", "cpu:2", "--allocation", ["one_group", "data_parallel(2)"], "--partition",
                            ["even", "whole"])
        for rank, one in enumerate(done):
            self.assertEqual(one.returncode, 1)
            self.assertIn(f"another plan than rank {rank}'s is that of rank {1 - rank}", one.stderr)

    def test_a_rank_that_never_comes_is_named(self):
        done = self.run_one("0.jsonl", "--topology", "cpu:2", "--allocation", "one_group", "--meeting-limit", "0.5", env=self.torchrun(2)[0])
        self.assertEqual(done.returncode, 1)
        self.assertIn("of 2 ranks did not come: 1", done.stderr)

    def test_an_environment_that_makes_no_sense_is_refused(self):
        done = self.run_one("0.jsonl", "--topology", "cpu:2", env={"RANK": "2", "WORLD_SIZE": "2"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("RANK is '2', not a number from 0 to 1", done.stderr)


if __name__ == "__main__":
    unittest.main()
