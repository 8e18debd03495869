"""Compares the programs with timm in double precision: real photographs through models with random weights.

The reference uses timm's own preprocessing, so that the whole way from file to logits is compared.
"""
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

import converted
from random_model import randomise

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = "beit_base_patch16_224"
PHOTOGRAPHS = ("chelsea.png", "coffee.png", "rocket.jpg")
LOGITS_BOUND = 2e-5  # for logits with a standard deviation of about 2
EMBEDDING_BOUND = 1e-5

# Full width and depth, except for the one at 120. Each name is the part of the model that differs.
MODELS = {
    "base": dict(),
    "width 120, 5 heads, 160 px": dict(embed_dim=120, num_heads=5, img_size=160),
    "token": dict(global_pool="token"),
    "shared table": dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=True),
    "absolute positions": dict(use_rel_pos_bias=False, use_abs_pos_emb=True),
    "no layer scale": dict(init_values=0),
    "no qkv bias": dict(qkv_bias=False),
}


@dataclass
class Reference:
    """timm's results for the photographs, in double and in single precision."""
    logits: np.ndarray      # (3, K) double
    embeddings: np.ndarray  # (3, C) double
    tokens: np.ndarray      # (3, N, C) double
    single_logits: np.ndarray
    single_embeddings: np.ndarray


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The photographs as PNG files, so that a JPEG is decoded once for both sides."""
    folder = tmp_path_factory.mktemp("photographs")
    paths = []
    for name in PHOTOGRAPHS:
        paths.append(folder / (Path(name).stem + ".png"))
        Image.open(ROOT / "examples" / "data" / name).convert("RGB").save(paths[-1])
    return paths


def make_model(name):
    """The random model `name`, and its configuration."""
    model = randomise(timm.create_model(ARCHITECTURE, **MODELS[name]), seed=list(MODELS).index(name))
    return model, converted.make_config(model, ARCHITECTURE, timm.get_pretrained_cfg(ARCHITECTURE).to_dict())


@torch.no_grad()
def reference(model, config, paths):
    """timm's results; leaves `model` in double precision."""
    data = {key: config["pretrained_cfg"][key] for key in ("interpolation", "crop_pct", "crop_mode", "mean", "std")}
    transform = timm.data.create_transform(tuple(config["pretrained_cfg"]["input_size"]), **data)
    images = torch.stack([transform(Image.open(path).convert("RGB")) for path in paths])

    def run(model, images):
        tokens = model.forward_features(images)
        embeddings = model.forward_head(tokens, pre_logits=True)
        return tokens.numpy(), embeddings.numpy(), model.head(embeddings).numpy()

    _, single_embeddings, single_logits = run(model, images)
    tokens, embeddings, logits = run(model.double(), images.double())
    return Reference(logits, embeddings, tokens, single_logits, single_embeddings)


def load_rows(path, count):
    """A .npy file of float32 with `count` rows."""
    values = np.load(path)
    assert values.dtype == np.float32 and len(values) == count
    return values


def compare_logits(name, source, expected, paths, program, figure, folder):
    """Compares beit-classify --logits with `expected`, and returns its logits."""
    program("beit-classify", "--model", source, "--logits", folder / "logits.npy", *paths)
    logits = load_rows(folder / "logits.npy", len(paths))
    assert logits.shape == expected.logits.shape
    error = np.abs(logits - expected.logits).max()
    figure(f"{name}: logits (standard deviation {expected.logits.std():.2f}) off by {error:.2e}, timm's single "
           f"precision by {np.abs(expected.single_logits - expected.logits).max():.2e}")
    assert 1 < expected.logits.std() < 4
    assert error <= LOGITS_BOUND
    return logits


def compare_embeddings(name, source, expected, paths, program, figure, folder):
    """Compares beit-embed with `expected`."""
    program("beit-embed", "--model", source, "--output", folder / "embeddings.npy", *paths)
    embeddings = load_rows(folder / "embeddings.npy", len(paths))
    assert embeddings.shape == expected.embeddings.shape
    error = np.abs(embeddings - expected.embeddings).max()
    figure(f"{name}: embeddings (standard deviation {expected.embeddings.std():.2f}) off by {error:.2e}, timm's single "
           f"precision by {np.abs(expected.single_embeddings - expected.embeddings).max():.2e}")
    assert error <= EMBEDDING_BOUND


@pytest.fixture(scope="module")
def base(tmp_path_factory, photographs):
    """The full-size model as timm's two files, as a converted file and as a bare file, and timm's results."""
    folder = tmp_path_factory.mktemp("base")
    model, config = make_model("base")
    (folder / "pair").mkdir()
    tensors = model.state_dict()
    safetensors.torch.save_file(tensors, folder / "pair" / "model.safetensors")
    (folder / "pair" / "config.json").write_text(json.dumps(config))
    converted.write(folder / "converted.safetensors", tensors, config)
    bare = folder / "bare" / "beit.safetensors"  # alone in its folder: no config.json to find
    bare.parent.mkdir()
    safetensors.torch.save_file(tensors, bare)
    yield folder, reference(model, config, photographs)
    shutil.rmtree(folder)


