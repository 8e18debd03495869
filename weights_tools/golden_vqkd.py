#!/usr/bin/env python3
"""Make the golden tokenizers of BEiT v2: tiny random ones, and their results in double precision.

For each variant, two files:

    vqkd_NAME.safetensors           a converted file, as convert_tokenizer.py writes it; "bare" has no configuration
    vqkd_NAME.expected.safetensors  stored as float32 except for the tokens:
        x           (B, 3, H, W)   values in [0, 1]
        scores      (B, h*w, V)    z c - |c|^2 / 2 for each patch and code
        tokens      (B, h*w)       int32, the nearest codes
        features    (B, h*w, F)    from the tokens, if there is a decoder
        other_...                  the same of images of the size OTHER, with positions resampled as DINO's

    python golden_vqkd.py ../tests/golden
"""
import json
import zlib

import numpy as np
import torch
from safetensors.torch import save_file

import convert_tokenizer
import golden_variants
import vqkd

BATCH = 2
OTHER = (5, 2)  # a grid

# The arguments of VqKd, and whether the codes have unit length.
VARIANTS = {
    "square": (dict(size=(32, 32), patch=8, encoder=dict(dim=16, depth=2, heads=2),
                    decoder=dict(dim=24, depth=1, heads=2), vocab_size=61, code_dim=8, feature_dim=12), True),
    "rectangle": (dict(size=(12, 20), patch=4, encoder=dict(dim=24, depth=1, heads=3),
                       decoder=dict(dim=12, depth=3, heads=3), vocab_size=33, code_dim=5, feature_dim=7), True),
    "bare": (dict(size=(24, 24), patch=8, encoder=dict(dim=64, depth=1, heads=1), decoder=None, vocab_size=40,
                  code_dim=6), False),
}


def make_model(name):
    """Return a variant and its seed."""
    arguments, unit = VARIANTS[name]
    seed = zlib.crc32(name.encode()) % 1000
    return vqkd.randomise(vqkd.VqKd(**arguments), seed, unit), seed


def make(name, folder):
    """Write the two files of one variant."""
    model, seed = make_model(name)
    arguments = VARIANTS[name][0]
    tensors = {key: value.clone() for key, value in model.tensors().items()}
    config = convert_tokenizer.vq_config(arguments["size"], arguments["encoder"]["heads"])
    metadata = {} if name == "bare" else {"beit.config": json.dumps(config)}
    save_file(tensors, folder / f"vqkd_{name}.safetensors", metadata)

    def expected(size, seed, prefix=""):
        images = torch.from_numpy(np.random.default_rng(seed).random((BATCH, 3, *size), dtype=np.float32))
        results = {"x": images, **vqkd.evaluate(model, images)}
        return {prefix + key: (value.int() if key == "tokens" else value.float()).contiguous()
                for key, value in results.items()}

    results = expected(arguments["size"], seed)
    model.resize(OTHER)
    results |= expected(tuple(side * model.patch for side in OTHER), seed + 1, "other_")
    save_file(results, folder / f"vqkd_{name}.expected.safetensors")
    two = results["scores"].topk(2).values
    print(f"{name:10} {results['tokens'].unique().numel()} different tokens of {results['tokens'].numel()}, whose two best "
          f"scores differ by {(two[..., 0] - two[..., 1]).min():.4f} at least")


if __name__ == "__main__":
    golden_variants.make_all(__doc__, VARIANTS, make)
