"""Tests convert_tokenizer.py: DALL-E's pickles in both formats, BEiT v2's files, and malicious pickles."""
import argparse
import os
import pickle
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

import convert_tokenizer
import converted
import golden_vqkd

pytestmark = pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")


def fake_package():
    """Modules whose classes are pickled under dall_e's names, as in the published files."""
    package = types.ModuleType("dall_e")
    for name in ("encoder", "decoder", "utils"):
        module = types.ModuleType(f"dall_e.{name}")
        for kind in ("Encoder", "EncoderBlock", "Decoder", "DecoderBlock", "Conv2d"):
            setattr(module, kind, type(kind, (nn.Module,), {"__module__": f"dall_e.{name}"}))
        setattr(package, name, module)
    return package


@pytest.fixture
def package(monkeypatch):
    package = fake_package()
    monkeypatch.setitem(sys.modules, "dall_e", package)
    for name in ("encoder", "decoder", "utils"):
        monkeypatch.setitem(sys.modules, f"dall_e.{name}", getattr(package, name))
    return package


def convolution(package, n_out, n_in, side):
    module = package.utils.Conv2d()
    module.w = nn.Parameter(torch.rand(n_out, n_in, side, side), requires_grad=False)
    module.b = nn.Parameter(torch.rand(n_out), requires_grad=False)
    return module


def half(package, name, groups=2):
    """A module with the structure of dall_e.Encoder or dall_e.Decoder, two channels wide wherever that is possible."""
    first, sides = (7, (3, 3, 3, 1)) if name == "encoder" else (1, (1, 3, 3, 3))
    module = getattr(package, name).__dict__[name.capitalize()]()
    module.blocks = nn.Sequential()
    module.blocks.add_module("input", convolution(package, 4, 3 if name == "encoder" else 9, first))
    for group in range(1, groups + 1):
        block = getattr(package, name).__dict__[f"{name.capitalize()}Block"]()
        block.res_path = nn.Sequential()
        for i, side in enumerate(sides, 1):
            block.res_path.add_module(f"relu_{i}", nn.ReLU())
            block.res_path.add_module(f"conv_{i}", convolution(package, 2, 2, side))
        block.id_path = convolution(package, 4, 4, 1) if group > 1 else nn.Identity()
        layers = nn.Sequential()
        layers.add_module("block_1", block)
        layers.add_module("pool", nn.MaxPool2d(2))
        module.blocks.add_module(f"group_{group}", layers)
    output = nn.Sequential()
    output.add_module("relu", nn.ReLU())
    output.add_module("conv", convolution(package, 9 if name == "encoder" else 6, 4, 1))
    module.blocks.add_module("output", output)
    return module


def run(*arguments):
    return convert_tokenizer.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("zipped", [True, False])
def test_both_halves(tmp_path, package, monkeypatch, capsys, zipped):
    modules = {name: half(package, name) for name in ("encoder", "decoder")}
    for name, module in modules.items():
        torch.save(module, tmp_path / f"{name}.pkl", _use_new_zipfile_serialization=zipped)
    for name in ("dall_e", "dall_e.encoder", "dall_e.decoder", "dall_e.utils"):
        monkeypatch.delitem(sys.modules, name)  # the package isn't needed
    out = tmp_path / "out.safetensors"
    assert run(tmp_path / "decoder.pkl", tmp_path / "encoder.pkl", out) == 0
    assert "encoder and decoder of DALL-E's discrete VAE" in capsys.readouterr().out
    tensors, config = converted.read(out)
    wanted = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    assert tensors.keys() == wanted.keys()
    assert all(torch.equal(tensors[key], value) for key, value in wanted.items())
    assert config["input_size"] == [3, 112, 112] and config["interpolation"] == "lanczos"


