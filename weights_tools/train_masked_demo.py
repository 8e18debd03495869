#!/usr/bin/env python3
"""Train the demo of pre-training on Fashion-MNIST: a small tokenizer, then a small BEiT that predicts its tokens.

  tokenizer  trains a discrete VAE made of DALL-E's blocks (dvae.py), which turns 28x28 pixels into 7x7 tokens. It is
             trained as DALL-E's was: tokens are relaxed by Gumbel-softmax with a falling temperature, and the loss is
             the error of the pixels.
  masked     trains timm's Beit with a mask token and a head as wide as the vocabulary. Blocks of patches are masked and
             their tokens are predicted (cross entropy), as in BEiT's pre-training. Labels aren't used.
  table      prints what that buys: the accuracy of a linear head on pooled features of this backbone, of the backbone
             before pre-training, and on pixels, with few labels and with all.

The data is Debian's package dataset-fashion-mnist (MIT licence, Zalando SE). examples/data/README.md has the commands.

    python train_masked_demo.py tokenizer OUTPUT
    python train_masked_demo.py masked OUTPUT
    python train_masked_demo.py table OUTPUT
"""
import argparse
import math
import time
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from timm.models.beit import Beit
from torch import nn

import converted
import dvae
from train_demo import LABELS, normalise, read_images, read_labels

TOKENIZER = dict(group_count=3, n_hid=32, n_blk_per_group=1, vocab_size=256)
N_INIT = 64
TRUNK = dict(img_size=28, patch_size=4, embed_dim=128, depth=5, num_heads=4, num_classes=0, init_values=0.1,
             global_pool="avg", use_fc_norm=False, use_abs_pos_emb=False, use_shared_rel_pos_bias=True)
GRID, RATIO, LEAST, ASPECT = 7, 0.4, 4, 0.3
PROBED = 3  # index of the block whose features the table's heads see: the best on images held out of the training set
PREPROCESSING = dict(interpolation="bicubic", crop_pct=1.0, mean=[0.5] * 3, std=[0.5] * 3, license="apache-2.0")


class MaskedBeit(Beit):
    """timm's Beit for pre-training, with `mask_token` in place of masked patches and `lm_head` after `norm`."""

    def __init__(self, vocab_size, **arguments):
        super().__init__(**arguments)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, self.embed_dim))
        self.lm_head = nn.Linear(self.embed_dim, vocab_size)
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        nn.init.trunc_normal_(self.lm_head.weight, std=0.02)

    def logits(self, x, mask):
        """x (B, 3, H, W), mask (B, N - 1) of booleans -> (B, N - 1, V)."""
        x = self.patch_embed(x)
        x = torch.where(mask[..., None], self.mask_token, x)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1)
        bias = self.rel_pos_bias()
        for block in self.blocks:
            x = block(x, shared_rel_pos_bias=bias)
        return self.lm_head(self.norm(x)[:, 1:])


def block_mask(generator):
    """Return a mask (GRID * GRID,) of random rectangles over about RATIO of the patches, as in unilm's masking_generator."""
    wanted, mask = round(RATIO * GRID * GRID), np.zeros((GRID, GRID), bool)
    while mask.sum() < wanted:
        left = wanted - mask.sum()
        area = generator.uniform(min(LEAST, left), max(left, LEAST))
        aspect = math.exp(generator.uniform(math.log(ASPECT), -math.log(ASPECT)))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if not (0 < height < GRID and 0 < width < GRID):
            continue
        top, begin = generator.integers(0, GRID - height + 1), generator.integers(0, GRID - width + 1)
        block = mask[top:top + height, begin:begin + width]
        if 0 < block.size - block.sum() <= left:
            block[:] = True
    return mask.ravel()


def pixels(images):
    """Turn bytes (B, 28, 28) into values in [0, 1] (B, 3, 28, 28): three equal channels."""
    return (images.float() / 255).unsqueeze(1).expand(-1, 3, -1, -1)


def mirrored(images, generator):
    """Mirror half of the images."""
    return torch.where(torch.rand(len(images), 1, 1, generator=generator) < 0.5, images.flip(-1), images)


def schedule(optimizer, lr, step, steps, warmup):
    """Return the learning rate's factor: a linear warm-up, then half a cosine."""
    rate = min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * max(0, step - warmup) / (steps - warmup))))
    for group in optimizer.param_groups:
        group["lr"] = lr * rate


