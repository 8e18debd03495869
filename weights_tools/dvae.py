"""DALL-E's discrete VAE of any size, in double precision, from the blocks of its own package.

dall_e.Encoder and dall_e.Decoder have four groups and at least 64 channels, and compute in float32; this module builds
smaller ones from the same blocks, under the same names.
"""
from collections import OrderedDict

import dall_e.decoder
import dall_e.encoder
import dall_e.utils
import torch
import torch.nn.functional as F
from torch import nn


def convolve(self, x):
    """Compute dall_e.utils.Conv2d.forward in the precision of x."""
    return F.conv2d(x, self.w, self.b, padding=(self.kw - 1) // 2)


dall_e.utils.Conv2d.forward = convolve


def make_groups(make_block, widths, n_blk_per_group, between):
    """Make "group_1" ...: blocks from width to width, with `between` after each group but the last."""
    groups = OrderedDict()
    for i, (n_in, n_out) in enumerate(zip(widths, widths[1:]), 1):
        group = OrderedDict((f"block_{j + 1}", make_block(n_in if j == 0 else n_out, n_out))
                            for j in range(n_blk_per_group))
        if i < len(widths) - 1:
            group.update([between])
        groups[f"group_{i}"] = nn.Sequential(group)
    return groups


class Encoder(nn.Module):
    """dall_e.Encoder: mapped pixels (B, 3, H, W) to logits (B, V, h, w)."""

    def __init__(self, group_count=4, n_hid=256, n_blk_per_group=2, vocab_size=8192):
        super().__init__()
        widths = [n_hid] + [n_hid << i for i in range(group_count)]
        make_block = lambda n_in, n_out: dall_e.encoder.EncoderBlock(n_in, n_out, group_count * n_blk_per_group)
        self.blocks = nn.Sequential(OrderedDict(
            input=dall_e.utils.Conv2d(3, n_hid, 7),
            **make_groups(make_block, widths, n_blk_per_group, ("pool", nn.MaxPool2d(kernel_size=2))),
            output=nn.Sequential(OrderedDict(relu=nn.ReLU(), conv=dall_e.utils.Conv2d(widths[-1], vocab_size, 1)))))

    def forward(self, x):
        return self.blocks(x)


class Decoder(nn.Module):
    """dall_e.Decoder: one-hot tokens (B, V, h, w) to six channels (B, 6, H, W)."""

    def __init__(self, group_count=4, n_init=128, n_hid=256, n_blk_per_group=2, vocab_size=8192):
        super().__init__()
        widths = [n_init] + [n_hid << i for i in reversed(range(group_count))]
        make_block = lambda n_in, n_out: dall_e.decoder.DecoderBlock(n_in, n_out, group_count * n_blk_per_group)
        upsample = ("upsample", nn.Upsample(scale_factor=2, mode="nearest"))
        self.blocks = nn.Sequential(OrderedDict(
            input=dall_e.utils.Conv2d(vocab_size, n_init, 1),
            **make_groups(make_block, widths, n_blk_per_group, upsample),
            output=nn.Sequential(OrderedDict(relu=nn.ReLU(), conv=dall_e.utils.Conv2d(n_hid, 6, 1)))))

    def forward(self, x):
        return self.blocks(x)


def map_pixels(x):
    """Map values in [0, 1] to the encoder's input."""
    return (1 - 2 * dall_e.utils.logit_laplace_eps) * x + dall_e.utils.logit_laplace_eps


def unmap_pixels(x):
    """Map the decoder's output back to values in [0, 1]."""
    return ((x - dall_e.utils.logit_laplace_eps) / (1 - 2 * dall_e.utils.logit_laplace_eps)).clamp(0, 1)


@torch.no_grad()
def randomise(half, seed):
    """Set weights so that activations neither vanish nor grow: sqrt(2 / inputs), since a ReLU halves them; small biases."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in half.named_parameters():
        scale = 0.1 if name.endswith(".b") else (2 / parameter[0].numel()) ** 0.5
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)


@torch.no_grad()
def evaluate(encoder, decoder, images):
    """Compute the results of both halves for images (B, 3, H, W) in [0, 1], in double precision."""
    logits = encoder.double()(map_pixels(images.double()))
    tokens = logits.argmax(1)
    one_hot = F.one_hot(tokens, logits.shape[1]).permute(0, 3, 1, 2).double()
    decoded = decoder.double()(one_hot)
    return {"logits": logits, "tokens": tokens, "decoder_logits": decoded,
            "image": unmap_pixels(torch.sigmoid(decoded[:, :3]))}
