#!/usr/bin/env python3
"""Compares beit-segment with transformers on the demo model of segmentation, pixel by pixel.

    python weights_tools/train_segmentation_demo.py scenes FOLDER
    BEIT_BUILD_DIR=build-release python tests/timm/segmentation_demo.py FOLDER

It segments the unseen scenes in FOLDER/scenes and the photographs in examples/data, and prints the share of pixels with
the same label as transformers' image processor, model and post-processing in single precision give, and beit-segment's
mean intersection over union on the scenes. It ends with status 1 unless 99.99 % of the pixels have the same label. It
needs transformers 5 beside the packages of weights_tools/requirements.txt, and isn't part of the stages.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "weights_tools"))
import converted  # noqa: E402

BUILD = Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build"))
MODEL = ROOT / "examples" / "data" / "segmentation_fashion_mnist.safetensors"
WANTED = 0.9999


def load(folder):
    """Return transformers' model and image processor of the embedded file, as it loads them from a folder."""
    tensors, metadata = converted.read_with_metadata(MODEL)
    converted.write(folder / "model.safetensors", {name: value.float() for name, value in tensors.items()})
    for name, key in (("config.json", converted.CONFIG_KEY), ("preprocessor_config.json", converted.PREPROCESSOR_KEY)):
        (folder / name).write_text(metadata[key], encoding="utf-8")
    model = transformers.BeitForSemanticSegmentation.from_pretrained(folder)
    return model.eval(), transformers.BeitImageProcessorPil.from_pretrained(folder)


@torch.no_grad()
def labels_of_transformers(model, processor, path):
    """Return the label map of one photograph, (height, width)."""
    with Image.open(path) as image:
        image = image.convert("RGB")
        output = model(**processor(images=image, return_tensors="pt"))
        return processor.post_process_semantic_segmentation(output, [(image.height, image.width)])[0].numpy()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    scenes = Path(sys.argv[1]).resolve() / "scenes"
    data = ROOT / "examples" / "data"
    paths = sorted(scenes.glob("*.png")) + [data / name for name in ("chelsea.png", "coffee.png", "rocket.jpg")]
    common = os.path.commonpath([scenes, data])  # below which beit-segment names its files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, processor = load(folder)
        subprocess.run([BUILD / "beit-segment", "--quiet", "--model", MODEL, "--npy", folder / "maps", *paths], check=True,
                       stdout=subprocess.DEVNULL)
        same = pixels = 0
        found = []
        for path in paths:
            labels = np.load(folder / "maps" / path.relative_to(common).with_suffix(".npy"))
            wanted = labels_of_transformers(model, processor, path)
            assert labels.shape == wanted.shape, (path, labels.shape, wanted.shape)
            same += (labels == wanted).sum()
            pixels += labels.size
            if path.parent == scenes:
                found.append(labels)
    truth, kinds = np.load(scenes / "labels.npy").astype(np.int64), len(model.config.id2label)
    confusion = np.bincount((truth * kinds + np.stack(found)).ravel(), minlength=kinds * kinds).reshape(kinds, kinds)
    right = np.diag(confusion)
    each = right / (confusion.sum(0) + confusion.sum(1) - right)
    print(f"{len(paths)} images: {pixels - same} of {pixels} pixels have another label than transformers', "
          f"{100 * same / pixels:.4f} % the same")
    print(f"{len(truth)} unseen scenes: mean intersection over union {100 * each.mean():.2f} %, "
          f"pixels {100 * right.sum() / confusion.sum():.2f} %")
    return 0 if same >= WANTED * pixels else 1


if __name__ == "__main__":
    sys.exit(main())
