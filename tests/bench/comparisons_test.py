"""Scripts that compare with llama.cpp, vLLM and transformers: right figures from known output, one message for each thing that fails."""
import json
import os
import sys
import unittest

from stand_ins import BATCHED, BENCH_ROW, CUDA_BENCH, GPU, SCRIPTS, Machine

sys.path.insert(0, str(SCRIPTS))
import compare_llama_cpp
import compare_vllm
import comparison
import machine as machine_facts


class OnAMachine(unittest.TestCase):
    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)

    def refuses(self, done, *words):
        """One message with these words, no traceback, nothing written."""
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertTrue(done.stderr.startswith("error: "), done.stderr)
        self.assertFalse([line for line in done.stderr.splitlines() if line.startswith("Traceback")])
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse(self.machine.output.exists())


class LlamaCpp(OnAMachine):
    def test_figures_stand_beside_each_other(self):
        done = self.machine.llama_cpp("--rounds", 2, run=self.machine.run)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = self.machine.result()
        prompts, one, eight = result["rows"][1:]
        self.assertEqual((one["batch"], one["step_ms"], one["llama_cpp_step_ms"], one["times_llama_cpp"]), (1, 5.0, 6.25, 1.25))
        self.assertEqual((eight["batch"], eight["llama_cpp_step_ms"], eight["times_llama_cpp"]), (8, 9.0, 1.5))
        self.assertEqual((prompts["llama_cpp_tokens_s"], prompts["times_llama_cpp"]), (24800, 1.29))
        self.assertEqual((result["gpu"], result["model"], result["context"]), (GPU, "qwen3-tiny", 512))
        self.assertEqual(result["versions"], {"llama_cpp": "6527 (1eeb523c)"})
        self.assertEqual(result["llama_cpp"]["one_sequence_step_ms"], {"llama-bench": 6.3, "llama-batched-bench": 6.25})
        self.assertEqual(result["machine"]["after"]["power.limit"], "700.00 W")
        self.assertEqual(set(result["commands"]), {"cuda_bench", "llama-bench", "llama-batched-bench"})
        for figure in ("5.000 ms", "6.250 ms", "1.25", "9.000 ms", "32,000 t/s", "24,800 t/s", GPU):
            self.assertIn(figure, done.stdout)

    def test_all_programs_get_the_same_work_on_the_same_gpu(self):
        self.machine.llama_cpp("--rounds", 2, "--llama-options=-ub 512")
        self.assertEqual(self.machine.calls("cuda_bench"), [f"3: {self.machine.model} bf16 512 1 8"])
        common = f"3: -m {self.machine.gguf} -ngl 999 -b 2048 -ub 2048"
        self.assertEqual(self.machine.calls("llama/bin/llama-bench"), [f"{common} -fa 1 -p 0 -n 32 -d 496 -r 2 -o jsonl"])
        self.assertEqual(self.machine.calls("llama/bin/llama-batched-bench"),
                         [f"{common} -fa on -c 6144 -npp 496 -ntg 32 -npl 1,1,8,8 --output-format jsonl -ub 512"])

    def test_a_program_that_is_missing(self):
        os.remove(self.machine.folder / "llama/bin/llama-batched-bench")
        self.refuses(self.machine.llama_cpp(run=self.machine.run), "llama/bin/llama-batched-bench is not there", "-DGGML_CUDA=ON")
        os.remove(self.machine.folder / "cuda_bench")
        self.machine.prints("llama/bin/llama-batched-bench", BATCHED)
        self.refuses(self.machine.llama_cpp(), "cuda_bench is not there", "--target cuda_bench")
        os.remove(self.machine.gguf)
        self.refuses(self.machine.llama_cpp(), "model.gguf is not there", "convert_hf_to_gguf.py", "--outtype bf16")

    def test_a_program_that_fails(self):
        self.machine.prints("llama/bin/llama-batched-bench", "main: error: unable to load model\n", "exit 3", to=">&2")
        self.refuses(self.machine.llama_cpp(), "llama-batched-bench", "exit status 3", "| main: error: unable to load model",
                     "September 2025")
        self.machine.prints("cuda_bench", "cuda_bench: no GPU\n", "exit 1", to=">&2")
        self.refuses(self.machine.llama_cpp(), "exit status 1", "| cuda_bench: no GPU")
        self.machine.prints("cuda_bench", "", "kill -9 $$")
        self.refuses(self.machine.llama_cpp(), "signal SIGKILL")

    def test_a_machine_without_an_nvidia_gpu(self):
        os.remove(self.machine.folder / "path/nvidia-smi")
        if not any(os.path.exists(f"{folder}/nvidia-smi") for folder in ("/usr/bin", "/bin")):
            self.refuses(self.machine.llama_cpp(), "cannot start nvidia-smi", "NVIDIA GPU")

    def test_another_model_or_format_or_backend(self):
        for change, words in (({"model_type": "qwen3 8B Q4_K - Medium"}, ("Q4_K - Medium, not bf16", "--outtype bf16")),
                              ({"model_n_params": 150}, ("150 parameters", "132", "not the same model")),
                              ({"backends": "BLAS"}, ("BLAS, not on CUDA", "-DGGML_CUDA=ON"))):
            self.machine.prints("llama/bin/llama-bench", json.dumps(BENCH_ROW | change) + "\n")
            self.refuses(self.machine.llama_cpp(), *words)


