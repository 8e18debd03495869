"""Tests what convert.py and convert_tokenizer.py say of files that aren't the checkpoint that was wanted."""
import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

import convert_tokenizer
import converted
import file_kind
from test_convert import ARCHITECTURE, make_model, run, same_weights

PYTHONS_WORDS = ("Traceback", "Error:", "object has no attribute", "NoneType", "<class", "not subscriptable", "()")
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 1234\n"


def zip_of(**members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def saved(value, **arguments):
    data = io.BytesIO()
    torch.save(value, data, **arguments)
    return data.getvalue()


def npz():
    data = io.BytesIO()
    np.savez(data, a=np.zeros(2))
    return data.getvalue()


def script():
    data = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), data)
    return data.getvalue()


def message_of(program, source, out, capsys, *options):
    """Returns the error, which is one line, and leaves an earlier output as it was."""
    out.write_bytes(b"before")
    capsys.readouterr()
    assert program([str(source), str(out), *options]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert ": error: " in line and str(source) in line
    assert not any(words in line for words in PYTHONS_WORDS), line
    assert out.read_bytes() == b"before"
    return line


WRONG = [
    (b"", "is empty"),
    (LFS_POINTER, "is a Git LFS pointer, not the file itself"),
    (b"<!DOCTYPE html>\n<html><head><title>\nSign in </title>", "is a web page ('Sign in'), not the file"),
    (b"<HTML><body>404", "is a web page, not the file"),
    (b'{"error": "Repository not found"}', "is a JSON file that begins with '{\"error\": \"Repository not found\"}'"),
    (b"Entry not found", "is a text file that begins with 'Entry not found'"),
    ("ein gewöhnlicher Text".encode(), "is a text file"),
    (b"\n \n", "is a text file of white space"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "is an XML file that begins with"),
    (gzip.compress(saved({"a": torch.zeros(2)})), "is a gzip file, to be unpacked first"),
    (b"\x89PNG\r\n\x1a\n" + bytes(40), "is a PNG image"),
    (b"\xff\xd8\xff\xe0" + bytes(40), "is a JPEG image"),
    (b"GGUF" + bytes(40), "is a GGUF file"),
    (b"\x89HDF\r\n\x1a\n" + bytes(40), "is an HDF5 file, as Keras writes"),
    (b"\x08\x07\x12\x07pytorch" + bytes(30), "is an ONNX file"),
    (bytes(300), "is a file of zeros, perhaps an unfinished download"),
    (bytes(257) + b"ustar\x0000" + bytes(250), "is a tar archive"),
    (b"\x01\xfe\x80\x99" * 20, "is of no known format: it begins with the bytes 01 fe 80 99"),
    (zip_of(**{"photo.png": b"x"}), "is a zip archive of other files, such as 'photo.png'"),
    (zip_of(), "is a zip archive without files"),
    (npz(), "is an archive of NumPy arrays"),
    (script(), "is a TorchScript archive, wanted a state dict"),
    (zip_of(**{"config.json": b"{}", "model.weights.h5": b"x"}), "is a Keras model"),
    (saved({"a": torch.zeros(2)})[:-100], "is a zip archive without its end"),
    (zip_of(**{"archive/data.pkl": b"\x80\x02nonsense"}), "is damaged"),
    (zip_of(**{"archive/data.pkl": b""}), "damaged"),
    (pickle.dumps({"a": 1}), "is a pickle that torch.save didn't write"),
    (pickle.dumps([1, 2], protocol=0), "is a text file"),
    (saved({"a": torch.zeros(999)}, _use_new_zipfile_serialization=False)[:-100], "damaged"),
    (b"\x80", "is a pickle that torch.save didn't write"),
]


@pytest.mark.parametrize("data, what", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("name", ["source.pth", "source.safetensors"])
def test_what_a_file_is(tmp_path, capsys, data, what, name):
    """Contents decide, not the name; the tokenizer's program knows the same."""
    source, out = tmp_path / name, tmp_path / "out.safetensors"
    source.write_bytes(data)
    assert what in message_of(lambda arguments: run(*arguments), source, out, capsys)
    if name == "source.pth":
        what = "ends early" if "damaged" in what else what
        assert what in message_of(convert_tokenizer.main, source, out, capsys)


@pytest.mark.parametrize("length", [0x80, 0x0480, 0x8b1f, 0x4b50])
def test_the_length_of_a_header_may_begin_as_other_files_do(tmp_path, length):
    (tmp_path / "model.safetensors").write_bytes(length.to_bytes(8, "little") + b'{"a":' + bytes(100))
    assert file_kind.kind_of(tmp_path / "model.safetensors") == file_kind.SAFETENSORS


@pytest.mark.parametrize("value, what", [
    ([1, 2], "holds a list, wanted a dictionary of tensors"),
    (torch.zeros(3), "holds a tensor (3,), wanted a dictionary of tensors"),
    (3, "holds a number"),
    (None, "holds nothing"),
    ({}, "it has no cls_token, but no tensor at all"),
    ({"model": {}}, "it has no cls_token, but no tensor at all"),
    ({"a": 1, "b": "text", "c": None, "d": [1], "e": "f"},
     "holds a (a number), b (text), c (nothing), d (a list), ..., wanted tensors by their names"),
    ({"net": {"w": torch.zeros(2)}, "epoch": 3},
     "holds net (a dictionary with 1 tensors), epoch (a number), wanted tensors by their names (--key net takes"),
    ({"cls_token": torch.zeros(1), 5: torch.zeros(1)}, "5 is a tensor (1,), wanted a name and a tensor"),
    ({"cls_token": torch.zeros(1), "x": "y"}, "x is text, wanted a name and a tensor"),
])
def test_what_a_checkpoint_holds(tmp_path, capsys, value, what):
    torch.save(value, tmp_path / "source.pth")
    assert what in message_of(lambda a: run(*a), tmp_path / "source.pth", tmp_path / "out.safetensors", capsys)


FOREIGN = {
    "a ResNet": ["conv1.weight", "layer1.0.conv1.weight"],
    "a Swin Transformer": ["patch_embed.proj.weight", "layers.0.blocks.0.attn.relative_position_bias_table"],
    "a network in stages": ["stem.0.weight", "stages.0.blocks.0.conv_dw.weight"],
    "a distilled DeiT": ["cls_token", "dist_token", "blocks.0.attn.qkv.bias"],
    "a ViT, wanted a BEiT": ["cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight",
                             "blocks.0.attn.qkv.bias", "norm.weight"],
    "a ViT with registers": ["cls_token", "register_tokens", "blocks.0.ls1.gamma"],
    "MAE's with its decoder": ["cls_token", "mask_token", "decoder_blocks.0.norm1.weight"],
    "CLIP's": ["visual.transformer.resblocks.0.ln_1.weight"],
    "a model with a gated MLP": ["cls_token", "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1_g.weight"],
    "quantised by bitsandbytes": ["cls_token", "blocks.0.attn.qkv.weight.absmax"],
    "LoRA's additions": ["base_model.model.blocks.0.attn.qkv.lora_A.weight"],
}


@pytest.mark.parametrize("what", FOREIGN)
def test_other_architectures(tmp_path, capsys, what):
    torch.save({"state_dict": {name: torch.zeros(2, 2) for name in FOREIGN[what]}}, tmp_path / "source.pth")
    assert what in message_of(lambda a: run(*a), tmp_path / "source.pth", tmp_path / "out.safetensors", capsys)


@pytest.mark.parametrize("change, what", [
    (lambda w: w.to_sparse(), "head.weight is a sparse tensor, wanted a dense one"),
    (lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "head.weight is quantised (qint8)"),
    (lambda w: w.to(torch.complex64), "head.weight has type (complex64), wanted floating point"),
    (lambda w: w > 0, "head.weight has type (bool)"),
    (lambda w: w[:, :0], "head.weight has shape (10, 0), wanted 2 dimensions, none of them 0"),
    (lambda w: w * float("nan"), "head.weight has values that are not finite"),
])
def test_tensors_of_other_kinds(tmp_path, capsys, change, what):
    tensors = dict(make_model().state_dict())
    torch.save({**tensors, "head.weight": change(tensors["head.weight"])}, tmp_path / "source.pth")
    assert what in message_of(lambda a: run(*a), tmp_path / "source.pth", tmp_path / "out.safetensors", capsys,
                              "--unsafe-pickle")  # old versions of PyTorch refuse quantised tensors otherwise


def test_contents_go_before_names(tmp_path):
    model, out = make_model(), tmp_path / "out.safetensors"
    safetensors.torch.save_file(model.state_dict(), tmp_path / "a.pth")
    torch.save(model.state_dict(), tmp_path / "b.safetensors")
    for name in ("a.pth", "b.safetensors"):
        assert run(tmp_path / name, out) == 0
        same_weights(out, model)


def test_training_checkpoint(tmp_path, capsys):
    """Which of its models is taken is said, and can be chosen."""
    model, averaged, out = make_model(), make_model(num_classes=3), tmp_path / "out.safetensors"
    torch.save({"epoch": 3, "state_dict": model.state_dict(), "state_dict_ema": averaged.state_dict(),
                "optimizer": {"state": {}, "param_groups": []}}, tmp_path / "source.pth")
    for options, wanted in (((), averaged), (("--key", "state_dict"), model), (("--key", "state_dict_ema"), averaged)):
        assert run(tmp_path / "source.pth", out, *options) == 0
        error = capsys.readouterr().err
        assert ("holds several models: taking state_dict_ema, not state_dict (--key chooses" in error) == (not options)
        same_weights(out, wanted)
    line = message_of(lambda a: run(*a), tmp_path / "source.pth", out, capsys, "--key", "net")
    assert "has no net, but epoch (a number), state_dict (a dictionary with" in line
    torch.save({"net": {"inner": {f"m.{name}": value for name, value in model.state_dict().items()}}, "epoch": 1},
               tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", out, "--key", "net.inner.m") == 0
    same_weights(out, model)


def test_prefixes_and_counters(tmp_path, capsys):
    """The averaged model of two, what else the file has of training, and which was taken."""
    model, averaged, out = make_model(), make_model(num_classes=3), tmp_path / "out.safetensors"
    torch.save({**{f"model.{name}": value for name, value in model.state_dict().items()},
                **{f"ema_model.{name}": value for name, value in averaged.state_dict().items()},
                "ema.decay": torch.tensor(0.999), "n_averaged": torch.tensor(7)}, tmp_path / "source.ckpt")
    assert run(tmp_path / "source.ckpt", out) == 0
    error = capsys.readouterr().err
    assert "taking that under 'ema_model.', not 'model.' (--key chooses another)" in error
    assert "dropping what is no parameter (" in error and "ema.decay" in error
    same_weights(out, averaged)
    assert run(tmp_path / "source.ckpt", out, "--key", "model") == 0
    same_weights(out, model)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_scale_mlp(tmp_path, suffix):
    model, source = make_model(scale_mlp=True), tmp_path / f"source{suffix}"
    (torch.save if suffix == ".pth" else safetensors.torch.save_file)(model.state_dict(), source)
    assert run(source, tmp_path / "out.safetensors", "--verify") == 0
    assert same_weights(tmp_path / "out.safetensors", model)["model_args"]["scale_mlp"] is True


@pytest.mark.parametrize("config, what", [
    (dict(label_names=5), "label_names is 5, wanted a list of names"),
    (dict(label_names=[[1]]), "label_names is [[1]], wanted a list of names"),
    (dict(label_descriptions=["a"]), 'label_descriptions is ["a"], wanted an object'),
    (dict(pretrained_cfg={"crop_pct": 0}), "crop_pct is 0, wanted a number greater than 0"),
    (dict(pretrained_cfg={"crop_pct": "a"}), 'crop_pct is "a", wanted a number greater than 0'),
    (dict(pretrained_cfg={"crop_mode": "middle"}), 'crop_mode is "middle", wanted one of center, squash, border'),
    (dict(pretrained_cfg={"interpolation": 3}), "interpolation is 3, wanted one of bicubic"),
    (dict(pretrained_cfg={"std": [0.5, 0, 0.5]}), "std is [0.5, 0, 0.5], wanted a list of numbers other than 0"),
    (dict(pretrained_cfg={"mean": [None]}), "mean is [null], wanted a list of numbers"),
    (dict(model_args={"depth": "two"}), "with model_args {"),
    (dict(model_args={"nonsense": 1}), "with the argument nonsense"),
    (dict(architecture=["a"]), "its configuration names no architecture"),
])
def test_configurations(tmp_path, capsys, config, what):
    model = make_model()
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(
        {"architecture": ARCHITECTURE, "model_args": converted.model_args(model), "pretrained_cfg": {}, **config}))
    assert what in message_of(lambda a: run(*a), tmp_path, tmp_path / "out.safetensors", capsys)


@pytest.mark.parametrize("text, what", [
    (b"", "config.json is empty, wanted JSON"),
    (b'{"architecture": ', "but not whole: Expecting value in line 1, wanted JSON"),
    (LFS_POINTER, "config.json is a Git LFS pointer"),
    (b'{"a": "\xff"}', "config.json is a JSON file"),
    (b"[]", "its configuration names no architecture"),
    (b'{"model_type": "beit", "num_attention_heads": "x"}', 'config.json: num_attention_heads is "x", wanted a number'),
    (b'{"model_type": "beit", "image_size": "x"}', 'config.json: image_size is "x", wanted a number or two'),
    (b'{"model_type": "beit", "layer_norm_eps": "x"}', 'config.json: layer_norm_eps is "x", wanted a number'),
    (b'{"model_type": "beit", "use_mean_pooling": "x"}', 'config.json: use_mean_pooling is "x", wanted true or false'),
])
def test_configuration_files(tmp_path, capsys, text, what):
    safetensors.torch.save_file(make_model().state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "preprocessor_config.json").write_text("{}")
    (tmp_path / "config.json").write_bytes(text)
    assert what in message_of(lambda a: run(*a), tmp_path, tmp_path / "out.safetensors", capsys)


def test_folders(tmp_path, capsys):
    folder, out = tmp_path / "folder", tmp_path / "out.safetensors"
    folder.mkdir()
    assert "has neither model.safetensors nor pytorch_model.bin, but no file" in message_of(
        lambda a: run(*a), folder, out, capsys)
    (folder / "model.safetensors.index.json").write_text("{}")
    assert "but model.safetensors.index.json" in message_of(lambda a: run(*a), folder, out, capsys)
    long = tmp_path / ("x" * 300 + ".pth")
    for program in (lambda arguments: run(*arguments), convert_tokenizer.main):
        assert "File name too long" in message_of(program, long, out, capsys)
        assert program([str(folder), str(long)]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and str(folder if "no such" in error else long) in error
    assert "Not a directory" in message_of(lambda a: run(*a), out / "a.pth", out, capsys)
