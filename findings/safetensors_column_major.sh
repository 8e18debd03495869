#!/bin/sh
# Saving a NumPy array with safetensors and loading it should give the same array, however it lies in memory.
#
# safetensors 0.8.0 writes the bytes of a column-major array (for example a transposed weight, `w.T`) as they lie, with
# the shape that the array has, and says nothing: the file is valid and its values are in other places. 0.7.0 wrote them
# in the right order. The documentation asks for arrays that are "contiguous and dense", which NumPy calls this one too
# (flag F_CONTIGUOUS); the PyTorch half of the package refuses such a tensor with an error.
#
# Why it matters: converters of BEiT checkpoints from frameworks that store matrices as (in, out) transpose every weight
# of a linear layer. `numpy.ascontiguousarray` before saving is what helps.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/save.py" <<'PYTHON'
import sys
import numpy
import safetensors
from safetensors.numpy import load_file, save_file

weight = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)  # (in, out)
path = sys.argv[1] + "/weight.safetensors"
save_file({"weight": weight.T}, path)
loaded = load_file(path)["weight"]
same = numpy.array_equal(loaded, weight.T)
print(f"safetensors {safetensors.__version__}: saved {weight.T.tolist()}, loaded {loaded.tolist()}")
assert loaded.shape == (3, 2) and same == (safetensors.__version__ == "0.7.0"), "changed"
save_file({"weight": numpy.ascontiguousarray(weight.T)}, path)
assert numpy.array_equal(load_file(path)["weight"], weight.T), "changed: a row-major copy isn't saved right either"
PYTHON
python3 -m venv "$folder/venv"
for version in 0.7.0 0.8.0; do
  "$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 safetensors==$version
  "$folder/venv/bin/python" "$folder/save.py" "$folder"
done
