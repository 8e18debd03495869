#!/usr/bin/env python3
"""Tune the demo model so that its features suit other images too, still with nothing but Fashion-MNIST's clothes.

A model trained on labels alone keeps only what tells ten classes apart. In addition to the labels, its pooled features
learn here to recognise an image among all others of the batch after distortions (the contrastive loss of SimCLR, Chen
et al., 2020, https://arxiv.org/abs/2002.05709), and to hold enough to draw the image again. The distorted images show
the clothes, parts of them, or their edges and contours. A teacher, the model trained on labels, can help to keep what
it knew (distillation, Hinton et al., 2015, https://arxiv.org/abs/1503.02531). examples/data/README.md has the commands.

The averaged weights of the last step are saved, so the test images have no influence.
"""
import argparse
import copy
import math
import os
import sys
import time
from pathlib import Path

import timm
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

import converted
import train_demo

SOBEL = torch.tensor([[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]])[:, None] / 4
TEMPERATURE = 0.1


def uniform(count, low, high, log=False):
    """Return one random number per image: (count, 1, 1, 1)."""
    if log:
        return torch.exp(uniform(count, math.log(low), math.log(high)))
    return torch.empty(count, 1, 1, 1).uniform_(low, high)


def transform(images, matrices, shifts=0):
    """Sample images (B, 1, H, W) at affinely mapped places, matrices (B, 2, 3), moved by shifts (B, H, W, 2)."""
    grid = F.affine_grid(matrices, images.shape, align_corners=False) + shifts
    return F.grid_sample(images, grid, align_corners=False)


def subjects(images):
    """Choose what two views will show: (B, 1, H, W) in [0, 1] -> the same.

    Images are mirrored and turned, and half of them zoomed into. A fifth stay as they are; the others become edges,
    contours or silhouettes.
    """
    count = len(images)
    scale = torch.where(torch.rand(count) < 0.5, torch.empty(count).uniform_(0.25, 0.8), torch.ones(count))
    matrices = torch.zeros(count, 2, 3)
    matrices[:, 0, 0] = scale * torch.where(torch.rand(count) < 0.5, -1, 1)
    matrices[:, 1, 1] = scale * torch.where(torch.rand(count) < 0.3, -1, 1)
    matrices[:, :, 2] = (torch.rand(count, 2) * 2 - 1) * (1 - scale)[:, None] * 0.9
    turned = torch.rand(count) < 0.5
    matrices[turned, :, :2] = matrices[turned, :, :2] @ torch.tensor([[0.0, 1], [-1, 0]])
    images = transform(images, matrices)

    edges = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), SOBEL).square().sum(1, keepdim=True).sqrt()
    edges = (edges / (edges.amax((1, 2, 3), keepdim=True) + 1e-6) * 1.5 - 0.15).clamp(0, 1)
    brightest = images.amax((1, 2, 3), keepdim=True)
    level = uniform(count, 0.3, 0.7) * brightest
    contours = torch.exp(-(((images - level) / (0.12 * brightest + 1e-6)) ** 2))
    silhouettes = torch.sigmoid((images - level) * 8)
    choice = uniform(count, 0, 1)
    return torch.where(choice < 0.32, edges,
                       torch.where(choice < 0.56, contours, torch.where(choice < 0.8, silhouettes, images)))


def view(images):
    """Return one view of subjects (B, 1, H, W): distorted, with thicker or thinner lines, blur and noise."""
    count, size = len(images), images.shape[-1]
    angle = (torch.rand(count) * 2 - 1) * math.radians(20)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    scale, aspect = uniform(count, 0.75, 1.3, log=True).flatten(), uniform(count, 0.82, 1.22, log=True).flatten()
    shape = torch.zeros(count, 2, 2)
    shape[:, 0, 0], shape[:, 1, 1] = aspect / scale, 1 / (aspect * scale)
    shape[:, 0, 1] = (torch.rand(count) * 2 - 1) * 0.3 / scale
    rotation = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    shift = (torch.rand(count, 2, 1) * 2 - 1) * 0.15
    bend = F.interpolate(torch.randn(count, 2, 5, 5) * 0.09, size=(size, size), mode="bicubic", align_corners=True)
    images = transform(images, torch.cat([rotation @ shape, shift], 2), bend.permute(0, 2, 3, 1))

    images = images.clamp(1e-6, 1) ** uniform(count, 0.6, 1.65, log=True)
    thick, blurred = F.max_pool2d(images, 3, 1, 1), F.avg_pool2d(images, 3, 1, 1)
    thin = (images - F.max_pool2d(-images, 3, 1, 1)) / 2
    choice = uniform(count, 0, 1)
    images = torch.where(choice < 0.15, thick,
                         torch.where(choice < 0.25, thin, torch.where(choice < 0.45, blurred, images)))
    images = images * uniform(count, 0.6, 1) + torch.randn_like(images) * uniform(count, 0, 0.08)
    return images.clamp(0, 1)


def contrast(first, second):
    """Compute SimCLR's loss for projections (B, P): each of the 2 B must find its partner among the others."""
    count = len(first)
    z = F.normalize(torch.cat([first, second]), dim=1)
    similarities = (z @ z.t() / TEMPERATURE).fill_diagonal_(-math.inf)
    return F.cross_entropy(similarities, (torch.arange(2 * count) + count) % (2 * count))


