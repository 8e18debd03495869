"""Tests what the programs read and skip: folders, tar files, standard input, damaged photographs."""

import csv
import importlib
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy as np
import pytest
from PIL import Image

from test_embed import EMBED, CLEAN, add_member, embed, failed_of, metadata_of, rows_of, tree
from test_programs import BUILD, MODEL, lines, posix, run, without_notes, write_image


def classify(*arguments, status=0, **options):
    result = run("beit-classify", "--model", MODEL, *arguments, **options)
    assert result.returncode == status, result.stderr.decode()
    return result


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "image.png"
    write_image(path, 3)
    return path


def embedding_of(path, tmp_path):
    embed("--output", tmp_path / "one.npy", path)
    return np.load(tmp_path / "one.npy")


# Skipped files


@pytest.fixture
def mixed(image, tmp_path):
    """Three images among files of other kinds."""
    folder = tmp_path / "mixed"
    for name in ("a.png", "cat/b.PNG", "cat/deep/c.png", "._a.png", "cat/._b.PNG", "__MACOSX/a.png", "__MACOSX/cat/._b.jpeg",
                 "one.psd", "cat/two.PSD", "cat/deep/three.psd", "four.psd", "note.txt", "cat/note.txt", "x.svg", "README",
                 ".DS_Store"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, folder / name)
    return folder


def test_skipped_files_are_named_by_kind(mixed, tmp_path):
    text = "13 files skipped: 4 .psd, 4 AppleDouble, 2 .txt, 1 .DS_Store, 1 .svg, 1 without extension"
    result = embed("--output", tmp_path / "out", mixed)
    assert lines(result.stderr) == [f"beit-embed: {text}"]
    assert len(rows_of(tmp_path / "out")) == 3
    job = json.loads((tmp_path / "out/job.json").read_text())
    assert job["skipped"] == {".psd": 4, "AppleDouble": 4, ".txt": 2, ".DS_Store": 1, ".svg": 1, "without extension": 1}
    # Going on, sharing the work and merging mind it as little as a file.
    before = tree(tmp_path / "out")
    assert lines(embed("--output", tmp_path / "out", mixed).stderr) == [f"beit-embed: {text}"]
    run("beit-embed", "merge", tmp_path / "out", check=True)
    for task in range(2):
        embed("--output", tmp_path / "shared", "--shard", task, "--num-shards", 2, mixed)
    run("beit-embed", "merge", tmp_path / "shared", check=True)
    assert tree(tmp_path / "out") == tree(tmp_path / "shared") == before
    assert lines(embed("--output", tmp_path / "out.npy", mixed).stderr) == [f"beit-embed: {text}"]
    # Once all is read, there is nothing to note.
    embed("--output", tmp_path / "all", mixed / "cat" / "deep" / "c.png")
    assert "skipped" not in json.loads((tmp_path / "all/job.json").read_text())


def test_programs_say_what_a_folder_holds_besides(mixed, tmp_path):
    result = classify(mixed)
    assert lines(result.stderr) == ["beit-classify: 13 files skipped: 4 .psd, 4 AppleDouble, 2 .txt, 1 .DS_Store, 1 .svg, "
                                    "1 without extension"]
    assert result.stdout.count(b"a.png") == 1
    embed("--output", tmp_path / "index.npy", mixed)
    result = run("beit-search", "--model", MODEL, "--index", tmp_path / "index.npy", mixed / "cat" / "deep", check=True)
    assert lines(result.stderr) == ["beit-search: 1 file skipped: 1 .psd"]
    shutil.copytree(mixed / "cat", mixed / "dog")
    result = run("beit-train-head", "--model", MODEL, "--data", mixed, "--output", tmp_path / "head.safetensors", "--no-cache")
    assert (result.returncode, len(lines(result.stderr))) == (0, 1)
    assert lines(result.stderr)[0].startswith("beit-train-head: ") and "AppleDouble" in lines(result.stderr)[0]
    assert b"2 classes; images: 2 for training, 2 for testing" in result.stdout  # cat/b.PNG, cat/deep/c.png


def test_apple_double_named_by_the_user_is_read(mixed):
    assert classify(mixed / "._a.png").stdout.count(b"._a.png") == 1


def test_apple_double_in_a_list_is_skipped(mixed, tmp_path):
    names = "".join(f"{path}\n" for path in sorted(mixed.rglob("*.png"))).encode()
    result = embed("--output", tmp_path / "out", "--list", "-", input=names)
    assert lines(result.stderr) == ["beit-embed: 2 files skipped: 2 AppleDouble"]
    assert len(metadata_of(tmp_path / "out")) == 2
    result = classify("--list", "-", input=names)
    assert lines(result.stderr) == ["beit-classify: 2 files skipped: 2 AppleDouble"]


