#!/usr/bin/env python3
"""Compares how programs and the installed Pillow read image files: by default Pillow's own test images.

    python tests/tools/pillow_images.py PROGRAM... [--files FOLDER]

PROGRAM is beit_dump_pixels (tests/tools/dump_pixels.cpp), built with the libraries of the optional formats or without
any. Prints each file of which a program's pixels aren't Pillow's, and then, for each program, a table of formats: how
many files are equal, rounded otherwise (JPEG), differ, are refused by the program alone, read by it alone or refused by
both. Of formats that the library doesn't claim to read, only the table tells.

Without --files, fetches Pillow's source, which holds the images, from PyPI by pip. Needs Pillow of that version, too.
No part of CI: the source has 47 MB, and pip takes a minute or two to make it ready.
"""
import argparse
import collections
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import warnings

import numpy as np
import PIL
from PIL import Image

VERSION = "13.0.0"
SHA256 = "cdcd1ba258178f7356d74170c9a81ba4eab6a5d55748bc402a5a2a6fe6be3510"
# The formats that the library claims to read, by Pillow's names, and files that Pillow can't identify.
CLAIMED = {"AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP", "?"}
# JPEG's decoders round differently; beyond this the difference isn't rounding.
JPEG_ROUNDING = 4


def fetch(folder):
    """Fetches Pillow's source and returns the folder of its test images."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder,
         f"pillow=={VERSION}"], check=True)
    path = os.path.join(folder, f"pillow-{VERSION}.tar.gz")
    with open(path, "rb") as file:
        found = hashlib.sha256(file.read()).hexdigest()
    if found != SHA256:
        sys.exit(f"{path}: found SHA-256 {found}, wanted {SHA256}")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return os.path.join(folder, f"pillow-{VERSION}", "Tests", "images")


def by_pillow(path):
    """Returns the format and the pixels or Pillow's message."""
    name = "?"
    try:
        with Image.open(path) as image:
            name = image.format
            return name, np.asarray(image.convert("RGB"))
    except Exception as error:  # any: Pillow's readers raise many types
        return name, f"{type(error).__name__}: {error}"


def by_program(program, path, scratch):
    """Returns the pixels or the program's message."""
    jobs, out = os.path.join(scratch, "jobs"), os.path.join(scratch, "out")
    with open(jobs, "w", encoding="utf-8") as file:
        file.write(f"decode\t{path}\tas_stored\n")
    ran = subprocess.run([program, jobs, out], check=False, stderr=subprocess.PIPE)
    if ran.returncode != 0:
        return f"CRASHED with {ran.returncode}"
    with open(out, "rb") as file:
        record = file.read()
    status = int.from_bytes(record[:4], "little")
    if status != 0:
        return record[12:].decode(errors="replace").replace(path + ": ", "")
    height, width = np.frombuffer(record, np.int32, 2, 12)
    return np.frombuffer(record, np.uint8, -1, 20).reshape(height, width, 3)


def verdict(wanted, found, rounding):
    """Compares two results; returns a column of the table and a reason to print, or None."""
    if isinstance(found, str):
        if found.startswith("CRASHED"):
            return "crashed", found
        return ("both refuse", None) if isinstance(wanted, str) else ("refused", found)
    if isinstance(wanted, str):
        return "read alone", f"Pillow: {wanted}"
    if wanted.shape != found.shape:
        return "differs", f"found {found.shape[:2]}, wanted {wanted.shape[:2]} pixels"
    off = np.abs(wanted.astype(np.int16) - found)
    if not off.any():
        return "equal", None
    if off.max() <= rounding:
        return "rounded", None
    return "differs", f"by up to {off.max()}, {off.mean():.2f} on average, in {(off > 0).mean():.1%} of bytes"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", nargs="+", metavar="PROGRAM")
    parser.add_argument("--files", help="the folder of images to compare, instead of Pillow's")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = ["equal", "rounded", "differs", "refused", "read alone", "both refuse", "crashed"]
    with tempfile.TemporaryDirectory() as scratch:
        root = options.files or fetch(scratch)
        if not options.files and PIL.__version__ != VERSION:
            sys.exit(f"found Pillow {PIL.__version__}, wanted {VERSION}")
        paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names)
        tables = {program: collections.defaultdict(collections.Counter) for program in options.programs}
        for path in paths:
            name, wanted = by_pillow(path)
            rounding = JPEG_ROUNDING if name in ("JPEG", "MPO") else 0
            for program in options.programs:
                column, reason = verdict(wanted, by_program(program, path, scratch), rounding)
                tables[program][name][column] += 1
                if reason is not None and (name in CLAIMED or column == "crashed"):
                    print(f"{os.path.relpath(path, root)} | {name} | {program} | {column}: {reason[:150]}", flush=True)
    for program, table in tables.items():
        print(f"\n{program}, Pillow {PIL.__version__}, {len(paths)} files")
        print("".join(f"{column:>13}" for column in ["", *columns]))
        for name in sorted(table):
            print("".join(f"{cell:>13}" for cell in [name, *(table[name][column] for column in columns)]))


if __name__ == "__main__":
    main()
