"""Measures the page: how long a model takes to load and to classify an image, in each browser and precision.

    build-web/venv/bin/python tests/web/measure.py MODEL.safetensors IMAGE [ROUNDS]

Prints the least of ROUNDS (5), in which the browsers take turns, as the page says it.
"""

import os
import re
import sys
import tempfile

from browsers import BROWSERS, served
from test_page import choose_precision, classify, open_files, state, wait_for

PRECISIONS = "float", "bfloat16", "int8"


def milliseconds(page):
    """The first time in what the page says."""
    number, unit = re.search(r"in ([\d.]+) (ms|s)", state(page)).groups()
    return float(number) * {"ms": 1, "s": 1000}[unit]


def main():
    model, image = map(os.path.abspath, sys.argv[1:3])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    with served() as port, tempfile.TemporaryDirectory() as downloads:
        pages = {name: browser(downloads) for name, browser in BROWSERS.items()}
        loading, times = {}, {}
        for precision in PRECISIONS:
            for name, page in pages.items():
                page.get(f"http://localhost:{port}/")
                wait_for(page, "loaded in")
                choose_precision(page, precision)
                wait_for(page, "loaded in")
                open_files(page, "#model", model)
                wait_for(page, "loaded in")
                loading[name, precision] = milliseconds(page)
            for _ in range(rounds):
                for name, page in pages.items():
                    classify(page, image)
                    times.setdefault((name, precision), []).append(milliseconds(page))
        for page in pages.values():
            page.quit()
    for name, precision in times:
        print(f"{name:9} {precision:9} loaded in {loading[name, precision]:5.0f} ms, "
              f"classified in {min(times[name, precision]):5.0f} ms")


if __name__ == "__main__":
    main()
