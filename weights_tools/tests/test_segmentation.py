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


def test_names_that_do_not_fit_are_left_out(tmp_path, capsys):
    for meta, names, colours in (({"CLASSES": ("a",), "PALETTE": "red"}, "1 entries", '"red"'),
                                 ({"dataset_meta": {"classes": [1] * 7, "palette": PALETTE[:3]}},
                                  "[1, 1, 1, 1, 1, 1, 1]", "3 entries")):
        torch.save({"state_dict": of_publisher("timm and Microsoft"), "meta": meta}, tmp_path / "source.pth")
        assert run(tmp_path / "source.pth", tmp_path / "out.safetensors") == 0
        config = converted.read(tmp_path / "out.safetensors")[1]
        assert config["label_names"] == [] and "palette" not in config
        told = capsys.readouterr().err
        assert f"leaving out CLASSES in meta: found {names}, wanted a name for each of the 7 classes" in told
        assert f"leaving out PALETTE in meta: found {colours}, wanted a colour for each of the 7 classes" in told


TRAINED = """norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='BEiT', img_size=32, out_indices={blocks}, init_values=0.1, drop=-1),
    decode_head=dict(type='UPerHead', in_index=[0, 1, 2, 3], norm_cfg=norm_cfg{scales}),
    test_cfg={{'mode': 'slide', **norm_cfg}})
work_dir = '.\\w'
"""


@pytest.mark.parametrize("key, text, blocks, scales, told", [
    ("config", TRAINED.format(blocks="[0, 2, 3, 5]", scales=", pool_scales=(1, 2, 4, 7)"), [0, 2, 3, 5], [1, 2, 4, 7], ""),
    ("cfg", TRAINED.format(blocks="(1, 2, 4, 5)", scales=""), [1, 2, 4, 5], [1, 2, 3, 6],
     "tells pool_scales: assuming [1, 2, 3, 6], as in Microsoft's models"),
    ("config", TRAINED.format(blocks="list(range(4))", scales=""), [1, 2, 3, 5], [1, 2, 3, 6],
     "tells out_indices and pool_scales: assuming [1, 2, 3, 5] and [1, 2, 3, 6], as"),
    ("config", "model = dict(backbone=dict(out_indices=[0, 1, 2, 3]", [1, 2, 3, 5], [1, 2, 3, 6], "assuming [1, 2, 3, 5]"),
    ("config", "(" * 100000, [1, 2, 3, 5], [1, 2, 3, 6], "assuming"),
    ("config", "model = __import__('os').system('exit')\0", [1, 2, 3, 5], [1, 2, 3, 6], "assuming"),
    ("config", "model = build()", [1, 2, 3, 5], [1, 2, 3, 6], "assuming"),
    ("config", 7, [1, 2, 3, 5], [1, 2, 3, 6], "assuming"),
])
def test_the_configuration_of_training(key, text, blocks, scales, told, tmp_path, capsys):
    """The blocks that feed the head and the pooling are read from it; else what is assumed is said."""
    torch.save({"state_dict": of_publisher("timm and Microsoft"), "meta": {key: text}}, tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors") == 0
    config = converted.read(tmp_path / "out.safetensors")[1]
    assert (config["out_indices"], config["pool_scales"]) == (blocks, scales)
    lines = [line for line in capsys.readouterr().err.splitlines() if "no configuration in meta" in line]
    assert len(lines) == bool(told) and all(told in line for line in lines)


@pytest.mark.parametrize("blocks, scales, message", [
    ("[0, 2, 3, 6]", "", "out_indices is [0, 2, 3, 6], wanted four ascending blocks below the depth 6"),
    ("[0, 2, 2, 3]", "", "out_indices is [0, 2, 2, 3], wanted four"), ("[1, 2, -1, 5]", "", "wanted four ascending"),
    ("3", "", "out_indices is 3, wanted four"), ("[1, 2, 3, 5]", ", pool_scales=(1, 2, 3)", "has 4 psp_modules, wanted one"),
    ("[1, 2, 3, 5]", ", pool_scales=(0, 1, 2, 3)", "pool_scales is [0, 1, 2, 3], wanted numbers from 1 to 64"),
])
def test_a_configuration_that_does_not_fit_is_an_error(blocks, scales, message, tmp_path, capsys):
    meta = {"config": TRAINED.format(blocks=blocks, scales=scales)}
    torch.save({"state_dict": of_publisher("timm and Microsoft"), "meta": meta}, tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors") == 1
    assert message in capsys.readouterr().err


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