def test_formats_of_optional_libraries(image, tmp_path):
    """Every file is either read or among the skipped ones."""
    folder = tmp_path / "formats"
    folder.mkdir()
    picture = Image.open(image)
    for name in ("a.webp", "b.tiff", "c.tif"):
        picture.save(folder / name, **({"lossless": True} if name.endswith("webp") else {}))
    (folder / "d.bmp").write_bytes(b"")
    picture.save(folder / "d.bmp")
    result = embed("--output", tmp_path / "out", folder)
    found = [found["path"].rsplit("/", 1)[1] for found in metadata_of(tmp_path / "out")]
    skipped = sum(json.loads((tmp_path / "out/job.json").read_text()).get("skipped", {}).values())
    assert "d.bmp" in found and len(found) + skipped == 4
    assert bool(result.stderr) == (skipped > 0)
    assert (rows_of(tmp_path / "out") == embedding_of(image, tmp_path)).all()


# What the system says nothing of


def embed_as_nobody(*arguments):
    """The right to search a folder means nothing to root."""
    command = [EMBED, "--model", MODEL, *map(str, arguments)]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    return without_notes(subprocess.run(command, env=CLEAN, capture_output=True))


@pytest.fixture
def open_folder(tmp_path):
    """A folder that anyone may write to, and enter: pytest's own may not be."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield pathlib.Path(folder)


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="setpriv")
def test_folders_without_rights_are_failures(image, open_folder):
    for name in "abc":
        (open_folder / "in" / name).mkdir(parents=True)
        for i in range(3):
            shutil.copy(image, open_folder / "in" / name / f"{i}.png")
    wanted = embed_as_nobody("--output", open_folder / "wanted", "--shard-size", 2, open_folder / "in")
    assert wanted.returncode == 0
    for mode, failures in [(0o644, [f"in/b/{i}.png" for i in range(3)]), (0o300, ["in/b"])]:
        (open_folder / "in/b").chmod(mode)
        out = open_folder / f"out{mode}"
        result = embed_as_nobody("--output", out, "--shard-size", 2, open_folder / "in")
        assert result.returncode == 1
        assert [found["path"] for found in failed_of(out)] == [str(open_folder / name) for name in failures]
        assert all("Permission denied" in found["error"] for found in failed_of(out))
        assert json.loads((out / "job.json").read_text())["unreachable"] == len(failures)
        assert len(rows_of(out)) == 6 and len(lines(result.stderr)) == len(failures) + 1
        assert "couldn't be looked at" in lines(result.stderr)[-1]
        (open_folder / "in/b").chmod(0o755)
        again = embed_as_nobody("--output", out, "--shard-size", 2, open_folder / "in")
        if mode == 0o644:  # the same names: only those are embedded
            assert again.returncode == 0 and tree(out) == tree(open_folder / "wanted")
        else:
            assert again.returncode == 1 and b"the input has changed" in again.stderr


@posix
def test_links_in_circles(image, tmp_path):
    folder = tmp_path / "up" / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.png"):
        shutil.copy(image, folder / name)
    (folder / "self").symlink_to(".")
    (folder / "deep" / "above").symlink_to("..")
    (folder / "outside").symlink_to("../..")  # which has the folder itself below it
    embed("--output", tmp_path / "out", folder)
    assert [found["path"] for found in metadata_of(tmp_path / "out")] == [str(folder / "a.png"), str(folder / "deep/b.png")]
    (folder / "ring").symlink_to("ring")
    (folder / "ring.png").symlink_to("ring.png")
    result = embed("--output", tmp_path / "ring", folder, status=1)
    assert [(found["path"], "symbolic links" in found["error"]) for found in failed_of(tmp_path / "ring")] == [
        (str(folder / "ring"), True), (str(folder / "ring.png"), True)]
    assert len(lines(result.stderr)) == 3 and classify(folder, status=1).stdout.count(b"a.png") == 1


def test_a_first_run_on_an_empty_folder_leaves_nothing(image, tmp_path):
    (tmp_path / "disk").mkdir()
    out = tmp_path / "out"
    result = embed("--output", out, tmp_path / "disk", status=1)
    assert lines(result.stderr) == [f"beit-embed: {tmp_path / 'disk'}: found no image files in the folder"]
    assert not list(out.glob("*/*")) and not (out / "failed.jsonl").exists()
    shutil.copy(image, tmp_path / "disk" / "a.png")
    embed("--output", out, tmp_path / "disk")
    assert len(rows_of(out)) == 1 and failed_of(out) == []


# Names and lists of them


def test_lists_as_find_print0_writes_them(image, tmp_path):
    names = [tmp_path / name for name in (("a.png", "two\nlines.png", "tab\tin.png") if os.name == "posix" else ("a.png",))]
    for name in names:
        shutil.copy(image, name)
    data = b"".join(os.fsencode(name) + b"\0" for name in names)
    for i, (options, text) in enumerate([(["--null"], data), ([], data), ([], data[:-1])]):
        embed("--output", tmp_path / str(i), *options, "--list", "-", input=text)
        assert [found["path"] for found in metadata_of(tmp_path / str(i))] == [str(name) for name in names]
        assert classify("--json", *options, "--list", "-", input=text).stdout.count(b'"image"') == len(names)
    one = os.fsencode(names[0])
    embed("--output", tmp_path / "mark", "--list", "-", input=b"\xef\xbb\xbf" + one + b"\tcat\r\n")
    assert [(found["path"], found["label"]) for found in metadata_of(tmp_path / "mark")] == [(str(names[0]), "cat")]
    wide = embed("--output", tmp_path / "wide", "--list", "-", input=str(names[0]).encode("utf-16"), status=1)
    assert "found a list in UTF-16, wanted UTF-8" in lines(wide.stderr)[0]
    late = (one + b"\n") * (1 + (1 << 16) // len(one)) + data  # more than is read at once
    assert "found a zero byte after lines" in lines(embed("--output", tmp_path / "late", "--list", "-", input=late, status=1).stderr)[-1]


def unescaped(text):
    """The rule in docs/many-images.md."""
    return re.sub(rb"\\x([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_names_of_any_bytes(image, tmp_path):
    names = [b"caf\xe9.png", b"literal \\xE9.png", "\u00e4 \u2028 \u0085.png".encode(), b"\xed\xa0\x80 \xf4\x90.png",
             b"line\nfeed\rreturn\x0b\x0c\x1c.png", b"a,\"b\".png"]
    folder = os.fsencode(tmp_path) + b"/in/caf\xe9"
    os.makedirs(folder)
    for name in names:
        shutil.copy(image, folder + b"/" + name)
    paths = sorted(folder + b"/" + name for name in names)
    out = tmp_path / "out"
    embed("--output", out, tmp_path / "in")
    data = (out / "metadata/metadata_00000.jsonl").read_bytes().decode()
    found = [json.loads(line) for line in data.splitlines()]  # at all that Python takes for the end of a line
    assert [unescaped(entry["path"]) for entry in found] == paths
    assert {entry["label"] for entry in found} == {"caf\\xE9"}
    embed("--output", out, tmp_path / "in")  # knows them again
    embed("--output", tmp_path / "rows.npy", tmp_path / "in")
    text = (tmp_path / "rows.txt").read_bytes().decode().splitlines()
    assert [unescaped(line) for line in text] == paths
    rows = rows_of_csv(classify("--csv", "--top-k", 1, tmp_path / "in").stdout)
    assert [unescaped(row["image"]) for row in rows] == paths
    for index in (out, tmp_path / "rows.npy"):
        result = run("beit-search", "--model", MODEL, "--index", index, "--json", "-k", 6, "--html", tmp_path / "page.html", image, check=True)
        assert {unescaped(hit["path"]) for hit in json.loads(result.stdout)["found"]} == set(paths)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_train_head_with_a_class_that_is_not_utf8(image, tmp_path):
    for name in (b"caf\xe9", b"tea"):
        folder = os.fsencode(tmp_path) + b"/in/" + name
        os.makedirs(folder)
        for i in range(4):
            shutil.copy(image, folder + b"/%d.png" % i)
    result = run("beit-train-head", "--model", MODEL, "--data", tmp_path / "in", "--no-cache", "--output", tmp_path / "head.safetensors")
    assert result.returncode == 0, result.stderr
    labels = {entry["label"] for entry in json.loads(run("beit-classify", "--json", "--model", tmp_path / "head.safetensors", image).stdout)["predictions"]}
    assert labels == {"caf\\x5CxE9", "tea"}  # the model's label is text, which looks like an escape


# Truncated photographs


def test_allow_truncated(tmp_path):
    photo = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(photo).resize((200, 160)).save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) * 3 // 4])
    result = classify(tmp_path / "cut.jpg", status=1)
    assert b"truncated" in result.stderr
    assert classify("--allow-truncated", tmp_path / "cut.jpg").stdout.count(b"%") == 5
    whole = classify("--allow-truncated", "--json", tmp_path / "whole.jpg").stdout
    assert whole == classify("--json", tmp_path / "whole.jpg").stdout
    (tmp_path / "cut.jpg").write_bytes(data[:100])
    assert classify("--allow-truncated", tmp_path / "cut.jpg", status=1).stdout == b""
    # It is one of the options that shards depend on.
    embed("--output", tmp_path / "out", tmp_path / "whole.jpg")
    result = embed("--output", tmp_path / "out", "--allow-truncated", tmp_path / "whole.jpg", status=1)
    assert b"found shards made with allow_truncated false" in result.stderr


# Tar files


def add_link(archive, name, target, kind):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    archive.addfile(entry)


@pytest.fixture
def linked(image, tmp_path):
    """Links to members before and after them, to links, to labels; and three that lead nowhere."""
    other = tmp_path / "other.png"
    write_image(other, 4)
    with tarfile.open(tmp_path / "links.tar", "w") as archive:
        add_link(archive, "a/early.png", "../b/two.png", tarfile.SYMTYPE)
        add_member(archive, "a/one.png", image.read_bytes())
        add_member(archive, "a/one.cls", b"seven")
        add_member(archive, "b/two.png", other.read_bytes())
        add_link(archive, "./c/hard.png", "a/one.png", tarfile.LNKTYPE)
        add_link(archive, "c/hard.cls", "a/one.cls", tarfile.LNKTYPE)
        add_link(archive, "c/soft.png", "./hard.png", tarfile.SYMTYPE)
        add_link(archive, "d/gone.png", "../../outside.png", tarfile.SYMTYPE)
        add_link(archive, "d/loop.png", "loop.png", tarfile.SYMTYPE)
        add_link(archive, "d/root.png", str(image), tarfile.SYMTYPE)
    return tmp_path / "links.tar"


def test_links_in_a_tar_are_followed(linked, image, tmp_path):
    result = embed("--output", tmp_path / "out", "--shard-size", 2, linked)
    assert [(found["path"].split(".tar/")[1], found.get("label")) for found in metadata_of(tmp_path / "out")] == [
        ("a/early.png", None), ("a/one.png", "seven"), ("b/two.png", None), ("./c/hard.png", "seven"), ("c/soft.png", None)]
    first, second = embedding_of(image, tmp_path)[0], embedding_of(tmp_path / "other.png", tmp_path)[0]
    assert (rows_of(tmp_path / "out") == [second, first, second, first, first]).all()
    errors = {found["path"].split(".tar/")[1]: found["error"] for found in failed_of(tmp_path / "out")}
    assert errors["d/gone.png"] == "is a link to '../outside.png', which isn't in the tar file"
    assert errors["d/loop.png"] == "is a chain of more than 16 links, wanted a file"
    assert errors["d/root.png"] == f"is a link to '{image}', which isn't in the tar file"
    assert len(errors) == len(lines(result.stderr)) == 3
    for task in range(3):
        embed("--output", tmp_path / "shared", "--shard-size", 2, "--shard", task, "--num-shards", 3, linked)
    run("beit-embed", "merge", tmp_path / "shared", check=True)
    assert tree(tmp_path / "shared") == tree(tmp_path / "out")


def test_labels_by_whole_names_first(image, tmp_path):
    data = image.read_bytes()
    members = ["22.05.cls", "22.05.png", "22.06.png", "22.06.cls", "22.07.png",  # own labels, one after its image
               "s.left.png", "s.right.png", "s.cls", "s.right.cls",  # the sample's, and an own one
               "v1.0/x.png", "v1.0/x.cls", "plain.cls", "plain.png", "no.png", "no.5.cls"]
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in members:
            add_member(archive, name, f"L {name[:-4]}\n".encode() if name.endswith("cls") else data)
        for i in range(50):  # more of one sample than wait for a label
            add_member(archive, f"2022.05.{i:02}.png", data)
            add_member(archive, f"2022.05.{i:02}.cls", str(i).encode())
    embed("--output", tmp_path / "out", tmp_path / "a.tar")
    found = {found["path"].split(".tar/")[1]: found.get("label") for found in metadata_of(tmp_path / "out")}
    assert list(found)[:6] == ["22.05.png", "22.06.png", "22.07.png", "s.left.png", "s.right.png", "v1.0/x.png"]
    wanted = {"22.05.png": "L 22.05", "22.06.png": "L 22.06", "22.07.png": None, "s.left.png": "L s", "s.right.png": "L s.right",
              "v1.0/x.png": "L v1.0/x", "plain.png": "L plain", "no.png": None}
    assert found == wanted | {f"2022.05.{i:02}.png": str(i) for i in range(50)}


def test_a_tar_says_what_it_holds_besides(image, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("one.png", "one.cls", "one.txt", "two.psd", "._one.png", "__MACOSX/._one.png", "__MACOSX/._one.cls"):
            add_member(archive, name, image.read_bytes() if name == "one.png" else b"x")
    result = embed("--output", tmp_path / "out", tmp_path / "a.tar")
    assert lines(result.stderr) == ["beit-embed: 5 files skipped: 3 AppleDouble, 1 .psd, 1 .txt"]
    assert [found.get("label") for found in metadata_of(tmp_path / "out")] == ["x"]


# Archives that were joined, and labels that stand anywhere


def tar_of(*members):
    """The bytes of a tar file of (name, contents)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members:
            add_member(archive, name, data if isinstance(data, bytes) else data.encode())
    return buffer.getvalue()


