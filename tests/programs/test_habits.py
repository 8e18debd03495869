"""What all programs have in common: what they refuse to overwrite, and their exit statuses.

    BEIT_BUILD_DIR=build python -m pytest tests/programs/test_habits.py
"""
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess

import numpy as np
import pytest

from test_programs import BUILD, MODEL, lines, run, write_image

EMBED, CLASSIFY, SEARCH, ATTENTION, MASK, SEGMENT, TRAIN = (f"beit-{name}" for name in (
    "embed", "classify", "search", "attention", "mask", "segment", "train-head"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with images, an index of them, and a data set of two classes."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "data/cat", "data/dog", "val/Bag", "val/Coat"):
        pathlib.Path(name).mkdir(parents=True)
        for i in range(4):
            write_image(pathlib.Path(name, f"{i}.png"), seed=i)
    shutil.copy("photos/0.png", "x.png")
    pathlib.Path("list.txt").write_text("x.png\n")
    run(EMBED, "--output", "index.npy", "photos", check=True)
    return tmp_path


# A command of each program and output option; {} is the output's name.
OUTPUTS = {
    "embed.npy": (EMBED, "--output", "{}", "photos"),
    "plot.svg": (EMBED, "--output", "plotted.npy", "--plot", "{}", "photos"),
    "logits.npy": (CLASSIFY, "--logits", "{}", "photos"),
    "validated.png": (CLASSIFY, "--val", "val", "--confusion", "{}"),
    "page.html": (SEARCH, "--index", "index.npy", "--html", "{}", "x.png"),
    "attention.png": (ATTENTION, "--output", "{}", "x.png"),
    "attention.npy": (ATTENTION, "--output", "attended.png", "--npy", "{}", "x.png"),
    "mask.png": (MASK, "--output", "{}", "x.png"),
    "mask.npy": (MASK, "--npy", "{}", "x.png"),
    "labels.png": (SEGMENT, "--output", "{}", "x.png"),
    "labels.npy": (SEGMENT, "--npy", "{}", "x.png"),
    "overlay.png": (SEGMENT, "--overlay", "{}", "x.png"),
    "pixel_logits.npy": (SEGMENT, "--logits", "{}", "x.png"),
    "head.safetensors": (TRAIN, "--no-cache", "--data", "data", "--output", "{}"),
    "confusion.png": (TRAIN, "--no-cache", "--data", "data", "--knn", "--confusion", "{}"),
}


def command(name):
    return [argument.format(name) for argument in OUTPUTS[name]]


@pytest.mark.parametrize("name", OUTPUTS)
def test_only_own_files_are_replaced(here, name):
    output = pathlib.Path(name)
    run(*command(name), check=True)
    own = output.read_bytes()
    run(*command(name), check=True)  # its own file is replaced
    assert output.read_bytes() == own
    foreign = {".npy": b"old array", ".svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
               ".html": b"<!DOCTYPE html>\n<title>mine</title>", ".png": pathlib.Path("x.png").read_bytes(),
               ".safetensors": (pathlib.Path(__file__).parents[1] / "golden/model_bf16.safetensors").read_bytes()}
    output.write_bytes(foreign[output.suffix])
    before = sorted(path.name for path in here.iterdir())
    result = run(*command(name))
    assert (result.returncode, len(lines(result.stderr))) == (1, 1)
    assert f"found {name}, a file that isn't as the programs write it" in result.stderr.decode()
    assert output.read_bytes() == foreign[output.suffix]
    assert sorted(path.name for path in here.iterdir()) == before
    run(*command(name), "--force", check=True)
    assert output.read_bytes() == own
    output.write_bytes(b"")  # nothing to lose
    if output.suffix != ".npy":
        run(*command(name), check=True)


@pytest.mark.parametrize("name", ["embed.npy", "logits.npy", "mask.npy"])
def test_names_beside_an_array(here, name):
    """OUT.txt is replaced if it goes with OUT.npy."""
    names = pathlib.Path(name).with_suffix(".txt")
    run(*command(name), check=True)
    own = names.read_bytes()
    for text in (own + b"and a note\n", b"my notes\n" * 7):
        names.write_bytes(text)
        result = run(*command(name))
        assert result.returncode == 1 and f"found {name}, a file" in result.stderr.decode()
        assert names.read_bytes() == text
    pathlib.Path(name).unlink()
    names.write_bytes(own)
    assert run(*command(name)).returncode == 1
    names.unlink()
    np.save(name, np.zeros((3, 2), np.float32))  # without names: not as the programs write it
    assert run(*command(name)).returncode == 1
    run(*command(name), "--force", check=True)


@pytest.mark.parametrize("first, second", [
    ("out", "./out/"), ("out", "out/x.png"), ("out/x.png", "link/x.png"), ("labels.png", "picture.png")])
def test_no_output_is_another_output(here, first, second):
    """By whatever name or link."""
    pathlib.Path("out").mkdir()
    os.symlink("out", "link")
    pathlib.Path("labels.png").write_bytes(b"")
    os.symlink("labels.png", "picture.png")
    before = sorted(here.rglob("*"))
    result = run(SEGMENT, "--output", first, "--overlay", second, "x.png")
    assert (result.returncode, len(lines(result.stderr))) == (1, 1)
    assert ", which --output writes too, wanted another name" in result.stderr.decode()
    assert sorted(here.rglob("*")) == before


INPUTS = [
    (EMBED, "--list", "list.txt", "--output", "list.npy"),
    (EMBED, "--list", "./list.txt", "--output", "photos/../list.npy"),
    (EMBED, "--list", "alias", "--output", "list.npy"),
    (EMBED, "--list", "list.txt", "--output", "link.npy"),
    (EMBED, "--list", "list.txt", "--output", "hard.npy"),
    (EMBED, "--list", "-", "--output", "list.npy"),
    (EMBED, "--output", "photos", "photos"),
    (EMBED, "--output", "./photos/", "photos"),
    (EMBED, "--list", "old/failed.jsonl", "--output", "old"),
    (CLASSIFY, "--list", "list.txt", "--logits", "list.npy"),
    (CLASSIFY, "--val", "val", "--confusion", "val/Bag/new.png"),
    (ATTENTION, "--output", "x.png", "x.png"),
    (ATTENTION, "--output", "photos/../x.png", "x.png"),
    (ATTENTION, "--output", "picture.png", "x.png"),
    (MASK, "--output", "x.png", "photos", "x.png"),
    (MASK, "--output", "photos/0.png", "photos"),
    (MASK, "--output", "photos/new.png", "photos"),
    (MASK, "--output", "x.png", "linked"),
    (SEGMENT, "--output", "x.png", "x.png"),
    (SEGMENT, "--overlay", "picture.png", "x.png"),
    (SEGMENT, "--output", "photos", "photos"),
    (TRAIN, "--knn", "--data", "data", "--confusion", "data/cat/0.png"),
    (TRAIN, "--knn", "--data", "data", "--confusion", "data/cat/new.png"),
    (TRAIN, "--model", "model", "--data", "data", "--output", "model/model.safetensors"),
    (TRAIN, "--model", "model/model.safetensors", "--data", "data", "--output", "other.safetensors"),
]


@pytest.mark.parametrize("arguments", INPUTS, ids=" ".join)
def test_no_output_is_an_input(here, arguments):
    os.symlink("list.txt", "alias")
    os.symlink("list.txt", "link.txt")
    os.link("list.txt", "hard.txt")
    os.symlink("x.png", "picture.png")
    pathlib.Path("linked").mkdir()
    os.symlink("../x.png", "linked/1.png")
    pathlib.Path("old").mkdir()
    pathlib.Path("old/failed.jsonl").write_text('{"path":"x.png"}\n')
    pathlib.Path("model").mkdir()
    shutil.copy(pathlib.Path(__file__).parents[1] / "golden/model_bf16.safetensors", "model/model.safetensors")
    os.link("model/model.safetensors", "other.safetensors")

    def tree():
        return {path: path.read_bytes() if path.is_file() else b"" for path in sorted(here.rglob("*"))}
    before = tree()
    for force in ([], ["--force"]):
        with open("list.txt") as stdin:
            result = run(*arguments, *force, stdin=stdin)
        assert result.returncode == 1 and len(lines(result.stderr)) == 1, result.stderr
        assert b", wanted another name" in result.stderr or b", wanted a name outside of it" in result.stderr
        assert tree() == before


def test_somebody_elses_folder_isnt_taken_for_an_output(here):
    pathlib.Path("mine").mkdir()
    for name in ("job.json", "failed.jsonl"):
        pathlib.Path("mine", name).write_text('{"of": "my own"}\n')
        result = run(EMBED, "--output", "mine", "photos")
        assert result.returncode == 1 and f"found mine/{name}" in result.stderr.decode()
        assert sorted(os.listdir("mine")) == [name]
        pathlib.Path("mine", name).unlink()


@pytest.mark.parametrize("arguments", [(TRAIN, "--data", "data", "--output", "x.png"),
                                       (SEARCH, "--index", "index.npy", "--html", "index.npy", "x.png")])
def test_the_name_of_an_output_says_its_kind(here, arguments):
    result = run(*arguments)
    assert result.returncode == 2 and b", wanted a name in ." in result.stderr


# A command of each program, whose last argument is a folder or name of images.
COMMANDS = {
    "file": (EMBED, "--output", "out.npy"),
    "folder": (EMBED, "--output", "out"),
    "classify": (CLASSIFY,),
    "json": (CLASSIFY, "--json"),
    "validate": (CLASSIFY, "--val"),
    "search": (SEARCH, "--index", "index.npy"),
    "mask": (MASK,),
    "segment": (SEGMENT,),
    "attention": (ATTENTION, "--output", "out.png"),
    "train": (TRAIN, "--no-cache", "--output", "out.safetensors", "--data"),
    "knn": (TRAIN, "--no-cache", "--knn", "--data"),
}
GOOD = {"train": "data", "knn": "data", "validate": "val"}  # x.png or photos for the others
MANY = [name for name in COMMANDS if name != "attention"]


def status(name, *more):
    return run(*COMMANDS[name], *more).returncode


@pytest.mark.parametrize("name", COMMANDS)
def test_status_of_all_programs(here, name):
    """0 done; 1 nothing done; 2 wrong usage."""
    good = GOOD.get(name, "x.png")
    assert status(name, good) == 0
    assert status(name, good, "--strict") == 0
    assert status(name, good, "--no-such-option") == 2
    assert status(name, "missing") == 1
    shutil.rmtree("photos")
    pathlib.Path("photos").mkdir()
    assert status(name, "photos") == 1  # nothing in it
    pathlib.Path("photos/0.png").write_bytes(b"no image")
    shutil.rmtree("out", ignore_errors=True)
    assert status(name, "photos" if name != "attention" else "photos/0.png") == 1  # nothing that can be read
    help_text = run(COMMANDS[name][0], "--help").stdout.decode()
    assert "\nExit status: 0 done" in help_text and "--strict" in help_text and "--force" in help_text


@pytest.mark.parametrize("name", MANY)
def test_status_with_a_broken_image(here, name):
    folder = GOOD.get(name, "photos")
    for broken in pathlib.Path().glob(f"{folder}/**/1.png"):
        broken.write_bytes(broken.read_bytes()[:60])
    assert status(name, folder) == 0
    assert status(name, folder, "--strict") == 1
    assert status(name, folder) == 0
    if name == "folder":  # what was done before counts as well
        assert run(EMBED, "merge", "out").returncode == 0
        assert run(EMBED, "merge", "out", "--strict").returncode == 1


@pytest.mark.parametrize("name", ["file", "classify", "json", "search", "mask", "segment"])
def test_status_when_something_named_is_missing(here, name):
    """The rest of the work is done, and the status is 1."""
    pathlib.Path("empty").mkdir()
    for missing in ("missing.png", "empty"):
        result = run(*COMMANDS[name], "photos", missing)
        assert result.returncode == 1 and missing in result.stderr.decode()
        assert b"0.png" in result.stdout or name == "file" and len(np.load("out.npy")) == 4


def notes(*arguments):
    """Standard error of a run, as it is."""
    return subprocess.run([BUILD / arguments[0], *arguments[1:]], capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_demo_model_is_named(here, name):
    good = GOOD.get(name, "x.png")
    told = notes(*COMMANDS[name], good)
    wanted = f"{COMMANDS[name][0]}: no --model: the small demo model is at work, which knows ten kinds of clothes\n"
    assert told.startswith(wanted)
    assert notes(*COMMANDS[name], good, "--quiet") == ""
    assert wanted in notes(*COMMANDS[name], good, "--verbose")
    if name not in ("mask", "segment", "search", "validate"):  # which would need another kind of model, index or labels
        shutil.rmtree("out", ignore_errors=True)  # which another model doesn't continue
        assert "no --model" not in notes(*COMMANDS[name], good, "--model", MODEL, "--force")


def test_the_demo_model_is_named_in_json(here):
    for command in ((CLASSIFY,), (SEARCH, "--index", "index.npy"), (MASK,), (SEGMENT,)):
        shown, = lines(run(*command, "--json", "x.png", check=True).stdout)
        assert json.loads(shown)["demo_model"] is True
    assert "demo_model" not in json.loads(run(CLASSIFY, "--json", "--model", MODEL, "x.png", check=True).stdout)
    run(EMBED, "--output", "out", "photos", check=True)
    job = json.loads(pathlib.Path("out/job.json").read_text())
    assert job.pop("demo_model") is True
    # Folders of earlier versions say nothing of it and are continued.
    pathlib.Path("out/job.json").write_text(json.dumps(job))
    done = json.loads(pathlib.Path("out/done/done_00000.json").read_text())
    assert done["job"].pop("demo_model") is True
    pathlib.Path("out/done/done_00000.json").write_text(json.dumps(done))
    assert b"0 images embedded" in run(EMBED, "--output", "out", "photos", check=True).stdout
    run(EMBED, "--output", "other", "--model", MODEL, "photos", check=True)
    assert "demo_model" not in json.loads(pathlib.Path("other/job.json").read_text())


UNLIKE = {  # width, height, mode: in what an image differs from the demo model's, which are grey and of 28 pixels
    (112, 28, "L"): "", (113, 28, "L"): "113x28 pixels", (28, 113, "L"): "28x113 pixels", (28, 28, "RGB"): "in colour",
    (300, 200, "RGBA"): "300x200 pixels, in colour"}


@pytest.mark.parametrize("size", UNLIKE, ids=str)
def test_images_unlike_those_of_the_demo_model(here, size):
    *pixels, mode = size
    write_image("x.png", seed=1, size=pixels, mode=mode)
    for command in ((CLASSIFY, "--json"), (MASK, "--json"), (SEARCH, "--index", "index.npy", "--json")):
        told = notes(*command, "x.png")
        found = [line for line in told.splitlines() if "mean little" in line]
        assert found == ([f"{command[0]}: no --model: results for 1 image mean little, because the demo model learned from "
                          f"grey pictures of 28x28 (x.png: {UNLIKE[size]})"] if UNLIKE[size] else [])
        assert json.loads(run(*command, "x.png", check=True).stdout).get("unlike_demo_model", "") == UNLIKE[size]
    assert notes(CLASSIFY, "--quiet", "x.png") == ""
    other = run(CLASSIFY, "--json", "--model", MODEL, "x.png", check=True)
    assert "unlike_demo_model" not in json.loads(other.stdout) and other.stderr == b""


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"segment"}))  # whose demo model learned from coloured scenes
def test_every_program_counts_images_unlike_those_of_the_demo_model(here, name):
    if name == "attention":  # which draws one image into one picture
        assert "results for 1 image mean little" in notes(*COMMANDS[name], "x.png")
    else:
        count = 8 if name in GOOD else 4
        assert f"results for {count} images mean little" in notes(*COMMANDS[name], GOOD.get(name, "photos"))


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_end_says_what_was_written(here, name):
    told = notes(*command(name)).splitlines()[-1]
    program, *arguments = command(name)
    assert re.fullmatch(rf"{program}: wrote .*{name}.*: \d+ images? in 0:\d\d, \d+\.\d images/s", told)
    verbose = notes(*command(name), "--verbose")
    assert len(re.findall(r"decoding \d+ ms and preprocessing \d+ ms, .*; model \d+ ms$", verbose, re.M)) == 1
    assert len(re.findall(r", loaded after \d+ ms$", verbose, re.M)) == 1


