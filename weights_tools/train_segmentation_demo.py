#!/usr/bin/env python3
"""Train the demo of segmentation: a small BEiT with a small UPerNet, with transformers' class, on scenes of clothes.

A scene has 112x112 pixels. It shows several images of Fashion-MNIST, each enlarged, turned, mirrored and tinted, on a
background with a gradient and noise; a garment may hide parts of another. Or it shows one garment that fills it. Each
pixel's label is the kind of garment that it shows, or the background.

  train   trains and writes OUTPUT/model.safetensors and OUTPUT/config.json, as transformers' save_pretrained does
  export  writes OUTPUT/segmentation.safetensors, the same in float16 as one file, and prints its mean intersection over
          union on 1,000 scenes made from test images
  scenes  writes some of these scenes as OUTPUT/scenes/NNNN.png, with their labels in OUTPUT/scenes/labels.npy (n, H, W)

The data is Debian's package dataset-fashion-mnist (MIT licence, Zalando SE). examples/data/README.md has the commands.
"""
import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from transformers import BeitConfig, BeitForSemanticSegmentation

import converted
from train_demo import LABELS, read_images, read_labels

SIZE, CELLS, MOST = 112, 3, 6  # pixels of a scene's side, cells of its side in which garments are placed, most garments
KINDS = ["background", *LABELS]
OPEN = (5, 8)  # sandals and bags: the background shows through their holes
# Red, green and blue of each kind in pictures: a dark background, and Tableau's ten colours.
PALETTE = [[48, 48, 48], [31, 119, 180], [255, 127, 14], [44, 160, 44], [214, 39, 40], [148, 103, 189], [140, 86, 75],
           [227, 119, 194], [127, 127, 127], [188, 189, 34], [23, 190, 207]]
UNSEEN, UNSEEN_SEED = 1000, 20_000
PREPROCESSOR = {
    "image_processor_type": "BeitImageProcessor", "do_resize": True, "size": {"height": SIZE, "width": SIZE},
    "resample": 3, "do_center_crop": False, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_reduce_labels": False,
}


def make_config():
    """Return the configuration. transformers reads hidden states one before `out_indices`: after blocks 1 to 4.

    As in the published models, the two blocks after those have no effect.
    """
    return BeitConfig(
        hidden_size=64, num_hidden_layers=6, num_attention_heads=4, intermediate_size=256, image_size=SIZE, patch_size=14,
        use_mask_token=False, use_absolute_position_embeddings=False, use_relative_position_bias=True,
        use_shared_relative_position_bias=False, layer_scale_init_value=0.1, drop_path_rate=0.0,
        out_indices=[2, 3, 4, 5], pool_scales=[1, 2, 3, 6], use_auxiliary_head=False,
        id2label=dict(enumerate(KINDS)), label2id={name: index for index, name in enumerate(KINDS)})


def shapes_of(images, labels):
    """Return which pixels belong to the garments: all that the border can't reach over black ones, (B, 28, 28).

    Black pixels inside also belong to them, but for holes.
    """
    black = (images < 16).float().unsqueeze(1)
    outside = F.pad(torch.zeros_like(black)[..., 1:-1, 1:-1], (1, 1, 1, 1), value=1.0) * black
    while True:
        reached = F.max_pool2d(outside, 3, 1, 1) * black
        if torch.equal(reached, outside):
            break
        outside = reached
    has_holes = torch.isin(labels, torch.tensor(OPEN))[:, None, None]
    return torch.where(has_holes, black[:, 0] == 0, outside[:, 0] == 0)


