#!/bin/sh
# Whether safetensors reads a bfloat16 file into NumPy should depend on the file, and be the same for `load_file(path)`
# and `load(bytes)`. What `save` writes, `load` should read.
#
# `load_file` fails with "data type 'bfloat16' not understood" until some part of the program has imported ml_dtypes,
# and works from then on. `load` of the same bytes fails always, with KeyError: 'BF16', although `save` wrote them.
#
# Why it matters: BEiT models are often published and saved in bfloat16. A script that reads them works or fails by
# what another module imports, and a test that goes through bytes says nothing about one that goes through a file.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 ml_dtypes==0.6.0 safetensors==0.8.0

"$folder/venv/bin/python" -c "
import sys, ml_dtypes, numpy
from safetensors.numpy import save_file
save_file({'weight': numpy.array([1, 2, 3], ml_dtypes.bfloat16)}, sys.argv[1])
" "$folder/weight.safetensors"

"$folder/venv/bin/python" - "$folder/weight.safetensors" <<'PYTHON'
import sys
import safetensors
from safetensors.numpy import load, load_file

def attempt(read):
    try:
        weight = read()["weight"]
        return f"{weight.dtype} {weight.tolist()}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"

print("safetensors", safetensors.__version__)
seen = {}
for when in "before import ml_dtypes", "after import ml_dtypes":
    if when.startswith("after"):
        import ml_dtypes
    seen[when] = [attempt(lambda: load_file(sys.argv[1])), attempt(lambda: load(open(sys.argv[1], "rb").read()))]
    print(f"{when}\n  load_file(path): {seen[when][0]}\n  load(bytes): {seen[when][1]}")
assert seen["before import ml_dtypes"] == ["TypeError: data type 'bfloat16' not understood", "KeyError: 'BF16'"], "changed"
assert seen["after import ml_dtypes"] == ["bfloat16 [1.0, 2.0, 3.0]", "KeyError: 'BF16'"], "changed"
PYTHON
