#!/usr/bin/env python3
"""Counts the instructions of the tiles' inner loops in a built object, and estimates how fast processors run them.

    python3 bench/count_instructions.py build-aarch64/tests/beit_kernels_tests

For each loop of the NEON levels' tiles: its multiplications, loads and other instructions per step of k, and the share
of the processor's multiplication slots that they could fill, given how many instructions of each kind it starts per
cycle. Sources: Arm's Software Optimization Guides of Neoverse V1 and Cortex-A76; Dougall Johnson's measurements of
Apple's Firestorm. A load of two registers counts as two. Only the first of these processors multiplies matrices. Latency
is ignored: a tile has 24 sums, and no processor needs more than 20.
"""
import argparse
import re
import subprocess
import sys

# Multiplications of 16 bytes, loads, and instructions of any kind that a processor starts per cycle.
PROCESSORS = {"Neoverse V1": (4, 3, 8), "Cortex-A76": (2, 2, 4), "Firestorm": (4, 3, 8)}
MATRICES = ("smmla", "bfmmla")
WITHOUT_MATRICES = ("Cortex-A76", "Firestorm")
MULTIPLICATIONS = ("fmla", "smlal", "smlal2", "sdot", *MATRICES)
LOADS = re.compile(r"ld[rpu1-4]|ldur")
NUMBERS = {"signed char": "Int8", "unsigned short": "Bfloat16"}  # of which NeonMatrix has products
TILE = re.compile(r"<.*\b((?:Neon|NeonDot)::(?:Float|Int8)|NeonMatrix::Product<[^<>]*>)"
                  r"(?:::tile(?:_of<4l?[^>]*>)?|\s?>::run)\(.*>:")


def loops(lines):
    """The innermost loops of a function, from the target of a branch backwards to the branch: names of instructions."""
    places = {address: i for i, (address, _, _) in enumerate(lines)}
    spans = []
    for i, (_, name, operands) in enumerate(lines):
        target = re.search(r"\b([0-9a-f]+) <", operands) if name.startswith(("b.", "cb", "tb")) else None
        if target and places.get(target[1], i + 1) <= i:
            spans.append((places[target[1]], i))
    for first, last in spans:
        if not any(first <= begin and end < last for begin, end in spans):
            yield [name for _, name, _ in lines[first:last + 1]]


def functions(path, objdump):
    """Names of tiles and their instructions: (address, name, operands)."""
    text = subprocess.run([objdump, "-dC", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    for part in text.split("\n\n"):
        head = next((TILE.search(line) for line in part.splitlines() if TILE.search(line)), None)
        if not head:
            continue
        lines = re.findall(r"^\s*([0-9a-f]+):\s+(\S+)[ \t]*(.*)$", part, re.MULTILINE)
        yield re.sub(r"Product<([^,]*).*", lambda product: NUMBERS[product[1]], head[1]), lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("object", help="a program or an object file for 64-bit ARM")
    parser.add_argument("--objdump", default="aarch64-linux-gnu-objdump")
    arguments = parser.parse_args()
    widest = {}  # the loop of all columns is the one with the most multiplications
    for name, lines in functions(arguments.object, arguments.objdump):
        for loop in loops(lines):
            if sum(i in MULTIPLICATIONS for i in loop) > sum(i in MULTIPLICATIONS for i in widest.get(name, [])):
                widest[name] = loop
    print(f"{'tile':24} {'multiply':>8} {'load':>5} {'other':>6}   share of multiplication slots")
    for name, loop in sorted(widest.items()):
        multiply = sum(i in MULTIPLICATIONS for i in loop)
        load = sum(bool(LOADS.match(i)) for i in loop)
        started = load + loop.count("ldp")
        shares = ", ".join(
            f"{processor} {100 * (multiply / units) / max(multiply / units, started / loads, len(loop) / wide):.0f} %"
            for processor, (units, loads, wide) in PROCESSORS.items()
            if not (processor in WITHOUT_MATRICES and any(i in MATRICES for i in loop)))
        print(f"{name:24} {multiply:8} {load:5} {len(loop) - multiply - load:6}   {shares}")
    return 0 if widest else 1


if __name__ == "__main__":
    sys.exit(main())
