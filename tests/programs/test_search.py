"""Tests beit-search from outside, on embedding folders that NumPy wrote.

    BEIT_BUILD_DIR=build python -m pytest tests/programs
"""
import base64
import csv
import html.parser
import io
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
BUILD = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve()
MODEL = ROOT / "tests" / "golden" / "model_standard.safetensors"  # C = 24
COUNT, DIM = 40, 24


def run(*arguments):
    model = [] if "--duplicates" in arguments else ["--model", str(MODEL)]
    command = [str(BUILD / "beit-search"), *model, *(str(argument) for argument in arguments)]
    return without_notes(subprocess.run(command, capture_output=True, text=True, timeout=120))


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


def write_index(folder, paths, embeddings, shards=(0, 13, 13, COUNT), dtype=np.float32, label=lambda path: None):
    (folder / "img_emb").mkdir(parents=True)
    (folder / "metadata").mkdir()
    for i, (begin, end) in enumerate(zip(shards, shards[1:])):
        np.save(folder / "img_emb" / f"img_emb_{i:05}.npy", embeddings[begin:end].astype(dtype))
        lines = [json.dumps({"path": str(path), "width": 1, "height": 1} | ({"label": label(path)} if label(path) else {})) + "\n"
                 for path in paths[begin:end]]
        (folder / "metadata" / f"metadata_{i:05}.jsonl").write_text("".join(lines))
    return folder


