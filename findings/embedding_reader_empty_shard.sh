#!/bin/sh
# A shard without rows, an empty .npy beside an empty .parquet, should change nothing for its neighbours.
#
# embedding-reader 1.8.1 leaves empty .npy files out of its list and then pairs what is left with all parquet files in
# turn, so the shard behind the empty one gets the empty one's metadata and reading stops with an error about shapes.
# Without metadata (file_format "npy") the same folder is read in full.
#
# Why it matters: a run over many shards easily has one in which no image could be read. Leave out both of its files.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  embedding-reader==1.8.1 fsspec==2026.9.0 numpy==2.4.6 pandas==2.3.3 pyarrow==26.0.1

"$folder/venv/bin/python" - "$folder" 2> "$folder/progress" <<'PYTHON'
import importlib.metadata
import os
import sys
import numpy
import pandas
from embedding_reader import EmbeddingReader

embeddings, metadata = f"{sys.argv[1]}/img_emb", f"{sys.argv[1]}/metadata"
os.mkdir(embeddings)
os.mkdir(metadata)
for shard, rows in enumerate((range(0, 3), range(3, 3), range(3, 5))):
    features = numpy.array([[row, row] for row in rows], numpy.float32).reshape(-1, 2)
    numpy.save(f"{embeddings}/img_emb_{shard}.npy", features)
    pandas.DataFrame({"image_path": [f"{row}.jpg" for row in rows]}).to_parquet(f"{metadata}/metadata_{shard}.parquet")

def read(**arguments):
    rows = []
    try:
        for features, described in EmbeddingReader(embeddings, **arguments)(batch_size=3, show_progress=False):
            rows += zip(features[:, 0].tolist(), described.get("image_path", described["i"]).tolist())
    except ValueError as error:
        return rows, str(error)
    return rows, None

alone = read(file_format="npy")
paired = read(file_format="parquet_npy", metadata_folder=metadata, meta_columns=["image_path"])
print("embedding-reader", importlib.metadata.version("embedding-reader"), "on shards of 3, 0 and 2 rows")
print("npy alone:", *alone)
print("npy with parquet:", *paired)
assert len(alone[0]) == 5 and alone[1] is None, "changed: .npy alone"
assert paired[0] == [(0, "0.jpg"), (1, "1.jpg"), (2, "2.jpg")] and "broadcast" in str(paired[1]), "changed: pairs"
PYTHON
