"""Tests beit-mask and beit-embed --tokens visual from outside: options, numbers, pictures, files.

    BEIT_BUILD_DIR=build python -m pytest tests/programs/test_mask.py
"""
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from test_programs import without_notes

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve()
GOLDEN = ROOT / "tests" / "golden"
SAMPLES = ROOT / "examples" / "data" / "fashion_mnist"


def run(program, *arguments, status=0):
    """The lines of standard output, or of standard error if the wanted status isn't 0."""
    command = [str(BUILD / program), *map(str, arguments)]
    result = without_notes(subprocess.run(command, capture_output=True, text=True, timeout=120))
    assert result.returncode == status, result.stderr
    return (result.stderr if status else result.stdout).splitlines()


def test_demo(tmp_path):
    """The numbers that are printed are those of the files, and the model has learned something."""
    lines = run("beit-mask", "--json", "--npy", tmp_path / "out.npy", "--output", tmp_path / "out.png", SAMPLES)
    objects = [json.loads(line) for line in lines]
    tokens = np.load(tmp_path / "out.npy")
    assert tokens.shape == (10, 3, 7, 7) and tokens.dtype == np.int32
    wanted, predicted, mask = tokens[:, 0], tokens[:, 1], tokens[:, 2].astype(bool)
    assert ((tokens[:, :2] >= 0) & (tokens[:, :2] < 256)).all()
    assert np.array_equal(wanted[~mask], predicted[~mask])
    assert [o["hidden"] for o in objects] == mask.sum((1, 2)).tolist() == [20] * 10
    assert [o["right"] for o in objects] == ((wanted == predicted) & mask).sum((1, 2)).tolist()
    assert sum(o["right"] for o in objects) > 0.2 * mask.sum()  # 256 tokens: by chance 1 of 200
    assert all(o["right"] <= o["among_five"] <= o["hidden"] for o in objects)
    assert [o["seed"] for o in objects] == list(range(10))
    assert (tmp_path / "out.txt").read_text().split() == [o["image"] for o in objects]
    assert run("beit-mask", "--json", SAMPLES) == lines  # the same masks again
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        assert picture.width == 24 + 4 * (448 + 24) and picture.height == 64 + 10 * (448 + 64)
    assert lines != run("beit-mask", "--json", "--seed", 1, SAMPLES)
    run("beit-embed", "--tokens", "visual", "--output", tmp_path / "tokens.npy", SAMPLES)
    alone = np.load(tmp_path / "tokens.npy")
    assert alone.dtype == np.int32 and np.array_equal(alone, wanted)


@pytest.mark.parametrize("precision", ["float-fast", "bfloat16", "int8"])
def test_precision(tmp_path, precision):
    """Both models run in the precision that is asked for: nearly all tokens stay, but not in all precisions all."""
    options = ["--seed", 3, SAMPLES]
    run("beit-mask", "--npy", tmp_path / "float.npy", *options)
    run("beit-mask", "--npy", tmp_path / "other.npy", "--precision", precision, *options)
    exact, other = np.load(tmp_path / "float.npy"), np.load(tmp_path / "other.npy")
    assert np.array_equal(exact[:, 2], other[:, 2])
    assert (exact[:, :2] == other[:, :2]).mean() > 0.8
    text = subprocess.run([str(BUILD / "beit-mask"), "--verbose", "--precision", precision, str(SAMPLES / "bag.png")],
                          capture_output=True, text=True, check=True, timeout=120).stderr
    assert f"precision {precision}," in text


def test_picture(tmp_path):
    """Hidden patches are grey in the second image; with none hidden, the last two are the same."""
    sample = SAMPLES / "bag.png"
    rows = ",".join(["1111111"] * 2 + ["0000000"] * 5)
    run("beit-mask", "--mask", rows, "-o", tmp_path / "out.png", sample)
    first, second, third, fourth = panels(tmp_path / "out.png")
    assert (second[:128] == 128).all() and np.array_equal(second[128:], first[128:])
    assert not np.array_equal(third, fourth)
    run("beit-mask", "--ratio", 0, "-o", tmp_path / "none.png", sample)
    first, second, third, fourth = panels(tmp_path / "none.png")
    assert np.array_equal(first, second) and np.array_equal(third, fourth)
    assert np.abs(third.astype(int) - first).mean() < 30  # the tokens show the bag


