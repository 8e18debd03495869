"""Tests the names of other publishers: that the tables are read from the header, and convert.py by them."""
import json

import pytest
import safetensors.torch
import timm
import torch

import converted
import name_tables
from random_model import randomise
from test_convert import ARCHITECTURE, TINY, make_model, run


def renamed_to(publisher, tensors, trunk, beside=""):
    """Tensors under a publisher's names, with a prefix before those of the trunk."""
    rows = next(p.rows for p in name_tables.PUBLISHERS if p.name == publisher)
    result = {}
    for name, value in tensors.items():
        row = next((row for row in rows if row.ours and name_tables.renamed(name, row.ours, row.theirs[0])), None)
        if row is None:
            result[(beside if name.startswith("head.") else trunk) + name] = value
            continue
        if row.unused_rows:
            value = torch.cat([torch.ones(row.unused_rows, value.shape[2]), value[0]])
        for theirs, part in zip(row.theirs, value.chunk(len(row.theirs))):
            result[(beside if row.beside else trunk) + name_tables.renamed(name, row.ours, theirs)] = part.clone()
    return result


def test_tables_are_read():
    assert [p.name for p in name_tables.PUBLISHERS] == [
        "transformers 5, in memory", "Hugging Face transformers", "mmpretrain", "candle", "Microsoft's BEiT-3",
        "timm and Microsoft"]
    assert [len(p.rows) for p in name_tables.PUBLISHERS[:2]] == [34, 21]
    row = next(row for row in name_tables.PUBLISHERS[0].rows if row.ours == "blocks.*.attn.qkv.weight")
    assert row.theirs == tuple(f"layers.*.attention.{p}_proj.weight" for p in "qkv")
    assert any(row.unused_rows == 2 and row.theirs == ("encoder.embed_positions.A.weight",)
               for row in name_tables.PUBLISHERS[4].rows)


CASES = [
    ("mmpretrain", "backbone.", "backbone.layers.1.ffn.layers.1.weight", {}),
    ("mmpretrain", "backbone.", "head.fc.bias", {}),
    ("candle", "", "blocks.1.ls2.gamma", {}),
    ("transformers 5, in memory", "beit.", "beit.layers.1.mlp.fc1.weight", {}),
    ("transformers 5, in memory", "beit.", "beit.shared_position_bias.relative_position_bias_table",
     dict(use_shared_rel_pos_bias=True, use_rel_pos_bias=False)),
    ("Hugging Face transformers", "beit.", "beit.encoder.layer.1.attention.attention.value.bias", {}),
    ("Hugging Face transformers", "beit.", "beit.layernorm.weight", dict(global_pool="token", use_fc_norm=False)),
]


@pytest.mark.parametrize("publisher, trunk, example, arguments", CASES)
@pytest.mark.parametrize("prefix", ["", "net."])
def test_publishers(publisher, trunk, example, arguments, prefix, tmp_path):
    model = make_model(**arguments)
    tensors = renamed_to(publisher, model.state_dict(), prefix + trunk, prefix)
    assert prefix + example in tensors
    if publisher == "candle":
        for i in range(TINY["depth"]):
            q, v = (tensors.pop(f"{prefix}blocks.{i}.attn.{x}_bias") for x in "qv")
            tensors[f"{prefix}blocks.{i}.attn.qkv.bias"] = torch.cat([q, torch.zeros_like(q), v])
    torch.save({"state_dict": tensors, "pytorch-lightning_version": "2"}, tmp_path / "source.ckpt")
    out = tmp_path / "out.safetensors"
    assert run(tmp_path / "source.ckpt", out, "--verify") == 0
    found, config = converted.read(out)
    wanted = model.state_dict()
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)
    if publisher == "mmpretrain":
        assert config["pretrained_cfg"]["crop_pct"] == 0.875
    if "transformers" in publisher:
        assert config == {"model_type": "beit", "image_size": [16, 16], "num_attention_heads": 3,
                          "use_mean_pooling": not arguments.get("global_pool") == "token"}
        assert json.loads(converted.read_preprocessor(out))["size"] == {"height": 16, "width": 16}
        assert run(out, tmp_path / "again.safetensors", "--dtype", "bf16", "--verify") == 0
        assert converted.read_preprocessor(tmp_path / "again.safetensors") == converted.read_preprocessor(out)


