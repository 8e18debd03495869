"""Compares beit-attention's numbers with timm in double precision: softmax(q k^T / sqrt(D) + R), which timm's fused path
never stores, recomputed from the block's own modules.
"""
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import converted
from random_model import randomise

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = "beit_base_patch16_224"
BOUND = 1e-6
GOLDEN = ["standard", "token", "shared", "absolute", "plain", "headless", "rectangle", "avg_norm", "odd", "both"]


def image_tensor(path, config):
    data = {key: config["pretrained_cfg"][key] for key in ("interpolation", "crop_pct", "crop_mode", "mean", "std")}
    transform = timm.data.create_transform(tuple(config["pretrained_cfg"]["input_size"]), **data)
    return transform(Image.open(path).convert("RGB"))[None].double()


@torch.no_grad()
def timm_attention(model, images):
    """The weights of every block for the first image: (depth, A, N, N), and the patches after it (depth, N - 1, C).

    What a block's attention returns is recomputed from the weights, so that they are known to be those it used.
    """
    weights, patches = [], []

    def watch(attention):
        forward = attention.forward

        def watched(x, shared_rel_pos_bias=None, **others):
            output = forward(x, shared_rel_pos_bias=shared_rel_pos_bias, **others)
            bias = None if attention.q_bias is None else torch.cat([attention.q_bias, attention.k_bias, attention.v_bias])
            qkv = torch.nn.functional.linear(x, attention.qkv.weight, bias)
            q, k, v = qkv.reshape(*x.shape[:2], 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
            scores = (q * attention.scale) @ k.transpose(-2, -1)
            if attention.relative_position_bias_table is not None:
                scores = scores + attention._get_rel_pos_bias()
            if shared_rel_pos_bias is not None:
                scores = scores + shared_rel_pos_bias
            softmax = scores.softmax(-1)
            again = attention.proj((softmax @ v).transpose(1, 2).reshape(x.shape[0], x.shape[1], -1))
            assert (again - output).abs().max() < 1e-9
            weights.append(softmax[0].numpy())
            return output

        attention.forward = watched

    for block in model.blocks:
        watch(block.attn)
        block.register_forward_hook(lambda _, inputs, output: patches.append(output[0, 1:].numpy().copy()))
    model(images)
    return np.stack(weights), np.stack(patches)


def check(name, path, model, photograph, config, blocks, program, figure, folder):
    weights, patches = timm_attention(model.double(), image_tensor(photograph, config))

    def numbers(*options):
        program("beit-attention", "--model", path, photograph, "-o", folder / "out.png", "--npy", folder / "out.npy",
                *options)
        return np.load(folder / "out.npy")

    for block in blocks:
        found, wanted = numbers("--block", block), weights[block]
        assert found.shape == wanted.shape
        error = np.abs(found - wanted).max()
        figure(f"attention of {name}, block {block}: weights up to {wanted.max():.3f} off by {error:.2e}, sums of rows off "
               f"by {np.abs(found.sum(-1, dtype=float) - 1).max():.2e}")
        assert error <= BOUND
        np.testing.assert_allclose(found.sum(-1, dtype=float), 1, atol=BOUND)

    tokens = weights.shape[-1]
    rollout = np.eye(tokens)
    for block in weights:
        step = block.mean(0) + np.eye(tokens)
        rollout = step / step.sum(-1, keepdims=True) @ rollout
    np.testing.assert_allclose(numbers("--rollout"), rollout, atol=BOUND)
    return patches, numbers


def test_full_size(program, figure, tmp_path):
    model = randomise(timm.create_model(ARCHITECTURE), seed=11)
    config = converted.make_config(model, ARCHITECTURE, timm.get_pretrained_cfg(ARCHITECTURE).to_dict())
    path = tmp_path / "model.safetensors"
    converted.write(path, model.state_dict(), config)
    photograph = ROOT / "examples" / "data" / "chelsea.png"
    patches, numbers = check("base", path, model, photograph, config, [0, 5, -1], program, figure, tmp_path)

    centred = patches[-1] - patches[-1].mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    wanted = left[:, :3] * values[:3]
    wanted *= np.sign(wanted[np.abs(wanted).argmax(0), range(3)])
    np.testing.assert_allclose(numbers("--pca").reshape(-1, 3), wanted, atol=1e-5 * np.abs(wanted).max())
    path.unlink()


@pytest.mark.parametrize("name", GOLDEN)
def test_variant(name, program, figure, tmp_path):
    path = ROOT / "tests" / "golden" / f"model_{name}.safetensors"
    _, config = converted.read(path)
    check(name, path, converted.load(path), ROOT / "examples" / "data" / "chelsea.png", config, [0, -1], program, figure,
          tmp_path)