def test_one_half_and_dictionaries(tmp_path, package):
    torch.save(half(package, "encoder").state_dict(), tmp_path / "encoder.pt")
    assert run(tmp_path / "encoder.pt", tmp_path / "out.safetensors", "--dtype", "f16") == 0
    tensors, _ = converted.read(tmp_path / "out.safetensors")
    assert all(name.startswith("encoder.blocks.") and value.dtype == torch.float16 for name, value in tensors.items())


class Shell:
    """Its pickle runs a command when it is loaded."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_pickles(tmp_path, package, capsys, zipped):
    """The file is refused in one line, nothing is executed, and an earlier output stays."""
    mark, source, out = tmp_path / "mark", tmp_path / "source.pkl", tmp_path / "out.safetensors"
    out.write_text("older")
    inside = half(package, "encoder")
    inside.hidden = Shell(f"touch {mark}")

    def refused(what):
        assert run(source, out) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and what in lines[0], lines
        assert not mark.exists() and out.read_text() == "older"

    for value in (Shell(f"touch {mark}"), inside):
        torch.save(value, source, _use_new_zipfile_serialization=zipped)
        refused(f"asks for {os.system.__module__}.system, which is neither a tensor nor a module")
    source.write_bytes(pickle.dumps(Shell(f"touch {mark}")))
    refused(f"{source} is a pickle that torch.save didn't write")
    torch.save(half(package, "decoder"), source, _use_new_zipfile_serialization=zipped)
    whole = source.read_bytes()
    cut = "a zip archive without its end" if zipped else "ends early"
    for size, what in ((0, "is empty"), (1, "source.pkl is a "), (50, cut), (len(whole) // 2, cut), (len(whole) - 1, cut)):
        source.write_bytes(whole[:size])
        refused(what)
    source.write_text("<!DOCTYPE html><title>Not found</title>")
    refused(f"{source} is a web page ('Not found'), not the file")


def test_other_modules(tmp_path, package, capsys):
    def message(value):
        torch.save(value, tmp_path / "source.pkl")
        assert run(tmp_path / "source.pkl", tmp_path / "out.safetensors") == 1
        return capsys.readouterr().err

    encoder = half(package, "encoder")
    assert "found no blocks.input.w, wanted DALL-E's encoder or decoder" in message(nn.Linear(2, 2))
    assert "source.pkl holds no tensors, wanted DALL-E's encoder.pkl or decoder.pkl, or BEiT v2's" in message([1, 2])
    tensors = encoder.state_dict()
    del tensors["blocks.group_2.block_1.res_path.conv_3.b"]
    assert "found no blocks.group_2.block_1.res_path.conv_3.b" in message(tensors)
    assert "found more, which neither" in message({**encoder.state_dict(), "more": torch.zeros(1)})
    tensors = encoder.state_dict()
    for name in [name for name in tensors if name.startswith("blocks.group_2.")]:
        tensors[name.replace("group_2", "group_99999999")] = tensors[name]
    assert "or a gap between groups" in message(tensors)
    long = f"blocks.group_{'9' * 5000}.block_1.id_path.w"  # more digits than Python converts
    assert f"found {long}, which neither" in message({**encoder.state_dict(), long: torch.zeros(1)})
    torch.save(encoder, tmp_path / "first.pkl")
    assert run(tmp_path / "first.pkl", tmp_path / "first.pkl", tmp_path / "out.safetensors") == 1
    assert "found a second encoder" in capsys.readouterr().err


def published(name):
    """A golden tokenizer of BEiT v2 with what training leaves in its file, and the tensors that inference uses."""
    tensors = {key: value.clone() for key, value in golden_vqkd.make_model(name)[0].tensors().items()}
    vocab_size, dim = tensors["quantize.embedding.weight"].shape
    training = {"quantize.cluster_size": torch.zeros(vocab_size), "quantize.embedding.cluster_size": torch.ones(vocab_size),
                "quantize.embedding.embed_avg": torch.zeros(vocab_size, dim), "quantize.embedding.initted": torch.ones(1),
                "teacher_model.visual.proj": torch.zeros(2, 2), "scaling_layer.shift": torch.zeros(3), "loss": torch.zeros(())}
    return {**tensors, **training}, tensors


@pytest.mark.parametrize("zipped", [True, False])
def test_vqkd(tmp_path, capsys, zipped):
    """What is published becomes the golden file, whatever else is in it."""
    for name, heads in (("square", 2), ("bare", None)):
        whole, wanted = published(name)
        torch.save({"model": whole, "args": argparse.Namespace(lr=1.0), "epoch": 3}, tmp_path / "vqkd.pth",
                   _use_new_zipfile_serialization=zipped)
        out = tmp_path / "out.safetensors"
        assert run(tmp_path / "vqkd.pth", out, *(("--num-heads", heads) if heads else ())) == 0
        halves = "encoder" if name == "bare" else "encoder and decoder"
        assert f"{halves} of BEiT v2's tokenizer, {len(wanted['quantize.embedding.weight'])} tokens" in capsys.readouterr().out
        tensors, config = converted.read(out)
        assert tensors.keys() == wanted.keys()
        assert all(torch.equal(tensors[key], value) for key, value in wanted.items())
        size = golden_vqkd.VARIANTS[name][0]["size"]
        assert config == convert_tokenizer.vq_config(size, heads or 1)
        assert run(tmp_path / "vqkd.pth", out, "--dtype", "bf16", "--num-heads", 2) == 0
        types = {key: value.dtype for key, value in converted.read(out)[0].items()}
        assert types["encoder.patch_embed.proj.weight"] == torch.bfloat16
        assert types["quantize.embedding.weight"] == types["encode_task_layer.2.weight"] == torch.float32
        capsys.readouterr()


def test_several_models(tmp_path, capsys):
    """The averaged model is taken, and that is said; a dictionary that holds itself is an error."""
    (whole, wanted), out = published("square"), tmp_path / "out.safetensors"
    other = {name: torch.zeros_like(value) for name, value in whole.items()}
    torch.save({"model": other, "model_ema": whole}, tmp_path / "vqkd.pth")
    assert run(tmp_path / "vqkd.pth", out, "--num-heads", 2) == 0
    assert capsys.readouterr().err == (f"convert_tokenizer.py: {tmp_path / 'vqkd.pth'} holds several models: "
                                       "taking model_ema, not model\n")
    assert all(torch.equal(value, wanted[key]) for key, value in converted.read(out)[0].items())
    endless = {}
    endless["model"] = {"state_dict": endless}
    torch.save(endless, tmp_path / "vqkd.pth")
    assert run(tmp_path / "vqkd.pth", out) == 1
    assert "model holds itself, wanted tensors by their names" in capsys.readouterr().err


def test_vqkd_of_mmpretrain(tmp_path):
    """The encoder by mmpretrain's names, inside of the model that it taught."""
    wanted = published("bare")[1]
    names = {"patch_embed.proj.": "patch_embed.projection.", ".norm1.": ".ln1.", ".norm2.": ".ln2.", ".mlp.fc1.": ".ffn.layers.0.0.",
             ".mlp.fc2.": ".ffn.layers.1.", "blocks.": "layers.", "fc_norm.": "ln1."}
    source = {"backbone.cls_token": torch.zeros(1, 1, 4)}
    for key, value in wanted.items():
        if key.startswith("encoder."):
            for ours, theirs in names.items():
                key = key.replace(ours, theirs)
        source[f"target_generator.{key}"] = value
    torch.save({"state_dict": source, "meta": {"epoch": 1}}, tmp_path / "mm.pth")
    assert run(tmp_path / "mm.pth", tmp_path / "out.safetensors") == 0
    tensors, _ = converted.read(tmp_path / "out.safetensors")
    assert tensors.keys() == wanted.keys() and all(torch.equal(tensors[key], value) for key, value in wanted.items())


