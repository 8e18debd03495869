#!/usr/bin/env python3
"""Write the first Fashion-MNIST test image of each class as a PNG: the sample images in examples/data."""
import argparse
from pathlib import Path

from PIL import Image

from train_demo import LABELS, read_images, read_labels


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder for the images")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"),
                        help="folder of the data set's IDX files")
    arguments = parser.parse_args()
    images = read_images(arguments.data / "t10k-images-idx3-ubyte.gz")
    labels = read_labels(arguments.data / "t10k-labels-idx1-ubyte.gz")
    arguments.output.mkdir(parents=True, exist_ok=True)
    for label, name in enumerate(LABELS):
        image = images[(labels == label).nonzero()[0, 0]]
        file = name.lower().replace("/", "_").replace(" ", "_") + ".png"
        Image.fromarray(image.numpy()).save(arguments.output / file, optimize=True)


if __name__ == "__main__":
    main()
