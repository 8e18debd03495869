#!/usr/bin/env python3
"""Convert DALL-E's discrete VAE to one safetensors file that beit::load_tokenizer reads.

SOURCE is encoder.pkl, decoder.pkl or both, as OpenAI publishes them (pickled modules), or files with a dictionary of
their tensors. Shapes tell which is which. The files are read without executing them (see module_pickle.py).

OUT gets their parameter names under "encoder." and "decoder." and, in the metadata entry "beit.config", the
preprocessing of images: 112x112 pixels, Lanczos, as in BEiT's pre-training. It is written under a temporary name and
renamed once it is complete.
"""
import argparse
import re
import sys
from pathlib import Path

import converted
from converted import ConversionError
from module_pickle import read_parameters

BLOCK = re.compile(r"blocks\.group_(\d+)\.block_(\d+)\.(id_path|res_path\.conv_[1-4])\.(w|b)")
EDGE = re.compile(r"blocks\.(input|output\.conv)\.(w|b)")
CONFIG = {"architecture": "dall_e_dvae", "input_size": [3, 112, 112], "interpolation": "lanczos", "crop_pct": 1.0,
          "crop_mode": "center", "pass_order": "pillow_13"}


def half_of(path, tensors):
    """Return "encoder" or "decoder", or raise ConversionError if the tensors are neither, or are incomplete."""
    weight = tensors.get("blocks.input.w")
    if weight is None or weight.ndim != 4 or weight.shape[2:] not in ((7, 7), (1, 1)):
        found = "no blocks.input.w" if weight is None else f"blocks.input.w of shape {tuple(weight.shape)}"
        raise ConversionError(f"{path}: found {found}, wanted DALL-E's encoder or decoder, whose first convolution is "
                              "7x7 or 1x1")
    strange = [name for name in tensors if not BLOCK.fullmatch(name) and not EDGE.fullmatch(name)]
    if strange:
        raise ConversionError(f"{path}: found {strange[0]}, which neither an encoder nor a decoder has")
    blocks = {match[1] + "." + match[2]: int(match[1]) for match in map(BLOCK.fullmatch, tensors) if match}
    wanted = {f"blocks.{edge}.{kind}" for edge in ("input", "output.conv") for kind in "wb"}
    for block in blocks:
        group, number = block.split(".")
        wanted |= {f"blocks.group_{group}.block_{number}.res_path.conv_{i}.{kind}" for i in range(1, 5) for kind in "wb"}
    missing = sorted(wanted - tensors.keys())
    if missing or sorted(set(blocks.values())) != list(range(1, max(blocks.values(), default=0) + 1)):
        raise ConversionError(f"{path}: found no {missing[0] if missing else 'first group, or a gap between groups'}")
    return "encoder" if weight.shape[2] == 7 else "decoder"


def convert(options):
    """Convert options.source to options.out."""
    tensors, sources = {}, {}
    for path in options.source:
        if not path.is_file():
            raise ConversionError(f"{path}: no such file")
        parameters = read_parameters(path)
        half = half_of(path, parameters)
        if half in sources:
            raise ConversionError(f"{path}: found a second {half}, after {sources[half]}")
        sources[half] = path
        tensors.update({f"{half}.{name}": value for name, value in parameters.items()})
    if options.out.is_dir():
        raise ConversionError(f"{options.out} is a folder, wanted a file name")
    stored = converted.convert_tensors(tensors, options.dtype)
    converted.write(options.out, stored, CONFIG)
    print(f"{options.out}: {' and '.join(sorted(sources, reverse=True))} of DALL-E's discrete VAE, "
          f"{sum(value.numel() for value in tensors.values())} parameters in {options.dtype}, "
          f"{options.out.stat().st_size / 1e6:.1f} MB")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE", nargs="+", type=Path, help="encoder.pkl, decoder.pkl or both")
    parser.add_argument("out", metavar="OUT", type=Path, help="safetensors file to write")
    parser.add_argument("--dtype", choices=["f32", "f16", "bf16"], default="f32", help="stored type (default: f32)")
    try:
        convert(parser.parse_args(arguments))
    except ConversionError as error:
        print(f"convert_tokenizer.py: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"convert_tokenizer.py: error: {converted.reason_of(error)}", file=sys.stderr)
        return 1
    except MemoryError:
        print("convert_tokenizer.py: error: out of memory", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