def wanted(embeddings, query, k):
    """The nearest rows in double precision: indices, cosines."""
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
    """Tags, texts with the tags that they are in, the sources of images, what buttons are called."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.texts, self.titles, self.open = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attributes = dict(attrs)
        if attributes.get("src"):
            self.sources.append(attributes["src"])
        if "title" in attributes:
            self.titles.append(attributes["title"])
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1], data.strip()))

    def texts_in(self, tag):
        return [text for where, text in self.texts if where == tag]


def page_of(path):
    return Page((path / "page.html").read_text())


def decoded(source):
    kind, data = source.split(",")
    image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    assert kind == f"data:image/{image.format.lower()};base64"
    return image


def test_html_page(images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings)
    strange = 7
    result = run("--index", index, paths[strange], "-k", 4, "--html", tmp_path / "page.html")
    assert (result.returncode, result.stderr) == (0, "")
    page = page_of(tmp_path)
    assert page.open == []
    assert set(page.tags) == {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "figure", "button",
                              "img", "figcaption", "span", "dialog", "form", "script"}
    assert len(page.sources) == 5
    order, cosine = wanted(embeddings, strange, 4)
    for source, title, i in zip(page.sources, page.titles, [strange, *order], strict=True):
        with Image.open(paths[i]) as image:
            assert np.array_equal(np.asarray(decoded(source)), np.asarray(image))  # not larger than a thumbnail
        assert title == str(paths[i])
    # Names by what differs: the folder stands once.
    assert page.texts_in("p") == [f"Found in {tmp_path / 'images'}/"]
    assert page.texts_in("h2") == [paths[strange].name]
    assert page.texts_in("figcaption") == ["query", *(paths[i].name for i in order)]
    np.testing.assert_allclose([float(text) for text in page.texts_in("span")], cosine, atol=1.1e-4)
    # Large images shrink; those that are gone get a note.
    Image.new("RGB", (1640, 820), (200, 100, 50)).save(tmp_path / "large.png")
    paths[order[1]].unlink()
    run("--index", index, tmp_path / "large.png", paths[strange], "-k", 4, "--html", tmp_path / "page.html")
    page = page_of(tmp_path)
    large = decoded(page.sources[0])
    assert large.size == (800, 400) and np.abs(np.asarray(large).astype(int) - [200, 100, 50]).max() < 4
    assert "width=\"160\" height=\"80\"" in (tmp_path / "page.html").read_text()
    assert "no longer readable" in page.texts_in("div")
    assert page.texts_in("h2") == [str(tmp_path / "large.png"), paths[strange].name]


def test_page_shows_folders_and_labels_that_differ(images, tmp_path):
    paths, embeddings = images
    for i, path in enumerate(paths):
        moved = tmp_path / "images" / ("cats" if i % 2 else "cars") / "2024" / path.name
        moved.parent.mkdir(parents=True, exist_ok=True)
        paths[i] = path.rename(moved)
    index = write_index(tmp_path / "index", paths, embeddings, label=lambda path: "<a cat>" if "cats" in str(path) else None)
    run("--index", index, paths[0], "-k", COUNT, "--html", tmp_path / "page.html")
    page = page_of(tmp_path)
    assert page.texts_in("p") == [f"Found in {tmp_path / 'images'}/"]
    order, _ = wanted(embeddings, 0, COUNT)
    assert page.texts_in("figcaption")[1:] == [str(paths[i].relative_to(tmp_path / "images")) for i in order]
    assert page.texts_in("b") == ["<a cat>"] * (COUNT // 2)
    # Of one class alone the rest differs.
    cats = [i for i in range(COUNT) if i % 2]
    index = write_index(tmp_path / "cats", [paths[i] for i in cats], embeddings[cats], shards=(0, len(cats)))
    run("--index", index, paths[0], "-k", 3, "--html", tmp_path / "page.html")
    page = page_of(tmp_path)
    assert page.texts_in("p") == [f"Found in {tmp_path / 'images' / 'cats' / '2024'}/"] and page.texts_in("b") == []
    assert page.texts_in("h2") == [str(paths[0])]


def test_page_enlarges_pictures(images, tmp_path):
    """Tests the page with mouse and keyboard, in Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    Keys = webdriver.Keys
    from selenium.webdriver.support.ui import WebDriverWait
    if not shutil.which("chromedriver"):
        pytest.skip("needs chromium-driver")
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings)
    run("--index", index, paths[3], "-k", 4, "--html", tmp_path / "page.html")
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,800"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options)
    try:
        browser.get((tmp_path / "page.html").as_uri())
        order = [3, *wanted(embeddings, 3, 4)[0]]

        def press(*keys):
            webdriver.ActionChains(browser).send_keys(*keys).perform()

        def shown():
            """Which picture is enlarged: its path, whether it is large; nothing where none is."""
            return browser.execute_script("""const dialog = document.querySelector('dialog');
                return dialog.open ? [dialog.querySelector('p').textContent, dialog.querySelector('img').clientHeight > 500,
                                      dialog.querySelector('img').naturalWidth] : null;""")

        def focused():
            return browser.execute_script("return document.activeElement.title")

        def picture(i):
            with Image.open(paths[i]) as image:
                return [str(paths[i]), True, image.width]

        def wait_until(condition):  # images are decoded, and a dialog tells that it has closed, a moment later
            WebDriverWait(browser, 10, poll_frequency=0.02).until(lambda _: condition())

        assert shown() is None
        browser.find_elements("css selector", "figure button")[1].click()
        wait_until(lambda: shown() == picture(order[1]))
        browser.find_element("css selector", "dialog img").click()
        wait_until(lambda: shown() is None and focused() == str(paths[order[1]]))
        press(Keys.TAB, Keys.ENTER)
        wait_until(lambda: shown() == picture(order[2]))
        press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)  # from the last to the first
        wait_until(lambda: shown() == picture(order[0]))
        press(Keys.ARROW_LEFT)
        wait_until(lambda: shown() == picture(order[-1]))
        press(Keys.ESCAPE)
        wait_until(lambda: shown() is None and focused() == str(paths[order[-1]]))
        press(Keys.ENTER)
        wait_until(lambda: shown() == picture(order[-1]))
        press(Keys.ENTER)  # on the button that closes
        wait_until(lambda: shown() is None)
        assert browser.get_log("browser") == []
    finally:
        browser.quit()


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
    assert "img_emb_00000.npy: row 5 (" in (error := fails("nan")) and "found NaN or infinity" in error


