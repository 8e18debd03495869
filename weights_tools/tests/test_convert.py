"""Tests convert.py: every kind of source, every type, labels, verification, errors."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

import convert
import converted
from random_model import randomise

TOOLS = Path(__file__).resolve().parent.parent
TINY = dict(img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, mlp_ratio=2, num_classes=10)
ARCHITECTURE = "beit_base_patch16_224"
LABELS = [f"kind {i}" for i in range(10)]


def make_model(**arguments):
    return randomise(timm.create_model(ARCHITECTURE, **{**TINY, **arguments}), seed=1)


@pytest.fixture
def model():
    return make_model()


def original_layout(model):
    """The tensors as in the first BEiT release: with the index buffers."""
    tensors = dict(model.state_dict())
    for index, block in enumerate(model.blocks):
        if block.attn.relative_position_index is not None:
            tensors[f"blocks.{index}.attn.relative_position_index"] = block.attn.relative_position_index
    return tensors


def save_pair(folder, model, **config):
    """The two files that timm publishes."""
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    config = {"architecture": ARCHITECTURE, "num_classes": model.num_classes, "global_pool": model.global_pool,
              "model_args": converted.model_args(model), "label_names": LABELS,
              "label_descriptions": {label: label.upper() for label in LABELS},
              "pretrained_cfg": {"input_size": [3, 16, 16], "crop_pct": 0.75, "interpolation": "bilinear",
                                 "crop_mode": "squash", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6],
                                 "license": "mit"}, **config}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def run(*arguments):
    return convert.main([str(argument) for argument in arguments])


def same_weights(path, model, dtype=torch.float32):
    """The file holds the model's tensors, rounded to `dtype`, and nothing else."""
    tensors, config = converted.read(path)
    wanted = model.state_dict()
    assert tensors.keys() == wanted.keys()
    for name, value in tensors.items():
        assert value.dtype == dtype and torch.equal(value, wanted[name].to(dtype)), name
    loaded = converted.load(path)
    images = torch.rand(2, 3, *model.patch_embed.img_size)
    if dtype == torch.float32:
        assert torch.equal(loaded(images), model(images))
    return config


# Sources


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_folder(model, tmp_path, capsys, dtype):
    out = tmp_path / "out.safetensors"
    assert run(save_pair(tmp_path / "pair", model), out, "--dtype", dtype, "--verify") == 0
    config = same_weights(out, model, converted.DTYPES[dtype])
    assert config["architecture"] == ARCHITECTURE and config["num_classes"] == 10 and config["num_features"] == 24
    assert config["label_names"] == LABELS and config["label_descriptions"]["kind 3"] == "KIND 3"
    assert config["pretrained_cfg"] == {"input_size": [3, 16, 16], "interpolation": "bilinear", "crop_pct": 0.75,
                                        "crop_mode": "squash", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6],
                                        "license": "mit"}
    assert "verified with timm" in capsys.readouterr().out


def test_pass_order(model, tmp_path, capsys):
    """The order of the resize's passes is Pillow 13's unless the source names another; a copy keeps it."""
    out = tmp_path / "out.safetensors"
    assert run(save_pair(tmp_path / "pair", model), out) == 0
    assert converted.read(out)[1]["pass_order"] == "pillow_13"
    assert run(save_pair(tmp_path / "pair", model, pass_order="across_first"), out) == 0
    assert run(out, tmp_path / "copy.safetensors") == 0
    assert converted.read(tmp_path / "copy.safetensors")[1]["pass_order"] == "across_first"
    assert run(save_pair(tmp_path / "pair", model, pass_order="down"), out) == 1
    assert 'pass_order is "down", wanted one of pillow_13, across_first' in capsys.readouterr().err


def test_folder_without_model_args(tmp_path):
    """The older configurations on the hub name only the architecture; labels come from ImageNet."""
    model = randomise(timm.create_model(ARCHITECTURE, depth=1), seed=2)
    pair = save_pair(tmp_path / "pair", model, model_args={"depth": 1}, label_names=None, label_descriptions=None)
    assert run(pair, tmp_path / "out.safetensors") == 0
    config = same_weights(tmp_path / "out.safetensors", model)
    assert config["model_args"]["embed_dim"] == 768 and len(config["label_names"]) == 1000