class LlamaCppOutput(OnAMachine):
    """What the readers make of output; no programs run."""

    def refused(self, what, *arguments, words=()):
        with self.assertRaises(SystemExit) as why:
            what(*arguments)
        for word in words:
            self.assertIn(word, why.exception.code)

    def test_lines_of_a_log_are_passed_over(self):
        steps, prefill = compare_llama_cpp.batched_rows("ggml_cuda_init: found 1 CUDA devices:\n\n" + BATCHED + "llama_perf: 1\n", [1, 8])
        self.assertEqual({b: round(s, 3) for b, s in steps.items()}, {1: 6.25, 8: 9.0})
        self.assertEqual(round(prefill), 24800)

    def test_output_that_is_not_understood(self):
        for text, words in (("", ("no line",)), ("|  512 | 32 |\n", ("no line", "|  512 | 32 |")), ('{"pp": 496, "tg"', ("line 1",)),
                            ('{"pp": 496}\n', ("tg is None",)), (BATCHED.replace('"t_tg": ', '"t_tg": -'), ("t_tg is -",)),
                            (BATCHED.replace('"t_pp": ', '"t_pp": "a", "x": '), ("t_pp is 'a'",))):
            self.refused(compare_llama_cpp.batched_rows, text, [1, 8], words=(*words, "llama-batched-bench", "--llama-cpp"))
        self.refused(compare_llama_cpp.batched_rows, BATCHED, [1, 8, 64], words=("no row for batch 64", "--batches"))
        for samples in (None, [], ["a"], [0]):
            self.refused(compare_llama_cpp.llama_bench_step, {"samples_ns": samples}, 32, words=("samples_ns",))
        self.refused(compare_llama_cpp.llama_bench_row, "[\n", words=("llama-bench", "no line"))

    def test_parameters_are_those_of_the_headers(self):
        self.assertEqual(compare_llama_cpp.parameters(self.machine.model), (132, 132))
        file = self.machine.model / "model.safetensors"
        for content in (b"", b"\xff" * 8, b"\x02" + bytes(7) + b"[]", b"\x08" + bytes(7) + b'{"a": 1}'):
            file.write_bytes(content)
            self.refused(compare_llama_cpp.parameters, self.machine.model, words=(str(file), "no safetensors file"))
        file.unlink()
        self.refused(compare_llama_cpp.parameters, self.machine.model, words=("no .safetensors",))

    def test_rows_of_cuda_bench(self):
        program = self.machine.folder / "cuda_bench"
        for text, words in (("hello\n", ("no line",)), (CUDA_BENCH.replace('"step_ms"', '"ms"'), ("step_ms is None",))):
            self.machine.prints("cuda_bench", text)
            self.refused(comparison.cuda_bench, program, self.machine.model, 512, [1, 8], words=(*words, "--target cuda_bench"))
        self.machine.prints("cuda_bench", CUDA_BENCH)
        self.refused(comparison.cuda_bench, program, self.machine.model, 512, [1, 2], words=("no row for batch 2",))

    def test_names_of_gpus(self):
        for line, name in ((GPU, "h100"), ("NVIDIA GeForce RTX 3060, 580", "rtx-3060"), ("NVIDIA A100-SXM4-80GB, 1", "a100-sxm4-80gb"),
                           ("Tesla T4, 1", "t4")):
            self.assertEqual(machine_facts.short_name(line), name)

    def test_a_program_that_hangs(self):
        self.machine.prints("hangs", "begun\n", "exec sleep 60")
        self.refused(machine_facts.run, [self.machine.folder / "hangs"], "Wait.", None, 0.05, words=("did not end within 0.05 s", "Wait."))


