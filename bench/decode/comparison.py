"""gpuplace beside another engine: cuda_bench's rows, the other's figures put beside them, a table and a file of results."""
import argparse
import datetime
import json
import shlex
from pathlib import Path

import machine

RESULTS = machine.REPOSITORY / "bench" / "results"


def json_lines(text, source, advice):
    """The objects of `text` that stand one a line; other lines, such as a log's, are passed over."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("{"):
            try:
                rows.append(json.loads(line))
            except ValueError as why:
                machine.fail(f"line {number} of {source}'s output is not understood ({why}): {line[:200]}\n{advice}")
    if not rows:
        machine.fail(f"{source}'s output is not understood: no line of it is a JSON object. {advice}" + machine.last_lines(text))
    return rows


def number_of(row, key, source, advice):
    """A positive number."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        machine.fail(f"{source}'s output is not understood: {key} is {value!r} in {json.dumps(row)[:300]}\n{advice}")
    return value


def cuda_bench_command(program, folder, context, batches):
    return [program, folder, "bf16", str(context), *map(str, batches)]


def cuda_bench(program, folder, context, batches, environment=None):
    """Rows of cuda_bench: loading, prefill, and one for each batch."""
    advice = "Build it with `cmake --build build --target cuda_bench`, and name it with --cuda-bench."
    rows = json_lines(machine.run(cuda_bench_command(program, folder, context, batches), advice, environment), "cuda_bench", advice)
    steps = {row["batch"]: number_of(row, "step_ms", "cuda_bench", advice) for row in rows if "batch" in row}
    for batch in batches:
        if batch not in steps:
            machine.fail(f"cuda_bench printed no row for batch {batch}. {advice}")
    return rows


def put_beside(rows, engine, steps, prefill=None):
    """Writes the other engine's times of a step in ms, by batch, and its prompt tokens a second into the rows."""
    for row in rows:
        if "batch" in row:
            row[f"{engine}_step_ms"] = round(steps[row["batch"]], 3)
            row[f"times_{engine}"] = round(steps[row["batch"]] / row["step_ms"], 2)
        elif "prefill_tokens" in row and prefill:
            row[f"{engine}_tokens_s"] = round(prefill)
            row[f"times_{engine}"] = round(row["prefill_tokens"] / row["seconds"] / prefill, 2)


def table(rows, engine, name):
    """Lines for people; the last column says how many times as fast gpuplace is."""
    lines = [f"{'':24}{'gpuplace':>14}{name:>14}{'times':>9}"]
    for row in rows:
        if "batch" in row:
            what, unit, ours, theirs = f"step of {row['batch']} after {row['context']}", "ms", row["step_ms"], row[f"{engine}_step_ms"]
            lines.append(f"{what:24}{ours:11.3f} {unit:2}{theirs:11.3f} {unit:2}{row[f'times_{engine}']:9.2f}")
        elif f"{engine}_tokens_s" in row:
            what, ours = f"prompts, {row['prefill_tokens']} tokens", row["prefill_tokens"] / row["seconds"]
            lines.append(f"{what:24}{ours:10,.0f} t/s{row[f'{engine}_tokens_s']:10,.0f} t/s{row[f'times_{engine}']:9.2f}")
    return "\n".join(lines)


def write(path, gpu, commit, folder, context, versions, rows, **more):
    path.write_text(json.dumps({"date": datetime.date.today().isoformat(), "gpu": gpu, "commit": commit, "model": Path(folder).name,
                                "context": context, "versions": versions, "rows": rows, **more}, indent=1) + "\n", encoding="utf-8")


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


class Comparison:
    """One run beside one engine: what all such scripts ask, check, print and write."""

    def __init__(self, engine, name, asked):
        self.engine, self.name, self.asked = engine, name, asked
        if not Path(asked.folder, "config.json").is_file():
            machine.fail(f"{asked.folder} has no config.json: FOLDER is a checkpoint, such as one that bench/decode/random_model.py writes")
        if not Path(asked.cuda_bench).is_file():
            machine.fail(f"{asked.cuda_bench} is not there: build it with `cmake --build build --target cuda_bench`, or name it with "
                         "--cuda-bench")
        self.gpu = machine.gpu_line(asked.gpu)
        self.environment = machine.only_gpu(asked.gpu)
        self.before = self.state()
        used = self.before["memory.used"].split()
        if len(used) == 2 and used[0].isdigit() and int(used[0]) > 1024:
            print(f"note: {' '.join(used)} of GPU {asked.gpu}'s memory are in use by others; figures will suffer")
        self.commands, self.rows = {}, []
        self.output = Path(asked.output) if asked.output else RESULTS / "{}-{}-{}-{}.json".format(
            engine.replace("_", "-"), machine.short_name(self.gpu), Path(asked.folder).resolve().name, datetime.date.today().isoformat())
        if not self.output.parent.is_dir():
            machine.fail(f"{self.output.parent} is no folder: results cannot be written there; name another file with --output")

    @staticmethod
    def options(documentation):
        options = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
        options.add_argument("folder", metavar="FOLDER")
        options.add_argument("--cuda-bench", default="build/bench/decode/cuda_bench", metavar="PROGRAM")
        options.add_argument("--context", type=positive, default=512, metavar="TOKENS")
        options.add_argument("--batches", type=positive, nargs="+", default=[1, 8, 32, 64], metavar="N")
        options.add_argument("--rounds", type=positive, default=3, metavar="N", help="the other engine's best of so many counts (3)")
        options.add_argument("--gpu", default=machine.first_gpu(), help="number or UUID by nvidia-smi; only it is seen by both")
        options.add_argument("--seconds", type=positive, default=3600, metavar="S", help="the longest that the other engine may run (3600)")
        options.add_argument("--commit", default=None, help="of gpuplace (what git says)")
        options.add_argument("--output", default="", metavar="FILE")
        return options

    def state(self):
        fields = "clocks.sm,clocks.mem,power.limit,temperature.gpu,memory.used"
        return dict(zip(fields.split(","), (v.strip() for v in machine.nvidia_smi(fields, self.asked.gpu).split(","))))

    def run(self, title, command, advice):
        self.commands[title] = shlex.join(map(str, command))
        print(f"running {title}", flush=True)
        return machine.run(command, advice, self.environment, self.asked.seconds)

    def run_ours(self):
        """cuda_bench, the first of the two: it leaves the GPU's memory empty at once."""
        asked = self.asked
        self.commands["cuda_bench"] = shlex.join(map(str, cuda_bench_command(asked.cuda_bench, asked.folder, asked.context, asked.batches)))
        print("running cuda_bench", flush=True)
        self.rows = cuda_bench(asked.cuda_bench, asked.folder, asked.context, asked.batches, self.environment)

    def finish(self, steps, prefill, versions, **more):
        """Puts the other engine's figures beside gpuplace's, prints and writes."""
        asked, folder = self.asked, Path(self.asked.folder).resolve()
        put_beside(self.rows, self.engine, steps, prefill)
        print(f"{self.gpu}; {folder.name}, bf16\n{table(self.rows, self.engine, self.name)}")
        write(self.output, self.gpu, machine.commit() if asked.commit is None else asked.commit, folder, asked.context, versions, self.rows,
              machine={"before": self.before, "after": self.state()}, commands=self.commands, **more)
        print(f"wrote {self.output}")