def batches(count, size, epochs, generator):
    """Yield the indices of one batch after the other."""
    for _ in range(epochs):
        yield from torch.randperm(count, generator=generator)[:count // size * size].split(size)


@torch.no_grad()
def tokenize(encoder, images):
    """Return the tokens of images: (B, 49)."""
    return torch.cat([encoder(dvae.map_pixels(pixels(x))).argmax(1).flatten(1) for x in images.split(500)])


@torch.no_grad()
def describe_tokenizer(encoder, decoder, images):
    """Describe the error of reconstructed images and the tokens in use, in one line."""
    tokens = tokenize(encoder, images)
    one_hot = F.one_hot(tokens, TOKENIZER["vocab_size"]).permute(0, 2, 1).unflatten(2, (GRID, GRID)).float()
    shown = torch.cat([dvae.unmap_pixels(torch.sigmoid(decoder(x)[:, :3])) for x in one_hot.split(500)])
    share = torch.bincount(tokens.flatten(), minlength=TOKENIZER["vocab_size"]) / tokens.numel()
    entropy = -(share * torch.log2(share.clamp(min=1e-12))).sum()
    return (f"mean absolute error {255 * (shown - pixels(images)).abs().mean():.2f} of 255, "
            f"{(share > 1e-4).sum()} tokens in use, {entropy:.2f} bits a token")


def train_tokenizer(arguments):
    """Train both halves and write OUTPUT/dvae.safetensors."""
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    images = read_images(arguments.data / "train-images-idx3-ubyte.gz")
    test_images = read_images(arguments.data / "t10k-images-idx3-ubyte.gz")
    encoder, decoder = dvae.Encoder(**TOKENIZER), dvae.Decoder(**TOKENIZER, n_init=N_INIT)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    for parameter in parameters:
        parameter.requires_grad_()
    size, epochs, lr = 128, arguments.epochs or 5, 2e-3
    steps = len(images) // size * epochs
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=1e-4)
    print(f"tokenizer: {sum(p.numel() for p in parameters)} parameters, {steps} steps of {size}", flush=True)
    start, total = time.time(), 0.0
    for step, chosen in enumerate(batches(len(images), size, epochs, generator)):
        schedule(optimizer, lr, step, steps, 200)
        temperature = max(1 / 16, math.exp(math.log(1 / 16) * step / (0.7 * steps)))
        x = dvae.map_pixels(pixels(mirrored(images[chosen], generator)))
        logits = encoder(x)
        relaxed = F.gumbel_softmax(logits, tau=temperature, dim=1)
        error = (torch.sigmoid(decoder(relaxed)[:, :3]) - x).abs().mean()
        # The mean of all tokens' distributions is kept near the uniform one, so that few tokens go unused.
        mean = logits.softmax(1).mean((0, 2, 3))
        uniformity = (mean * torch.log(mean.clamp(min=1e-8) * TOKENIZER["vocab_size"])).sum()
        optimizer.zero_grad(set_to_none=True)
        (error + 2e-3 * uniformity).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        total += error.item()
        if step % 234 == 233:
            print(f"step {step + 1}/{steps}: temperature {temperature:.3f}, error {255 / 0.8 * total / 234:.2f} of 255, "
                  f"{describe_tokenizer(encoder, decoder, test_images[:1000])}, {time.time() - start:.0f} s", flush=True)
            total = 0.0
    tensors = {f"{half}.{key}": value for half, module in (("encoder", encoder), ("decoder", decoder))
               for key, value in module.state_dict().items()}
    config = {"architecture": "dall_e_dvae", "input_size": [3, 28, 28], "interpolation": "lanczos", "crop_pct": 1.0,
              "crop_mode": "center"}
    converted.write(arguments.output / "dvae.safetensors", converted.convert_tensors(tensors, "f16"), config)
    encoder, decoder = load_tokenizer(arguments.output / "dvae.safetensors")
    print(f"tokenizer, stored: all test images: {describe_tokenizer(encoder, decoder, test_images)}", flush=True)


def load_tokenizer(path):
    """Load both halves from a file."""
    tensors, _ = converted.read(path)
    halves = dvae.Encoder(**TOKENIZER), dvae.Decoder(**TOKENIZER, n_init=N_INIT)
    for half, name in zip(halves, ("encoder.", "decoder.")):
        half.load_state_dict({key.removeprefix(name): value.float() for key, value in tensors.items()
                              if key.startswith(name)})
        half.eval().requires_grad_(False)
    return halves


def make_masked(seed):
    """Return the model before training."""
    torch.manual_seed(seed)
    return MaskedBeit(TOKENIZER["vocab_size"], **TRUNK)


@torch.no_grad()
def masked_accuracy(model, images, tokens, masks):
    """Return the shares of masked patches whose token is the likeliest, and among the five likeliest, in per cent."""
    model.eval()
    right = torch.zeros(2)
    for x, y, mask in zip(images.split(500), tokens.split(500), masks.split(500)):
        best = model.logits(normalise(x), mask)[mask].topk(5, dim=-1).indices == y[mask][:, None]
        right += torch.tensor([best[:, 0].sum().item(), best.any(1).sum().item()])
    return (100 * right / masks.sum()).tolist()