def features(model, x):
    """Compute pooled features, (B, 3, H, W) -> (B, D)."""
    return model.forward_head(model.forward_features(x), pre_logits=True)


def work(rank, arguments):
    """Run one of the processes that train together, each on its own images."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(arguments.port))
    dist.init_process_group("gloo", rank=rank, world_size=arguments.workers)
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    model = converted.load(arguments.start)
    average = copy.deepcopy(model).eval()
    teacher = arguments.teacher and converted.load(arguments.teacher)
    dim, size = model.num_features, train_demo.MODEL_ARGS["img_size"]
    project = nn.Sequential(nn.Linear(dim, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64))
    draw = nn.Sequential(nn.Linear(dim, 512), nn.GELU(), nn.Linear(512, size * size))
    parameters = [p for module in (model, project, draw) for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.05, betas=(0.9, 0.98))

    images = train_demo.read_images(arguments.data / "train-images-idx3-ubyte.gz")
    labels = train_demo.read_labels(arguments.data / "train-labels-idx1-ubyte.gz")
    test_images = train_demo.read_images(arguments.data / "t10k-images-idx3-ubyte.gz")
    test_labels = train_demo.read_labels(arguments.data / "t10k-labels-idx1-ubyte.gz")
    torch.manual_seed(arguments.seed * arguments.workers + rank)  # each process distorts other images
    steps, batch, labelled, warmup = arguments.steps, arguments.batch_size, arguments.labels, 50
    if rank == 0:
        print(f"{steps} steps of {arguments.workers} x ({batch} images seen twice + {labelled} labels), "
              f"torch {torch.__version__}, timm {timm.__version__}", flush=True)

    start, totals = time.time(), torch.zeros(3)
    for step in range(steps):
        model.train()
        rate = min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * max(0, step - warmup) / (steps - warmup))))
        for group in optimizer.param_groups:
            group["lr"] = arguments.lr * rate
        chosen = torch.randint(len(labels), (batch,))
        shown = subjects(images[chosen, None].float() / 255)
        views = torch.cat([view(shown), view(shown)])  # (2 B, 1, H, W)
        named = torch.randint(len(labels), (labelled,))
        plain = train_demo.normalise(train_demo.augment(images[named], None))
        targets = F.one_hot(labels[named], len(train_demo.LABELS)) * 0.9 + 0.1 / len(train_demo.LABELS)
        if teacher:
            with torch.no_grad():
                targets = (targets + teacher(plain).softmax(1)) / 2
        x = torch.cat([plain, ((views - train_demo.MEAN) / train_demo.STD).expand(-1, 3, -1, -1)])
        pooled = features(model, x)
        seen = pooled[labelled:]
        losses = torch.stack([
            arguments.label_weight * F.cross_entropy(model.head(pooled[:labelled]), targets),
            contrast(*project(seen).chunk(2)),
            F.mse_loss(draw(seen), views.flatten(1)) / views.var(),
        ])
        optimizer.zero_grad(set_to_none=False)
        losses.sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in parameters])
        dist.all_reduce(gradient)
        gradient *= 1 / arguments.workers / max(1.0, gradient.norm().item() / arguments.workers)  # clipped to length 1
        for p, g in zip(parameters, gradient.split([p.numel() for p in parameters])):
            p.grad.copy_(g.view_as(p))
        optimizer.step()
        decay = min(0.99, (step + 1) / (step + 11))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters()):
                slow.lerp_(fast, 1 - decay)
        totals += losses.detach() / arguments.report
        if rank == 0 and ((step + 1) % arguments.report == 0 or step + 1 == steps):
            label, contrastive, drawn = totals.tolist()
            accuracy = train_demo.accuracy(average, test_images, test_labels)
            print(f"step {step + 1}: losses {label:.3f} (labels), {contrastive:.3f} (contrast), {drawn:.3f} (drawing), "
                  f"test accuracy {accuracy:.2f} %, {time.time() - start:.0f} s", flush=True)
            totals.zero_()
            train_demo.save(average, arguments.output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=Path, required=True, help="trained model, a file that convert.py wrote")
    parser.add_argument("--teacher", type=Path, help="model whose outputs make up half of each label's target")
    parser.add_argument("--output", type=Path, required=True, help="folder for model.safetensors and config.json")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"),
                        help="folder of the data set's IDX files")
    parser.add_argument("--steps", type=int, default=1300, help="training steps")
    parser.add_argument("--batch-size", type=int, default=96, help="images per step and process, each seen twice")
    parser.add_argument("--labels", type=int, default=48, help="labelled images per step and process")
    parser.add_argument("--label-weight", type=float, default=1, help="weight of the labels' loss; the other two have weight 1")
    parser.add_argument("--lr", type=float, default=2e-3, help="largest learning rate")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--workers", type=int, default=2, help="number of processes; the resulting model depends on it")
    parser.add_argument("--report", type=int, default=260, help="number of steps between printed lines")
    parser.add_argument("--port", type=int, default=29500, help="local port through which the processes communicate")
    arguments = parser.parse_args()
    for path in filter(None, (arguments.start, arguments.teacher)):
        try:
            with converted.about(str(path)):
                converted.load(path)
        except converted.ConversionError as error:
            sys.exit(f"tune_demo.py: error: {error}")
    torch.multiprocessing.spawn(work, (arguments,), arguments.workers)


if __name__ == "__main__":
    main()
