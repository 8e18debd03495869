#!/bin/sh
# `pip install autofaiss` should give packages that can be imported together.
#
# autofaiss 2.18.0 asks for NumPy below 2 and for pyarrow below 30. The pyarrow that pip takes, 26.0.1, needs NumPy 2 and
# doesn't say so in its metadata. pip installs both and finds no conflict; importing autofaiss ends in an ImportError.
# With pyarrow 17 it builds its index.
#
# Why it matters: autofaiss is how clip-retrieval indexes embeddings, and nothing that pip prints says what to change.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
# The versions that pip takes for autofaiss alone.
"$python" -m pip install --quiet autofaiss==2.18.0 embedding-reader==1.8.1 faiss-cpu==1.15.1 fsspec==2026.9.0 \
  numpy==1.26.4 pandas==2.3.3 pyarrow==26.0.1

try() {
  "$python" - "$folder" 2> "$folder/progress" <<'PYTHON'
import sys
from importlib.metadata import version
print(f"autofaiss {version('autofaiss')}, pyarrow {version('pyarrow')}, NumPy {version('numpy')}: ", end="")
try:
    from autofaiss import build_index
except ImportError as error:
    sys.exit(print("ImportError:", error) or 1)
import numpy
index, _ = build_index(numpy.eye(16, dtype=numpy.float32), save_on_disk=False)
print("an index of", index.ntotal, "rows")
PYTHON
}
"$python" -m pip check
if try; then echo "changed: autofaiss is imported"; exit 1; fi
"$python" -m pip install --quiet "pyarrow==17.0.0"
try || { echo "changed: autofaiss isn't imported with pyarrow 17"; exit 1; }
