"""Compares JPEGs decoded by libjpeg-turbo with Pillow, bit for bit.

BEIT_BUILD_DIR names the folder that holds the program beit_dump_pixels_turbo, built with BEIT_USE_LIBJPEG_TURBO.
"""
import struct

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps
from test_preprocessing import decode, oriented_files, photo, pillow, saved

ImageFile.MAXBLOCK = 1 << 22  # Pillow's encoder fails if a file doesn't fit
PROGRAM = "beit_dump_pixels_turbo"
KINDS = ("4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", "grey", "CMYK", "YCCK", "RGB")


def marker(data, code):
    """The offset of that marker's segment."""
    at = 2
    while data[at + 1] != code:
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return at


def resampled(data, factors, mcu, size):
    """The same data declared as blocks of another sampling: the content is shuffled, but the file is valid.

    factors are horizontal << 4 | vertical of the luma, mcu and size (height, width) in pixels.
    """
    data = bytearray(data)
    at = marker(data, 0xC2 if b"\xff\xc2" in data else 0xC0)
    height, width = struct.unpack_from(">HH", data, at + 5)
    before = data[at + 11]
    old = 8 * (before & 15), 8 * (before >> 4)
    count = -(-height // old[0]) * -(-width // old[1])
    assert count == -(-size[0] // mcu[0]) * -(-size[1] // mcu[1])
    struct.pack_into(">HH", data, at + 5, *size)
    data[at + 11] = factors
    return bytes(data)


def encode(kind, size, **options):
    """A JPEG of about that size: (height, width)."""
    height, width = size
    rows, cols = -(-height // 16), -(-width // 16)
    odd = (height % 8, width % 8) if height % 8 else (0, 0)
    image = Image.fromarray(photo(height, width, seed=height))
    if kind == "4:4:0":
        data = saved(image.resize((cols * 16, rows * 16)), "JPEG", subsampling="4:2:2", **options)
        return resampled(data, 0x12, (16, 8), (rows * 16 - odd[0], cols * 16 - odd[1]))
    if kind == "4:1:1":
        data = saved(image.resize((cols * 32, rows * 16)), "JPEG", subsampling="4:2:0", **options)
        return resampled(data, 0x41, (8, 32), (rows * 8 - odd[0], cols * 64 - odd[1]))
    if kind == "4:1:0":
        data = saved(image.resize((cols * 16, rows * 32)), "JPEG", subsampling="4:2:0", **options)
        return resampled(data, 0x14, (32, 8), (rows * 64 - odd[0], cols * 8 - odd[1]))
    if kind == "grey":
        return saved(image.convert("L"), "JPEG", **options)
    if kind == "RGB":  # recognised by its component names, without a JFIF or Adobe marker
        data = bytearray(saved(image, "JPEG", subsampling="4:4:4", **options))
        del data[2 : 4 + struct.unpack_from(">H", data, 4)[0]]
        for code, first, step in ((0xC2 if options.get("progressive") else 0xC0, 10, 3), (0xDA, 5, 2)):
            at = marker(data, code)
            for i, name in enumerate(b"RGB"):
                data[at + first + step * i] = name
        return bytes(data)
    if kind in ("CMYK", "YCCK"):
        rng = np.random.default_rng(height)
        key = Image.fromarray(np.repeat(rng.integers(0, 256, (height, 1), np.uint8), width, 1))
        data = bytearray(saved(Image.merge("CMYK", (*image.split(), key)), "JPEG", **options))
        data[marker(data, 0xEE) + 15] = 2 if kind == "YCCK" else 0
        return bytes(data)
    return saved(image, "JPEG", subsampling=kind, **options)


def assert_decodes_as_pillow(files, folder):
    """files: {name: bytes}. Files that Pillow refuses must be refused."""
    paths = []
    for name, data in files.items():
        paths.append(folder / f"{name}.jpg".replace(":", ""))
        paths[-1].write_bytes(data)
    decoded = 0
    for path, found in zip(paths, decode(paths, folder, program=PROGRAM)):
        try:
            wanted = pillow(path)
        except (OSError, SyntaxError) as error:
            assert isinstance(found, str), f"{path.name}: {error}"
            continue
        assert not isinstance(found, str), found
        np.testing.assert_array_equal(found, wanted, err_msg=path.name)
        decoded += 1
    return decoded


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind, tmp_path):
    files = {}
    for progressive in (False, True):
        # Shuffled progressive files need whole blocks; RGB's scans are named one by one.
        sizes = [(64, 96), (240, 320)] if progressive else [(64, 96), (1, 1), (7, 5), (9, 16), (17, 33), (123, 211)]
        if progressive and kind == "RGB":
            continue
        if progressive and not kind.startswith("4:1") and kind != "4:4:0":
            sizes += [(1, 1), (17, 33), (123, 211)]
        for size in sizes:
            for quality in (30, 75, 95, 100):
                name = f"{size[0]}x{size[1]}-{quality}-{progressive}"
                files[name] = encode(kind, size, quality=quality, progressive=progressive, optimize=quality == 75)
    assert assert_decodes_as_pillow(files, tmp_path) == len(files)


def test_exif_orientation(tmp_path):
    paths = oriented_files(tmp_path)
    for path, found in zip(paths, decode(paths, tmp_path, upright=True, program=PROGRAM)):
        with Image.open(path) as opened:
            np.testing.assert_array_equal(found, np.asarray(ImageOps.exif_transpose(opened)), err_msg=path.name)


@pytest.mark.parametrize("kind", ["4:4:4", "4:2:0", "grey", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_truncated(kind, progressive, tmp_path):
    """Wherever a file is cut, it is an error, as in Pillow."""
    data = encode(kind, (40, 50), progressive=progressive)
    sizes = sorted({*range(2, 200, 7), *range(200, len(data), 53), *range(len(data) - 20, len(data))})
    files = {f"{size}": data[:size] for size in sizes}
    assert assert_decodes_as_pillow(files, tmp_path) == 0
    assert assert_decodes_as_pillow({"early-end": data[:-200] + b"\xff\xd9"}, tmp_path) == 1


@pytest.mark.parametrize("kind", ["4:4:4", "4:2:0", "grey", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_damaged(kind, progressive, tmp_path):
    """Compares damaged data with Pillow's result."""
    whole = encode(kind, (90, 130), progressive=progressive)
    begin = whole.index(b"\xff\xda") + 14
    rng = np.random.default_rng(5)
    files = {}
    for i in range(60):
        data = bytearray(whole)
        for at in rng.integers(begin, len(data), rng.integers(1, 6)):
            data[at] = rng.integers(0, 256)
        files[f"{i}"] = bytes(data)
    assert assert_decodes_as_pillow(files, tmp_path) > 10


def test_messages(tmp_path):
    two = bytearray(encode("4:4:4", (8, 8)))
    at = marker(two, 0xC0)
    two[at + 3], two[at + 9] = 14, 2
    del two[at + 16 : at + 19]
    at = marker(two, 0xDA)
    two[at + 3], two[at + 4] = 10, 2
    del two[at + 9 : at + 11]
    twelve = bytearray(encode("grey", (8, 8)))
    twelve[marker(twelve, 0xC0) + 4] = 12
    cut = encode("4:2:0", (64, 64))[:-50]
    files = {"two": two, "twelve": twelve, "cut": cut, "garbage": b"\xff\xd8garbage"}
    paths = []
    for name, data in files.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(bytes(data))
    messages = dict(zip(files, decode(paths, tmp_path, program=PROGRAM)))
    assert "found a JPEG of 2 channels, wanted 1, 3 or 4" in messages["two"]
    assert "damaged or unknown JPEG (Unsupported JPEG data precision 12)" in messages["twelve"]
    assert f"truncated: the image goes on after the {len(cut)} bytes found" in messages["cut"]
    assert "truncated" in messages["garbage"]
