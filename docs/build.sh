#!/bin/bash
# Makes the site build-docs/html of pages and headers; a public name without documentation is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

# need PACKAGE FILE: FILE, which a Debian package brings, is a program or stands at this path.
need() {
  command -v "$2" >/dev/null || [[ -e $2 ]] || missing+=("$1")
}
missing=()
need doxygen doxygen
need doxygen-awesome-css /usr/share/doxygen-awesome-css/doxygen-awesome.css
need python3 python3
if [[ ${#missing[@]} -gt 0 ]]; then
  echo "docs/build.sh: found no ${missing[*]}, wanted for the site: apt-get install ${missing[*]}" >&2
  exit 1
fi

rm -rf build-docs
doxygen docs/Doxyfile
echo "build-docs/html/index.html"
