"""Compares decoding and preprocessing with Pillow and timm, bit for bit.

The Pillow is the one that weights_tools/requirements.txt pins, whose order of the resize's passes is the default. The old
order is compared with the system's Pillow.
BEIT_BUILD_DIR names the folder that holds the program beit_dump_pixels.
"""
import io
import os
import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from timm.data import create_transform

Image.MAX_IMAGE_PIXELS = None
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
CROP_MODES = ("center", "squash", "border")


def run_jobs(jobs, folder, program="beit_dump_pixels"):
    """Returns one (bytes, error message) per job, which is a tuple of fields."""
    program = next(
        path for path in (Path(os.environ["BEIT_BUILD_DIR"]) / sub / program for sub in ("", "tests")) if path.exists()
    )
    (folder / "jobs").write_text("".join("\t".join(map(str, job)) + "\n" for job in jobs))
    subprocess.run([program, folder / "jobs", folder / "out"], check=True)
    data = (folder / "out").read_bytes()
    results, at = [], 0
    for _ in jobs:
        status, size = struct.unpack_from("<iq", data, at)
        payload = data[at + 12 : at + 12 + size]
        results.append((payload, None) if status == 0 else (None, payload.decode()))
        at += 12 + size
    assert at == len(data)
    return results


def decode(paths, folder, upright=False, program="beit_dump_pixels"):
    """The RGB array of each path, or its error message."""
    found = []
    how = upright if isinstance(upright, str) else "upright" if upright else "as_stored"
    jobs = [("decode", path, how) for path in paths]
    for payload, error in run_jobs(jobs, folder, program):
        if error is None:
            height, width = struct.unpack_from("<ii", payload)
            found.append(np.frombuffer(payload, np.uint8, offset=8).reshape(height, width, 3))
        else:
            found.append(error)
    return found


