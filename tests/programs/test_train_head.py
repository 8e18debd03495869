"""Tests beit-train-head from outside: its output, its files, and what it refuses.

    BEIT_BUILD_DIR=build python -m pytest tests/programs
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from test_programs import posix, run_on_terminal, screen, slow, without_notes, write_image

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve()
MODEL = ROOT / "tests" / "golden" / "model_bf16.safetensors"
PROGRAM = BUILD / "beit-train-head"
COLOURS = {"blue": (30, 40, 220), "green": (40, 200, 50), "<red>": (220, 30, 30)}


def run(*arguments, cache=None, **options):
    cached = ["--no-cache"] if cache is None else ["--cache", str(cache)]
    command = [str(PROGRAM), *cached, *(str(argument) for argument in arguments)]
    return without_notes(subprocess.run(command, capture_output=True, text=True, timeout=120, **options))


def fails(*arguments, status=1, **options):
    """The one line on standard error of a run that fails."""
    result = run(*arguments, **options)
    assert (result.returncode, result.stdout) == (status, ""), result.stdout + result.stderr
    line, = result.stderr.splitlines()
    assert line.startswith("beit-train-head: ")
    return line


def make_class(folder, colour, count, seed=0):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        pixels = np.clip(np.array(colour) + rng.normal(0, 60, (24, 24, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")


@pytest.fixture
def data(tmp_path):
    for seed, (name, colour) in enumerate(COLOURS.items()):
        make_class(tmp_path / "data" / name, colour, 12 + seed, seed)
    return tmp_path / "data"


def test_makes_a_classifier(data, tmp_path):
    output = tmp_path / "new.safetensors"
    result = run("--model", MODEL, "--data", data, "--output", output, "--confusion", tmp_path / "confusion.png")
    assert (result.returncode, result.stderr) == (0, "")
    assert "3 classes; images: 31 for training, 8 for testing" in result.stdout
    assert re.search(r"^accuracy 100.00 % \(8 of 8\)$", result.stdout, re.M)
    assert re.search(r"^<red> +3 +100.00 % +100.00 %$", result.stdout, re.M)
    assert re.search(r"^<red> +3 +0 +0$", result.stdout, re.M)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["confusion.png", "data", "new.safetensors"]
    with Image.open(tmp_path / "confusion.png") as picture:
        assert picture.mode == "RGB" and min(picture.size) > 3 * 88

    # Every tensor of the backbone as it was, in its type.
    with safe_open(MODEL, "pt") as old, safe_open(output, "pt") as new:
        assert set(old.keys()) == set(new.keys())
        for name in old.keys():
            if not name.startswith("head."):
                assert new.get_tensor(name).dtype == old.get_tensor(name).dtype
                assert new.get_tensor(name).equal(old.get_tensor(name))
        assert tuple(new.get_tensor("head.weight").shape) == (3, old.get_tensor("head.weight").shape[1])
        assert json.loads(new.metadata()["beit.config"])["label_names"] == sorted(COLOURS)

    shown = subprocess.run([BUILD / "beit-classify", "--model", output, "--json", *sorted(data.glob("*/*.png"))],
                           capture_output=True, text=True, check=True)
    for line in shown.stdout.splitlines():
        found = json.loads(line)
        assert found["predictions"][0]["label"] == pathlib.Path(found["image"]).parent.name


def write_int8(path):
    """A small model whose blocks' matrices are int8 with one scale per row."""
    with safe_open(ROOT / "tests" / "golden" / "model_standard.safetensors", "np") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    for name in [name for name in tensors if re.search(r"^blocks.*(qkv|proj|fc1|fc2)\.weight$", name)]:
        scale = (np.abs(tensors[name]).max(1) / 127).astype(np.float32)
        tensors[name + "_scale"] = scale
        tensors[name] = np.round(tensors[name] / scale[:, None]).astype(np.int8)
    save_file(tensors, path, metadata)


@pytest.mark.parametrize("precision", ["float", "float-fast", "bfloat16", "int8"])
def test_every_precision_on_an_int8_model(precision, data, tmp_path):
    model, output = tmp_path / "int8.safetensors", tmp_path / "new.safetensors"
    write_int8(model)
    result = run("--model", model, "--data", data, "--output", output, "--C", 1, "--precision", precision)
    assert (result.returncode, result.stderr) == (0, "")
    with safe_open(model, "np") as before, safe_open(output, "np") as after:
        kept = [name for name in before.keys() if not name.startswith("head.")]
        assert sum(name.endswith("_scale") for name in kept) > 0
        assert sorted(after.keys()) == sorted([*kept, "head.bias", "head.weight"])
        for name in kept:
            assert after.get_tensor(name).dtype == before.get_tensor(name).dtype
            np.testing.assert_array_equal(after.get_tensor(name), before.get_tensor(name))
    classified = subprocess.run([BUILD / "beit-classify", "--model", output, "--precision", precision, "--top-k", "1",
                                 data / "green" / "00.png"], capture_output=True, text=True, check=True)
    assert classified.stdout.splitlines()[1].endswith("  green")


