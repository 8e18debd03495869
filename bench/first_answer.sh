#!/bin/bash
# Measures what lies between a bare Debian 12 and the first named answer for a photograph, on the same weights:
#   bench/first_answer.sh MODEL IMAGE ARCHIVE  (as root; needs debootstrap and a network)
# MODEL is a model's folder as timm publishes it, ARCHIVE the programs from packaging/release.sh. Prints for each way
# the seconds, those of processors, and the megabytes that apt and pip say they downloaded. The weights and the archive
# are on this machine already. The ways:
#   archive  unpacks ARCHIVE and runs beit-classify
#   source   installs a compiler and the library's dependencies by apt, and builds and runs README's program
#   timm     installs timm by apt and pip, and runs it
set -euo pipefail

[[ $# -eq 3 ]] || { echo "bench/first_answer.sh: wanted MODEL IMAGE ARCHIVE" >&2; exit 2; }
model=$(realpath "$1") image=$(realpath "$2") archive=$(realpath "$3")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
apt='export DEBIAN_FRONTEND=noninteractive; apt-get update && apt-get install --yes --no-install-recommends'

declare -A ways
ways[archive]='tar -xzf archive.tar.gz && beit-*/bin/beit-classify --model model image'
ways[source]="$apt"' g++ cmake make libeigen3-dev nlohmann-json3-dev libstb-dev &&
  cmake -S app -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build && build/app model image'
ways[timm]="$apt"' python3-venv && python3 -m venv venv && venv/bin/pip install timm && venv/bin/python - <<END
import PIL.Image, timm
model = timm.create_model("local-dir:model", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
scores = model(transform(PIL.Image.open("image").convert("RGB"))[None])[0].softmax(0)
for score, index in zip(*scores.topk(5)):
    print(f"{100 * score:.2f} % {timm.data.ImageNetInfo().index_to_description(int(index))}")
END'

debootstrap --variant=minbase bookworm "$work/bare" >"$work/log"
mkdir -p "$work/bare/home/app"
cp -r "$model" "$work/bare/home/model"
cp "$image" "$work/bare/home/image"
cp "$archive" "$work/bare/home/archive.tar.gz"
git archive --prefix=beit/ HEAD | tar -x -C "$work/bare/home/app"
cp examples/hello.cpp "$work/bare/home/app/app.cpp"
sed -n '/^```cmake/,/^```/{/^```/!p}' README.md | sed 's/find_package([^)]*)/add_subdirectory(beit)/' \
  >"$work/bare/home/app/CMakeLists.txt"
cp /etc/ssl/certs/ca-certificates.crt "$work/bare/home"  # this machine's network may need its own

TIMEFORMAT='%R s, %U + %S s of processors'
for way in archive source timm; do
  cp -a "$work/bare" "$work/root"
  echo "== $way"
  time unshare --mount --pid --fork --root="$work/root" --mount-proc env -i HOME=/home \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin PIP_CERT=/home/ca-certificates.crt \
    bash -c "cd /home && ${ways[$way]}" >"$work/log" 2>&1 ||
    { tail "$work/log" >&2; exit 1; }
  sed -nE 's/^(Fetched| *Downloading [^ ]+ \()\s*([0-9.,]+) ([kMG]B).*/\2 \3/p' "$work/log" | tr -d , |
    awk '{ mb += $1 * ($2 == "kB" ? 0.001 : $2 == "MB" ? 1 : 1000) } END { printf "%.0f MB downloaded\n", mb }'
  tail -5 "$work/log"
  rm -rf "$work/root"
done
