"""beit-classify and beit-embed, from outside: options, output, exit statuses, files.

    BEIT_BUILD_DIR=build python -m pytest tests/programs

The models are the small ones of tests/golden. Numbers are compared between the programs' own ways to the same result;
tests/timm compares them with timm.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve()
GOLDEN = ROOT / "tests" / "golden"
MODEL = GOLDEN / "model_standard.safetensors"  # 20 x 20 pixels, patch 4, C = 24, K = 10, labels
CLASSES, DIM, GRID = 10, 24, 5
PROGRAMS = ["beit-classify", "beit-embed"]


def without_notes(result):
    """The result of a run without the lines on standard error of which test_habits.py tells: the summary, that the demo
    model is at work, and that it can't judge some images."""
    notes = r"^beit-[a-z-]+: (wrote .* images?/s|no --model: .*)\n"
    if isinstance(result.stderr, bytes):
        notes = notes.encode()
    result.stderr = re.sub(notes, notes[:0], result.stderr, flags=re.M)
    return result


def run(program, *arguments, cwd=None, **options):
    command = [str(BUILD / program), *(str(argument) for argument in arguments)]
    return without_notes(subprocess.run(command, cwd=cwd, capture_output=True, timeout=120, **options))


def lines(data):
    return data.decode().splitlines()


def classify_json(*arguments, status=0, cwd=None):
    result = run("beit-classify", "--json", *arguments, cwd=cwd)
    assert result.returncode == status, result.stderr
    return [json.loads(line) for line in result.stdout.split(b"\n")[:-1]]


def write_image(path, seed, size=(31, 27), mode="RGB"):
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    Image.fromarray(pixels, mode).save(path)


