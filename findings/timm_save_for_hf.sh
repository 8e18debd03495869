#!/bin/sh
# A folder that timm's save_for_hf writes should open in transformers, which has a class for timm's models.
#
# timm 1.0.31 writes the model's arguments as "model_args", with "num_classes" among them, beside the "num_classes" of the
# configuration. transformers 5.24.0 passes both to timm's create_model, which ends in a TypeError. Without that one argument
# in the file, the same folder opens and gives timm's logits.
#
# Why it matters: the error names neither the file nor the key, and appears for a model that timm itself opens.
#
# PyTorch comes with some gigabytes of libraries for graphics cards.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 torch==2.15.0 torchvision==0.29.2 timm==1.0.31 \
  transformers==5.24.0

"$folder/venv/bin/python" - "$folder" 2> "$folder/warnings" <<'PYTHON'
import json
import sys
from pathlib import Path
import timm
import torch
import transformers
from transformers import TimmWrapperForImageClassification

folder = Path(sys.argv[1]) / "model"
arguments = dict(img_size=64, embed_dim=48, depth=2, num_heads=3, num_classes=5)
torch.manual_seed(0)
model = timm.create_model("beit_base_patch16_224", **arguments).eval()
timm.models.save_for_hf(model, folder, model_args=arguments, safe_serialization=True)
image = torch.rand(1, 3, 64, 64)

@torch.no_grad()
def difference():
    try:
        opened = TimmWrapperForImageClassification.from_pretrained(folder).eval()
    except TypeError as error:
        return f"TypeError: {error}"
    return float((opened(image).logits - model(image)).abs().max())

print("timm", timm.__version__, "and transformers", transformers.__version__)
print("as timm writes it:", as_written := difference())
config = json.loads((folder / "config.json").read_text())
del config["model_args"]["num_classes"]
(folder / "config.json").write_text(json.dumps(config))
print("without num_classes in model_args: logits differ by", shortened := difference())
assert str(as_written).startswith("TypeError") and "num_classes" in as_written, "changed: the folder as timm writes it"
assert isinstance(shortened, float) and shortened < 1e-5, "changed: the folder without the key"
PYTHON
