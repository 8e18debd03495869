"""Tests beit-embed with a folder of shards: inputs, restarts, tasks, mistakes.

Rows are compared with those of the one-file output, which test_programs.py checks.
"""

import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from test_programs import BUILD, DIM, GRID, MODEL, lines, posix, run, run_on_terminal, screen, slow, write_image

EMBED = str(BUILD / "beit-embed")
SCHEDULERS = ("SLURM_", "JOB_COMPLETION_INDEX", "PARALLEL_SEQ", "OMPI_COMM_WORLD_")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(SCHEDULERS)}


def embed(*arguments, status=0, environment={}, model=MODEL, **options):
    result = run("beit-embed", "--model", model, *arguments, env=CLEAN | environment, **options)
    assert result.returncode == status, result.stderr.decode()
    return result


def tree(folder):
    """Relative path and bytes of all files."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(folder):
    return np.concatenate([np.load(path) for path in sorted(folder.glob("img_emb/*.npy"))])


def metadata_of(folder):
    text = "".join(path.read_text() for path in sorted(folder.glob("metadata/*.jsonl")))
    return [json.loads(line) for line in text.splitlines()]


def failed_of(folder):
    return [json.loads(line) for line in (folder / "failed.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twenty-five images: two at the top, the others in and below the folders of two classes; and a damaged one."""
    folder = tmp_path_factory.mktemp("inputs") / "photos"
    names = [f"{kind}/{i:02}.png" for kind in ("cat", "dog/big") for i in range(11)] + ["cat.png", "zebra.png", "cat/0/a.png"]
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, seed, size=(20 + seed, 31))
    (folder / "dog" / "damaged.png").write_bytes(b"no image")
    (folder / "dog" / "notes.txt").write_text("not an image's name")
    return folder


def expected_order(folder):
    """Depth first; the files and folders of a folder are sorted together by name."""
    found = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        found += expected_order(path) if path.is_dir() else [path]
    return [path for path in found if path.suffix == ".png"]


@pytest.fixture(scope="module")
def reference(photos, tmp_path_factory):
    """The undisturbed output in shards of four, and all rows."""
    folder = tmp_path_factory.mktemp("reference")
    embed("--output", folder / "out", "--shard-size", 4, photos)
    embed("--output", folder / "rows.npy", photos)
    return folder / "out", np.load(folder / "rows.npy")


# What is written


def test_layout(photos, reference):
    out, rows = reference
    names = [f"{i:05}" for i in range(7)]
    assert sorted(tree(out)) == sorted(["job.json", "failed.jsonl", *(f"done/done_{n}.json" for n in names),
                                        *(f"img_emb/img_emb_{n}.npy" for n in names),
                                        *(f"metadata/metadata_{n}.jsonl" for n in names)])
    order = expected_order(photos)
    assert len(order) == 26
    damaged = order.index(photos / "dog" / "damaged.png")
    for n in range(7):
        images = range(4 * n, min(4 * n + 4, 26))
        assert np.load(out / f"img_emb/img_emb_{n:05}.npy").shape == (len(images) - (damaged in images), DIM)
    assert rows_of(out).dtype == np.float32
    assert np.array_equal(rows_of(out), rows)

    good = [path for path in order if path.name != "damaged.png"]
    labels = [path.relative_to(photos).parts[0] if path.parent != photos else None for path in good]
    for found, path, label in zip(metadata_of(out), good, labels, strict=True):
        width, height = Image.open(path).size
        wanted = {"path": str(path), "width": width, "height": height} | ({"label": label} if label else {})
        assert list(found.items()) == list(wanted.items())
    failure, = failed_of(out)
    assert list(failure) == ["path", "error"]
    assert failure["path"] == str(photos / "dog" / "damaged.png") and "no image" in failure["error"]


def test_what_is_said(photos, tmp_path):
    out = tmp_path / "out"
    result = embed("--output", out, "--shard-size", 10, photos)
    assert result.stdout.decode() == f"{out}: 25 images embedded, 1 failed; 3 shards written, 0 already done\n"
    failed, skipped = lines(result.stderr)
    assert failed.split(": ")[1] == str(photos / "dog" / "damaged.png")
    assert skipped == "beit-embed: 1 file skipped: 1 .txt"
    result = embed("--output", out, "--shard-size", 10, photos)
    assert result.stdout.decode() == f"{out}: 0 images embedded, 0 failed; 0 shards written, 3 already done\n"
    assert run("beit-embed", "merge", out, check=True).stdout.decode() == f"{out}: complete: 26 images in 3 shards, 1 failed\n"


def test_float16(photos, reference, tmp_path):
    embed("--output", tmp_path / "out", "--dtype", "float16", photos)
    wanted = reference[1].astype(np.float16)
    assert rows_of(tmp_path / "out").dtype == np.float16
    assert np.array_equal(rows_of(tmp_path / "out"), wanted)
    embed("--output", tmp_path / "out.npy", "--dtype", "float16", photos)
    assert np.array_equal(np.load(tmp_path / "out.npy"), wanted)


def test_tokens(photos, tmp_path):
    embed("--output", tmp_path / "out", "--tokens", "patch", "--shard-size", 10, photos / "cat")
    embed("--output", tmp_path / "out.npy", "--tokens", "patch", photos / "cat")
    assert rows_of(tmp_path / "out").shape == (12, GRID, GRID, DIM)
    assert np.array_equal(rows_of(tmp_path / "out"), np.load(tmp_path / "out.npy"))


