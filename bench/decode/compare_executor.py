#!/usr/bin/env python3
"""Times the torch executor and transformers' forward pass on the same checkpoints: loading with peak memory, decoding, prefill.

    compare_executor.py --executor build/bench/decode/executor_bench [--models build/models/SmolLM2-135M-Instruct,qwen3-0.6b]
                        [--dtypes bf16,fp32] [--rounds 2] [--commit HASH]

`qwen3-0.6b` is a checkpoint of that shape with random weights, made in a temporary folder. Run it with a Python that has torch
and transformers, on an otherwise idle machine. Each measurement is a process of its own; the two sides take turns, best of
--rounds. Loading lasts until the first token of a one-token prompt, with the file in the page cache; memory is what the
process peaks at above what it had with its libraries loaded. Decoding: 64 steps after a prompt of 32 tokens. Prefill: one
prompt of 512 tokens. Writes bench/results/executor-DATE.json.
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TORCH_NAMES = {"bf16": "bfloat16", "fp32": "float32"}
STEPS, PROMPT, PREFILL = 64, 32, 512
LARGER_IS_BETTER = {"load_seconds": False, "load_peak_mib": False, "decode_1": True, "decode_16": True, "prefill_512": True}


def memory(key):
    """MiB of a line such as VmHWM in /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


def make_qwen3(folder):
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config
    config = Qwen3Config(
        vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
        num_key_value_heads=8, head_dim=128, tie_word_embeddings=True, max_position_embeddings=40960,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)


def token(i):
    return 1000 + i * 7


def time_transformers(model_folder, dtype, threads):
    """Runs in a process of its own: prints one JSON object as executor_bench does."""
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(threads)
    torch.zeros(8, 8) @ torch.zeros(8, 8)
    before = memory("VmRSS")
    begin = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=getattr(torch, TORCH_NAMES[dtype])).eval()
    with torch.inference_mode():
        model(torch.tensor([[1]])).logits[0, -1].argmax().item()
        found = {"load_seconds": time.perf_counter() - begin, "load_peak_mib": memory("VmHWM") - before}
        for batch in (1, 16):
            out = model(torch.tensor([[token(i) for i in range(PROMPT)]] * batch), use_cache=True, logits_to_keep=1)
            best = 0.0
            for _ in range(3):
                cache, step = out.past_key_values, torch.full((batch, 1), token(0))
                busy = time.perf_counter()
                for _ in range(STEPS):
                    out = model(step, past_key_values=cache, use_cache=True)
                    step = out.logits[:, -1].argmax(-1, keepdim=True)
                best = max(best, STEPS * batch / (time.perf_counter() - busy))
                cache.crop(-STEPS)
            found[f"decode_{batch}"] = best
        prompt, best = torch.tensor([[token(i) for i in range(PREFILL)]]), 0.0
        for _ in range(3):
            busy = time.perf_counter()
            model(prompt, use_cache=True, logits_to_keep=1).logits[0, -1].argmax().item()
            best = max(best, PREFILL / (time.perf_counter() - busy))
        found["prefill_512"] = best
    print(json.dumps(found))


def measure(command):
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def better(key, a, b):
    return max(a, b) if LARGER_IS_BETTER[key] else min(a, b)


def compare(given, model, dtype, threads):
    engines = {
        "gpuplace": [given.executor, model, dtype, str(threads)],
        "transformers": [sys.executable, __file__, "--inner", model, dtype, str(threads)],
    }
    best = {}
    for _ in range(given.rounds):
        for name, command in engines.items():
            found = measure(command)
            kept = best.setdefault(name, {key: found[key] for key in LARGER_IS_BETTER})
            for key in LARGER_IS_BETTER:
                kept[key] = better(key, kept[key], found[key])
    return best


def show(model, dtype, best):
    for key in LARGER_IS_BETTER:
        ours, theirs = best["gpuplace"][key], best["transformers"][key]
        print(f"{model:28}{dtype:6}{key:16}{ours:12.2f}{theirs:14.2f}{ours / theirs:8.2f}", flush=True)


def processor():
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def main():
    if sys.argv[1:2] == ["--inner"]:
        return time_transformers(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--executor", default="build/bench/decode/executor_bench")
    arguments.add_argument("--models", default="build/models/SmolLM2-135M-Instruct,qwen3-0.6b")
    arguments.add_argument("--dtypes", default="bf16,fp32")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--commit", default="")
    given = arguments.parse_args()
    threads = len(os.sched_getaffinity(0))
    report = {"date": str(datetime.date.today()), "commit": given.commit, "machine": {"processor": processor(), "cores": os.cpu_count(),
              "load_before": os.getloadavg()[0]}, "threads": threads, "units": "seconds, MiB, tokens/s", "results": {}}
    print(f"{'':50}{'gpuplace':>12}{'transformers':>14}{'ratio':>8}   {threads} threads")
    with tempfile.TemporaryDirectory() as folder:
        for model in given.models.split(","):
            if model == "qwen3-0.6b":
                make_qwen3(folder)
            for dtype in given.dtypes.split(","):
                best = compare(given, folder if model == "qwen3-0.6b" else model, dtype, threads)
                report["results"].setdefault(Path(model).name, {})[dtype] = best
                show(Path(model).name, dtype, best)
    file = Path(__file__).resolve().parent.parent / "results" / f"executor-{datetime.date.today()}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
