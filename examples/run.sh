#!/bin/bash
# Installs what the programs need on Debian 12 (with apt, as root or with sudo), builds them, and classifies the sample
# images with the demo model. Arguments, if there are any, replace the sample images: examples/run.sh --top-k 3 shoe.png
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-examples

"$root/tests/install_packages.sh" g++ cmake ninja-build libeigen3-dev nlohmann-json3-dev libstb-dev libcli11-dev \
  libarchive-dev liblbfgspp-dev libxxhash-dev pkg-config libjpeg62-turbo-dev libwebp-dev libtiff-dev libavif-dev \
  libheif-dev
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBEIT_BUILD_TESTS=OFF
cmake --build "$build"
[[ $# -gt 0 ]] || set -- "$root/examples/data/fashion_mnist"
"$build/beit-classify" "$@"
