#!/bin/bash
# Rules that the tree's text keeps, an entry of ctest each (strict.RULE): rules.sh RULE prints what breaks it.
set -euo pipefail
cd "$(dirname "$0")/../.."

sources() { find include src tests bench examples -name '*.[ch]pp' -o -name '*.inl' -o -name '*.c' | sort; }

case ${1-} in
  # Every file is as clang-format 14 writes it; other versions differ.
  format)
    formatter=$(command -v clang-format-14) || exit 77
    sources | xargs "$formatter" --dry-run -Werror
    ;;

  # Every header has tests at its own path, include/beit/nn/mlp.hpp in tests/nn/mlp_test.cpp, or a line in covered_by.txt.
  headers)
    failed=0
    complain() { echo "$1"; failed=1; }
    list=tests/strict/covered_by.txt
    patterns=()
    while read -r pattern tests; do
      [[ -n $pattern && $pattern != \#* ]] || continue
      patterns+=("$pattern")
      compgen -G "include/beit/$pattern" >/dev/null || complain "$list: there is no include/beit/$pattern"
      own=tests/${pattern%.hpp}_test.cpp
      [[ $pattern == *\** || ! -e $own ]] || complain "$list: $pattern has tests of its own, $own"
      for test in $tests; do
        [[ -e tests/$test ]] || complain "$list: there is no tests/$test"
      done
    done <"$list"
    while read -r header; do
      declaring=${header/%_impl.hpp/.hpp}
      own=tests/${declaring%.hpp}_test.cpp
      [[ ! -e $own ]] || continue
      for pattern in "${patterns[@]}"; do
        # shellcheck disable=SC2053  # a pattern
        [[ $declaring != $pattern ]] || continue 2
      done
      complain "include/beit/$header: found neither $own nor a line in $list"
    done < <(cd include/beit && find . -name '*.hpp' | sed 's|^\./||' | sort)
    exit "$failed"
    ;;

  # docs/building.md lists every option of CMake.
  options)
    {
      sed -n 's/^option(\(BEIT_[A-Z_]*\) .*/\1/p' CMakeLists.txt tests/CMakeLists.txt
      sed -n 's/^ *\(beit_add_decoder(\)\{0,1\}\(LIB[A-Z_]*\) HELP .*/BEIT_USE_\2/p' \
        cmake/BeitDecoders.cmake
    } | while read -r option; do
      grep -q "\`$option\`" docs/building.md || { echo "docs/building.md: found no $option"; exit 1; }
    done
    ;;

  # The name of a test in ctest begins with its folder and its suite, nn.Mlp...: a suite with parameters is instantiated
  # without a prefix, which would come first.
  test_names)
    ! grep -nE 'INSTANTIATE_(TYPED_)?TEST_SUITE_P\([^,]' -r tests --include='*_test.cpp'
    ;;

  # A script whose first line names its interpreter can be run as the pages type it.
  scripts)
    ! find . \( -name '.?*' -o -name 'build*' \) -prune -o -type f \( -name '*.py' -o -name '*.sh' \) ! -executable -print |
      xargs grep -lm1 '^#!'
    ;;

  # A comment begins with a verb or a plain noun phrase that says what it is about: not with a bare "Of", "What", "As",
  # "That of", "Those of" or "The same".
  comments)
    sources | xargs awk '
      FNR == 1 { continued = 0 }
      {
        text = ""
        if (match($0, /^[ \t]*\/\/[\/<]*/)) {
          text = substr($0, RLENGTH + 1)
          begins = !continued
          continued = text !~ /^[ \t]*$/
        } else {
          continued = 0
          begins = match($0, /[^ \t].*[ \t]\/\/[\/<]* /)
          if (begins) text = substr($0, RSTART + RLENGTH)
        }
        sub(/^[ \t]+/, "", text)
        if (begins && text ~ /^(Of|What|As|That of|Those of|The same)([^A-Za-z]|$)/) {
          print FILENAME ":" FNR ": " text
          found = 1
        }
      }
      END { exit found }'
    ;;

  *)
    echo "rules.sh: found '${1-}', wanted format, headers, options, test_names, scripts or comments" >&2
    exit 2
    ;;
esac