def labels_in(data, tmp_path, *options):
    """Each image and its label in a tar file of these bytes, and what was skipped."""
    path, out = tmp_path / "labels.tar", tmp_path / "labels"
    path.write_bytes(data)
    shutil.rmtree(out, ignore_errors=True)
    result = embed("--output", out, *options, path)
    text = "".join(line.removeprefix("beit-embed: ") for line in lines(result.stderr))
    return [(found["path"].split(".tar/")[1], found.get("label")) for found in metadata_of(out)], text


@pytest.mark.parametrize("compression", [None, "gzip", "bz2", "lzma"])
def test_joined_archives_are_read_to_the_end(compression, image, tmp_path):
    compress = importlib.import_module(compression).compress if compression else bytes
    picture = image.read_bytes()
    first = compress(tar_of(("0.png", picture), ("1.png", picture), ("0.cls", "a"), ("1.cls", "b")))
    second = compress(tar_of(("0.cls", "c"), ("0.png", picture), ("1.png", picture), ("1.cls", "d")))
    (tmp_path / "joined.tar").write_bytes(first + second + compress(tar_of()) + first)
    for name in (tmp_path / "joined.tar", "-"):
        out = tmp_path / f"out{name == '-'}"
        result = embed("--output", out, "--shard-size", 2, name, input=(tmp_path / "joined.tar").read_bytes())
        assert [found["label"] for found in metadata_of(out)] == list("abcdab") and not result.stderr
    # What can't be read behind an archive is an error, and zeros are padding.
    embed("--output", tmp_path / "padded.npy", "-", input=first + bytes(5120) if compression != "lzma" else first + bytes(4))
    for name in ("-", tmp_path / "other.tar"):
        other = first + b"not compressed as the archive before it is" * 30
        (tmp_path / "other.tar").write_bytes(other)
        result = embed("--output", tmp_path / "other.npy", name, input=other, status=1)
        assert b"is damaged here: " in result.stderr or b"can't" in result.stderr or b"rror" in result.stderr


