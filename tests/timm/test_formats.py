"""Compares unusual files, and files in formats of optional libraries, with Pillow, bit for bit.

BEIT_BUILD_DIR names the folder that holds beit_dump_pixels (without optional libraries) and beit_dump_pixels_turbo (with
all that were found).
"""
import re
import struct
import subprocess
import zlib

import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps
from test_jpeg_turbo import encode, marker
from test_preprocessing import by_the_systems_pillow, decode, photo, pillow, saved

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
    """libjpeg-turbo gives Pillow's pixels; stb_image those that it gives for the whole file, with its own rounding."""
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


@pytest.mark.parametrize("kind", ["4:4:4", "4:2:0", "grey"])
def test_jpeg_without_what_libjpeg_does_not_need(kind, tmp_path):
    whole = encode(kind, (57, 83))
    tables = marker(whole, 0xDB)
    assert_jpegs_decode_as({"escape.jpg": whole[:tables] + b"\xff\x00\xff\x00\x00\x02" + whole[tables:],
                            "no_end.jpg": whole[:-2] + b"\xff\xfe\x15\x4f" + b"junk" * 8}, whole, tmp_path)


def test_jpeg_of_cmyk_without_adobes_marker(tmp_path):
    whole = saved(Image.fromarray(photo(57, 83)).convert("CMYK"), "JPEG", quality=90)
    at = marker(whole, 0xEE)
    assert_jpegs_decode_as({"bare.jpg": whole[:at] + whole[at + 16 :]}, whole, tmp_path)


@pytest.mark.parametrize("kind", ["RGB", "L"])
def test_damaged_restart_intervals(kind, tmp_path):
    """As in libjpeg, damage costs an interval, not the rest of the image: the others have Pillow's pixels."""
    image = Image.fromarray(photo(240, 320)).convert(kind)
    whole = saved(image, "JPEG", quality=90, restart_marker_rows=1)
    rng = np.random.default_rng(8)
    markers = [match.start() for match in re.finditer(b"\xff[\xd0-\xd7]", whole)]
    assert len(markers) > 10
    files = {}
    for i in range(30):
        at = int(rng.choice(markers[:-1]))
        files[f"{i}-extra.jpg"] = whole[:at] + bytes(rng.integers(0, 255, int(rng.integers(1, 30)), np.uint8)) + whole[at:]
        files[f"{i}-lost.jpg"] = whole[:at] + whole[at + 2 :]
        files[f"{i}-other.jpg"] = whole[: at + 1] + bytes([0xD0 | int(rng.integers(8))]) + whole[at + 2 :]
        data = bytearray(whole)
        data[rng.integers(markers[0] + 2, markers[-1])] ^= 1 << int(rng.integers(8))
        files[f"{i}-flip.jpg"] = bytes(data)
    far = 0
    for path, found in zip(paths := written(files, tmp_path), decode(paths, tmp_path, program=PLAIN), strict=True):
        assert not isinstance(found, str), found
        off = np.abs(found.astype(int) - pillow(path)).max((1, 2))
        far += np.mean(off > 8) > 0.08  # more than an interval
    assert far <= len(files) // 20


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


# BMP, TGA, GIF, QOI and PFM, of which older versions of Pillow read less


