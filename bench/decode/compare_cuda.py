#!/usr/bin/env python3
"""Decoding on the first GPU, gpuplace's executor beside transformers with accelerate, on the same random weights in one run.

    compare_cuda.py FOLDER [--cuda-bench build/bench/decode/cuda_bench] [--context 512] [--batches 1 2 4 8 32] [--commit HASH]

FOLDER is a checkpoint, such as one of random_model.py. gpuplace: the median of the decode steps of a second as their caller sees
them, host time included.
transformers: `generate` in bf16 with device_map="cuda", prompts of CONTEXT tokens; the time of 33 new tokens less that of 1, by 32, the
best of two. Writes bench/results/cuda-decode-GPU-DATE.json.
"""
import argparse
import datetime
import time
from pathlib import Path

import torch
import transformers

import comparison
import machine


def theirs(folder, context, batches):
    begin = time.perf_counter()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, device_map="cuda")
    torch.cuda.synchronize()
    loading = time.perf_counter() - begin
    steps = {}
    for batch in batches:
        ids = torch.randint(0, 150000, (batch, context), device="cuda")
        mask = torch.ones_like(ids)

        def seconds(tokens):
            torch.cuda.synchronize()
            begin = time.perf_counter()
            with torch.inference_mode():
                model.generate(ids, attention_mask=mask, min_new_tokens=tokens, max_new_tokens=tokens, do_sample=False)
            torch.cuda.synchronize()
            return time.perf_counter() - begin

        seconds(2)
        steps[batch] = 1e3 * min((seconds(33) - seconds(1)) / 32 for _ in range(2))
    return loading, steps


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("--cuda-bench", default="build/bench/decode/cuda_bench")
    options.add_argument("--context", type=int, default=512)
    options.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 32])
    options.add_argument("--commit", default="")
    options.add_argument("--output", default="")
    asked = options.parse_args()
    transformers.logging.set_verbosity_error()
    gpu = machine.gpu_line()
    mine = comparison.cuda_bench(asked.cuda_bench, asked.folder, asked.context, asked.batches)
    loading, steps = theirs(asked.folder, asked.context, asked.batches)
    comparison.put_beside(mine, "transformers", steps)
    for row in mine:
        if "batch" in row:
            print("batch {batch:3}  {step_ms:7.3f} ms, {of_floor:.1%} of the floor; transformers {transformers_step_ms:7.2f} ms, "
                  "{times_transformers} times".format(**row), flush=True)
        elif "loading_seconds" in row:
            row["transformers_loading_seconds"] = round(loading, 3)
            print("loading {loading_seconds} s; transformers {transformers_loading_seconds} s".format(**row), flush=True)
    name, date = torch.cuda.get_device_name(0).split()[1].lower(), datetime.date.today().isoformat()
    output = Path(asked.output) if asked.output else comparison.RESULTS / f"cuda-decode-{name}-{date}.json"
    comparison.write(output, gpu, asked.commit, asked.folder, asked.context,
                     {"torch": torch.__version__, "transformers": transformers.__version__}, mine)


if __name__ == "__main__":
    main()