def panels(path):
    picture = np.asarray(Image.open(path))
    return [picture[64:512, 24 + 472 * i:472 * (i + 1)] for i in range(4)]


def test_titles_of_small_images_stand_apart(tmp_path):
    run("beit-mask", "--size", 160, "-o", tmp_path / "out.png", SAMPLES / "bag.png")
    titles = np.asarray(Image.open(tmp_path / "out.png"))[:56].min(axis=(0, 2)) < 128  # columns with ink
    gaps = np.diff(np.flatnonzero(titles))
    assert titles.any() and (gaps > 24).sum() == 3 and not titles[-12:].any()


def test_other_models(tmp_path):
    """A folder of transformers needs the tokenizer that it was trained with; without one, the message says so."""
    model = GOLDEN / "hugging_face" / "masked"
    assert "found a model with 40 visual tokens and a tokenizer with 256" in run(
        "beit-mask", "--model", model, SAMPLES / "bag.png", status=1)[0]
    assert "which beit-mask reads" in run(
        "beit-classify", "--model", model, SAMPLES / "bag.png", status=1)[0]
    assert "which beit-embed reads, wanted a masked-image model" in run(
        "beit-mask", "--model", GOLDEN / "model_plain.safetensors", SAMPLES / "bag.png", status=1)[0]


def test_golden_tokens(tmp_path):
    """The tokens of a tokenizer in a file, for a folder and in shards, are those of DALL-E's own blocks."""
    safetensors = pytest.importorskip("safetensors.numpy")
    expected = safetensors.load_file(GOLDEN / "dvae_three.expected.safetensors")
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 3), dtype=np.uint8)
    for i in range(3):
        Image.fromarray(np.roll(pixels, i, axis=1)).save(folder / f"{i}.png")
    model = GOLDEN / "dvae_three.safetensors"
    run("beit-embed", "--model", model, "--tokens", "visual", "--output", tmp_path / "out.npy", folder)
    run("beit-embed", "--model", model, "--tokens", "visual", "--output", tmp_path / "shards", "--shard-size", 2, folder)
    tokens = np.load(tmp_path / "out.npy")
    assert tokens.shape == (3, *expected["tokens"].shape[1:]) and tokens.dtype == np.int32
    shards = [np.load(path) for path in sorted((tmp_path / "shards" / "img_emb").iterdir())]
    assert np.array_equal(np.concatenate(shards), tokens)
    job = tmp_path / "shards" / "job.json"
    assert json.loads(job.read_text())["dtype"] == "int32"
    for path in (job, *(tmp_path / "shards" / "done").iterdir()):  # as earlier versions recorded it
        path.write_text(path.read_text().replace('"int32"', '"float32"'))
    assert "0 images embedded" in run("beit-embed", "--model", model, "--tokens", "visual", "--output", tmp_path / "shards",
                                      "--shard-size", 2, folder)[0]
    run("beit-embed", "--model", model, "--tokens", "visual", "--image-size", "16x8", "--output", tmp_path / "tall.npy",
        folder)
    assert np.load(tmp_path / "tall.npy").shape == (3, 4, 2)


