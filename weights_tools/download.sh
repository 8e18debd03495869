#!/bin/bash
# Downloads a published model from the Hugging Face hub into a folder that beit::load reads as it is. Needs curl.
#   download.sh beit_base_patch16_224.in22k_ft_in22k_in1k          timm's, into a folder of that name
#   download.sh microsoft/beit-base-patch16-224 models/beit        a model of transformers, into models/beit
# An interrupted download is continued by the same command. Every file is checked against the size and the hash that the
# hub states for it, and has its name only when it is whole.
# Environment: HF_ENDPOINT, a mirror or a gateway in place of https://huggingface.co; HF_TOKEN, for models that need an
# account; https_proxy and CURL_CA_BUNDLE, as for curl.
set -euo pipefail

fail() {
  echo "download.sh: $*" >&2
  exit 1
}

if [[ $# -lt 1 || $# -gt 2 || $1 == -* ]]; then
  sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
command -v curl >/dev/null || fail "found no curl, wanted it to be installed"
repository=$1
[[ $repository == */* ]] || repository=timm/$repository
folder=${2:-${repository#*/}}
hub=${HF_ENDPOINT:-https://huggingface.co}
hub=${hub%/}
attempts=5 longest_wait=300
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT

curl_hub() {
  local token=()
  [[ -z ${HF_TOKEN:-} ]] || token=(--oauth2-bearer "$HF_TOKEN")  # which curl doesn't send to another host
  curl --silent --show-error --connect-timeout 30 "${token[@]}" "$@"
}

# The last value of a header of the last answer, without quotes.
header() { tr -d '\r"' <"$headers" | awk -v name="$1:" 'tolower($1) == name {sub(/^W\//, "", $2); found = $2} END {print found}'; }

digest() { if command -v "$1sum" >/dev/null; then "$1sum"; else shasum -a "${1#sha}"; fi | cut -d' ' -f1; }

size_of() { wc -c <"$1" | tr -d ' '; }

# Whether a file's digest is the one that the hub states: SHA-256 of large files, git's SHA-1 of small ones.
has_hash() {
  case ${#2} in
    64) [[ $(digest sha256 <"$1") == "$2" ]] ;;
    40) [[ $( (printf 'blob %s\0' "$(size_of "$1")" && cat "$1") | digest sha1) == "$2" ]] ;;
    *) fail "$3: found the hash '$2' in the hub's answer, wanted SHA-256 or SHA-1" ;;
  esac
}

# Asks the hub for a file's size and hash: sets `size`, `hash`. The status is 1 if there is no such file.
ask() {
  local url=$hub/$repository/resolve/main/$1 attempt status=000 where
  for ((attempt = 1; ; ++attempt)); do
    status=$(curl_hub --head --dump-header "$headers" --output /dev/null --write-out '%{http_code}' "$url") || status=000
    where=$(header location)
    case $status in
      30[12378])
        # A redirection on the hub itself has the headers; one to another host begins the download.
        if [[ -z $(header x-linked-etag) && $where == /* ]]; then url=$hub$where && continue; fi
        break ;;
      200) break ;;
      401 | 403) fail "$repository: the hub answers $status: no such model, or one that needs an account: set HF_TOKEN" ;;
      404) return 1 ;;
    esac
    [[ $attempt -lt $attempts ]] || fail "$url: no answer (status $status) after $attempts attempts; behind a proxy set https_proxy, or HF_ENDPOINT for a mirror"
    wait_before "$attempt"
  done
  hash=$(header x-linked-etag) size=$(header x-linked-size)
  hash=${hash:-$(header etag)} size=${size:-$(header content-length)}
  [[ $size =~ ^[0-9]+$ ]] || fail "$url: found no size in the hub's answer"
}

# Waits as long as the hub asks, or longer before each further attempt.
wait_before() {
  local seconds
  seconds=$(header retry-after)
  [[ $seconds =~ ^[0-9]+$ ]] || seconds=$((2 ** $1 - 2))
  [[ $seconds -le $longest_wait ]] || fail "the hub asks to wait for $seconds s: try again then"
  sleep "$seconds"
}

# Downloads one file. The status is 1 if there is none.
download() {
  local file=$1 target=$folder/$1 attempt have
  ask "$file" || return 1
  if [[ -f $target && $(size_of "$target") == "$size" ]] && has_hash "$target" "$hash" "$target"; then
    echo "$target: is there already"
    return
  fi
  mkdir -p "$folder"
  for ((attempt = 1; ; ++attempt)); do
    have=0
    [[ ! -f $target.part ]] || have=$(size_of "$target.part")
    if [[ $have -gt $size ]]; then rm "$target.part" && have=0; fi
    [[ $have -lt $size || $size -eq 0 ]] || break
    : >"$headers"
    # A range may be answered by the whole file: curl then says so by its status 33.
    curl_hub --fail --location --continue-at "$have" --dump-header "$headers" --output "$target.part" \
      "$hub/$repository/resolve/main/$file" || { [[ $? -ne 33 ]] || rm -f "$target.part"; }
    [[ ! -f $target.part || $(size_of "$target.part") -lt $size ]] || break
    [[ $attempt -lt $attempts ]] ||
      fail "$target: found $([[ -f $target.part ]] && size_of "$target.part" || echo 0) of $size bytes after $attempts attempts: run it again to go on"
    wait_before "$attempt"
  done
  if [[ $(size_of "$target.part") != "$size" ]] || ! has_hash "$target.part" "$hash" "$target"; then
    rm "$target.part"
    fail "$target: what was downloaded hasn't the size or the hash that the hub states: removed; run it again"
  fi
  mv "$target.part" "$target"
  echo "$target: $size bytes"
}

download config.json || fail "$hub/$repository: found no config.json, wanted a model of timm or transformers"
download preprocessor_config.json || true # transformers' models alone have one
if ! download model.safetensors; then
  download model.safetensors.index.json ||
    fail "$hub/$repository: found neither model.safetensors nor an index of its shards; weights_tools/convert.py reads pytorch_model.bin"
  grep -o '"[^"/]*\.safetensors"' "$folder/model.safetensors.index.json" | tr -d '"' | sort -u | while read -r shard; do
    download "$shard" || fail "$hub/$repository: found no $shard, which the index names"
  done
fi
echo "try it: beit-classify --model $folder photo.jpg"