class Scenes:
    """Makes scenes of the images of one part of Fashion-MNIST, "train" or "t10k"."""

    def __init__(self, folder, part):
        images = read_images(folder / f"{part}-images-idx3-ubyte.gz")
        self.labels = read_labels(folder / f"{part}-labels-idx1-ubyte.gz")
        # (count, 2, 28, 28): brightness, and 1 where the garment is
        self.garments = torch.stack([images.float() / 255, shapes_of(images, self.labels).float()], 1)

    def draw(self, count, generator):
        """Return `count` scenes: pixels (count, 3, SIZE, SIZE) in bytes and labels (count, SIZE, SIZE)."""
        def uniform(low, high, *shape):
            return low + (high - low) * torch.rand(*shape, generator=generator)

        alone = uniform(0, 1, count) < 0.15
        number = torch.where(alone, 1, torch.randint(3, MOST + 1, (count,), generator=generator))
        side = torch.where(alone[:, None], uniform(64, SIZE + 1, count, MOST), uniform(30, 60, count, MOST))
        cells = uniform(0, 1, count, CELLS * CELLS).argsort(1)[:, :MOST]
        jitter = uniform(-0.12, 0.12, 2, count, MOST)
        place = (torch.stack([cells % CELLS, cells // CELLS]) + 0.5) / CELLS * 2 - 1  # in [-1, 1], as affine_grid's
        place = torch.where(alone[:, None], jitter / 2, place * 0.9 + jitter)
        angle = torch.where(alone[:, None], 0.0, uniform(-0.3, 0.3, count, MOST))
        mirror = torch.where(uniform(0, 1, count, MOST) < 0.5, -1.0, 1.0)

        # From a scene's coordinates to a garment's: moved, turned, enlarged and mirrored.
        scale, cos, sin = SIZE / side, angle.cos(), angle.sin()
        x, y = place
        first = torch.stack([cos, sin, -(cos * x + sin * y)], -1) * (scale * mirror)[..., None]
        second = torch.stack([-sin, cos, sin * x - cos * y], -1) * scale[..., None]
        grid = F.affine_grid(torch.stack([first, second], -2).flatten(0, 1), (count * MOST, 2, SIZE, SIZE),
                             align_corners=False)
        chosen = torch.randint(0, len(self.labels), (count * MOST,), generator=generator)
        drawn = F.grid_sample(self.garments[chosen], grid, align_corners=False).unflatten(0, (count, MOST))
        kinds = (self.labels[chosen] + 1).unflatten(0, (count, MOST))

        # Some scenes stay as Fashion-MNIST is: grey on black.
        plain = torch.where(alone, uniform(0, 1, count) < 0.5, uniform(0, 1, count) < 0.1)
        tint = torch.where(plain[:, None, None], 1.0, uniform(0.35, 1, count, MOST, 3))
        floor = torch.where(plain, 0.0, 0.2)[:, None, None, None]
        ramp = torch.linspace(-0.5, 0.5, SIZE)
        slope = uniform(-0.2, 0.2, 2, count, 3, 1, 1)
        canvas = uniform(0.05, 0.85, count, 1, 1, 1) + uniform(-0.15, 0.15, count, 3, 1, 1)
        canvas = canvas + slope[0] * ramp + slope[1] * ramp[:, None]
        canvas = canvas + uniform(0, 0.04, count, 1, 1, 1) * torch.randn(count, 1, SIZE, SIZE, generator=generator)
        canvas = torch.where(plain[:, None, None, None], 0.0, canvas)
        result = torch.zeros(count, SIZE, SIZE, dtype=torch.int64)
        for k in range(MOST):
            brightness, inside = drawn[:, k, :1], drawn[:, k, 1] >= 0.5
            inside &= (k < number)[:, None, None]
            shown = (floor + (1 - floor) * brightness) * tint[:, k, :, None, None]
            canvas = torch.where(inside[:, None], shown, canvas)
            result = torch.where(inside, kinds[:, k, None, None], result)
        return (255 * canvas.clamp(0, 1)).round().byte(), result

    def unseen(self, count, batch=50):
        """Yield the first `count` of the scenes that are always the same, in batches."""
        generator = torch.Generator().manual_seed(UNSEEN_SEED)
        for begin in range(0, count, batch):
            pixels, labels = self.draw(batch, generator)
            yield pixels[:count - begin], labels[:count - begin]


def normalise(pixels):
    """Turn bytes into the model's input."""
    return pixels.float() / 127.5 - 1


def full_size(logits):
    """Return logits at the size of the scene, as transformers' post_process_semantic_segmentation enlarges them."""
    return F.interpolate(logits, size=(SIZE, SIZE), mode="bilinear", align_corners=False)


@torch.no_grad()
def intersection_over_union(model, scenes, count):
    """Return each kind's intersection over union of `count` unseen scenes, and the share of right pixels, in per cent."""
    model.eval()
    confusion = torch.zeros(len(KINDS), len(KINDS))
    for pixels, labels in scenes.unseen(count):
        found = full_size(model(normalise(pixels)).logits).argmax(1)
        confusion += torch.bincount((labels * len(KINDS) + found).flatten(), minlength=len(KINDS) ** 2).view_as(confusion)
    right = confusion.diag()
    return 100 * right / (confusion.sum(0) + confusion.sum(1) - right), 100 * right.sum() / confusion.sum()


def train(arguments):
    """Train and write OUTPUT/model.safetensors and OUTPUT/config.json, with the averaged weights."""
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    scenes, unseen = Scenes(arguments.data, "train"), Scenes(arguments.data, "t10k")
    model = (BeitForSemanticSegmentation.from_pretrained(arguments.start) if arguments.start
             else BeitForSemanticSegmentation(make_config()))
    average = copy.deepcopy(model)
    decayed = [p for name, p in model.named_parameters() if p.ndim > 1 and "token" not in name and "table" not in name]
    others = [p for p in model.parameters() if all(p is not other for other in decayed)]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], betas=(0.9, 0.98))
    steps, warmup, report = arguments.steps, 100, 400
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {steps} steps of {arguments.batch_size} scenes",
          flush=True)
    start, total = time.time(), 0.0
    for step in range(steps):
        model.train()
        rate = min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * max(0, step - warmup) / (steps - warmup))))
        for group in optimizer.param_groups:
            group["lr"] = arguments.lr * rate
        pixels, labels = scenes.draw(arguments.batch_size, generator)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.autocast):
            logits = model(normalise(pixels)).logits
        loss = F.cross_entropy(full_size(logits.float()), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        decay = min(0.995, step / (step + 10))
        with torch.no_grad():
            for slow, fast in zip(average.state_dict().values(), model.state_dict().values()):
                if slow.is_floating_point():
                    slow.lerp_(fast, 1 - decay)
        total += loss.item()
        if step % report == report - 1:
            each, right = intersection_over_union(average, unseen, 100)
            print(f"step {step + 1}/{steps}: loss {total / report:.4f}, 100 unseen scenes: mean intersection over union "
                  f"{each.mean():.2f} %, pixels {right:.2f} %, {time.time() - start:.0f} s", flush=True)
            total = 0.0
            average.save_pretrained(arguments.output)
    average.save_pretrained(arguments.output)


def export(arguments):
    """Write OUTPUT/segmentation.safetensors and print what it scores."""
    tensors = safetensors.torch.load_file(arguments.output / "model.safetensors")
    stored = converted.convert_tensors(
        {name: value for name, value in tensors.items() if value.is_floating_point()}, "f16")
    path = arguments.output / "segmentation.safetensors"
    config = json.loads((arguments.output / "config.json").read_text(encoding="utf-8")) | {"palette": PALETTE}
    converted.write(path, stored, config, preprocessor=json.dumps(PREPROCESSOR))
    model = BeitForSemanticSegmentation.from_pretrained(arguments.output).half().float()  # as rounded by being stored
    each, right = intersection_over_union(model, Scenes(arguments.data, "t10k"), UNSEEN)
    print(f"stored, {UNSEEN} unseen scenes: mean intersection over union {each.mean():.2f} %, pixels {right:.2f} %")
    print(", ".join(f"{kind} {value:.1f} %" for kind, value in zip(KINDS, each)), flush=True)


def write_scenes(arguments):
    """Write unseen scenes and their labels."""
    folder = arguments.output / "scenes"
    folder.mkdir(exist_ok=True)
    every = []
    for pixels, labels in Scenes(arguments.data, "t10k").unseen(arguments.count):
        for scene, label in zip(pixels, labels):
            Image.fromarray(scene.permute(1, 2, 0).numpy()).save(folder / f"{len(every):04d}.png")
            every.append(label.numpy().astype(np.uint8))
    np.save(folder / "labels.npy", np.stack(every))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = {"train": train, "export": export, "scenes": write_scenes}
    parser.add_argument("task", choices=steps, help="what to do, as described above")
    parser.add_argument("output", type=Path, help="folder of the results")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"),
                        help="folder of the data set's IDX files")
    parser.add_argument("--start", type=Path, help="folder of an earlier training's results, from which to go on")
    parser.add_argument("--steps", type=int, default=2800, help="steps of the training")
    parser.add_argument("--batch-size", type=int, default=16, help="scenes per step")
    parser.add_argument("--lr", type=float, default=1.5e-3, help="largest learning rate")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--count", type=int, default=UNSEEN, help="how many scenes to write")
    parser.add_argument("--autocast", action="store_true", help="compute products in bfloat16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads to run on")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.logging.disable_progress_bar()
    arguments.output.mkdir(parents=True, exist_ok=True)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    steps[arguments.task](arguments)


if __name__ == "__main__":
    main()