def test_a_preprocessing_beside_timms_configuration_is_kept(tmp_path):
    model, processor = make_model(), '{"image_processor_type": "BeitImageProcessor", "size": 16}'
    converted.write(tmp_path / "source.safetensors", model.state_dict(),
                    converted.make_config(model, ARCHITECTURE, {}), preprocessor=processor)
    assert run(tmp_path / "source.safetensors", tmp_path / "out.safetensors", "--dtype", "bf16") == 0
    assert converted.read_preprocessor(tmp_path / "out.safetensors") == processor


@pytest.mark.parametrize("options", [{}, {"scale_attn_norm": False}, {"global_pool": "token", "qkv_bias": False}])
def test_beit3_with_layer_scale(options, tmp_path):
    """timm's VisionTransformer calls it as candle's BEiT does."""
    model = randomise(timm.create_model("beit3_base_patch16_224", **TINY, init_values=0.1, **options), seed=3)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({
        "architecture": "beit3_base_patch16_224", "model_args": {**TINY, "init_values": 0.1, **options},
        "pretrained_cfg": {}}))
    assert run(tmp_path, tmp_path / "out.safetensors", "--verify") == 0
    found, config = converted.read(tmp_path / "out.safetensors")
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())
    assert config["model_args"]["init_values"] == 0.1
    if not options:
        bare = tmp_path / "bare.safetensors"
        safetensors.torch.save_file(model.state_dict(), bare)
        assert run(bare, tmp_path / "out.safetensors", "--num-heads", "3", "--verify") == 0
        assert converted.read(tmp_path / "out.safetensors")[1]["model_args"]["init_values"] == 0.1


def test_beit3(tmp_path):
    model = randomise(timm.create_model("beit3_base_patch16_224", **TINY), seed=3)
    tensors = renamed_to("Microsoft's BEiT-3", model.state_dict(), "beit3.")
    tensors |= {name.replace(".A.", ".B."): value.clone() for name, value in tensors.items()}
    tensors |= {"beit3.text_embed.weight": torch.ones(8, 24), "beit3.vision_embed.mask_token": torch.ones(1, 1, 24)}
    torch.save({"model": tensors}, tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors", "--num-heads", "3", "--verify") == 0
    found, config = converted.read(tmp_path / "out.safetensors")
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())
    assert config["architecture"] == "beit3_base_patch16_224"


def save_folder(folder, model, **config):
    """A folder as transformers 5 users make it: torch.save(model.state_dict()) beside the configurations."""
    folder.mkdir()
    torch.save(renamed_to("transformers 5, in memory", model.state_dict(), "beit."), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps({
        "model_type": "beit", "num_attention_heads": 3, "image_size": 16, "use_mean_pooling": True,
        "layer_norm_eps": 1e-3, "id2label": {str(i): f"kind {i}" for i in range(10)}, **config}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "BeitImageProcessor"}))
    return folder


def test_folder_of_transformers_keeps_its_configuration(tmp_path, capsys):
    folder = save_folder(tmp_path / "m", make_model())
    for source in (folder, folder / "pytorch_model.bin"):
        assert run(source, tmp_path / "out.safetensors", "--verify") == 0
        assert converted.read(tmp_path / "out.safetensors")[1] == json.loads((folder / "config.json").read_text())
        assert json.loads(converted.read_preprocessor(tmp_path / "out.safetensors")) == {
            "image_processor_type": "BeitImageProcessor"}
    with pytest.raises(converted.ConversionError, match="a configuration of transformers"):
        converted.load(tmp_path / "out.safetensors")  # which would have timm's epsilon
    (folder / "preprocessor_config.json").unlink()
    assert run(folder, tmp_path / "other.safetensors") == 1
    assert "has neither preprocessor_config.json nor image_processor" in capsys.readouterr().err
    other = save_folder(tmp_path / "n", make_model(), hidden_act="relu")
    assert run(other, tmp_path / "other.safetensors") == 1
    assert f"{other}: config.json: hidden_act is \"relu\", wanted 'gelu'" in capsys.readouterr().err


