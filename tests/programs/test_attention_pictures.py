"""Tests beit-attention from outside: options, numbers, pictures, files. tests/timm compares the numbers with timm.

    BEIT_BUILD_DIR=build python -m pytest tests/programs/test_attention_pictures.py
"""

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
MODEL = GOLDEN / "model_standard.safetensors"  # 20 x 20 pixels, patch 4: 5 x 5 patches, 26 tokens
TOKENS, GRID = 26, 5
MARGIN = 24


def run(*arguments, status=0):
    command = [str(BUILD / "beit-attention"), *map(str, arguments)]
    result = without_notes(subprocess.run(command, capture_output=True, timeout=120))
    assert result.returncode == status, result.stderr
    assert result.stdout == b"" or status == 0
    return result.stderr.decode().splitlines()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 30, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def draw(image, tmp_path):
    """draw(option...) returns the picture's pixels (height, width, 3) and the numbers of --npy."""
    def call(*options, source=image, model=MODEL):
        run("--model", model, source, "-o", tmp_path / "out.png", "--npy", tmp_path / "out.npy", *options)
        with Image.open(tmp_path / "out.png") as picture:
            assert (picture.format, picture.mode) == ("PNG", "RGB")
            return np.asarray(picture), np.load(tmp_path / "out.npy")
    return call


def seen(picture, size=896):
    """The left one of the two images: the input."""
    return picture[MARGIN:MARGIN + size, MARGIN:MARGIN + size].astype(int)


def overlay(picture, size=896):
    """The right one of the two images: the input under the map."""
    return picture[MARGIN:MARGIN + size, 2 * MARGIN + size:2 * (MARGIN + size)].astype(int)


def luminance(pixels):
    return pixels @ [299, 587, 114] / 1000


def test_every_option_changes_the_picture(draw):
    choices = [(), ("--patch", "0,3"), ("--block", 0), ("--head", 1), ("--rollout",), ("--pca",), ("--pca", "--block", 0),
               ("--rollout", "--patch", "4,4")]
    pictures = {options: draw(*options)[0] for options in choices}
    maps = {overlay(picture).tobytes() for picture in pictures.values()}
    assert len(maps) == len(choices)
    left = [seen(picture) for options, picture in pictures.items() if "--patch" not in options]
    assert all(np.array_equal(part, left[0]) for part in left)  # the image itself
    assert np.array_equal(draw("--block", -1)[0], pictures[()])
    assert np.array_equal(draw()[0], pictures[()])


