"""Tests that the page examples/web gives the program's answers, in Chromium and in Firefox."""

import base64
import json
import os
import pathlib
import re
import subprocess
import time

import pytest
from browsers import BROWSERS, INSECURE_HOST, SECONDS, served

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "examples" / "data"
FOLDER = ROOT / "tests" / "golden" / "hugging_face" / "classifier"  # transformers' files, with names of classes


@pytest.fixture(scope="module")
def port():
    with served() as port:
        yield port


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module", params=BROWSERS)
def browser(request, downloads):
    driver = BROWSERS[request.param](downloads)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, port):
    browser.get(f"http://localhost:{port}/")
    wait_for(browser, "loaded in")
    yield browser
    assert browser.errors() == []


def state(page):
    return find(page, "#state").text


def find(page, selector):
    return page.find_element("css selector", selector)


def wait(condition, what):
    """Waits until the condition holds. `what` says what happens instead, if it doesn't."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def wait_for(page, text):
    wait(lambda: text in state(page), lambda: f"the page says: {state(page)}")


def click(page, selector):
    find(page, selector).click()


def open_files(page, control, *files):
    """Opens files together, and doesn't wait."""
    page.run("document.getElementById('state').textContent = ''")
    find(page, control).send_keys("\n".join(map(str, files)))


def classify(page, image):
    open_files(page, "#photograph", image)
    wait_for(page, "attention in")


def choose_precision(page, precision):
    page.run("const select = document.getElementById('precision'); select.value = arguments[0]; select.onchange();",
             precision)


def classes(page):
    """The [(label, text of the score)] that the page shows."""
    return [tuple(row) for row in page.run(
        "return [...document.querySelectorAll('#classes li')].map("
        "row => [...row.querySelectorAll('span')].map(span => span.textContent));")]


def note(page):
    """The page's warning; empty if it shows none."""
    return find(page, "#note").text


def program(*arguments):
    """beit-classify's answer for an image."""
    directory = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build-release"))
    command = [directory / "beit-classify", "--json", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def require_same(page, answer, tolerance):
    """Checks that the page shows a program's answer, within a tolerance in per cent."""
    wanted = [(entry["label"], 100 * entry["score"]) for entry in answer["predictions"]]
    found = [(label, float(text.removesuffix(" %"))) for label, text in classes(page)]
    assert [label for label, _ in found] == [label for label, _ in wanted]
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=tolerance)


def drawn(page, canvas):
    """The number of colours on a canvas."""
    return page.run(
        "const c = document.getElementById(arguments[0]);"
        "return new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size;",
        canvas)


def test_an_error_in_the_page_is_noticed(page):
    found = []
    page.run("setTimeout(() => { throw new Error('thrown by the test'); })")
    wait(lambda: found.extend(page.errors()) or found, lambda: "no error")
    assert "thrown by the test" in found[0]


@pytest.mark.parametrize("image", ["fashion_mnist/sandal.png", "rocket.jpg", "chelsea.png"])
def test_answers_are_the_programs(page, image):
    classify(page, DATA / image)
    # The page shows two decimals. The program decodes JPEG by libjpeg-turbo, the page by stb_image: other pixels.
    wanted = program(DATA / image)
    require_same(page, wanted, 0.2 if image.endswith("jpg") else 0.006)
    assert drawn(page, "input") > 100 and drawn(page, "attention") > 100
    # The demo model knows small grey pictures.
    unlike = wanted.get("unlike_demo_model")
    assert bool(note(page)) == bool(unlike) == ("/" not in image)
    assert unlike is None or f"({unlike})" in note(page)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_other_precisions(page, precision):
    image = DATA / "fashion_mnist" / "bag.png"
    choose_precision(page, precision)
    classify(page, image)
    # The two round in different orders, int8 more so.
    label, text = classes(page)[0]
    wanted = program("--precision", precision, image)["predictions"][0]
    assert label == wanted["label"]
    assert float(text.removesuffix(" %")) == pytest.approx(100 * wanted["score"], abs=0.5)


def test_a_model_that_is_opened(page, tmp_path):
    model = tmp_path / "clothes.safetensors"
    model.write_bytes((DATA / "beit_fashion_mnist.safetensors").read_bytes())
    open_files(page, "#model", model)
    wait_for(page, "loaded in")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(model.read_bytes()[:-10])
    open_files(page, "#model", broken)
    wait_for(page, "broken.safetensors: ")
    # The previous model stays.
    click(page, "[data-sample='dress.png']")
    wait_for(page, "attention in")
    assert classes(page)[0][0] == "Dress"