def test_plot(photos, reference, tmp_path):
    embed("--output", tmp_path / "rows.npy", "--plot", tmp_path / "plot.svg", photos)
    assert np.array_equal(np.load(tmp_path / "rows.npy"), reference[1])
    svg = ElementTree.parse(tmp_path / "plot.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert [text.text for text in svg.iter(space + "text")][2:] == ["no label", "cat", "dog"]
    paths = list(svg.iter(space + "path"))
    dots = [(float(path.get("d")[1:].split()[0]), path.get("fill")) for path in paths[:-3]]
    none, cat, dog = (path.get("fill") for path in paths[-3:])
    order = expected_order(photos)
    order.remove(photos / "dog" / "damaged.png")
    labels = [path.relative_to(photos).parts[0] if path.parent != photos else "" for path in order]
    assert [dot[1] for dot in dots] == [{"": none, "cat": cat, "dog": dog}[label] for label in labels]
    # The first component, up to its place and scale.
    rows = reference[1].astype(float) - reference[1].mean(0)
    first = rows @ np.linalg.svd(rows)[2][0]
    assert np.corrcoef(first * np.sign(first[np.abs(first).argmax()]), [dot[0] for dot in dots])[0, 1] > 0.9999

    before = (tmp_path / "plot.svg").read_bytes()
    embed("--output", tmp_path / "rows.npy", "--plot", tmp_path / "plot.svg", "--batch-size", 1, photos)
    assert (tmp_path / "plot.svg").read_bytes() == before
    # Of shards: drawn by the run, and by merge.
    embed("--output", tmp_path / "out", "--shard-size", 10, "--plot", tmp_path / "shards.svg", photos)
    assert (tmp_path / "shards.svg").read_bytes() == before
    assert run("beit-embed", "merge", tmp_path / "out", "--plot", tmp_path / "merged.svg").returncode == 0
    assert (tmp_path / "merged.svg").read_bytes() == before
    # Before the merge: a plot that can't be.
    (tmp_path / "out/failed.jsonl").unlink()
    assert run("beit-embed", "merge", tmp_path / "out", "--plot", tmp_path / "no/plot.svg").returncode == 1
    assert not (tmp_path / "out/failed.jsonl").exists()
    metadata = tmp_path / "out/metadata/metadata_00000.jsonl"
    metadata.write_bytes(b"[]\n" + b"\n" * (metadata.stat().st_size - 3))
    result = run("beit-embed", "merge", tmp_path / "out", "--plot", tmp_path / "merged.svg")
    assert result.returncode == 1 and b"line 1: found no JSON object" in result.stderr
    embed("--output", tmp_path / "patches", "--tokens", "patch", photos)
    (tmp_path / "patches/failed.jsonl").unlink()
    result = run("beit-embed", "merge", tmp_path / "patches", "--plot", tmp_path / "merged.svg")
    assert result.returncode == 1 and b"found features made with --tokens patch" in result.stderr
    assert not (tmp_path / "patches/failed.jsonl").exists()
    result = run("beit-embed", "--output", tmp_path / "new", "--shard", 0, "--num-shards", 2, "--plot",
                 tmp_path / "new.svg", photos)
    assert result.returncode == 1 and b"merge OUT --plot" in result.stderr
    embed("--output", tmp_path / "new", "--plot", tmp_path / "no/plot.svg", photos, status=1)
    for output, plot in [("new.npy", "no/plot.svg"), ("no/new.npy", "new.svg")]:
        embed("--output", tmp_path / output, "--plot", tmp_path / plot, photos, status=1)
        assert not list(tmp_path.glob("new*"))


def test_batch_size_and_threads_change_no_byte(photos, reference, tmp_path):
    for i, (batch, threads) in enumerate([(1, 1), (3, 2), (100, 5)]):
        out = tmp_path / str(i)
        embed("--output", out, "--shard-size", 4, "--batch-size", batch, "--threads", threads, photos)
        assert tree(out) == tree(reference[0])


# Inputs


def test_list(photos, reference, tmp_path):
    paths = [str(path) for path in expected_order(photos)]
    text = "\n".join(f"{path}\tlabel {i % 3}" if i % 2 else path for i, path in enumerate(paths)).encode()
    (tmp_path / "list.txt").write_bytes(text.replace(b"\n", b"\r\n\n"))
    embed("--output", tmp_path / "file", "--shard-size", 4, "--list", tmp_path / "list.txt")
    embed("--output", tmp_path / "stdin", "--shard-size", 4, "--list", "-", input=text)
    assert tree(tmp_path / "file") == tree(tmp_path / "stdin")
    assert np.array_equal(rows_of(tmp_path / "file"), reference[1])
    labels = {found["path"]: found.get("label") for found in metadata_of(tmp_path / "file")}
    assert labels == {path: f"label {i % 3}" if i % 2 else None for i, path in enumerate(paths) if "damaged" not in path}
    result = embed("--output", tmp_path / "none", "--list", tmp_path / "none.txt", status=1)
    assert lines(result.stderr) == [f"beit-embed: {tmp_path / 'none.txt'}: can't read the list: No such file or directory"]


def add_member(archive, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


@pytest.mark.parametrize("compression", ["", "gz", "xz"])
def test_tar(compression, photos, reference, tmp_path):
    order = expected_order(photos)
    path = tmp_path / ("photos.tar" + (f".{compression}" if compression else ""))
    with tarfile.open(path, f"w:{compression}", format=tarfile.PAX_FORMAT) as archive:
        for i, image in enumerate(order):
            members = [(".png", image.read_bytes()), (".cls", b"%d\n" % (i % 5)), (".txt", b"a caption")]
            # A label counts for its sample wherever it stands.
            for ending, data in members if i % 2 else reversed(members):
                add_member(archive, f"data.v1/sämple {i:03}{ending}", data)
    out = tmp_path / "out"
    embed("--output", out, "--shard-size", 4, path)
    assert np.array_equal(rows_of(out), reference[1])
    wanted = [(f"{path}/data.v1/sämple {i:03}.png", str(i % 5)) for i, image in enumerate(order) if "damaged" not in image.name]
    assert [(found["path"], found["label"]) for found in metadata_of(out)] == wanted
    assert len(failed_of(out)) == 1
    # Going on and sharing work count the same images.
    before = tree(out)
    for name in ("done/done_00003.json", "img_emb/img_emb_00005.npy"):
        (out / name).unlink()
    embed("--output", out, "--shard-size", 4, path)
    assert tree(out) == before
    for task in range(3):
        embed("--output", tmp_path / "shared", "--shard-size", 4, "--shard", task, "--num-shards", 3, path)
    run("beit-embed", "merge", tmp_path / "shared", check=True)
    assert tree(tmp_path / "shared") == before


def test_tar_with_several_images_a_sample(photos, tmp_path):
    image = (photos / "cat.png").read_bytes()
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in [f"one.{i}.png" for i in range(9)] + ["one.cls", "two.left.png", "two.right.png", "two.cls", "three.png"]:
            add_member(archive, name, image if name.endswith(".png") else name.encode())
    embed("--output", tmp_path / "out", tmp_path / "a.tar")
    assert [found.get("label") for found in metadata_of(tmp_path / "out")] == ["one.cls"] * 9 + ["two.cls"] * 2 + [None]


def test_damaged_tars_count_the_same_for_every_task(photos, tmp_path):
    folder = tmp_path / "tars"
    folder.mkdir()
    noise = tmp_path / "noise.png"
    write_image(noise, 0, size=(400, 300))
    for name in ("a.tar", "b.tar.gz", "c.tar"):
        with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as archive:
            for i in range(4):
                add_member(archive, f"{i}.png", noise.read_bytes())
        size = (folder / name).stat().st_size
        # a and b end inside their third image; in c the header of the third is damaged.
        with open(folder / name, "r+b") as file:
            if name == "c.tar":
                file.seek(2 * (512 + (noise.stat().st_size + 511) // 512 * 512))
                file.write(b"x" * 512)
            else:
                file.truncate(int(size * 0.6))
    (folder / "d.tar").write_bytes(b"")
    (folder / "e.tar").write_bytes(b"no tar file at all" * 100)
    write_image(folder / "f.png", 1)
    embed("--output", tmp_path / "whole", "--shard-size", 2, folder, status=1)
    rows = rows_of(tmp_path / "whole")
    assert len(rows) == 7
    errors = {pathlib.Path(found["path"]).relative_to(folder).parts[0]: found["error"] for found in failed_of(tmp_path / "whole")}
    assert sorted(errors) == ["a.tar", "b.tar.gz", "c.tar", "d.tar", "e.tar"]
    for task in (2, 0, 1):
        result = run("beit-embed", "--model", MODEL, "--output", tmp_path / "parts", "--shard-size", 2, "--shard", task,
                     "--num-shards", 3, folder)
        assert result.returncode == (b" embedded, 0 failed; " not in result.stdout)  # a task that meets no damage is done
    run("beit-embed", "merge", tmp_path / "parts", check=True)
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")


@posix
def test_links(photos, tmp_path):
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "b").symlink_to(photos / "cat", target_is_directory=True)
    (folder / "c.png").symlink_to(photos / "zebra.png")
    (folder / "gone.png").symlink_to(tmp_path / "nothing.png")
    embed("--output", tmp_path / "out", folder)
    assert [pathlib.Path(found["path"]).relative_to(folder).parts[0] for found in metadata_of(tmp_path / "out")] == ["b"] * 12 + ["c.png"]
    assert [found["path"] for found in failed_of(tmp_path / "out")] == [str(folder / "gone.png")]


# Rows that no one can use


@pytest.fixture(scope="module")
def overflowing(photos, tmp_path_factory):
    """Makes models of which a feature exceeds a limit for half of the photographs, and says for which."""
    folder = tmp_path_factory.mktemp("overflowing")
    embed("--output", folder / "features.npy", photos)
    names = np.array((folder / "features.txt").read_text().splitlines())
    with safe_open(MODEL, "numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    # The feature whose numbers are the largest beside its factors, so that these don't overflow themselves.
    features = np.abs(np.load(folder / "features.npy").astype(np.float64))
    factors = np.maximum(np.abs(tensors["fc_norm.weight"]), np.abs(tensors["fc_norm.bias"]))
    column = np.argmax(np.median(features, axis=0) / factors)
    ordered = np.sort(features[:, column])
    between = (ordered[len(ordered) // 2] + ordered[len(ordered) // 2 + 1]) / 2
    larger = features[:, column] > between

    def make(limit):
        changed = dict(tensors)
        for name in ("fc_norm.weight", "fc_norm.bias"):
            changed[name] = tensors[name].copy()
            changed[name][column] *= limit / between
        path = folder / f"{limit:.2g}.safetensors"
        save_file(changed, path, metadata=metadata)
        return path, list(names[larger]), larger

    return make


def test_rows_that_are_not_finite_are_failures(overflowing, photos, tmp_path):
    model, failing, larger = overflowing(np.finfo(np.float32).max)
    result = embed("--output", tmp_path / "out", "--shard-size", 4, photos, model=model)
    rows = rows_of(tmp_path / "out")
    assert np.isfinite(rows).all() and len(rows) == len(metadata_of(tmp_path / "out")) == np.sum(~larger)
    found = {failure["path"]: failure["error"] for failure in failed_of(tmp_path / "out")}
    assert [path for path, error in found.items() if "damaged" not in path] == failing
    assert all(error == "the model's result is infinite" for path, error in found.items() if path in failing)
    assert {f"beit-embed: {path}: the model's result is infinite" for path in failing} < set(lines(result.stderr))
    embed("--output", tmp_path / "out.npy", photos, model=model)
    assert np.array_equal(np.load(tmp_path / "out.npy"), rows)
    assert len((tmp_path / "out.txt").read_text().splitlines()) == len(rows)
    # The other programs say it instead of showing numbers, too.
    good = next(found["path"] for found in metadata_of(tmp_path / "out"))
    result = run("beit-classify", "--model", model, failing[0], good)
    line, = lines(result.stderr)
    assert result.returncode == 0 and line.startswith(f"beit-classify: {failing[0]}: the model's result is ")
    assert b"nan" not in result.stdout and result.stdout.count(b"%") == 5
    result = run("beit-search", "--model", model, "--index", tmp_path / "out", failing[0])
    assert result.returncode == 1 and lines(result.stderr) == [f"beit-search: {failing[0]}: the model's result is infinite"]


def test_float16_holds_what_is_written(overflowing, photos, tmp_path):
    model, failing, larger = overflowing(65520.0)
    embed("--output", tmp_path / "whole", photos, model=model)
    result = embed("--output", tmp_path / "half", "--dtype", "float16", photos, model=model)
    wanted = rows_of(tmp_path / "whole")[~larger].astype(np.float16)
    assert np.isfinite(wanted).all() and np.array_equal(rows_of(tmp_path / "half"), wanted)
    errors = [failure["error"] for failure in failed_of(tmp_path / "half") if failure["path"] in failing]
    assert len(errors) == len(failing)
    assert all(error.startswith("found a feature of ") and error.endswith("float16 can't hold: use --dtype float32") for error in errors)
    assert result.stderr.count(b"float16 can't hold") == len(failing)
    # Unit length makes room for them.
    embed("--output", tmp_path / "unit", "--dtype", "float16", "--normalize", photos, model=model)
    assert len(rows_of(tmp_path / "unit")) == len(larger)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_search_names_the_row_that_is_not_finite(value, photos, tmp_path):
    embed("--output", tmp_path / "out", "--shard-size", 4, photos / "cat")
    embed("--output", tmp_path / "out.npy", photos / "cat")
    for array in (tmp_path / "out/img_emb/img_emb_00001.npy", tmp_path / "out.npy"):
        rows = np.load(array)
        rows[2, 5] = value
        np.save(array, rows)
        index = array if array.parent == tmp_path else tmp_path / "out"
        name = metadata_of(tmp_path / "out")[2 if index == array else 6]["path"]
        result = run("beit-search", "--model", MODEL, "--index", index, photos / "cat.png")
        assert (result.returncode, result.stdout) == (1, b"")
        assert lines(result.stderr) == [f"beit-search: {array}: row 2 ({name}): found NaN or infinity, wanted finite numbers"]


def test_normalize(photos, reference, tmp_path):
    embed("--output", tmp_path / "out", "--shard-size", 4, "--normalize", photos)
    embed("--output", tmp_path / "out.npy", "--normalize", photos)
    rows, plain = rows_of(tmp_path / "out"), reference[1].astype(np.float64)
    wanted = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    assert np.array_equal(rows, wanted.astype(np.float32)) and np.array_equal(np.load(tmp_path / "out.npy"), rows)
    assert json.loads((tmp_path / "out/job.json").read_text())["normalize"] is True
    # Cosines are the same, so the search finds the same images.
    found = [run("beit-search", "--model", MODEL, "--index", index, photos / "cat.png", check=True).stdout
             for index in (tmp_path / "out", reference[0])]
    assert [line.split()[1] for line in found[0].splitlines()] == [line.split()[1] for line in found[1].splitlines()]
    # A folder without the key was made by an older version.
    embed("--output", tmp_path / "old", photos / "cat")
    for path in (tmp_path / "old/job.json", *(tmp_path / "old/done").iterdir()):
        path.write_text(path.read_text().replace('"normalize":false,', ""))
    embed("--output", tmp_path / "old", photos / "cat")
    result = embed("--output", tmp_path / "old", "--normalize", photos / "cat", status=1)
    assert lines(result.stderr) == [f"beit-embed: {tmp_path / 'old'}: found shards made with normalize false, wanted true: use the "
                                    "same model and options, or another folder"]
    result = embed("--output", tmp_path / "no", "--normalize", "--tokens", "all", photos, status=2)
    assert b"--normalize needs one vector per image: found --tokens all" in result.stderr


# Restarts


@posix
def test_killed_runs_end_in_the_same_bytes(photos, reference, tmp_path):
    out = tmp_path / "out"
    command = [EMBED, "--model", MODEL, "--output", out, "--shard-size", "4", "--batch-size", "1", "--threads", "1", photos]
    start = time.monotonic()
    subprocess.run([*command[:4], tmp_path / "timed", *command[5:]], check=True, capture_output=True, env=CLEAN)
    duration = time.monotonic() - start
    moments = random.Random(1)
    for _ in range(12):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=CLEAN)
        time.sleep(moments.uniform(0, duration))
        process.kill()
        process.wait()
        for path in out.glob("done/*.json"):
            json.loads(path.read_text())
            assert len(np.load(out / "img_emb" / path.name.replace("done", "img_emb").replace("json", "npy"))) > 0
    subprocess.run(command, check=True, capture_output=True, env=CLEAN)
    assert tree(out) == tree(reference[0])


def test_what_is_left_of_a_killed_run(photos, reference, tmp_path):
    out = tmp_path / "out"
    # Killed before the marker of shard 2; while the array of shard 3, and failed.jsonl, were written.
    shutil.copytree(reference[0], out)
    (out / "done/done_00002.json").unlink()
    for name in ("done/done_00003.json", "metadata/metadata_00003.jsonl", "img_emb/img_emb_00003.npy"):
        (out / name).unlink()
    for name in ("img_emb/img_emb_00003.npy.tmp-12345-0", "failed.jsonl.tmp-12345-0", "job.json.tmp-99-1"):
        (out / name).write_text("half")
    mine = out / "img_emb" / "notes.tmp"
    mine.write_text("not the program's")
    embed("--output", out, "--shard-size", 4, photos)
    mine.unlink()
    assert tree(out) == tree(reference[0])


@posix
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_interrupt_leaves_nothing_half_written(number, photos, tmp_path):
    number = getattr(signal, number)
    out = tmp_path / "out"
    command = [EMBED, "--model", MODEL, "--output", out, "--shard-size", "1000", "--threads", "1", "--list", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=CLEAN,
                               preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    # One shard and a half; and the list goes on: it doesn't wait for the rest.
    process.stdin.write(f"{photos / 'cat.png'}\n".encode() * 1500)
    process.stdin.flush()
    for _ in range(1000):
        if (out / "done/done_00000.json").exists() and list(out.glob("img_emb/*.tmp*")):
            break
        time.sleep(0.01)
    process.send_signal(number)
    process.wait(timeout=20)
    assert process.returncode == -number
    assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    process.stdin.close()
    assert sorted(tree(out)) == ["done/done_00000.json", "img_emb/img_emb_00000.npy", "job.json", "metadata/metadata_00000.jsonl"]
    assert len(rows_of(out)) == 1000


# Mistakes


@pytest.mark.parametrize("options, name", [
    (["--dtype", "float16"], "dtype"), (["--tokens", "class"], "tokens"), (["--precision", "bfloat16"], "precision"),
    (["--shard-size", "5"], "shard_size"), (["--model", MODEL.with_name("model_bf16.safetensors")], "model"),
    (["--max-pixels", "1000"], "max_pixels"), (["--normalize"], "normalize"),
    (["--apply-exif-orientation"], "apply_exif_orientation")])
def test_another_job_is_refused(options, name, photos, reference, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reference[0], out)
    (out / "done/done_00001.json").unlink()
    before = tree(out)
    common = ["--model", MODEL] if name != "model" else []
    common += ["--shard-size", 4] if name != "shard_size" else []
    result = run("beit-embed", "--output", out, *common, *options, photos, env=CLEAN)
    assert (result.returncode, result.stdout) == (1, b"")
    line, = lines(result.stderr)
    assert line.startswith(f"beit-embed: {out}: found shards made with {name} ")
    assert tree(out) == before


def test_model_folder_is_known_by_its_configuration_too(photos, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(MODEL, folder / "model.safetensors")
    run("beit-embed", "--model", folder, "--output", tmp_path / "out", photos / "cat", env=CLEAN, check=True)
    # Another name or place is the same model.
    embed("--output", tmp_path / "out", photos / "cat")
    (folder / "config.json").write_text("{}")
    result = run("beit-embed", "--model", folder, "--output", tmp_path / "out", photos / "cat", env=CLEAN)
    assert result.returncode == 1 and b"found shards made with model" in result.stderr


def test_replaced_images_are_refused(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    out, path = tmp_path / "out", tmp_path / "photos" / "zebra.png"
    embed("--output", out, "--shard-size", 4, tmp_path / "photos")
    before = tree(out)
    write_image(path, 99)
    line, = lines(embed("--output", out, "--shard-size", 4, tmp_path / "photos", status=1).stderr)
    assert f"the input has changed since shard 6 was written: '{path}' has another size or time" in line
    assert tree(out) == before
    # Records that are older than the fields have nothing to compare.
    for record in out.glob("done/*.json"):
        kept = json.loads(record.read_text())
        for name in ("bytes", "modified", "failed_places", "before", "follows", "ends_with"):
            del kept[name]
        record.write_text(json.dumps(kept))
    embed("--output", out, "--shard-size", 4, tmp_path / "photos")
    run("beit-embed", "merge", out, check=True)


@pytest.mark.parametrize("options", [[], ["--dtype", "float16"]])
def test_update(options, photos, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(photos, folder)

    def update(*more, status=0):
        return embed("--update", "--output", out, "--shard-size", 4, *options, *more, folder, status=status)

    def check(text):
        result = update()
        assert result.stdout.decode().startswith(f"{out}: {text}; ")
        embed("--output", tmp_path / "wanted", "--shard-size", 4, *options, folder)
        assert tree(out) == tree(tmp_path / "wanted")
        shutil.rmtree(tmp_path / "wanted")

    check("25 images embedded, 0 kept, 1 failed")
    check("0 images embedded, 25 kept, 1 failed")  # what failed is tried again
    write_image(folder / "aardvark.png", 50)
    write_image(folder / "zebra.png", 51)
    for name in ("cat.png", "dog/damaged.png"):
        (folder / name).unlink()
    shutil.rmtree(folder / "cat" / "0")
    (folder / "dog" / "big").rename(folder / "dog" / "large")  # other names
    check("13 images embedded, 11 kept, 0 failed")
    for path in sorted(folder.rglob("*.png"))[2:]:
        path.unlink()
    check("0 images embedded, 2 kept, 0 failed")
    # Without images, and where some may be out of sight, nothing is replaced.
    before = tree(out)
    for path in folder.rglob("*.png"):
        path.unlink()
    update(status=1)
    if os.name == "posix":
        write_image(folder / "new.png", 1)
        (folder / "ring.png").symlink_to("ring.png")
        assert b"left as it was" in update(status=1).stderr
        (folder / "ring.png").unlink()
    assert {name: data for name, data in tree(out).items() if not name.startswith("update/")} == before
    # Records of older versions say too little to keep a row.
    write_image(folder / "new.png", 1)
    check("1 image embedded, 0 kept, 0 failed")
    record = json.loads((out / "done/done_00000.json").read_text())
    for name in ("bytes", "modified", "failed_places", "before", "follows", "ends_with"):
        del record[name]
    (out / "done/done_00000.json").write_text(json.dumps(record))
    check("1 image embedded, 0 kept, 0 failed")


def test_update_that_was_killed_while_it_replaced_the_old_shards(photos, tmp_path):
    """Whatever has been moved already, the next run or merge ends the replacement."""
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    embed("--output", tmp_path / "old", "--shard-size", 4, folder)
    for path in sorted(folder.rglob("*.png"))[10:]:
        path.unlink()
    embed("--output", tmp_path / "wanted", "--shard-size", 4, folder)
    names = [f"{name}_{shard:05}" for shard in range(3)
             for name in ("img_emb/img_emb", "metadata/metadata", "done/done")]
    files = [next((tmp_path / "wanted").glob(name + ".*")).relative_to(tmp_path / "wanted") for name in names]
    for moved in range(len(files) + 1):
        out = tmp_path / f"out{moved}"
        shutil.copytree(tmp_path / "old", out)
        shutil.copytree(tmp_path / "wanted", out / "update")
        (out / "update" / "complete.json").write_text('{"shards":3}\n')
        for file in files[:moved]:
            (out / "update" / file).replace(out / file)
        if moved % 2:
            run("beit-embed", "merge", out, check=True)
        else:
            embed("--output", out, "--shard-size", 4, folder)
        assert tree(out) == tree(tmp_path / "wanted")


def test_update_of_another_job_is_refused(photos, reference, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reference[0], out)
    for arguments, status in [(["--dtype", "float16"], 1), (["--tokens", "patch"], 2), (["--shard", 0, "--num-shards", 2], 2)]:
        embed("--update", "--output", out, "--shard-size", 4, *arguments, photos, status=status)
    embed("--update", "--output", tmp_path / "rows.npy", photos, status=2)
    assert tree(out) == tree(reference[0])


def test_changed_input_is_refused(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    out = tmp_path / "out"
    embed("--output", out, "--shard-size", 4, tmp_path / "photos")
    before = tree(out)
    # Images at the end change nothing of a full shard, but the last one is not.
    for name in ("aardvark.png", "zoo.png"):
        write_image(tmp_path / "photos" / name, 0)
        result = embed("--output", out, "--shard-size", 4, tmp_path / "photos", status=1)
        line, = lines(result.stderr)
        assert "the input has changed" in line
        (tmp_path / "photos" / name).unlink()
    assert tree(out) == before
    embed("--output", out, "--shard-size", 4, tmp_path / "photos")


def test_a_folder_of_something_else_is_refused(photos, tmp_path):
    out = tmp_path / "out"
    (out / "img_emb").mkdir(parents=True)
    (out / "img_emb" / "img_emb_00000.npy").write_text("precious")
    for status, arguments in [(1, ["--output", out, photos]), (1, ["--output", out / "img_emb" / "img_emb_00000.npy" / "x", photos])]:
        result = embed(*arguments, status=status)
        line, = lines(result.stderr)
        assert str(out) in line
    assert tree(out) == {"img_emb/img_emb_00000.npy": b"precious"}
    (tmp_path / "file").write_text("precious")
    line, = lines(embed("--output", tmp_path / "file", photos, status=1).stderr)
    assert str(tmp_path / "file") in line
    assert (tmp_path / "file").read_text() == "precious"


def test_shards_of_one_pass_order_refuse_the_other(photos, reference, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reference[0], out)
    assert json.loads((out / "job.json").read_text())["pass_order"] == "pillow_13"
    command = ["--output", out, "--shard-size", 4, photos]
    line, = lines(embed("--pass-order", "across_first", *command, status=1).stderr)
    assert 'found shards made with pass_order "pillow_13", wanted "across_first"' in line
    # Records without the field are older than it: their images were resized across first.
    for path in (out / "job.json", *out.glob("done/*.json")):
        record = json.loads(path.read_text())
        del record.get("job", record)["pass_order"]
        path.write_text(json.dumps(record) + "\n")
    line, = lines(embed(*command, status=1).stderr)
    assert 'found shards made with pass_order "across_first", wanted "pillow_13"' in line
    embed("--pass-order", "across_first", *command)
    assert json.loads((out / "job.json").read_text())["pass_order"] == "across_first"


def test_damaged_marker_is_one_line(photos, reference, tmp_path):
    for i, (name, text) in enumerate([("job.json", "["), ("done/done_00001.json", ""), ("done/done_00001.json", "{}")]):
        out = tmp_path / str(i)
        shutil.copytree(reference[0], out)
        (out / name).write_text(text)
        for result in (embed("--output", out, "--shard-size", 4, photos, status=1), run("beit-embed", "merge", out)):
            assert result.returncode == 1
            line, = lines(result.stderr)
            assert str(out / name) in line and "damaged" in line


def test_nothing_to_embed(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    result = embed("--output", tmp_path / "a", tmp_path / "empty", status=1)
    assert lines(result.stderr) == [f"beit-embed: {tmp_path / 'empty'}: found no image files in the folder"]
    result = embed("--output", tmp_path / "b", tmp_path / "misspelt", status=1)
    assert "misspelt: found nothing there" in lines(result.stderr)[0]
    assert not (tmp_path / "b").exists()
    result = embed("--output", tmp_path / "c", "--list", "-", input=b"", status=1)
    assert lines(result.stderr) == ["beit-embed: found no images"]
    embed("--output", tmp_path / "d", photos / "dog" / "damaged.png", status=1)
    # Nothing was made there: any job may begin.
    embed("--output", tmp_path / "c", "--dtype", "float16", photos)
    assert rows_of(tmp_path / "c").dtype == np.float16
    result = run("beit-embed", "--model", photos / "cat.png", "--output", tmp_path / "e", photos, env=CLEAN)
    assert result.returncode == 1 and not (tmp_path / "e").exists()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts file systems")
def test_full_disk_and_read_only_folder(photos, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True).returncode != 0:
        pytest.skip("mount isn't allowed here")
    try:
        out = disk / "out"
        (disk / "filler").write_bytes(bytes(40_000))
        arguments = ["--output", out, "--tokens", "all", "--shard-size", 10, photos]
        line, = [line for line in lines(embed(*arguments, status=1).stderr) if "damaged.png" not in line]
        assert line.startswith(f"beit-embed: {out}") and line.endswith("No space left on device")
        assert not list(out.rglob("*.tmp*"))
        assert 0 < len(list(out.glob("done/*"))) < 3
        (disk / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        line, = lines(embed(*arguments, status=1).stderr)
        assert "Read-only file system" in line
        subprocess.run(["mount", "-o", "remount,rw,size=1m", disk], check=True)
        embed(*arguments)
        embed("--output", tmp_path / "wanted", *arguments[2:])
        assert tree(out) == tree(tmp_path / "wanted")
    finally:
        subprocess.run(["umount", disk], check=True)


# Tasks


@pytest.mark.parametrize("count", [2, 3, 10])
def test_tasks_share_the_work(count, photos, reference, tmp_path):
    out = tmp_path / "out"
    embedded = 0
    for task in random.Random(count).sample(range(count), count):
        assert run("beit-embed", "merge", out).returncode == 1
        result = embed("--output", out, "--shard-size", 4, "--shard", task, "--num-shards", count, photos)
        mine = sorted(int(path.stem[-5:]) for path in out.glob("done/*") if int(path.stem[-5:]) % count == task)
        assert mine == list(range(task, 7, count))
        embedded += int(result.stdout.split(b": ")[1].split()[0])
    assert embedded == 25  # none of them twice
    assert not (out / "failed.jsonl").exists()
    run("beit-embed", "merge", out, check=True)
    assert tree(out) == tree(reference[0])


def test_merge_says_what_is_missing(reference, tmp_path):
    def message(*missing):
        shutil.copytree(reference[0], tmp_path / "out", dirs_exist_ok=True)
        (tmp_path / "out" / "failed.jsonl").unlink()
        for name in missing:
            (tmp_path / "out" / name).unlink()
        result = run("beit-embed", "merge", tmp_path / "out")
        assert (result.returncode, result.stdout) == (1, b"")
        assert not (tmp_path / "out" / "failed.jsonl").exists()
        return lines(result.stderr)

    start = f"beit-embed merge: {tmp_path / 'out'}: incomplete: missing "
    assert message("done/done_00001.json", "img_emb/img_emb_00004.npy") == [start + "shards 1, 4"]
    assert message("done/done_00006.json") == [start + "all shards from 6 on"]
    assert message(*(f"done/done_{n:05}.json" for n in range(7))) == [start + "all shards from 0 on"]


def test_tasks_with_different_inputs_are_seen(photos, tmp_path):
    out = tmp_path / "out"
    embed("--output", out, "--shard-size", 6, "--shard", 1, "--num-shards", 2, photos / "cat")
    embed("--output", out, "--shard-size", 6, "--shard", 0, "--num-shards", 2, photos)
    result = run("beit-embed", "merge", out)
    assert result.returncode == 1 and b"different inputs" in result.stderr and len(lines(result.stderr)) == 1


@pytest.mark.parametrize("change, text", [
    (lambda folder: (write_image(folder / "02a.png", 0), (folder / "07.png").unlink()),
     "for shards 0 and 1: shard 0 ends with '{0}/03.png', and shard 1 was made to follow '{0}/02a.png'"),
    (lambda folder: (folder / "01.png").rename(folder / "011.png"), "for shards 0 and 1: names or labels before '{0}/03.png' were others"),
    (lambda folder: write_image(folder / "09.png", 0), "task 0 of 2 saw 8 images up to '{0}/07.png', and the shards hold 9"),
    (lambda folder: (folder / "07.png").unlink(), "task 0 of 2 saw 8 images up to '{0}/07.png', and the shards hold 7")])
def test_tasks_with_other_names_are_seen(change, text, photos, tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for i in range(8):
        shutil.copy2(photos / "cat.png", folder / f"{i:02}.png")
    embed("--output", out, "--shard-size", 4, "--shard", 0, "--num-shards", 2, folder)
    change(folder)
    embed("--output", out, "--shard-size", 4, "--shard", 1, "--num-shards", 2, folder)
    if len(list(folder.iterdir())) == 9:  # a third shard
        shutil.copytree(out, tmp_path / "copy")
        embed("--output", tmp_path / "copy", "--shard-size", 4, "--shard", 0, "--num-shards", 2, folder)
        run("beit-embed", "merge", tmp_path / "copy", check=True)
        for path in tmp_path.glob("copy/*/*00002*"):
            shutil.copy(path, out / path.relative_to(tmp_path / "copy"))
    result = run("beit-embed", "merge", out)
    line, = lines(result.stderr)
    assert result.returncode == 1 and result.stdout == b"" and not (out / "failed.jsonl").exists()
    assert "the tasks had different inputs" in line and text.format(folder) in line


def test_tasks_with_other_labels_are_seen(photos, tmp_path):
    for task in range(2):
        text = "".join(f"{photos / 'cat.png'}\t{'cat' if i or task else 'dog'}\n" for i in range(3))
        embed("--output", tmp_path / "out", "--shard-size", 1, "--shard", task, "--num-shards", 2, "--list", "-", input=text.encode())
    result = run("beit-embed", "merge", tmp_path / "out")
    assert result.returncode == 1 and b"the tasks had different inputs for shards 0 and 1" in result.stderr


def test_tasks_go_on_with_what_others_left(photos, reference, tmp_path):
    out = tmp_path / "out"
    embed("--output", out, "--shard-size", 4, "--shard", 1, "--num-shards", 3, photos)
    embed("--output", out, "--shard-size", 4, photos)
    assert tree(out) == tree(reference[0])


def slurm(task, count, first=0, step=1, last=None):
    values = {"ID": task, "COUNT": count, "MIN": first, "MAX": first + (count - 1) * step if last is None else last, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


def shards_done(out):
    return sorted(int(path.stem[-5:]) for path in out.glob("done/*"))


@pytest.mark.parametrize("first, step", [(0, 1), (1, 1), (10, 5)])
def test_slurm_array(first, step, photos, reference, tmp_path):
    out = tmp_path / "out"
    shares = []
    for i in range(3):
        number = first + i * step
        result = embed("--output", out, "--shard-size", 4, "--shard", "auto", photos, environment=slurm(number, 3, first, step))
        share = number // step % 3
        said = f"beit-embed: task {share} of 3, from SLURM_ARRAY_TASK_ID={number} (--shard {share} --num-shards 3)"
        assert said in lines(result.stderr)
        shares.append(share)
        assert shards_done(out) == [k for k in range(7) if k % 3 in shares]
    run("beit-embed", "merge", out, check=True)
    assert tree(out) == tree(reference[0])


SCHEDULED = {  # the environment of task i of 3
    "slurm from 0": lambda i: slurm(i, 3),
    "slurm from 1": lambda i: slurm(i + 1, 3, 1),
    "slurm, one task alone": lambda i: slurm(i, 1, i),
    "slurm, tasks 0 and 2 alone": lambda i: slurm(i, 2, 0, 2),
    "kubernetes": lambda i: {"JOB_COMPLETION_INDEX": str(i)},
    "gnu parallel": lambda i: {"PARALLEL_SEQ": str(i + 1)},
    "open mpi": lambda i: {"OMPI_COMM_WORLD_RANK": str(i), "OMPI_COMM_WORLD_SIZE": "3"},
}


def test_schedulers_with_the_number_of_shares(photos, tmp_path):
    for name, environment_of in SCHEDULED.items():
        environment, variable = environment_of(1), next(iter(environment_of(1)))
        result = embed("--output", tmp_path / name, "--shard", "auto", "--num-shards", 3, "--shard-size", 4, photos / "cat",
                       environment=environment)
        share = int(environment[variable]) % 3
        assert f"beit-embed: task {share} of 3, from {variable}={environment[variable]} " in result.stderr.decode()
        assert shards_done(tmp_path / name) == [share]


def test_two_failed_tasks_run_again(photos, reference, tmp_path):
    """With --num-shards they do their own shards, also while others run; without, they share all that is left."""
    for first, again in ((0, ["--num-shards", 6]), (1, ["--num-shards", 6]), (0, [])):
        out = tmp_path / f"out{first}{len(again)}"
        for i in (0, 2, 3, 5):
            embed("--output", out, "--shard-size", 4, "--shard", "auto", photos, environment=slurm(first + i, 6, first))
        assert run("beit-embed", "merge", out).returncode == 1
        for i in (first + 1, first + 4):
            environment = slurm(i, 2, first + 1, 1, first + 4)
            embed("--output", out, "--shard-size", 4, "--shard", "auto", *again, photos, environment=environment)
        run("beit-embed", "merge", out, check=True)
        assert tree(out) == tree(reference[0])


def test_numbers_of_a_scheduler_are_used_only_if_asked_for(photos, tmp_path):
    """Each task of an array may have an input and an output of its own."""
    for environment in (slurm(3, 10), {"JOB_COMPLETION_INDEX": "3"}, {"PARALLEL_SEQ": "3"}):
        for output in ("out", "out.npy"):
            result = embed("--output", tmp_path / output, photos / "cat", environment=environment)
            note, = [line for line in lines(result.stderr) if "is this process's" in line]
            assert next(iter(environment)) in note and "--shard auto" in note
        assert len(rows_of(tmp_path / "out")) == len(np.load(tmp_path / "out.npy")) == 12
        assert embed("-q", "--output", tmp_path / "out", photos / "cat", environment=environment).stderr == b""
        shutil.rmtree(tmp_path / "out")
        # Options that name the share leave no doubt.
        result = embed("--output", tmp_path / "out", "--shard", 0, "--num-shards", 1, photos / "cat", environment=environment)
        assert b"process's" not in result.stderr
    assert b"process's" not in embed("--output", tmp_path / "out", photos / "cat").stderr


def test_task_without_a_shard_says_so(photos, tmp_path):
    result = embed("--output", tmp_path / "out", "--shard", "auto", photos / "cat", environment=slurm(3, 10))
    assert "beit-embed: found no images for task 3 of 10: the input has 1 shard, see --shard-size" in lines(result.stderr)
    result = embed("--output", tmp_path / "out", "--shard", "auto", photos / "cat", environment=slurm(0, 10))
    assert b"found no images" not in result.stderr


def test_schedulers_whose_numbers_cannot_be_used(photos, tmp_path):
    for environment in (slurm(3, 3, 2, 1, 7), slurm(3, 4, 2, 1, 9), slurm(5, 2), slurm("x", 2), slurm(0, 0), slurm(-1, 3), {},
                        {"JOB_COMPLETION_INDEX": "3"}, {"PARALLEL_SEQ": "3"}, slurm(0, 2) | {"PARALLEL_SEQ": "1"}):
        result = embed("--output", tmp_path / "out", "--shard", "auto", photos, environment=environment, status=1)
        line, = lines(result.stderr)
        assert "wanted" in line
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [
    ["--shard", "0"], ["--num-shards", "2"], ["--shard", "all"], ["--shard", "2", "--num-shards", "2"], ["--shard", "-1", "--num-shards", "2"],
    ["--shard-size", "0"], ["--dtype", "float64"], ["--output", "a.npy", "--shard-size", "5"],
    ["--output", "a.npy", "--shard", "0", "--num-shards", "1"],
    ["--output", "a.npy", "--plot", "a.png"], ["--output", "a.npy", "--plot", "a.svg", "--tokens", "patch"]])
def test_usage_errors(arguments, tmp_path):
    output = [] if "--output" in arguments else ["--output", "out"]
    result = run("beit-embed", *output, *arguments, "a.png", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, b"")
    line, = lines(result.stderr)
    assert line.startswith("beit-embed: ") and line.endswith("(see --help)")
    assert not list(tmp_path.iterdir())


# Progress and memory


@posix
def test_progress_with_the_time_left(slow, tmp_path):
    command = [EMBED, "--model", str(MODEL), "--output", str(tmp_path / "out"), "--threads", "1", *[str(slow)] * 32]
    got = run_on_terminal(command, subprocess.DEVNULL)
    assert b"/32 images, " in got and b" images/s, 0:0" in got and b" left" in got and b"[==" in got
    summary, rest = screen(got)
    assert re.fullmatch(rf"beit-embed: wrote {tmp_path / 'out'}: 32 images in 0:\d\d, \d+\.\d images/s", summary) and not rest


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_images(photos, tmp_path):
    def peak(count):
        (tmp_path / "list").write_text(f"{photos / 'cat.png'}\n" * count)
        script = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
                  "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        command = [EMBED, "--model", MODEL, "--output", tmp_path / f"out{count}", "--list", tmp_path / "list"]
        result = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, check=True)
        return int(result.stdout.split()[-1])  # KiB

    few, many = peak(100), peak(5000)
    assert many - few < 4096
