#!/bin/sh
# ONNX's Resize has an attribute `antialias` since opset 18. A runtime that doesn't know it should refuse the model.
#
# With antialias, cubic_coeff_a = -0.5 and exclude_outside = 1, Resize is Pillow's bicubic filter: ONNX's reference and
# ONNX Runtime agree with Pillow. OpenVINO 2026.4.1 loads the model without a word and scales down without the filter,
# off by up to half of the range; exclude_outside is ignored in the same way, which shows when scaling up.
#
# Why it matters: a BEiT exported with its preprocessing in the graph gets other pixels in OpenVINO. OpenVINO's own
# PrePostProcessor has RESIZE_BICUBIC_PILLOW for that. Positions that a graph interpolates with antialias are hit as well.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 Pillow==13.0.0

"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import numpy
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

def resize_model(before, after):
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="cubic", cubic_coeff_a=-0.5, antialias=1,
                            exclude_outside=1, coordinate_transformation_mode="half_pixel")
    graph = helper.make_graph([node], "resize", [helper.make_tensor_value_info("x", TensorProto.FLOAT, before)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, after)],
                              [helper.make_tensor("sizes", TensorProto.INT64, [4], after)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model

def errors(size):
    x = numpy.random.default_rng(0).random((1, 1, 40, 60), numpy.float32)
    model = resize_model(x.shape, (1, 1, *size))
    bytes_of_model = model.SerializeToString()
    wanted = numpy.asarray(Image.fromarray(x[0, 0]).resize(size[::-1], Image.Resampling.BICUBIC))
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(bytes_of_model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    session = onnxruntime.InferenceSession(bytes_of_model, providers=["CPUExecutionProvider"])
    results = {"onnx (reference)": ReferenceEvaluator(model).run(None, {"x": x})[0],
               "onnxruntime": session.run(None, {"x": x})[0], "openvino": compiled(x)[0]}
    return {name: float(abs(y[0, 0] - wanted).max()) for name, y in results.items()}

print(*(f"{name} {importlib.metadata.version(name)}" for name in ("onnx", "onnxruntime", "openvino", "Pillow")))
for size, at_least in ((16, 16), 0.3), ((60, 90), 0.01):
    largest = errors(size)
    print(f"40x60 to {size[0]}x{size[1]}, pixels from 0 to 1, largest difference from Pillow:",
          ", ".join(f"{name} {error:.2g}" for name, error in largest.items()))
    assert largest["onnx (reference)"] < 1e-4 and largest["onnxruntime"] < 1e-4, "changed: they differ from Pillow"
    assert largest["openvino"] > at_least, "changed: OpenVINO agrees"
PYTHON
