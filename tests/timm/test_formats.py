"""Files that are unusual, or in formats of optional libraries, compared with Pillow, bit for bit.

BEIT_BUILD_DIR names the folder that holds beit_dump_pixels (no optional library) and beit_dump_pixels_turbo (all that
were found).
"""
import re
import struct

import numpy as np
import pytest
from PIL import Image
from test_jpeg_turbo import encode, marker
from test_preprocessing import decode, photo, pillow, saved

PLAIN, ALL = "beit_dump_pixels", "beit_dump_pixels_turbo"


def written(files, folder):
    """files: {name: bytes}"""
    paths = [folder / name for name in files]
    for path in paths:
        path.write_bytes(files[path.name])
    return paths


def assert_pillows(files, folder, program):
    """Pillow's pixels, or a refusal where Pillow refuses. Returns the number of images."""
    paths = written(files, folder)
    count = 0
    for path, found in zip(paths, decode(paths, folder, program=program), strict=True):
        try:
            wanted = pillow(path)
        except (OSError, SyntaxError, ValueError) as error:
            assert isinstance(found, str), f"{path.name}: {error}"
            continue
        assert not isinstance(found, str), found
        np.testing.assert_array_equal(found, wanted, err_msg=path.name)
        count += 1
    return count


# JPEGs that every viewer opens


def assert_jpegs_decode_as(files, whole, folder):
    """By libjpeg-turbo to Pillow's pixels; by stb_image to those of the whole file, whose rounding is its own."""
    assert assert_pillows(files, folder, ALL) == len(files)
    wanted, *found = decode(written({"whole.jpg": whole, **files}, folder), folder, program=PLAIN)
    for name, pixels in zip(files, found, strict=True):
        assert not isinstance(pixels, str), pixels
        np.testing.assert_array_equal(pixels, wanted, err_msg=name)


@pytest.mark.parametrize("kind", ["4:4:4", "4:2:0", "grey"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_with_meaningless_bytes_before_its_end(kind, progressive, tmp_path):
    for size in [(17, 33), (120, 200)]:
        whole = encode(kind, size, progressive=progressive)
        files = {}
        for junk in (b"\xff\x01", b"\xff\x00\x12\x34", b"\xff\xd0", b"\x00", b"\x12\xff\xff\x01\x34", b"\xff"):
            for times in (1, 3, 500):
                files[f"{junk.hex()}x{times}.jpg"] = whole[:-2] + junk * times + whole[-2:]
        if progressive:  # after every scan's data
            files["every.jpg"] = re.sub(b"(\xff\xda.+?)(?=\xff[\xc4\xd9\xda])",
                                        lambda scan: scan[0] + b"\xff\x01\xff\x00", whole, flags=re.S)
        assert_jpegs_decode_as(files, whole, tmp_path)


@pytest.mark.parametrize("kind", ["4:4:4", "4:2:2", "4:2:0", "grey"])
def test_motion_jpeg_frame(kind, tmp_path):
    whole = encode(kind, (57, 83))
    frame = whole
    while b"\xff\xc4" in frame:
        at = marker(frame, 0xC4)
        frame = frame[:at] + frame[at + 2 + struct.unpack_from(">H", frame, at + 2)[0] :]
    assert_jpegs_decode_as({"frame.jpg": frame, "end.jpg": frame[:-2] + b"\xff\x00" + frame[-2:]}, whole, tmp_path)


# PBM, PGM, PPM


def test_pnm(tmp_path):
    files = {}
    for height, width in [(1, 1), (7, 9), (16, 24), (5, 17)]:
        image = Image.fromarray(photo(height, width, seed=width))
        bits, grey = image.convert("1"), image.convert("L")
        size = f"{height}x{width}"
        for mode, converted in (("1", bits), ("L", grey), ("RGB", image)):
            files[f"{size}-{mode}.pnm"] = saved(converted, "PPM")
        rows = [" ".join(str(int(v == 0)) for v in row) for row in np.asarray(bits)]
        header = f"P1\n# by hand\n{width} {height}\n"
        files[f"{size}-spaced.pbm"] = (header + "\n".join(rows)).encode()
        files[f"{size}-dense.pbm"] = (header + "\n".join(rows).replace(" ", "")).encode()
        for largest in (1, 17, 255):
            values = np.asarray(grey) // (255 // largest)
            values = np.minimum(values, largest)
            text = "\n".join(" ".join(map(str, row)) for row in values)
            files[f"{size}-{largest}.pgm"] = f"P2 {width} {height} {largest}\n{text}\n".encode()
        colours = "\n".join(" ".join(map(str, row)) for row in np.asarray(image).reshape(height, -1).astype(int) * 257)
        files[f"{size}.ppm"] = f"P3\n{width} {height}\n65535\n{colours}".encode()
    assert assert_pillows(files, tmp_path, PLAIN) == len(files)
