#!/usr/bin/env python3
"""Write the metadata of beit-embed's folder as parquet, which embedding-reader and clip-retrieval read.

    python3 metadata_to_parquet.py OUT

Makes OUT/metadata/metadata_00000.parquet beside each metadata_00000.jsonl, with the columns image_path, label, width and
height and one row per row of OUT/img_emb/img_emb_00000.npy. Shards without rows get no file, because embedding-reader
leaves out their .npy alone. Run it after `beit-embed merge OUT`, and again whenever OUT has changed. Needs numpy and
pyarrow.
"""
import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# The same in every file, also where no image of a shard has a label.
SCHEMA = pa.schema([("image_path", pa.string()), ("label", pa.string()), ("width", pa.int32()), ("height", pa.int32())])


def read_lines(path):
    """Return the columns of a shard's metadata."""
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    names = {"image_path": "path"}
    return {column: [line.get(names.get(column, column)) for line in lines] for column in SCHEMA.names}


def write_replacing(table, path):
    """Write a file that appears under its name only when it is complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def convert(out):
    """Convert all shards of a folder, and return the numbers of files, rows and shards without rows."""
    embeddings = sorted((out / "img_emb").glob("img_emb_*.npy"))
    if not embeddings:
        raise ValueError(f"{out}: found no img_emb/img_emb_*.npy, wanted a folder that beit-embed wrote")
    wanted, rows, empty = set(), 0, 0
    for npy in embeddings:
        target = out / "metadata" / npy.name.replace("img_emb_", "metadata_").replace(".npy", ".parquet")
        columns = read_lines(target.with_suffix(".jsonl"))
        found, count = len(columns["image_path"]), np.load(npy, mmap_mode="r").shape[0]
        if found != count:
            raise ValueError(f"{target.with_suffix('.jsonl')}: found {found} lines, wanted {count} as in {npy.name}: "
                             f"run beit-embed merge {out}")
        if None in columns["image_path"]:
            raise ValueError(f"{target.with_suffix('.jsonl')}: found a line without \"path\"")
        if count == 0:
            empty += 1
            continue
        write_replacing(pa.table(columns, schema=SCHEMA), target)
        wanted.add(target)
        rows += count
    for old in set((out / "metadata").glob("metadata_*.parquet")) - wanted:
        old.unlink()
    return len(wanted), rows, empty


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT", type=Path, help="output folder of beit-embed")
    out = parser.parse_args().out
    try:
        files, rows, empty = convert(out)
    except (OSError, ValueError) as error:
        sys.exit(f"metadata_to_parquet.py: {error}")
    print(f"{out}: {files} parquet file{'s' * (files != 1)} with {rows} row{'s' * (rows != 1)} written, "
          f"{empty} shard{'s' * (empty != 1)} without rows left out")


if __name__ == "__main__":
    main()
