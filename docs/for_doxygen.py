"""Doxygen's input filter for Markdown: for_doxygen.py FILE prints the file as Doxygen 1.9 understands it.

Forges derive a heading's anchor from its words, and number repeated ones. Each heading gets that anchor here, after the
page's name. Links to files that aren't pages become plain text.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def page(path):
    """The name of a page: "readme", "docs-internals", "examples-readme"."""
    return "-".join(path.with_suffix("").parts).lower().replace("_", "-")


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def main():
    path = pathlib.Path(sys.argv[1]).resolve().relative_to(ROOT)
    pages = {p.resolve() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/README.md"),
                                   ROOT / "weights_tools/README.md", ROOT / "bench/compare/README.md"]}
    fenced = False
    seen = {}  # how often a heading's words have occurred

    def heading(match):
        marks, words = match.groups()
        name = "mainpage" if path == pathlib.Path("README.md") else page(path)
        if marks != "#":
            number = seen[words] = seen.get(words, -1) + 1
            name = page(path) + "-" + slug(words) + (f"-{number}" if number else "")
        if path == pathlib.Path("README.md") and marks != "#":  # a section would stand among the pages in the sidebar
            return f"\\anchor {name}\n<h{len(marks)}>{words}</h{len(marks)}>\n"
        return f"{marks} {words} {{#{name}}}"

    def link(match):
        text, target = match.groups()
        if target.startswith(("http://", "https://")):
            return match[0]
        name, _, anchor = target.partition("#")
        file = (ROOT / path.parent / name).resolve() if name else ROOT / path
        if file not in pages:
            return text
        where = page(file.relative_to(ROOT))
        if anchor:
            where += "-" + anchor
        elif where == "readme":
            where = "mainpage"
        return f"[{text}](#{where})"

    def image(match):
        return f"![{match[1]}]({pathlib.PurePosixPath(match[2]).name})"

    for line in (ROOT / path).open(encoding="utf-8"):
        line = line.rstrip("\n")
        fenced ^= line.startswith("```")
        if not fenced:
            line = re.sub(r"^(#{1,4}) (.+)$", heading, line)
            line = re.sub(r"(?<!!)\[([^\]]+)\]\(([^)]+)\)", link, line)
            line = re.sub(r"!\[([^\]]*)\]\(([^)]+)\)", image, line)
        print(line)


if __name__ == "__main__":
    main()