def test_full_size(base, photographs, program, figure, tmp_path):
    """All three forms of the weights give results within the bounds and equal to the last bit."""
    folder, expected = base
    results = [compare_logits(f"base, {source}", folder / source, expected, photographs, program, figure, tmp_path)
               for source in ("converted.safetensors", "pair", "bare/beit.safetensors")]
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])
    compare_embeddings("base", folder / "converted.safetensors", expected, photographs, program, figure, tmp_path)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "base"])
def test_variant(name, photographs, program, figure, tmp_path):
    model, config = make_model(name)
    path = tmp_path / "model.safetensors"
    converted.write(path, model.state_dict(), config)
    expected = reference(model, config, photographs)
    del model
    try:
        compare_logits(name, path, expected, photographs, program, figure, tmp_path)
        compare_embeddings(name, path, expected, photographs, program, figure, tmp_path)
    finally:
        path.unlink()  # pytest keeps the folders of three runs


@pytest.mark.parametrize("precision, bound", [("float-fast", None), ("bfloat16", 0.9999), ("int8", 0.999)])
def test_precision(precision, bound, base, photographs, program, figure, tmp_path):
    """float-fast is within 2e-4; the cosine of the others' logits to double precision is at least `bound`."""
    folder, expected = base
    program("beit-classify", "--model", folder / "converted.safetensors", "--precision", precision, "--logits",
            tmp_path / "logits.npy", *photographs)
    logits = load_rows(tmp_path / "logits.npy", len(photographs))
    error = np.abs(logits - expected.logits).max()
    cosines = (logits * expected.logits).sum(1) / np.linalg.norm(logits, axis=1) / np.linalg.norm(expected.logits, axis=1)
    figure(f"base in {precision}: logits off by {error:.2e}, cosine {cosines.min():.6f}")
    if bound is None:
        assert error <= 2e-4
    else:
        assert cosines.min() >= bound


def test_quantised_file(base, photographs, program, figure, tmp_path):
    """An int8 file gives the results, to the last bit, of its source when that is quantised while it is loaded."""
    folder, _ = base
    tensors, config = converted.read(folder / "converted.safetensors")
    path = tmp_path / "int8.safetensors"
    converted.write(path, converted.convert_tensors(tensors, "int8"), config)
    for name, model in (("source", folder / "converted.safetensors"), ("file", path)):
        program("beit-classify", "--model", model, "--precision", "int8", "--logits", tmp_path / f"{name}.npy",
                photographs[0])
    source, file = (load_rows(tmp_path / f"{name}.npy", 1) for name in ("source", "file"))
    size = path.stat().st_size
    figure(f"base, int8 file of {size / 1e6:.0f} MB against quantising while loading: logits differ by "
           f"{np.abs(source - file).max():.2e}")
    path.unlink()
    assert size < 0.26 * (folder / "converted.safetensors").stat().st_size
    assert np.array_equal(source, file)


@pytest.mark.parametrize("kind, chosen", [("class", np.s_[:, 0]), ("patch", np.s_[:, 1:]), ("all", np.s_[:, :])])
def test_tokens(kind, chosen, base, photographs, program, figure, tmp_path):
    """The tokens of forward_features are within 1e-5 of their standard deviation, which isn't 1, unlike embeddings'."""
    folder, expected = base
    output = tmp_path / "tokens.npy"
    program("beit-embed", "--model", folder / "converted.safetensors", "--output", output, "--tokens", kind,
            photographs[0])
    tokens, wanted = load_rows(output, 1), expected.tokens[:1][chosen]
    error = np.abs(tokens.reshape(wanted.shape) - wanted).max()
    figure(f"base, {kind} tokens (standard deviation {wanted.std():.2f}): off by {error:.2e}")
    assert error <= EMBEDDING_BOUND * max(1, wanted.std())


@pytest.mark.parametrize("precision, bound", [("float", 1.35), ("bfloat16", 0.9), ("int8", 0.65)])
def test_peak_memory(precision, bound, base, photographs, peak_memory, figure):
    """Tests one photograph at full size, from the same float32 file."""
    folder, _ = base
    path = folder / "converted.safetensors"
    peak = peak_memory("beit-classify", "--model", path, "--precision", precision, photographs[0])
    ratio = peak / path.stat().st_size
    figure(f"peak memory in {precision}: {peak / 1e6:.0f} MB, {ratio:.2f} of the file's "
           f"{path.stat().st_size / 1e6:.0f} MB")
    assert ratio <= bound
