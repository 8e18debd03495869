"""Tests that the example programs print beit-classify's answers."""

import io
import json
import os
import pathlib
import re
import struct
import subprocess
import sys

import numpy
import pytest
from PIL import Image

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


def check_hello(result, image):
    result.stdout, features = result.stdout.rsplit("\n", 2)[:2]
    check(result, program_says(image))
    assert features == "128 features"


def test_hello_is_the_readmes():
    source = (ROOT / "examples" / "hello.cpp").read_text()
    assert f"```cpp\n{source}```" in (ROOT / "README.md").read_text()
    check_hello(run("beit_example_hello", MODEL, IMAGE), IMAGE)


def test_hello_alone_runs_the_demo():
    check_hello(run("beit_example_hello", cwd=ROOT), DATA / "fashion_mnist" / "bag.png")


def test_hello_says_what_is_wrong(tmp_path):
    result = run("beit_example_hello", cwd=tmp_path)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("hello: ") and result.stderr.count("\n") == 1
    assert "beit_fashion_mnist.safetensors" in result.stderr
    result = run("beit_example_hello", MODEL)
    assert result.returncode == 2 and result.stderr == "hello: wanted MODEL IMAGE, or neither for the demo model\n"


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


def bmp(pixels):
    """The frame of an uncompressed video: rows from the bottom up, blue first."""
    return pixels[::-1, :, ::-1].tobytes()


def avi(frames, rate):
    """An uncompressed AVI of RGB frames (n, H, W, 3), W a multiple of 4, made after Microsoft's description."""
    count, height, width, _ = frames.shape

    def chunk(name, *parts):
        data = b"".join(parts)
        return name + struct.pack("<I", len(data)) + data

    size = height * width * 3
    main = struct.pack("<14I", 1000000 // rate, size * rate, 0, 0x10, count, 0, 1, size, width, height, 0, 0, 0, 0)
    stream = struct.pack(
        "<4s2I2H8I4h", b"vids", 0, 0, 0, 0, 0, 1, rate, 0, count, size, 0, 0, 0, 0, width, height)
    picture = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 0, 0, 0, 0)
    streams = chunk(b"LIST", b"strl", chunk(b"strh", stream), chunk(b"strf", picture))
    index = b"".join(struct.pack("<4sIII", b"00db", 0x10, 4 + i * (size + 8), size) for i in range(count))
    return chunk(b"RIFF", b"AVI ", chunk(b"LIST", b"hdrl", chunk(b"avih", main), streams),
                 chunk(b"LIST", b"movi", *(chunk(b"00db", bmp(frame)) for frame in frames)), chunk(b"idx1", index))


def best_of_frames(stdout):
    """The frames that the camera's example classified, with the class and the percentage of each."""
    lines = [re.fullmatch(r"frame (\d+): (\S+) % (.+)", line).groups() for line in stdout.splitlines()]
    return [(int(frame), label, float(score)) for frame, score, label in lines]


def test_a_video(tmp_path):
    photographs = sorted((DATA / "fashion_mnist").glob("*.png"))
    frames, wanted = [], {}
    for i in range(30):  # three frames of each photograph
        image = Image.open(photographs[i // 3]).convert("RGB").resize((320, 240))
        image.save(tmp_path / "frame.png")
        frames.append(numpy.asarray(image))
        if i % 3 == 0:
            found = run("beit-classify", "--json", "--model", MODEL, "--precision", "int8", tmp_path / "frame.png")
            best = json.loads(found.stdout)["predictions"][0]
        wanted[i] = (best["label"], pytest.approx(100 * best["score"], rel=1e-4))
    video, output = tmp_path / "video.avi", tmp_path / "output.avi"
    video.write_bytes(avi(numpy.stack(frames), rate=25))

    result = run("beit_example_camera", MODEL, video, output)
    assert result.returncode == 0, result.stderr
    found = best_of_frames(result.stdout)
    numbers = [frame for frame, *_ in found]
    assert numbers[0] == 0 and numbers == sorted(set(numbers)) and len(numbers) > 2
    assert {frame: (label, score) for frame, label, score in found} == {frame: wanted[frame] for frame in numbers}

    # The written video can be read, has as many frames, and names what it shows.
    again = run("beit_example_camera", MODEL, output, tmp_path / "again.avi")
    assert again.returncode == 0 and max(frame for frame, *_ in best_of_frames(again.stdout)) < 30
    data = output.read_bytes()
    jpegs = [data[start:] for start in (match.start() for match in re.finditer(b"\xff\xd8\xff", data))]
    assert len(jpegs) == 30
    last = numpy.asarray(Image.open(io.BytesIO(jpegs[-1])).convert("RGB"), dtype=int)
    changed = abs(last - frames[-1]).max(axis=2) > 100
    assert changed[:120].mean() > 0.02 and changed[120:].mean() == 0


def test_what_the_camera_needs(tmp_path):
    result = run("beit_example_camera", MODEL, "99999999999999", tmp_path / "out.avi")
    assert (result.returncode, result.stderr) == (
        1, "camera: found SOURCE 99999999999999, wanted the number of a camera or a video\n")
    if sys.platform == "linux":
        blind = {name: value for name, value in os.environ.items()
                 if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
        result = run("beit_example_camera", MODEL, tmp_path / "none.avi", env=blind)
        assert (result.returncode, result.stderr) == (
            1, "camera: found no display for a window, wanted one (DISPLAY or WAYLAND_DISPLAY), or OUTPUT\n")


@pytest.mark.parametrize("name", ["batch_loop", "own_pool", "opencv", "camera"])
def test_errors_are_one_line(name, tmp_path):
    result = run(f"beit_example_{name}", MODEL, tmp_path / "none.png")
    lines = result.stderr.splitlines()  # OpenCV has something to say itself
    opencv = name in ("opencv", "camera")
    assert result.returncode == 1 and lines[-1].startswith(f"{name}: ") and (len(lines) == 1 or opencv)
    assert run(f"beit_example_{name}").returncode == 2
