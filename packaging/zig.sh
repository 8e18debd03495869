# find_zig: sets zig to the program, which comes from PyPI, in the version that requirements.txt pins.
find_zig() {
  [[ -e build-zig/ready ]] || {
    python3 -m venv --clear build-zig
    build-zig/bin/pip install -q --no-cache-dir --disable-pip-version-check --require-hashes -r packaging/requirements.txt
    touch build-zig/ready
  }
  zig=$(realpath build-zig/lib/python3*/site-packages/ziglang/zig)
  export ZIG_GLOBAL_CACHE_DIR=$PWD/build-zig/cache ZIG_LOCAL_CACHE_DIR=$PWD/build-zig/cache
}
