#!/usr/bin/env python3
"""Decoding and prompts on one GPU: gpuplace's executor beside llama.cpp, with the same weights in bf16, in one run.

    compare_llama_cpp.py FOLDER GGUF --llama-cpp llama.cpp/build [--cuda-bench build/bench/decode/cuda_bench]
                         [--context 512] [--batches 1 8 32 64]

FOLDER is a checkpoint, GGUF the same weights for llama.cpp, made in llama.cpp's source folder by

    python convert_hf_to_gguf.py FOLDER --outtype bf16 --outfile GGUF

which needs the model's tokenizer files in FOLDER too (a folder of random_model.py has none: copy tokenizer.json, tokenizer_config.json,
vocab.json and merges.txt of the published model into it). llama.cpp is built with CUDA, in a version of September 2025 or later:

    cmake -B build -DGGML_CUDA=ON && cmake --build build -j --target llama-bench llama-batched-bench

gpuplace: cuda_bench, the median of the decode steps of a second after CONTEXT tokens, and the better of two fillings of the largest batch.
llama.cpp: llama-batched-bench generates TOKENS tokens around that context, the best of --rounds; for one sequence llama-bench runs too, and
the better of the two counts. Both take prompts in chunks of 2,048 tokens. Times of a step have the host's part in both; gpuplace's have the
choice of the token, llama.cpp's the logits' way to the host. Writes bench/results/llama-cpp-GPU-MODEL-DATE.json.
"""
import json
import math
import shlex
import struct
from pathlib import Path

import comparison
import machine

CHUNK, CELLS = 2048, 256  # tokens of a prompt at once; llama.cpp rounds a sequence's room in the cache up to so many
ALL_LAYERS = 999
BUILD = ("Build llama.cpp of September 2025 or later with `cmake -B build -DGGML_CUDA=ON && cmake --build build -j --target llama-bench "
         "llama-batched-bench`, and name its build folder with --llama-cpp.")


def tool(folder, name):
    """A program of a build folder, or of the folder that holds the programs themselves."""
    for place in (Path(folder, "bin", name), Path(folder, name)):
        if place.is_file():
            return place.resolve()
    machine.fail(f"{Path(folder, 'bin', name)} is not there. {BUILD}")


def parameters(folder):
    """Parameters of a checkpoint by its safetensors' headers: without and with a head of its own."""
    without = head = 0
    files = sorted(Path(folder).glob("*.safetensors"))
    for file in files:
        try:
            with file.open("rb") as read:
                header = json.loads(read.read(struct.unpack("<Q", read.read(8))[0]))
            for name, tensor in header.items():
                if name == "lm_head.weight":
                    head += math.prod(tensor["shape"])
                elif name != "__metadata__":
                    without += math.prod(tensor["shape"])
        except (OSError, ValueError, struct.error, KeyError, TypeError, MemoryError, OverflowError, AttributeError) as why:
            machine.fail(f"{file} is no safetensors file ({why}): mend FOLDER")
    if not files:
        machine.fail(f"{folder} holds no .safetensors files: FOLDER is a checkpoint, such as one that bench/decode/random_model.py writes")
    return without, without + head


def check_same_model(row, folder, gguf):
    """llama-bench says what it ran; it must be FOLDER's weights in bf16, on CUDA."""
    backends, kind, count = (row.get(key) for key in ("backends", "model_type", "model_n_params"))
    if "CUDA" not in str(backends):
        machine.fail(f"llama-bench ran on {backends}, not on CUDA. {BUILD}")
    if "BF16" not in str(kind):
        machine.fail(f"{gguf} is {kind}, not bf16: the two would read different bytes. Convert FOLDER with `convert_hf_to_gguf.py "
                     "FOLDER --outtype bf16`")
    count = comparison.number_of(row, "model_n_params", "llama-bench", BUILD)
    known = parameters(folder)
    if not any(abs(count - n) <= n / 100 for n in known):
        machine.fail(f"{gguf} has {count:,} parameters and {folder} {known[1]:,}: they are not the same model. Convert FOLDER with "
                     "`convert_hf_to_gguf.py FOLDER --outtype bf16`")


