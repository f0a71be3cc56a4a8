#!/usr/bin/env python3
"""Splits real models over GPUs with gpuplace, accelerate, transformers and METIS, side by side in one run: quality and time.

    compare_planners.py [--gpuplace build/gpuplace] [--commit HASH]

Eleven published models (shapes alone: no weights are loaded) x 1 to 16 GPUs x even and uneven limits, weights only, bf16. The
planners are asked for `auto`/`balanced`; METIS cuts the chain of units into parts of equal bytes. Each answer is priced by the
bytes that transformers' own modules have, never by what a planner says of itself: the largest device's bytes over the least
possible, which an exhaustive search over contiguous splits finds here independently. Times: gpuplace's is what
`gpuplace bench placement` prints, the best of twenty, accelerate's and transformers' the best of three calls in this process, with
the model on the meta device beforehand; the whole gpuplace command with its start is timed too. Needs torch, transformers,
accelerate and pymetis. Writes bench/results/planners-DATE.json.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import logging

import accelerate
import pymetis
import torch
import transformers
from accelerate.utils import compute_module_sizes
from transformers.integrations import accelerate as inside

# preset: (config class, layers, hidden, heads, key-value heads, head size, intermediate, vocabulary, tied)
MODELS = {
    "qwen2.5-1.5b": ("Qwen2", 28, 1536, 12, 2, 128, 8960, 151936, True),
    "qwen2.5-3b": ("Qwen2", 36, 2048, 16, 2, 128, 11008, 151936, True),
    "qwen2.5-7b": ("Qwen2", 28, 3584, 28, 4, 128, 18944, 152064, False),
    "qwen2.5-14b": ("Qwen2", 48, 5120, 40, 8, 128, 13824, 152064, False),
    "qwen2.5-32b": ("Qwen2", 64, 5120, 40, 8, 128, 27648, 152064, False),
    "qwen2.5-72b": ("Qwen2", 80, 8192, 64, 8, 128, 29568, 152064, False),
    "qwen3-1.7b": ("Qwen3", 28, 2048, 16, 8, 128, 6144, 151936, True),
    "qwen3-8b": ("Qwen3", 36, 4096, 32, 8, 128, 12288, 151936, False),
    "llama-3.1-8b": ("Llama", 32, 4096, 32, 8, 128, 14336, 128256, False),
    "llama-3.1-70b": ("Llama", 80, 8192, 64, 8, 128, 28672, 128256, False),
    "mistral-7b": ("Mistral", 32, 4096, 32, 8, 128, 14336, 32768, False),
}
COUNTS = (1, 2, 3, 4, 6, 8, 12, 16)
PATTERNS = {"even": (1.0,), "one small": (0.4, 1.0), "rising": (0.5, 0.7, 0.9, 1.1), "two kinds": (1.0, 1.0, 0.5, 0.5)}
ROOM = 1.35  # all limits together over the model's bytes


def make_model(name):
    family, layers, hidden, heads, kv_heads, head_dim, intermediate, vocabulary, tied = MODELS[name]
    config = getattr(transformers, family + "Config")(
        num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim,
        intermediate_size=intermediate, vocab_size=vocabulary, tie_word_embeddings=tied, max_position_embeddings=32768)
    with torch.device("meta"):
        model = getattr(transformers, family + "ForCausalLM")(config).to(torch.bfloat16)
    model.tie_weights()
    return model


def unit_bytes(model):
    """Bytes of the units of the chain; a tied head weighs nothing of its own."""
    sizes = compute_module_sizes(model, dtype=torch.bfloat16)[0] if isinstance(
        compute_module_sizes(model, dtype=torch.bfloat16), tuple) else compute_module_sizes(model, dtype=torch.bfloat16)
    tied = model.config.tie_word_embeddings
    names = ["model.embed_tokens", *(f"model.layers.{i}" for i in range(model.config.num_hidden_layers)), "model.norm", "lm_head"]
    return {n: 0 if tied and n == "lm_head" else sizes[n] for n in names}


def limits_of(total, count, pattern):
    shares = [pattern[i % len(pattern)] for i in range(count)]
    return [int(ROOM * total * s / sum(shares)) // 2**20 * 2**20 for s in shares]


def least_largest(weights, limits):
    """The least bytes of the fullest device over all contiguous splits in the given order, by dynamic programming; None: none fits."""
    infinite = float("inf")
    prefix = [0]
    for w in weights:
        prefix.append(prefix[-1] + w)
    best = [0] + [infinite] * len(weights)
    for limit in limits:
        row = list(best)
        for end in range(1, len(weights) + 1):
            for begin in range(end - 1, -1, -1):
                held = prefix[end] - prefix[begin]
                if held > limit:
                    break
                row[end] = min(row[end], max(best[begin], held))
        best = row
    return None if best[-1] == infinite else best[-1]


def largest_of(weights, device_of):
    held = {}
    for unit, w in weights.items():
        held[device_of(unit)] = held.get(device_of(unit), 0) + w
    return held


def by_map(device_map):
    return lambda unit: device_map[max((m for m in device_map if m == "" or unit == m or unit.startswith(m + ".")), key=len)]


def timed(call, times=3):
    best, answer = float("inf"), None
    for _ in range(times):
        begin = time.perf_counter()
        answer = call()
        best = min(best, time.perf_counter() - begin)
    return answer, best


def judge(weights, limits, device_map, optimum):
    """What a planner's map is worth: bytes of its fullest device over the optimum, or why it does not count."""
    held = largest_of(weights, by_map(device_map))
    if any(not isinstance(d, int) for d in held):
        return {"offloads": True}
    if any(v > limits[d] for d, v in held.items()):
        return {"over_limit": True}
    return {"ratio": max(held.values()) / optimum, "idle_first": held.get(0, 0) == 0}


