"""Tests beit-segment from outside: options, numbers, pictures, files. tests/timm/segmentation_demo.py compares the labels
with transformers'.

    BEIT_BUILD_DIR=build python -m pytest tests/programs/test_segment.py
"""
import json
import os
import pathlib
import shutil
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
MODEL = ROOT / "examples" / "data" / "segmentation_fashion_mnist.safetensors"
MARGIN = 24


def run(*arguments, status=0):
    """The lines of standard output, or of standard error if the wanted status isn't 0."""
    command = [str(BUILD / "beit-segment"), *map(str, arguments)]
    result = without_notes(subprocess.run(command, capture_output=True, text=True, timeout=120))
    assert result.returncode == status, result.stderr
    return (result.stderr if status else result.stdout).splitlines()


def config():
    with safe_open(MODEL, "numpy") as file:
        return json.loads(file.metadata()["beit.config"])


@pytest.fixture
def scene(tmp_path):
    """A boot above a pair of trousers beside a bag, in 150 x 180 pixels."""
    canvas = Image.new("RGB", (180, 150), (90, 110, 130))
    for name, side, place in (("ankle_boot", 60, (10, 8)), ("trouser", 70, (14, 75)), ("bag", 80, (92, 40))):
        with Image.open(SAMPLES / f"{name}.png") as garment:
            grey = garment.convert("L").resize((side, side), Image.Resampling.BILINEAR)
        canvas.paste(Image.merge("RGB", [grey] * 3), place, grey.point(lambda x: 255 * (x > 20)))
    path = tmp_path / "scene.png"
    canvas.save(path)
    return path


def enlarged(logits, height, width):
    """Bilinear interpolation without aligned corners, in double: (K, h, w) -> (K, height, width)."""
    def along(values, axis, length):
        size = values.shape[axis]
        at = np.clip((np.arange(length) + 0.5) * size / length - 0.5, 0, None)
        first = np.minimum(np.floor(at).astype(int), size - 1)
        weight = (at - first).reshape([-1 if i == axis else 1 for i in range(3)])
        second = np.minimum(first + 1, size - 1)
        return np.take(values, first, axis) * (1 - weight) + np.take(values, second, axis) * weight
    return along(along(logits.astype(np.float64), 1, height), 2, width)


def test_outputs_agree(scene, tmp_path):
    """The picture, the array, the logits and the shares are of one label map, which has the photograph's size."""
    line, = run("--json", "-o", tmp_path / "map.png", "--npy", tmp_path / "map.npy", "--logits", tmp_path / "logits.npy",
                scene)
    labels, logits = np.load(tmp_path / "map.npy"), np.load(tmp_path / "logits.npy")
    names, palette = list(config()["id2label"].values()), config()["palette"]
    assert (labels.shape, labels.dtype) == ((150, 180), np.int32)
    assert (logits.shape, logits.dtype) == ((11, 32, 32), np.float32)
    ordered = np.sort(large := enlarged(logits, 150, 180), axis=0)
    certain = ordered[-1] - ordered[-2] > 1e-4
    assert certain.mean() > 0.99 and np.array_equal(labels[certain], large.argmax(0)[certain])
    with Image.open(tmp_path / "map.png") as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "P", (180, 150))
        assert np.array_equal(np.asarray(picture), labels)
        assert np.asarray(picture.getpalette()).reshape(-1, 3)[:11].tolist() == palette
        assert np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(palette)[labels])
    found = json.loads(line)
    assert (found["image"], found["height"], found["width"], found["demo_model"]) == (str(scene), 150, 180, True)
    counts = np.bincount(labels.ravel(), minlength=11)
    order = sorted(np.flatnonzero(counts), key=lambda i: (-counts[i], i))
    assert [(entry["index"], entry["label"]) for entry in found["classes"]] == [(i, names[i]) for i in order]
    assert np.allclose([entry["share"] for entry in found["classes"]], counts[order] / labels.size, rtol=1e-6)
    text = run(scene)
    assert text[0] == str(scene)
    assert text[1:] == [f"{100 * counts[i] / labels.size:8.2f} %  {names[i]}" for i in order]


def test_demo_knows_clothes():
    """The model has learned something: it names most of the sample images, each with a garment on black."""
    right = 0
    for line in run("--json", SAMPLES):
        found = json.loads(line)
        kind = next(entry["label"] for entry in found["classes"] if entry["label"] != "background")
        right += pathlib.Path(found["image"]).stem == kind.lower().replace(" ", "_").replace("/", "_")
    assert right >= 6


