#!/usr/bin/env python3
"""Compare the library with whatever Pillow is installed, and say what differs.

    python tests/tools/compare_pillow.py BUILD_FOLDER [--images 3000]

For a new version of Pillow, which continuous integration doesn't try: images of random sizes are preprocessed as by
timm's transforms, with every filter and crop mode; and images in every format and mode that Pillow writes are decoded.
Prints a line per row of the matrix. The exit status is 1 if the default order of the resize's passes or a decoder
differs. Needs timm, and in BUILD_FOLDER the programs beit_dump_pixels and beit_dump_pixels_turbo, which has the decoders.
"""
import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "timm"))
import test_preprocessing as comparison

# Format, modes, and options of Image.save. JPEG is compared within 3 levels: Pillow's libjpeg-turbo may be another.
FORMATS = [
    ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA"), {}),
    ("BMP", ("1", "L", "P", "RGB", "RGBA"), {}),
    ("TGA", ("L", "LA", "P", "RGB", "RGBA"), {}),
    ("TGA", ("L", "P", "RGB", "RGBA"), {"compression": "tga_rle"}),
    ("GIF", ("1", "L", "P", "RGB"), {}),
    ("PPM", ("1", "L", "RGB"), {}),
    ("TIFF", ("1", "L", "P", "RGB", "RGBA", "CMYK"), {}),
    ("TIFF", ("1", "L", "P", "RGB", "RGBA"), {"compression": "tiff_lzw"}),
    ("WEBP", ("RGB", "RGBA"), {"lossless": True}),
    ("WEBP", ("RGB", "RGBA"), {"quality": 80}),
    ("JPEG", ("L", "RGB", "CMYK"), {"quality": 90}),
]
SHAPES = ((1, 1), (13, 21), (64, 48), (123, 211))


def compare_resize(count, folder):
    """Print the tensors that differ for each order, and return whether the default order's all agree."""
    jobs = comparison.random_jobs(count, folder, seed=1)
    wanted = []
    for job in jobs:
        try:
            wanted.append(comparison.timm_tensor(*job).tobytes())
        except ValueError:  # Pillow doesn't resize to 0 pixels
            wanted.append(None)
    agree = True
    for order in ("pillow_13", "across_first"):
        found = [payload for payload, _ in comparison.preprocess(jobs, folder, order)]
        wrong = [job for job, a, b in zip(jobs, found, wanted) if a != b]
        values = sum(np.count_nonzero(np.frombuffer(a, np.uint32) != np.frombuffer(b, np.uint32))
                     for a, b in zip(found, wanted) if a and b)
        print(f"resize, {order}: {len(wrong)} of {count} tensors differ, in {values} values")
        for part, index in (("crop mode", 3), ("filter", 4)) if wrong else ():
            numbers = {name: sum(job[index] == name for job in wrong) for name in sorted({job[index] for job in jobs})}
            print(f"  by {part}: {', '.join(f'{name} {number}' for name, number in numbers.items())}")
        agree &= not wrong or order != "pillow_13"
    return agree


def compare_format(format, mode, options, folder):
    """Print the pictures that differ, and return whether all agree."""
    paths = []
    for i, shape in enumerate(SHAPES):
        paths.append(folder / f"{i}.{format.lower()}")
        image = Image.fromarray(comparison.photo(*shape, seed=i)).convert(mode)
        paths[-1].write_bytes(comparison.saved(image, format, **options))
    wrong, largest, errors = 0, 0, set()
    for path, found in zip(paths, comparison.decode(paths, folder, program="beit_dump_pixels_turbo")):
        if isinstance(found, str):
            errors.add(found.removeprefix(f"{path}: "))
            continue
        wanted = comparison.pillow(path)
        difference = np.abs(found.astype(int) - wanted).max() if found.shape == wanted.shape else 255
        largest = max(largest, difference)
        wrong += difference > (3 if format == "JPEG" else 0)
    result = f"{wrong} of {len(paths)} differ, by up to {largest} levels"
    result += "".join(f"; refused: {error}" for error in sorted(errors))
    print(f"{format}, {mode}{''.join(f', {value}' for value in options.values() if value is not True)}: {result}")
    return not wrong and not errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", metavar="BUILD_FOLDER", help="the build folder")
    parser.add_argument("--images", type=int, default=3000, metavar="N", help="images to be resized (default: 3000)")
    options = parser.parse_args()
    os.environ["BEIT_BUILD_DIR"] = options.build
    print(f"Pillow {PIL.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        agree = compare_resize(options.images, folder)
        for format, modes, how in FORMATS:
            if format == "WEBP" and not features.check("webp"):
                print("WEBP: not in this Pillow")
                continue
            for mode in modes:
                agree &= compare_format(format, mode, how, folder)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