def train_masked(arguments):
    """Pre-train and write OUTPUT/masked.safetensors."""
    encoder, _ = load_tokenizer(arguments.output / "dvae.safetensors")
    generator = torch.Generator().manual_seed(arguments.seed)
    images = read_images(arguments.data / "train-images-idx3-ubyte.gz")
    test_images = read_images(arguments.data / "t10k-images-idx3-ubyte.gz")
    both = torch.stack([images, images.flip(-1)], 1)  # (60000, 2, 28, 28): as they are, and mirrored
    tokens = tokenize(encoder, both.flatten(0, 1)).unflatten(0, (-1, 2))
    test_tokens = tokenize(encoder, test_images)
    random = np.random.default_rng(arguments.seed)
    masks = torch.from_numpy(np.stack([block_mask(random) for _ in range(20000)]))
    test_masks = torch.from_numpy(np.stack([block_mask(random) for _ in range(len(test_images))]))

    model = make_masked(arguments.seed)
    skip = model.no_weight_decay() | {"mask_token"}
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1 and n not in skip]
    others = [p for n, p in model.named_parameters() if p.ndim <= 1 or n in skip]
    size, epochs, lr = 128, arguments.epochs or 12, 1.5e-3
    steps = len(images) // size * epochs
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
                                  betas=(0.9, 0.98))
    print(f"masked: {sum(p.numel() for p in model.parameters())} parameters, {steps} steps of {size}", flush=True)
    start, total = time.time(), 0.0
    for step, chosen in enumerate(batches(len(images), size, epochs, generator)):
        model.train()
        schedule(optimizer, lr, step, steps, 500)
        side = torch.randint(0, 2, (len(chosen),), generator=generator)
        mask = masks[torch.randint(0, len(masks), (len(chosen),), generator=generator)]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.autocast):
            logits = model.logits(normalise(both[chosen, side]), mask)
        loss = F.cross_entropy(logits.float()[mask], tokens[chosen, side][mask])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 3.0)
        optimizer.step()
        total += loss.item()
        if step % 468 == 467:
            one, five = masked_accuracy(model, test_images[:2000], test_tokens[:2000], test_masks[:2000])
            print(f"step {step + 1}/{steps}: loss {total / 468:.4f}, masked tokens of test images {one:.2f} %, among five "
                  f"{five:.2f} %, {time.time() - start:.0f} s", flush=True)
            total = 0.0
    config = converted.make_config(model, "beit_base_patch16_224", PREPROCESSING)
    converted.write(arguments.output / "masked.safetensors", converted.convert_tensors(model.state_dict(), "f16"), config)
    model = load_masked(arguments.output / "masked.safetensors")
    one, five = masked_accuracy(model, test_images, test_tokens, test_masks)
    print(f"masked, stored: all test images: {one:.2f} %, among five {five:.2f} %", flush=True)


def load_masked(path):
    """Load the model from a file."""
    tensors, _ = converted.read(path)
    model = make_masked(0)
    model.load_state_dict({key: value.float() for key, value in tensors.items()})
    return model.eval()


@torch.no_grad()
def features(model, images):
    """Return the mean of the patches after a block: (B, C)."""
    model.eval()
    options = dict(indices=[PROBED], output_fmt="NLC", intermediates_only=True)
    return torch.cat([model.forward_intermediates(normalise(x), **options)[0].mean(1) for x in images.split(500)]).numpy()


def table(arguments):
    """Print the table of linear heads."""
    split = {name: (read_images(arguments.data / f"{name}-images-idx3-ubyte.gz"),
                    read_labels(arguments.data / f"{name}-labels-idx1-ubyte.gz").numpy()) for name in ("train", "t10k")}
    images, labels = split["train"]
    test_images, test_labels = split["t10k"]
    trunks = {"pre-trained": load_masked(arguments.output / "masked.safetensors"), "untrained": make_masked(arguments.seed)}
    inputs = {name: (features(trunk, images), features(trunk, test_images)) for name, trunk in trunks.items()}
    inputs["pixels"] = tuple(x.flatten(1).numpy() / 255 for x in (images, test_images))
    print("| labels per class | " + " | ".join(inputs) + " |\n|---|" + "---|" * len(inputs))
    for count in (10, 100, 0):
        row = []
        for train, test in inputs.values():
            scaler = StandardScaler().fit(train)
            scores = []
            for draw in range(5 if count else 1):
                random = np.random.default_rng(draw)
                chosen = np.concatenate([random.permutation(np.flatnonzero(labels == k))[:count or None]
                                         for k in range(len(LABELS))])
                head = LogisticRegression(C=0.1 if count else 1.0, max_iter=2000, tol=1e-3)
                head.fit(scaler.transform(train[chosen]), labels[chosen])
                scores.append(100 * head.score(scaler.transform(test), test_labels))
            row.append(f"{np.mean(scores):.1f} %" + (f" ± {np.std(scores):.1f}" if count else ""))
        print(f"| {count or 'all 6,000'} | " + " | ".join(row) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = {"tokenizer": train_tokenizer, "masked": train_masked, "table": table}
    parser.add_argument("step", choices=steps, help="what to do, as described above")
    parser.add_argument("output", type=Path, help="folder for dvae.safetensors and masked.safetensors")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"),
                        help="folder of the data set's IDX files")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--autocast", action="store_true", help="compute products in bfloat16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads to run on")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    print(f"torch {torch.__version__}, timm {timm.__version__}", flush=True)
    steps[arguments.step](arguments)


if __name__ == "__main__":
    main()