def test_files_of_a_model_that_are_opened_together(page):
    image = DATA / "chelsea.png"
    open_files(page, "#model", FOLDER / "model.safetensors", FOLDER / "config.json",
               FOLDER / "preprocessor_config.json")
    wait_for(page, "loaded in")
    classify(page, image)
    require_same(page, program("--model", FOLDER, image), 0.006)
    assert note(page) == "", "this isn't the demo model"
    open_files(page, "#model", FOLDER / "config.json")
    wait_for(page, "config.json: wanted the model's .safetensors file with it")


def test_what_is_no_image(page, tmp_path):
    (tmp_path / "image.png").write_bytes(b"no image")
    open_files(page, "#photograph", tmp_path / "image.png")
    wait_for(page, "image.png: ")


def start_camera(page):
    click(page, "#camera")
    wait(lambda: page.run("return document.getElementById('video').videoWidth > 0"), lambda: state(page))


def test_the_camera_takes_a_picture(page):
    start_camera(page)
    click(page, "#shutter")
    wait_for(page, "attention in")
    assert len(classes(page)) == 5
    assert not find(page, "#video").is_displayed()


def test_the_camera_live(page):
    start_camera(page)
    click(page, "#live")
    wait_for(page, "frames per second")
    assert float(re.search(r"Live: ([\d.]+) frames per second", state(page))[1]) > 0
    # The fake cameras' pictures change all the time, and what is shown with them.
    first = page.run("return document.getElementById('input').toDataURL()")
    wait(lambda: page.run("return document.getElementById('input').toDataURL()") != first, lambda: "one picture alone")
    click(page, "#live")
    page.run("return new Promise((resolve) => setTimeout(resolve, 1000))")
    stopped = page.run("return document.getElementById('input').toDataURL()")
    page.run("return new Promise((resolve) => setTimeout(resolve, 500))")
    assert page.run("return document.getElementById('input').toDataURL()") == stopped
    # A photograph that is opened ends it, too.
    click(page, "#live")
    wait_for(page, "frames per second")
    classify(page, DATA / "fashion_mnist" / "bag.png")
    assert classes(page)[0][0] == "Bag"
    assert not find(page, "#video").is_displayed()


def test_a_page_that_is_not_secure_says_so(browser, port):
    browser.get(f"http://{INSECURE_HOST}:{port}/")
    wait_for(browser, "loaded in")
    assert "https" in find(browser, "#insecure").text
    assert not find(browser, "#camera").is_enabled()
    classify(browser, DATA / "fashion_mnist" / "bag.png")  # all else works
    assert classes(browser)[0][0] == "Bag"
    assert browser.errors() == []


def test_a_secure_page_says_nothing(page):
    assert find(page, "#insecure").text == "" and find(page, "#camera").is_enabled()


# Compares a saved picture with the canvases that it shows, and finds letters beside them.
COMPARE_WITH_CANVASES = """
return (async (url) => {
  const image = await createImageBitmap(await (await fetch(url)).blob());
  const all = new OffscreenCanvas(image.width, image.height).getContext("2d");
  all.drawImage(image, 0, 0);
  const pixels = (context, ...window) => new Uint32Array(context.getImageData(...window).data.buffer);
  const isSame = (id, left) => {
    const canvas = document.getElementById(id), {width, height} = canvas;
    const wanted = pixels(canvas.getContext("2d"), 0, 0, width, height);
    return pixels(all, left, 24, width, height).every((pixel, i) => pixel === wanted[i]);
  };
  const names = pixels(all, 968, 24, 300, 24);
  return [isSame("input", 24), isSame("attention", 496), new Set(names).size > 10];
})(arguments[0]);
"""


def test_the_result_is_saved_as_a_picture(page, downloads):
    assert not find(page, "#save").is_displayed(), "there is nothing to save yet"
    classify(page, DATA / "fashion_mnist" / "sandal.png")
    saved = downloads / "sandal-beit.png"
    saved.unlink(missing_ok=True)
    click(page, "#save")
    wait(lambda: saved.exists() and saved.stat().st_size > 0, lambda: f"found {os.listdir(downloads)}")
    # The picture begins with the two canvases, pixel for pixel, and the classes are beside them.
    url = "data:image/png;base64," + base64.b64encode(saved.read_bytes()).decode()
    assert page.run(COMPARE_WITH_CANVASES, url) == [True, True, True]


def test_the_model_runs_in_the_worker_alone(page):
    """The page itself, which must stay responsive, hasn't even loaded the module."""
    assert page.run("return typeof createBeit") == "undefined"


def test_screenshot(page):
    """Writes a screenshot for the README to BEIT_SCREENSHOT."""
    click(page, "[data-sample='ankle_boot.png']")
    wait_for(page, "attention in")
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    if "BEIT_SCREENSHOT" in os.environ:
        page.save_screenshot(os.environ["BEIT_SCREENSHOT"])