def llama_bench_row(text):
    """The one row that llama-bench printed as JSON lines."""
    return comparison.json_lines(text, "llama-bench", BUILD)[-1]


def llama_bench_step(row, tokens):
    """The best step in ms. Each of samples_ns is the time of `tokens` steps."""
    samples = row.get("samples_ns")
    if not isinstance(samples, list) or not samples:
        machine.fail(f"llama-bench's output is not understood: samples_ns is {samples!r}. {BUILD}")
    return min(comparison.number_of({"samples_ns": s}, "samples_ns", "llama-bench", BUILD) for s in samples) / tokens / 1e6


def batched_rows(text, batches):
    """Best times of llama-batched-bench: ms a step by batch, and prompt tokens a second of the largest batch."""
    steps, prefill = {}, {}
    for row in comparison.json_lines(text, "llama-batched-bench", BUILD):
        prompt, tokens, batch, t_prompt, t_tokens = (
            comparison.number_of(row, key, "llama-batched-bench", BUILD) for key in ("pp", "tg", "pl", "t_pp", "t_tg"))
        steps[batch] = min(1e3 * t_tokens / tokens, steps.get(batch, math.inf))
        prefill[batch] = max(batch * prompt / t_prompt, prefill.get(batch, 0))
    for batch in batches:
        if batch not in steps:
            machine.fail(f"llama-batched-bench printed no row for batch {batch}, as it does where its cache has no room or so many sequences "
                         "are more than it was built for: ask for less with --batches or --context")
    return steps, prefill[max(batches)]


def main():
    options = comparison.Comparison.options(__doc__)
    options.add_argument("gguf", metavar="GGUF")
    options.add_argument("--llama-cpp", required=True, metavar="FOLDER", help="llama.cpp's build folder")
    options.add_argument("--tokens", type=comparison.positive, default=32, help="that llama.cpp generates in a count (32)")
    options.add_argument("--llama-options", default="", metavar="TEXT",
                         help="more options of llama-batched-bench, such as --llama-options='-ub 512'")
    asked = options.parse_args()
    prompt = asked.context - asked.tokens // 2
    if prompt < 1:
        machine.fail(f"a context of {asked.context} tokens is too short for --tokens {asked.tokens}: it lies in their middle")
    single, batched = tool(asked.llama_cpp, "llama-bench"), tool(asked.llama_cpp, "llama-batched-bench")
    if not Path(asked.gguf).is_file():
        machine.fail(f"{asked.gguf} is not there: make it with `convert_hf_to_gguf.py {asked.folder} --outtype bf16 --outfile {asked.gguf}`")
    work = comparison.Comparison("llama_cpp", "llama.cpp", asked)

    work.run_ours()
    common = ["-m", asked.gguf, "-ngl", ALL_LAYERS, "-b", CHUNK, "-ub", CHUNK]
    row = llama_bench_row(work.run(
        "llama-bench", [single, *common, "-fa", 1, "-p", 0, "-n", asked.tokens, "-d", prompt, "-r", asked.rounds, "-o", "jsonl"], BUILD))
    check_same_model(row, asked.folder, asked.gguf)
    room = -(-(prompt + asked.tokens) // CELLS) * CELLS * max(asked.batches)
    turns = ",".join(str(batch) for batch in asked.batches for _ in range(asked.rounds))
    steps, prefill = batched_rows(work.run(
        "llama-batched-bench",
        [batched, *common, "-fa", "on", "-c", room, "-npp", prompt, "-ntg", asked.tokens, "-npl", turns, "--output-format", "jsonl",
         *shlex.split(asked.llama_options)], BUILD), asked.batches)
    singles = {"llama-bench": llama_bench_step(row, asked.tokens)}
    if 1 in steps:
        singles["llama-batched-bench"] = steps[1]
        steps[1] = min(singles.values())
    work.finish(steps, prefill, {"llama_cpp": f"{row.get('build_number')} ({row.get('build_commit')})"},
                llama_cpp={"model_type": row["model_type"], "one_sequence_step_ms": {k: round(v, 4) for k, v in singles.items()},
                           "cache": [row.get("type_k"), row.get("type_v")]})


if __name__ == "__main__":
    main()