def test_folder_with_bin(model, tmp_path):
    pair = save_pair(tmp_path / "pair", model)
    (pair / "model.safetensors").unlink()
    torch.save(model.state_dict(), pair / "pytorch_model.bin")
    assert run(pair, tmp_path / "out.safetensors") == 0
    same_weights(tmp_path / "out.safetensors", model)


@pytest.mark.parametrize("nest", [
    lambda tensors: tensors,
    lambda tensors: {"model": tensors},
    lambda tensors: {"module": tensors},
    lambda tensors: {"state_dict": tensors, "epoch": 3},
    lambda tensors: {"model": {"module": tensors}},
    lambda tensors: {"state_dict": {f"module.{name}": value for name, value in tensors.items()}},
], ids=["flat", "model", "module", "state_dict", "model.module", "ddp"])
@pytest.mark.parametrize("suffix", [".pth", ".bin", ".pt"])
def test_original_checkpoint(model, tmp_path, nest, suffix):
    source = tmp_path / f"source{suffix}"
    torch.save(nest(original_layout(model)), source)
    assert run(source, tmp_path / "out.safetensors", "--verify") == 0
    config = same_weights(tmp_path / "out.safetensors", model)
    assert config["model_args"]["num_heads"] == 3 and config["model_args"]["img_size"] == 16
    assert config["label_names"] == [] and config["pretrained_cfg"]["license"] == "unknown"


def test_averaged_weights_are_preferred(model, tmp_path):
    other = randomise(timm.create_model(ARCHITECTURE, **TINY), seed=5)
    torch.save({"state_dict": other.state_dict(), "state_dict_ema": model.state_dict()}, tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors") == 0
    same_weights(tmp_path / "out.safetensors", model)


@pytest.mark.parametrize("arguments, options", [
    (dict(), []),
    (dict(global_pool="token"), []),
    (dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=True), []),
    (dict(use_shared_rel_pos_bias=True), []),
    (dict(use_rel_pos_bias=False, use_abs_pos_emb=True), ["--num-heads", "3"]),
    (dict(use_rel_pos_bias=False), ["--num-heads", "3", "--image-size", "16"]),
    (dict(init_values=0, qkv_bias=False), []),
    (dict(num_classes=0), []),
    (dict(use_fc_norm=False), ["--global-pool", "avg"]),
    (dict(embed_dim=40, num_heads=5, mlp_ratio=2.7), []),
    (dict(img_size=(12, 32), patch_size=(4, 8)), ["--image-size", "12x32"]),
    (dict(img_size=(8, 56)), ["--image-size", "8x56"]),  # its table has as many rows as that of a square
    (dict(in_chans=1), []),
])
def test_bare_safetensors(tmp_path, arguments, options):
    """Every variation of the architecture is inferred from names and shapes."""
    model = make_model(**arguments)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "source.safetensors")
    out = tmp_path / "out.safetensors"
    assert run(tmp_path / "source.safetensors", out, *options) == 0
    tensors, config = converted.read(out)
    wanted = converted.model_args(model)
    inferred = config["model_args"]
    assert inferred.pop("mlp_ratio") == pytest.approx(wanted.pop("mlp_ratio"), abs=0.03)
    assert inferred == wanted
    assert converted.load(out).state_dict().keys() == tensors.keys() == model.state_dict().keys()


def test_converted_file_again(model, tmp_path):
    pair, first, second = save_pair(tmp_path / "pair", model), tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    assert run(pair, first, "--dtype", "bf16") == 0
    assert run(first, second, "--dtype", "f32", "--verify") == 0
    assert converted.read(first)[1] == converted.read(second)[1]
    assert run(first, first, "--dtype", "bf16") == 0


def test_int8(model, tmp_path):
    pair, exact, out = save_pair(tmp_path / "pair", model), tmp_path / "f32.safetensors", tmp_path / "int8.safetensors"
    assert run(pair, exact) == 0
    assert run(pair, out, "--dtype", "int8", "--verify") == 0
    stored, wanted = converted.read(out)[0], converted.read(exact)[0]
    for name, value in wanted.items():
        if name.startswith("blocks.") and value.ndim == 2 and name.endswith("weight"):
            scale = stored[name + "_scale"]
            assert stored[name].dtype == torch.int8 and scale.dtype == torch.float32
            assert (stored[name].abs().amax(1) == 127).all()  # the scale is the finest
            assert torch.allclose(scale, value.abs().amax(1) / 127, rtol=2 ** -15, atol=0)
            assert ((stored[name].double() * scale[:, None] - value).abs() <= scale[:, None] * 0.5001).all()
        else:
            assert stored[name].dtype == (torch.bfloat16 if name in converted.EDGES else torch.float32)
            assert torch.allclose(stored[name].float(), value, rtol=2 ** -8, atol=0)
    # Quantising what was quantised changes nothing.
    assert run(out, tmp_path / "again.safetensors", "--dtype", "int8") == 0
    again = converted.read(tmp_path / "again.safetensors")[0]
    assert again.keys() == stored.keys()
    assert all(torch.equal(again[name], value) for name, value in stored.items())


