#!/bin/bash
# Measures how long examples/hello.cpp takes to compile, beside a file that only includes the headers of others that it
# needs: bench/compile_time.sh [TURNS [COMPILER [FLAG...]]]. Prints the least user time of so many turns [3] at -O2, by g++
# or another compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
turns=${1:-3} compiler=${2:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#include <Eigen/Core>\n#include <nlohmann/json.hpp>\nint main() { return static_cast<int>(nlohmann::json().size()); }\n' \
  >"$work/others.cpp"

names=("Eigen/Core and nlohmann/json alone" "<beit/beit.hpp>" "<beit/beit.hpp>, linked to beit::compiled")
files=("$work/others.cpp" examples/hello.cpp examples/hello.cpp)
flags=("" "" -DBEIT_COMPILED)
least=(1e9 1e9 1e9)
TIMEFORMAT=%U
for ((turn = 0; turn < turns; ++turn)); do
  for i in 0 1 2; do
    { time "$compiler" -std=c++20 -O2 -Iinclude -isystem /usr/include/eigen3 -isystem /usr/include/stb ${flags[i]} \
      "${@:3}" -c "${files[i]}" -o "$work/out.o" 2>"$work/errors"; } 2>"$work/seconds" || { cat "$work/errors" >&2; exit 1; }
    seconds=$(<"$work/seconds")
    least[i]=$(awk "BEGIN { print $seconds < ${least[i]} ? $seconds : ${least[i]} }")
  done
done
for i in 0 1 2; do
  awk -v name="${names[i]}" -v s="${least[i]}" -v base="${least[0]}" -v header="${least[1]}" \
    'BEGIN { printf "%-45s %6.2f s  %5.2f of the first  %5.2f of the second\n", name, s, s / base, s / header }'
done