def test_labels_are_found_wherever_they_stand(image, tmp_path):
    picture = image.read_bytes()
    images, labels = [[(f"{i}.{kind}", picture if kind == "png" else f"L{i}") for i in range(240)] for kind in ("png", "cls")]
    wanted = [(name, f"L{name[:-4]}") for name, _ in images]
    assert labels_in(tar_of(*images, *labels), tmp_path) == (wanted, "")
    assert labels_in(tar_of(*labels, *images), tmp_path) == (wanted, "")
    # Tasks agree about numbers, labels and what is left over, though each reads other images.
    (tmp_path / "labels.tar").write_bytes(tar_of(*images, *labels, ("none.cls", "x")))
    embed("--output", tmp_path / "whole", "--shard-size", 40, tmp_path / "labels.tar")
    for task in range(3):
        embed("--output", tmp_path / "parts", "--shard-size", 40, "--shard", task, "--num-shards", 3, tmp_path / "labels.tar")
    run("beit-embed", "merge", tmp_path / "parts", check=True)
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")


def test_samples_of_one_key_keep_each_its_own_label(image, tmp_path):
    picture = image.read_bytes()
    a, b = ("a.png", picture), ("b.png", picture)
    for members, wanted in (
        ([a, ("a.cls", "old"), a, ("a.cls", "new")], ["old", "new"]),
        ([("a.cls", "old"), a, ("a.cls", "new"), a], ["old", "new"]),
        ([a, ("a.cls", "old"), ("a.cls", "new"), a], ["old", "new"]),
        ([a, b, ("a.cls", "old"), ("b.cls", "b"), a, ("a.cls", "new")], ["old", "b", "new"]),
        ([a, b, a, ("a.cls", "new"), ("b.cls", "b")], [None, "b", "new"]),  # a label belongs to the latest of its key
        ([("a.cls", "old"), a, a], ["old", None]),
    ):
        found, skipped = labels_in(tar_of(*members), tmp_path)
        assert [label for _, label in found] == wanted and not skipped


