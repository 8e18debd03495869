#!/usr/bin/env python3
"""Make the golden file of transformers' models at image sizes other than they were made for.

hugging_face/sizes.safetensors holds float32 tensors, computed in double precision:

    NAME_HxW.input, .result       for the golden folder NAME (golden_hugging_face.py): logits, or the pooled features
    relative_position_bias_table  a table of a grid of 2 x 3
    table_HxW                     what transformers makes of it for a grid of H x W

Made with transformers 5.24.0 and torch 2.15.0.

    python golden_hugging_face_sizes.py ../tests/golden
"""
import argparse
import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers.models.beit.modeling_beit import BeitRelativePositionBias

FOLDERS = {"classifier": "BeitForImageClassification", "shared": "BeitModel", "absolute": "BeitForImageClassification"}
SIZES = [(24, 24), (20, 32), (8, 12)]


@torch.no_grad()
def results(folder):
    tensors = {}
    generator = torch.Generator().manual_seed(7)
    for name, kind in FOLDERS.items():
        config = json.loads((folder / name / "config.json").read_text())
        config["layer_scale_init_value"] = float(config.get("layer_scale_init_value", 0.1))  # an integer is refused
        config = transformers.BeitConfig.from_dict(config)
        model = getattr(transformers, kind).from_pretrained(folder / name, config=config, dtype=torch.float64).eval()
        for height, width in SIZES:
            images = torch.rand((1, 3, height, width), generator=generator) * 2 - 1
            output = model(images.double())
            tensors[f"{name}_{height}x{width}.input"] = images
            tensors[f"{name}_{height}x{width}.result"] = output.logits if "logits" in output else output.pooler_output
    config = transformers.BeitConfig(image_size=[8, 12], patch_size=4, num_attention_heads=2)
    bias = BeitRelativePositionBias(config)
    bias.relative_position_bias_table.copy_(torch.randn(bias.relative_position_bias_table.shape, generator=generator))
    tensors["relative_position_bias_table"] = bias.relative_position_bias_table.clone()
    for grid in ((2, 3), (4, 3)):
        index = bias.generate_relative_position_index(grid).flatten()
        table = torch.empty(int(index.max()) + 1, 2)
        table[index] = bias(grid)[0].flatten(1).T
        tensors[f"table_{grid[0]}x{grid[1]}"] = table
    return {key: value.float().contiguous() for key, value in tensors.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder / "hugging_face"
    save_file(results(folder), folder / "sizes.safetensors")


if __name__ == "__main__":
    main()
