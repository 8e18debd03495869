#!/usr/bin/env python3
"""Convert a tokenizer of BEiT's pre-training to one safetensors file that beit::load_tokenizer reads.

SOURCE is one of
  DALL-E's discrete VAE   encoder.pkl, decoder.pkl or both, as OpenAI publishes them (pickled modules), or files with a
                          dictionary of their tensors; shapes tell which is which
  BEiT v2's VQ-KD         vqkd_encoder_base_decoder_*.pth, as Microsoft publishes it, or mmpretrain's copy, which has no
                          decoder; what only training uses is left out

The files are read without executing them (see module_pickle.py).

OUT gets the parameters by their published names (DALL-E's below "encoder." and "decoder.") and, in the metadata entry
"beit.config", the preprocessing of images: for DALL-E's 112x112 pixels, Lanczos, as in BEiT's pre-training; for VQ-KD
the shorter side to 256 pixels, the centre of 224, bicubic, values from -1 to 1. With --dtype, VQ-KD's codebook and the
layers beside it stay f32, because tokens are compared with them. OUT is written under a temporary name and renamed once
it is complete.
"""
import argparse
import math
import re
import sys
from pathlib import Path

import converted
import name_tables
from converted import ConversionError
from module_pickle import read_parameters

BLOCK = re.compile(r"blocks\.group_(\d{1,9})\.block_(\d{1,9})\.(id_path|res_path\.conv_[1-4])\.(w|b)")
EDGE = re.compile(r"blocks\.(input|output\.conv)\.(w|b)")
CODES = "quantize.embedding.weight"
PARTS_OF_VQ = ("encoder.", "decoder.", "encode_task_layer.", "decode_task_layer.", "quantize.")
TRAINING_OF_VQ = ("teacher_model.", "scaling_layer.", "loss")
BLOCK_OF_VQ = ("attn.q_bias", "attn.v_bias", "attn.qkv.weight", *(f"{name}.{kind}" for kind in ("weight", "bias") for name in
               ("norm1", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")))
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
    groups = set(blocks.values())
    if missing or groups != set(range(1, len(groups) + 1)):
        raise ConversionError(f"{path}: found no {missing[0] if missing else 'first group, or a gap between groups'}")
    return "encoder" if weight.shape[2] == 7 else "decoder"


def vq_prefix(tensors):
    """Return what stands before VQ-KD's names; None if these aren't its tensors."""
    return next((name.removesuffix(CODES) for name in tensors
                 if name == CODES or name.endswith(f".{CODES}")), None)


def vq_half(path, tensors, half, task):
    """Return the tensors of VQ-KD's encoder or decoder by Microsoft's names; none if there is none."""
    trunk = {name.removeprefix(f"{half}."): value for name, value in tensors.items() if name.startswith(f"{half}.")}
    if not trunk:
        return {}
    try:
        found = name_tables.publisher_of(trunk)
        trunk = name_tables.translate(trunk, *found) if found else trunk
    except (KeyError, name_tables.Ambiguous, name_tables.Misfit) as error:
        raise ConversionError(f"{path}: the {half} holds {error.args[0]}, wanted one whole model") from error
    trunk = {re.sub(r"^norm\.", "fc_norm.", name): value for name, value in trunk.items()
             if not name.endswith("relative_position_index")}
    blocks = {int(match[1]) for match in map(re.compile(r"blocks\.(\d{1,9})\.").match, trunk) if match}
    if blocks != set(range(len(blocks))):
        gap = next(i for i in range(len(blocks)) if i not in blocks)
        raise ConversionError(f"{path}: found no {half}.blocks.{gap}, but {half}.blocks.{max(blocks)}")
    wanted = {"cls_token", "pos_embed", *(f"{name}.{kind}" for name in ("patch_embed.proj", "fc_norm")
                                          for kind in ("weight", "bias"))}
    for i in range(len(blocks) or 1):
        wanted |= {f"blocks.{i}.{name}" for name in BLOCK_OF_VQ}
    named = {f"{half}.{name}": value for name, value in trunk.items()}
    named |= {name: value for name, value in tensors.items() if name.startswith(f"{task}.")}
    wanted = {f"{half}.{name}" for name in wanted} | {f"{task}.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")}
    if missing := sorted(wanted - named.keys()):
        raise ConversionError(f"{path}: found no {missing[0]}")
    if strange := sorted(named.keys() - wanted):
        raise ConversionError(f"{path}: found {strange[0]}, which BEiT v2's tokenizer doesn't have")
    return named


def vq_config(size, heads):
    """Return the configuration of VQ-KD for images of this size (height, width)."""
    return {"architecture": "beitv2_vqkd", "num_heads": heads, "input_size": [3, *size], "interpolation": "bicubic",
            "crop_pct": 0.875, "crop_mode": "center", "mean": [0.5] * 3, "std": [0.5] * 3, "pass_order": "pillow_13"}


def vq_tokenizer(path, tensors, prefix, heads):
    """Return the tensors of VQ-KD that encoding and decoding use, by their published names, and their configuration."""
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    strange = [name for name in own if not name.startswith(PARTS_OF_VQ + TRAINING_OF_VQ)]
    if strange:
        raise ConversionError(f"{path}: found {strange[0]}, which BEiT v2's tokenizer doesn't have")
    encoder = vq_half(path, own, "encoder", "encode_task_layer")
    if not encoder:
        raise ConversionError(f"{path}: found no encoder beside {prefix}{CODES}")
    result = {**encoder, **vq_half(path, own, "decoder", "decode_task_layer"), CODES: own[CODES]}
    for name, dimensions in (("encoder.patch_embed.proj.weight", 4), ("encoder.pos_embed", 3), (CODES, 2)):
        if result[name].ndim != dimensions or 0 in result[name].shape:
            raise ConversionError(f"{path}: {name} has shape {tuple(result[name].shape)}, wanted {dimensions} dimensions, "
                                  "none of them 0")
    width, _, *patch = result["encoder.patch_embed.proj.weight"].shape
    if heads is None and width % 64:
        raise ConversionError(f"{path}: nothing in it tells the number of heads, and its width {width} isn't a multiple "
                              "of 64: use --num-heads")
    heads = heads or width // 64
    if width % heads:
        raise ConversionError(f"{path}: {heads} heads don't divide the width {width}")
    patches = result["encoder.pos_embed"].shape[1] - 1
    side = math.isqrt(patches)
    if patches < 1 or side * side != patches:
        raise ConversionError(f"{path}: encoder.pos_embed is for {patches} patches, wanted a square")
    return result, vq_config((side * patch[0], side * patch[1]), heads)


def convert(options):
    """Convert options.source to options.out."""
    tensors, sources = {}, {}
    if options.out.is_dir():
        raise ConversionError(f"{options.out} is a folder, wanted a file name")
    for path in options.source:
        if not path.is_file():
            raise ConversionError(f"{path}: no such file")
        parameters = read_parameters(path)
        prefix = vq_prefix(parameters)
        if prefix is not None and len(options.source) > 1:
            raise ConversionError(f"{path} is BEiT v2's tokenizer, which is one file: found {len(options.source)} sources")
        if prefix is not None:
            return write_vq(path, parameters, prefix, options)
        if options.num_heads:
            raise ConversionError(f"{path} is not BEiT v2's tokenizer, which --num-heads is for")
        half = half_of(path, parameters)
        if half in sources:
            raise ConversionError(f"{path}: found a second {half}, after {sources[half]}")
        sources[half] = path
        tensors.update({f"{half}.{name}": value for name, value in parameters.items()})
    converted.write(options.out, converted.convert_tensors(tensors, options.dtype), CONFIG)
    report(options, f"{' and '.join(sorted(sources, reverse=True))} of DALL-E's discrete VAE", tensors)


def write_vq(path, parameters, prefix, options):
    """Write BEiT v2's tokenizer."""
    tensors, config = vq_tokenizer(path, parameters, prefix, options.num_heads)
    exact = {name: value for name, value in tensors.items() if name.startswith(("quantize.", "encode_task_layer."))}
    others = {name: value for name, value in tensors.items() if name not in exact}
    converted.write(options.out, {**converted.convert_tensors(others, options.dtype),
                                  **converted.convert_tensors(exact, "f32")}, config)
    halves = "encoder and decoder" if any(name.startswith("decoder.") for name in tensors) else "encoder"
    report(options, f"{halves} of BEiT v2's tokenizer, {len(tensors[CODES])} tokens, {config['num_heads']} heads", tensors)


def report(options, what, tensors):
    print(f"{options.out}: {what}, {sum(value.numel() for value in tensors.values())} parameters in {options.dtype}, "
          f"{options.out.stat().st_size / 1e6:.1f} MB")


def positive(text):
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE", nargs="+", type=Path, help="encoder.pkl, decoder.pkl or both; or a VQ-KD's .pth")
    parser.add_argument("out", metavar="OUT", type=Path, help="safetensors file to write")
    parser.add_argument("--dtype", choices=["f32", "f16", "bf16"], default="f32", help="stored type (default: f32)")
    parser.add_argument("--num-heads", metavar="A", type=positive,
                        help="attention heads of VQ-KD (default: one per 64 numbers, as in the published files)")
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
