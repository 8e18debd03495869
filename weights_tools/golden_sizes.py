#!/usr/bin/env python3
"""Make the golden files for models at image sizes other than the one they were trained for.

For a golden model (make_golden.py) and a size, tests/golden/size_NAME_HxW.safetensors holds float32 tensors:

    input                 (B, 3, H, W)  the model's input
    table.I, shared_table (R, A)        resampled tables of relative positions, for block I and for all blocks
    positions             (1, N, C)     resampled absolute positions, for models that have them
    logits                (B, K)        timm's logits in double precision, with the resampled positions

Positions are resampled by timm's Beit.set_input_size in float32. Made with timm 1.0.31, torch 1.13.0 and numpy 1.24.2.
scipy must not be installed, because timm would use it, and timm's default is to work without.

    python golden_sizes.py ../tests/golden
"""
import argparse
import zlib
from pathlib import Path

import timm.layers.pos_embed_rel
import torch
from safetensors.torch import save_file

from make_golden import make_input, make_model

SIZES = {"standard": [(40, 40), (8, 12)], "shared": [(24, 32), (4, 16)], "absolute": [(24, 32), (12, 8)],
         "both": [(28, 16)], "rectangle": [(24, 24)]}


@torch.no_grad()
def make(name, size, folder):
    """Write the file of the golden model `name` at `size`."""
    model, _ = make_model(name)
    model.set_input_size(img_size=size)
    images = make_input(model, zlib.crc32(f"{name} {size}".encode()))
    results = {"input": images}
    if model.rel_pos_bias is not None:
        results["shared_table"] = model.rel_pos_bias.relative_position_bias_table
    for index, block in enumerate(model.blocks):
        if block.attn.relative_position_bias_table is not None:
            results[f"table.{index}"] = block.attn.relative_position_bias_table
    if model.pos_embed is not None:
        results["positions"] = model.pos_embed
    results = {key: value.detach().clone() for key, value in results.items()}
    results["logits"] = model.double()(images.double())
    file = folder / f"size_{name}_{size[0]}x{size[1]}.safetensors"
    save_file({key: value.float().contiguous() for key, value in results.items()}, file)
    print(f"{file.name:32} standard deviation of the logits {results['logits'].std():.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder to write")
    folder = parser.parse_args().output
    if timm.layers.pos_embed_rel._USE_SCIPY:
        raise SystemExit("found scipy, wanted none: timm would use it")
    for name, sizes in SIZES.items():
        for size in sizes:
            make(name, size, folder)


if __name__ == "__main__":
    main()