def bmp(pixels, bits, size, header=40, compression=0, palette=b"", masks=b"", gap=0, planes=1):
    """A BMP of these bytes of pixels; size is (height, width)."""
    info = struct.pack("<IiiHHIIiiII", header, size[1], size[0], planes, bits, compression, len(pixels), 0, 0, len(palette) // 4, 0)
    info = info + masks if header == 40 else (info + masks).ljust(header, b"\0")
    offset = 14 + len(info) + len(palette) + gap
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + info + palette + bytes(gap) + pixels


def runs(indices, nibbles, rng):
    """Run-length encodes (height, width) palette indices for BMP, some of them without runs."""
    data = b""
    for row in indices[::-1]:
        at = 0
        while at < len(row):
            count = min(int(rng.integers(1, 9)), len(row) - at)
            part, at = row[at : at + count], at + count
            if count >= 3 and rng.integers(2):
                packed = bytes(a << 4 | b for a, b in zip(part[::2], [*part[1::2], 0])) if nibbles else part.tobytes()
                data += bytes([0, count]) + packed + bytes(len(packed) % 2)
            else:
                data += b"".join(bytes([1, value << 4 if nibbles else value]) for value in part)
        data += b"\0\0"
    return data + b"\0\1"


def lzw(indices, first_clear, clear_when_full):
    """Compresses bytes for GIF, as Lempel, Ziv and Welch do."""
    codes, table, bits, known = ([(256, 9)] if first_clear else []), {bytes([i]): i for i in range(256)}, 9, 258
    run = b""
    for value in indices:
        if run + bytes([value]) in table:
            run += bytes([value])
            continue
        codes.append((table[run], bits))
        if known < 4096:
            table[run + bytes([value])] = known
            bits += known == 1 << bits and bits < 12
            known += 1
        elif clear_when_full:
            codes.append((256, bits))
            table, bits, known = {bytes([i]): i for i in range(256)}, 9, 258
        run = bytes([value])
    codes += [(table[run], bits), (257, bits)]
    number, used = 0, 0
    for code, size in codes:
        number, used = number | code << used, used + size
    data = number.to_bytes((used + 7) // 8, "little")
    return b"\x08" + b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255)) + b"\0"


