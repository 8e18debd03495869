#!/usr/bin/env python3
"""Write the names of ImageNet's classes, which are WordNet's, in the order of the logits of published models.

  imagenet_labels.py header   include/beit/model/imagenet_labels.hpp, the thousand names of ImageNet-1k
  imagenet_labels.py 22k OUT  the 21,841 names of ImageNet-22k, one per line, for --labels and convert.py
  imagenet_labels.py 21k OUT  the 21,843 names of ImageNet-21k, as Google's models count them
  imagenet_labels.py check    compares the header with timm's table and torchvision's; the exit status is 1 if they differ
"""
import argparse
import os
import re
import sys
from pathlib import Path

from timm.data import ImageNetInfo

HEADER = Path(__file__).parents[1] / "include/beit/model/imagenet_labels.hpp"
SUBSETS = {"1k": "imagenet-1k", "22k": "imagenet-22k", "21k": "imagenet-21k-goog"}
HALF = 500  # names per literal: MSVC takes 16 KB at most

TEXT = '''// The names of ImageNet-1k's classes, written by weights_tools/imagenet_labels.py.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/cold.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {{

namespace detail {{

/// WordNet 3.0's words for each class, one class per line, sorted by WordNet's numbers, as in timm and transformers.
inline constexpr std::string_view imagenet_names =
    R"({})"
    R"({})";

}}  // namespace detail

/// The names of ImageNet-1k's 1,000 classes in the order of the logits, such as "tench, Tinca tinca". `load` takes them
/// for models of 1,000 classes whose configuration has no names and says in1k.
[[nodiscard]] BEIT_COLD inline std::vector<std::string> imagenet_labels() {{
  std::vector<std::string> labels;
  labels.reserve(1000);
  for (std::string_view rest = detail::imagenet_names; !rest.empty();) {{
    const std::size_t end = rest.find('\\n');
    labels.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }}
  return labels;
}}

}}  // namespace beit::inline BEIT_ABI
'''


def names_of(subset):
    """Return the names of a subset's classes, in the order of the logits."""
    info = ImageNetInfo(SUBSETS[subset])
    return [info.index_to_description(i) for i in range(info.num_classes())]


def write(path, text):
    """Write a file under a temporary name and rename it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def differences():
    """Return a line for each class whose name in the header is neither timm's nor one that torchvision gives it."""
    from torchvision.models._meta import _IMAGENET_CATEGORIES as torchvision_names

    found = [line for part in re.findall(r'R"\((.*?)\)"', HEADER.read_text(), re.DOTALL) for line in part.splitlines()]
    wanted = names_of("1k")
    if len(found) != len(wanted):
        return [f"the header has {len(found)} names, timm {len(wanted)}"]
    lines = [f"class {i}: found {a!r}, timm has {b!r}" for i, (a, b) in enumerate(zip(found, wanted)) if a != b]
    for i, (name, other) in enumerate(zip(found, torchvision_names, strict=True)):
        # torchvision takes one of the words, and tells two classes of one word apart by another: "crane bird".
        if not any(word.lower() in other.lower() or other.lower() in word.lower() for word in name.split(", ")):
            lines.append(f"class {i}: found {name!r}, torchvision has {other!r}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("header", "22k", "21k", "check"))
    parser.add_argument("out", type=Path, nargs="?", metavar="OUT")
    options = parser.parse_args()
    if (options.what in SUBSETS) != (options.out is not None):
        parser.error("wanted OUT for 22k and 21k alone")
    if options.what == "check":
        lines = differences()
        print("\n".join(lines) or "the 1,000 names agree with timm's and torchvision's")
        return 1 if lines else 0
    if options.what == "header":
        names = names_of("1k")
        halves = ["".join(name + "\n" for name in part) for part in (names[:HALF], names[HALF:])]
        write(HEADER, TEXT.format(*halves))
    else:
        write(options.out, "".join(name + "\n" for name in names_of(options.what)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
