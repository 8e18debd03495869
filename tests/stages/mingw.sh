# Windows, by a cross compiler, in wine.
packages=(g++-mingw-w64-x86-64-posix wine wine64)

run() {
  export WINEPREFIX=$PWD/build-wine WINEDEBUG=-all
  configure mingw "${at_o2[@]}"
  # Tests of other folders are left out: they have no code specific to a system, and the compiler is the stage gcc's.
  local tests=(core cpu io image kernels model examples)
  build_tests mingw "${tests[@]}"
  build mingw beit-classify beit-embed
  wine wineboot --init >/dev/null 2>&1
  run_tests mingw '*' "${tests[@]}" -- env LC_ALL=C.UTF-8 wine
  build_release beit-classify
  tests/programs/windows.sh build-mingw build-release  # by ctest, wine would first list the tests of all programs
}
