#!/bin/bash
# windows.sh BUILD NATIVE: compares the programs of a build for Windows, in wine, with this machine's own.
set -euo pipefail
build=$1 native=$2
data=$(cd "$(dirname "$0")/../../examples/data" && pwd)
export LC_ALL=C.UTF-8 WINEDEBUG=-all
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

program() { wine "$build/beit-$1.exe" "${@:2}"; }
fail() { echo "windows.sh: $*" >&2; exit 1; }

# The README's two programs give the same output as this machine's.
same_scores() {
  /usr/bin/python3 - "$1" "$2" <<'PYTHON'
import json
import sys

found, wanted = ([json.loads(line) for line in open(name, encoding="utf-8")] for name in sys.argv[1:])
assert len(found) == len(wanted) > 0, (len(found), len(wanted))
for one, other in zip(found, wanted):
    assert one["image"].replace("\\", "/").split("/")[-1] == other["image"].split("/")[-1], (one, other)
    assert [p["label"] for p in one["predictions"]] == [p["label"] for p in other["predictions"]], (one, other)
    assert max(abs(p["score"] - q["score"]) for p, q in zip(one["predictions"], other["predictions"])) < 1e-4
print(f"{len(found)} images: the same classes and scores")
PYTHON
}
program classify --json "$data/fashion_mnist" >"$work/found.jsonl"
"$native/beit-classify" --json "$data/fashion_mnist" >"$work/wanted.jsonl"
same_scores "$work/found.jsonl" "$work/wanted.jsonl"

# File names may be in any script: as arguments, in folders, and in output.
folder="$work/Größe 写真"
mkdir "$folder"
cp "$data/fashion_mnist/bag.png" "$folder/сумка.png"
cp "$data/beit_fashion_mnist.safetensors" "$folder/模型.safetensors"
program classify --json --model "$folder/模型.safetensors" "$folder/сумка.png" "$folder" >"$work/named.jsonl"
[[ $(grep -c 'сумка.png.*"label":"Bag"' "$work/named.jsonl") == 2 ]] || fail "names: $(cat "$work/named.jsonl")"
program classify "$folder/нет.png" 2>"$work/error" && fail "no error for a missing file"
grep -q 'нет.png: ' "$work/error" || fail "message: $(cat "$work/error")"

# Files are replaced, and no other files are left beside them.
for _ in 1 2; do program embed --output "$folder/特征.npy" "$folder/сумка.png"; done
[[ $(ls "$folder" | sort | tr '\n' ' ') == "сумка.png 模型.safetensors 特征.npy 特征.txt " ]] || fail "files: $(ls "$folder")"

# Shards, and two runs at once into one folder: the second is refused.
program embed --output "$work/shards" --shard-size 4 "$data/fashion_mnist" >/dev/null
[[ -f $work/shards/img_emb/img_emb_00002.npy || -n $(find "$work/shards" -name '*2.npy') ]] || fail "no third shard"
mkfifo "$work/list"
program embed --output "$work/locked" --list - <"$work/list" >/dev/null 2>&1 &
first=$!
exec 3>"$work/list"
for _ in $(seq 100); do [[ -n $(find "$work/locked" -name 'running-*' 2>/dev/null) ]] && break; sleep 0.1; done
program embed --output "$work/locked" "$data/fashion_mnist" >/dev/null 2>"$work/error" && fail "a second run was let in"
grep -q "another process is writing to this folder" "$work/error" || fail "lock: $(cat "$work/error")"
echo "$data/fashion_mnist/bag.png" >&3
exec 3>&-
wait "$first"
[[ -z $(find "$work/locked" -name 'running-*') ]] || fail "the lock stays"
echo "windows.sh: passed"
