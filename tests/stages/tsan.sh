# The tests and programs that run threads, with the sanitizer of threads.
packages=()

run() {
  # The sanitizer's fixed memory layout fails where the kernel randomises more bits than it knows of.
  local fixed_addresses=()
  if setarch -R true 2>/dev/null; then fixed_addresses=(setarch -R); fi
  configure tsan "${compiled_once[@]}" -DCMAKE_CXX_COMPILER=g++
  build tsan beit_core_tests beit_model_tests beit-classify beit-embed
  "${fixed_addresses[@]}" ctest --test-dir build-tsan --output-on-failure --no-tests=error --label-regex unit \
    --tests-regex '^(core|model)\..*Thread'
  local images=examples/data/fashion_mnist shards=build-tsan/shards
  "${fixed_addresses[@]}" build-tsan/beit-classify --threads 4 --batch-size 2 "$images"
  rm -rf "$shards"
  "${fixed_addresses[@]}" build-tsan/beit-embed --threads 4 --batch-size 2 --shard-size 3 --output "$shards" "$images"
}
