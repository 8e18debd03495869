"""Tests that the example programs print beit-classify's answers."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve()
DATA = ROOT / "examples" / "data"
MODEL = DATA / "beit_fashion_mnist.safetensors"
IMAGE = DATA / "chelsea.png"


def run(program, *arguments, **options):
    path = BUILD / program
    if not path.exists():
        path = BUILD / "examples" / program
    if not path.exists():
        pytest.skip(f"{program} isn't built: what it needs isn't here")
    return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


def program_says(image, count=5):
    found = run("beit-classify", "--json", "--model", MODEL, "--top-k", count, image)
    return [(entry["label"], 100 * entry["score"]) for entry in json.loads(found.stdout)["predictions"]]


def check(result, wanted):
    assert result.returncode == 0, result.stderr
    lines = [re.fullmatch(r"(\S+) % (.+)", line).groups() for line in result.stdout.splitlines()]
    assert [label for _, label in lines] == [label for label, _ in wanted]
    assert [float(score) for score, _ in lines] == pytest.approx([score for _, score in wanted], rel=1e-4)


def test_hello_is_the_readmes(tmp_path):
    source = (ROOT / "examples" / "hello.cpp").read_text()
    assert f"```cpp\n{source}```" in (ROOT / "README.md").read_text()
    shutil.copy(MODEL, tmp_path / "beit_base.safetensors")
    shutil.copy(IMAGE, tmp_path)
    check(run("beit_example_hello", cwd=tmp_path), program_says(IMAGE))


@pytest.mark.parametrize("name", ["own_pool", "opencv"])
def test_one_image(name):
    check(run(f"beit_example_{name}", MODEL, IMAGE), program_says(IMAGE))


def test_a_model_inside_the_program(tmp_path):
    check(run("beit_example_embedded", IMAGE, cwd=tmp_path), program_says(IMAGE))
    result = run("beit_example_embedded", tmp_path / "none.png")
    assert result.returncode == 1 and result.stderr.startswith("embedded: ") and result.stderr.count("\n") == 1
    assert run("beit_example_embedded").returncode == 2


def test_batches():
    images = sorted((DATA / "fashion_mnist").glob("*.png"))
    result = run("beit_example_batch_loop", MODEL, *images)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"{image}: {program_says(image, 1)[0][0]}" for image in images]


@pytest.mark.parametrize("name", ["batch_loop", "own_pool", "opencv"])
def test_errors_are_one_line(name, tmp_path):
    result = run(f"beit_example_{name}", MODEL, tmp_path / "none.png")
    lines = result.stderr.splitlines()  # OpenCV has something to say itself
    assert result.returncode == 1 and lines[-1].startswith(f"{name}: ") and (len(lines) == 1 or name == "opencv")
    assert run(f"beit_example_{name}").returncode == 2
