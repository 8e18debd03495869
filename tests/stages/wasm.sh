# WebAssembly: unit tests under node, and the page examples/web in Chromium and Firefox.
packages=(emscripten node-acorn nodejs chromium chromium-driver firefox-esr python3-pytest python3-selenium python3-venv
          ca-certificates)

run() {
  export NODE_PATH=/usr/share/nodejs  # where Debian's emscripten has its modules
  local tests=(core cpu io image kernels model)  # the models' tests cover nn
  configure wasm "${at_o2[@]}"
  build_tests wasm "${tests[@]}"
  build wasm beit_levels
  # Newer versions of node have a fetch() that this emscripten mistakes for a browser's.
  export NODE_OPTIONS=--no-experimental-fetch
  run_tests wasm '*' "${tests[@]}" -- node
  node build-wasm/tests/beit_levels.js | grep "^best level: simd128$"
  configure web
  build web
  /usr/bin/python3 -m venv --system-site-packages build-web/venv
  build-web/venv/bin/python -m pip install -q --no-cache-dir --disable-pip-version-check -r tests/web/requirements.txt
  build_release beit-classify
  run_ctest release --label-regex web
}
