#!/usr/bin/env python3
"""Draw images with the classes that beit-classify finds: the picture in README.md.

    build/beit-classify --json examples/data/fashion_mnist | python make_picture.py examples/data/classify.png
"""
import argparse
import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, TILE, COLUMNS, MARGIN, SHOWN = 168, 140, 5, 14, 3
INK, FAINT, TRACK, BAR, BEST = (36, 41, 47), (110, 119, 129), (244, 246, 248), (208, 215, 222), (158, 203, 255)


def font(size):
    """Return DejaVu Sans if it is installed, else Pillow's own font."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default()


def draw_result(canvas, left, top, result):
    """Draw one image with its most probable classes as bars."""
    draw = ImageDraw.Draw(canvas)
    image = Image.open(result["image"]).convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)
    canvas.paste(image, (left, top))
    y = top + TILE + 6
    for rank, prediction in enumerate(result["predictions"][:SHOWN]):
        score = prediction["score"]
        draw.rectangle((left, y, left + TILE, y + 15), fill=TRACK)
        draw.rectangle((left, y, left + round(TILE * score), y + 15), fill=BEST if rank == 0 else BAR)
        label = prediction["label"] or f"class {prediction['index']}"
        ink = FAINT if rank else INK
        draw.text((left + 4, y + 2), label, font=font(10), fill=INK)
        text = f"{100 * score:.1f} %"
        draw.text((left + TILE - 4 - draw.textlength(text, font=font(10)), y + 2), text, font=font(10), fill=ink)
        y += 18


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="PNG file to write")
    arguments = parser.parse_args()
    try:
        results = [json.loads(line) for line in sys.stdin]
    except ValueError:
        results = []
    if not results or not all(isinstance(result, dict) and "predictions" in result for result in results):
        sys.exit("make_picture.py: found no results, or others, on standard input, wanted the lines of beit-classify --json")
    height = TILE + 18 * SHOWN + 24
    rows = (len(results) + COLUMNS - 1) // COLUMNS
    canvas = Image.new("RGB", (MARGIN + COLUMNS * WIDTH, MARGIN + rows * height), (255, 255, 255))
    for i, result in enumerate(results):
        draw_result(canvas, MARGIN + i % COLUMNS * WIDTH, MARGIN + i // COLUMNS * height, result)
    canvas.save(arguments.output, optimize=True)


if __name__ == "__main__":
    main()
