"""beit-train-head on handwritten digits: the model that it writes in timm, and its head against scikit-learn's.

The digits are the 1,797 that scikit-learn ships. BEIT_BUILD_DIR names the build folder.
"""
import re

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import converted

TEST = 497


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Folders train and test of PNG files by class, and all paths in the order of the programs' folders."""
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
           f"deviation {theirs.std():.1f}) differ by up to {difference:.1e}, scikit-learn's by {np.abs(logits - ours).max():.1e}")
    assert abs(accuracy - sklearn_accuracy) <= 0.3
    assert np.mean(logits.argmax(1) == ours.argmax(1)) >= 0.995
