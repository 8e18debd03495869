"""Tests beit-classify --val from outside, against a count of its own logits and timm's order of folders.

    BEIT_BUILD_DIR=build python -m pytest tests/programs
"""
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from test_programs import without_notes

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve() / "beit-classify"
SAMPLES = ROOT / "examples" / "data" / "fashion_mnist"
LABELS = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def run(*arguments):
    command = [str(PROGRAM), *(str(argument) for argument in arguments)]
    return without_notes(subprocess.run(command, capture_output=True, text=True, timeout=120))


def validate(folder, *arguments):
    result = run("--val", folder, "--json", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def fails(*arguments, status=1):
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (status, "")
    return result.stderr.splitlines()[-1]


def make(folder, names):
    """Each class has its sample and noisy copies of the samples of other classes, so that many are mistaken: 8 per class."""
    samples = sorted(SAMPLES.glob("*.png"))
    rng = np.random.default_rng(4)
    for c, name in enumerate(names):
        (folder / name / "below").mkdir(parents=True)
        for i in range(8):
            pixels = np.asarray(Image.open(samples[(c + i // 3) % len(samples)]).convert("RGB")).astype(int)
            noisy = np.clip(pixels + rng.normal(0, 20 * i, pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / name / ("below" if i % 2 else "") / f"{i}.png")


def count(folder, order, tmp_path):
    """Top-1 and top-5 by class, from the logits; `order` has the folder of each class."""
    run("--logits", tmp_path / "logits.npy", folder)
    logits = np.load(tmp_path / "logits.npy")
    paths = (tmp_path / "logits.txt").read_text().splitlines()
    truth = np.array([order.index(pathlib.Path(path).relative_to(folder).parts[0]) for path in paths])
    best = np.argsort(-logits, axis=1, kind="stable")
    hits = np.stack([best[:, 0] == truth, (best[:, :5] == truth[:, None]).any(1)])
    return hits.mean(1), [hits[:, truth == c].mean(1) for c in range(len(order))], best[:, 0], truth


def check(found, folder, order, tmp_path):
    (top1, top5), by_class, predicted, truth = count(folder, order, tmp_path)
    assert (found["images"], found["unread"]) == (len(truth), 0) and 0 < top1 < 1 and top1 < top5
    np.testing.assert_allclose([found["top1"], found["top5"]], [top1, top5], rtol=1e-6)
    assert sorted(row["index"] for row in found["classes"]) == list(range(len(order)))
    for row in found["classes"]:
        c = row["index"]
        assert (row["folder"], row["images"]) == (order[c], 8)
        np.testing.assert_allclose([row["top1"], row["top5"]], by_class[c], rtol=1e-6)
        taken = predicted == c
        assert row["precision"] == (pytest.approx((truth[taken] == c).mean()) if taken.any() else None)


@pytest.mark.parametrize("spelt", [str, lambda label: label.lower().replace(" ", "_")], ids=["as it is", "otherwise"])
def test_accuracy_by_labels(tmp_path, spelt):
    names = [spelt(label.replace("/", "_")) for label in LABELS]
    make(tmp_path / "val", names)
    found = validate(tmp_path / "val")
    assert found["matched"] == "name"
    check(found, tmp_path / "val", names, tmp_path)
    result = run("--val", tmp_path / "val", "--confusion", tmp_path / "confusion.png")
    lines = result.stdout.splitlines()
    assert lines[0] == "10 of 10 classes, matched by the names of the folders; images: 80, 0 unread"
    right = round(found["top1"] * 80)
    assert lines[1] == f"top-1 {100 * right / 80:.2f} % ({right} of 80)" and lines[2].startswith("top-5 ")
    with Image.open(tmp_path / "confusion.png") as picture:
        assert picture.width > picture.height > 10 * 88  # the mistakes are listed beside the matrix
    # Some classes only: what is taken for another class is a mistake as well.
    for name in names[3:]:
        shutil.rmtree(tmp_path / "val" / name)
    some = validate(tmp_path / "val")
    assert [row["top1"] for row in some["classes"]] == [row["top1"] for name in sorted(names[:3]) for row in found["classes"]
                                                        if row["folder"] == name]
    assert "(no folder)" in run("--val", tmp_path / "val").stdout


def test_accuracy_by_order(tmp_path):
    """Folders without the labels' names are taken in timm's order."""
    natural_key = pytest.importorskip("timm.utils.misc").natural_key
    names = ["n2", "n10", "N3", "n02b", "m", "n1", "10", "9", "a9b", "a10b"]
    make(tmp_path / "val", names)
    found = validate(tmp_path / "val")
    assert found["matched"] == "order"
    check(found, tmp_path / "val", sorted(names, key=natural_key), tmp_path)


def test_folders_that_fit_no_model(tmp_path):
    make(tmp_path / "val", ["Bag", "Coat", "pink", "T-shirt/top".replace("/", "-")])
    assert fails("--val", tmp_path / "val") == (f"beit-classify: {tmp_path / 'val'}: found the folder 'T-shirt-top' and 1 more, "
                                                "wanted labels of the model, such as 'T-shirt/top'")
    shutil.rmtree(tmp_path / "val" / "Bag")
    shutil.rmtree(tmp_path / "val" / "Coat")
    assert "found 2 subfolders, of which none is called as a label of the model such as 'T-shirt/top', wanted one for each of " \
           "its 10 classes, or labels" in fails("--val", tmp_path / "val")
    (tmp_path / "empty").mkdir()
    assert "found 0 subfolders" in fails("--val", tmp_path / "empty")
    assert "can't read the folder" in fails("--val", tmp_path / "missing")
    for name in LABELS[1:]:
        (tmp_path / "hollow" / name).mkdir(parents=True)
    assert "found no images" in fails("--val", tmp_path / "hollow")
    for arguments in (["--val", "x", "y.png"], ["--val", "x", "--csv"], ["--val", "x", "--list", "y"], ["--confusion", "a.png", "x"]):
        assert fails(*arguments, status=2).endswith("(see --help)")
