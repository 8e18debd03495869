# Windows, by a cross compiler, in wine.
packages=(g++-mingw-w64-x86-64-posix wine wine64)

# in_wine PROGRAM ARGUMENT...
in_wine() { LC_ALL=C.UTF-8 wine "$@"; }

run() {
  export WINEPREFIX=$PWD/build-wine WINEDEBUG=-all
  configure mingw
  build mingw beit_unit_tests beit-classify beit-embed
  wine wineboot --init >/dev/null 2>&1
  local folder
  for folder in core cpu io image kernels nn model transfer examples; do
    in_wine "build-mingw/tests/beit_${folder}_tests.exe" --gtest_brief=1
  done
  build_release beit-classify
  run_ctest mingw --label-regex programs
}