def test_overlay(scene, tmp_path):
    """The photograph, the same under its colours, and the legend."""
    run("--overlay", tmp_path / "out.png", "--npy", tmp_path / "map.npy", "--size", 360, scene)
    labels, palette = np.load(tmp_path / "map.npy"), np.asarray(config()["palette"])
    with Image.open(tmp_path / "out.png") as picture, Image.open(scene) as image:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        drawn = np.asarray(picture).astype(int)
        large = np.asarray(image.resize((360, 300), Image.Resampling.BICUBIC)).astype(int)
    height, width = 300, 360
    assert drawn.shape[0] == height + 2 * MARGIN
    assert np.array_equal(drawn[MARGIN:-MARGIN, MARGIN:MARGIN + width], large)
    colours = palette[labels.repeat(2, 0).repeat(2, 1)]
    mixed, over = 0.55 * colours + 0.45 * large, drawn[MARGIN:-MARGIN, 2 * MARGIN + width:2 * (MARGIN + width)]
    is_edge = (over == colours).all(2)
    assert np.abs(over - mixed)[~is_edge].max() <= 0.51
    assert 0.01 < is_edge.mean() < 0.3
    legend = drawn[:, 3 * MARGIN + 2 * width:]
    counts = np.bincount(labels.ravel(), minlength=11)
    present = sorted(np.flatnonzero(counts), key=lambda i: -counts[i])
    for line, index in enumerate(present[:6]):  # a seventh line may be that of all others
        assert legend[MARGIN + 40 * line + 15, 15].tolist() == palette[index].tolist()


