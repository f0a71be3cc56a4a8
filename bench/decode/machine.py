"""What comparisons say of the machine, and how they run programs.

What fails ends the comparison with one message: what, where, what to do.
"""
import os
import shlex
import signal
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TOLD_LINES = 30  # of what a program that failed had printed


def fail(message):
    raise SystemExit(f"error: {message}")


def last_lines(*texts):
    lines = [line for text in texts for line in (text or "").splitlines() if line.strip()]
    return "".join(f"\n  | {line}" for line in lines[-TOLD_LINES:])


def run(command, advice, environment=None, seconds=None):
    """What `command` printed to its standard output."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, timeout=seconds)
    except OSError as why:
        fail(f"cannot start {command[0]}: {why.strerror}. {advice}")
    except subprocess.TimeoutExpired as late:
        fail(f"{shlex.join(command)}\ndid not end within {seconds:g} s, and was ended. {advice}"
             + last_lines(*(t.decode(errors="replace") if isinstance(t, bytes) else t for t in (late.stdout, late.stderr))))
    if done.returncode:
        how = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {signal.Signals(-done.returncode).name}"
        fail(f"{shlex.join(command)}\nended with {how}. {advice}" + last_lines(done.stdout, done.stderr))
    return done.stdout


def nvidia_smi(fields, gpu):
    """Values of one GPU, as nvidia-smi names them, in one line."""
    line = run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "-i", gpu],
               "This comparison needs an NVIDIA GPU with its driver; `nvidia-smi -L` lists those there are.").strip()
    if line.count(",") != fields.count(",") or "\n" in line:
        fail(f"nvidia-smi -i {gpu}: its output is not understood: {line!r}; asked for {fields} of one GPU")
    return line


def gpu_line(gpu="0"):
    """Name, driver and greatest clocks, as every result names its machine."""
    return nvidia_smi("name,driver_version,clocks.max.sm,clocks.max.mem", gpu)


def short_name(line):
    """Of a gpu_line, for names of files: h100, rtx-3060."""
    words = [w for w in line.split(",")[0].lower().split() if w not in ("nvidia", "geforce", "tesla")]
    return "-".join(words[:2] if words[0] in ("rtx", "gtx", "quadro") else words[:1])


def first_gpu():
    """The GPU that programs started from here would use."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"


def only_gpu(gpu):
    """An environment in which programs see one GPU, numbered as nvidia-smi numbers them."""
    return dict(os.environ, CUDA_DEVICE_ORDER="PCI_BUS_ID", CUDA_VISIBLE_DEVICES=gpu)


def commit():
    """Of this checkout, with a + where tracked files were changed; empty where that is not known."""
    def git(*words):
        try:
            return subprocess.run(["git", "-C", str(REPOSITORY), *words], capture_output=True, text=True).stdout.strip()
        except OSError:
            return ""
    name = git("rev-parse", "--short", "HEAD")
    return name + "+" if name and git("status", "--porcelain", "--untracked-files=no") else name