def test_labels_left_over_are_counted(image, tmp_path):
    picture = image.read_bytes()
    found, skipped = labels_in(tar_of(("0.cls", "x"), ("1.png", picture), ("1.cls", "y"), ("2.cls", "z"), ("3.json", '{"label": 3}'),
                                      ("4.json", '{"caption": "no label"}'), ("5.cls", "v" * 5000), ("5.png", picture)), tmp_path)
    assert found == [("1.png", "y"), ("5.png", None)]
    assert skipped == "5 files skipped: 2 .cls without an image, 1 .cls, 1 .json, 1 .json without an image"
    # 16 MiB of images wait for their labels. The last ones find theirs, and the labels of the others are left over.
    noise = tmp_path / "noise.bmp"
    write_image(noise, 0, size=(1000, 349))  # a MiB
    count = 24
    images = [(f"{i}.bmp", noise.read_bytes()) for i in range(count)]
    found, skipped = labels_in(tar_of(*images, *[(f"{i}.cls", f"L{i}") for i in range(count)]), tmp_path)
    alone = [label for _, label in found].count(None)
    assert count - 17 < alone < count - 14
    assert [label for _, label in found] == [None] * alone + [f"L{i}" for i in range(alone, count)]
    assert skipped == f"{alone} files skipped: {alone} .cls without an image"


def test_labels_in_json_and_of_parts_of_a_sample(image, tmp_path):
    picture = image.read_bytes()
    found, skipped = labels_in(tar_of(
        ("0.json", '{"label": 7}'), ("0.png", picture), ("1.png", picture), ("1.json", '{"label": "seven", "width": 2}'),
        ("2.json", '{"label": 7}'), ("2.png", picture), ("2.cls", "two"),  # .cls goes before .json
        ("3.png", picture), ("3.json", '{"label": [7]}'), ("4.png", picture), ("4.json", "not JSON"),
        ("5.input.png", picture), ("5.target.cls", "five"), ("6.target.cls", "six"), ("6.png", picture), ("6.json", "{}"),
        ("d.v1/7.left.png", picture), ("d.v1/7.right.png", picture), ("d.v1/7.json", '{"label": 8}')), tmp_path)
    assert found == [("0.png", "7"), ("1.png", "seven"), ("2.png", "two"), ("3.png", None), ("4.png", None),
                     ("5.input.png", "five"), ("6.png", "six"), ("d.v1/7.left.png", "8"), ("d.v1/7.right.png", "8")]
    assert skipped == "3 files skipped: 3 .json"


