"""Tests the conversion of segmentation models: transformers' folders, and files of Microsoft's and mmsegmentation's."""
import json
import re
import shutil
from pathlib import Path

import convert
import converted
import name_tables
import pytest
import safetensors.torch
import segmentation
import torch

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "segmentation" / "model"
CLASSES = ["wall", "bed ", "c", "d", "e", "f", "g"]
PALETTE = [[i, 2 * i, 255] for i in range(7)]


def run(*arguments):
    return convert.main([str(argument) for argument in arguments])


def ours():
    """The golden model's tensors by our names, in float32, without the auxiliary head."""
    tensors = safetensors.torch.load_file(GOLDEN / "model.safetensors")
    tensors = name_tables.translate(tensors, *name_tables.publisher_of(tensors))
    return {name: value.float() for name, value in tensors.items()
            if value.ndim and not name.startswith("auxiliary_head.")}


def of_publisher(name):
    """The same as a checkpoint has them: with the buffers and the auxiliary head that only training uses."""
    publisher = next(p for p in name_tables.PUBLISHERS if p.name == name)
    prefix = "beit." if "transformers" in name else "backbone."
    tensors = {}
    for key, value in ours().items():
        for new, part in name_tables.published(key, value, publisher, prefix):
            beside = "transformers" in name and new.startswith(prefix + "fpn")
            new = re.sub(r"ls([12])\.gamma", r"gamma_\1", new)  # which timm's Beit and Microsoft have
            tensors[new.removeprefix(prefix) if beside else new] = part.clone()
    tensors["decode_head.bottleneck.bn.num_batches_tracked"] = torch.tensor(160000)
    tensors["auxiliary_head.conv_seg.weight"] = torch.ones(7, 2, 1, 1)
    return tensors


def assert_equal(path, dtype="f32"):
    found = converted.read(path)[0]
    wanted = converted.convert_tensors(ours(), dtype)
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_folder_of_transformers_keeps_its_configuration(tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    assert run(GOLDEN, out) == 0
    assert "a segmentation model of 7 classes" in capsys.readouterr().out
    assert_equal(out)
    assert converted.read(out)[1] == json.loads((GOLDEN / "config.json").read_text())
    assert json.loads(converted.read_preprocessor(out))["size"] == {"height": 32, "width": 32}
    assert run(out, tmp_path / "again.safetensors", "--dtype", "int8") == 0
    assert_equal(tmp_path / "again.safetensors", "int8")
    assert converted.read(tmp_path / "again.safetensors")[0]["fpn2.0.weight"].dtype == torch.bfloat16


def test_state_dict_of_transformers_5(tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(GOLDEN, folder)
    (folder / "model.safetensors").unlink()
    tensors = of_publisher("transformers 5, in memory")
    assert "decode_head.psp_modules.blocks.3.conv.normalization.running_var" in tensors
    torch.save(tensors, folder / "pytorch_model.bin")
    assert run(folder, tmp_path / "out.safetensors") == 0
    assert_equal(tmp_path / "out.safetensors")


@pytest.mark.parametrize("publisher, example, meta", [
    ("timm and Microsoft", "backbone.fpn1.1.running_var", {"CLASSES": tuple(CLASSES), "PALETTE": PALETTE}),
    ("mmpretrain", "neck.upsample_4x.1.running_var", {"dataset_meta": {"classes": CLASSES, "palette": PALETTE}}),
])
def test_files_of_mmsegmentation(publisher, example, meta, tmp_path):
    tensors, out = of_publisher(publisher), tmp_path / "out.safetensors"
    assert example in tensors and "decode_head.conv_seg.bias" in tensors
    torch.save({"meta": {**meta, "config": "x"}, "state_dict": tensors}, tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", out) == 0
    assert_equal(out)
    config = converted.read(out)[1]
    assert config["out_indices"] == [1, 2, 3, 5] and config["pool_scales"] == [1, 2, 3, 6]
    assert config["label_names"] == [name.strip() for name in CLASSES] and config["palette"] == PALETTE
    assert config["pretrained_cfg"]["mean"] == [0.485, 0.456, 0.406]
    assert config["pretrained_cfg"]["input_size"] == [3, 32, 32]
    assert run(out, tmp_path / "again.safetensors", "--dtype", "bf16") == 0
    assert converted.read(tmp_path / "again.safetensors")[1] == config


def test_without_names_there_are_none(tmp_path):
    torch.save({"state_dict": of_publisher("timm and Microsoft"), "meta": {"CLASSES": ("a",), "PALETTE": "red"}},
               tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors") == 0
    config = converted.read(tmp_path / "out.safetensors")[1]
    assert config["label_names"] == [] and "palette" not in config


def test_verify_finds_other_weights(tmp_path):
    pytest.importorskip("transformers", minversion="5")
    assert run(GOLDEN, tmp_path / "out.safetensors", "--verify") == 0
    assert run(GOLDEN, tmp_path / "out8.safetensors", "--dtype", "int8", "--verify") == 0
    torch.save({"state_dict": of_publisher("timm and Microsoft")}, tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "of_microsoft.safetensors", "--verify") == 0
    other = ours()
    other["fpn1.1.running_var"] = other["fpn1.1.running_var"] * 2
    with pytest.raises(converted.ConversionError, match="the written file differs from its source"):
        segmentation.verify(tmp_path / "out.safetensors", other, converted.read(tmp_path / "out.safetensors")[1], "f32")


@pytest.mark.parametrize("change, message", [
    (lambda t, c: c.pop("out_indices"), "out_indices is null, wanted a list of four blocks"),
    (lambda t, c: t.pop("fpn1.0.weight"), "it has no fpn1.0.weight"),
    (lambda t, c: t.update({"decode_head.classifier.weight": torch.ones(7, 12)}), "wanted 4 dimensions"),
])
def test_what_does_not_fit_is_an_error(change, message, tmp_path, capsys):
    tensors, config = ours(), json.loads((GOLDEN / "config.json").read_text())
    change(tensors, config)
    converted.write(tmp_path / "source.safetensors", tensors, config, preprocessor="{}")
    assert run(tmp_path / "source.safetensors", tmp_path / "out.safetensors") == 1
    assert message in capsys.readouterr().err


def test_bare_weights_of_transformers_lack_the_blocks(tmp_path, capsys):
    shutil.copy(GOLDEN / "model.safetensors", tmp_path / "source.safetensors")
    assert run(tmp_path / "source.safetensors", tmp_path / "out.safetensors") == 1
    assert "has no config.json beside it, which tells the blocks" in capsys.readouterr().err
