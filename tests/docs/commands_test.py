"""What the documentation shows of the command is what the command prints.

Every block of kind `console` holds lines `$ gpuplace …`, each followed by its output, errors included. The command is the program
that GPUPLACE names. `--write` runs the commands and puts their output into the documentation.
"""
import os, pathlib, re, subprocess, sys, unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(```console\n)(.*?)(```\n)", re.DOTALL)


def output_of(line):
    shell = f'gpuplace() {{ "$GPUPLACE" "$@"; }}\nset -o pipefail\n{{ {line}; }} 2>&1'
    ran = subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return ran.stdout.rstrip("\n") + "\n"


def run_again(block):
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "\n".join(f"{line}\n{output_of(line[2:])}" for line in commands)


class Commands(unittest.TestCase):
    maxDiff = None

    def test_output_in_the_documentation_is_the_commands(self):
        found = 0
        for page in PAGES:
            for match in BLOCK.finditer(page.read_text()):
                found += 1
                with self.subTest(page=str(page.relative_to(ROOT)), command=match[2].splitlines()[0]):
                    self.assertEqual(match[2], run_again(match[2]), "tests/docs/commands_test.py --write mends it")
        self.assertGreater(found, 4)


def write():
    for page in PAGES:
        text = page.read_text()
        new = BLOCK.sub(lambda m: m[1] + run_again(m[2]) + m[3], text)
        if new != text:
            page.write_text(new)
            print("wrote", page.relative_to(ROOT))


if __name__ == "__main__":
    os.environ.setdefault("GPUPLACE", str(ROOT / "build" / "gpuplace"))
    if "--write" in sys.argv[1:]:
        write()
    else:
        unittest.main()
