#!/bin/sh
# In a model that is configured for images that aren't square, each pair of patches should get its own row of the
# relative position bias table, as it does in a model for square images.
#
# BeitRelativePositionBias of transformers 5.24.0 reads a table for windows of H x W patches as one for W x H, and resamples
# it to the right shape, although the size hasn't changed. Each pair of patches then gets a mixture of rows that belong to
# other distances. Square images are right, and there is no warning.
#
# Why it matters: a rectangular BEiT from another library gives other logits when its weights are loaded here.
#
# PyTorch comes with some gigabytes of libraries for graphics cards.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 torch==2.15.0 transformers==5.24.0

"$folder/venv/bin/python" - <<'PYTHON'
import torch
import transformers
from transformers import BeitConfig
from transformers.models.beit.modeling_beit import BeitRelativePositionBias

@torch.no_grad()
def share_of_right_pairs(height, width):
    """The share of pairs of patches that get the row of their distance; each row holds its own number."""
    config = BeitConfig(image_size=(height, width), num_attention_heads=1)
    module = BeitRelativePositionBias(config)
    rows = len(module.relative_position_bias_table)
    module.relative_position_bias_table.copy_(torch.arange(rows).reshape(-1, 1))
    window = (height // 16, width // 16)
    found = module(window).reshape(window[0] * window[1] + 1, -1)[1:, 1:]
    wanted = torch.empty_like(found)
    for i in range(len(wanted)):
        for j in range(len(wanted)):
            down, across = i // window[1] - j // window[1], i % window[1] - j % window[1]
            wanted[i, j] = (down + window[0] - 1) * (2 * window[1] - 1) + across + window[1] - 1
    right = (found - wanted).abs() < 1e-3
    print(f"{height} x {width}: {right.sum()} of {right.numel()} pairs of patches get their row, the others one that is "
          f"off by up to {(found - wanted).abs().max():.1f} rows")
    return right.float().mean()

print("transformers", transformers.__version__)
assert share_of_right_pairs(64, 64) == 1, "changed: square images"
assert share_of_right_pairs(64, 96) < 0.5, "changed: rectangular images"
assert share_of_right_pairs(96, 64) < 0.5, "changed: rectangular images"
PYTHON
