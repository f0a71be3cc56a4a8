"""A machine made of files: shell scripts in place of nvidia-smi, cuda_bench and llama.cpp, packages in place of vLLM, torch and
transformers. What they print has the form of the programs' own output.
"""
import contextlib
import importlib
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
from unittest import mock

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "bench" / "decode"
GPU = "NVIDIA H100 80GB HBM3, 580.159.04, 1980 MHz, 2619 MHz"
STATE = "345 MHz, 2619 MHz, 700.00 W, 31, 4 MiB"
CUDA_BENCH = """{"loading_seconds": 0.493, "weight_gb": 15.137, "loading_gb_s": 30.72, "best_read_gb_s": 3089.0}
{"prefill_tokens": 4096, "first_seconds": 0.4, "seconds": 0.128, "tokens_s": 32000, "tflop_s": 500, "best_tflop_s": 700, "of_best": 0.714}
{"batch": 1, "context": 512, "step_ms": 5.0000, "mean_ms": 5.0100, "floor_ms": 4.9000, "of_floor": 0.980}
{"batch": 8, "context": 512, "step_ms": 6.0000, "mean_ms": 6.0100, "floor_ms": 5.1000, "of_floor": 0.850}
"""
BENCH_ROW = {
    "build_commit": "1eeb523c", "build_number": 6527, "cpu_info": "a processor", "gpu_info": "NVIDIA H100 80GB HBM3", "backends": "CUDA",
    "model_filename": "model.gguf", "model_type": "qwen3 8B BF16", "model_size": 264, "model_n_params": 132, "n_batch": 2048,
    "n_ubatch": 2048, "n_threads": 8, "type_k": "f16", "type_v": "f16", "n_gpu_layers": 999, "flash_attn": True, "n_prompt": 0, "n_gen": 32,
    "n_depth": 496, "test_time": "2026-11-23T10:00:00Z", "avg_ns": 201600000, "stddev_ns": 1000000, "avg_ts": 158.7, "stddev_ts": 0.1,
    "samples_ns": [208000000, 201600000, 204800000], "samples_ts": [153.8, 158.7, 156.2]}


def batched_row(batch, step_ms, prompt_seconds, prompt=496, tokens=32):
    seconds = step_ms * tokens / 1e3
    return json.dumps({
        "n_kv_max": 6144, "n_batch": 2048, "n_ubatch": 2048, "flash_attn": 1, "is_pp_shared": 0, "n_gpu_layers": 999, "n_threads": 8,
        "n_threads_batch": 8, "pp": prompt, "tg": tokens, "pl": batch, "n_kv": batch * (prompt + tokens), "t_pp": prompt_seconds,
        "speed_pp": batch * prompt / prompt_seconds, "t_tg": seconds, "speed_tg": batch * tokens / seconds,
        "t": prompt_seconds + seconds, "speed": batch * (prompt + tokens) / (prompt_seconds + seconds)})


BATCHED = "\n".join(batched_row(*figures) for figures in ((1, 6.50, 0.05), (1, 6.25, 0.04), (8, 9.60, 0.20), (8, 9.00, 0.16))) + "\n\n\n"

# A clock that only the model moves: a step of n sequences takes 4 + n / 8 ms, a prompt's token 20 us.
VLLM = """
import time
__version__ = "0.0.stand-in"
now = [0.0]
time.perf_counter = lambda: now[0]

class SamplingParams:
    def __init__(self, temperature, max_tokens, ignore_eos, detokenize):
        assert temperature == 0 and ignore_eos and not detokenize
        self.max_tokens = max_tokens

class Answer:
    def __init__(self, tokens):
        self.outputs, self.token_ids = [self], [7] * tokens

class LLM:
    def __init__(self, model, dtype, skip_tokenizer_init, enable_prefix_caching, max_model_len, max_num_seqs, short=0, stuck=False):
        assert dtype == "bfloat16" and skip_tokenizer_init and not enable_prefix_caching
        self.room, self.short, self.stuck = max_model_len, short, stuck

    def generate(self, prompts, sampling_params, use_tqdm):
        tokens = sampling_params.max_tokens
        assert not use_tqdm and all(len(p["prompt_token_ids"]) + tokens <= self.room for p in prompts)
        steps = 1 if self.stuck else tokens
        now[0] += sum(len(p["prompt_token_ids"]) for p in prompts) * 20e-6 + (steps - 1) * (4 + len(prompts) / 8) / 1e3
        return [Answer(tokens - self.short) for _ in prompts]
"""
TORCH = """
__version__ = "2.0"

def __getattr__(name):
    from unittest.mock import MagicMock
    return MagicMock(**{"get_device_name.return_value": "NVIDIA H100 80GB HBM3"})
"""
TRANSFORMERS = """
import sys
from unittest.mock import MagicMock
sys.modules[__name__] = MagicMock(__version__="5.0")
"""


