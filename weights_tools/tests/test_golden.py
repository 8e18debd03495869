"""Tests that make_golden.py makes the golden models in the repository, and that these test what they claim to."""
from pathlib import Path

import pytest
import torch

import converted
import make_golden

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"


@pytest.mark.parametrize("name", make_golden.VARIANTS)
def test_regenerates(name, tmp_path):
    """The weights agree byte for byte; timm's results within 1e-6, because libraries differ in double precision."""
    make_golden.make(name, tmp_path)
    model = f"model_{name}.safetensors"
    assert (tmp_path / model).read_bytes() == (GOLDEN / model).read_bytes()
    made, _ = converted.read(tmp_path / f"model_{name}.expected.safetensors")
    committed, _ = converted.read(GOLDEN / f"model_{name}.expected.safetensors")
    assert made.keys() == committed.keys()
    for key, value in made.items():
        assert value.shape == committed[key].shape
        assert (value - committed[key]).abs().max() <= 1e-6, key


@pytest.mark.parametrize("name", make_golden.VARIANTS)
def test_every_parameter_matters(name):
    """Each parameter, and each row of the first tables, changes the logits: none is zero, unused or drowned."""
    model, _ = make_golden.make_model(name)
    images = make_golden.make_input(model, 0).double()
    model.double().requires_grad_()
    model(images).square().sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 1e-6, key
        if key in ("blocks.0.attn.relative_position_bias_table", "rel_pos_bias.relative_position_bias_table"):
            assert (parameter.grad.abs().sum(1) > 0).all(), key


@pytest.mark.parametrize("name", make_golden.VARIANTS)
def test_loads_through_its_own_configuration(name):
    """The converted file alone reproduces the logits."""
    model = converted.load(GOLDEN / f"model_{name}.safetensors").double()
    wanted, _ = converted.read(GOLDEN / f"model_{name}.expected.safetensors")
    with torch.no_grad():
        logits = model(wanted["input"].double())
    assert (logits - wanted["logits"].double()).abs().max() <= 1e-6


def test_total_size():
    assert sum(path.stat().st_size for path in GOLDEN.glob("model_*")) < 1_100_000


def test_all_committed_files_are_made():
    names = {f"model_{name}{end}.safetensors" for name in make_golden.VARIANTS for end in ("", ".expected")}
    assert {path.name for path in GOLDEN.glob("model_*")} == names