class Vllm(OnAMachine):
    def test_figures_stand_beside_each_other(self):
        done = self.machine.vllm(run=self.machine.run)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = self.machine.result()
        prompts, one, eight = result["rows"][1:]
        self.assertEqual((one["vllm_step_ms"], one["times_vllm"]), (4.125, 0.82))  # what the stand-in's clock says
        self.assertEqual((eight["vllm_step_ms"], eight["times_vllm"]), (5.0, 0.83))
        self.assertEqual((prompts["vllm_tokens_s"], prompts["times_vllm"]), (50000, 0.64))
        self.assertEqual(result["versions"], {"vllm": "0.0.stand-in", "torch": "2.0"})
        self.assertEqual(result["vllm"]["options"], {"max_model_len": 608, "max_num_seqs": 256})
        self.assertEqual([(c["batch"], c["prompt"], c["tokens"]) for c in result["vllm"]["calls"]],
                         [(1, 448, 32), (1, 448, 96), (8, 448, 32), (8, 448, 96), (8, 512, 1)])
        self.assertIn("4.125 ms", done.stdout)

    def test_a_python_without_vllm(self):
        self.refuses(self.machine.vllm(packages=False), "vLLM is not installed for", "pip install vllm", "--python")
        self.refuses(self.machine.vllm("--python", "/no/such/python"), "cannot start /no/such/python", "No such file")

    def test_what_vllm_refuses(self):
        self.refuses(self.machine.vllm("--vllm-options", '{"colour": 1}'), "exit status 1", "unexpected keyword argument 'colour'")
        self.refuses(self.machine.vllm("--vllm-options", '{"short": 1}'), "1 answers of [31] tokens, asked for 1 of 32")

    def test_times_that_make_no_sense(self):
        self.refuses(self.machine.vllm("--vllm-options", '{"stuck": true}'), "took no longer", "--tokens")

    def test_wrong_options(self):
        for options, words in ((("--vllm-options", "[1]"), ("--vllm-options [1]", "JSON object")),
                               (("--tokens", 96, 32), ("--tokens 96 32", "greater")), (("--context", 64), ("context of 64", "too short"))):
            self.refuses(self.machine.vllm(*options), *words)

    def test_an_answer_that_is_not_understood(self):
        calls = compare_vllm.calls_of(512, [1], 32, 96)
        file = self.machine.folder / "answer.json"
        for text, word in (("", "not understood"), ("{}", "not understood"), ('{"versions": {}, "seconds": [1]}', "1 calls of 3"),
                           ('{"versions": {}, "seconds": [1, null, 2]}', "seconds is None")):
            file.write_text(text)
            with self.assertRaises(SystemExit) as why:
                compare_vllm.read_answer(file, calls)
            self.assertIn(word, why.exception.code)


class Transformers(OnAMachine):
    def test_the_result_has_the_keys_it_always_had(self):
        done = self.machine.run("compare_cuda.py", self.machine.model, "--cuda-bench", self.machine.folder / "cuda_bench", "--batches", 1, 8,
                                "--output", self.machine.output, "--commit", "abc")
        self.assertEqual(done.returncode, 0, done.stderr)
        result = self.machine.result()
        self.assertEqual(list(result), ["date", "gpu", "commit", "model", "context", "versions", "rows"])
        self.assertEqual((result["gpu"], result["commit"], result["versions"]), (GPU, "abc", {"torch": "2.0", "transformers": "5.0"}))
        loading, prompts, one, eight = result["rows"]
        self.assertIn("transformers_loading_seconds", loading)
        self.assertNotIn("times_transformers", prompts)
        for row in (one, eight):
            self.assertLessEqual({"transformers_step_ms", "times_transformers"}, set(row))
        self.assertIn("batch   1    5.000 ms, 98.0% of the floor", done.stdout)


if __name__ == "__main__":
    unittest.main()
