#!/bin/sh
# An evaluator of a graph should let go of a result once its last reader has run. onnx's ReferenceEvaluator keeps all
# results until the run ends, although only the graph's outputs are returned.
#
# A chain of 50 additions of 8 MB arrays, each of which reads only the one before, has 408 MB in memory at its end,
# where 16 MB would do.
#
# Why it matters: the reference evaluator is onnx's way to double precision, in which ONNX Runtime lacks many operators,
# and attention's scores are large: at 640x640 pixels, each block of BEiT-Base has several results of 246 MB in double
# precision. The evaluation of a model of 1.8 GB fails in a machine of 24 GB; in pieces, 10 GB are enough.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 onnx==1.23.2

"$folder/venv/bin/python" - <<'PYTHON'
import tracemalloc
import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

NODES = 50
nodes = [helper.make_node("Add", [f"x{i}", "one"], [f"x{i + 1}"]) for i in range(NODES)]
ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [1000, 1000]) for name in ("x0", f"x{NODES}")]
one = onnx.numpy_helper.from_array(np.ones(1), "one")
model = helper.make_model(helper.make_graph(nodes, "chain", ends[:1], ends[1:], [one]),
                          opset_imports=[helper.make_opsetid("", 17)])
evaluator = ReferenceEvaluator(model)

def peak_of(run):
    tracemalloc.start()
    result = run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (result == NODES).all()
    return peak / 1e6

def by_hand():
    x = np.zeros((1000, 1000))
    for _ in range(NODES):
        x = x + 1
    return x

wanted = peak_of(by_hand)
found = peak_of(lambda: evaluator.run(None, {"x0": np.zeros((1000, 1000))})[0])
print(f"onnx {onnx.__version__}: {NODES} additions one after the other: {found:.0f} MB at most, by hand {wanted:.0f} MB")
assert 400 < found < 420 and wanted < 20, "changed"
PYTHON