def test_int8_without_scale(model, tmp_path, capsys):
    assert run(save_pair(tmp_path / "pair", model), tmp_path / "a.safetensors", "--dtype", "int8") == 0
    tensors, config = converted.read(tmp_path / "a.safetensors")
    del tensors["blocks.0.mlp.fc1.weight_scale"]
    converted.write(tmp_path / "b.safetensors", tensors, config)
    assert run(tmp_path / "b.safetensors", tmp_path / "c.safetensors") == 1
    assert "blocks.0.mlp.fc1.weight is int8 without a blocks.0.mlp.fc1.weight_scale" in capsys.readouterr().err


def test_same_bytes_again(model, tmp_path):
    pair = save_pair(tmp_path / "pair", model)
    files = [tmp_path / f"{i}.safetensors" for i in range(8)]
    assert all(run(pair, file) == 0 for file in files)
    assert len({file.read_bytes() for file in files}) == 1


def test_architecture_resizes(tmp_path, capsys):
    """A checkpoint for 112 pixels under a named architecture for 224: timm resizes the tables."""
    small = randomise(timm.create_model(ARCHITECTURE, img_size=112, depth=12, mlp_ratio=4, num_classes=3), seed=3)
    torch.save({"model": original_layout(small)}, tmp_path / "source.pth")
    out = tmp_path / "out.safetensors"
    assert run(tmp_path / "source.pth", out, "--architecture", "beitv2_base_patch16_224", "--dtype", "bf16") == 0
    assert "timm resized 12 tensors" in capsys.readouterr().err
    tensors, config = converted.read(out)
    assert config["architecture"] == "beitv2_base_patch16_224" and config["model_args"]["img_size"] == 224
    assert config["pretrained_cfg"]["mean"] == [0.485, 0.456, 0.406]
    assert tensors["blocks.0.attn.relative_position_bias_table"].shape == (27 * 27 + 3, 12)


def pretrained_tensors(vocabulary=8):
    """A masked-image model as Microsoft publishes it: one shared table, no pooling, the head and the mask token."""
    model = make_model(num_classes=0, global_pool="token", use_rel_pos_bias=False, use_shared_rel_pos_bias=True)
    head = {"mask_token": torch.full((1, 1, 24), 0.25), "lm_head.weight": torch.rand(vocabulary, 24),
            "lm_head.bias": torch.rand(vocabulary)}
    return model, head