def test_vqkd_of_other_shapes(tmp_path, capsys):
    source, out = tmp_path / "vqkd.pth", tmp_path / "out.safetensors"

    def message(change, *options):
        tensors = published("square")[0]
        change(tensors)
        torch.save({"model": tensors}, source)
        out.write_text("older")
        assert run(source, out, *options) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and out.read_text() == "older"
        return lines[0]

    assert "its width 16 isn't a multiple of 64: use --num-heads" in message(lambda t: None)
    assert "3 heads don't divide the width 16" in message(lambda t: None, "--num-heads", 3)
    for name in ("encoder.fc_norm.bias", "encoder.blocks.0.attn.q_bias", "decoder.cls_token", "encode_task_layer.0.weight",
                 "decode_task_layer.2.bias"):
        assert f"found no {name}" in message(lambda t: t.pop(name), "--num-heads", 2)
    for half in ("encoder", "decoder"):  # of which nothing is made for each number below
        assert f"found no {half}.blocks.{2 if half == 'encoder' else 1}, but {half}.blocks.99999999" in message(
            lambda t: t.update({f"{half}.blocks.99999999.norm1.bias": torch.zeros(2)}), "--num-heads", 2)
    long = f"encoder.blocks.{'9' * 5000}.norm1.bias"  # more digits than Python converts
    assert f"found {long}, which" in message(lambda t: t.update({long: torch.zeros(2)}), "--num-heads", 2)
    for name in ("encoder.blocks.1.gamma_1", "decoder.head.weight", "quantise.more", "encode_task_layer.3.weight"):
        assert f"found {name}, which BEiT v2's tokenizer doesn't have" in message(
            lambda t: t.update({name: torch.zeros(2)}), "--num-heads", 2)
    assert "encoder.pos_embed is for 17 patches, wanted a square" in message(
        lambda t: t.update({"encoder.pos_embed": torch.zeros(1, 18, 16)}), "--num-heads", 2)
    assert "has values that are not finite" in message(
        lambda t: t["quantize.embedding.weight"].fill_(torch.nan), "--num-heads", 2)
    assert "has shape (8,), wanted 2 dimensions" in message(
        lambda t: t.update({"quantize.embedding.weight": torch.zeros(8)}), "--num-heads", 2)
    torch.save({"model": {**published("square")[0], "hidden": Shell(f"touch {tmp_path / 'mark'}")}}, source)
    assert run(source, out) == 1 and "which is neither a tensor nor a module" in capsys.readouterr().err
    assert not (tmp_path / "mark").exists()
    torch.save({"model": published("square")[0]}, source)
    assert run(source, source, out) == 1 and "found 2 sources" in capsys.readouterr().err


def test_num_heads_are_for_vqkd(tmp_path, package, capsys):
    torch.save(half(package, "encoder"), tmp_path / "encoder.pkl")
    assert run(tmp_path / "encoder.pkl", tmp_path / "out.safetensors", "--num-heads", 2) == 1
    assert "is not BEiT v2's tokenizer, which --num-heads is for" in capsys.readouterr().err


@pytest.mark.parametrize("name", golden_vqkd.VARIANTS)
def test_golden_tokenizers_are_made_again(name, tmp_path):
    """The weights agree; results within 1e-6, because libraries differ in double precision."""
    folder = Path(__file__).resolve().parents[2] / "tests" / "golden"
    golden_vqkd.make(name, tmp_path)
    for file, bound in ((f"vqkd_{name}.safetensors", 0), (f"vqkd_{name}.expected.safetensors", 1e-6)):
        (made, config), (committed, known) = converted.read(tmp_path / file), converted.read(folder / file)
        assert config == known and made.keys() == committed.keys()
        assert all((value.double() - committed[key].double()).abs().max() <= bound for key, value in made.items()), file
    assert made["tokens"].unique().numel() >= 10
