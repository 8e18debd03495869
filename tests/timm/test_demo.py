"""Compares beit-classify with timm, on the same file, for the embedded model and Fashion-MNIST's 10,000 test images.

The data is Debian's package dataset-fashion-mnist; BEIT_FASHION_MNIST names another folder.
"""
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import converted

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples" / "data" / "beit_fashion_mnist.safetensors"
DATA = Path(os.environ.get("BEIT_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))


def read_idx(name, header):
    with gzip.open(DATA / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of grey PNG files whose names sort in the order of the labels."""
    folder = tmp_path_factory.mktemp("fashion_mnist")
    pixels = read_idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index:05}.png")
    return folder


@torch.no_grad()
def timm_logits(folder):
    """timm's logits of the files in single precision, with the model's own preprocessing: (10000, 10)."""
    _, config = converted.read(MODEL)
    preprocessing = dict(config["pretrained_cfg"])
    preprocessing.pop("license", None)
    transform = timm.data.create_transform(tuple(preprocessing.pop("input_size")), **preprocessing)
    model = converted.load(MODEL)
    batches = []
    paths = sorted(folder.iterdir())
    for start in range(0, len(paths), 500):
        batch = torch.stack([transform(Image.open(path).convert("RGB")) for path in paths[start:start + 500]])
        batches.append(model(batch))
    return torch.cat(batches).numpy()


def our_logits(images, program, folder, *options):
    """beit-classify's logits: (10000, 10)."""
    program("beit-classify", *options, "--logits", folder / "logits.npy", images)
    logits = np.load(folder / "logits.npy")
    assert logits.dtype == np.float32 and logits.shape == (10_000, 10)
    return logits


def accuracy(logits):
    return (logits.argmax(1) == read_idx("t10k-labels-idx1-ubyte.gz", 8)).mean()


def test_accuracy(images, program, figure, tmp_path):
    ours, theirs = our_logits(images, program, tmp_path), timm_logits(images)
    same = int((ours.argmax(1) == theirs.argmax(1)).sum())
    figure(f"Fashion-MNIST: accuracy {accuracy(ours):.2%}, timm's {accuracy(theirs):.2%}; the same class on {same} of "
           f"10000; logits differ by up to {np.abs(ours - theirs).max():.2e}")
    assert accuracy(ours) == accuracy(theirs)
    assert same >= 9_998
    for precision, bound in (("bfloat16", 0.001), ("int8", 0.003)):
        logits = our_logits(images, program, tmp_path, "--precision", precision)
        same = int((logits.argmax(1) == ours.argmax(1)).sum())
        figure(f"Fashion-MNIST in {precision}: accuracy {accuracy(logits):.2%}; the class of float on {same} of 10000")
        assert abs(accuracy(logits) - accuracy(ours)) <= bound