@pytest.fixture
def images(tmp_path):
    """A folder of twelve images whose names don't sort in the order of their making."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(12):
        write_image(folder / f"{(7 * i) % 12:02}.png", seed=i, size=(20 + i, 50 - 2 * i))
    return folder


@pytest.fixture
def damaged(tmp_path):
    path = tmp_path / "damaged.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return path


# What is printed


def test_text_has_a_name_and_aligned_lines(images):
    result = run("beit-classify", "--model", MODEL, "--top-k", 3, images / "00.png", images / "01.png")
    assert (result.returncode, result.stderr) == (0, b"")
    text = lines(result.stdout)
    assert len(text) == 8
    objects = classify_json("--model", MODEL, "--top-k", 3, images / "00.png", images / "01.png")
    for i, shown in enumerate(objects):
        assert text[4 * i] == str(images / f"0{i}.png")
        for line, prediction in zip(text[4 * i + 1:4 * i + 4], shown["predictions"]):
            percent, label = re.fullmatch(r" *(\d+\.\d\d) %  (.*)", line).groups()
            assert line.index("%") == 9
            assert label == prediction["label"]
            assert float(percent) == pytest.approx(100 * prediction["score"], abs=0.0051)


def test_json_has_one_object_a_line(images):
    objects = classify_json("--model", MODEL, images)
    assert [pathlib.Path(found["image"]).name for found in objects] == [f"{i:02}.png" for i in range(12)]
    for found in objects:
        assert list(found) == ["image", "predictions"]
        assert len(found["predictions"]) == 5
        scores = [prediction["score"] for prediction in found["predictions"]]
        assert scores == sorted(scores, reverse=True)
        for prediction in found["predictions"]:
            assert list(prediction) == ["index", "label", "score"]
            assert prediction["label"] == f"the class {prediction['index']} of the golden model standard"


def test_top_k_of_all_classes_sums_to_one(images):
    for k in (CLASSES, CLASSES + 1):
        for found in classify_json("--model", MODEL, "--top-k", k, images):
            assert sorted(p["index"] for p in found["predictions"]) == list(range(CLASSES))
            assert sum(p["score"] for p in found["predictions"]) == pytest.approx(1, abs=1e-6)


def test_model_without_labels(tmp_path, images):
    save_file(load_file(MODEL), tmp_path / "bare.safetensors")
    result = run("beit-classify", "--model", tmp_path / "bare.safetensors", images / "00.png", check=True)
    assert re.fullmatch(r" *\d+\.\d\d %  class \d", lines(result.stdout)[1])
    found, = classify_json("--model", tmp_path / "bare.safetensors", images / "00.png")
    assert all(prediction["label"] == f"class {prediction['index']}" for prediction in found["predictions"])


def test_labels_from_a_file(tmp_path, images):
    save_file(load_file(MODEL), tmp_path / "bare.safetensors")
    names = [f"kind {i}" for i in range(CLASSES)]
    for text in ("\n".join(names), json.dumps(names), json.dumps({"id2label": dict(enumerate(names))})):
        (tmp_path / "labels").write_text(text)
        for model in (MODEL, tmp_path / "bare.safetensors"):
            found, = classify_json("--model", model, "--labels", tmp_path / "labels", images / "00.png")
            assert all(prediction["label"] == f"kind {prediction['index']}" for prediction in found["predictions"])
    (tmp_path / "labels").write_text("one\ntwo\n")
    result = run("beit-classify", "--model", MODEL, "--labels", tmp_path / "labels", images / "00.png")
    assert result.returncode == 1
    assert f"--labels: found 2 names, wanted {CLASSES}\n".encode() in result.stderr


def test_model_folder(tmp_path, images):
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(MODEL, folder / "model.safetensors")
    assert classify_json("--model", folder, images) == classify_json("--model", MODEL, images)


def test_embedded_model(images):
    found, = classify_json(images / "00.png")
    assert len(found["predictions"]) == 5
    assert all(prediction["label"] for prediction in found["predictions"])


def test_output_is_one_line_whatever_the_names_are(tmp_path):
    bad = tmp_path / "two\nlines\x1b[31m.png"
    write_image(bad, 0)
    text = lines(run("beit-classify", "--model", MODEL, "--top-k", 1, bad).stdout)
    assert len(text) == 2 and text[0].endswith("two?lines?[31m.png")
    assert classify_json("--model", MODEL, bad)[0]["image"] == str(bad)
    result = run("beit-classify", "--model", MODEL, tmp_path / "no\nsuch.png")
    assert (result.returncode, len(lines(result.stderr))) == (1, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_json_with_a_name_that_is_not_utf8(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    write_image(tmp_path / "plain.png", 0)
    os.rename(tmp_path / "plain.png", name)
    for argument in (name, os.fsencode(tmp_path)):
        result = subprocess.run([BUILD / "beit-classify", "--json", "--model", MODEL, argument], capture_output=True)
        assert (result.returncode, result.stderr) == (0, b"")
        assert json.loads(result.stdout.decode())["image"].endswith("caf\\xE9.png")
    missing = subprocess.run([BUILD / "beit-classify", "--json", "--model", MODEL, b"\xff.png"], capture_output=True)
    assert missing.returncode == 1
    assert "error" in json.loads(missing.stdout.decode())


def test_verbose_says_what_runs(images):
    result = run("beit-classify", "--model", MODEL, "--verbose", "--threads", 2, "--precision", "bfloat16",
                 images / "00.png")
    text, preprocessing, times = lines(result.stderr)
    assert re.fullmatch(r"beit-classify: decoding \d+ ms and preprocessing \d+ ms, summed over threads; model \d+ ms", times)
    assert re.search(r", loaded after \d+ ms$", text)
    for part in (str(MODEL), "precision bfloat16", "kernels ", "threads 2", "batch size 8"):
        assert part in text
    assert "pass order pillow_13" in preprocessing
    assert result.stdout == run("beit-classify", "--model", MODEL, "--precision", "bfloat16", images / "00.png").stdout
    result = run("beit-classify", "--model", MODEL, "--verbose", "--pass-order", "across_first", images / "00.png")
    assert "pass order across_first" in lines(result.stderr)[1]


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_and_help(program):
    result = run(program, "--version")
    assert result.returncode == 0
    assert re.fullmatch(program + r" \d+\.\d+\.\d+\n", result.stdout.decode())
    result = run(program, "--help")
    assert (result.returncode, result.stderr) == (0, b"")
    assert max(len(line) for line in lines(result.stdout)) <= 120
    wanted = ["--model", "--precision", "--threads", "--batch-size", "--max-pixels", "--apply-exif-orientation", "--pass-order",
              "--version", "--verbose", "IMAGE|FOLDER"]
    wanted += ["--top-k", "--json", "--logits"] if program == "beit-classify" else ["--output", "--tokens"]
    for option in wanted:
        assert option in result.stdout.decode()


# What images become, and what logits become


def hugging_face_folder(tmp_path, problem_type=None, processor=True):
    """A classifier of 16 x 16 pixels and 5 classes, as transformers saves it."""
    folder = tmp_path / f"folder_{problem_type}"
    shutil.copytree(GOLDEN / "hugging_face" / "classifier", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "problem_type": problem_type}))
    if not processor:
        (folder / "preprocessor_config.json").unlink()
    return folder


def test_scores_by_the_type_of_problem(images, tmp_path):
    for problem in (None, "multi_label_classification", "regression"):
        folder = hugging_face_folder(tmp_path, problem)
        arguments = ["--model", folder, "--logits", tmp_path / "logits.npy", images / "00.png"]
        found, = classify_json(*arguments)
        scores = {prediction["index"]: prediction["score"] for prediction in found["predictions"]}
        logits = np.load(tmp_path / "logits.npy")[0].astype(np.float64)
        softmax = np.exp(logits) / np.exp(logits).sum()
        wanted = {None: softmax, "regression": logits}.get(problem, 1 / (1 + np.exp(-logits)))
        assert [scores[i] for i in range(5)] == pytest.approx(wanted, abs=1e-6)
        text = lines(run("beit-classify", *arguments).stdout)[1:]
        assert all((" %  LABEL_" in line) == (problem != "regression") for line in text), text
        if problem == "regression":
            assert float(text[0].split()[0]) == pytest.approx(logits.max(), abs=5.1e-5)


def test_preprocessing_from_a_file(images, tmp_path):
    folder = hugging_face_folder(tmp_path, processor=False)
    result = run("beit-classify", "--model", folder, images / "00.png")
    assert result.returncode == 1
    assert b"found neither preprocessor_config.json nor image_processor in processor_config.json" in result.stderr
    assert result.stderr.endswith(b"or --preprocessing\n")
    own = GOLDEN / "hugging_face" / "classifier" / "preprocessor_config.json"
    same = classify_json("--model", folder, "--preprocessing", own, images)
    assert same == classify_json("--model", GOLDEN / "hugging_face" / "classifier", images)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"input_size": [3, 16, 16], "crop_pct": 0.5}))
    assert same != classify_json("--model", folder, "--preprocessing", other, images)
    # Shards of one preprocessing aren't continued with another.
    embed = ["beit-embed", "--model", folder, "--output", tmp_path / "out", images]
    assert run(*embed, "--preprocessing", own).returncode == 0
    assert run(*embed, "--preprocessing", other).returncode == 1
    other.write_text(json.dumps({"input_size": [3, 24, 24]}))
    result = run("beit-classify", "--model", folder, "--preprocessing", other, images / "00.png")
    assert f"{other}: input_size: found 24x24, wanted the model's image size 16x16" in result.stderr.decode()


@pytest.mark.parametrize("name, kind", [("masked", "masked-image"), ("segmentation", "segmentation")])
def test_features_of_any_trunk(images, tmp_path, name, kind):
    """The programs that take features read a model with another head than a classifier, and say so."""
    model = GOLDEN / "hugging_face" / name
    for i in range(8):
        (tmp_path / "data" / f"{i % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(images / f"{i:02}.png", tmp_path / "data" / f"{i % 2}")
    for program, *arguments in (("beit-embed", "--output", tmp_path / "out.npy", images),
                                ("beit-search", "--index", tmp_path / "out.npy", images / "00.png"),
                                ("beit-attention", "--output", tmp_path / "out.png", images / "00.png"),
                                ("beit-train-head", "--data", tmp_path / "data", "--knn", "--no-cache")):
        result = run(program, "--model", model, *arguments)
        wanted = f"{program}: {model}: found a {kind} model: taking the features of its trunk\n"
        assert (result.returncode, result.stderr.decode()) == (0, wanted)
    width = json.loads((model / "config.json").read_text())["hidden_size"]
    assert np.load(tmp_path / "out.npy").shape == (12, width)


# Which images, in which order


def test_arguments_keep_their_order(images):
    order = ["07.png", "02.png", "11.png", "02.png"]
    objects = classify_json("--model", MODEL, *order, cwd=images)
    assert [found["image"] for found in objects] == order
    assert objects[1] == objects[3]
    mixed = classify_json("--model", MODEL, "images/03.png", "images", "images/01.png", cwd=images.parent)
    names = ["images/03.png"] + [f"images/{i:02}.png" for i in range(12)] + ["images/01.png"]
    assert [pathlib.PurePath(found["image"]) for found in mixed] == [pathlib.PurePath(name) for name in names]


def test_folder_takes_known_extensions_and_subfolders(tmp_path):
    folder = tmp_path / "folder"
    (folder / "below.png").mkdir(parents=True)
    write_image(folder / "below.png" / "too.png", 0)
    for name, form in (("b.PNG", "PNG"), ("c.Jpg", "JPEG"), ("a.jpeg", "JPEG"), ("d.bmp", "BMP"), ("e.gif", "GIF"),
                       ("f.tga", "TGA"), ("g.pgm", "PPM"), ("h.ppm", "PPM"), ("i.pnm", "PPM"), ("j.png", "PNG")):
        mode = "L" if name.endswith("pgm") else "RGB"
        Image.new(mode, (20, 20), 90 if mode == "L" else (10, 200, 90)).save(folder / name, form)
    (folder / "notes.txt").write_text("no image")
    objects = classify_json("--model", MODEL, folder)
    assert [pathlib.Path(found["image"]).name for found in objects] == [
        "a.jpeg", "b.PNG", "too.png", "c.Jpg", "d.bmp", "e.gif", "f.tga", "g.pgm", "h.ppm", "i.pnm", "j.png"]
    assert all("predictions" in found for found in objects)


def test_a_file_of_any_extension_is_read_when_it_is_named(tmp_path):
    write_image(tmp_path / "a.png", 0)
    os.rename(tmp_path / "a.png", tmp_path / "noextension")
    assert "predictions" in classify_json("--model", MODEL, tmp_path / "noextension")[0]


# What can't be read


def test_bad_inputs_get_a_line_each_and_the_rest_goes_on(images, damaged, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "text.png"
    text.write_text("hello")
    nothing = tmp_path / "nothing.jpg"
    nothing.write_bytes(b"")
    bad = [damaged, tmp_path / "missing.png", empty, text, nothing]
    arguments = [bad[0], images / "00.png", bad[1], bad[2], images / "01.png", bad[3], bad[4]]
    result = run("beit-classify", "--json", "--model", MODEL, *arguments)
    assert result.returncode == 1
    objects = [json.loads(line) for line in lines(result.stdout)]
    assert [found["image"] for found in objects] == [str(argument) for argument in arguments]
    errors = [found for found in objects if "error" in found]
    assert [found["image"] for found in errors] == [str(path) for path in bad]
    assert all(list(found) == ["image", "error"] for found in errors)
    assert lines(result.stderr) == [f"beit-classify: {found['image']}: {found['error']}" for found in errors]
    good = classify_json("--model", MODEL, images / "00.png", images / "01.png")
    assert [found for found in objects if "error" not in found] == good

    plain = run("beit-classify", "--model", MODEL, *arguments)
    assert (plain.returncode, plain.stderr) == (1, result.stderr)
    assert plain.stdout == run("beit-classify", "--model", MODEL, images / "00.png", images / "01.png").stdout


def test_max_pixels(tmp_path):
    write_image(tmp_path / "a.png", 0, size=(30, 20))
    assert run("beit-classify", "--model", MODEL, "--max-pixels", 600, tmp_path / "a.png").returncode == 0
    result = run("beit-classify", "--model", MODEL, "--max-pixels", 599, tmp_path / "a.png")
    assert result.returncode == 1
    line, = lines(result.stderr)
    assert "a.png" in line and "599" in line


def test_exif_orientation(tmp_path):
    write_image(tmp_path / "raw.png", 3, size=(40, 24))
    upright = Image.open(tmp_path / "raw.png").resize((64, 32))
    upright.save(tmp_path / "upright.jpg", quality=95, subsampling=0)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down, which a JPEG's blocks survive
    upright.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "turned.jpg", quality=95, subsampling=0, exif=exif)

    def logits(name, *options):
        run("beit-classify", "--model", MODEL, "--logits", tmp_path / "out.npy", *options, tmp_path / name, check=True)
        return np.load(tmp_path / "out.npy")

    wanted = logits("upright.jpg")
    assert np.abs(logits("turned.jpg", "--apply-exif-orientation") - wanted).max() < 0.1
    assert np.abs(logits("turned.jpg") - wanted).max() > 0.2
    assert np.array_equal(logits("upright.jpg", "--apply-exif-orientation"), wanted)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("model, found", [
    ("missing.safetensors", "missing.safetensors"), ("text.safetensors", "text.safetensors"), ("", "model.safetensors")])
def test_bad_model_is_one_line(program, model, found, images, tmp_path):
    (tmp_path / "text.safetensors").write_text("hello, this is no model at all")
    output = ["--output", tmp_path / "out.npy"] if program == "beit-embed" else []
    result = run(program, "--model", tmp_path / model, *output, images)
    assert (result.returncode, result.stdout) == (1, b"")
    line, = lines(result.stderr)
    assert line.startswith(program + ": ") and found in line
    assert not list(tmp_path.glob("out*"))


def test_model_without_classifier(images, tmp_path):
    model = GOLDEN / "model_headless.safetensors"
    result = run("beit-classify", "--model", model, images)
    assert (result.returncode, result.stdout) == (1, b"")
    line, = lines(result.stderr)
    assert "no classifier" in line
    run("beit-embed", "--model", model, "--output", tmp_path / "out.npy", images, check=True)
    assert np.load(tmp_path / "out.npy").shape[0] == 12


# Usage


@pytest.mark.parametrize("arguments", [
    ["--no-such-flag", "a.png"], ["--precision", "half", "a.png"], ["--threads", "-1", "a.png"],
    ["--threads", "many", "a.png"], ["--batch-size", "0", "a.png"], ["--batch-size", "-3", "a.png"],
    ["--max-pixels", "0", "a.png"], [], ["--model"], ["--model", "", "a.png"], ["--threads", "99999999999999999999", "a.png"]])
@pytest.mark.parametrize("program", PROGRAMS)
def test_usage_errors(program, arguments):
    output = ["--output", "out.npy"] if program == "beit-embed" else []
    check_usage_error(program, output + arguments)


@pytest.mark.parametrize("program, arguments", [
    ("beit-classify", ["--top-k", "0", "a.png"]), ("beit-classify", ["--top-k", "-5", "a.png"]),
    ("beit-classify", ["--top-k", "x", "a.png"]), ("beit-classify", ["--logits", "out.txt", "a.png"]),
    ("beit-classify", ["--output", "out.npy", "a.png"]), ("beit-embed", ["a.png"]),
    ("beit-embed", ["--output", "", "a.png"]),
    ("beit-embed", ["--output", "out.npy", "--tokens", "some", "a.png"])])
def test_usage_errors_of_one_program(program, arguments):
    check_usage_error(program, arguments)


def check_usage_error(program, arguments):
    result = run(program, *arguments)
    assert (result.returncode, result.stdout) == (2, b""), result.stderr
    line, = lines(result.stderr)
    assert line.startswith(program + ": ") and line.endswith("(see --help)")


# Files


def test_logits_agree_with_the_predictions(images, damaged, tmp_path):
    output = tmp_path / "logits.npy"
    objects = classify_json("--model", MODEL, "--logits", output, "--top-k", 10, damaged, images)
    logits = np.load(output)
    assert (logits.shape, logits.dtype) == ((12, CLASSES), np.float32)
    good = [found for found in objects if "predictions" in found]
    assert output.with_suffix(".txt").read_text().splitlines() == [found["image"] for found in good]
    scores = np.exp(logits.astype(np.float64))
    scores /= scores.sum(axis=1, keepdims=True)
    for row, found in zip(scores, good):
        for prediction in found["predictions"]:
            assert np.float32(prediction["score"]) == np.float32(row[prediction["index"]])


def test_shapes_of_the_tokens(images, damaged, tmp_path):
    shapes = {"pooled": (12, DIM), "class": (12, DIM), "patch": (12, GRID, GRID, DIM), "all": (12, 1 + GRID**2, DIM)}
    arrays = {}
    for tokens, shape in shapes.items():
        output = tmp_path / f"{tokens}.npy"
        result = run("beit-embed", "--model", MODEL, "--output", output, "--tokens", tokens, images, damaged)
        assert (result.returncode, result.stdout) == (0, b"")
        assert len(lines(result.stderr)) == 1
        arrays[tokens] = np.load(output)
        assert (arrays[tokens].shape, arrays[tokens].dtype) == (shape, np.float32)
        assert output.with_suffix(".txt").read_text().splitlines() == [str(images / f"{i:02}.png") for i in range(12)]
    assert np.array_equal(arrays["class"], arrays["all"][:, 0])
    assert np.array_equal(arrays["patch"].reshape(12, GRID**2, DIM), arrays["all"][:, 1:])
    # Pooled as timm's: the mean of the patch tokens, normed by fc_norm.
    weights = load_file(MODEL)
    mean = arrays["patch"].astype(np.float64).mean(axis=(1, 2))
    normed = (mean - mean.mean(1, keepdims=True)) / np.sqrt(mean.var(1, keepdims=True) + 1e-6)
    wanted = normed * weights["fc_norm.weight"] + weights["fc_norm.bias"]
    np.testing.assert_allclose(arrays["pooled"], wanted, atol=2e-6)
    run("beit-classify", "--model", MODEL, "--logits", tmp_path / "logits.npy", images, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), wanted @ weights["head.weight"].T +
                               weights["head.bias"], atol=5e-6)
    run("beit-embed", "--model", MODEL, "--output", tmp_path / "default.npy", images, check=True)
    assert (tmp_path / "default.npy").read_bytes() == (tmp_path / "pooled.npy").read_bytes()


def test_rectangular_grid(images, tmp_path):
    model = GOLDEN / "model_rectangle.safetensors"
    run("beit-embed", "--model", model, "--output", tmp_path / "patch.npy", "--tokens", "patch", images, check=True)
    run("beit-embed", "--model", model, "--output", tmp_path / "all.npy", "--tokens", "all", images, check=True)
    patch, every = np.load(tmp_path / "patch.npy"), np.load(tmp_path / "all.npy")
    assert patch.shape[1] != patch.shape[2]
    assert np.array_equal(patch.reshape(12, -1, patch.shape[3]), every[:, 1:])


@pytest.mark.parametrize("precision", ["float", "float-fast", "bfloat16", "int8"])
def test_batch_size_and_threads_change_no_byte(precision, images, damaged, tmp_path):
    results = set()
    for i, (batch, threads) in enumerate([(1, 1), (5, 1), (8, 2), (13, 3), (100, 0)]):
        common = ["--model", MODEL, "--precision", precision, "--batch-size", batch, "--threads", threads]
        # The damaged one in the middle: rows after it move up.
        inputs = [images / "05.png", damaged, images]
        shown = run("beit-classify", "--json", "--logits", tmp_path / f"{i}.npy", *common, *inputs)
        run("beit-embed", "--tokens", "all", "--output", tmp_path / f"all{i}.npy", *common, *inputs)
        results.add((shown.stdout, shown.stderr, (tmp_path / f"{i}.npy").read_bytes(),
                     (tmp_path / f"{i}.txt").read_bytes(), (tmp_path / f"all{i}.npy").read_bytes()))
    assert len(results) == 1


@pytest.mark.parametrize("precision, bound", [("bfloat16", 0.05), ("int8", 0.1)])
def test_another_precision_is_near(precision, bound, images, tmp_path):
    for name in ("float", precision):
        run("beit-classify", "--model", MODEL, "--precision", name, "--logits", tmp_path / f"{name}.npy", images,
            check=True)
    exact, rounded = np.load(tmp_path / "float.npy"), np.load(tmp_path / f"{precision}.npy")
    assert not np.array_equal(exact, rounded)
    assert np.abs(exact - rounded).max() < bound * exact.std()


@pytest.mark.parametrize("program, option", [("beit-classify", "--logits"), ("beit-embed", "--output")])
def test_failing_run_leaves_files_as_they_were(program, option, images, damaged, tmp_path):
    output = tmp_path / "out.npy"
    # Nothing can be read: nothing is written.
    assert run(program, "--model", MODEL, option, output, damaged).returncode == 1
    assert not list(tmp_path.glob("out*"))
    output.write_text("old array")
    output.with_suffix(".txt").write_text("old names")
    assert run(program, "--model", MODEL, "--force", option, output, damaged).returncode == 1
    assert run(program, "--model", tmp_path / "none.safetensors", "--force", option, output, images).returncode == 1
    assert output.read_text() == "old array"
    assert output.with_suffix(".txt").read_text() == "old names"
    # A run that goes through replaces both.
    run(program, "--model", MODEL, "--force", option, output, images, check=True)
    assert len(np.load(output)) == len(output.with_suffix(".txt").read_text().splitlines()) == 12
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.npy", "out.txt"]


@pytest.mark.parametrize("program, option", [("beit-classify", "--logits"), ("beit-embed", "--output")])
def test_output_that_cannot_be_written(program, option, images, tmp_path):
    result = run(program, "--model", MODEL, option, tmp_path / "no" / "out.npy", images)
    assert (result.returncode, result.stdout) == (1, b"")
    line, = lines(result.stderr)
    assert "out.npy" in line


# Signals and terminals


posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


@posix
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_leaves_no_files(number, images, tmp_path):
    number = getattr(signal, number)
    command = [BUILD / "beit-embed", "--model", MODEL, "--output", tmp_path / "out.npy", "--threads", "1",
               *[images] * 5000]
    # What started the tests may have them ignore the signal (nohup, a background job), and programs inherit that.
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    for _ in range(1000):
        if list(tmp_path.glob("out.npy.tmp*")):
            break
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -number
    assert errors == b""
    assert not list(tmp_path.glob("out*"))


@posix
def test_closed_pipe_is_quiet(images, tmp_path):
    command = [BUILD / "beit-classify", "--model", MODEL, "--logits", tmp_path / "out.npy", *[images] * 2000]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == -signal.SIGPIPE
    assert errors == b""
    assert not list(tmp_path.glob("out*"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
@pytest.mark.parametrize("program", [["beit-classify", "--model", MODEL], ["beit-mask", "--quiet", "--json"]])
def test_full_standard_output_is_an_error(images, program):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([BUILD / program[0], *program[1:], images], stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1
    assert lines(result.stderr) == [f"{program[0]}: standard output: can't write"]


@pytest.mark.parametrize("program, option", [("beit-mask", "--ratio"), ("beit-search", "--duplicates"),
                                             *(("beit-train-head", name) for name in ("--val-fraction", "--C", "--temperature"))])
def test_nan_is_no_number(program, option):
    result = run(program, option, "nan")
    assert result.returncode == 2
    assert f"{option}: found 'nan', wanted a number".encode() in result.stderr


def run_on_terminal(command, stdout):
    """Runs with standard error on a terminal; returns what the terminal got."""
    import pty
    leader, follower = pty.openpty()
    process = subprocess.Popen(command, stdout=follower if stdout is None else stdout, stderr=follower)
    os.close(follower)
    got = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        got += part
    os.close(leader)
    assert process.wait(timeout=60) == 0
    return got


def screen(got):
    """The lines that stay visible: what a carriage return went back over is overwritten."""
    shown = []
    for line in got.replace(b"\r\n", b"\n").decode().split("\n"):
        cells = []
        for part in line.split("\r"):
            cells[:len(part)] = part
        shown.append("".join(cells).rstrip())
    return shown


@pytest.fixture(scope="session")
def slow(tmp_path_factory):
    """A picture that takes some time."""
    path = tmp_path_factory.mktemp("slow") / "slow.png"
    write_image(path, 0, size=(2400, 2000))
    return path


@posix
def test_progress_on_a_terminal_only(images, slow):
    """It is there after one second, whatever the number of images."""
    command = [str(BUILD / "beit-classify"), "--model", str(MODEL), "--threads", "1", "--batch-size", "2"]
    piped = run("beit-classify", *command[1:], *[slow] * 30)
    assert piped.stderr == b""

    got = run_on_terminal([*command, *[str(slow)] * 30], subprocess.DEVNULL)
    assert b"[>" not in got and b"28/30 images, " in got
    assert screen(got) == [""]
    # Results and progress on one terminal don't mix.
    got = run_on_terminal([*command, *[str(slow)] * 30], None)
    assert b"28/30 images, " in got
    assert screen(got) == [line.rstrip() for line in piped.stdout.decode().split("\n")]
    # Less than a second needs none.
    assert run_on_terminal([*command, str(images)], subprocess.DEVNULL) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_images(images, tmp_path):
    def peak(count):
        script = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
                  "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        command = [str(BUILD / "beit-embed"), "--model", str(MODEL), "--output", str(tmp_path / "out.npy")]
        result = subprocess.run([sys.executable, "-c", script, *command, *[str(images)] * count], capture_output=True,
                                check=True)
        return int(result.stdout)  # KiB

    few, many = peak(2), peak(400)
    assert many - few < 4096
