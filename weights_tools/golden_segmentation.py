#!/usr/bin/env python3
"""Make the golden segmentation model: a tiny random one as transformers saves it, and its results by both rules.

    segmentation/model/                 config.json, preprocessor_config.json, model.safetensors (float16), as
                                        save_pretrained writes them
    segmentation/expected.safetensors   computed in double precision, stored as float32 or as the type given:
        input           (B, 3, H, W)  the model's input
        RULE.logits     (B, K, h, w)  RULE is transformers or microsoft: which blocks feed the head
        photograph      (y, x, 3)     bytes
        RULE.labels     (y, x)        int32, the photograph's label map
        RULE.margin     (y, x)        the largest logit of each pixel less the second largest
        small, large    (., ., 3)     bytes, the photograph resized by OpenCV

Microsoft's rule is written here after mmsegmentation's slide_inference and mmcv's imrescale, over transformers' class.
Made with transformers 5.24, torch 2.15, Pillow 13.0, numpy 1.26 and opencv-python-headless 5.0:

    python golden_segmentation.py ../tests/golden
"""
import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from transformers.models.beit.image_processing_pil_beit import BeitImageProcessorPil

IMAGENET = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
SIZE = 32
CONFIG = dict(image_size=SIZE, patch_size=4, hidden_size=12, num_hidden_layers=6, num_attention_heads=3,
              intermediate_size=24, use_relative_position_bias=True, num_labels=7, out_indices=[2, 3, 4, 5],
              pool_scales=[1, 2, 3, 6], auxiliary_channels=2)


def randomise(model, seed):
    """Overwrite all parameters and running statistics of the model, so that a mistake in any of them shows."""
    generator = np.random.default_rng(seed)

    def numbers(shape, mean, spread):
        return torch.from_numpy(np.float32(mean) + np.float32(spread) * generator.standard_normal(shape, np.float32))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            shape = tuple(parameter.shape)
            matrix = name.endswith("weight") and len(shape) > 1
            norm = "norm" in name and name.endswith("weight")
            mean, spread = (1, 0.3) if norm else (0.3, 0.1) if "lambda_" in name else (0, 0.5)
            if matrix:
                transposed = "conv_transpose" in name or name.endswith("fpn2.weight")
                spread = (shape[0] if transposed else np.prod(shape[1:])) ** -0.5 * (2**0.5 if "decode_head" in name else 1)
            parameter.copy_(numbers(shape, mean, spread))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(numbers(tuple(buffer.shape), 0, 0.5))
            elif name.endswith("running_var"):
                buffer.copy_(numbers(tuple(buffer.shape), 0, 0.7).exp())
            elif name.endswith("num_batches_tracked"):
                buffer.fill_(160000)
    return model.eval()


@torch.no_grad()
def balance(model, images):
    """Set the last bias so that classes have the same mean over images, and label maps are of many classes."""
    model.decode_head.classifier.bias.zero_()
    model.decode_head.classifier.bias.copy_(-sum(logits_of(model, images, rule).mean((0, 2, 3)) / 2
                                                 for rule in ("transformers", "microsoft")))


def logits_of(model, images, rule):
    """Return the logits (B, K, h, w) of images (B, 3, H, W). Microsoft takes the tokens two blocks later."""
    if rule == "transformers":
        return model(images).logits
    tokens = model.beit(images, output_hidden_states=True).hidden_states
    side = [length // model.config.patch_size for length in images.shape[2:]]
    maps = [tokens[i + 1][:, 1:].transpose(1, 2).unflatten(2, side) for i in model.config.out_indices]
    return model.decode_head(model.fpn(tuple(maps)))


def rescale(photograph, side):
    """Resize as mmcv's imrescale does to (4 * side, side)."""
    height, width = photograph.shape[:2]
    scale = min(4 * side / max(height, width), side / min(height, width))
    return cv2.resize(photograph, (int(width * scale + 0.5), int(height * scale + 0.5)), interpolation=cv2.INTER_LINEAR)


def slide(model, image, window, stride):
    """Return the mean of the windows' logits (1, K, h, w) for a normalised image (1, 3, h, w)."""
    height, width = image.shape[2:]
    total, seen = 0, torch.zeros(height, width, dtype=image.dtype)
    for i in range(max(height - window + stride - 1, 0) // stride + 1):
        for j in range(max(width - window + stride - 1, 0) // stride + 1):
            bottom, right = min(i * stride + window, height), min(j * stride + window, width)
            top, left = max(bottom - window, 0), max(right - window, 0)
            logits = logits_of(model, image[:, :, top:bottom, left:right], "microsoft")
            logits = F.interpolate(logits, (bottom - top, right - left), mode="bilinear", align_corners=False)
            total = total + F.pad(logits, (left, width - right, top, height - bottom))
            seen[top:bottom, left:right] += 1
    return total / seen


@torch.no_grad()
def label(model, photograph, rule, processor=None):
    """Return the labels of a photograph (y, x, 3) and how much larger the largest logit is than the second, each
    (y, x). A processor is for transformers' rule."""
    side = model.config.image_size
    if rule == "transformers":
        x = processor(photograph, return_tensors="pt").pixel_values.double()
        logits = logits_of(model, x, rule)
    else:
        resized = torch.from_numpy(rescale(photograph, side)).double() / 255
        mean, std = (torch.tensor(IMAGENET[key], dtype=torch.float64) for key in ("mean", "std"))
        logits = slide(model, ((resized - mean) / std).permute(2, 0, 1)[None], side, 2 * side // 3)
    logits = F.interpolate(logits, photograph.shape[:2], mode="bilinear", align_corners=False)[0]
    best = logits.topk(2, 0).values
    return logits.argmax(0), best[0] - best[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder of golden files to write")
    folder = parser.parse_args().output / "segmentation"
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(28)
    images = torch.from_numpy(generator.uniform(-1, 1, (2, 3, SIZE, SIZE)).astype(np.float32))
    model = randomise(transformers.BeitForSemanticSegmentation(transformers.BeitConfig(**CONFIG)), seed=27)
    balance(model, images)
    model = model.half()
    model.save_pretrained(folder / "model")
    processor = BeitImageProcessorPil(size=dict(height=SIZE, width=SIZE), do_center_crop=False)
    processor.save_pretrained(folder / "model")

    model = model.double()
    smooth = cv2.resize(generator.integers(0, 256, (9, 14, 3), dtype=np.uint8), (71, 44), interpolation=cv2.INTER_CUBIC)
    noise = generator.integers(-20, 21, smooth.shape)
    photograph = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    results = {"input": images, "photograph": torch.from_numpy(photograph)}
    for rule in ("transformers", "microsoft"):
        with torch.no_grad():
            logits = logits_of(model, images.double(), rule)
        labels, margin = label(model, photograph, rule, processor)
        results |= {f"{rule}.logits": logits.float(), f"{rule}.labels": labels.int(), f"{rule}.margin": margin.float()}
        print(f"{rule}: deviation of the logits {logits.std():.2f}, pixels per class "
              f"{torch.bincount(labels.flatten(), minlength=7).tolist()}")
    for name, size in (("small", (23, 31)), ("large", (205, 110))):
        results[name] = torch.from_numpy(cv2.resize(photograph, size, interpolation=cv2.INTER_LINEAR))
    save_file({name: value.contiguous() for name, value in results.items()}, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
