"""Tests that the page examples/web, in Chromium, gives the program's answers."""

import functools
import http.server
import json
import os
import pathlib
import subprocess
import threading

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).parents[2]
SITE = ROOT / "build-web" / "site"
DATA = ROOT / "examples" / "data"
SECONDS = 120


@pytest.fixture(scope="module")
def address():
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000",
                 "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options)
    driver.set_script_timeout(SECONDS)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, address):
    browser.get(address)
    wait_for(browser, "loaded in")
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"
            and "favicon" not in entry["message"]] == []


def state(page):
    return page.find_element(By.ID, "state").text


def wait_for(page, text):
    WebDriverWait(page, SECONDS, 0.1).until(lambda _: text in state(page), f"the page says: {state(page)}")


def classes(page):
    """The [(label, per cent)] that the page shows."""
    rows = page.find_elements(By.CSS_SELECTOR, "#classes li")
    return [tuple(span.text for span in row.find_elements(By.TAG_NAME, "span")) for row in rows]


def program(*arguments):
    """beit-classify's answer for an image: [(label, score)]."""
    directory = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build-release"))
    line = subprocess.run([directory / "beit-classify", "--json", *arguments], check=True, capture_output=True).stdout
    return [(entry["label"], entry["score"]) for entry in json.loads(line)["predictions"]]


def drawn(page, canvas):
    """The number of colours on a canvas."""
    return page.execute_script(
        "const c = document.getElementById(arguments[0]);"
        "return new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size;",
        canvas)


@pytest.mark.parametrize("image", ["fashion_mnist/sandal.png", "rocket.jpg", "chelsea.png"])
def test_answers_are_the_programs(page, image):
    page.find_element(By.ID, "photograph").send_keys(str(DATA / image))
    wait_for(page, "attention in")
    # The page shows two decimals. The program decodes JPEG by libjpeg-turbo, the page by stb_image: other pixels.
    wanted = program(str(DATA / image))
    found = classes(page)
    assert [label for label, _ in found] == [label for label, _ in wanted]
    for (_, text), (_, score) in zip(found, wanted):
        assert float(text.removesuffix(" %")) == pytest.approx(100 * score, abs=0.2 if image.endswith("jpg") else 0.006)
    assert drawn(page, "input") > 100 and drawn(page, "attention") > 100
    print(image, state(page))


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_other_precisions(page, precision):
    page.find_element(By.CSS_SELECTOR, "[data-sample='bag.png']").click()
    wait_for(page, "attention in")
    page.find_element(By.CSS_SELECTOR, f"#precision option[value={precision}]").click()
    page.find_element(By.ID, "photograph").send_keys(str(DATA / "fashion_mnist" / "bag.png"))
    wait_for(page, "attention in")
    # The two round in different orders, int8 more so.
    wanted = program("--precision", precision, str(DATA / "fashion_mnist" / "bag.png"))
    label, text = classes(page)[0]
    assert label == wanted[0][0]
    assert float(text.removesuffix(" %")) == pytest.approx(100 * wanted[0][1], abs=0.5)


def test_a_model_that_is_opened(page, tmp_path):
    model = tmp_path / "clothes.safetensors"
    model.write_bytes((DATA / "beit_fashion_mnist.safetensors").read_bytes())
    page.find_element(By.ID, "model").send_keys(str(model))
    wait_for(page, "loaded in")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(model.read_bytes()[:-10])
    page.find_element(By.ID, "model").send_keys(str(broken))
    wait_for(page, "broken.safetensors: ")
    # The previous model stays.
    page.find_element(By.CSS_SELECTOR, "[data-sample='dress.png']").click()
    wait_for(page, "attention in")
    assert classes(page)[0][0] == "Dress"


def test_what_is_no_image(page, tmp_path):
    (tmp_path / "image.png").write_bytes(b"no image")
    page.find_element(By.ID, "photograph").send_keys(str(tmp_path / "image.png"))
    wait_for(page, "image.png: ")


def test_the_camera(page):
    page.find_element(By.ID, "camera").click()
    WebDriverWait(page, SECONDS).until(
        lambda _: page.execute_script("return document.getElementById('video').videoWidth > 0"))
    page.find_element(By.ID, "shutter").click()
    wait_for(page, "attention in")
    assert len(classes(page)) == 5


def test_the_model_runs_in_the_worker_alone(page):
    """The page itself, which must stay responsive, hasn't even loaded the module."""
    assert page.execute_script("return typeof createBeit") == "undefined"


def test_screenshot(page, request):
    """Writes a screenshot for the README to BEIT_SCREENSHOT."""
    page.find_element(By.CSS_SELECTOR, "[data-sample='ankle_boot.png']").click()
    wait_for(page, "attention in")
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    if "BEIT_SCREENSHOT" in os.environ:
        page.save_screenshot(os.environ["BEIT_SCREENSHOT"])
