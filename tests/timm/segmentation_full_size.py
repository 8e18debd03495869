#!/usr/bin/env python3
"""Compares a segmentation model of published size with transformers' class in double precision, by both rules.

    BEIT_BUILD_DIR=build-release python tests/timm/segmentation_full_size.py [base|large] [HEIGHTxWIDTH of a photograph]

The weights are random, with running statistics spread out; the photograph is smooth noise. It prints the largest
difference of the logits and the labels that differ although the two best logits do by more than the bound. It needs
transformers 5 and opencv-python-headless, 6 GB of memory and some minutes a pass, and isn't part of the stages.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "weights_tools"))
from golden_segmentation import label, logits_of, randomise  # noqa: E402

BOUND = 1e-4  # of the logits' deviation
SIZES = {"base": dict(out_indices=[3, 5, 7, 11]),
         "large": dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
                       out_indices=[7, 11, 15, 23])}


def run(what, weights, source, rule, out):
    """Runs beit_run_model and returns its result."""
    program = Path(os.environ["BEIT_BUILD_DIR"]).resolve() / "tests" / "beit_run_model"
    subprocess.run([program, what, weights, source, rule, out], check=True)
    return np.load(out)


@torch.no_grad()
def compare(size, photograph, folder):
    """Yields a name and whether the results are right."""
    config = transformers.BeitConfig(image_size=640, use_relative_position_bias=True, num_labels=150, **SIZES[size])
    model = randomise(transformers.BeitForSemanticSegmentation(config), seed=27)
    model.save_pretrained(folder / "model")
    processor = transformers.BeitImageProcessorPil(size=dict(height=640, width=640), do_center_crop=False)
    processor.save_pretrained(folder / "model")
    images = np.random.default_rng(1).uniform(-1, 1, (1, 3, 640, 640)).astype(np.float32)
    np.save(folder / "x.npy", images.reshape(1, -1))
    cv2.imwrite(str(folder / "photograph.png"), photograph[:, :, ::-1])
    ours = {rule: (run("segmentation", folder / "model", folder / "x.npy", rule, folder / "out.npy"),
                   run("labels", folder / "model", folder / "photograph.png", rule, folder / "labels.npy"))
            for rule in ("transformers", "microsoft")}
    model = model.double()
    model.auxiliary_head = None  # whose results training alone reads
    for rule, (logits, labels) in ours.items():
        wanted = logits_of(model, torch.from_numpy(images).double(), rule)[0].flatten(1).T.numpy()
        bound = BOUND * wanted.std()
        difference = np.abs(logits - wanted).max()
        print(f"{rule}: logits, largest difference {difference:.2e} (wanted {bound:.1e}), deviation {wanted.std():.2f}",
              flush=True)
        yield difference <= bound
        best, margin = (x.numpy() for x in label(model, photograph, rule, processor))
        wrong = labels.astype(np.int64) != best
        print(f"{rule}: {wrong.sum()} of {wrong.size} labels differ, of {len(np.unique(best))} classes, "
              f"{(wrong & (margin > bound)).sum()} where the two best logits do by more than the bound", flush=True)
        yield not (wrong & (margin > bound)).any()


def main(size="base", shape="512x683"):
    height, width = (int(side) for side in shape.split("x"))
    generator = np.random.default_rng(3)
    coarse = generator.integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    photograph = np.clip(smooth + generator.integers(-20, 21, smooth.shape), 0, 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as temporary:
        right = list(compare(size, photograph, Path(temporary)))
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