def test_masked_image_head_is_kept(tmp_path, capsys):
    """The same for BEiT v2, whose extra blocks only pre-training uses; and once more from the converted file."""
    model, head = pretrained_tensors()
    extra = {f"cls_pt_layers.0.{name}": value for name, value in model.blocks[0].state_dict().items()}
    torch.save({"model": {**model.state_dict(), **head, **extra}}, tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors", "--verify") == 0
    assert run(tmp_path / "out.safetensors", tmp_path / "again.safetensors") == 0
    captured = capsys.readouterr()
    assert "dropping what only training uses (cls_pt_layers.0." in captured.err
    assert "with the masked-image head of 8 tokens" in captured.out
    for name in ("out", "again"):
        tensors, config = converted.read(tmp_path / f"{name}.safetensors")
        assert config["model_args"]["use_shared_rel_pos_bias"] and config["num_classes"] == 0
        assert tensors.keys() == {*model.state_dict(), *head}
        assert all(torch.equal(tensors[key], value) for key, value in {**model.state_dict(), **head}.items())


def test_half_a_masked_image_head(tmp_path, capsys):
    model, head = pretrained_tensors()
    torch.save({"model": {**model.state_dict(), "mask_token": head["mask_token"]}}, tmp_path / "token.pth")
    assert run(tmp_path / "token.pth", tmp_path / "out.safetensors") == 0
    same_weights(tmp_path / "out.safetensors", model)
    del head["mask_token"]
    torch.save({"model": {**model.state_dict(), **head}}, tmp_path / "head.pth")
    assert run(tmp_path / "head.pth", tmp_path / "none.safetensors") == 1
    assert "has lm_head.weight, but no mask_token" in capsys.readouterr().err


def test_beit3(tmp_path):
    """timm's VisionTransformer with two more norms: a pair, and a bare checkpoint."""
    model = randomise(timm.create_model("beit3_base_patch16_224", img_size=32, embed_dim=24, depth=2, num_heads=3,
                                        num_classes=5), seed=6)
    for source, arguments in ((save_pair(tmp_path / "pair", model, label_names=[], label_descriptions={},
                                           architecture="beit3_base_patch16_224"), ()),
                              (tmp_path / "bare.pth", ("--num-heads", "3"))):
        if source.suffix:
            torch.save(model.state_dict(), source)
        out = tmp_path / "out.safetensors"
        assert run(source, out, "--verify", *arguments) == 0
        assert same_weights(out, model)["architecture"] == "beit3_base_patch16_224"


def hub_cache(home, repository, pair):
    """A cache of the hub's client in which `repository` has the files of the folder `pair`."""
    root = home / "hub" / f"models--{repository.replace('/', '--')}"
    commit = "0" * 40
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    (root / "snapshots").mkdir()
    pair.rename(root / "snapshots" / commit)


def run_offline(home, *arguments):
    """The program, with the hub's client reading only its cache."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, str(TOOLS / "convert.py"), *map(str, arguments)], env=environment,
                          capture_output=True, text=True)


def test_hub_repository(model, tmp_path):
    hub_cache(tmp_path / "home", "someone/tiny", save_pair(tmp_path / "pair", model))
    out = tmp_path / "out.safetensors"
    result = run_offline(tmp_path / "home", "hf-hub:someone/tiny", out, "--verify")
    assert result.returncode == 0, result.stderr
    config = same_weights(out, model)
    assert config["label_names"] == LABELS and config["pretrained_cfg"]["crop_pct"] == 0.75


def test_timm_name(tmp_path):
    """A name in timm's list, at full size, with timm's own weights replaced by random ones."""
    name = "beit_base_patch16_224.in22k_ft_in22k_in1k"
    model = randomise(timm.create_model(ARCHITECTURE), seed=4)
    pair = save_pair(tmp_path / "pair", model)
    hub_cache(tmp_path / "home", f"timm/{name}", pair)
    out = tmp_path / "out.safetensors"
    result = run_offline(tmp_path / "home", name, out)
    assert result.returncode == 0, result.stderr
    config = same_weights(out, model)
    assert config["architecture"] == ARCHITECTURE and config["pretrained_cfg"]["license"] == "apache-2.0"
    assert config["label_names"][281] == "n02123045"
    assert config["label_descriptions"]["n02123045"] == "tabby, tabby cat"


# Labels


def test_labels_as_an_object(model, tmp_path):
    pair = save_pair(tmp_path / "pair", model, label_names={str(i): LABELS[i] for i in reversed(range(10))})
    assert run(pair, tmp_path / "out.safetensors") == 0
    assert converted.read(tmp_path / "out.safetensors")[1]["label_names"] == LABELS


def test_imagenet_22k_labels(tmp_path):
    """BEiT's 21,841 classes are the synsets of the fall 2011 release in the order of their folders' names."""
    model = make_model(num_classes=21841)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "source.safetensors")
    assert run(tmp_path / "source.safetensors", tmp_path / "out.safetensors") == 0
    names = converted.read(tmp_path / "out.safetensors")[1]["label_names"]
    assert len(names) == 21841 and names == sorted(names) and names[0] == "n00004475"


# Verification


@pytest.mark.parametrize("dtype", ["bf16", "int8"])
def test_verify_notices_another_weight(model, tmp_path, monkeypatch, capsys, dtype):
    """A writer that damages one weight by one unit in the last place of bfloat16."""
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"before")
    convert_tensors = converted.convert_tensors

    def damage(tensors, dtype):
        result = convert_tensors(tensors, dtype)
        result["head.bias"] = result["head.bias"].clone()  # not the model's own
        result["head.bias"][3] *= 1 + 2**-7
        return result

    monkeypatch.setattr(converted, "convert_tensors", damage)
    assert run(save_pair(tmp_path / "pair", model), out, "--verify", "--dtype", dtype) == 1
    assert "differs from its source" in capsys.readouterr().err
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.safetensors", "pair"]


def test_verify_notices_another_configuration(model, tmp_path, monkeypatch, capsys):
    make_config = converted.make_config
    monkeypatch.setattr(converted, "make_config", lambda *arguments: {
        **make_config(*arguments), "model_args": {**converted.model_args(model), "num_heads": 6}})
    assert run(save_pair(tmp_path / "pair", model), tmp_path / "out.safetensors", "--verify") == 1
    assert "don't fit the architecture" in capsys.readouterr().err


# Errors


def bare(tmp_path, tensors, name="source.safetensors"):
    path = tmp_path / name
    safetensors.torch.save_file(tensors, path)
    return path


def without(name):
    return lambda tensors, folder: bare(folder, {k: v for k, v in tensors.items() if k != name})


def with_tensor(name, value):
    return lambda tensors, folder: bare(folder, {**tensors, name: value})


def with_bytes(name, data):
    def make(tensors, folder):
        (folder / name).write_bytes(data)
        return folder / name
    return make


def with_pickle(value):
    def make(tensors, folder):
        torch.save(value, folder / "source.pth")
        return folder / "source.pth"
    return make


def truncated(tensors, folder):
    path = bare(folder, tensors)
    path.write_bytes(path.read_bytes()[:-10])
    return path


def pair_with(**config):
    return lambda tensors, folder: save_pair(folder / "pair", make_model(), **config)


def pair_without(name):
    def make(tensors, folder):
        pair = save_pair(folder / "pair", make_model())
        (pair / name).unlink()
        return pair
    return make


def huge(tensors, folder):
    return bare(folder, {**tensors, "head.weight": tensors["head.weight"] * 1e6})


@pytest.mark.parametrize("make, options, message", [
    (lambda tensors, folder: folder / "absent.safetensors", [], "no such file or folder"),
    (lambda tensors, folder: "beit_gigantic", [], "nor one of timm's BEiT models"),
    (lambda tensors, folder: "resnet18", [], "nor one of timm's BEiT models"),
    (lambda tensors, folder: "beit_base_patch16_224.nothing", [], "timm has no weights"),
    (with_bytes("source.safetensors", b""), [], "is empty"),
    (with_bytes("source.safetensors", b"not safetensors"), [], "is a text file that begins with 'not safetensors'"),
    (with_bytes("source.pth", b"not a checkpoint"), [], "is a text file that begins with 'not a checkpoint'"),
    (with_bytes("source.txt", b"text"), [], "wanted a file that ends in"),
    (truncated, [], "not a readable safetensors file"),
    (with_pickle([1, 2]), [], "holds a list, wanted a dictionary of tensors"),
    (with_pickle({"model": {"cls_token": 3}}), [], "holds cls_token (a number), wanted tensors"),
    (with_pickle({"cls_token": torch.zeros(1), "epoch": 3}), [], "epoch is a number, wanted a name and a tensor"),
    (with_pickle({"a": torch.zeros(1)}), [], "not a BEiT checkpoint"),
    (with_pickle({"a": Path("object")}), [], "--unsafe-pickle"),
    (without("head.bias"), [], "head.bias is missing"),
    (without("blocks.0.attn.proj.bias"), [], "blocks.0.attn.proj.bias is missing"),
    (without("blocks.0.mlp.fc1.weight"), [], "no blocks.0.mlp.fc1.weight"),
    (with_tensor("extra", torch.zeros(3)), [], "extra is unexpected"),
    (with_tensor("blocks.7.norm1.bias", torch.zeros(24)), [], "numbered up to 7"),
    (with_tensor("head.bias", torch.zeros(11)), [], "head.bias has shape (11,), wanted (10,)"),
    (with_tensor("head.weight", torch.zeros(10)), [], "wanted 2 dimensions"),
    (with_tensor("patch_embed.proj.weight", torch.zeros(24, 3)), [], "wanted 4 dimensions"),
    (with_tensor("cls_token", torch.zeros(1, 1, 24, dtype=torch.int32)), [], "wanted floating point"),
    (with_tensor("cls_token", torch.full((1, 1, 24), float("nan"))), [], "not finite"),
    (with_tensor("cls_token", torch.full((1, 1, 24), float("inf"))), [], "not finite"),
    (huge, ["--dtype", "f16"], "too large for f16"),
    (with_tensor("blocks.0.attn.relative_position_bias_table", torch.zeros(51, 3)), [], "don't form a square"),
    (with_tensor("blocks.0.attn.relative_position_bias_table", torch.zeros(52, 7)), [], "7 heads don't divide"),
    (lambda tensors, folder: bare(folder, tensors), ["--image-size", "18"], "not a multiple of the patch"),
    (lambda tensors, folder: bare(folder, tensors), ["--image-size", "20"], "don't fit the architecture"),
    (lambda tensors, folder: bare(folder, tensors), ["--architecture", "vit_base_patch16_224"], "--architecture"),
    (lambda tensors, folder: bare(folder, tensors), ["--architecture", ARCHITECTURE], "don't fit the architecture"),
    (pair_with(architecture="vit_base_patch16_224"), [], "not one of timm's BEiT models"),
    (pair_with(architecture=None), [], "names no architecture"),
    (pair_with(model_args=[1]), [], "model_args is [1], wanted an object"),
    (pair_with(model_args={"nonsense": 1}), [], "timm can't create"),
    (pair_with(model_args={**TINY, "depth": 3}), [], "don't fit the architecture"),
    (pair_with(pretrained_cfg={"mean": 0.5}), [], "wanted a list of numbers"),
    (pair_with(label_names=["one"]), [], "1 label_names for 10 classes"),
    (pair_with(label_names={"5": "one"}), [], "none for class"),
    (pair_with(), ["--num-heads", "3"], "a configuration of its own"),
    (pair_without("config.json"), [], "can't read"),
    (pair_without("model.safetensors"), [], "has neither"),
])
def test_bad_source(model, tmp_path, capsys, make, options, message):
    """Prints one line on standard error, ends with status 1, and leaves an earlier OUT as it was."""
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"before")
    source = make(model.state_dict(), tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    capsys.readouterr()
    assert run(source, out, *options) == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[-1].startswith("convert.py: error: ") and message in lines[-1]
    assert captured.out == "" and sum("error" in line for line in lines) == 1
    assert out.read_bytes() == b"before" and sorted(path.name for path in tmp_path.iterdir()) == names


def test_no_position_tells(tmp_path, capsys):
    """Neither table nor position embedding: the size and the heads must be given."""
    model = make_model(use_rel_pos_bias=False)
    source = bare(tmp_path, model.state_dict())
    assert run(source, tmp_path / "out.safetensors") == 1
    assert "use --image-size" in capsys.readouterr().err
    assert run(source, tmp_path / "out.safetensors", "--image-size", "16") == 1
    assert "use --num-heads" in capsys.readouterr().err


def test_out_in_no_folder(model, tmp_path, capsys):
    assert run(save_pair(tmp_path / "pair", model), tmp_path / "absent" / "out.safetensors") == 1
    assert "can't write" in capsys.readouterr().err
    assert run(tmp_path / "pair", tmp_path) == 1
    assert "wanted a file name" in capsys.readouterr().err


def test_no_network(tmp_path):
    result = run_offline(tmp_path, "beit_base_patch16_224.in22k_ft_in22k_in1k", tmp_path / "out.safetensors")
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("convert.py: error: timm can't load beit_base_patch16_224")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("arguments", [
    [], ["one"], ["a", "b", "c"], ["a", "b", "--dtype", "int4"], ["a", "b", "--num-heads", "0"],
    ["a", "b", "--image-size", "2x"], ["a", "b", "--global-pool", "max"], ["a", "b", "--nonsense"],
])
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as status:
        run(*arguments)
    assert status.value.code == 2 and "usage:" in capsys.readouterr().err


def test_help(capsys):
    with pytest.raises(SystemExit) as status:
        run("--help")
    assert status.value.code == 0 and "SOURCE is one of" in capsys.readouterr().out


def test_unsafe_pickle(model, tmp_path):
    """A checkpoint with a Python object beside the weights loads on request."""
    torch.save({"model": model.state_dict(), "args": Path("object")}, tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors") == 1
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors", "--unsafe-pickle") == 0
    same_weights(tmp_path / "out.safetensors", model)