# An option that takes a path, of each program.
PATHS = [(program, option) for program, options in {
    EMBED: ["--model", "--preprocessing", "--list", "--output"],
    CLASSIFY: ["--model", "--preprocessing", "--list", "--labels", "--val"],
    SEARCH: ["--model", "--preprocessing", "--index"],
    ATTENTION: ["--model", "--preprocessing", "--output", "--npy"],
    MASK: ["--model", "--preprocessing", "--tokenizer"],
    SEGMENT: ["--model", "--preprocessing", "--labels", "--output", "--overlay", "--npy", "--logits"],
    TRAIN: ["--model", "--preprocessing", "--data", "--val", "--cache"]}.items() for option in options]


@pytest.mark.parametrize("program, option", PATHS)
def test_an_empty_path_is_refused(here, program, option):
    """It isn't taken for a missing option."""
    result = run(program, option, "", *([] if program == TRAIN else ["x.png"]))
    assert result.returncode == 2 and f"{option}: found '', wanted a path" in result.stderr.decode()


@pytest.mark.parametrize("arguments", [
    (EMBED, "--output", "-"), (ATTENTION, "--output", "-"), (ATTENTION, "--output", "out", "--npy", "-"),
    *((SEGMENT, option, "-") for option in ("--output", "--overlay", "--npy", "--logits"))], ids=" ".join)
