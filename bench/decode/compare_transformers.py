#!/usr/bin/env python3
"""Times `gpuplace run` and transformers on one checkpoint: same machine, threads, number format, prompts and token counts.

    compare_transformers.py --gpuplace build/gpuplace --model build/models/SmolLM2-135M-Instruct [--dtypes bf16,fp32]

Run it with a Python that has torch and transformers, on an otherwise idle machine. Decoding: 1 and 16 sequences, tokens a
second between a short and a long answer, so that loading and prefill cancel out. Prefill: prompt tokens a second between a
short and a long prompt with one new token each. The two take turns, best of --rounds. Prints a table and writes
bench/results/decode-DATE.json.
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

SENTENCE = "The old lighthouse keeper counted the ships that passed, and wrote their names into a book that nobody had ever read. "
SHORT, LONG = 8, 104  # new tokens of the two answers that a decoding rate is taken between
TORCH_NAMES = {"bf16": "bfloat16", "fp32": "float32"}


def prompt_of(sentences, index):
    return f"Story {index}. " + SENTENCE * sentences


class Gpuplace:
    name = "gpuplace"

    def __init__(self, command, model, dtype):
        self.command, self.model, self.dtype = command, model, dtype

    def run(self, prompts, new_tokens):
        """Seconds of the whole command, prompt tokens, new tokens."""
        with tempfile.TemporaryDirectory() as folder:
            rows, out = Path(folder) / "prompts.jsonl", Path(folder) / "out.jsonl"
            rows.write_text("".join(json.dumps({"prompt": p}) + "\n" for p in prompts), encoding="utf-8")
            begin = time.perf_counter()
            subprocess.run(
                [self.command, "run", "--model", self.model, "--dtype", self.dtype, "--topology", "cpu:1", "--prompts", str(rows),
                 "--raw", "--batch", str(len(prompts)), "--context", "2048", "--max-tokens", str(new_tokens), "--output", str(out)],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            took = time.perf_counter() - begin
            answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        return took, sum(a["prompt_tokens"] for a in answers), sum(a["completion_tokens"] for a in answers)


class Transformers:
    name = "transformers"

    def __init__(self, model, dtype, threads):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        torch.set_num_threads(threads)
        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, TORCH_NAMES[dtype])).eval()

    def run(self, prompts, new_tokens):
        ids = [self.tokenizer(p)["input_ids"] for p in prompts]
        width = min(map(len, ids))  # one length, so that no padding is computed
        batch = self.torch.tensor([row[:width] for row in ids])
        begin = time.perf_counter()
        with self.torch.inference_mode():
            self.model.generate(batch, attention_mask=self.torch.ones_like(batch), max_new_tokens=new_tokens, min_new_tokens=new_tokens,
                                do_sample=False, pad_token_id=0)
        return time.perf_counter() - begin, batch.numel(), len(prompts) * new_tokens


def decode_rate(engine, sequences):
    prompts = [prompt_of(1, i) for i in range(sequences)]
    short, _, few = engine.run(prompts, SHORT)
    long, _, many = engine.run(prompts, LONG)
    return (many - few) / (long - short)


def prefill_rate(engine, _):
    short, few, _ = engine.run([prompt_of(1, 0)], 1)
    long, many, _ = engine.run([prompt_of(40, 0)], 1)
    return (many - few) / (long - short)


CASES = {"decode, 1 sequence": (decode_rate, 1), "decode, 16 sequences": (decode_rate, 16), "prefill, about 1,000 tokens": (prefill_rate, 1)}


def measure(engines, rounds):
    best = {case: {e.name: 0.0 for e in engines} for case in CASES}
    for _ in range(rounds):
        for case, (rate, sequences) in CASES.items():
            for engine in engines:
                best[case][engine.name] = max(best[case][engine.name], rate(engine, sequences))
    return best


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "unknown")
    return {"processor": model, "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--gpuplace", default="build/gpuplace")
    arguments.add_argument("--model", default="build/models/SmolLM2-135M-Instruct")
    arguments.add_argument("--dtypes", default="bf16,fp32")
    arguments.add_argument("--rounds", type=int, default=2)
    given = arguments.parse_args()
    threads = len(os.sched_getaffinity(0))
    report = {"machine": machine(), "threads": threads, "model": Path(given.model).name, "unit": "tokens/s", "results": {}}
    print(f"{'':6}{'':30}{'gpuplace':>12}{'transformers':>14}{'ratio':>8}   tokens/s, {threads} threads")
    for dtype in given.dtypes.split(","):
        engines = [Gpuplace(given.gpuplace, given.model, dtype), Transformers(given.model, dtype, threads)]
        report["results"][dtype] = measure(engines, given.rounds)
        for case, rates in report["results"][dtype].items():
            ours, theirs = rates["gpuplace"], rates["transformers"]
            print(f"{dtype:6}{case:30}{ours:12.1f}{theirs:14.1f}{ours / theirs:8.2f}", flush=True)
    folder = Path(__file__).resolve().parent.parent / "results"
    folder.mkdir(exist_ok=True)
    file = folder / f"decode-{datetime.date.today()}.json"
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(file)


if __name__ == "__main__":
    sys.exit(main())
