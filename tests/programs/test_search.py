"""beit-search, from outside, over embedding folders that NumPy wrote.

    BEIT_BUILD_DIR=build python -m pytest tests/programs
"""
import base64
import html.parser
import io
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve()
MODEL = ROOT / "tests" / "golden" / "model_standard.safetensors"  # C = 24
COUNT, DIM = 40, 24


def run(*arguments):
    return subprocess.run([str(BUILD / "beit-search"), "--model", str(MODEL), *(str(argument) for argument in arguments)],
                          capture_output=True, text=True, timeout=120)


@pytest.fixture
def images(tmp_path):
    """Images, one of them with a name that is no good in HTML, and their embeddings by beit-embed: (COUNT, DIM)."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for i in range(COUNT):
        name = f"{i:02}.png" if i != 7 else "07 <b> & \"quoted\" 'é'.png"
        Image.fromarray(rng.integers(0, 256, (30, 20 + i, 3), dtype=np.uint8)).save(folder / name)
    paths = sorted(folder.iterdir())
    subprocess.run([BUILD / "beit-embed", "--model", MODEL, "--output", tmp_path / "plain.npy", *paths], check=True)
    return paths, np.load(tmp_path / "plain.npy")


def write_index(folder, paths, embeddings, shards=(0, 13, 13, COUNT), dtype=np.float32):
    (folder / "img_emb").mkdir(parents=True)
    (folder / "metadata").mkdir()
    for i, (begin, end) in enumerate(zip(shards, shards[1:])):
        np.save(folder / "img_emb" / f"img_emb_{i:05}.npy", embeddings[begin:end].astype(dtype))
        lines = [json.dumps({"path": str(path), "width": 1, "height": 1}) + "\n" for path in paths[begin:end]]
        (folder / "metadata" / f"metadata_{i:05}.jsonl").write_text("".join(lines))
    return folder


def wanted(embeddings, query, k):
    """By double precision: indices, cosines."""
    units = embeddings.astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosine = units @ units[query]
    order = np.argsort(-cosine, kind="stable")[:k]
    return order, cosine[order]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_finds_the_nearest(dtype, images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings, dtype=dtype)
    for query in (3, 20):
        result = run("--index", index, paths[query], "-k", 6)
        assert (result.returncode, result.stderr) == (0, "")
        order, cosine = wanted(embeddings.astype(dtype), query, 6)
        shown = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
        assert [path for _, path in shown] == [str(paths[i]) for i in order]
        np.testing.assert_allclose([float(score) for score, _ in shown], cosine, atol=1.1e-4)


def test_several_queries_and_a_plain_array(images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings)
    both = run("--index", index, paths[1], paths[2], "-k", 3)
    lines = both.stdout.splitlines()
    assert len(lines) == 8 and lines[0] == str(paths[1]) and lines[4] == str(paths[2])
    assert lines[1:4] == run("--index", index, paths[1], "-k", 3).stdout.splitlines()
    assert run("--index", tmp_path / "plain.npy", paths[1], paths[2], "-k", 3).stdout == both.stdout
    assert len(run("--index", index, paths[1], "-k", 1000).stdout.splitlines()) == COUNT


class Page(html.parser.HTMLParser):
    """Tags, the text of captions, the sources of images."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.sources.append(dict(attrs)["src"])

    def handle_data(self, data):
        self.texts.append(data)


def test_html_page(images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings)
    strange = 7
    result = run("--index", index, paths[strange], "-k", 4, "--html", tmp_path / "page.html")
    assert (result.returncode, result.stderr) == (0, "")
    page = Page((tmp_path / "page.html").read_text())
    assert set(page.tags) <= {"html", "head", "meta", "title", "style", "body", "h2", "div", "figure", "figcaption", "img"}
    assert len(page.sources) == 5
    order, _ = wanted(embeddings, strange, 4)
    for source, i in zip(page.sources, [strange, *order]):
        kind, data = source.split(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as thumbnail, Image.open(paths[i]) as image:
            assert thumbnail.size == image.size  # not larger than a thumbnail
            assert np.array_equal(np.asarray(thumbnail), np.asarray(image))
    assert any(str(paths[strange]) in text for text in page.texts)
    # Large images shrink; those that are gone get a note.
    Image.new("RGB", (640, 320)).save(tmp_path / "large.png")
    paths[order[1]].unlink()
    run("--index", index, tmp_path / "large.png", paths[strange], "-k", 4, "--html", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text())
    with Image.open(io.BytesIO(base64.b64decode(page.sources[0].split(",")[1]))) as thumbnail:
        assert thumbnail.size == (160, 80)
    assert "no longer readable" in page.texts


def test_bad_indices_are_one_line(images, tmp_path):
    paths, embeddings = images

    def fails(name):
        result = run("--index", tmp_path / name, paths[0])
        assert (result.returncode, result.stdout) == (1, ""), result.stdout
        line, = result.stderr.splitlines()
        assert line.startswith("beit-search: ")
        return line

    assert "can't read the folder" in fails("missing")
    write_index(tmp_path / "narrow", paths, embeddings[:, :7])
    assert "found embeddings of 7 numbers, wanted 24" in fails("narrow")
    (write_index(tmp_path / "nameless", paths, embeddings) / "metadata" / "metadata_00002.jsonl").unlink()
    assert "metadata_00002.jsonl" in fails("nameless")
    (write_index(tmp_path / "short", paths, embeddings) / "metadata" / "metadata_00002.jsonl").write_text("")
    assert "found 0 lines, wanted one for each of 27 rows" in fails("short")
    (write_index(tmp_path / "odd", paths, embeddings) / "metadata" / "metadata_00002.jsonl").write_text("{}\n" * COUNT)
    assert "found no \"path\"" in fails("odd")
    (write_index(tmp_path / "list", paths, embeddings) / "metadata" / "metadata_00002.jsonl").write_text("[]\n" * COUNT)
    assert "found no JSON object" in fails("list")
    np.save(write_index(tmp_path / "ints", paths, embeddings) / "img_emb" / "img_emb_00000.npy", np.zeros((3, DIM), int))
    assert "wanted '<f4' or '<f2'" in fails("ints")
    damaged = write_index(tmp_path / "cut", paths, embeddings) / "img_emb" / "img_emb_00002.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert "img_emb_00002.npy" in fails("cut")
    broken = embeddings.copy()
    broken[5, 5] = np.nan
    write_index(tmp_path / "nan", paths, broken)
    assert "row 5 isn't finite" in fails("nan")


def test_bad_queries(images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings)
    (tmp_path / "text.png").write_text("hello")
    result = run("--index", index, tmp_path / "text.png", paths[0], "-k", 2)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and len(result.stdout.splitlines()) == 2
    result = run("--index", index, tmp_path / "text.png", "--html", tmp_path / "page.html")
    assert (result.returncode, result.stdout) == (1, "") and not (tmp_path / "page.html").exists()
    result = run("--index", index, paths[0], "--html", tmp_path / "no" / "page.html")
    assert (result.returncode, result.stdout) == (1, "") and len(result.stderr.splitlines()) == 1
    assert run("--index", index, paths[0], "-k", 0).returncode == 2
    assert run(paths[0]).returncode == 2
