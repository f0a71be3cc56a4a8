#!/usr/bin/env python3
"""One model on two GPUs, split and replicated, beside one GPU and beside transformers with accelerate, in one run.

    compare_gpus.py FOLDER [--gpuplace build/gpuplace] [--requests 768] [--commit HASH] [--output FILE]

FOLDER is a checkpoint that fits one GPU, such as one of bench/decode/random_model.py. gpuplace is measured by its own command,
`gpuplace bench scaling`: generated tokens a second, prompts and waiting included. transformers: the time of 33 new tokens less that of 1,
by 32, with device_map="balanced" over both. Writes bench/results/two-gpus-GPU-DATE.json.
"""
import argparse
import datetime
import json
import shlex
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "decode"))
import comparison  # noqa: E402
import machine  # noqa: E402


def cases(requests):
    """Name, arguments for one GPU, arguments for two, and what is compared of the last row."""
    answers = ["--prompt-tokens", "512", "--answer-tokens", "256", "--context", "1100"]
    split = ["--devices", "2", "--devices-per-replica", "2", "--partition", "optimal(throughput)"]
    one = ["--devices", "1"]
    few = [*answers, "--requests", "16"]
    many = [*answers, "--requests", str(requests), "--batched-only"]
    long = ["--prompt-tokens", "8192", "--answer-tokens", "1", "--context", "8400", "--batch", "8", "--requests", "64", "--batched-only"]
    skewed = ["--prompt-tokens", "64:512", "--answer-tokens", "32:448", "--context", "1100", "--requests", str(2 * requests),
              "--batched-only", "--batch", "64"]
    return [("split, one sequence", [*one, *few], [*split, *few], 0),
            ("split, 64 sequences a micro-batch", [*one, *many, "--batch", "64"], [*split, *many, "--batch", "128"], -1),
            ("split, 64 sequences in all", [*one, *many, "--batch", "64"], [*split, *many, "--batch", "64"], -1),
            ("split, prompts of 8,192", [*one, *long], ["--devices", "2", "--devices-per-replica", "2", "--partition", "even", *long], -1),
            ("two replicas, answers of equal length", [*one, *many, "--batch", "64"], ["--devices", "2", *many, "--batch", "64"], -1),
            ("two replicas, lengths that differ", [*one, *skewed], ["--devices", "2", *skewed], -1)]


def measure(program, folder, arguments, row, commands):
    command = [program, "bench", "scaling", "--model", folder, *arguments, "--format", "json"]
    commands.append(shlex.join(command))
    return json.loads(machine.run(command, "Build it with scripts/demo, and name it with --gpuplace."))["rows"][row]


def transformers_steps(folder, batches):
    import torch
    import transformers
    transformers.logging.set_verbosity_error()
    begin = time.perf_counter()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, device_map="balanced")
    loading = time.perf_counter() - begin
    steps = {}
    for batch in batches:
        ids = torch.randint(0, 150000, (batch, 512), device="cuda:0")

        def seconds(tokens):
            torch.cuda.synchronize()
            start = time.perf_counter()
            with torch.inference_mode():
                model.generate(ids, attention_mask=torch.ones_like(ids), min_new_tokens=tokens, max_new_tokens=tokens, do_sample=False)
            torch.cuda.synchronize()
            return time.perf_counter() - start

        seconds(2)
        steps[batch] = round(1e3 * min((seconds(33) - seconds(1)) / 32 for _ in range(2)), 2)
    return {"torch": torch.__version__, "transformers": transformers.__version__, "loading_seconds": round(loading, 2),
            "device_map": "balanced", "step_ms": steps}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", metavar="FOLDER")
    options.add_argument("--gpuplace", default="build/gpuplace", metavar="PROGRAM")
    options.add_argument("--requests", type=int, default=1024)
    options.add_argument("--commit", default=None)
    options.add_argument("--output", default="")
    asked = options.parse_args()
    gpu = machine.gpu_line()
    rows, done, commands = [], {}, []
    for name, one, two, at in cases(asked.requests):
        key = (*one, at)
        if key not in done:
            done[key] = measure(asked.gpuplace, asked.folder, one, at, commands)
        single, both = done[key], measure(asked.gpuplace, asked.folder, two, at, commands)
        times = both["requests_per_minute"] / single["requests_per_minute"]
        rows.append({"case": name, "one_gpu": single, "two_gpus": both, "times": round(times, 3)})
        print(f"{name:40} {single['tokens_per_second']:10.1f} tokens/s on one, {both['tokens_per_second']:10.1f} on two: "
              f"{times:.3f} times; loading {single['loading_seconds']:.2f} and {both['loading_seconds']:.2f} s", flush=True)
    theirs = transformers_steps(asked.folder, [1, 32])
    print(f"transformers over both: {theirs['step_ms']} ms a step", flush=True)
    output = Path(asked.output) if asked.output else comparison.RESULTS / (
        f"two-gpus-{machine.short_name(gpu)}-{datetime.date.today().isoformat()}.json")
    output.write_text(json.dumps({"date": datetime.date.today().isoformat(), "gpus": gpu, "model": Path(asked.folder).name,
                                  "commit": machine.commit() if asked.commit is None else asked.commit, "commands": commands,
                                  "rows": rows, "transformers": theirs}, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