def unusual_files():
    rng = np.random.default_rng(6)
    files = {}
    for height, width in [(1, 1), (7, 9), (24, 33)]:
        name = f"{height}x{width}"
        indices = rng.integers(0, 16, (height, width), np.uint8) // 5 * 3
        palette = rng.integers(0, 256, 64, np.uint8).tobytes()
        for nibbles in (False, True):
            files[f"{name}-rle{8 - 4 * nibbles}.bmp"] = bmp(runs(indices, nibbles, rng), 8 - 4 * nibbles, (height, width),
                                                            compression=1 + nibbles, palette=palette)
        short = np.pad(rng.integers(0, 256, (height, width), np.uint8), ((0, 0), (0, -width % 4))).tobytes()
        files[f"{name}-short.bmp"] = bmp(short, 8, (height, width), palette=palette)
        greys = bytes(value for i in range(16) for value in (i, i, i, 0))
        files[f"{name}-greys.bmp"] = bmp(short, 8, (height, width), palette=greys)
        for header in (40, 52, 56, 64, 108, 124):
            for bits, masks in [(16, (0xF800, 0x7E0, 0x1F)), (16, (0x7C00, 0x3E0, 0x1F)), (32, (0xFF0000, 0xFF00, 0xFF)),
                                (32, (0xFF000000, 0xFF0000, 0xFF00))]:
                files[f"{name}-{header}-{bits}-{masks[0]}.bmp"] = bmp(
                    rng.integers(0, 256, height * (-width * bits // 32 * -4), np.uint8).tobytes(), bits, (height, width),
                    header=header, compression=3, masks=struct.pack("<III", *masks), gap=3 * (header == 56))
        for bits in (16, 24, 32):
            data = rng.integers(0, 256, height * (-width * bits // 32 * -4), np.uint8).tobytes()
            files[f"{name}-{bits}.bmp"] = bmp(data, bits, (height, width))
            files[f"{name}-{bits}-palette.bmp"] = bmp(data, bits, (height, width), palette=palette, gap=5, planes=7)

        for descriptor in (0, 0x10, 0x20, 0x30):
            for kind, bits in ((2, 16), (2, 24), (2, 32), (3, 1), (3, 8), (3, 16), (1, 8)):
                colours = rng.integers(0, 256, 30, np.uint8).tobytes() if kind == 1 else b""
                header = struct.pack("<BBBHHBHHHHBB", 0, kind == 1, kind, 2 * (kind == 1), 10 * (kind == 1), 24 * (kind == 1),
                                     0, 0, width, height, bits, descriptor)
                files[f"{name}-{descriptor}-{kind}-{bits}.tga"] = header + colours + rng.integers(
                    0, 16, height * (-width * bits // 8 * -1), np.uint8).tobytes() + bytes(26)  # room for a footer

        for first_clear in (False, True):
            for clear_when_full in (False, True):
                noise = rng.integers(0, 256, (8 * height, 8 * width), np.uint8)
                whole = (b"GIF89a" + struct.pack("<HHBBB", 8 * width, 8 * height, 0x83, 0, 0) + palette[:48] + b"," +
                         struct.pack("<HHHHB", 0, 0, 8 * width, 8 * height, 0) + lzw(noise.tobytes(), first_clear, clear_when_full))
                files[f"{name}-{first_clear}-{clear_when_full}.gif"] = whole
                files[f"{name}-{first_clear}-{clear_when_full}-cut.gif"] = whole[:-1]

        for mode in ("RGB", "RGBA"):
            for largest in (2, 40, 256):
                pixels = rng.integers(0, largest, (height, width, len(mode)), np.uint8)
                files[f"{name}-{mode}-{largest}.qoi"] = saved(Image.fromarray(pixels), "QOI")
        floats = rng.uniform(-50, 300, (height, width))
        for scale, kind in (("-1.0", "<f4"), ("2", ">f4")):
            files[f"{name}{scale}.pfm"] = f"Pf\n{width} {height}\n{scale}\n".encode() + floats.astype(kind).tobytes()
    return files


@pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="needs Pillow 13")
def test_unusual_files(tmp_path):
    files = unusual_files()
    assert assert_pillows(files, tmp_path, PLAIN) == len(files) > 200

    # Damages: what Pillow still reads looks as there. We may read a little more.
    rng = np.random.default_rng(7)
    damaged = {}
    for name, whole in list(files.items())[: len(files) // 3 * 2]:  # but the largest
        for i in range(3):
            data = bytearray(whole if i else whole[: rng.integers(1, len(whole))])
            data[rng.integers(0, min(len(data), 80))] ^= 1 << int(rng.integers(8))
            damaged[f"{i}-{name}"] = bytes(data)
    count = 0
    for path, found in zip(paths := written(damaged, tmp_path), decode(paths, tmp_path, program=PLAIN), strict=True):
        try:
            wanted = pillow(path)
        except Exception:  # any: Pillow's readers raise many types
            continue
        assert not isinstance(found, str), found
        np.testing.assert_array_equal(found, wanted, err_msg=path.name)
        count += 1
    assert count > 100


# Formats of optional libraries


def images(height=37, width=53):
    """One image for each of Pillow's modes that such a format has, with alpha values that matter."""
    rgb = Image.fromarray(photo(height, width, seed=4))
    alpha = Image.fromarray(np.random.default_rng(4).integers(0, 256, (height, width), np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    return {"1": rgb.convert("1"), "L": rgb.convert("L"), "LA": Image.merge("LA", (rgb.convert("L"), alpha)),
            "P": rgb.quantize(200), "RGB": rgb, "RGBA": rgba, "CMYK": Image.merge("CMYK", (*rgb.split(), alpha))}


def test_webp(tmp_path):
    files = {}
    for height, width in [(1, 1), (17, 33), (120, 201)]:
        modes = images(height, width)
        for mode in ("L", "RGB", "RGBA"):
            for options in ({"lossless": True}, {"lossless": True, "exact": True}, {"quality": 20}, {"quality": 95, "method": 6}):
                name = "-".join(f"{key}{value}" for key, value in options.items())
                files[f"{height}x{width}-{mode}-{name}.webp"] = saved(modes[mode], "WEBP", **options)
        frames = [Image.fromarray(photo(height, width, seed=i)) for i in range(3)]
        files[f"{height}x{width}-animated.webp"] = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
        files[f"{height}x{width}-clear.webp"] = saved(modes["RGBA"], "WEBP", save_all=True, append_images=frames)
    assert assert_pillows(files, tmp_path, ALL) == len(files)
    whole = files["120x201-RGB-quality20.webp"]
    cut = {f"{size}.webp": whole[:size] for size in range(16, len(whole), 50)}
    assert assert_pillows(cut, tmp_path, ALL) == 0
    damaged = bytearray(whole)
    damaged[100:110] = bytes(10)
    assert_pillows({"damaged.webp": bytes(damaged)}, tmp_path, ALL)


def test_orientation(tmp_path):
    """WebP's orientation is EXIF's, as JPEG's is; a TIFF is upright, as in Pillow."""
    paths = []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        paths.append(tmp_path / f"{orientation}.webp")
        images()["RGB"].save(paths[-1], lossless=True, exif=exif)
    for path, found, stored in zip(paths, decode(paths, tmp_path, upright=True, program=ALL), decode(paths, tmp_path, program=ALL)):
        with Image.open(path) as opened:
            np.testing.assert_array_equal(found, np.asarray(ImageOps.exif_transpose(opened)), err_msg=path.name)
            np.testing.assert_array_equal(stored, np.asarray(opened), err_msg=path.name)
    files = {f"{o}-{c}.tif": saved(images()["RGB"], "TIFF", tiffinfo={0x0112: o}, compression=c)
             for o in range(1, 9) for c in ("raw", "tiff_lzw")}
    assert assert_pillows(files, tmp_path, ALL) == 16


def test_tiff_by_pillow(tmp_path):
    files = {}
    for mode, image in images().items():
        for compression in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "group3", "group4", "tiff_ccitt"):
            if (mode == "1") != (compression in ("group3", "group4", "tiff_ccitt")) and compression not in ("raw", "packbits", "tiff_lzw"):
                continue
            if compression == "jpeg" and mode not in ("L", "RGB", "CMYK"):
                continue
            files[f"{mode}-{compression}.tif"] = saved(image, "TIFF", compression=compression)
            if "lzw" in compression or "deflate" in compression:
                if mode in ("L", "RGB", "RGBA"):
                    files[f"{mode}-{compression}-predictor.tif"] = saved(image, "TIFF", compression=compression, tiffinfo={317: 2})
    for kind in (np.int32, np.float32):
        values = np.random.default_rng(7).uniform(-100, 400, (9, 12)).astype(kind)
        files[f"{kind.__name__}.tif"] = saved(Image.fromarray(values), "TIFF")
    pages = [Image.fromarray(photo(20 + i, 30, seed=i)) for i in range(3)]
    files["pages.tif"] = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    assert assert_pillows(files, tmp_path, ALL) == len(files) > 35


def tiff(chunks, tags, order="<"):
    """A TIFF of these chunks (strips, or tiles where tags have their size) and tags {number: (type, values)}."""
    tags = dict(tags)
    offsets, data = [], b""
    for chunk in chunks:
        offsets.append(8 + len(data))
        data += chunk + bytes(len(chunk) % 2)
    where, counts = (324, 325) if 322 in tags else (273, 279)
    tags[where], tags[counts] = (4, offsets), (4, [len(chunk) for chunk in chunks])
    at = 8 + len(data) + 2 + 12 * len(tags) + 4
    entries, more = b"", b""
    for number in sorted(tags):
        kind, values = tags[number]
        packed = struct.pack(f"{order}{len(values)}{ {3: 'H', 4: 'I'}[kind] }", *values)
        if len(packed) > 4:
            packed, more = struct.pack(order + "I", at + len(more)), more + packed
        entries += struct.pack(order + "HHI", number, kind, len(values)) + packed.ljust(4, b"\0")
    directory = struct.pack(order + "H", len(tags)) + entries + bytes(4)
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data)) + data + directory + more


def tiff_of(samples, photometric, bits, order="<", extra=(), planar=1, rows=None, tile=None, fill_order=1, palette=None,
            sample_format=1, compress=False):
    """(height, width, count) samples, laid out in each of TIFF's ways."""
    height, width, count = samples.shape

    def packed(part):  # (rows, columns, values)
        part = part.reshape(part.shape[0], -1)
        if bits >= 8:
            data = part.astype(f"{order}{ {1: 'u', 2: 'i', 3: 'f'}[sample_format] }{bits // 8}").tobytes()
        else:
            shifts = np.arange(bits - 1, -1, -1)
            data = np.packbits((part[..., None] >> shifts & 1).astype(np.uint8).reshape(part.shape[0], -1), axis=1).tobytes()
        if fill_order == 2:
            data = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
        return zlib.compress(data) if compress else data

    planes = [samples] if planar == 1 else [samples[..., c : c + 1] for c in range(count)]
    chunks = []
    for plane in planes:
        if tile:
            edges = [(0, -height % tile), (0, -width % tile), (0, 0)]
            full = np.pad(plane, edges)
            chunks += [packed(full[y : y + tile, x : x + tile]) for y in range(0, height, tile) for x in range(0, width, tile)]
        else:
            chunks += [packed(plane[y : y + (rows or height)]) for y in range(0, height, rows or height)]
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * count), 259: (3, [8 if compress else 1]),
            262: (3, [photometric]), 277: (3, [count]), 284: (3, [planar])}
    tags |= {322: (4, [tile]), 323: (4, [tile])} if tile else {278: (4, [rows or height])}
    if extra:
        tags[338] = (3, list(extra))
    if fill_order != 1:
        tags[266] = (3, [fill_order])
    if palette is not None:
        tags[320] = (3, list(palette))
    if sample_format != 1:
        tags[339] = (3, [sample_format])
    return tiff(chunks, tags, order)


def test_tiff_of_every_layout(tmp_path):
    rng = np.random.default_rng(9)
    files = {}
    kinds = [(p, bits, 1, ()) for p in (0, 1) for bits in (1, 2, 4, 8)] + [(3, bits, 1, ()) for bits in (1, 2, 4, 8)]
    kinds += [(1, 8, 2, (2,)), (3, 8, 2, (2,)), (2, 8, 3, ()), (2, 16, 3, ()), (5, 8, 4, ()), (5, 8, 5, (0,))]
    kinds += [(2, bits, 4, (e,)) for bits in (8, 16) for e in (0, 1, 2)] + [(2, 8, 5, (1, 0)), (2, 8, 5, (2, 0))]
    for photometric, bits, count, extra in kinds:
        samples = rng.integers(0, 1 << bits, (21, 35, count))
        if 1 in extra:  # colours are at most their alpha
            samples[..., :3] = samples[..., :3] * samples[..., 3:4] // ((1 << bits) - 1)
        palette = rng.integers(0, 65536, 3 << bits) if photometric == 3 else None
        common = {"photometric": photometric, "bits": bits, "extra": extra, "palette": palette}
        name = f"{photometric}-{bits}x{count}-{'-'.join(map(str, extra))}"
        for order in "<>":
            for compress in (False, True):
                for layout, options in {"strip": {}, "strips": {"rows": 4}, "tiles": {"tile": 16}}.items():
                    data = tiff_of(samples, order=order, compress=compress, **common, **options)
                    files[f"{name}-{ord(order)}-{compress}-{layout}.tif"] = data
            if photometric == 2 and bits == 8 and count == 3:
                files[f"{name}-{ord(order)}-planes.tif"] = tiff_of(samples, order=order, compress=True, planar=2, rows=5, **common)
                files[f"{name}-{ord(order)}-planetiles.tif"] = tiff_of(samples, order=order, compress=True, planar=2, tile=16, **common)
            if photometric != 2 and count == 1:
                files[f"{name}-{ord(order)}-fill.tif"] = tiff_of(samples, order=order, fill_order=2, compress=True, **common)
    for sample_format, bits in ((2, 16), (2, 32), (3, 32)):
        values = rng.integers(-300, 500, (8, 9, 1))
        for order in "<>":
            files[f"signed-{sample_format}-{bits}-{ord(order)}.tif"] = tiff_of(values, 1, bits, order, sample_format=sample_format)
    assert assert_pillows(files, tmp_path, ALL) > 300


@pytest.mark.skipif(int(PIL.__version__.split(".")[0]) < 13, reason="needs Pillow 13")
def test_tiff_of_rare_kinds(tmp_path):
    rng = np.random.default_rng(10)
    colours = rng.integers(0, 256, (21, 35, 3))
    bytes_of_rows = colours[..., 0].astype(np.uint8)
    files = {}
    for order in "<>":
        for layout, options in {"strip": {}, "strips": {"rows": 4}, "tiles": {"tile": 16}}.items():
            name = f"{ord(order)}-{layout}"
            files[f"ycbcr-{name}.tif"] = tiff_of(colours, 6, 8, order, **options)
            files[f"int8-{name}.tif"] = tiff_of(colours[..., :1] - 128, 1, 8, order, sample_format=2, **options)
            files[f"spare-{name}.tif"] = tiff_of(colours, 1, 8, order, extra=(0, 0), planar=2, compress=True, **options)
    tags = {256: (4, [35]), 257: (4, [21]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1]), 278: (4, [21]),
            32996: (3, [0])}
    files["datatype.tif"] = tiff([bytes_of_rows.tobytes()], tags)
    assert assert_pillows(files, tmp_path, ALL) == len(files)

    # Little CMS rounds a few colours otherwise.
    lab = written({"lab.tif": tiff_of(rng.integers(0, 256, (300, 300, 3)), 8, 8)}, tmp_path)
    off = np.abs(decode(lab, tmp_path, program=ALL)[0].astype(int) - pillow(lab[0]))
    assert off.max() <= 1 and np.count_nonzero(off) <= 20


def test_tiff_grey12_keeps_the_high_bits(tmp_path):
    samples = np.random.default_rng(3).integers(0, 4096, (9, 10))
    pairs = samples[:, ::2] << 12 | samples[:, 1::2]
    data = np.stack([pairs >> 16, pairs >> 8, pairs], -1).astype(np.uint8).tobytes()
    tags = {256: (4, [10]), 257: (4, [9]), 258: (3, [12]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1]), 278: (4, [9])}
    found = decode(written({"12.tif": tiff([data], tags)}, tmp_path), tmp_path, program=ALL)[0]
    np.testing.assert_array_equal(found, np.repeat(samples[..., None] >> 4, 3, -1))


def test_tiff_grey16_keeps_the_high_byte(tmp_path):
    samples = np.random.default_rng(2).integers(0, 65536, (9, 11, 1))
    paths = written({f"{order}.tif": tiff_of(samples, 1, 16, order) for order in "<>"}, tmp_path)
    for found in decode(paths, tmp_path, program=ALL):
        np.testing.assert_array_equal(found, np.repeat(samples >> 8, 3, -1))


def test_tiff_that_is_damaged(tmp_path):
    whole = tiff_of(photo(40, 50).astype(int), 2, 8, compress=True, rows=7)
    files = {f"{size}.tif": whole[:size] for size in range(0, len(whole) - 4, 97)}
    rng = np.random.default_rng(3)
    for i in range(40):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole) - 200, len(whole))] = rng.integers(0, 256)
        files[f"bad{i}.tif"] = bytes(damaged)
    paths = written(files, tmp_path)
    for path, found in zip(paths, decode(paths, tmp_path, program=ALL), strict=True):
        assert path.name.startswith("bad") or isinstance(found, str), path.name
    lab = tiff_of(photo(4, 5).astype(int), 9, 8)
    found, = decode(written({"lab.tif": lab}, tmp_path), tmp_path, program=ALL)
    assert "found a TIFF of 3 samples of 8 bits (photometric interpretation 9" in found