def test_index_of_one_pass_order_refuses_the_other(images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings)
    job = index / "job.json"
    for order in ("pillow_13", "across_first"):
        assert run("--index", index, "--pass-order", order, paths[0]).returncode == 0  # another tool's index
    for text, order, other in (("{}", "across_first", "pillow_13"),
                               ('{"pass_order": "pillow_13"}', "pillow_13", "across_first")):
        job.write_text(text)
        assert run("--index", index, "--pass-order", order, paths[0]).returncode == 0
        result = run("--index", index, "--pass-order", other, paths[0])
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.splitlines() == [f"beit-search: {index}: found embeddings made with --pass-order {order}, wanted "
                                              f"{other}: use the same --pass-order, or embed the images again"]


def test_index_of_another_kind_is_refused(images, tmp_path):
    """An index of another model, preprocessing or kind of features, whose cosines would mean nothing."""
    paths, _ = images

    def index_of(*options):
        folder = tmp_path / f"index{len(list(tmp_path.iterdir()))}"
        subprocess.run([BUILD / "beit-embed", "--output", folder, *options, *paths[:5]], check=True, stdout=subprocess.DEVNULL)
        return folder

    def refusal(index, *arguments):
        result = run("--index", index, *arguments, paths[0])
        assert (result.returncode, result.stdout) == (1, "")
        line, = result.stderr.splitlines()
        assert line.startswith(f"beit-search: {index}: found embeddings made with "), line
        return line.split(" made with ")[1]

    own = index_of("--model", MODEL)
    model = json.loads((own / "job.json").read_text())["model"]
    assert (run("--index", own, paths[0]).returncode, run("--index", own, paths[0]).stderr) == (0, "")
    for other in (("--model", MODEL.with_name("model_bf16.safetensors")), ()):  # of one width, and of another
        index = index_of(*other)
        found = json.loads((index / "job.json").read_text())["model"]
        assert found != model
        assert refusal(index) == (f"the model and preprocessing of hash {found}, wanted {model}: use that model, or embed the "
                                  "images again")
    processor = tmp_path / "processor.json"
    processor.write_text(json.dumps({"image_processor_type": "BeitImageProcessor", "size": {"height": 20, "width": 20},
                                     "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}))
    assert refusal(own, "--preprocessing", processor).startswith(f"the model and preprocessing of hash {model}, wanted xxh3:")
    assert refusal(index_of("--model", MODEL, "--tokens", "class")) == "--tokens class, wanted pooled: embed the images again"
    assert refusal(index_of("--model", MODEL, "--tokens", "patch")).startswith("--tokens patch, wanted pooled")
    assert refusal(own, "--apply-exif-orientation").startswith("--apply-exif-orientation false, wanted true: ")
    larger = index_of("--model", MODEL, "--image-size", "40")
    assert refusal(larger).startswith("an image size 40x40, wanted of the model: ")
    assert run("--index", larger, "--image-size", 40, paths[0]).returncode == 0
    # A precision changes a few digits only.
    result = run("--index", index_of("--model", MODEL, "--precision", "bfloat16"), paths[0], "-k", 1)
    assert (result.returncode, result.stdout.split()[1:]) == (0, [str(paths[0])])
    assert result.stderr.count("\n") == 1 and "--precision bfloat16, wanted float: cosines may differ" in result.stderr


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_length_of_rows_changes_nothing(dtype, images, tmp_path):
    paths, embeddings = images
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    scaled = embeddings * np.random.default_rng(3).uniform(0.1, 10, (COUNT, 1))
    shown = []
    for i, rows in enumerate((embeddings, units, scaled)):
        index = write_index(tmp_path / str(i), paths, rows, dtype=dtype)
        result = run("--index", index, paths[3], paths[11], "-k", COUNT, "--json")
        shown.append([json.loads(line)["found"] for line in result.stdout.splitlines()])
    bound = 2e-6 if dtype == np.float32 else 2e-3  # what rounding the rows changes
    for other in shown[1:]:
        for plain, found in zip(shown[0], other, strict=True):
            scores = {entry["path"]: entry["score"] for entry in plain}
            np.testing.assert_allclose([entry["score"] for entry in found], [entry["score"] for entry in plain], atol=bound)
            np.testing.assert_allclose([entry["score"] for entry in found], [scores[entry["path"]] for entry in found],
                                       atol=bound)


def test_labels_and_no_query_among_the_found(images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings, label=lambda path: "odd, 1" if int(path.name[:2]) % 2 else None)
    order, _ = wanted(embeddings, 3, 6)
    other_name = paths[3].parent / ".." / paths[3].parent.name / paths[3].name
    for query in (paths[3], other_name):
        found = json.loads(run("--index", index, "--exclude-self", "-k", 5, "--json", query).stdout)["found"]
        assert [entry["path"] for entry in found] == [str(paths[i]) for i in order[1:]]
        assert [entry["label"] for entry in found] == ["odd, 1" if int(paths[i].name[:2]) % 2 else None for i in order[1:]]
    rows = list(csv.DictReader(io.StringIO(run("--index", index, "--csv", "-k", 6, paths[3]).stdout)))
    assert [row["label"] for row in rows] == ["odd, 1" if int(paths[i].name[:2]) % 2 else "" for i in order]
    assert [row["path"] for row in rows] == [str(paths[i]) for i in order]
    # A copy elsewhere is another image.
    shutil.copy(paths[3], tmp_path / "copy.png")
    result = run("--index", index, "--exclude-self", "-k", 1, "--json", tmp_path / "copy.png")
    assert "from this folder" not in result.stderr
    assert json.loads(result.stdout)["found"][0]["path"] == str(paths[3])
    # Files that aren't there, as those of relative names in another folder, are known by their names alone.
    for path in paths:
        path.unlink()
    assert "from this folder" in run("--index", index, "--exclude-self", tmp_path / "copy.png").stderr


def groups_of(embeddings, threshold):
    """Rows that are connected by cosines of at least the threshold, the largest group first, and each one's best cosine."""
    units = embeddings.astype(np.float64)
    units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-300)
    cosine = units @ units.T
    np.fill_diagonal(cosine, -2)
    assert np.abs(cosine - threshold).min() > 1e-5  # so that rounding decides nothing
    group = np.arange(len(units))
    for i, j in zip(*np.nonzero(cosine >= threshold)):
        group[group == max(group[i], group[j])] = min(group[i], group[j])
    found = [np.nonzero(group == g)[0] for g in np.unique(group) if (group == g).sum() > 1]
    return sorted(found, key=lambda rows: -len(rows)), cosine.max(1)


def test_duplicates(images, tmp_path):
    """More rows than a block has, in shards, with chains, copies and a row of zeros."""
    paths, _ = images
    dtype = np.float16
    rng = np.random.default_rng(8)
    base = rng.standard_normal((700, DIM))
    rows = np.concatenate([base, base[:300] * rng.uniform(0.5, 2, (300, 1)), base[200:500] + rng.normal(0, 0.06, (300, DIM)),
                           rng.standard_normal((3600, DIM)), np.zeros((1, DIM))])
    rows = rows[rng.permutation(len(rows))].astype(dtype)
    names = [f"images/{i:05}.png" for i in range(len(rows) - 40)] + [str(path) for path in paths]
    index = write_index(tmp_path / "index", names, rows, shards=(0, 1500, 1501, len(rows)), dtype=dtype,
                        label=lambda path: path[-6:-4])
    groups, best = groups_of(rows, 0.985)
    assert len(groups) > 300 and len(groups[0]) > 2
    result = run("--index", index, "--duplicates", 0.985, "--json", "--html", tmp_path / "page.html")
    assert (result.returncode, result.stderr) == (0, "")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["group"] for entry in found] == list(range(1, len(groups) + 1))
    for entry, group in zip(found, groups, strict=True):
        assert [image["path"] for image in entry["images"]] == [names[i] for i in group]
        assert [image["label"] for image in entry["images"]] == [names[i][-6:-4] for i in group]
        np.testing.assert_allclose([image["score"] for image in entry["images"]], best[group], atol=2e-6)
    assert run("--index", index, "--duplicates", 0.985, "--json", "--threads", 1).stdout == result.stdout
    lines = run("--index", index, "--duplicates", 0.985).stdout.splitlines()
    assert lines[-1] == f"{len(groups)} groups of {sum(map(len, groups))} images among {len(rows)}"
    table = list(csv.DictReader(io.StringIO(run("--index", index, "--duplicates", 0.985, "--csv").stdout)))
    assert [(int(row["group"]), row["path"]) for row in table] == [
        (i, names[row]) for i, group in enumerate(groups, 1) for row in group]
    page = page_of(tmp_path)
    assert page.texts_in("h1") == ["Near-duplicates"] and page.texts_in("h2")[0] == f"{len(groups[0])} images"
    assert page.texts_in("p")[0] == lines[-1] + "; the largest 200 are shown" and len(page.texts_in("h2")) == 200
    # Equal rows are found at 1, whatever their length.
    equal = write_index(tmp_path / "equal", paths[:4], np.stack([base[0], base[1], 3 * base[0], base[2]]), shards=(0, 4))
    assert run("--index", equal, "--duplicates", 1, "--json").stdout.count(str(paths[2])) == 1
    assert run("--index", write_index(tmp_path / "none", paths[:2], base[:2], shards=(0, 2)), "--duplicates", 0.95).stdout == \
        "0 groups of 0 images among 2\n"


def test_duplicates_take_no_images(images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings)
    assert run("--index", index, "--duplicates", 0.9, paths[0]).returncode == 2
    without_model = [str(BUILD / "beit-search"), "--index", str(index)]
    for arguments in (["--duplicates", "0.9", "--exclude-self"], ["--duplicates", "1.5"], []):
        assert subprocess.run([*without_model, *arguments], capture_output=True).returncode == 2
    broken = embeddings.copy()
    broken[30, 5] = np.inf
    index = write_index(tmp_path / "infinite", paths, broken)
    result = subprocess.run([*without_model[:2], str(index), "--duplicates", "0.9"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "") and "row 17" in result.stderr and "30.png" in result.stderr


def test_bad_queries(images, tmp_path):
    paths, embeddings = images
    index = write_index(tmp_path / "index", paths, embeddings)
    (tmp_path / "text.png").write_text("hello")
    result = run("--index", index, tmp_path / "text.png", paths[0], "-k", 2)
    assert result.returncode == 0
    assert len(result.stderr.splitlines()) == 1 and len(result.stdout.splitlines()) == 2
    result = run("--index", index, tmp_path / "text.png", "--html", tmp_path / "page.html")
    assert (result.returncode, result.stdout) == (1, "") and not (tmp_path / "page.html").exists()
    result = run("--index", index, paths[0], "--html", tmp_path / "no" / "page.html")
    assert (result.returncode, result.stdout) == (1, "") and len(result.stderr.splitlines()) == 1
    assert run("--index", index, paths[0], "-k", 0).returncode == 2
    assert run(paths[0]).returncode == 2


def test_an_incomplete_index_is_said(images, tmp_path):
    paths, _ = images
    embed = [BUILD / "beit-embed", "--model", MODEL, "--quiet", "--output", tmp_path / "index", "--shard-size", "10"]
    subprocess.run([*embed, "--shard", "1", "--num-shards", "3", tmp_path / "images"], check=True)
    for arguments in ([paths[0]], ["--duplicates", "0.9"]):
        result = run("--index", tmp_path / "index", *arguments)
        assert result.returncode == 0
        assert f"{tmp_path / 'index'}: incomplete: missing shard" in result.stderr
    subprocess.run([*embed, tmp_path / "images"], check=True)
    assert "incomplete" not in run("--index", tmp_path / "index", paths[0]).stderr