def pillow(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def assert_decodes_as_pillow(files, folder):
    """files: {name: bytes}; Pillow reads all of them."""
    paths = []
    for name, data in files.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    for path, found in zip(paths, decode(paths, folder)):
        assert not isinstance(found, str), found
        np.testing.assert_array_equal(found, pillow(path), err_msg=path.name)


def saved(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def photo(height, width, seed=0):
    """Smooth colours with edges and some noise: (height, width, 3) bytes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / rng.uniform(3, 40) + y / rng.uniform(3, 40) + rng.uniform(0, 6)) for _ in range(3)]
    pixels = np.stack(waves, -1) * 100 + 128 + rng.normal(0, 10, (height, width, 3))
    pixels[(x // 7 + y // 5) % 5 == 0] += 60
    return np.clip(pixels, 0, 255).astype(np.uint8)


# PNG, written here because Pillow doesn't write every colour type.

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_rows(samples, depth):
    """Rows of (height, width, channels) samples, packed, unfiltered."""
    rows = b""
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            packed = row.astype(">u2").tobytes()
        else:
            bits = (row[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            packed = np.packbits(bits.astype(np.uint8)).tobytes()
        rows += b"\0" + packed
    return rows


def png(samples, colour, depth, palette=b"", transparency=b"", interlaced=False):
    height, width = samples.shape[:2]
    if interlaced:
        passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7]
        rows = b"".join(png_rows(part, depth) for part in passes if part.size)
    else:
        rows = png_rows(samples, depth)
    data = b"\x89PNG\r\n\x1a\n"
    data += png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    if palette:
        data += png_chunk(b"PLTE", palette)
    if transparency:
        data += png_chunk(b"tRNS", transparency)
    compressed = zlib.compress(rows)
    half = len(compressed) // 2
    data += png_chunk(b"IDAT", compressed[:half]) + png_chunk(b"IDAT", compressed[half:])
    return data + png_chunk(b"IEND", b"")


PNG_TYPES = [
    (colour, depth)
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items()
    for depth in depths
]


def png_files(height=23, width=37):
    """Every colour type and depth, plain and interlaced, with and without tRNS. 16-bit grey has its own test."""
    rng = np.random.default_rng(1)
    files = {}
    for colour, depth in PNG_TYPES:
        if (colour, depth) == (0, 16):
            continue
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        samples = rng.integers(0, 1 << depth, (height, width, channels))
        palette = rng.integers(0, 256, 3 << depth, np.uint8).tobytes() if colour == 3 else b""
        transparencies = {0: [b"\0\1"], 2: [b"\0\1\0\2\0\3"], 3: [bytes([0, 100])]}.get(colour, [])
        for transparency in [b""] + transparencies:
            for interlaced in (False, True):
                name = f"color{colour}-depth{depth}{'-trns' * bool(transparency)}{'-adam7' * interlaced}.png"
                files[name] = png(samples, colour, depth, palette, transparency, interlaced)
    return files


def test_png_of_every_type(tmp_path):
    assert_decodes_as_pillow(png_files(), tmp_path)


def test_png_grey16_keeps_the_high_byte(tmp_path):
    samples = np.random.default_rng(2).integers(0, 65536, (9, 11, 1))
    for interlaced in (False, True):
        (tmp_path / "grey16.png").write_bytes(png(samples, 0, 16, interlaced=interlaced))
        (found,) = decode([tmp_path / "grey16.png"], tmp_path)
        np.testing.assert_array_equal(found, np.repeat(samples >> 8, 3, -1))


def test_png_palette_shorter_than_its_indices(tmp_path):
    samples = np.arange(256).reshape(16, 16, 1)
    for n in (1, 2, 85):
        (tmp_path / "short.png").write_bytes(png(samples, 3, 8, bytes(range(3 * n))))
        (found,) = decode([tmp_path / "short.png"], tmp_path)
        colours = np.zeros((256, 3), np.uint8)  # black, as in Pillow since 10.1
        colours[:n] = np.arange(3 * n).reshape(n, 3)
        np.testing.assert_array_equal(found, colours[samples[..., 0]])


# Other formats.


def bmp(pixel_rows, width, height, bits, palette=b"", used=0, compression=0, masks=b"", header=40, gap=0):
    """pixel_rows: packed rows, unpadded, in the file's order."""
    data = b"".join(row + bytes(-len(row) % 4) for row in pixel_rows)
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, used, 0)
    before = info + masks + palette + bytes(gap)
    return b"BM" + struct.pack("<IHHI", 14 + len(before) + len(data), 0, 0, 14 + len(before)) + before + data


def test_bmp(tmp_path):
    rng = np.random.default_rng(3)
    files = {}
    height = 9
    for width in (1, 7, 8, 17):
        for bits in (1, 4, 8, 24, 32):
            rows = [rng.integers(0, 256, (width * bits + 7) // 8, np.uint8).tobytes() for _ in range(height)]
            palette = rng.integers(0, 256, 4 << bits, np.uint8).tobytes() if bits <= 8 else b""
            files[f"{width}-{bits}.bmp"] = bmp(rows, width, height, bits, palette)
            files[f"{width}-{bits}-topdown.bmp"] = bmp(rows, width, -height, bits, palette)
            files[f"{width}-{bits}-gap.bmp"] = bmp(rows, width, height, bits, palette, gap=24 if bits <= 8 else 0)
            if bits == 8:
                files[f"{width}-{bits}-short.bmp"] = bmp(rows, width, height, bits, palette[:40], used=10)
            if bits <= 8:
                files[f"{width}-{bits}-os2.bmp"] = bmp(rows, width, height, bits, palette[: 3 << bits], header=12)
            if bits == 32:
                masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
                files[f"{width}-{bits}-masks.bmp"] = bmp(rows, width, height, bits, compression=3, masks=masks)
    image = Image.fromarray(photo(20, 31))
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        files[f"pillow-{mode}.bmp"] = saved(image.convert(mode), "BMP")
    assert_decodes_as_pillow(files, tmp_path)


def test_tga(tmp_path):
    files = {}
    for seed, (height, width) in enumerate([(20, 31), (1, 1), (33, 200)]):
        image = Image.fromarray(photo(height, width, seed) // 64 * 64)
        for mode in ("L", "LA", "P", "RGB", "RGBA"):
            for compression in (None, "tga_rle"):
                for orientation in (1, -1):
                    name = f"{height}x{width}-{mode}-{compression}-{orientation}.tga"
                    files[name] = saved(image.convert(mode), "TGA", compression=compression, orientation=orientation)
    assert_decodes_as_pillow(files, tmp_path)


def gif(canvas, frame, offset=(0, 0), transparent=None, background=0, colours=256, local=False, seed=0, interlaced=False):
    """One frame of palette indices; canvas and offset are (height, width)."""
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (256, 3), np.uint8).tobytes()
    whole = saved_gif(frame, interlaced)
    flags = 0x80 | (colours.bit_length() - 2)
    table = palette[: 3 * colours]
    data = b"GIF89a" + struct.pack("<HHBBB", canvas[1], canvas[0], 0 if local else flags, background, 0)
    data += b"" if local else table
    if transparent is not None:
        data += b"!\xf9\x04" + struct.pack("<BHB", 1, 5, transparent) + b"\0"
    data += b"!\xfe\x05hello\0"
    data += b"," + struct.pack("<HHHHB", offset[1], offset[0], frame.shape[1], frame.shape[0],
                               (flags if local else 0) | (0x40 if interlaced else 0))
    data += table if local else b""
    return data + whole + b";"


def saved_gif(frame, interlaced):
    """The LZW data of a frame as Pillow writes it, between code size and terminator."""
    image = Image.fromarray(frame, "P")
    image.putpalette(np.random.default_rng(9).integers(0, 256, 768, np.uint8).tobytes())
    data = saved(image, "GIF", interlace=interlaced, optimize=False)
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while data[at] == 0x21:
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    assert data[at] == 0x2C
    flags = data[at + 9]
    at += 10 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    return data[at : data.rindex(b";")]


def test_gif(tmp_path):
    rng = np.random.default_rng(4)
    files = {}
    for interlaced in (False, True):
        frame = rng.integers(0, 256, (13, 21), np.uint8)
        for transparent in (None, 0, 7):
            for local in (False, True):
                for background in (0, 9):
                    for canvas, offset in [((13, 21), (0, 0)), ((20, 30), (3, 4)), ((13, 30), (0, 9)), ((10, 10), (1, 2))]:
                        name = f"{interlaced}-{transparent}-{local}-{background}-{canvas}.gif"
                        files[name] = gif(canvas, frame, offset, transparent, background, local=local,
                                          interlaced=interlaced)
    few = rng.integers(0, 4, (13, 21), np.uint8)
    files["few-colors.gif"] = gif((13, 21), few, colours=4)
    files["short-palette.gif"] = gif((13, 21), frame, colours=4)
    files["pillow.gif"] = saved(Image.fromarray(photo(30, 40)), "GIF")
    files["grey.gif"] = saved(Image.fromarray(photo(30, 40)).convert("L"), "GIF")
    files["animated.gif"] = saved(Image.fromarray(photo(30, 40)), "GIF", save_all=True,
                                  append_images=[Image.fromarray(photo(30, 40, 1))])
    assert_decodes_as_pillow(files, tmp_path)


def test_pnm(tmp_path):
    rng = np.random.default_rng(5)
    files = {}
    for largest in (1, 3, 100, 254, 255, 256, 1000, 65534, 65535):
        kind = np.uint8 if largest < 256 else ">u2"
        for channels, magic in ((1, b"P5"), (3, b"P6")):
            if channels == 1 and largest > 255:
                continue
            data = rng.integers(0, largest + 1, (7, 5, channels)).astype(kind)
            header = magic + b" # a comment\n5\t#more\n 7\n%d\n" % largest
            files[f"{magic.decode()}-{largest}.pnm"] = header + data.tobytes()
    files["over.pnm"] = b"P5 4 1 100\n" + bytes([0, 100, 101, 255])
    assert_decodes_as_pillow(files, tmp_path)


def test_pnm_grey16_keeps_the_high_byte(tmp_path):
    data = np.random.default_rng(6).integers(0, 65536, (7, 5)).astype(">u2")
    (tmp_path / "grey16.pgm").write_bytes(b"P5 5 7 65535\n" + data.tobytes())
    (found,) = decode([tmp_path / "grey16.pgm"], tmp_path)
    np.testing.assert_array_equal(found, np.repeat((data >> 8)[..., None], 3, -1))


def oriented_files(folder):
    """One JPEG for each valid EXIF orientation, and for two invalid ones."""
    image = Image.fromarray(photo(24, 40))
    paths = []
    for orientation in range(0, 10):
        exif = Image.Exif()
        exif[0x010F] = "maker"
        exif[0x0112] = orientation
        paths.append(folder / f"{orientation}.jpg")
        image.save(paths[-1], quality=90, exif=exif)
    return paths


def test_exif_orientation(tmp_path):
    paths = oriented_files(tmp_path)
    plain = decode(paths, tmp_path)
    upright = decode(paths, tmp_path, upright=True)
    for path, as_stored, turned in zip(paths, plain, upright):
        # The same decoder on both sides: only the turning is compared.
        with Image.open(path) as opened:
            wanted = Image.fromarray(as_stored)
            wanted.info["exif"] = opened.info["exif"]
            np.testing.assert_array_equal(turned, np.asarray(ImageOps.exif_transpose(wanted)), err_msg=path.name)


def jpeg_difference(image, folder, **options):
    (folder / "photo.jpg").write_bytes(saved(image, "JPEG", **options))
    (found,) = decode([folder / "photo.jpg"], folder)
    return np.abs(found.astype(int) - pillow(folder / "photo.jpg"))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [50, 90])
@pytest.mark.parametrize("kind", ["grey", "4:4:4", "4:2:2", "4:2:0", "CMYK"])
def test_jpeg_is_close_to_pillow(kind, quality, progressive, tmp_path):
    """The two decoders round and upsample colour differently, so they agree only within a few levels."""
    image = Image.fromarray(photo(123, 211))
    options = {"quality": quality, "progressive": progressive}
    if kind in ("grey", "CMYK"):
        image = image.convert({"grey": "L", "CMYK": "CMYK"}[kind])
    else:
        options["subsampling"] = kind
    difference = jpeg_difference(image, tmp_path, **options)
    print(f"JPEG {kind} quality {quality} progressive {progressive}: largest {difference.max((0, 1))}, "
          f"mean {difference.mean((0, 1)).round(3)}")
    if kind == "4:2:2":
        # stb_image weighs the last but one colour sample of a row where it should weigh the last.
        difference = difference[:, :-1]
    assert difference.max() <= 3
    assert difference.mean() <= (0.2 if kind == "4:2:2" else 0.1)


def test_truncated_files(tmp_path):
    """Wherever a file is cut, it is an error, never a crash or a half-grey image, unless Pillow reads all pixels."""
    image = Image.fromarray(photo(40, 50))
    whole = {
        "jpeg": saved(image, "JPEG"),
        "progressive": saved(image, "JPEG", progressive=True),
        "png": saved(image, "PNG"),
        "bmp": saved(image, "BMP"),
        "bmp8": saved(image.convert("P"), "BMP"),
        "gif": saved(image, "GIF"),
        "tga": saved(image, "TGA")[: 18 + 40 * 50 * 3],  # without the optional footer
        "tga_rle": saved(image, "TGA", compression="tga_rle")[:-26],
        "ppm": saved(image, "PPM"),
    }
    paths = []
    for name, data in whole.items():
        for size in sorted({*range(0, 200, 7), *range(200, len(data), 211), *range(len(data) - 30, len(data))}):
            paths.append(tmp_path / f"{name}-{size}")
            paths[-1].write_bytes(data[:size])
    accepted = set()
    for path, found in zip(paths, decode(paths, tmp_path), strict=True):
        try:
            wanted = pillow(path)
        except (OSError, SyntaxError, ValueError):
            assert isinstance(found, str), path.name
            continue
        assert not isinstance(found, str), f"{path.name}: {found}"
        np.testing.assert_array_equal(found, wanted, err_msg=path.name)
        accepted.add(path.name.split("-")[0])
    assert accepted == {"png", "bmp", "bmp8", "gif"}  # which end with bytes that hold no pixels


# Preprocessing.


def timm_tensor(path, size, crop_pct, crop_mode, interpolation, mean, std):
    transform = create_transform(
        (3, *size), is_training=False, interpolation=interpolation, mean=mean, std=std, crop_pct=crop_pct,
        crop_mode=crop_mode,
    )
    with Image.open(path) as image:
        return transform(image.convert("RGB")).numpy()


def preprocess(jobs, folder, pass_order="pillow_13"):
    """jobs: (path, (height, width), crop_pct, crop_mode, interpolation, mean, std)."""
    lines = []
    for path, size, crop_pct, crop_mode, interpolation, mean, std in jobs:
        lines.append(("preprocess", path, *size, repr(crop_pct), crop_mode, interpolation,
                      ",".join(map(repr, mean)), ",".join(map(repr, std)), pass_order))
    return run_jobs(lines, folder)


def assert_preprocesses_as_timm(jobs, folder):
    """jobs: as for preprocess."""
    for job, (payload, error) in zip(jobs, preprocess(jobs, folder)):
        try:
            wanted = timm_tensor(*job)
        except ValueError as refusal:  # Pillow doesn't resize to 0 pixels
            assert str(refusal) == "height and width must be > 0"
            assert "to be resized to" in error
            continue
        assert error is None, error
        found = np.frombuffer(payload, np.float32).reshape(3, *job[1])
        differing = np.count_nonzero(found.view(np.uint32) != wanted.view(np.uint32))
        assert differing == 0, f"{job}: {differing} of {found.size} values differ, by up to {np.abs(found - wanted).max()}"


def test_all_256_values(tmp_path):
    """Tests normalisation without a resize: every byte in every channel."""
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(np.stack([values, values.T, values[::-1]], -1)).save(tmp_path / "values.png")
    normalisations = [IMAGENET, HALF, ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
                      ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), ((0.1, 0.3, 0.7), (1 / 255, 3.0, 0.123))]
    assert_preprocesses_as_timm(
        [(tmp_path / "values.png", (16, 16), 1.0, "center", "bicubic", *pair) for pair in normalisations], tmp_path
    )


def test_every_png_type_preprocessed(tmp_path):
    jobs = []
    for name, data in png_files().items():
        (tmp_path / name).write_bytes(data)
        jobs.append((tmp_path / name, (32, 32), 0.9, "center", "bicubic", *HALF))
        jobs.append((tmp_path / name, (14, 14), 0.875, "center", "bilinear", *IMAGENET))
    assert_preprocesses_as_timm(jobs, tmp_path)


SHAPES = [(1, 1), (1, 5), (5, 1), (2, 3), (17, 17), (31, 64), (64, 31), (100, 333), (250, 249), (248, 248), (224, 224),
          (225, 223), (500, 375), (480, 640), (1000, 30), (30, 1000)]


@pytest.mark.parametrize("crop_mode", CROP_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_shapes(interpolation, crop_mode, tmp_path):
    jobs = []
    for i, shape in enumerate(SHAPES):
        path = tmp_path / f"{shape[0]}x{shape[1]}.png"
        Image.fromarray(photo(*shape, seed=i)).save(path)
        for size, crop_pct in [((224, 224), 0.9), ((28, 28), 1.0), ((32, 48), 0.875), ((50, 20), 1.2), ((7, 9), 0.5)]:
            jobs.append((path, size, crop_pct, crop_mode, interpolation, *IMAGENET))
    assert_preprocesses_as_timm(jobs, tmp_path)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_long_and_narrow(interpolation, tmp_path):
    paths = []
    for height, width in [(5000, 1), (1, 5000), (5000, 3)]:
        paths.append(tmp_path / f"{height}x{width}.png")
        Image.fromarray(photo(height, width)).save(paths[-1])
    small = [(path, (9, 9), 0.9, "center", interpolation, *HALF) for path in paths]
    squash = [(path, (224, 224), 0.9, "squash", interpolation, *HALF) for path in paths]
    center = [(paths[2], (224, 224), 0.9, "center", interpolation, *HALF)]
    assert_preprocesses_as_timm(small + squash + center, tmp_path)


def test_long_and_narrow_at_224(tmp_path):
    """timm makes an image of 1.2 GB in between."""
    path = tmp_path / "narrow.png"
    Image.fromarray(photo(5000, 1)).save(path)
    assert_preprocesses_as_timm([(path, (224, 224), 0.9, "center", "bicubic", *HALF)], tmp_path)


@pytest.mark.parametrize("interpolation", ["bicubic", "lanczos"])
def test_twelve_megapixels(interpolation, tmp_path):
    path = tmp_path / "photo.ppm"
    Image.fromarray(np.random.default_rng(8).integers(0, 256, (3000, 4000, 3), np.uint8)).save(path)
    assert_preprocesses_as_timm([(path, (224, 224), 0.9, "center", interpolation, *HALF)], tmp_path)


def random_jobs(count, folder, seed):
    rng = random.Random(seed)
    jobs = []
    for i in range(count):
        shape = [int(np.exp(rng.uniform(0, np.log(700)))) for _ in range(2)]
        path = folder / f"{i}.png"
        Image.fromarray(photo(*shape, seed=i)).save(path, compress_level=1)
        size = (rng.randint(8, 260), rng.randint(8, 260)) if rng.random() < 0.5 else (rng.randint(8, 260),) * 2
        mode = rng.choice(CROP_MODES)
        crop_pct = rng.choice([0.5, 0.8, 0.875, 0.9, 0.95, 1.0, 1.1, rng.uniform(0.3, 1.5)])
        mean = tuple(round(rng.random(), rng.choice([1, 2, 3])) for _ in range(3))
        std = tuple(rng.uniform(0.1, 1.0) for _ in range(3))
        jobs.append((path, size, crop_pct, mode, rng.choice(INTERPOLATIONS), mean, std))
    return jobs


def test_random(tmp_path):
    assert_preprocesses_as_timm(random_jobs(300, tmp_path, seed=7), tmp_path)


def by_the_systems_pillow(script, lines):
    """Runs a script on lines of standard input with the system's Pillow. Returns its version."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    script = "import sys\nfrom PIL import Image, ImageFile, __version__\nprint(__version__)\n" + script
    run = subprocess.run([python, "-c", script], input="\n".join(lines), check=True, capture_output=True, text=True)
    return tuple(map(int, run.stdout.split(".")[:2]))


# Resizes and overwrites PATH for each line "PATH HEIGHT WIDTH FILTER".
RESIZE = """
for line in sys.stdin:
    path, height, width, filter = line.split()
    Image.open(path).resize((int(width), int(height)), Image.Resampling[filter]).save(path)
"""


def test_the_order_of_old_versions_of_pillow(tmp_path):
    """The system's Pillow is older than that of these tests."""
    rng = random.Random(11)
    jobs = []
    for i in range(200):
        path = tmp_path / f"{i}.ppm"
        Image.fromarray(photo(rng.randint(1, 500), rng.randint(1, 250), seed=i)).save(path)
        size = (rng.randint(1, 250), rng.randint(1, 250))
        jobs.append((path, size, 1.0, "squash", rng.choice(INTERPOLATIONS), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    found = preprocess(jobs, tmp_path, "across_first")
    new = preprocess(jobs, tmp_path)
    version = by_the_systems_pillow(
        RESIZE, [f"{path} {height} {width} {filter.upper()}" for path, (height, width), _, _, filter, *_ in jobs])
    if version >= (12, 2):
        pytest.skip(f"the system has Pillow {version}, wanted one before 12.2")
    for job, (payload, error) in zip(jobs, found):
        assert error is None, error
        wanted = pillow(job[0]).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(np.frombuffer(payload, np.float32).reshape(wanted.shape), wanted, err_msg=str(job))
    assert 20 < sum(a != b for a, b in zip(found, new)) < 180  # the orders differ for some


def test_impossible_sizes(tmp_path):
    """Like Pillow, we refuse to resize to 0 pixels."""
    path = tmp_path / "narrow.png"
    Image.fromarray(photo(1000, 1)).save(path)
    with pytest.raises(ValueError, match="height and width must be > 0"):
        timm_tensor(path, (32, 32), 0.9, "border", "bicubic", *HALF)
    assert_preprocesses_as_timm([(path, (32, 32), 0.9, "border", "bicubic", *HALF)], tmp_path)
    ((_, error),) = preprocess([(path, (32, 32), 0.9, "border", "bicubic", *HALF)], tmp_path)
    assert "found 1000 x 1 pixels to be resized to 35 x 0" in error
