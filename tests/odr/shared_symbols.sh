#!/bin/sh
# shared_symbols.sh NM OBJECT...: fails where two objects define one symbol of namespace beit, but for the error types.
# The linker would keep one of the two, and both units would run code compiled with one unit's flags.
set -eu
nm=$1
shift
shared=$(for object in "$@"; do
  "$nm" --demangle --defined-only --extern-only "$object" | sed -n 's/^[^ ]* [A-Za-z] //p' | sort -u
done | sort | uniq -d | grep '^\(guard variable for \|typeinfo .*for \|vtable for \)\?beit::' |
  grep -v 'beit::\(Error\|FileError\|WeightError\|ImageError\|ConfigError\|ArgumentError\)\(::\|$\)' || true)
if [ -n "$shared" ]; then
  echo "defined by units of different flags:"
  echo "$shared"
  exit 1
fi
echo "no symbol of beit is shared by $# units"