# Names of WebDataset and img2dataset


@pytest.mark.parametrize("name, wanted", [
    ("s-{000..003}.tar", "s-000 s-001 s-002 s-003"), ("s-{3..1}.tar", "s-3 s-2 s-1"), ("s-{01..10..3}.tar", "s-01 s-04 s-07 s-10"),
    ("{train,val}-{0..1}.tar", "train-0 train-1 val-0 val-1"), ("s-{{1..2},x}.tar", "s-1 s-2 s-x"), ("s-{-1..1}.tar", "s--1 s-0 s-1"),
    ("s-{a}.tar", "s-{a}"), ("s-{1..}{.tar", "s-{1..}{"),  # no braces to expand
])
def test_braces(name, wanted, image, tmp_path):
    for shard in wanted.split():
        (tmp_path / f"{shard}.tar").write_bytes(tar_of((f"{shard}.png", image.read_bytes())))
    embed("--output", tmp_path / "out", tmp_path / name)
    assert [found["path"].split("/")[-1] for found in metadata_of(tmp_path / "out")] == [f"{shard}.png" for shard in wanted.split()]


def test_braces_in_names_of_files(image, tmp_path):
    for name in ("{1..2}.png", "1.png", "2.png"):
        shutil.copy(image, tmp_path / name)
    assert [json.loads(line)["image"] for line in lines(classify("--json", tmp_path / "{1..2}.png").stdout)] == [str(tmp_path / "{1..2}.png")]
    (tmp_path / "{1..2}.png").unlink()
    assert [json.loads(line)["image"] for line in lines(classify("--json", tmp_path / "{1..2}.png").stdout)] == [
        str(tmp_path / "1.png"), str(tmp_path / "2.png")]
    # A line of a list is one name.
    (tmp_path / "list").write_text(f"{tmp_path}/{{1..2}}.png\n")
    assert b"{1..2}.png: " in classify("--list", tmp_path / "list", status=1).stderr
    result = embed("--output", tmp_path / "out", tmp_path / "{0..2}.png", status=1)
    assert lines(result.stderr)[0].startswith(f"beit-embed: {tmp_path}/0.png: found nothing there")
    result = embed("--output", tmp_path / "out", "{0..999}-{0..9999}.tar", status=2)
    assert b"found braces that stand for more than 1000000 names, wanted fewer: use --list" in result.stderr


def test_layouts_of_img2dataset(image, tmp_path):
    picture, sidecars = image.read_bytes(), (("txt", b"a caption"), ("json", b'{"key": "000000000", "caption": "a caption"}'))
    (tmp_path / "files/00000").mkdir(parents=True)
    (tmp_path / "tars").mkdir()
    (tmp_path / "parquet").mkdir()
    for kind, data in (("png", picture), *sidecars):
        (tmp_path / f"files/00000/000000000.{kind}").write_bytes(data)
    (tmp_path / "tars/00000.tar").write_bytes(tar_of(*[(f"000000000.{kind}", data) for kind, data in (("png", picture), *sidecars)]))
    for folder in ("files", "tars", "parquet"):
        (tmp_path / folder / "00000.parquet").write_bytes(b"PAR1")
        (tmp_path / folder / "00000_stats.json").write_bytes(b"{}")
    for folder, path in (("files", "files/00000/000000000.png"), ("tars", "tars/00000.tar/000000000.png")):
        result = embed("--output", tmp_path / "out" / folder, tmp_path / folder)
        assert [found["path"] for found in metadata_of(tmp_path / "out" / folder)] == [str(tmp_path / path)]
        assert lines(result.stderr) == ["beit-embed: 4 files skipped: 2 .json, 1 .parquet, 1 .txt"]
    advice = "images inside parquet files can't be read; img2dataset writes tar files with --output_format webdataset"
    for name, text in (("parquet", "found no image files in the folder"), ("parquet/00000.parquet", "is no image")):
        result = embed("--output", tmp_path / "out" / name, tmp_path / name, status=1)
        assert lines(result.stderr)[0] == f"beit-embed: {tmp_path / name}: {text}: {advice}"


@pytest.mark.parametrize("compression", ["", "gz"])
def test_tar_from_standard_input(compression, image, tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, f"w:{compression}") as archive:
        for i in range(5):
            add_member(archive, f"{i}.png", image.read_bytes())
            add_member(archive, f"{i}.cls", str(i).encode())
        add_link(archive, "link.png", "0.png", tarfile.SYMTYPE)
    result = embed("--output", tmp_path / "out", "--shard-size", 2, "-", input=path.read_bytes())
    assert [(found["path"], found["label"]) for found in metadata_of(tmp_path / "out")] == [(f"-/{i}.png", str(i)) for i in range(5)]
    assert (rows_of(tmp_path / "out") == embedding_of(image, tmp_path)).all()
    failure, = failed_of(tmp_path / "out")
    assert failure["error"] == "is a link to '0.png', which can't be followed in standard input"
    result = embed("--output", tmp_path / "none", "-", input=b"no tar file", status=1)
    assert lines(result.stderr)[0].startswith("beit-embed: -: ")
    assert embed("--output", tmp_path / "twice", "--list", "-", "-", input=b"", status=2).stderr.count(b"more than once") == 1