def test_tokens_of_beit_v2(tmp_path):
    """BEiT v2's tokens are those of its own arithmetic. Where there are no pixels for them, the picture shows the visible
    patch whose code is nearest."""
    model, tokenizer = GOLDEN / "hugging_face" / "masked", GOLDEN / "vqkd_bare.safetensors"
    pixels = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    rows = "0110,1001,0000,1000"
    run("beit-mask", "--model", model, "--tokenizer", tokenizer, "--mask", rows, "-o", tmp_path / "out.png",
        "--npy", tmp_path / "out.npy", tmp_path / "noise.png")
    wanted, predicted, mask = np.load(tmp_path / "out.npy")[0]
    run("beit-embed", "--model", tokenizer, "--tokens", "visual", "--image-size", 32, "--preprocessing",
        preprocessing_of_32(tmp_path), "--output", tmp_path / "tokens.npy", tmp_path / "noise.png")
    assert np.array_equal(np.load(tmp_path / "tokens.npy")[0], wanted) and len(set(wanted.flat)) > 3
    first, second, third, fourth = panels(tmp_path / "out.png")
    with safe_open(tokenizer, "numpy") as file:
        codes = file.get_tensor("quantize.embedding.weight")
    visible = np.flatnonzero(mask.flat == 0)

    def patch(image, i):
        return image[112 * (i // 4):112 * (i // 4 + 1), 112 * (i % 4):112 * (i % 4 + 1)]

    for panel, tokens in ((third, wanted), (fourth, predicted)):
        for i in range(16):
            distances = np.square(codes[wanted.flat[visible]] - codes[tokens.flat[i]]).sum(1)
            source = visible[distances.argmin()] if mask.flat[i] else i
            assert np.array_equal(patch(panel, i), patch(first, source)), i
    assert (patch(second, 1) == 128).all()
    run("beit-mask", "--model", model, "--tokenizer", tokenizer, "--ratio", 1, "-o", tmp_path / "all.png",
        tmp_path / "noise.png")
    assert all((panel == 128).all() for panel in panels(tmp_path / "all.png")[1:])  # nothing is visible
    assert "found a model with 40 visual tokens and a tokenizer with 61, wanted the tokenizer" in run(
        "beit-mask", "--model", model, "--tokenizer", GOLDEN / "vqkd_square.safetensors", SAMPLES / "bag.png", status=1)[0]
    assert "found BEiT v2's tokenizer, which beit-mask --tokenizer and beit-embed --tokens visual read" in run(
        "beit-classify", "--model", tokenizer, SAMPLES / "bag.png", status=1)[0]


def preprocessing_of_32(folder):
    """A file with the preprocessing of the masked model's images, at the tokenizer's size."""
    path = folder / "preprocessing.json"
    path.write_text(json.dumps({"input_size": [3, 32, 32], "crop_pct": 1.0, "crop_mode": "squash",
                                "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3}))
    return path


@pytest.mark.parametrize("arguments, status, message", [
    (["--mask", "01,10"], 1, "--mask: found '01,10', wanted 7 rows of 7 digits"),
    (["--mask", "0000000", "--seed", "1"], 2, "--seed excludes --mask"),
    (["--ratio", "1.5"], 2, "--ratio"),
    (["-o", "out.jpg"], 2, "found 'out.jpg', wanted a name in .png"),
    (["--image-size", "30"], 1, "--image-size: found 30x30, wanted a multiple of the patch size 4x4"),
    (["--tokenizer", "none.safetensors"], 1, "none.safetensors"),
])
def test_wrong_use(arguments, status, message):
    lines = run("beit-mask", *arguments, SAMPLES / "bag.png", status=status)
    assert len(lines) == 1 and message in lines[0]


def test_broken_images(tmp_path):
    """Unreadable images are named, the others are done, and --strict says so with the status."""
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    lines = run("beit-mask", tmp_path / "broken.png", SAMPLES / "bag.png", "--npy", tmp_path / "out.npy", "--strict", status=1)
    assert len(lines) == 1 and "broken.png" in lines[0]
    assert np.load(tmp_path / "out.npy").shape == (1, 3, 7, 7)


def test_image_size(tmp_path):
    """--image-size reaches the model, its tokens and the tokenizer: 8 x 9 patches of 32 x 36 pixels."""
    run("beit-mask", "--image-size", "32x36", "--npy", tmp_path / "out.npy", SAMPLES / "bag.png")
    assert np.load(tmp_path / "out.npy").shape == (1, 3, 8, 9)
    run("beit-embed", "--image-size", "32x36", "--tokens", "patch", "--output", tmp_path / "patch.npy", SAMPLES / "bag.png")
    assert np.load(tmp_path / "patch.npy").shape[:3] == (1, 8, 9)
    at_24 = run("beit-classify", "--image-size", "24", "--json", SAMPLES / "bag.png")
    assert at_24 != run("beit-classify", "--json", SAMPLES / "bag.png")

def test_results_that_are_not_finite_are_failures(tmp_path):
    with safe_open(ROOT / "examples" / "data" / "masked_fashion_mnist.safetensors", "numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    head = tensors["lm_head.weight"].astype(np.float32)
    tensors["lm_head.weight"] = head / np.abs(head).max() * np.float32(3e38)
    save_file(tensors, tmp_path / "large.safetensors", metadata=metadata)
    names = sorted(SAMPLES.glob("*.png"))
    found = run("beit-mask", "--model", tmp_path / "large.safetensors", "--npy", tmp_path / "out.npy", SAMPLES, status=1)
    assert [line.split(": ")[1] for line in found] == list(map(str, names))
    assert all(": the model's result is " in line for line in found) and not (tmp_path / "out.npy").exists()
