#!/usr/bin/env python3
"""Write the golden files of the io tests (tests/golden/io_*) and the seed corpus of the safetensors fuzzer.

The expected values come from PyTorch's and NumPy's own conversions. Made with safetensors 0.8.0, numpy 1.24.2 and
PyTorch 1.13.0; the seed is fixed, so that a second run writes the same bytes:

    python golden_io.py ../tests
"""
import argparse
import json
import struct
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

SEED = 20240229


def finite_patterns(rng, count, exponent_mask):
    """Return random 16-bit patterns (count,), with subnormals and both zeros, without infinities and NaNs."""
    patterns = rng.integers(0, 1 << 16, size=2 * count, dtype=np.uint16)
    patterns = patterns[(patterns & exponent_mask) != exponent_mask][:count]
    patterns[:6] = [0x0000, 0x8000, 0x0001, 0x8001, 0x007F, 0x0080]
    return patterns


def write_golden(folder):
    rng = np.random.default_rng(SEED)
    # 1,300 elements are two and a half of the reader's blocks.
    f16 = torch.from_numpy(finite_patterns(rng, 1300, 0x7C00).view(np.float16).reshape(13, 100))
    bf16 = torch.from_numpy(finite_patterns(rng, 1300, 0x7F80).view(np.int16)).view(torch.bfloat16)
    f32 = torch.from_numpy(rng.standard_normal((7, 111), dtype=np.float32))
    tensors = {
        "block.f16": f16,
        "block.bf16": bf16,
        "block.f32": f32,
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(-2.5),
        "bool": torch.tensor([True, False, True]),
        "relative_position_index": torch.arange(4).reshape(2, 2),
    }
    save_file(tensors, folder / "io_tensors.safetensors", {"format": "pt", "text": "Übung \"1\"\n"})
    np.save(folder / "io_f16.npy", f16.float().numpy())
    np.save(folder / "io_bf16.npy", bf16.float().numpy().reshape(1, -1))
    np.save(folder / "io_f32.npy", f32.numpy())
    # All exponents, so that some become subnormal, zero or infinite.
    with np.errstate(over="ignore"):
        np.save(folder / "io_bf16_as_f16.npy", bf16.float().numpy().reshape(1, -1).astype(np.float16))
    np.save(folder / "io_f32_as_f16.npy", f32.numpy().astype(np.float16))
    np.save(folder / "io_fortran.npy", np.asfortranarray(f32.numpy()))
    np.save(folder / "io_f64.npy", np.zeros((2, 3)))
    np.save(folder / "io_1d.npy", np.zeros(3, np.float32))
    np.save(folder / "io_count.npy", np.arange(24, dtype=np.float32).reshape(2, 3, 4))


def file_bytes(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def write_corpus(folder):
    two = {"a": entry("F32", [2], 0, 8), "b.c": entry("F16", [1, 2], 8, 12)}
    corpus = {
        "two_tensors": file_bytes(two, bytes(range(12))),
        "metadata": file_bytes({"__metadata__": {"format": "pt", "k": "\u00e9"}, **two}, bytes(12)),
        "no_tensors": file_bytes({}),
        "padded": file_bytes(b'{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}   ', bytes(6)),
        "scalar_and_empty": file_bytes({"s": entry("I64", [], 0, 8), "e": entry("U8", [0, 9], 8, 8)}, bytes(8)),
        "sub_byte": file_bytes({"f4": entry("F4", [4], 0, 2), "f6": entry("F6_E2M3", [4], 2, 5)}, bytes(5)),
        "not_finite": file_bytes({"a": entry("F32", [1], 0, 4)}, struct.pack("<f", float("nan"))),
        "truncated": file_bytes(two, bytes(7)),
        "trailing": file_bytes(two, bytes(20)),
        "hole": file_bytes({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 4, 6)}, bytes(6)),
        "overlap": file_bytes({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, bytes(6)),
        "overflow": file_bytes({"a": entry("F64", [1 << 40, 1 << 40], 0, 8)}, bytes(8)),
        "large_header": file_bytes(two, length=1 << 63),
        "nested": file_bytes(b'{"a":' + b"[" * 80 + b"]" * 80 + b"}"),
        "duplicate": file_bytes(b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', bytes(1)),
        "bad_utf8": file_bytes(b'{"\xff":1}'),
    }
    for name, data in corpus.items():
        (folder / name).write_bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", type=Path, help="the repository's folder of tests")
    tests = parser.parse_args().tests
    write_golden(tests / "golden")
    write_corpus(tests / "fuzz" / "corpus_safetensors")


if __name__ == "__main__":
    main()
