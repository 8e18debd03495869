"""Tests convert_tokenizer.py: DALL-E's pickles in both formats, and malicious pickles."""
import os
import pickle
import sys
import types

import pytest
import torch
from torch import nn

import convert_tokenizer
import converted

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
    assert "source.pkl holds no tensors, wanted DALL-E's encoder" in message([1, 2])
    tensors = encoder.state_dict()
    del tensors["blocks.group_2.block_1.res_path.conv_3.b"]
    assert "found no blocks.group_2.block_1.res_path.conv_3.b" in message(tensors)
    assert "found more, which neither" in message({**encoder.state_dict(), "more": torch.zeros(1)})
    torch.save(encoder, tmp_path / "first.pkl")
    assert run(tmp_path / "first.pkl", tmp_path / "first.pkl", tmp_path / "out.safetensors") == 1
    assert "found a second encoder" in capsys.readouterr().err