def test_the_image_is_what_the_model_sees(image, draw, tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((22, 22), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    for source in (image, tmp_path / "large.png"):
        with Image.open(source) as opened:
            # crop_pct 0.9 of 20 pixels: resized to 22, and the middle of that
            cropped = opened.resize((22, 22), Image.Resampling.BICUBIC).crop((1, 1, 21, 21))
        picture, _ = draw("--size", 200, source=source)
        assert np.array_equal(seen(picture, 200), np.asarray(cropped.resize((200, 200), Image.Resampling.BICUBIC)))


def test_numbers(draw):
    _, attention = draw()
    assert (attention.shape[1:], attention.dtype) == ((TOKENS, TOKENS), np.float32)
    np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-6)
    assert np.array_equal(draw("--head", 1, "--patch", "1,1")[1], attention)
    blocks = []
    while True:
        try:
            blocks.append(draw("--block", len(blocks))[1].astype(float))
        except AssertionError:
            break
    assert len(blocks) > 1 and np.array_equal(blocks[-1], attention)
    rollout = np.eye(TOKENS)
    for block in blocks:
        rollout = (block.mean(0) + np.eye(TOKENS)) / 2 @ rollout
    found = draw("--rollout")[1]
    np.testing.assert_allclose(found, rollout, atol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)


def test_colours_follow_the_numbers(draw):
    """At a patch's centre the map has the colour that the bar has for its number: brighter for more."""
    picture, attention = draw("--size", 445)  # 89 pixels a patch, an odd number
    values = attention.mean(0)[0, 1:].reshape(GRID, GRID)
    shares = (values - values.min()) / (values.max() - values.min())
    shown, left = overlay(picture, 445), seen(picture, 445)
    bar = picture[MARGIN + 8:MARGIN + 437, 3 * MARGIN + 2 * 445 + 5].astype(int)
    assert (np.diff(luminance(bar)) < 0.5).all() and luminance(bar[0]) - luminance(bar[-1]) > 150
    for row in range(GRID):
        for col in range(GRID):
            y, x = 89 * row + 44, 89 * col + 44
            grey = 64 + luminance(left[y, x]) * 160 / 255
            wanted = 0.65 * bar[round((1 - shares[row, col]) * 428)] + 0.35 * grey
            assert np.abs(shown[y, x] - wanted).max() < 4


def test_components(draw, tmp_path, image):
    """The principal components of the patch tokens that beit-embed writes, up to rounding."""
    found = draw("--pca")[1]
    assert (found.shape, found.dtype) == ((GRID, GRID, 3), np.float32)
    subprocess.run([BUILD / "beit-embed", "--model", MODEL, "--tokens", "patch", "--output", tmp_path / "patch.npy",
                    image], check=True)
    tokens = np.load(tmp_path / "patch.npy").reshape(GRID**2, -1).astype(float)
    tokens -= tokens.mean(0)
    left, values, _ = np.linalg.svd(tokens)
    wanted = left[:, :3] * values[:3]
    wanted *= np.sign(wanted[np.abs(wanted).argmax(0), range(3)])
    np.testing.assert_allclose(found.reshape(-1, 3), wanted, atol=1e-5)


def test_components_tell_themselves_apart_without_hues(draw):
    """The right side shows each component alone, the first on top: light where it is large."""
    picture, components = draw("--pca", "--size", 445)
    for i in range(3):
        top, left = MARGIN + i * ((445 + MARGIN) // 3), 3 * MARGIN + 2 * 445
        side = (445 + MARGIN) // 3 - MARGIN
        small = luminance(picture[top:top + side, left:left + side].astype(int))
        centres = (np.arange(GRID) + 0.5) * side / GRID
        inner = slice(1, -1)  # the frame lies on what is outside
        shown = small[np.ix_(centres.astype(int), centres.astype(int))][inner, inner]
        wanted = components[inner, inner, i]
        assert np.corrcoef(shown.ravel(), wanted.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("options", [(), ("--pca",)])
@pytest.mark.parametrize("size", [160, 896])
def test_letters_are_large(options, size, draw):
    """Capital letters are 28 pixels high, and nothing is cut off, however small the image."""
    picture, _ = draw("--size", size, *options)
    assert (picture[-MARGIN // 2:] == 255).all() and (picture[:, -MARGIN // 2:] == 255).all()
    caption = picture[picture.shape[0] - 2 * 40 - MARGIN // 2:].min(axis=(1, 2)) < 100  # rows with ink
    assert 2 * 28 <= caption.sum() <= 2 * 40


@pytest.mark.parametrize("size, lines", [(160, 2), (448, 3), (896, 5)])
def test_numbers_beside_the_bar_stand_apart(size, lines, draw):
    """A flat image has fewer components."""
    picture, _ = draw("--size", size, model=GOLDEN / "model_rectangle.safetensors")
    left = 3 * MARGIN + 2 * size + 58
    ink = picture[:-2 * 40 - MARGIN, left:left + 150].min(axis=(1, 2)) < 128  # rows
    tops = np.flatnonzero(np.diff(ink.astype(int), prepend=0) > 0)
    assert len(tops) == lines and (np.diff(tops) >= 40).all()


def test_rectangle(draw):
    """Tests a grid that isn't square, its last patch, and a picture of the image's shape."""
    model = GOLDEN / "model_rectangle.safetensors"
    components = draw("--pca", model=model)[1]
    rows, cols, _ = components.shape
    assert rows != cols
    first, numbers = draw(model=model)
    last, _ = draw("--patch", f"{rows - 1},{cols - 1}", model=model)
    assert numbers.shape[1] == 1 + rows * cols
    assert not np.array_equal(first, last)
    run("--model", model, "missing.png", "-o", "out.png", "--patch", f"{cols},{rows}", status=1)


@pytest.mark.parametrize("precision", ["float-fast", "bfloat16", "int8"])
def test_another_precision_is_near(precision, draw):
    exact, rounded = draw()[1], draw("--precision", precision)[1]
    np.testing.assert_allclose(rounded, exact, atol=0.02)
    np.testing.assert_allclose(rounded.sum(-1), 1, atol=1e-6)


def test_embedded_model(image, tmp_path):
    run(image, "--output", tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").size[0] > 1800


# Errors


@pytest.mark.parametrize("arguments", [
    ["a.png"], ["-o", "out.png"], ["a.png", "b.png", "-o", "out.png"], ["a.png", "-o", "out.jpg"], ["a.png", "-o", ""],
    ["--patch", "3", "a.png", "-o", "out.png"], ["--patch", "3,", "a.png", "-o", "out.png"],
    ["--patch", "-1,2", "a.png", "-o", "out.png"], ["--patch", "1,2,3", "a.png", "-o", "out.png"],
    ["--patch", "1.5,2", "a.png", "-o", "out.png"], ["--head", "-1", "a.png", "-o", "out.png"],
    ["--block", "last", "a.png", "-o", "out.png"], ["--rollout", "--block", "0", "a.png", "-o", "out.png"],
    ["--rollout", "--head", "0", "a.png", "-o", "out.png"], ["--pca", "--patch", "0,0", "a.png", "-o", "out.png"],
    ["--pca", "--rollout", "a.png", "-o", "out.png"], ["--pca", "--head", "0", "a.png", "-o", "out.png"],
    ["--size", "100", "a.png", "-o", "out.png"], ["--npy", "out.txt", "a.png", "-o", "out.png"],
    ["--batch-size", "2", "a.png", "-o", "out.png"], ["--precision", "half", "a.png", "-o", "out.png"]])
def test_usage_errors(arguments):
    line, = run(*arguments, status=2)
    assert line.startswith("beit-attention: ") and line.endswith("(see --help)")


@pytest.mark.parametrize("options, found", [
    (["--patch", "5,0"], "--patch, row: found 5, wanted 0 to 4"),
    (["--patch", "0,7"], "--patch, column: found 7, wanted 0 to 4"),
    (["--block", "99"], "--block: found 99, wanted -"), (["--block", "-99"], "--block: found -99, wanted -"),
    (["--head", "50"], "--head: found 50, wanted 0 to ")])
def test_numbers_that_the_model_does_not_have(options, found, image, tmp_path):
    line, = run("--model", MODEL, image, "-o", tmp_path / "out.png", *options, status=1)
    assert line.startswith("beit-attention: ") and found in line
    assert not list(tmp_path.glob("out*"))


def test_bad_files(image, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("hello")
    old = tmp_path / "out.png"
    old.write_text("old picture")
    for model, source, found in [(MODEL, text, "text.png"), (MODEL, tmp_path / "missing.png", "missing.png"),
                                 (MODEL, tmp_path, str(tmp_path)), (text, image, "text.png")]:
        line, = run("--model", model, source, "-o", old, "--npy", tmp_path / "out.npy", "--force", status=1)
        assert line.startswith("beit-attention: ") and found in line
    assert old.read_text() == "old picture"
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.png"]


def test_output_that_cannot_be_written(image, tmp_path):
    for output in (tmp_path / "no" / "out.png", tmp_path / "folder.png"):
        (tmp_path / "folder.png").mkdir(exist_ok=True)
        line, = run("--model", MODEL, image, "-o", output, status=1)
        assert str(output) in line
    # The numbers can't be written: neither is the picture.
    line, = run("--model", MODEL, image, "-o", tmp_path / "out.png", "--npy", tmp_path / "no" / "out.npy", status=1)
    assert "out.npy" in line
    assert not list(tmp_path.glob("out*"))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_read_only_folder(image, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    if os.geteuid() == 0:  # who may write in every folder of a disk
        folder = pathlib.Path("/proc")
    line, = run("--model", MODEL, image, "-o", folder / "out.png", status=1)
    assert line.startswith(f"beit-attention: {folder / 'out.png'}: can't create: ")


@pytest.mark.parametrize("options", [[], ["--rollout"], ["--pca"]])
def test_results_that_are_not_finite_draw_nothing(options, image, tmp_path):
    with safe_open(MODEL, "numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    tensors["patch_embed.proj.weight"] = tensors["patch_embed.proj.weight"] * np.float32(3e38)
    save_file(tensors, tmp_path / "large.safetensors", metadata=metadata)
    line, = run("--model", tmp_path / "large.safetensors", image, "-o", tmp_path / "out.png", *options, status=1)
    assert line.startswith(f"beit-attention: {image}: the model's result is ")
    assert not (tmp_path / "out.png").exists()


def test_many_images(image, tmp_path):
    """Each image's picture and numbers are those of the image alone; a broken image costs a line."""
    folder = tmp_path / "photos"
    for i, name in enumerate(("a/1.png", "a/2.jpg", "b/below/1.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (30, 30, 3), dtype=np.uint8)).save(folder / name)
    (folder / "a" / "text.png").write_text("hello")
    common = ["--model", MODEL, "--size", 160]
    lines = run(*common, folder, "-o", tmp_path / "out", "--npy", tmp_path / "numbers")
    assert len([line for line in lines if "text.png" in line]) == 1
    run(*common, "--strict", folder, "-o", tmp_path / "out", status=1)
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")} == {
        "a/1.png", "a/2.png", "b/below/1.png"}
    for name in ("a/1.png", "a/2.jpg", "b/below/1.png"):
        run(*common, folder / name, "-o", tmp_path / "one.png", "--npy", tmp_path / "one.npy")
        stem = pathlib.PurePath(name).with_suffix("")
        assert (tmp_path / "out" / f"{stem}.png").read_bytes() == (tmp_path / "one.png").read_bytes()
        assert (tmp_path / "numbers" / f"{stem}.npy").read_bytes() == (tmp_path / "one.npy").read_bytes()
    # One image in a folder of pictures; the names begin below what all images share.
    run(*common, "--pca", folder / "b" / "below" / "1.png", "-o", tmp_path / "single")
    assert [path.name for path in (tmp_path / "single").iterdir()] == ["1.png"]


@pytest.mark.parametrize("options", [[], ["--rollout"], ["--pca"]])
def test_numbers_that_cannot_be_written_end_the_run(options, image, tmp_path):
    """Unlike an image that can't be read: the exit status is 1, whatever was done before."""
    (tmp_path / "photos").mkdir()
    for name in ("1.png", "2.png", "3.png"):
        (tmp_path / "photos" / name).write_bytes(image.read_bytes())
    (tmp_path / "numbers" / "2.npy").mkdir(parents=True)
    line, = run("--model", MODEL, "--size", 160, *options, tmp_path / "photos", "-o", tmp_path / "out", "--npy",
                tmp_path / "numbers", status=1)
    assert line.startswith(f"beit-attention: {tmp_path / 'numbers' / '2.npy'}: ")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.png"]
    assert {path.name for path in (tmp_path / "numbers").iterdir()} == {"1.npy", "2.npy"}


def test_names_of_many_pictures_are_checked_first(image, tmp_path):
    other = tmp_path / "image.jpg"
    Image.open(image).save(other)
    before = image.read_bytes()
    common = ["--model", MODEL, "--size", 160]
    line, = run(*common, tmp_path, "-o", tmp_path / "out.png", status=1)
    assert "2 images, wanted a folder for their files" in line
    line, = run(*common, image, other, "-o", tmp_path / "out", status=1)
    assert "found one file, " in line and str(image) in line and str(other) in line
    line, = run(*common, image, "-o", tmp_path, status=1)
    assert "image.png, which is an input too" in line and image.read_bytes() == before
    for options in (["-o", "x.png", "--npy", "y"], ["-o", "x", "--npy", "y.npy"]):
        assert run(*common, image, *options, status=2)[0].endswith("(see --help)")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.jpg", "image.png"]
