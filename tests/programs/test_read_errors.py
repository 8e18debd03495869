"""Tests that errors of reading have the system's reason and the file's name, on a file system that fails."""

import errno
import json
import os
import subprocess
import tarfile

import pytest

from test_embed import embed, failed_of
from test_programs import MODEL, ROOT, lines, posix, run, write_image

pytestmark = posix
EIO = os.strerror(errno.EIO)


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    compiler = os.environ.get("CC") or "gcc"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, ROOT / "tests/programs/read_shim.c", "-ldl"], check=True)
    return lambda **variables: os.environ | {"LD_PRELOAD": str(library)} | variables


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("bad.png", "good.png"):
        write_image(folder / name, seed=1, size=(300, 200))
    return folder


def classified(photos, environment):
    """The error of bad.png, whose neighbour is classified."""
    result = run("beit-classify", "--model", MODEL, "--json", photos / "bad.png", photos / "good.png", env=environment)
    bad, good = (json.loads(line) for line in lines(result.stdout))
    assert bad["image"] == str(photos / "bad.png") and "error" not in good
    return bad["error"]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_images(shim, photos, tmp_path, number):
    reason = os.strerror(number)
    assert classified(photos, shim(SHIM_READ=f"{number}:bad.png")) == f"can't be read: {reason}"
    assert classified(photos, shim(SHIM_OPEN=f"{number}:bad.png")) == f"can't be opened: {reason}"
    run("beit-embed", "--model", MODEL, "--output", tmp_path / "out", photos, env=shim(SHIM_READ=f"{number}:bad.png"))
    assert [failed["error"].endswith(reason) for failed in failed_of(tmp_path / "out")] == [True]


def test_image_that_is_shortened(shim, photos):
    """It is an error of this image; the pixels of a mapped file would end the process."""
    assert classified(photos, shim(SHIM_CUT="100:bad.png")).startswith("truncated: found 59 bytes of compressed data")
    assert (photos / "bad.png").stat().st_size == 100


def test_other_inputs(shim, photos, tmp_path):
    def error(*arguments, **variables):
        result = run("beit-embed", "--output", tmp_path / "out", *arguments, env=shim(**variables))
        assert result.returncode == 1
        return result.stderr.decode()

    (tmp_path / "names.list").write_text(f"{photos / 'good.png'}\n")
    model = ("--model", MODEL)
    assert f"names.list: can't read the list: {EIO}" in error(*model, "--list", tmp_path / "names.list",
                                                              SHIM_READ="5:names.list")
    assert f"{MODEL}: can't be opened: {EIO}" in error(*model, photos, SHIM_OPEN="5:model_standard")
    folder = ROOT / "tests/golden/hugging_face/classifier"
    assert f"/config.json: can't be read: {EIO}" in error("--model", folder, photos, SHIM_READ="5:/config.json")
    (tmp_path / "crop.json").write_text('{"input_size": [3, 20, 20]}')
    assert f"crop.json: can't be read: {EIO}" in error(*model, "--preprocessing", tmp_path / "crop.json", photos,
                                                       SHIM_READ="5:crop.json")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").rglob("*.npy"))


def test_tar(shim, photos, tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(photos / "good.png", "good.png")
    for i, (variable, done) in enumerate((("SHIM_READ", "Error reading"), ("SHIM_OPEN", "Failed to open"))):
        run("beit-embed", "--model", MODEL, "--output", tmp_path / f"out{i}", tmp_path / "photos.tar",
            env=shim(**{variable: "5:photos.tar"}))
        failed, = failed_of(tmp_path / f"out{i}")
        assert failed["error"].endswith(f"{done} '{tmp_path / 'photos.tar'}': {EIO}")


def test_index(shim, photos, tmp_path):
    embed("--output", tmp_path / "index", photos)
    for part, variables in (("metadata_00000.jsonl", dict(SHIM_READ="5:metadata_00000")),
                            ("img_emb_00000.npy", dict(SHIM_OPEN="5:img_emb_00000"))):
        result = run("beit-search", "--model", MODEL, "--index", tmp_path / "index", photos / "good.png",
                     env=shim(**variables))
        assert result.returncode == 1
        assert part in result.stderr.decode() and EIO in result.stderr.decode()


def test_keys_of_a_preprocessing(photos, tmp_path):
    """Its errors name the file and the key as the file spells it; --verbose says all of it in a line."""
    def classify(preprocessing, *options):
        (tmp_path / "crop.json").write_text(json.dumps(preprocessing))
        return run("beit-classify", "--model", MODEL, "--preprocessing", tmp_path / "crop.json", *options,
                   photos / "good.png")

    vit = {"image_processor_type": "ViTImageProcessor", "size": 20}
    for preprocessing, message in (
            ({**vit, "image_std": [0.5, 0, 0.5]}, "image_std: found [0.5,0,0.5], wanted numbers other than 0"),
            ({**vit, "size": 24}, "size: found 24x24, wanted the model's image size 20x20"),
            ({"input_size": [3, 20, 24]}, "input_size: found 20x24, wanted the model's image size 20x20"),
            ({"input_size": [3, 20, 20], "crop_pct": 0}, "crop_pct: found 0, wanted a number greater than 0"),
            ({"input_size": [3, 20, 20], "crop_pct": 1e9}, "crop_pct: found 1e+09, wanted less")):
        result = classify(preprocessing)
        assert result.returncode == 1
        assert f"{tmp_path / 'crop.json'}: {message}" in result.stderr.decode()

    for preprocessing, text in (
            (vit, "resize bilinear, both edges to 20x20, mean 0.5, std 0.5, pass order pillow_13"),
            ({"input_size": [3, 20, 20], "pass_order": "across_first", "std": [0.5, 0.25, 1]},
             "resize bicubic, shorter edge to 22, centre 20x20, mean 0.485 0.456 0.406, std 0.5 0.25 1, "
             "pass order across_first"),
            ({"input_size": [3, 20, 20], "crop_mode": "border", "crop_pct": 1, "mean": [0], "std": [1]},
             "resize bicubic, whole image into 20x20, centre 20x20, border in the colour of the mean, mean 0, std 1, "
             "pass order pillow_13")):
        result = classify(preprocessing, "--verbose")
        assert lines(result.stderr)[1] == (
            f"beit-classify: preprocessing from --preprocessing {tmp_path / 'crop.json'}: {text}")
    result = run("beit-classify", "--model", MODEL, "--verbose", photos / "good.png")
    assert lines(result.stderr)[1].startswith("beit-classify: preprocessing of the model: resize bicubic, ")
