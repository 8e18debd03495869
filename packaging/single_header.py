#!/usr/bin/env python3
"""Join the library's headers into one: single_header.py OUT/beit/beit.hpp

A program then needs that file and the headers of Eigen, nlohmann/json and stb. It has what <beit/beit.hpp>,
<beit/model/load_any.hpp>, <beit/model/labels.hpp> and <beit/transfer/...> have, except linear_probe.hpp and what includes
it, which need LBFGS++.
"""
import os
import re
import sys
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[1] / "include"
OWN = re.compile(r"\s*#\s*include <(beit/[^>]+)>")
OTHERS = ("beit/model/load_any.hpp", "beit/model/labels.hpp", "beit/model/preprocessing_file.hpp",
          "beit/transfer/nearest.hpp", "beit/transfer/save_head.hpp")


class Joiner:
    def __init__(self):
        self.done = set()
        self.lines = []

    def add(self, name):
        """Append a header, after those that it includes, unless it is there already."""
        if name in self.done:
            return
        self.done.add(name)
        lines = (INCLUDE / name).read_text().splitlines()
        for line in lines:  # outside of the header's conditions, because others need them, too
            if (found := OWN.match(line)) and self.is_hoisted(found[1]):
                self.add(found[1])
        self.lines.append(f"// {name}")
        self.append(lines)

    @staticmethod
    def is_once(name):
        return "#pragma once" in (INCLUDE / name).read_text()

    def is_hoisted(self, name):
        """Whether a header comes before the one that includes it: all but definitions, and text that is repeated."""
        return self.is_once(name) and not name.endswith("_impl.hpp")

    def append(self, lines):
        for line in lines:
            found = OWN.match(line)
            if not found:
                if line != "#pragma once":
                    self.lines.append(line)
            elif not self.is_once(found[1]):
                self.append((INCLUDE / found[1]).read_text().splitlines())
            elif not self.is_hoisted(found[1]):
                self.add(found[1])


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    joiner = Joiner()
    for name in ("beit/beit.hpp", *OTHERS):
        joiner.add(name)
    version = re.findall(r"#define BEIT_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)",
                         (INCLUDE / "beit/core/version.hpp").read_text())
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    temporary.write_text("\n".join([
        f"// beit {'.'.join(version)} in one header, joined by packaging/single_header.py. Licence: Apache-2.0.",
        "#pragma once", "#if defined(BEIT_COMPILED)", '#error "the single header is header-only: it needs no BEIT_COMPILED"',
        "#endif", *joiner.lines, ""]))
    temporary.replace(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
