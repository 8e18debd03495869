#!/bin/sh
# A segmentation model with 12 blocks should use all 12, and out_indices = [3, 5, 7, 11], counted from 0 as in the
# model's original, should mean the outputs of blocks 4, 6, 8 and 12.
#
# BeitForSemanticSegmentation of transformers 5.24.0 takes the outputs of blocks 2, 4, 6 and 10 for these indices, which
# its own error message recommends. The last two blocks are computed and have no effect: whatever their weights are, the logits are equal
# to the bit. No indices reach the last block: 12 is the highest that the configuration allows and gives block 11.
#
# Why it matters: the published weights for ADE20K were trained on blocks 4, 6, 8 and 12, and whoever fine-tunes by this
# class trains two blocks of twelve in vain. Another implementation that is right gets other label maps.
#
# PyTorch comes with some gigabytes of libraries for graphics cards.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet numpy==2.4.6 torch==2.15.0 transformers==5.24.0

"$folder/venv/bin/python" - <<'PYTHON'
import copy
import torch
import transformers
from transformers import BeitConfig, BeitForSemanticSegmentation

torch.manual_seed(0)
small = dict(image_size=64, hidden_size=48, num_attention_heads=3, intermediate_size=96, num_labels=5,
             use_relative_position_bias=True)
image = torch.rand(1, 3, 64, 64)

@torch.no_grad()
def blocks_with_effect(indices):
    config = BeitConfig(**small, out_indices=indices)
    model = BeitForSemanticSegmentation(config).eval()
    logits = model(image).logits
    used = []
    for block in range(config.num_hidden_layers):
        changed = copy.deepcopy(model)
        changed.beit.layers[block].mlp.fc2.bias += 1
        if not torch.equal(changed(image).logits, logits):
            used.append(block + 1)
    print(f"out_indices {config.out_indices}: blocks that change the logits: {used}")
    return used

print("transformers", transformers.__version__)
assert blocks_with_effect([3, 5, 7, 11]) == list(range(1, 11)), "changed: all blocks count, or others"
assert blocks_with_effect([5, 7, 9, 12]) == list(range(1, 12)), "changed: the highest index reaches the last block"
PYTHON
