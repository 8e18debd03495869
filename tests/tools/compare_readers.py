#!/usr/bin/env python3
"""Read beit-embed's folders by the packages that people use beside it, and say what differs.

    python tests/tools/compare_readers.py BUILD_FOLDER [--keep FOLDER]

For new versions of these packages, which continuous integration doesn't try. It installs pinned ones from PyPI (300 MB;
clip-retrieval without the models that it could run), embeds made pictures with BUILD_FOLDER's beit-embed, among them
damaged ones, a shard of nothing else, and some for which the model gives NaN, and prints a line for each package and
number type: rows, paths, and nearest neighbours against a scan in double precision. The exit status is 1 if any differs.
Needs numpy, Pillow and safetensors. --keep keeps the environments, so that a second run takes seconds.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests" / "golden" / "model_standard.safetensors"
SCRIPT = ROOT / "examples" / "cluster" / "metadata_to_parquet.py"

# autofaiss wants NumPy 1, without which a newer pyarrow isn't imported, and clip-retrieval pyarrow below 16.
ENVIRONMENTS = {
    "new": ["embedding-reader==1.8.1", "numpy==2.4.6", "pandas==2.3.3", "pyarrow==26.0.1", "webdataset==1.0.2", "braceexpand==0.1.7"],
    "autofaiss": ["autofaiss==2.18.0", "embedding-reader==1.8.1", "faiss-cpu==1.15.1", "numpy==1.26.4", "pandas==2.3.3",
                  "pyarrow==15.0.2", "fire==0.5.0", "h5py==3.16.0", "flask==3.1.3", "flask-restful==0.3.10",
                  "flask-cors==6.0.5", "prometheus-client==0.26.0", "pillow==13.0.0"],
}
WITHOUT_DEPENDENCIES = {"autofaiss": ["clip-retrieval==2.45.0"]}


# The readers. Each runs in its environment and yields (what, whether it is right, a note).


def versions(*packages):
    from importlib.metadata import version
    return ", ".join(f"{package} {version(package)}" for package in packages)


def shards(folder):
    """The rows as float32, and the paths, as NumPy and json read them."""
    import numpy as np
    rows = np.concatenate([np.load(path) for path in sorted(folder.glob("img_emb/*.npy"))]).astype(np.float32)
    lines = [json.loads(line) for path in sorted(folder.glob("metadata/*.jsonl")) for line in path.read_text().splitlines()]
    return rows, [line["path"] for line in lines]


def read_new(folder):
    import numpy as np
    import pandas as pd
    from embedding_reader import EmbeddingReader
    rows, paths = shards(folder)
    package = versions("embedding-reader")

    def read(**arguments):
        found = list(EmbeddingReader(str(folder / "img_emb"), **arguments)(batch_size=7, show_progress=False))
        return np.concatenate([batch for batch, _ in found]), pd.concat([described for _, described in found])

    batch, _ = read(file_format="npy")
    yield f"{package}, npy", np.array_equal(batch, rows), f"{len(batch)} rows"
    batch, described = read(file_format="parquet_npy", metadata_folder=str(folder / "metadata"),
                            meta_columns=["image_path", "label", "width"])
    yield f"{package}, parquet_npy", np.array_equal(batch, rows) and described["image_path"].tolist() == paths, f"{len(batch)} rows"
    files = sorted((folder / "metadata").glob("*.jsonl"))
    table = pd.concat([pd.read_json(path, lines=True, dtype=False) for path in files if path.stat().st_size])
    yield f"{versions('pandas')}, jsonl", table["path"].tolist() == paths, f"{len(table)} lines"
    table = pd.concat([pd.read_parquet(path) for path in sorted((folder / "metadata").glob("*.parquet"))])
    yield f"{versions('pandas', 'pyarrow')}, parquet", table["image_path"].tolist() == paths, f"{len(table)} rows"


def read_autofaiss(folder):
    import importlib.util
    import types
    import numpy as np
    from autofaiss import build_index
    rows, paths = shards(folder)
    normalized = json.loads((folder / "job.json").read_text())["normalize"]
    double = rows.astype(np.float64)
    double /= np.linalg.norm(double, axis=1, keepdims=True)
    cosines = double @ double.T
    np.fill_diagonal(cosines, -1)
    nearest = cosines.max(1)

    def agreement(search):
        """The share of rows whose nearest other row by `search` is as near by cosine as the nearest of all."""
        right = 0
        for i, row in enumerate(rows):
            first = next(j for j in search(row) if j != i)
            right += cosines[i, first] > nearest[i] - 1e-3
        return right / len(rows)

    index, _ = build_index(embeddings=str(folder / "img_emb"), save_on_disk=False, max_index_memory_usage="1G",
                           current_memory_available="2G", verbose=50)
    share = agreement(lambda row: index.search(row[None], 4)[1][0])
    note = f"{index.ntotal} rows, {share:.0%} of neighbours by inner product are those by cosine"
    yield versions("autofaiss", "faiss-cpu"), index.ntotal == len(rows) and (share == 1 or not normalized), note

    # The package's own __init__ imports its models.
    package = types.ModuleType("clip_retrieval")
    package.__path__ = list(importlib.util.find_spec("clip_retrieval").submodule_search_locations)
    sys.modules["clip_retrieval"] = package
    from clip_retrieval.clip_back import ParquetMetadataProvider
    from clip_retrieval.clip_index import clip_index
    with tempfile.TemporaryDirectory() as indexed:
        clip_index(str(folder), indexed, max_index_memory_usage="1G", current_memory_available="2G")
        import faiss
        index = faiss.read_index(f"{indexed}/image.index")
        provider = ParquetMetadataProvider(f"{indexed}/metadata")
        described = provider.get(range(len(rows)), ["image_path"])
        ok = index.ntotal == len(rows) and [entry["image_path"] for entry in described] == paths
        if normalized:
            found = index.search(rows, 1)[1][:, 0]
            ok &= float(np.min(np.sum(double * double[found], 1))) > 0.999  # each finds itself, or one that is the same
        yield versions("clip-retrieval"), ok, f"{index.ntotal} rows, {len(described)} of metadata"


READERS = {"new": read_new, "autofaiss": read_autofaiss}


# The driver.


def make_input(folder):
    """Pictures in three classes, of which some are damaged, and a model that overflows for some of the others."""
    import numpy as np
    from PIL import Image
    from safetensors import safe_open
    from safetensors.numpy import save_file
    random = np.random.default_rng(25)
    for i in range(60):
        path = folder / "photos" / f"class {i % 3}" / f"é {i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = random.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(small).resize((40 + i, 32), Image.BICUBIC).save(path)
    for path in sorted((folder / "photos" / "class 1").iterdir())[:12]:  # more than a shard
        path.write_bytes(b"damaged")
    with safe_open(MODEL, "numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    # The last block's shift is added before the last norm: features keep their order and get another length each.
    tensors["fc_norm.weight"] = tensors["fc_norm.weight"] * np.float32(40)
    save_file(tensors, folder / "model.safetensors", metadata=metadata)
    for name in ("fc_norm.weight", "fc_norm.bias"):
        tensors[name] = tensors[name].copy()
        tensors[name][0] *= np.float32(np.finfo(np.float32).max / 40)
    save_file(tensors, folder / "overflowing.safetensors", metadata=metadata)


def make_environment(name, folder):
    python = folder / name / "bin" / "python"
    if not (folder / name / "ready").exists():
        venv.create(folder / name, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *ENVIRONMENTS[name]], check=True)
        if name in WITHOUT_DEPENDENCIES:
            subprocess.run([*install, "--no-deps", *WITHOUT_DEPENDENCIES[name]], check=True)
        (folder / name / "ready").touch()
    return python


def compare(build, environments):
    same = True
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        make_input(work)
        pythons = {name: make_environment(name, environments) for name in ENVIRONMENTS}
        for options in ([], ["--normalize"], ["--dtype", "float16"], ["--dtype", "float16", "--normalize"], ["NaN"]):
            out = work / ("_".join(options) or "plain")
            model = work / ("overflowing.safetensors" if options == ["NaN"] else "model.safetensors")
            chosen = [option for option in options if option != "NaN"]
            subprocess.run([build / "beit-embed", "--model", model, "--shard-size", "10", *chosen, "--output", out, work / "photos"],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            said = subprocess.run([pythons["new"], SCRIPT, out], check=True, capture_output=True, text=True).stdout
            failed = len((out / "failed.jsonl").read_text().splitlines())
            print(f"{' '.join(options) or 'float32'}: {failed} of 60 failed; {said.split(': ')[1].strip()}")
            for name, python in pythons.items():
                result = subprocess.run([python, __file__, "--read", name, out], capture_output=True, text=True,
                                        env=os.environ | {"PYTHONUTF8": "1"})
                print(result.stdout, end="")
                if result.returncode != 0:
                    print(result.stderr[-2000:])
                same &= result.returncode == 0
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--keep", type=Path, help="folder for the environments [a temporary one]")
    if sys.argv[1:2] == ["--read"]:
        rows = list(READERS[sys.argv[2]](Path(sys.argv[3])))
        for what, right, note in rows:
            print(f"  {'same' if right else 'DIFFERS':<8}{what:<46}{note}")
        sys.exit(not all(right for _, right, _ in rows))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(not compare(arguments.build.resolve(), arguments.keep or Path(temporary)))


if __name__ == "__main__":
    main()
