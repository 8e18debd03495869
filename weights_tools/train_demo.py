#!/usr/bin/env python3
"""Train the demo model: a small BEiT on Fashion-MNIST, with timm's own Beit class.

The data is Debian's package dataset-fashion-mnist (MIT licence, Zalando SE). The result is a folder in timm's layout,
with model.safetensors and config.json. tune_demo.py continues from there; examples/data/README.md has the commands.

The averaged weights of the last epoch are saved, so the test images have no influence.
"""
import argparse
import copy
import gzip
import json
import math
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import safetensors.torch
import timm
import torch
import torch.nn.functional as F

ARCHITECTURE = "beit_base_patch16_224"
MODEL_ARGS = dict(img_size=28, patch_size=4, embed_dim=128, depth=5, num_heads=4, init_values=0.1)
LABELS = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
MEAN = STD = 0.5


def read_idx(path, offset, size):
    """Read the bytes of an IDX file after its header: as many numbers as `size` divides. Ends the program if it can't."""
    try:
        with gzip.open(path) as file:
            data = file.read()[offset:]
    except (OSError, EOFError, zlib.error) as error:
        sys.exit(f"can't read {path}: {getattr(error, 'strerror', None) or 'it is no gzip file, or damaged'}; wanted a file "
                 "of Fashion-MNIST, as in Debian's dataset-fashion-mnist (--data names its folder)")
    if not data or len(data) % size:
        sys.exit(f"{path}: found {len(data)} bytes after the header, wanted a multiple of {size}")
    return np.frombuffer(data, np.uint8)


def read_images(path):
    """Read the images of an IDX file: (count, 28, 28) bytes."""
    return torch.from_numpy(read_idx(path, 16, 28 * 28).reshape(-1, 28, 28).copy())


def read_labels(path):
    """Read the labels of an IDX file: (count,)."""
    return torch.from_numpy(read_idx(path, 8, 1).astype(np.int64))


def normalise(images):
    """Turn bytes (B, 28, 28) into the model's input (B, 3, 28, 28): three equal channels."""
    return ((images.float() / 255 - MEAN) / STD).unsqueeze(1).expand(-1, 3, -1, -1)


def augment(images, generator):
    """Shift by up to 2 pixels, mirror half of the images, and erase a rectangle from a quarter of them."""
    count, size = images.shape[0], images.shape[-1]
    padded = F.pad(images, (2, 2, 2, 2))
    offset = torch.randint(0, 5, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    steps = torch.arange(size).expand(count, size)
    rows = offset[0] + steps
    columns = offset[1] + torch.where(mirrored, size - 1 - steps, steps)
    shifted = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    extent = torch.randint(4, 13, (2, count, 1), generator=generator)
    corner = torch.randint(0, size - 4, (2, count, 1), generator=generator)
    chosen = torch.rand(count, 1, 1, generator=generator) < 0.25
    in_rows = (steps >= corner[0]) & (steps < corner[0] + extent[0])
    in_columns = (steps >= corner[1]) & (steps < corner[1] + extent[1])
    noise = torch.randint(0, 256, shifted.shape, generator=generator, dtype=torch.uint8)
    return torch.where(chosen & in_rows[:, :, None] & in_columns[:, None, :], noise, shifted)


@torch.no_grad()
def accuracy(model, images, labels):
    """Return the share of images whose largest logit is the label's, in per cent."""
    model.eval()
    right = sum((model(normalise(x)).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    return 100 * right / len(labels)


def train(arguments):
    """Train, print one line per epoch, and return the averaged model in evaluation mode."""
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    images = read_images(arguments.data / "train-images-idx3-ubyte.gz")
    labels = read_labels(arguments.data / "train-labels-idx1-ubyte.gz")
    test_images = read_images(arguments.data / "t10k-images-idx3-ubyte.gz")
    test_labels = read_labels(arguments.data / "t10k-labels-idx1-ubyte.gz")

    model = timm.create_model(ARCHITECTURE, num_classes=len(LABELS), drop_path_rate=0.05, **MODEL_ARGS)
    average = copy.deepcopy(model)
    skip = model.no_weight_decay()
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1 and n not in skip]
    others = [p for n, p in model.named_parameters() if p.ndim <= 1 or n in skip]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.98))
    batches = len(labels) // arguments.batch_size
    steps, warmup = arguments.epochs * batches, 2 * batches
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {steps} steps of {arguments.batch_size}, "
          f"torch {torch.__version__}, timm {timm.__version__}", flush=True)

    step, start = 0, time.time()
    for epoch in range(arguments.epochs):
        model.train()
        total = 0.0
        order = torch.randperm(len(labels), generator=generator)[:batches * arguments.batch_size]
        for chosen in order.split(arguments.batch_size):
            rate = min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * max(0, step - warmup) / (steps - warmup))))
            for group in optimizer.param_groups:
                group["lr"] = arguments.lr * rate
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(normalise(augment(images[chosen], generator)))
            loss = F.cross_entropy(logits.float(), labels[chosen], label_smoothing=0.1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            decay = min(0.998, step / (step + 10))
            with torch.no_grad():
                for slow, fast in zip(average.parameters(), model.parameters()):
                    slow.lerp_(fast, 1 - decay)
            total += loss.item()
        shown = ""
        if epoch % 4 == 3 or epoch == arguments.epochs - 1:
            shown = f", test accuracy {accuracy(average, test_images, test_labels):.2f} %"
        print(f"epoch {epoch + 1}/{arguments.epochs}: loss {total / batches:.4f}{shown}, {time.time() - start:.0f} s",
              flush=True)
    return average.eval()


def save(model, folder):
    """Write the two files that timm publishes: model.safetensors and config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    config = {
        "architecture": ARCHITECTURE,
        "num_classes": len(LABELS),
        "num_features": MODEL_ARGS["embed_dim"],
        "global_pool": "avg",
        "model_args": MODEL_ARGS,
        "label_names": LABELS,
        "pretrained_cfg": {
            "input_size": [3, 28, 28], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center",
            "mean": [MEAN] * 3, "std": [STD] * 3, "license": "apache-2.0",
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for model.safetensors and config.json")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"),
                        help="folder of the data set's IDX files")
    parser.add_argument("--epochs", type=int, default=40, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, default=128, help="images per step")
    parser.add_argument("--lr", type=float, default=1.5e-3, help="largest learning rate")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads to run on")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    save(train(arguments), arguments.output)


if __name__ == "__main__":
    main()
