#!/bin/bash
# Makes the site build-docs/html of pages and headers; a public name without documentation is an error.
# Debian: apt-get install doxygen doxygen-awesome-css python3
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf build-docs
doxygen docs/Doxyfile
echo "build-docs/html/index.html"