def test_same_arguments_give_the_same_bytes(data, tmp_path):
    files, texts = set(), set()
    for i, options in enumerate([[], ["--threads", 1], ["--threads", 3, "--batch-size", 3]]):
        result = run("--model", MODEL, "--data", data, "--output", tmp_path / f"{i}.safetensors", *options)
        files.add((tmp_path / f"{i}.safetensors").read_bytes())
        texts.add(result.stdout)
    assert len(files) == len(texts) == 1
    run("--model", MODEL, "--data", data, "--output", tmp_path / "other.safetensors", "--seed", 1)
    assert (tmp_path / "other.safetensors").read_bytes() not in files


def test_cache_changes_nothing_but_the_time(data, tmp_path):
    cache = tmp_path / "cache"
    arguments = ["--model", MODEL, "--data", data, "--output", tmp_path / "new.safetensors"]
    first = run(*arguments, cache=cache)
    wanted = (tmp_path / "new.safetensors").read_bytes()
    kept, = cache.iterdir()
    before = kept.stat().st_mtime_ns
    assert run(*arguments, cache=cache).stdout == first.stdout
    assert (tmp_path / "new.safetensors").read_bytes() == wanted
    assert kept.stat().st_mtime_ns == before
    # It is a file's content that counts, and another model's embeddings are others.
    (data / "blue" / "00.png").rename(data / "green" / "99.png")
    run(*arguments, cache=cache)
    assert kept.stat().st_mtime_ns == before
    run("--data", data, "--output", tmp_path / "demo.safetensors", cache=cache)
    assert len(list(cache.iterdir())) == 2
    # A damaged one is made again.
    good = kept.read_bytes()
    kept.write_bytes(good[:-5])
    assert run(*arguments, cache=cache).returncode == 0
    assert kept.read_bytes() == good


def test_knn_and_val(data, tmp_path):
    for name, colour in COLOURS.items():
        make_class(tmp_path / "val" / name, colour, 5, seed=9)
    arguments = ["--model", MODEL, "--data", data, "--val", tmp_path / "val"]
    result = run(*arguments, "--knn", "--k", 5)
    assert (result.returncode, result.stderr) == (0, "")
    assert "39 for training, 15 for testing" in result.stdout and "accuracy 100.00 % (15 of 15)" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "val"]
    result = run(*arguments, "--output", tmp_path / "new.safetensors", "--C", 0.5, "--class-weights", "balanced")
    assert "39 for training, 15 for testing" in result.stdout and "cross-validation" not in result.stdout


