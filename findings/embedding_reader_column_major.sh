#!/bin/sh
# A .npy file says in its header whether its array lies in rows or in columns ('fortran_order'), and a reader of .npy
# should heed it.
#
# embedding-reader 1.8.1 doesn't: it reads the bytes of a column-major file as rows. Every embedding comes out with the
# right length and with the numbers of others, without an error. autofaiss reads its embeddings through this package.
#
# Why it matters: NumPy writes column-major files without being asked, for instance when features are multiplied from
# the left, as in `(w @ features.T).T` for whitening or PCA. The index that is built of them finds nonsense.
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
from embedding_reader import EmbeddingReader

def read(embeddings, name):
    os.mkdir(f"{sys.argv[1]}/{name}")
    numpy.save(f"{sys.argv[1]}/{name}/embeddings.npy", embeddings)
    assert numpy.array_equal(numpy.load(f"{sys.argv[1]}/{name}/embeddings.npy"), embeddings)
    batches = EmbeddingReader(f"{sys.argv[1]}/{name}", file_format="npy")(batch_size=10, show_progress=False)
    return numpy.concatenate([batch for batch, _ in batches])

features = numpy.arange(6, dtype=numpy.float32).reshape(3, 2)
whitened = (numpy.eye(2, dtype=numpy.float32) @ features.T).T
assert numpy.array_equal(whitened, features) and not whitened.flags.c_contiguous
rows, columns = read(features, "rows"), read(whitened, "columns")
print("embedding-reader", importlib.metadata.version("embedding-reader"))
print(f"row-major file of    {features.tolist()}: read as {rows.tolist()}")
print(f"column-major file of {whitened.tolist()}: read as {columns.tolist()}")
assert numpy.array_equal(rows, features), "changed: a row-major file is read otherwise"
assert columns.tolist() == [[0, 2], [4, 1], [3, 5]], "changed: a column-major file is read otherwise"
PYTHON
