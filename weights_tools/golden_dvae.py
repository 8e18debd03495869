#!/usr/bin/env python3
"""Make the golden tokenizers: tiny random discrete VAEs made of DALL-E's blocks, and their results.

For each variant, two files:

    dvae_NAME.safetensors           a converted file, as convert_tokenizer.py writes it
    dvae_NAME.expected.safetensors  computed in double precision, stored as float32 except for the tokens:
        x               (B, 3, H, W)  values in [0, 1]
        logits          (B, V, h, w)  the encoder's output
        tokens          (B, h, w)     int32, the argmax of the logits
        decoder_logits  (B, 6, H, W)  the decoder's output for the tokens
        image           (B, 3, H, W)  the decoded image, values in [0, 1]

Made with DALL_E 0.1, torch 1.13.0 and numpy 1.24.2. Of the package's dependencies, only attrs and requests are needed:

    pip install --no-deps DALL_E==0.1 attrs requests
    python golden_dvae.py ../tests/golden
"""
import json
import zlib

import torch
from safetensors.torch import save_file

import dvae
import golden_variants

BATCH = 2

# The size of the images, and the sizes of both halves.
VARIANTS = {
    "four": ((16, 24), dict(group_count=4, n_hid=4, n_blk_per_group=2, vocab_size=37), dict(n_init=5)),
    "three": ((12, 8), dict(group_count=3, n_hid=12, n_blk_per_group=1, vocab_size=50), dict(n_init=48)),
    "two": ((6, 10), dict(group_count=2, n_hid=8, n_blk_per_group=3, vocab_size=33), dict(n_init=8)),
    "one": ((5, 3), dict(group_count=1, n_hid=4, n_blk_per_group=1, vocab_size=20), dict(n_init=4)),
}


def make(name, folder):
    """Write the two files of one variant."""
    size, common, of_decoder = VARIANTS[name]
    seed = zlib.crc32(name.encode())
    encoder, decoder = dvae.Encoder(**common), dvae.Decoder(**common, **of_decoder)
    dvae.randomise(encoder, seed)
    dvae.randomise(decoder, seed + 1)
    tensors = {f"{half}.{key}": value.clone() for half, module in (("encoder", encoder), ("decoder", decoder))
               for key, value in module.state_dict().items()}
    images = torch.rand((BATCH, 3, *size), generator=torch.Generator().manual_seed(seed + 2))
    results = dvae.evaluate(encoder, decoder, images)
    config = {"architecture": "dall_e_dvae", "input_size": [3, *size], "interpolation": "lanczos", "crop_pct": 1.0,
              "crop_mode": "center"}
    save_file(tensors, folder / f"dvae_{name}.safetensors", {"beit.config": json.dumps(config)})
    expected = {key: (value.int() if key == "tokens" else value.float()).contiguous() for key, value in results.items()}
    save_file({"x": images, **expected}, folder / f"dvae_{name}.expected.safetensors")
    print(f"{name:6} deviation of the logits {results['logits'].std():.2f}, of the decoder's "
          f"{results['decoder_logits'].std():.2f}, {results['tokens'].unique().numel()} tokens")


if __name__ == "__main__":
    golden_variants.make_all(__doc__, VARIANTS, make)
