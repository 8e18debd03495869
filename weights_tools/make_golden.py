#!/usr/bin/env python3
"""Make the golden models: tiny random BEiT models, and timm's results for them.

For each variant, two files:

    model_NAME.safetensors           a converted file
    model_NAME.expected.safetensors  float32 tensors, computed in double precision:
        input                 (B, 3, H, W)   the model's input
        features              (B, N, C)      forward_features
        pre_logits            (B, C)         forward_head(features, pre_logits=True)
        logits                (B, K)         forward; without classes that is pre_logits, as in timm
        intermediates.I       (B, C, G, G)   forward_intermediates, block I, norm=False, output_fmt="NCHW"
        intermediates_nlc.I   (B, N - 1, C)  the same with norm=True, output_fmt="NLC"

Models that are stored in 16 bits are evaluated with the rounded weights.

    python make_golden.py ../tests/golden
"""
import argparse
import zlib
from pathlib import Path

import numpy as np
import timm
import torch

import converted
from random_model import randomise

ARCHITECTURE = "beit_base_patch16_224"
BATCH = 2
COMMON = dict(img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, mlp_ratio=2, num_classes=10,
              use_rel_pos_bias=True, use_abs_pos_emb=False, init_values=0.1)
BEIT3 = "beit3_base_patch16_224"
COMMON_BEIT3 = dict(img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, mlp_ratio=2, num_classes=10)
SMALL_BEIT3 = dict(img_size=8, embed_dim=8, num_heads=2, mlp_ratio=1.5, depth=1, num_classes=2)

# The differences from COMMON, and the stored type.
VARIANTS = {
    "standard": (dict(img_size=20, mlp_ratio=4), "f32"),
    "token": (dict(global_pool="token"), "f32"),
    "shared": (dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=True), "f32"),
    "absolute": (dict(use_rel_pos_bias=False, use_abs_pos_emb=True), "f32"),
    "plain": (dict(init_values=0, qkv_bias=False), "f32"),
    "headless": (dict(num_classes=0), "f32"),
    "rectangle": (dict(img_size=(12, 32), patch_size=(4, 8)), "f32"),
    "avg_norm": (dict(use_fc_norm=False), "f32"),
    "odd": (dict(embed_dim=40, num_heads=5, mlp_ratio=2.5, num_classes=7), "f16"),
    "both": (dict(use_shared_rel_pos_bias=True), "f32"),
    "bf16": (dict(img_size=21, patch_size=7, num_heads=2, depth=3), "bf16"),
    "scale_mlp": (dict(scale_mlp=True), "f32"),
    "beit3": (dict(), "f32"),
    "beit3_odd": (dict(img_size=(12, 20), embed_dim=20, num_heads=5, mlp_ratio=2.5, num_classes=0), "f32"),
    "beit3_scale": (dict(SMALL_BEIT3, init_values=0.1), "f32"),
    "beit3_bare": (dict(SMALL_BEIT3, init_values=0.1, scale_attn_norm=False, scale_mlp_norm=False, qkv_bias=False,
                        global_pool="token"), "f32"),
}


def seed_of(name):
    """Return a seed that stays the same when variants are added."""
    return zlib.crc32(name.encode())


def architecture_of(name):
    return BEIT3 if name.startswith("beit3") else ARCHITECTURE


def make_model(name):
    """Return the variant's timm model with seeded weights, rounded to the stored type, and the name of that type."""
    arguments, dtype = VARIANTS[name]
    architecture = architecture_of(name)
    common = COMMON_BEIT3 if architecture == BEIT3 else COMMON
    model = timm.create_model(architecture, **{**common, **arguments})
    randomise(model, seed_of(name))
    rounded = converted.convert_tensors(model.state_dict(), dtype)
    model.load_state_dict({key: value.float() for key, value in rounded.items()})
    return model, dtype


def make_input(model, seed):
    """Return a batch of random images with the spread of normalised photographs: (B, 3, H, W)."""
    shape = (BATCH, model.patch_embed.proj.in_channels, *model.patch_embed.img_size)
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32))


@torch.no_grad()
def expected(model, images):
    """Return timm's results in double precision, rounded to float32."""
    model, images = model.double(), images.double()
    features = model.forward_features(images)
    result = {
        "input": images,
        "features": features,
        "pre_logits": model.forward_head(features, pre_logits=True),
        "logits": model(images),
    }
    maps = model.forward_intermediates(images, norm=False, output_fmt="NCHW", intermediates_only=True)
    tokens = model.forward_intermediates(images, norm=True, output_fmt="NLC", intermediates_only=True)
    for block, (image_map, patch_tokens) in enumerate(zip(maps, tokens)):
        result[f"intermediates.{block}"] = image_map
        result[f"intermediates_nlc.{block}"] = patch_tokens
    return {key: value.float().contiguous() for key, value in result.items()}


def make(name, folder):
    """Write both files of the variant `name`; return the expected tensors."""
    model, dtype = make_model(name)
    tensors = converted.convert_tensors(model.state_dict(), dtype)
    labels = [f"class {i}" for i in range(model.num_classes)]
    descriptions = {label: f"the {label} of the golden model {name}" for label in labels}
    preprocessing = dict(crop_pct=0.9, mean=[0.5] * 3, std=[0.5] * 3, license="apache-2.0")
    config = converted.make_config(model, architecture_of(name), preprocessing, labels, descriptions)
    results = expected(model, make_input(model, seed_of(name) + 1))
    converted.write(folder / f"model_{name}.safetensors", tensors, config)
    converted.write(folder / f"model_{name}.expected.safetensors", results)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder to write")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in VARIANTS:
        results = make(name, arguments.output)
        size = sum((arguments.output / f"model_{name}{end}.safetensors").stat().st_size for end in ("", ".expected"))
        print(f"{name:10} {size / 1e3:6.1f} kB, standard deviation of the logits {results['logits'].std():.2f}")


if __name__ == "__main__":
    main()
