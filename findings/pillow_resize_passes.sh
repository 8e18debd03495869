#!/bin/sh
# Resizing one picture to one size with one filter should give the same bytes in any version of Pillow.
#
# Pillow scales in two passes, along rows and along columns, and rounds to bytes in between, so the order of the passes
# shows. Pillow 12.3 goes across first; Pillow 13 goes down first where the height shrinks by more than twice as many
# pixels as the width: portrait pictures squeezed into a square, screenshots of telephones. Others are the same in both.
#
# Why it matters: features stored with one version differ slightly from those computed with the other, for some pictures
# alone. "The same numbers as timm" needs the version of Pillow as well.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/resize.py" <<'PYTHON'
import sys
import PIL
from PIL import Image

for width, height in (427, 640), (640, 427):
    pixels = bytes(value for y in range(height) for x in range(width)
                   for value in ((7 * x + 3 * y) % 256, (x * x // 50 + y) % 256, (x * y // 90) % 256))
    small = Image.frombytes("RGB", (width, height), pixels).resize((224, 224), Image.Resampling.BICUBIC)
    with open(f"{sys.argv[1]}/{width}x{height}-{PIL.__version__}", "wb") as file:
        file.write(small.tobytes())
PYTHON
for version in 12.3.0 13.0.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/python" -m pip install --quiet Pillow==$version
  "$folder/$version/bin/python" "$folder/resize.py" "$folder"
done

python3 - "$folder" <<'PYTHON'
import sys

most = {}
for size in "427x640", "640x427":
    old, new = (open(f"{sys.argv[1]}/{size}-{version}", "rb").read() for version in ("12.3.0", "13.0.0"))
    differences = [abs(a - b) for a, b in zip(old, new) if a != b]
    most[size] = max(differences, default=0)
    print(f"{size} to 224x224, bicubic, Pillow 12.3.0 against 13.0.0: "
          f"{100 * len(differences) / len(old):.1f} % of bytes differ, by up to {most[size]} levels")
assert most["640x427"] == 0, "changed: the landscape picture differs as well"
assert most["427x640"] >= 2, "changed: the portrait picture no longer differs"
PYTHON
