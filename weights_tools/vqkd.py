"""BEiT v2's tokenizer (VQ-KD) of any size, in double precision, with timm's Beit for its two transformers.

VQ-KD is in no package; its names and what it computes are those of unilm/beit2/modeling_vqkd.py, whose transformers are
timm's Beit with absolute positions and without layer scale. Their last norm, which timm calls norm, is fc_norm there.
"""
import numpy as np
import torch
import torch.nn.functional as F
from timm.models.beit import Beit
from torch import nn

from random_model import random_parameters

NORMS = {"norm.weight": "fc_norm.weight", "norm.bias": "fc_norm.bias"}  # timm's names and VQ-KD's


class Transformer(Beit):
    """A Beit whose forward gives the tokens of the patches after the last norm: (B, h*w, C)."""

    def __init__(self, size, patch, channels, dim, depth, heads):
        super().__init__(img_size=size, patch_size=patch, in_chans=channels, embed_dim=dim, depth=depth,
                         num_heads=heads, num_classes=0, global_pool="token", use_abs_pos_emb=True,
                         use_rel_pos_bias=False, init_values=None)

    def forward(self, x):
        return self.forward_features(x)[:, 1:]


class VqKd(nn.Module):
    """`encoder` and `decoder` are the dim, depth and heads of each; the decoder may be None."""

    def __init__(self, size, patch, encoder, decoder, vocab_size=8192, code_dim=32, feature_dim=512):
        super().__init__()
        def last(dim, outputs):
            return nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, outputs))

        self.patch, self.grid = patch, (size[0] // patch, size[1] // patch)
        self.encoder = Transformer(size, patch, 3, **encoder)
        self.encode_task_layer = last(encoder["dim"], code_dim)
        self.quantize = nn.Module()
        self.quantize.embedding = nn.Embedding(vocab_size, code_dim)
        if decoder:
            self.decoder = Transformer(self.grid, 1, code_dim, **decoder)
            self.decode_task_layer = last(decoder["dim"], feature_dim)

    def tensors(self):
        """Return the parameters by VQ-KD's names."""
        result = {}
        for name, value in self.state_dict().items():
            half, _, rest = name.partition(".")
            result[f"{half}.{NORMS.get(rest, rest)}" if rest in NORMS else name] = value
        return {name: value for name, value in result.items() if not name.endswith("relative_position_index")}

    def resize(self, grid):
        """Resample the positions of both halves to another grid, as DINO's interpolate_pos_encoding does."""
        for half, patch in ((self.encoder, self.patch), (getattr(self, "decoder", None), 1)):
            if half is None:
                continue
            table = half.pos_embed[:, 1:].unflatten(1, self.grid).permute(0, 3, 1, 2)
            scale = tuple((new + 0.1) / old for new, old in zip(grid, self.grid))
            table = F.interpolate(table, scale_factor=scale, mode="bicubic").flatten(2).transpose(1, 2)
            assert table.shape[1] == grid[0] * grid[1]
            positions = torch.cat([half.pos_embed[:, :1], table], 1)
            half.set_input_size(img_size=(grid[0] * patch, grid[1] * patch))
            half.pos_embed = nn.Parameter(positions)
        self.grid = grid


@torch.no_grad()
def randomise(model, seed, unit=True):
    """Set weights so that patches have different codes; `unit` makes the codes as long as published ones."""
    def numbers(module, seed):
        parameters = dict(module.named_parameters())
        for name, values in random_parameters({name: p.shape for name, p in parameters.items()}, seed):
            parameters[name].copy_(torch.from_numpy(values) * (4 if name == "patch_embed.proj.weight" else 1))

    for i, (name, module) in enumerate(model.named_children()):
        numbers(module, seed + i)
    codes = np.random.default_rng(seed + 100).standard_normal(tuple(model.quantize.embedding.weight.shape))
    codes /= np.linalg.norm(codes, axis=1, keepdims=True) if unit else codes.shape[1] ** 0.5
    model.quantize.embedding.weight.copy_(torch.from_numpy(codes))
    return model.eval()


@torch.no_grad()
def evaluate(model, images):
    """Compute for images (B, 3, H, W) in [0, 1], in double precision: the scores of all codes c for the unit vector z of
    each patch, z c - |c|^2 / 2; the nearest codes; and, with a decoder, the teacher's features from these."""
    model = model.double()
    z = F.normalize(model.encode_task_layer(model.encoder(2 * images.double() - 1)), dim=-1)
    codes = model.quantize.embedding.weight
    distances = torch.cdist(z, codes.expand(len(z), -1, -1), compute_mode="donot_use_mm_for_euclid_dist")
    tokens = distances.argmin(-1)
    results = {"scores": z @ codes.T - codes.square().sum(-1) / 2, "tokens": tokens}
    if hasattr(model, "decoder"):
        results["features"] = decode(model, tokens)
    return results


@torch.no_grad()
def decode(model, tokens):
    """Compute the teacher's features (B, h*w, F) from tokens (B, h*w), in double precision."""
    model = model.double()
    grid = model.quantize.embedding(tokens).transpose(1, 2).unflatten(2, model.grid)
    return model.decode_task_layer(model.decoder(grid))
