#!/bin/sh
# In preprocessor_config.json, `null` should mean the same as leaving a key out, or be refused.
#
# In transformers 5.24.0 a flag that is null counts as false, while a missing flag has the class's default, true. With
# "do_rescale": null the pixels go from 0 to 255 into a normalisation made for 0 to 1, and the model gets values up to
# 509 instead of 1, without a word. For keys that hold a number or a list (image_mean, rescale_factor, size) null is an
# error.
#
# Why it matters: programs that write such files from a record with optional fields write null for "not set".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 Pillow==13.0.0 transformers==5.24.0

"$folder/venv/bin/python" - "$folder" 2> "$folder/warnings" <<'PYTHON'
import json
import sys
import numpy
import transformers
from PIL import Image

complete = {"image_processor_type": "BeitImageProcessor", "do_rescale": True, "do_normalize": True}

def largest(config):
    with open(sys.argv[1] + "/preprocessor_config.json", "w") as file:
        json.dump(config, file)
    processor = transformers.AutoImageProcessor.from_pretrained(sys.argv[1], backend="pil")
    white = Image.new("RGB", (224, 224), "white")
    try:
        return float(numpy.max(processor(white, return_tensors="np")["pixel_values"]))
    except ValueError as error:
        return f"ValueError: {error}"

missing = largest({key: value for key, value in complete.items() if key != "do_rescale"})
null = largest({**complete, "do_rescale": None})
mean = largest({**complete, "image_mean": None})
print("transformers", transformers.__version__, "on a white picture, largest of pixel_values")
print(f"do_rescale true: {largest(complete)}; missing: {missing}; null: {null}")
print(f"image_mean null: {mean}")
assert largest(complete) == missing == 1 and null == 509 and str(mean).startswith("ValueError"), "changed"
PYTHON
