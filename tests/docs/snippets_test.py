"""Code in the documentation is cut from programs that are compiled and run: what docs show, and the programs, must be the same.

A snippet is a comment and the block of code after it:

    <!-- snippet: examples/first_plan/main.cpp#five lines -->
    ```cpp
    …
    ```

Without # it is the whole file; with it the lines between two comments that hold the name in brackets. `--write` puts the
programs' code into the documentation.
"""
import pathlib, re, sys, textwrap, unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SNIPPET = re.compile(r"(<!-- snippet: (?P<file>[^#\n]+?)(?:#(?P<region>[^\n]+?))? -->\n```[a-z]*\n)(?P<code>(?:(?!```).*\n)*?)(```\n)")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_of(file, region):
    lines = (ROOT / file).read_text().splitlines()
    if region:
        marks = [i for i, line in enumerate(lines) if line.strip() == f"// [{region}]"]
        if len(marks) != 2:
            raise AssertionError(f"{file} has {len(marks)} marks '// [{region}]', two are needed")
        lines = lines[marks[0] + 1 : marks[1]]
    else:
        lines = [line for line in lines if not re.fullmatch(r"\s*// \[[^]]+\]", line)]
    return textwrap.dedent("\n".join(lines)).strip("\n") + "\n"


class Snippets(unittest.TestCase):
    def test_code_in_the_documentation_is_the_programs(self):
        found = 0
        for page in PAGES:
            for match in SNIPPET.finditer(page.read_text()):
                found += 1
                with self.subTest(page=str(page.relative_to(ROOT)), snippet=match["file"] + "#" + (match["region"] or "")):
                    self.assertEqual(match["code"], code_of(match["file"], match["region"]), "tests/docs/snippets_test.py --write mends it")
        self.assertGreater(found, 4)

    def test_links_lead_somewhere(self):
        for page in PAGES:
            prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
                if "://" in target or target.startswith("mailto:"):
                    continue
                with self.subTest(page=str(page.relative_to(ROOT)), target=target):
                    self.assertTrue((page.parent / target).exists())


def write():
    for page in PAGES:
        text = page.read_text()
        new = SNIPPET.sub(lambda m: m[1] + code_of(m["file"], m["region"]) + m[5], text)
        if new != text:
            page.write_text(new)
            print("wrote", page.relative_to(ROOT))


if __name__ == "__main__":
    write() if sys.argv[1:] == ["--write"] else unittest.main()