def test_tiff_without_its_palette(tmp_path):
    """libtiff shows the indices as grey; Pillow refuses the file."""
    colours = Image.fromarray(photo(40, 50)).quantize(64)
    files = {}
    for big in (False, True):
        whole = saved(colours, "TIFF", **({"big_tiff": True} if big else {"compression": "tiff_lzw"}))
        assert assert_pillows({f"whole{big}.tif": whole}, tmp_path, ALL) == 1
        order = "<" if whole[:1] == b"I" else ">"
        at = struct.unpack_from(order + ("Q" if big else "I"), whole, 8 if big else 4)[0] + (8 if big else 2)
        while struct.unpack_from(order + "H", whole, at)[0] != 320:  # ColorMap
            at += 20 if big else 12
        place = at + (12 if big else 8)
        damaged = bytearray(whole)
        damaged[place: place + 4] = struct.pack(order + "I", len(whole))
        files[f"beyond{big}.tif"] = bytes(damaged)
        damaged = bytearray(whole)
        damaged[at: at + 2] = struct.pack(order + "H", 319)
        files[f"none{big}.tif"] = bytes(damaged)
    for found in decode(written(files, tmp_path), tmp_path, program=ALL):
        assert isinstance(found, str) and "found no palette" in found, found
    for path in tmp_path.glob("[bn]*.tif"):
        with pytest.raises((OSError, KeyError)):
            pillow(path)


