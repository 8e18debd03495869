#!/bin/sh
# One folder for each class is a labelled data set for load_dataset("imagefolder"), and one picture more should be one row
# more.
#
# datasets 5.2.0 labels pictures only if all of them lie equally deep. One picture in a folder within a class, and the
# column "label" is gone for every picture, without a warning. In a split that has a metadata.jsonl, the pictures that it
# doesn't list aren't loaded at all, without a warning either.
#
# Why it matters: collections grow by hand. A training script fails far from the cause, or, if it takes the metadata's
# columns, runs on fewer pictures than there are files.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet datasets==5.2.0 numpy==2.4.6 pillow==13.0.0 pyarrow==26.0.1

HF_HOME="$folder/cache" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - "$folder" 2> "$folder/progress" <<'PYTHON'
import importlib.metadata
import sys
from pathlib import Path
from datasets import Image, load_dataset
from PIL import Image as Picture

def load(name, pictures, metadata=None):
    """Each picture's folders and label."""
    root = Path(sys.argv[1]) / name
    for path in pictures:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Picture.new("RGB", (8, 8)).save(root / path)
    if metadata:
        (root / "metadata.jsonl").write_text(metadata)
    table = load_dataset("imagefolder", data_dir=str(root), split="train").cast_column("image", Image(decode=False))
    label = table.features.get("label")
    return {str(Path(row["image"]["path"]).relative_to(root)): label and label.int2str(row["label"]) for row in table}

pictures = ["cat/1.png", "cat/2.png", "dog/1.png"]
flat = load("flat", pictures)
deeper = load("deeper", [*pictures, "dog/small/2.png"])
listed = load("listed", pictures, '{"file_name": "cat/1.png", "text": "a cat"}\n')
print("datasets", importlib.metadata.version("datasets"))
print("a folder for each class:     ", flat)
print("and one picture deeper:      ", deeper)
print("metadata.jsonl with one line:", listed)
assert flat == {"cat/1.png": "cat", "cat/2.png": "cat", "dog/1.png": "dog"}, "changed: pictures that are equally deep"
assert len(deeper) == 4 and set(deeper.values()) == {None}, "changed: pictures that aren't equally deep"
assert listed == {"cat/1.png": None}, "changed: pictures without metadata"
PYTHON
