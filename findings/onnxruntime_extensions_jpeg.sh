#!/bin/sh
# A JPEG should have the same pixels, give or take a level for rounding, in Pillow and in onnxruntime-extensions.
#
# It does as long as colour has full resolution. With colour at half resolution, which is what cameras and Pillow's own
# default write, onnxruntime-extensions 0.15.2 enlarges it by another method: next to coloured edges pixels differ by
# tens of levels. PNG files and the bicubic resize are Pillow's to the byte.
#
# Why it matters: pixels prepared for BEiT by ONNX Runtime's own tool aren't those of timm, and a test with PNG files or
# grey ones doesn't show it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime_extensions==0.15.2 Pillow==13.0.0

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
import numpy
import onnxruntime_extensions
from onnxruntime_extensions.pp_api import ImageProcessor
from PIL import Image

def processor(*operations):
    return ImageProcessor(json.dumps({"processor": {"name": "picture", "transforms": [
        {"operation": {"name": kind, "type": kind, "attrs": attributes}} for kind, attributes in operations]}}))

def difference(path, operations, pillow):
    steps = processor(*operations)
    pixels = steps.to_numpy(steps.pre_process(path), 0).reshape(pillow.shape)
    return int(abs(pixels.astype(int) - pillow).max())

decode = ("DecodeImage", {"color_space": "RGB"})
resize = ("Resize", {"height": 32, "width": 32, "interpolation": "CUBIC", "keep_aspect_ratio": 0})
picture = numpy.empty((64, 96, 3), numpy.uint8)
picture[:, :47], picture[:, 47:] = (220, 30, 30), (30, 30, 220)
picture[31:] = picture[31:, ::-1]
picture = Image.fromarray(picture)

print("onnxruntime-extensions", onnxruntime_extensions.__version__, "against Pillow, largest difference of 255:")
found = {}
for name, options in ("whole.png", {}), ("full.jpg", {"subsampling": "4:4:4"}), ("half.jpg", {"subsampling": "4:2:0"}):
    path = f"{sys.argv[1]}/{name}"
    picture.save(path, **options)
    found[name] = difference(path, [decode], numpy.asarray(Image.open(path)).astype(int))
    print(f"  {name} {options}: {found[name]}")
small = picture.resize((32, 32), Image.Resampling.BICUBIC)
found["resize"] = difference(f"{sys.argv[1]}/whole.png", [decode, resize], numpy.asarray(small).astype(int))
print(f"  whole.png, resized: {found['resize']}")
assert found["whole.png"] == found["resize"] == 0 and found["full.jpg"] <= 2, "changed: what agreed differs"
assert found["half.jpg"] >= 20, "changed: 4:2:0 agrees"
PYTHON