@pytest.mark.parametrize("encode_command, decode_command, ending, library", [
    ("avifenc", "avifdec", "avif", "libavif"), ("heif-enc", "heif-convert", "heic", "libheif")])
def test_libraries_own_pixels(encode_command, decode_command, ending, library, tmp_path):
    """AVIF and HEIC, which this Pillow doesn't read, are compared with their libraries' own programs."""
    paths, wanted = [], []
    for height, width in [(48, 64), (101, 77)]:
        source = tmp_path / f"{height}.png"
        Image.fromarray(photo(height, width, seed=height)).save(source)
        for number, options in enumerate([[], ["--yuv", "420", "-s", "9"] if ending == "avif" else ["-q", "30"]]):
            path = source.with_name(f"{height}-{number}.{ending}")
            command = [encode_command, *options, *([source, path] if ending == "avif" else [source, "-o", path])]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            subprocess.run([decode_command, path, path.with_suffix(".png")], check=True, stdout=subprocess.DEVNULL)
            paths.append(path)
            wanted.append(pillow(path.with_suffix(".png")))
    for path, found, pixels in zip(paths, decode(paths, tmp_path, program=ALL), wanted, strict=True):
        assert not isinstance(found, str), found
        np.testing.assert_array_equal(found, pixels, err_msg=path.name)
    for path, found in zip(paths, decode(paths, tmp_path, program=PLAIN), strict=True):
        assert found == (f"{path}: found a file in the format {ending.upper()}, which this build can't read without "
                         f"{library}; wanted JPEG, PNG, BMP, GIF, TGA, PBM, "
                         "PGM, PPM, PFM or QOI")