def test_folders(scene, tmp_path):
    """Each image's files are those of the image alone; a broken image costs a line."""
    folder = tmp_path / "photos"
    for name in ("a/1.png", "b/below/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((scene if name[0] == "a" else SAMPLES / "bag.png").read_bytes())
    (folder / "a/broken.png").write_bytes(b"\x89PNG")
    options = [part for name, ending in (("output", "png"), ("overlay", "png"), ("npy", "npy"), ("logits", "npy"))
               for part in (f"--{name}", tmp_path / name)]
    lines = run("--json", *options, folder)
    assert [pathlib.Path(json.loads(line)["image"]).name for line in lines] == ["1.png", "broken.png", "1.png"]
    assert json.loads(lines[1])["error"].startswith("found no image") and "classes" in json.loads(lines[2])
    for name, ending in (("output", "png"), ("overlay", "png"), ("npy", "npy"), ("logits", "npy")):
        made = sorted(str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*.*"))
        assert made == [f"a/1.{ending}", f"b/below/1.{ending}"]
        run(f"--{name}", tmp_path / f"alone.{ending}", scene, "--force")
        assert (tmp_path / f"alone.{ending}").read_bytes() == (tmp_path / name / f"a/1.{ending}").read_bytes()
    assert "broken.png" in run("--strict", folder, status=1)[0]


def test_an_output_that_cannot_be_written_ends_the_run(scene, tmp_path):
    """Unlike an image that can't be read: the exit status is 1, whatever was done before."""
    for name in ("photos/a/1.png", "photos/b/2.png", "photos/c/3.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(scene.read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").write_text("a file")
    line, = run("--npy", tmp_path / "out", tmp_path / "photos", status=1)
    assert line.startswith(f"beit-segment: {tmp_path / 'out' / 'b'}: can't make the folder: ")
    assert {path.name for path in (tmp_path / "out").rglob("*")} == {"a", "1.npy", "b"}


def test_publishers_differ(scene, tmp_path):
    """The demo model is transformers'; Microsoft's rule reads other blocks and moves a window, and has no logits."""
    for rule in ("transformers", "microsoft"):
        run("--as", rule, "--npy", tmp_path / f"{rule}.npy", scene)
    run("--npy", tmp_path / "own.npy", scene)
    own, same, other = (np.load(tmp_path / f"{name}.npy") for name in ("own", "transformers", "microsoft"))
    assert np.array_equal(own, same) and other.shape == own.shape and not np.array_equal(own, other)
    line, = run("--as", "microsoft", "--logits", tmp_path / "logits.npy", scene, status=1)
    assert "--logits: found Microsoft's rule" in line and not (tmp_path / "logits.npy").exists()


@pytest.mark.parametrize("precision", ["float-fast", "bfloat16", "int8"])
def test_precision(scene, tmp_path, precision):
    run("--npy", tmp_path / "float.npy", scene)
    run("--npy", tmp_path / "other.npy", "--precision", precision, scene)
    assert (np.load(tmp_path / "float.npy") == np.load(tmp_path / "other.npy")).mean() > 0.97


def test_image_size(scene, tmp_path):
    run("--image-size", "84x140", "--logits", tmp_path / "logits.npy", "--npy", tmp_path / "map.npy", scene)
    assert np.load(tmp_path / "logits.npy").shape == (11, 24, 40) and np.load(tmp_path / "map.npy").shape == (150, 180)


def test_labels(scene, tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(f"name {i}" for i in range(11)))
    found = json.loads(run("--json", "--labels", tmp_path / "names.txt", scene)[0])
    assert all(entry["label"] == f"name {entry['index']}" for entry in found["classes"])
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    assert run("--labels", tmp_path / "names.txt", scene, status=1) == [
        "beit-segment: --labels: found 2 names, wanted 11"]


def test_other_models(scene):
    """A folder of transformers is read; other kinds of models are refused with the program that reads them."""
    found = json.loads(run("--json", "--model", GOLDEN / "hugging_face" / "segmentation", scene)[0])
    assert "demo_model" not in found and {entry["label"] for entry in found["classes"]} <= {f"LABEL_{i}" for i in range(5)}
    line, = run("--model", GOLDEN / "model_standard.safetensors", scene, status=1)
    assert "which beit-embed reads, wanted a segmentation model" in line
    result = subprocess.run([BUILD / "beit-classify", "--model", MODEL, scene], capture_output=True, text=True)
    assert result.returncode == 1 and "which beit-segment reads" in result.stderr


@pytest.mark.parametrize("options, found", [
    (["-o", "out.jpg"], "--output: found 'out.jpg', wanted a name in .png, or a folder"),
    (["--npy", "out.png"], "--npy: found 'out.png', wanted a name in .npy, or a folder"),
    (["--overlay", "out.npy"], "--overlay: found 'out.npy', wanted a name in .png, or a folder"),
    (["--logits", ""], "--logits: found '', wanted a path"),
    (["-o", "out.png", "b.png"], "--output: found 'out.png' and several images, wanted a folder"),
    (["--as", "google"], "--as"), (["--size", "100"], "--size"), (["--batch-size", "2"], "--batch-size")])
def test_usage_errors(options, found):
    line, = run("a.png", *options, status=2)
    assert found in line and line.endswith("(see --help)")


@pytest.mark.parametrize("rule", ["transformers", "microsoft"])
def test_results_that_are_not_finite_write_nothing(rule, scene, tmp_path):
    with safe_open(MODEL, "numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    name = "decode_head.classifier.weight"
    tensors[name] = tensors[name].astype(np.float32) * np.float32(3e38)
    save_file(tensors, tmp_path / "large.safetensors", metadata=metadata)
    line, = run("--model", tmp_path / "large.safetensors", "--as", rule, "-o", tmp_path / "out.png", scene, status=1)
    assert line.startswith(f"beit-segment: {scene}: ") and not (tmp_path / "out.png").exists()


def test_a_rule_that_the_model_has_no_blocks_for(scene, tmp_path):
    """One error of the option, before anything is made."""
    folder = tmp_path / "model"
    shutil.copytree(GOLDEN / "segmentation" / "model", folder)
    changed = json.loads((folder / "config.json").read_text()) | {"out_indices": [1, 2, 3, 6]}
    (folder / "config.json").write_text(json.dumps(changed))
    assert run("--model", folder, "--as", "microsoft", "-o", tmp_path / "out", scene, SAMPLES / "bag.png", status=1) == [
        "beit-segment: --as: found microsoft, which reads block 7 of 6, wanted transformers"]
    assert not (tmp_path / "out").exists()
    run("--model", folder, "--as", "transformers", scene)


def test_messages_name_options_and_no_functions(scene, tmp_path):
    long = tmp_path / "long.png"
    Image.new("RGB", (50, 10)).save(long)
    result = subprocess.run([BUILD / "beit-segment", "--json", "--as", "microsoft", long], capture_output=True, text=True)
    reason = json.loads(result.stdout)["error"]
    assert result.returncode == 1 and reason.startswith("found 10 x 50 pixels, wanted at most four times as many")
    assert f"beit-segment: {long}: {reason}\n" in result.stderr
    line, = run("--image-size", "15x15", scene, status=1)
    assert line.startswith("beit-segment: --image-size: found 15x15, wanted a multiple of the patch size")