def test_a_folder_in_timms_layout_is_a_model(data, tmp_path):
    with safe_open(MODEL, "pt") as file:
        config = file.metadata()["beit.config"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    from safetensors.torch import save_file
    (tmp_path / "pair").mkdir()
    save_file(tensors, tmp_path / "pair" / "model.safetensors")
    (tmp_path / "pair" / "config.json").write_text(config)
    run("--model", tmp_path / "pair", "--data", data, "--output", tmp_path / "a.safetensors", check=True)
    run("--model", MODEL, "--data", data, "--output", tmp_path / "b.safetensors", check=True)
    with safe_open(tmp_path / "a.safetensors", "pt") as a, safe_open(tmp_path / "b.safetensors", "pt") as b:
        assert all(a.get_tensor(name).equal(b.get_tensor(name)) for name in b.keys())
        assert json.loads(a.metadata()["beit.config"])["model_args"] == json.loads(b.metadata()["beit.config"])["model_args"]


def test_bad_folders(data, tmp_path):
    output = ["--model", MODEL, "--output", tmp_path / "new.safetensors"]
    one = tmp_path / "one"
    make_class(one / "only", (9, 9, 9), 3)
    assert "found 1 subfolder with images, wanted at least 2, one per class" in fails(*output, "--data", one)
    assert "found 0 subfolders with images" in fails(*output, "--data", one / "only")
    assert "can't read the folder" in fails(*output, "--data", tmp_path / "missing")
    make_class(tmp_path / "val" / "blue", (9, 9, 9), 1)
    make_class(tmp_path / "val" / "pink", (9, 9, 9), 1)
    make_class(data / "pink", (9, 9, 9), 1)
    assert "found no class '<red>'" in fails(*output, "--data", data, "--val", tmp_path / "val")
    assert "found the class '<red>', wanted the same classes as for training" in fails(*output, "--data", tmp_path / "val", "--val", data)
    assert "class 'pink': found 1 image, wanted at least 2" in fails(*output, "--data", data)
    assert not (tmp_path / "new.safetensors").exists()


def test_classes_as_torchvision_has_them(data, tmp_path):
    """Images in subfolders of a class belong to it; a class without images is left out, with a line."""
    torchvision = pytest.importorskip("torchvision.datasets")
    (data / "blue" / "2024" / "may").mkdir(parents=True)
    for i in range(6):
        os.rename(data / "blue" / f"{i:02}.png", data / "blue" / "2024" / f"{'may/' * (i % 2)}{i:02}.png")
    wanted = torchvision.ImageFolder(data)
    arguments = ["--model", MODEL, "--knn", "--data", data]
    result = run(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{len(wanted.classes)} classes; images: 31 for training, 8 for testing" in result.stdout
    assert len(wanted.samples) == 39
    (data / "empty" / "below").mkdir(parents=True)
    (data / "empty" / "notes.txt").write_text("no image")
    again = run(*arguments)
    assert (again.returncode, again.stdout) == (0, result.stdout)
    assert again.stderr.splitlines() == [f"beit-train-head: {data}: class 'empty': found no image files: left out",
                                         "beit-train-head: 1 file skipped: 1 .txt"]


def test_images_that_cannot_be_read(data, tmp_path):
    (data / "blue" / "03.png").write_text("hello")
    result = run("--model", MODEL, "--data", data, "--output", tmp_path / "new.safetensors")
    assert result.returncode == 0
    line, = result.stderr.splitlines()
    assert "blue/03.png" in line and "30 for training, 8 for testing" in result.stdout
    assert (tmp_path / "new.safetensors").exists()
    (data / "none").mkdir()
    (data / "none" / "a.png").write_text("hello")
    result = run("--model", MODEL, "--data", data, "--output", tmp_path / "other.safetensors")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == "beit-train-head: class 'none': none of its images can be read"
    assert not (tmp_path / "other.safetensors").exists()


@pytest.mark.parametrize("arguments", [
    [], ["--data", "x"], ["--data", "x", "--output", "y", "--knn"], ["--data", "x", "--output", "y", "--C", "-1"],
    ["--data", "x", "--output", "y", "--val", "z", "--val-fraction", "0.5"], ["--data", "x", "--knn", "--k", "0"],
    ["--data", "x", "--knn", "--confusion", "a.jpg"], ["--data", "x", "--output", "y", "--class-weights", "some"]])
def test_usage_errors(arguments):
    assert fails(*arguments, status=2).endswith("(see --help)")


def test_help_is_narrow():
    shown = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    assert max(map(len, shown.splitlines())) <= 120
    assert "IMAGE|FOLDER" not in shown and "--val-fraction" in shown


@pytest.fixture
def mounted(tmp_path):
    """mounted(options) mounts a small file system."""
    folder = tmp_path / "mount"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("can't mount a file system")
        return folder
    yield mount
    subprocess.run(["umount", folder], capture_output=True)


def test_full_disk(data, mounted):
    folder = mounted("size=16k")
    (folder / "new.safetensors").write_text("old")
    result = run("--model", MODEL, "--data", data, "--output", folder / "new.safetensors", "--force")
    assert result.returncode == 1
    line, = result.stderr.splitlines()
    assert "new.safetensors" in line and "No space left" in line
    assert (folder / "new.safetensors").read_text() == "old" and len(list(folder.iterdir())) == 1
    # A cache that can't be kept costs a line, not the model.
    with pytest.raises(OSError):
        with open(folder / "filler", "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    output = folder.parent / "new.safetensors"
    result = run("--model", MODEL, "--data", data, "--output", output, cache=folder / "cache")
    assert result.returncode == 0 and "No space left" in result.stderr and output.exists()


def test_read_only_folder(data, mounted):
    folder = mounted("ro")
    assert "Read-only" in fails("--model", MODEL, "--data", data, "--output", folder / "new.safetensors")
    assert "Read-only" in fails("--model", MODEL, "--data", data, "--knn", "--confusion", folder / "c.png")


def test_interrupt_keeps_what_was_embedded(data, tmp_path):
    for i in range(4000):  # of one picture, each a file of its own
        (data / "blue" / f"copy{i}.pgm").write_bytes(b"P5 2 2 65535 " + i.to_bytes(2, "big") * 4)
    output, cache = tmp_path / "out", tmp_path / "cache"
    output.mkdir()
    command = [PROGRAM, "--data", data, "--output", output / "new.safetensors", "--cache", cache, "--threads", "1", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    shown, errors = process.communicate(timeout=60)
    assert (process.returncode, shown, errors) == (-signal.SIGINT, b"", b"")
    assert not list(output.iterdir())
    kept, = cache.iterdir()
    with safe_open(kept, "np") as file:
        assert 0 < file.get_slice("embeddings").get_shape()[0] < 4000


@posix
def test_progress_on_a_terminal(slow, tmp_path):
    for i in range(40):
        path = tmp_path / "data" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(slow)
    command = [str(BUILD / "beit-train-head"), "--data", str(tmp_path / "data"), "--knn", "--no-cache", "--threads", "1"]
    got = run_on_terminal(command, subprocess.DEVNULL)
    assert b"32/40 images, " in got and b" images/s, 0:0" in got and b" left" in got
    note, large, rest = screen(got)
    assert "no --model: the small demo model" in note and "results for 40 images mean little" in large and not rest
    assert run(*command[1:]).stderr == ""


def other_program(name, *arguments):
    subprocess.run([BUILD / name, *map(str, arguments)], capture_output=True, check=True)


@pytest.mark.parametrize("name", ["sharded", "absolute", "masked"])
def test_models_of_transformers(name, data, tmp_path):
    """The file has their epsilon and their image processor, so that its logits are those of the head on their features."""
    model, output = MODEL.parent / "hugging_face" / name, tmp_path / "new.safetensors"
    assert run("--model", model, "--data", data, "--output", output, "--C", 1).returncode == 0
    with safe_open(output, "np") as file:
        weight, bias = file.get_tensor("head.weight"), file.get_tensor("head.bias")
        config, processor = (json.loads(file.metadata()[key]) for key in ("beit.config", "beit.preprocessor"))
    source = json.loads((model / "config.json").read_text())
    assert config["layer_norm_eps"] == source["layer_norm_eps"] and config["model_type"] == "beit"
    assert config["id2label"] == {str(i): label for i, label in enumerate(sorted(COLOURS))}
    assert processor["size"] == json.loads((model / "preprocessor_config.json").read_text())["size"]
    other_program("beit-embed", "--model", model, "--output", tmp_path / "features.npy", data)
    other_program("beit-classify", "--model", output, "--logits", tmp_path / "logits.npy", data)
    wanted = np.load(tmp_path / "features.npy").astype(np.float64) @ weight.T + bias
    assert np.abs(np.load(tmp_path / "logits.npy") - wanted).max() < 1e-5 * max(1, np.abs(wanted).max())


def test_a_trunk_that_the_file_could_not_describe(data, tmp_path):
    """It is refused before the work; without a new head it serves as any other."""
    with safe_open(MODEL.parent / "model_standard.safetensors", "np") as file:
        tensors = {"backbone." + name: file.get_tensor(name) for name in file.keys()
                   if not name.startswith(("fc_norm.", "head."))}
    model = tmp_path / "segmentation.safetensors"
    save_file({**tensors, "decode_head.conv_seg.weight": np.ones((2, 2), np.float32)}, model)
    result = run("--model", model, "--data", data, "--output", tmp_path / "new.safetensors")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == ("beit-train-head: config_json: found a trunk without a last norm, wanted "
                                              "fc_norm or a last norm, one of which timm's models have")
    assert not (tmp_path / "new.safetensors").exists()
    assert run("--model", model, "--data", data, "--knn").returncode == 0


def test_confusion_is_lettered(tmp_path):
    """Whole, smooth at the edges, and in the letters of the names, whatever their language's accents."""
    def picture(name):
        data = tmp_path / name.replace("/", "")
        for i in range(4):
            path = data / (name if i % 2 else "b") / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, i)
        result = run("--data", data, "--knn", "--confusion", data / "out.png")
        assert (result.returncode, result.stderr) == (0, "")
        return np.asarray(Image.open(data / "out.png"))

    pixels = picture("Größe")
    assert (pixels[:, -20:] == 255).all() and (pixels[-20:] == 255).all() and (pixels[:10] == 255).all()
    shades = np.unique(pixels[:80].reshape(-1, 3), axis=0)  # the line above the matrix: dark ink, paper, and between
    assert len(shades) > 20 and shades.min() < 50
    same = [picture(name) for name in ("Größé", "Größè", "Größ日", "Größ?")]
    assert len({found.tobytes() for found in same}) == 3
    assert np.array_equal(same[2], same[3])  # no letter of the font
