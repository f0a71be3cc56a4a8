#!/usr/bin/env python3
"""Times `optimal` over eight GPUs that all differ, order of devices included, through `gpuplace bench placement`.

    uneven_splits.py [--gpuplace build/gpuplace] [--machines 40] [--commit HASH]

Random machines, the same in every run: eight GPUs, each with memory, bandwidth and peak rate of its own, every pair with a link of its
own. Qwen2.5-72B (80 layers) is split over them for every objective; machines that cannot hold it are counted and left out. Planning
times are what the command prints, the best of twenty. Writes bench/results/uneven-DATE.json.
"""
import argparse
import datetime
import json
import platform
import random
import statistics
import subprocess
import tempfile
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results"
# objective: sequences in flight
CASES = {"latency": 1, "throughput": 64, "balance_memory": 1, "fewest_devices": 1}


def machine(seed):
    draw = random.Random(seed)
    devices = [
        {
            "id": f"cuda:{d}",
            "name": f"card {d}",
            "host": "",
            "numa": -1,
            "memory_bytes": draw.randrange(24, 97) << 30,
            "memory_bandwidth_gb_s": draw.uniform(900, 4800),
            "peak_bf16_tflops": draw.uniform(150, 1000),
            "peak_fp32_tflops": draw.uniform(20, 70),
            "launch_us": 25.0,
            "peer_to_peer": True,
        }
        for d in range(8)
    ]
    paths = []
    for a in range(8):
        for b in range(a):
            link = {"kind": "nvlink", "bandwidth_gb_s": draw.uniform(20, 400), "latency_us": draw.uniform(5, 30)}
            paths += [{"from": f"cuda:{i}", "to": f"cuda:{j}", **link} for i, j in ((a, b), (b, a))]
    return {"devices": devices, "paths": paths}


def planning_seconds(gpuplace, topology, objective, sequences):
    """None where the model does not fit."""
    ran = subprocess.run(
        [gpuplace, "bench", "placement", "--model", "preset:qwen2.5-72b", "--topology", topology, "--batch", str(sequences),
         "--context", "1024", "--strategy", f"one_group/optimal({objective})", "--format", "json"],
        capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    row = json.loads(ran.stdout)["rows"][0]
    return row["planning_microseconds"] / 1e6 if "tokens_per_second" in row else None


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gpuplace", default="build/gpuplace")
    options.add_argument("--machines", type=int, default=40)
    options.add_argument("--commit", default=subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip())
    asked = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        topology = Path(folder) / "machine.json"
        for objective, sequences in CASES.items():
            times = []
            for seed in range(asked.machines):
                topology.write_text(json.dumps(machine(seed)))
                times.append(planning_seconds(asked.gpuplace, str(topology), objective, sequences))
            fitting = sorted(1e3 * t for t in times if t is not None)
            row = {"objective": objective, "sequences": sequences, "machines": len(fitting), "do_not_fit": len(times) - len(fitting),
                   "median_ms": statistics.median(fitting), "p90_ms": fitting[int(0.9 * (len(fitting) - 1))], "most_ms": fitting[-1]}
            rows.append(row)
            print("{objective:15} {sequences:3} sequences  {machines:3} machines  median {median_ms:7.2f} ms  90 % {p90_ms:7.2f}  "
                  "most {most_ms:7.2f}".format(**row), flush=True)
    date = datetime.date.today().isoformat()
    RESULTS.joinpath(f"uneven-{date}.json").write_text(json.dumps(
        {"date": date, "machine": platform.processor() or platform.machine(), "commit": asked.commit,
         "command": "bench/placement/uneven_splits.py", "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