def with_accelerate(model, limits):
    memory = dict(enumerate(limits))
    keep = model._no_split_modules
    keep = list(keep)
    balanced = accelerate.utils.get_balanced_memory(model, memory, dtype=torch.bfloat16, no_split_module_classes=keep)
    return accelerate.infer_auto_device_map(model, balanced, dtype=torch.bfloat16, no_split_module_classes=keep)


def with_transformers(model, limits):
    memory = dict(enumerate(limits))
    keep = list(model._no_split_modules)
    balanced = inside.get_balanced_memory(model, memory, no_split_module_classes=keep)
    return inside.infer_auto_device_map(model, max_memory=balanced, no_split_module_classes=keep)


def with_metis(weights, limits):
    """Parts of equal bytes of the chain, put on the devices in order."""
    names, count = list(weights), len(limits)
    if count == 1:
        return {"": 0}
    neighbours = [[v for v in (i - 1, i + 1) if 0 <= v < len(names)] for i in range(len(names))]
    scaled = [max(1, w // 2**20) for w in weights.values()]
    _, parts = pymetis.part_graph(count, adjacency=neighbours, vweights=scaled)
    order = {}
    for p in parts:
        order.setdefault(p, len(order))
    return {n: order[p] for n, p in zip(names, parts)}


def with_gpuplace(program, name, limits):
    gib = max(limits) // 2**30 + 2
    common = ["--model", f"preset:{name}", "--topology", f"uniform:{len(limits)}x{gib}GiB", "--weights-only", "--max-memory",
              json.dumps({str(i): b for i, b in enumerate(limits)})]
    chosen = ["--allocation", "one_group", "--partition", "balanced"]
    begin = time.perf_counter()
    made = subprocess.run([program, "plan", *common, *chosen, "--format", "json"], capture_output=True, text=True)
    command = time.perf_counter() - begin
    if made.returncode:
        return None, None, command
    stages = json.loads(made.stdout)["models"][0]["replicas"][0]["stages"]
    device_map = {u: int(s["device"].split(":")[1]) for s in stages for u in s["units"]}
    timing = subprocess.run([program, "bench", "placement", *common, "--strategy", "one_group/balanced", "--format", "json"],
                            capture_output=True, text=True, check=True)
    return device_map, json.loads(timing.stdout)["rows"][0]["planning_microseconds"] * 1e-6, command


def summary(rows, planner):
    mine = [r[planner] for r in rows]
    ratios = [m["ratio"] for m in mine if "ratio" in m]
    return {"cases": len(mine), "answers": len(ratios), "offloads where a split fits": sum("offloads" in m for m in mine),
            "over a limit": sum("over_limit" in m for m in mine), "refuses": sum("refused" in m for m in mine),
            "mean largest over optimum": round(statistics.mean(ratios), 4), "worst": round(max(ratios), 3),
            "optimal": sum(r < 1 + 1e-9 for r in ratios), "more than 10 % off": sum(r > 1.1 for r in ratios),
            "leaves the first GPU empty": sum(m.get("idle_first", False) for m in mine),
            "mean seconds": statistics.mean(m["seconds"] for m in mine)}


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf8") if line.startswith("model name")), "")
    return {"processor": model, "cores": os.cpu_count(), "system": platform.platform(terse=True)}


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--gpuplace", default="build/gpuplace")
    parse.add_argument("--commit", default="")
    parse.add_argument("--results", default=str(Path(__file__).parents[1] / "results"))
    options = parse.parse_args()
    logging.disable(logging.WARNING)  # "device 0 is not available", once a device and call
    rows, commands = [], []
    for name in MODELS:
        model = make_model(name)
        weights = unit_bytes(model)
        total = sum(weights.values())
        for count in COUNTS:
            for pattern, shares in PATTERNS.items():
                limits = limits_of(total, count, shares)
                optimum = least_largest(list(weights.values()), limits)
                if optimum is None:
                    continue
                row = {"model": name, "gpus": count, "limits": pattern}
                ours, seconds, command = with_gpuplace(options.gpuplace, name, limits)
                commands.append(command)
                row["gpuplace"] = {"refused": True, "seconds": 0.0} if ours is None else judge(weights, limits, ours, optimum) | {"seconds": seconds}
                for planner, call in (("accelerate", lambda: with_accelerate(model, limits)),
                                      ("transformers", lambda: with_transformers(model, limits)),
                                      ("metis", lambda: with_metis(weights, limits))):
                    answer, seconds = timed(call)
                    row[planner] = judge(weights, limits, answer, optimum) | {"seconds": seconds}
                rows.append(row)
        print(name, len(rows), "cases", flush=True)
    found = {p: summary(rows, p) for p in ("gpuplace", "accelerate", "transformers", "metis")}
    for planner, values in found.items():
        print(planner, json.dumps(values))
    for peer in ("accelerate", "transformers"):
        found["gpuplace"][f"times as fast as {peer}"] = round(found[peer]["mean seconds"] / found["gpuplace"]["mean seconds"])
    found["gpuplace"]["mean seconds of the whole command"] = statistics.mean(commands)
    record = {"date": str(datetime.date.today()), "commit": options.commit, "command": "compare_planners.py", "machine": machine(),
              "versions": {"accelerate": accelerate.__version__, "transformers": transformers.__version__, "torch": torch.__version__},
              "note": "weights only, bf16; limits together 1.35 times the model", "summary": found, "cases": rows}
    path = Path(options.results) / f"planners-{record['date']}.json"
    rows = ",\n".join("  " + json.dumps(r) for r in record.pop("cases"))
    path.write_text(json.dumps(record, indent=1)[:-2] + f',\n "cases": [\n{rows}\n ]\n}}\n', encoding="utf8")
    print(json.dumps(found["gpuplace"]), path)


if __name__ == "__main__":
    main()
