#!/usr/bin/env python3
"""Decoding and prompts on one GPU: gpuplace's executor beside vLLM, on the same checkpoint in bf16, in one run.

    compare_vllm.py FOLDER --python ENVIRONMENT/bin/python [--cuda-bench build/bench/decode/cuda_bench]
                    [--context 512] [--batches 1 8 32 64] [--vllm-options '{"max_num_batched_tokens": 16384}']

FOLDER is a checkpoint, such as one of random_model.py (no tokenizer is needed). --python is a Python that imports vLLM; this script itself
needs the standard library alone.

gpuplace: cuda_bench, the median of the decode steps of a second after CONTEXT tokens, and the better of two fillings of the largest batch.
vLLM: whole calls of LLM.generate, greedy, without text, tokenizer or prefix cache, all else as vLLM chooses; each the best of --rounds
after one that is not counted. A step is the time of a long answer less that of a short one by the tokens between, which lie around
CONTEXT, and all sequences are at work in each of these steps. Prompts: the largest batch of CONTEXT tokens with one new token each.
vLLM's times hold its scheduler, cuda_bench's do not. Writes bench/results/vllm-GPU-MODEL-DATE.json.
"""
import json
import tempfile
from pathlib import Path

import comparison
import machine

WORKER = Path(__file__).resolve().with_name("vllm_worker.py")
ADVICE = ("Name with --python a Python in which `import vllm` works (`python -m venv ENVIRONMENT && ENVIRONMENT/bin/pip install vllm`); "
          "what vLLM itself refuses, such as too little memory, --vllm-options may mend.")


def calls_of(context, batches, short, long):
    """Two calls for each batch, and one for prompts alone. The tokens from the short to the long answer lie around the context."""
    prompt = context - (short + long) // 2
    if long <= short:
        machine.fail(f"--tokens {short} {long}: the second is to be greater")
    if prompt < 1:
        machine.fail(f"a context of {context} tokens is too short for --tokens {short} {long}: it lies between them")
    pairs = [{"batch": batch, "prompt": prompt, "tokens": tokens} for batch in batches for tokens in (short, long)]
    return [*pairs, {"batch": max(batches), "prompt": context, "tokens": 1}]


def read_answer(path, calls):
    """Versions, and the seconds of each call."""
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
        versions, seconds = dict(answer["versions"]), list(answer["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as why:
        machine.fail(f"what {WORKER.name} wrote is not understood ({type(why).__name__}: {why}). {ADVICE}")
    if len(seconds) != len(calls):
        machine.fail(f"{WORKER.name} timed {len(seconds)} calls of {len(calls)}. {ADVICE}")
    return versions, [comparison.number_of({"seconds": s}, "seconds", WORKER.name, ADVICE) for s in seconds]


def figures(calls, seconds, batches, short, long):
    """ms a step by batch, and prompt tokens a second."""
    steps = {}
    for i, batch in enumerate(batches):
        steps[batch] = 1e3 * (seconds[2 * i + 1] - seconds[2 * i]) / (long - short)
        if steps[batch] <= 0:
            machine.fail(f"vLLM's {long} tokens for {batch} sequences took no longer than {short}: the machine is too busy to time it; "
                         "run again with --tokens further apart")
    return steps, calls[-1]["batch"] * calls[-1]["prompt"] / seconds[-1]


def main():
    options = comparison.Comparison.options(__doc__)
    options.add_argument("--python", default="python3", metavar="PROGRAM", help="that has vLLM (python3)")
    options.add_argument("--tokens", type=comparison.positive, nargs=2, default=[32, 96], metavar=("SHORT", "LONG"),
                         help="of the two answers that a step's time is taken between (32 96)")
    options.add_argument("--vllm-options", default="{}", metavar="JSON", help="more arguments of vLLM's LLM, as an object")
    asked = options.parse_args()
    short, long = asked.tokens
    batches = sorted(set(asked.batches))
    calls = calls_of(asked.context, batches, short, long)
    try:
        more = dict(json.loads(asked.vllm_options))
    except (ValueError, TypeError) as why:
        machine.fail(f"--vllm-options {asked.vllm_options}: not a JSON object ({why}); write it like '{{\"gpu_memory_utilization\": 0.8}}'")
    chosen = {"max_model_len": asked.context + long, "max_num_seqs": max(256, *batches), **more}
    work = comparison.Comparison("vllm", "vLLM", asked)
    work.run_ours()
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder, "question.json"), Path(folder, "answer.json")
        question.write_text(json.dumps(
            {"folder": str(Path(asked.folder).resolve()), "options": chosen, "rounds": asked.rounds, "calls": calls}), encoding="utf-8")
        work.run("vLLM", [asked.python, WORKER, question, answer], ADVICE)
        versions, seconds = read_answer(answer, calls)
    steps, prefill = figures(calls, seconds, batches, short, long)
    work.finish(steps, prefill, versions, vllm={"options": chosen, "calls": [{**c, "seconds": s} for c, s in zip(calls, seconds)]})


if __name__ == "__main__":
    main()
