"""Tests beit-train-head on handwritten digits: loads its model in timm, and compares its head with scikit-learn's and the
demo model's features with pixels.

The digits are the 1,797 that scikit-learn ships and the 5,000 of OpenCV's digits.png (Debian's package opencv-doc).
BEIT_BUILD_DIR names the build folder.
"""
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import converted

TEST = 497
OPENCV_DIGITS = Path("/usr/share/doc/opencv-doc/examples/data/digits.png")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Folders train and test of PNG files by class, and all paths in the order in which programs read folders."""
    folder = tmp_path_factory.mktemp("digits")
    data = load_digits()
    for index, (pixels, label) in enumerate(zip(data.images, data.target)):
        place = folder / ("test" if index < TEST else "train") / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(place / f"{index:04}.png")
    return folder


def inputs(config, paths):
    preprocessing = dict(config["pretrained_cfg"])
    preprocessing.pop("license", None)
    transform = timm.data.create_transform(tuple(preprocessing.pop("input_size")), **preprocessing)
    return torch.stack([transform(Image.open(path).convert("RGB")) for path in paths])


@torch.no_grad()
def test_digits(digits, program, figure, tmp_path):
    output = tmp_path / "digits.safetensors"
    text = program("beit-train-head", "--no-cache", "--data", digits / "train", "--val", digits / "test", "--output", output)
    accuracy = float(re.search(r"^accuracy (\S+) %", text, re.M).group(1))
    C = float(re.search(r"^ *(\S+) .*<-$", text, re.M).group(1))
    paths = {part: sorted((digits / part).glob("*/*.png")) for part in ("train", "test")}
    labels = {part: np.array([int(path.parent.name) for path in paths[part]]) for part in paths}

    # The file in timm: create_model and load_state_dict, as converted.load does.
    tensors, config = converted.read(output)
    model = timm.create_model(config["architecture"], **config["model_args"]).eval()
    assert model.num_classes == 10 and config["label_names"] == [str(digit) for digit in range(10)]
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    x = {part: inputs(config, paths[part]) for part in paths}
    theirs = model.double()(x["test"].double()).numpy()
    model.float()
    folders = [digits / "test" / str(digit) for digit in range(10)]
    program("beit-classify", "--model", output, "--logits", tmp_path / "logits.npy", *folders)
    ours = np.load(tmp_path / "logits.npy")
    difference = np.abs(ours - theirs).max()
    assert difference <= 1e-5 * max(1, theirs.std())
    scores = np.abs(softmax(ours.astype(np.float64), 1) - softmax(theirs, 1)).max()
    assert scores <= 1e-5
    assert 100 * np.mean(theirs.argmax(1) == labels["test"]) == pytest.approx(accuracy, abs=0.006)

    # The head by scikit-learn, on timm's embeddings.
    embeddings = {part: model.forward_head(model.forward_features(x[part]), pre_logits=True).numpy() for part in x}
    scaler = StandardScaler().fit(embeddings["train"].astype(np.float64))
    head = LogisticRegression(C=C, multi_class="multinomial", max_iter=2000)
    with threadpool_limits(1):  # many small products: threads would wait for each other
        head.fit(scaler.transform(embeddings["train"].astype(np.float64)), labels["train"])
    logits = head.decision_function(scaler.transform(embeddings["test"].astype(np.float64)))
    sklearn_accuracy = 100 * np.mean(logits.argmax(1) == labels["test"])
    figure(f"digits: a new head gets {accuracy:.2f} %, scikit-learn's {sklearn_accuracy:.2f} %; timm's logits (standard "
           f"deviation {theirs.std():.1f}) differ by up to {difference:.1e}, its probabilities by {scores:.1e}; scikit-learn's "
           f"logits by {np.abs(logits - ours).max():.1e}")
    assert abs(accuracy - sklearn_accuracy) <= 0.3
    assert np.mean(logits.argmax(1) == ours.argmax(1)) >= 0.995


def write_digits(folder, pixels, labels, chosen):
    """A folder of PNG files with one subfolder per class."""
    for index in chosen:
        place = folder / str(labels[index])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[index]).save(place / f"{index:04}.png")


def nearest_pixels(pixels, labels, train, test):
    """Accuracy in percent of the class of the nearest training image, by Euclidean distance of pixels."""
    x = pixels.reshape(len(pixels), -1).astype(np.float64)
    squares = (x[test] ** 2).sum(1)[:, None] + (x[train] ** 2).sum(1) - 2 * x[test] @ x[train].T
    return 100 * np.mean(labels[train][squares.argmin(1)] == labels[test])


def test_features_of_clothes_beat_pixels_on_digits(program, figure, tmp_path):
    """Means over random splits of heads on 4,000 digits, and of heads on 8 per class, tested on the 1,000 others."""
    sheet = np.asarray(Image.open(OPENCV_DIGITS).convert("L"))  # 50 rows of 100 digits, 5 rows per class
    pixels = np.ascontiguousarray(sheet.reshape(50, 20, 100, 20).swapaxes(1, 2).reshape(5000, 20, 20))
    labels = np.arange(5000) // 500
    rng = np.random.default_rng(0)
    accuracies = {"4000": [], "8 a class": []}  # of (head, nearest pixels) in each
    for split in range(10):
        order = np.stack([rng.permutation(500) + 500 * label for label in range(10)])  # (class, digit)
        test, rest = order[:, :100].ravel(), order[:, 100:]
        write_digits(tmp_path / f"test{split}", pixels, labels, test)
        # Of 4,000, what cross-validation chooses, but for its time.
        for number, (name, train, options) in enumerate([("4000", rest, ["--C", 1]), ("8 a class", rest[:, :8], [])]):
            folder = tmp_path / f"train{split}_{number}"
            write_digits(folder, pixels, labels, train.ravel())
            text = program("beit-train-head", "--cache", tmp_path / "cache", "--data", folder, "--val",
                           tmp_path / f"test{split}", "--output", tmp_path / "digits.safetensors", *options)
            accuracies[name].append((float(re.search(r"^accuracy (\S+) %", text, re.M).group(1)),
                                     nearest_pixels(pixels, labels, train.ravel(), test)))
    for (name, values), bar in zip(accuracies.items(), (94.6, 67.4)):
        head, nearest = np.mean(values, 0)
        figure(f"OpenCV's digits, heads on {name}: {head:.2f} %, nearest pixels {nearest:.2f} % of 1,000 others "
               f"({len(values)} draws, heads {min(values)[0]:.1f} to {max(values)[0]:.1f} %)")
        assert head > max(bar, nearest)