# Truncated JPEGs, allowed


# Writes the pixels of each path beside it.
READ_TRUNCATED = """
ImageFile.LOAD_TRUNCATED_IMAGES = True
for path in sys.stdin.read().splitlines():
    Image.open(path).convert("RGB").save(path.removesuffix(".jpg") + ".ppm")
"""


@pytest.mark.parametrize("kind", ["4:4:4", "4:2:0", "grey", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_allowed_truncation(kind, progressive, tmp_path):
    """libjpeg-turbo gives Pillow's pixels with LOAD_TRUNCATED_IMAGES; stb_image gives the rows that exist.

    The oracle is the system's Pillow, which has the system's libjpeg-turbo as we have: how a progressive image that is
    cut off is smoothed depends on the version (2.1.5 and the 3.2.0 of Pillow 13's wheel differ by up to 3)."""
    whole = encode(kind, (96, 120), progressive=progressive)
    begin = whole.index(b"\xff\xda") + 14
    cuts = [*range(begin, len(whole), (len(whole) - begin) // 40), len(whole) - 2, len(whole) - 1, len(whole)]
    segments = [at.span() for at in re.finditer(b"\xff[\xc4\xda].{60}", whole, flags=re.S)]
    cuts = [cut for cut in cuts if not any(first < cut < last for first, last in segments)]
    paths = written({f"{cut}.jpg": whole[:cut] for cut in cuts} | {"header.jpg": whole[: begin - 20]}, tmp_path)
    *found, header = decode(paths, tmp_path, "truncated", program=ALL)
    by_the_systems_pillow(READ_TRUNCATED, map(str, paths[:-1]))
    for path, pixels in zip(paths, found):
        assert not isinstance(pixels, str), pixels
        np.testing.assert_array_equal(pixels, pillow(path.with_suffix(".ppm")), err_msg=path.name)
    assert "truncated" in header
    assert len(found) > 20
    if kind != "CMYK":
        *found, header = decode(paths, tmp_path, "truncated")
        complete, = decode([paths[-2]], tmp_path)
        np.testing.assert_array_equal(found[-1], complete)
        for cut, pixels in zip(cuts, found):
            assert pixels.shape == complete.shape
            rows = int((cut - begin) / (len(whole) - begin) * 96) // 2
            if not progressive:
                np.testing.assert_array_equal(pixels[: max(rows - 32, 0)], complete[: max(rows - 32, 0)])
        assert "truncated" in header
