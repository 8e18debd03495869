"""Tests beit_compare_worker and beit_peak from outside, on a small model; their speed isn't checked.

    BEIT_BUILD_DIR=build-release python -m pytest bench/compare
"""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).resolve().parent))
import report

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve() / "bench"
GOLDEN = ROOT / "tests" / "golden"

pytestmark = pytest.mark.skipif(not (BENCH / "beit_compare_worker").exists(),
                                reason="the benchmarks are not built in BEIT_BUILD_DIR")


def run(program, *arguments, **options):
    return subprocess.run([str(BENCH / program), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          **options)


@pytest.fixture
def images(tmp_path):
    expected = load_file(GOLDEN / "model_standard.expected.safetensors")
    path = tmp_path / "images.npy"
    np.save(path, expected["input"].reshape(len(expected["input"]), -1))
    return path, expected["logits"]


def answers(images, commands, precision="float"):
    result = run("beit_compare_worker", "classifier", GOLDEN / "model_standard.safetensors", precision, images,
                 input="".join(command + "\n" for command in commands))
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def test_every_precision_has_a_tolerance_and_a_limit():
    described = json.loads(run("beit_compare_worker", "--describe", "classifier").stdout)
    assert {"float", "bfloat16"} <= set(described["precisions"])
    assert set(described["precisions"]) <= set(report.TOLERANCES) & set(report.PRODUCTS)
    assert described["isa"] in report.LEVELS


def test_logits_are_those_of_timm(images, tmp_path):
    path, expected = images
    out = tmp_path / "with a space.npy"
    result, lines = answers(path, [f'logits 1 1 "{out}"', f'logits 2 {len(expected)} {tmp_path / "all.npy"}'])
    assert result.returncode == 0, result.stderr
    assert lines[1:] == [{}, {}]
    assert np.abs(np.load(tmp_path / "all.npy") - expected).max() < 1e-5
    assert np.array_equal(np.load(out), np.load(tmp_path / "all.npy")[:1])


def test_run_takes_one_pass_at_least(images):
    result, lines = answers(images[0], ["run 1 1 0", "run 2 1 0.01", "products 1 2 0"], "bfloat16")
    assert result.returncode == 0, result.stderr
    assert len(lines[1]["seconds"]) == len(lines[3]["seconds"]) == 1
    assert len(lines[2]["seconds"]) >= 1 and min(lines[2]["seconds"]) > 0


def test_resize_is_pillows(images, tmp_path):
    photograph, out = tmp_path / "photograph.ppm", tmp_path / "out.npy"
    pixels = np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(photograph)
    result, lines = answers(images[0], [f"resize 0 17 23 {photograph} {out}"])
    assert result.returncode == 0, result.stderr
    assert len(lines[1]["seconds"]) == 1
    expected = np.asarray(Image.fromarray(pixels).resize((23, 17), Image.Resampling.BICUBIC))
    assert np.array_equal(np.load(out).reshape(17, 23, 3), expected)


@pytest.mark.parametrize("command, message", [
    ("walk", "wanted run, products, logits or resize"),
    ("run 1", "wanted another number"),
    ("run 0 1 0", "wanted threads, and 1 to"),
    ("run 1 99 0", "wanted threads, and 1 to"),
])
def test_what_makes_no_sense_is_an_error(images, command, message):
    result, lines = answers(images[0], [command])
    assert (result.returncode, len(lines)) == (1, 1)
    assert message in result.stderr and len(result.stderr.splitlines()) == 1


def test_an_unknown_precision_is_an_error(images):
    result, lines = answers(images[0], [], "decimal")
    assert (result.returncode, lines) == (1, [])
    assert "found precision 'decimal'" in result.stderr


def test_peaks_are_of_levels_and_types_that_the_report_knows():
    result = run("beit_peak", 1)
    assert result.returncode == 0, result.stderr
    for line in result.stdout.splitlines():
        peak = json.loads(line)
        assert peak["threads"] == 1 and peak["gflops"] > 0
        assert peak["level"] in report.LEVELS and peak["type"] in report.PRODUCTS
    assert run("beit_peak", "none").returncode == 2
