# All fuzz targets at once for 20 seconds, from their corpora.
packages=(clang libclang-rt-14-dev)

run() {
  configure fuzz
  build fuzz
  local source name corpus failed=0
  local -A running=()
  for source in tests/fuzz/*_fuzz.cpp; do
    name=$(basename "$source" _fuzz.cpp)
    corpus=tests/fuzz/corpus_$name
    [[ -d $corpus ]] || corpus=tests/golden/$name
    mkdir -p "build-fuzz/found_$name"
    "build-fuzz/tests/fuzz/beit_${name}_fuzz" -max_total_time=20 -timeout=10 -rss_limit_mb=4096 -verbosity=0 \
      -print_final_stats=1 -artifact_prefix="build-fuzz/found_$name/" "build-fuzz/found_$name" "$corpus" \
      >"build-fuzz/$name.log" 2>&1 &
    running[$name]=$!
  done
  for name in "${!running[@]}"; do
    wait "${running[$name]}" || failed=$((failed + 1))
    sed '/Recommended dictionary/,/End of recommended/d' "build-fuzz/$name.log"
  done
  echo "$((${#running[@]} - failed)) passed, $failed failed"
  return $((failed > 0))
}
