# Tests of programs from outside, with timm, Pillow and DALL-E's package as oracles.
# PyTorch from Debian; without OpenBLAS it multiplies by the reference BLAS, 100 times slower.
packages=(libbenchmark-dev python3-venv python3-torch python3-torchvision libopenblas0-pthread ca-certificates
          dataset-fashion-mnist opencv-doc python3-matplotlib python3-sklearn libavif-bin libheif-examples python3-attr
          python3-requests zsh groff-base curl libopencv-highgui-dev)

run() {
  make_venv
  build_release
  run_ctest release --label-regex '^python$'
  echo "What tests/timm measured:"
  sed -n '/^=* measured =*$/,/^=* slowest/{/^=/!p}' build-release/Testing/Temporary/LastTest.log
}