@pytest.mark.parametrize("tensors, message", [
    (lambda m: {"backbone.cls_token": m, "decode_head.conv_seg.weight": m},
     "is not a BEiT checkpoint: it has no patch_embed.proj.weight"),
    (lambda m: {"encoder.cls_token": m, "decoder.cls_token": m, "quantize.embedding.weight": m},
     "is BEiT v2's tokenizer (VQ-KD)"),
    (lambda m: {"backbone.cls_token": m, "backbone.spm.stem.0.weight": m}, "is ViT-Adapter's"),
    (lambda m: {"a.cls_token": m, "b.cls_token": m}, "holds several models, under 'a.', 'b.'"),
    (lambda m: {"x.y": m}, "it has no cls_token, but 1 tensors such as x.y"),
    (lambda m: {"layers.0.attention.q_proj.weight": m}, "layers.0.attention.k_proj.weight is missing"),
])
def test_files_of_others_are_named(tensors, message, tmp_path, capsys):
    torch.save(tensors(torch.ones(2)), tmp_path / "source.pth")
    assert run(tmp_path / "source.pth", tmp_path / "out.safetensors") == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()


def test_averaged_weights_under_a_prefix(tmp_path):
    model, other = make_model(), randomise(timm.create_model(ARCHITECTURE, **TINY), seed=5)
    torch.save({**{f"model.{name}": value for name, value in other.state_dict().items()},
                **{f"ema_model.{name}": value for name, value in model.state_dict().items()}}, tmp_path / "a.ckpt")
    assert run(tmp_path / "a.ckpt", tmp_path / "out.safetensors") == 0
    found = converted.read(tmp_path / "out.safetensors")[0]
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())


def test_nothing_is_written_that_the_library_refuses(tmp_path, capsys):
    model = make_model()
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    args = {**converted.model_args(model), "global_pool": ""}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": ARCHITECTURE, "model_args": args,
                                                      "pretrained_cfg": {}}))
    assert run(tmp_path, tmp_path / "out.safetensors") == 1
    assert "global_pool is '', wanted 'avg' or 'token'" in capsys.readouterr().err
    model.blocks[0].mlp.act = torch.nn.ReLU()
    with pytest.raises(converted.ConversionError, match=r"the activation is ReLU\(\), wanted GELU"):
        converted.model_args(model)


def test_means_are_as_many_as_channels(tmp_path, capsys):
    model = make_model(in_chans=1)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "source.safetensors")
    assert run(tmp_path / "source.safetensors", tmp_path / "out.safetensors") == 0
    assert converted.read(tmp_path / "out.safetensors")[1]["pretrained_cfg"]["mean"] == [0.5]
    with pytest.raises(converted.ConversionError, match="mean has 3 numbers for 1 channels"):
        converted.make_config(model, ARCHITECTURE, {"mean": [0.1, 0.2, 0.3]})


def test_layer_scale_of_null_is_the_architectures(tmp_path):
    """timm's create_model drops an argument that is None, and save_for_hf keeps it as null."""
    model = make_model(init_values=None)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    args = {**converted.model_args(model), "init_values": None}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": ARCHITECTURE, "model_args": args,
                                                      "pretrained_cfg": {}}))
    assert run(tmp_path, tmp_path / "out.safetensors", "--verify") == 0
    assert "blocks.0.gamma_1" in converted.read(tmp_path / "out.safetensors")[0]