# Standard input's pipe stays open: a stop doesn't wait for it.
def test_interrupt_of_a_tar_from_standard_input(image, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for i in range(20):
            add_member(archive, f"{i}.png", image.read_bytes())
        members = archive.offset
    command = [EMBED, "--model", MODEL, "--output", tmp_path / "out", "--shard-size", "4", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=CLEAN)
    process.stdin.write(buffer.getvalue()[:members])  # without the end
    process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.terminate()
    assert process.wait(timeout=10) == -15
    assert process.stderr.read() == b""
    process.stdin.close()


def test_classify_reads_what_embed_reads(linked, image, tmp_path):
    """Tar files by name, in a folder, in a list and from standard input: each image as if it were a file."""
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    for name in ("a.png", "b.tar", "below/c.tar"):
        shutil.copy(image if name == "a.png" else linked, folder / name)
    wanted = {path: json.loads(classify("--json", path).stdout)["predictions"] for path in (image, tmp_path / "other.png")}
    of_members = {"a/early.png": tmp_path / "other.png", "a/one.png": image, "b/two.png": tmp_path / "other.png",
                  "./c/hard.png": image, "c/soft.png": image}

    def check(result, *tars, before=()):
        found = {entry["image"]: entry.get("predictions") for entry in map(json.loads, result.stdout.splitlines())}
        expected = {str(path): wanted[image] for path in before}
        for tar in tars:
            expected |= {f"{tar}/{name}": wanted[of] for name, of in of_members.items()}
            expected |= {f"{tar}/d/{name}.png": None for name in ("gone", "loop", "root")}
        assert found == expected and list(found) == list(expected)

    check(classify("--json", linked), linked)
    check(classify("--json", folder), folder / "b.tar", folder / "below" / "c.tar", before=[folder / "a.png"])
    check(classify("--json", "--list", "-", input=f"{image}\n{linked}\tlabel\n".encode()), linked, before=[image])
    with tarfile.open(tmp_path / "plain.tar", "w") as archive:
        for i in range(20):
            add_member(archive, f"{i}.png", image.read_bytes())
    result = classify("--csv", "--top-k", 1, "--logits", tmp_path / "out.npy", "-", input=(tmp_path / "plain.tar").read_bytes())
    assert [row["image"] for row in rows_of_csv(result.stdout)] == [f"-/{i}.png" for i in range(20)]
    assert (np.load(tmp_path / "out.npy") == np.load(tmp_path / "out.npy")[0]).all()
    assert b"more than once" in classify("-", "--list", "-", input=b"", status=2).stderr
    (tmp_path / "cut.tar").write_bytes((tmp_path / "plain.tar").read_bytes()[:5000])
    assert "cut.tar" in lines(classify(tmp_path / "cut.tar", status=1).stderr)[-1]


def test_other_programs_count_tars_as_skipped(linked, image, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(image, folder / "a.png")
    shutil.copy(linked, folder / "b.tar")
    embed("--output", tmp_path / "index.npy", image)
    result = run("beit-search", "--model", MODEL, "--index", tmp_path / "index.npy", folder, check=True)
    assert lines(result.stderr) == ["beit-search: 1 file skipped: 1 .tar"]


# Two runs at once into one folder


@pytest.fixture
def running(image, tmp_path):
    """Starts runs that go on until the test ends: they wait for the rest of a list."""
    processes = []

    def start(out, *arguments, shards=1):
        command = [EMBED, "--model", MODEL, "--output", out, "--shard-size", "2", "--batch-size", "1", "--list", "-", *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=CLEAN)
        process.stdin.write(f"{image}\n".encode() * 5)
        process.stdin.flush()
        processes.append(process)
        for _ in range(1000):
            if len(list(out.glob("done/*.json"))) >= shards:
                return process
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        raise AssertionError("too few shards")

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def held(out, process):
    return f"beit-embed: {out}: process {process.pid} on {socket.gethostname()} is writing to this folder: wait until it has finished, or use another folder"


@posix
def test_a_second_run_is_told_who_is_at_it(running, image, tmp_path):
    out = tmp_path / "out"
    first = running(out, shards=2)
    before = tree(out)
    for arguments in ([], ["--shard", 1, "--num-shards", 2]):
        result = embed("--output", out, "--shard-size", 2, *arguments, "--verbose", *[image] * 5, status=1)
        assert lines(result.stderr) == [held(out, first)]  # nothing is loaded
        assert result.stdout == b""
    result = run("beit-embed", "merge", out)
    assert result.returncode == 1 and lines(result.stderr) == [held(out, first).replace("beit-embed:", "beit-embed merge:", 1)]
    assert tree(out) == before
    assert re.fullmatch(rb"beit-embed: wrote .* images/s\n", first.communicate()[1]) and first.returncode == 0
    embed("--output", out, "--shard-size", 2, *[image] * 5)
    run("beit-embed", "merge", out, check=True)
    assert not list(out.glob("running*"))


@posix
def test_tasks_run_beside_each_other(running, image, tmp_path):
    out = tmp_path / "out"
    first = running(out, "--shard", "0", "--num-shards", "2")
    embed("--output", out, "--shard-size", 2, "--shard", 1, "--num-shards", 2, *[image] * 5)
    embed("--output", out, "--shard-size", 2, "--shard", 3, "--num-shards", 4, *[image] * 5)  # shares no shard with it
    for shard, count in [(0, 2), (2, 4), (1, 3)]:
        result = embed("--output", out, "--shard-size", 2, "--shard", shard, "--num-shards", count, *[image] * 5, status=1)
        assert lines(result.stderr) == [held(out, first)]
    assert [path.name for path in out.glob("running*")] == ["running-0-of-2"]


@posix
def test_a_killed_run_holds_nothing(running, image, tmp_path):
    out = tmp_path / "out"
    process = running(out)
    process.kill()
    process.communicate()
    assert [path.name for path in out.glob("running*")] == ["running-0-of-1"]
    embed("--output", out, "--shard-size", 2, "--shard", 1, "--num-shards", 2, *[image] * 5)
    embed("--output", out, "--shard-size", 2, *[image] * 5)
    embed("--output", tmp_path / "wanted", "--shard-size", 2, *[image] * 5)
    assert tree(out) == tree(tmp_path / "wanted")


# Comma-separated values, and a list for beit-classify


def rows_of_csv(text):
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def test_classify_csv(image, tmp_path):
    strange = tmp_path / 'a, "b"\nc.png'
    shutil.copy(image, strange)
    arguments = ["--top-k", 3, image, tmp_path / "gone.png", strange]
    objects = [json.loads(line) for line in classify("--json", *arguments, status=1).stdout.splitlines()]
    result = classify("--csv", *arguments, status=1)
    assert result.stdout.startswith(b"image,rank,index,label,score,error\n")
    wanted = []
    for found in objects:
        if "error" in found:
            wanted.append([found["image"], "", "", "", None, found["error"]])
        for rank, prediction in enumerate(found.get("predictions", []), 1):
            wanted.append([found["image"], str(rank), str(prediction["index"]), prediction["label"], prediction["score"], ""])
    rows = [[*row.values()] for row in rows_of_csv(result.stdout)]
    assert [[*row[:4], float(row[4]) if row[4] else None, row[5]] for row in rows] == wanted
    assert len(rows) == 7 and rows[-1][0] == str(strange)
    assert classify("--csv", "--json", image, status=2).stdout == b""


def test_search_csv_and_json(image, tmp_path):
    for seed in range(4):
        write_image(tmp_path / f"{seed}, {seed}.png", seed)
    embed("--output", tmp_path / "index.npy", tmp_path)
    arguments = ["--model", MODEL, "--index", tmp_path / "index.npy", "-k", 3, image, tmp_path / "gone.png", tmp_path / "1, 1.png"]
    text = run("beit-search", *arguments)
    outputs = [run("beit-search", option, *arguments) for option in ("--json", "--csv")]
    assert [result.returncode for result in (text, *outputs)] == [1, 1, 1]
    objects = [json.loads(line) for line in outputs[0].stdout.splitlines()]
    assert [list(found) for found in objects] == [["query", "error"], ["query", "found"], ["query", "found"]]
    assert [len(found.get("found", [])) for found in objects] == [0, 3, 3]
    assert objects[1]["found"][0]["path"] == str(tmp_path / "3, 3.png") and objects[2]["found"][0]["path"] == str(tmp_path / "1, 1.png")
    shown = [line.split(None, 1) for line in lines(text.stdout) if line.startswith("  ")]
    assert [[f"{hit['score']:.4f}", hit["path"]] for found in objects[1:] for hit in found["found"]] == shown
    wanted = [[objects[0]["query"], "", "", "", None, objects[0]["error"]]]
    wanted += [[found["query"], str(rank), hit["path"], hit["label"] or "", hit["score"], ""]
               for found in objects[1:] for rank, hit in enumerate(found["found"], 1)]
    rows = [[*row.values()] for row in rows_of_csv(outputs[1].stdout)]
    assert [[*row[:4], float(row[4]) if row[4] else None, row[5]] for row in rows] == wanted
    assert run("beit-search", "--csv", "--json", *arguments).returncode == 2


@posix
def test_classify_a_list(image, tmp_path):
    (tmp_path / "list.txt").write_text(f"{image}\r\n\n{image}\ta label\n{tmp_path / 'gone.png'}")
    for arguments, options in [(["--list", tmp_path / "list.txt"], {}),
                               (["--list", "-"], {"input": (tmp_path / "list.txt").read_bytes()})]:
        found = [json.loads(line) for line in classify("--json", image, *arguments, **options).stdout.splitlines()]
        assert [[found["image"], "error" in found] for found in found] == [[str(image), False]] * 3 + [[str(tmp_path / "gone.png"), True]]
    assert b"can't read the list" in classify("--list", tmp_path / "none.txt", status=1).stderr
    assert b"found no images" in classify(status=2).stderr
    process = subprocess.Popen([BUILD / "beit-classify", "--quiet", "--list", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    process.terminate()
    assert process.wait(timeout=10) == -15 and process.stderr.read() == b""
    process.stdin.close()
