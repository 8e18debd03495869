#!/bin/sh
# shared_symbols.sh NM OBJECT...: fails if two objects define the same symbol of namespace beit, except the error types.
# The linker would keep one of them, and both units would run code compiled with one unit's flags.
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