def test_files_are_not_written_to_standard_output(here, arguments):
    """Nor to a folder called "-", which other programs would take for standard input."""
    before = sorted(here.rglob("*"))
    result = run(*arguments, "x.png")
    assert result.returncode == 2 and "found '-', wanted a path (such as ./-)" in result.stderr.decode()
    assert sorted(here.rglob("*")) == before


FOLDERS = {"shards": (EMBED, "--output", "{}", "photos"),
           "attention": (ATTENTION, "--output", "{}", "--npy", "arrays", "photos"),
           "labels": (SEGMENT, "--output", "{}", "--overlay", "overlays", "--npy", "arrays", "--logits", "logits", "photos")}


@pytest.mark.parametrize("name", [*OUTPUTS, *FOLDERS])
def test_a_wrong_model_leaves_nothing_behind(here, name):
    pathlib.Path("wrong.safetensors").write_bytes(b"no model")
    before = sorted(here.rglob("*"))
    arguments = [argument.format(name) for argument in {**OUTPUTS, **FOLDERS}[name]]
    result = run(*arguments, "--model", "wrong.safetensors")
    assert result.returncode == 1 and "wrong.safetensors: " in result.stderr.decode()
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_limit_of_the_size_of_files_is_an_error(here, name):
    """Not a signal, which would leave temporary files."""
    before = sorted(here.rglob("*"))
    result = run(*command(name), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16)))
    assert result.returncode == 1 and "can't write: File too large" in result.stderr.decode()
    left = {path.name for path in here.rglob("*")} - {path.name for path in before}
    assert not any(".tmp-" in path or path == name for path in left)