class Machine:
    """A folder with everything that a comparison needs; tests break what they are about."""

    def __init__(self):
        self.kept = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.kept.name)
        self.prints("path/nvidia-smi", "", f'case "$1" in *=name,*) echo "{GPU}";; *) echo "{STATE}";; esac')
        self.prints("cuda_bench", CUDA_BENCH)
        self.prints("llama/bin/llama-bench", json.dumps(BENCH_ROW) + "\n")
        self.prints("llama/bin/llama-batched-bench", BATCHED)
        self.model = self.folder / "qwen3-tiny"
        self.model.mkdir()
        (self.model / "config.json").write_text("{}")
        header = json.dumps({"__metadata__": {"format": "pt"}, "a": {"dtype": "BF16", "shape": [11, 12], "data_offsets": [0, 264]}}).encode()
        (self.model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(264))
        self.gguf = self.folder / "model.gguf"
        self.gguf.write_text("GGUF")
        self.output = self.folder / "result.json"
        for name, text in (("vllm", VLLM), ("torch", TORCH), ("transformers", TRANSFORMERS)):
            (self.folder / "packages" / name).mkdir(parents=True)
            (self.folder / "packages" / name / "__init__.py").write_text(text)

    def close(self):
        self.kept.cleanup()

    def prints(self, name, text, then="", to=""):
        """Makes a program that prints `text` and notes its arguments and the GPU it sees."""
        program = self.folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        note = f"{program}.called"
        program.write_text(f"#!/bin/sh\necho \"$CUDA_VISIBLE_DEVICES: $*\" >> '{note}'\ncat {to} <<'END'\n{text}END\n{then}\n")
        program.chmod(0o755)

    def calls(self, name):
        return (self.folder / f"{name}.called").read_text().splitlines()

    def environment(self, packages):
        return {"PATH": f"{self.folder / 'path'}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8",
                **({"PYTHONPATH": str(self.folder / "packages")} if packages else {})}

    def run(self, script, *arguments, packages=True):
        """As its users run it."""
        return subprocess.run([sys.executable, str(SCRIPTS / script), *map(str, arguments)], capture_output=True, text=True,
                              env=self.environment(packages), cwd=self.folder, timeout=50)

    def run_within(self, script, *arguments, packages=True):
        """The same in this process, which takes a tenth of the time."""
        out, err, status = io.StringIO(), io.StringIO(), 0
        words = [script, *map(str, arguments)]
        with mock.patch.dict(os.environ, self.environment(packages), clear=True), mock.patch.object(sys, "argv", words), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                importlib.import_module(script.removesuffix(".py")).main()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
                if isinstance(end.code, str):
                    print(end.code, file=err)
        return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())

    def own(self):
        return "--cuda-bench", self.folder / "cuda_bench", "--batches", 1, 8, "--output", self.output, "--gpu", 3

    def llama_cpp(self, *more, run=None):
        return (run or self.run_within)("compare_llama_cpp.py", self.model, self.gguf, "--llama-cpp", self.folder / "llama",
                                        *self.own(), *more)

    def vllm(self, *more, run=None, **options):
        return (run or self.run_within)("compare_vllm.py", self.model, "--python", sys.executable, *self.own(), "--commit", "abc",
                                         *more, **options)

    def result(self):
        return json.loads(self.output.read_text())
