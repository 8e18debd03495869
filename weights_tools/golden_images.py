"""Make tests/golden/image: small images, and the results of Pillow and timm for them.

    python weights_tools/golden_images.py               # all, by Pillow up to 12.1
    python weights_tools/golden_images.py preprocessed  # only the tensors, by any version of Pillow
    python weights_tools/golden_images.py unusual       # only images that need Pillow 13, by that

Made with Pillow 9.4.0, timm 1.0.31, torch 1.13.1 and torchvision 0.14.1, and the avifenc 0.11.1 and heif-enc 1.15.1 of
Debian 12. decode.txt has one line per image: name, height, width, and CRC-32 of Pillow's RGB bytes. decode_optional.txt has the same
for formats that need a library; for AVIF and HEIC the bytes are the pixels that were encoded without loss.
decode_pillow_13.txt and decode_optional_pillow_13.txt have those of images that older versions read otherwise or not.
preprocess_across_first.txt has one line per tensor: name, height, width, crop_pct, crop_mode, interpolation, mean, std,
and CRC-32 of timm's float32 bytes. preprocess_pillow_13.txt has the same as made with Pillow 13.0.0 and torch 2.15.0.
"""
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from PIL import __version__ as pillow_version
from timm.data import create_transform

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "image"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / rng.uniform(2, 9) + y / rng.uniform(2, 9)) * 100 + 128 for _ in range(3)]
    noisy = np.stack(waves, -1) + rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples, colour, depth, palette=b"", transparency=b""):
    """Encode samples (height, width, channels) as a PNG of any colour type, including those that Pillow can't write."""
    rows = b""
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            packed = row.astype(">u2").tobytes()
        else:
            packed = np.packbits(((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)).tobytes()
        rows += b"\0" + packed
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header)
    if palette:
        chunks += png_chunk(b"PLTE", palette)
    if transparency:
        chunks += png_chunk(b"tRNS", transparency)
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def write_images():
    rng = np.random.default_rng(1)
    for colour, depths in {0: (1, 2, 4, 8), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
            samples = rng.integers(0, 1 << depth, (9, 13, channels))
            palette = rng.integers(0, 256, 3 << depth, np.uint8).tobytes() if colour == 3 else b""
            (FOLDER / f"color{colour}_depth{depth}.png").write_bytes(png(samples, colour, depth, palette))
            transparency = {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\0\x64"}.get(colour)
            if transparency:
                data = png(samples, colour, depth, palette, transparency)
                (FOLDER / f"color{colour}_depth{depth}_transparent.png").write_bytes(data)
    (FOLDER / "grey16.png").write_bytes(png(rng.integers(0, 65536, (9, 13, 1)), 0, 16))
    short = png(np.arange(256).reshape(16, 16, 1), 3, 8, bytes(range(30)))
    (FOLDER / "short_palette.png").write_bytes(short)

    small = picture(11, 14)
    for mode in ("1", "L", "P", "RGB"):
        small.convert(mode).save(FOLDER / f"mode_{mode}.bmp")
    for mode in ("L", "LA", "P", "RGB", "RGBA"):
        for compression in (None, "tga_rle"):
            small.convert(mode).save(FOLDER / f"mode_{mode}{'_rle' * bool(compression)}.tga", compression=compression)
    small.save(FOLDER / "small.gif")
    paletted = small.quantize(8, dither=Image.Dither.NONE)
    paletted.save(FOLDER / "transparent.gif", transparency=3)
    small.save(FOLDER / "small.ppm")
    small.convert("L").save(FOLDER / "small.pgm")
    small.convert("1").save(FOLDER / "small.pbm")
    (FOLDER / "largest_100.ppm").write_bytes(b"P6 # comment\n3 2\n100\n" + bytes(range(0, 101, 6))[:18].ljust(18, b"d"))
    wide = struct.pack(">6H", 0, 1, 300, 999, 1000, 500)
    (FOLDER / "largest_1000.ppm").write_bytes(b"P6\n2 1\n1000\n" + wide)

    shapes = {"landscape": (30, 45), "portrait": (52, 23), "column": (60, 1), "row": (1, 47), "dot": (1, 1)}
    for name, shape in shapes.items():
        picture(*shape, seed=len(name)).save(FOLDER / f"{name}.png")


def with_rotation_first(heic):
    """The file heif-enc wrote, its image turned by a property that stands before its size, as a camera maker has it."""
    at = {box: heic.index(box) for box in (b"meta", b"iloc", b"iprp", b"ipco", b"ipma", b"mdat")}
    changes = [(at[box] - 4, 4, struct.pack(">I", struct.unpack_from(">I", heic, at[box] - 4)[0] + more))
               for box, more in ((b"meta", 10), (b"iprp", 10), (b"ipco", 9), (b"ipma", 1))]
    place = struct.pack(">I", at[b"mdat"] + 4)
    changes.append((heic.index(place, at[b"iloc"]), 4, struct.pack(">I", at[b"mdat"] + 14)))
    changes.append((at[b"ipma"] - 4, 0, struct.pack(">I4sB", 9, b"irot", 1)))  # the fifth property: a quarter turn
    properties = heic.index(b"\0\2\2\3\x84", at[b"ipma"])  # of item 2, two: the third and the fourth
    changes.append((properties + 2, 1, b"\3\x85"))
    for offset, length, new in sorted(changes, reverse=True):
        heic = heic[:offset] + new + heic[offset + length:]
    return heic


def write_optional():
    """Write WebP, TIFF, AVIF and HEIC files, and the pixels to which they decode."""
    small = picture(11, 14)
    frames = [picture(11, 14, seed=seed) for seed in (5, 6)]
    small.save(FOLDER / "lossy.webp", quality=70)
    small.save(FOLDER / "lossless.webp", lossless=True)
    small.convert("RGBA").save(FOLDER / "alpha.webp")
    frames[0].save(FOLDER / "animated.webp", save_all=True, append_images=frames[1:], lossless=True)

    for mode, compression in (("1", "group4"), ("1", "raw"), ("L", "raw"), ("P", "packbits"), ("RGB", "tiff_lzw"),
                              ("RGB", "tiff_adobe_deflate"), ("RGBA", "tiff_lzw"), ("CMYK", "raw"), ("RGB", "jpeg")):
        name = f"{mode}_{compression.removeprefix('tiff_')}.tif"
        small.convert(mode).save(FOLDER / name, compression=compression)
    frames[0].save(FOLDER / "pages.tif", save_all=True, append_images=frames[1:])
    small.save(FOLDER / "turned.tif", tiffinfo={0x0112: 6})
    names = [path.name for path in FOLDER.iterdir() if path.suffix in (".webp", ".tif") and path.name not in unusual_names()]
    decoded = {name: Image.open(FOLDER / name).convert("RGB") for name in names}

    # Pixels encoded without loss come back unchanged. The HEIC is grey, because its RGB isn't exact.
    large = picture(32, 48)
    transparent = large.copy()
    transparent.putalpha(picture(32, 48, seed=7).convert("L"))
    with tempfile.TemporaryDirectory() as folder:
        for name, image, command in (("lossless.avif", large, ["avifenc", "--lossless"]),
                                     ("alpha.avif", transparent, ["avifenc", "--lossless"]),
                                     ("lossless.heic", large.convert("L"), ["heif-enc", "-L", "-o"])):
            image.save(f"{folder}/in.png")
            files = [f"{folder}/in.png", FOLDER / name] if name.endswith("avif") else [FOLDER / name, f"{folder}/in.png"]
            subprocess.run([*command, *files], check=True, stdout=subprocess.DEVNULL)
            decoded[name] = image.convert("RGB")
    (FOLDER / "rotated.heic").write_bytes(with_rotation_first((FOLDER / "lossless.heic").read_bytes()))
    decoded["rotated.heic"] = decoded["lossless.heic"].transpose(Image.Transpose.ROTATE_90)
    lines = [f"{name} {image.height} {image.width} {zlib.crc32(image.tobytes())}\n" for name, image in decoded.items()]
    (FOLDER / "decode_optional.txt").write_text("".join(sorted(lines)))


def write_unusual():
    """Write kinds of images that Pillow 13 reads, and their pixels by it."""
    rng = np.random.default_rng(2)
    indices = rng.integers(0, 5, (6, 9), np.uint8)
    palette = rng.integers(0, 256, 64, np.uint8).tobytes()

    def bmp(pixels, bits, header=40, compression=0, masks=b"", palette=b""):
        info = struct.pack("<IiiHHIIiiII", header, 9, 6, 1, bits, compression, len(pixels), 0, 0, len(palette) // 4, 0) + masks
        return b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + len(info + palette)) + info + palette + pixels

    runs = b"".join(bytes([1, i, 3, i + 1, 0, 5, 1, 2, 3, 4, 15, 0, 0, 0]) for i in range(4)) + b"\0\2\5\1\4\2\0\0\0\1"
    nibbles = b"".join(bytes([3, 0x12, 0, 5, 0x34, 0x51, 0x20, 0, 1, 0x30, 0, 0]) for _ in range(6)) + b"\0\1"
    wide = rng.integers(0, 65536, (6, 10), np.uint16).tobytes()
    floats = np.linspace(-20, 300, 54).astype("<f4").tobytes()
    # Codes of 4 bits: six pixels and a clear code, before the table would ask for 5, and at last the end.
    codes = [code for i in range(0, 54, 6) for code in (*indices.ravel()[i : i + 6].tolist(), 8)][:-1] + [9]
    data = bytes(low | high << 4 for low, high in zip(codes[::2], [*codes[1::2], 0]))
    gif = (b"GIF89a" + struct.pack("<HHBBB", 9, 6, 0x82, 0, 0) + palette[:24] + b"," + struct.pack("<HHHHB", 0, 0, 9, 6, 0) +
           bytes([3, len(data)]) + data)
    qoi = b"".join(bytes([0xFE, i, 2 * i, 3 * i, 0x6A, 0xA5, 0x7C, i, 0xC1]) for i in range(10)) + b"\xcf" + bytes(7) + b"\1"
    files = {"runs.bmp": bmp(runs, 8, compression=1, palette=palette), "nibbles.bmp": bmp(nibbles, 4, compression=2, palette=palette),
             "masks.bmp": bmp(wide, 16, 56, 3, struct.pack("<IIII", 0xF800, 0x7E0, 0x1F, 0)), "no_clear.gif": gif,
             "bits.tga": struct.pack("<BBBHHBHHHHBB", 0, 0, 3, 0, 0, 0, 0, 0, 9, 6, 1, 0x30) + wide[:12],
             "floats.pfm": b"Pf\n9 6\n-1.0\n" + floats, "small.qoi": b"qoif" + struct.pack(">IIBB", 9, 6, 3, 0) + qoi}
    for name, data in files.items():
        (FOLDER / name).write_bytes(data)
    small = picture(11, 14)
    small.convert("LAB").save(FOLDER / "lab.tif")
    small.convert("YCbCr").save(FOLDER / "ycbcr.tif")
    blocks = np.repeat(np.repeat(np.array([[40, 90, 140], [190, 240, 15]], np.uint8), 8, 0), 8, 1)
    Image.fromarray(blocks).save(FOLDER / "restarts.jpg", quality=100, restart_marker_blocks=1)
    for table, names in (("decode", [*files, "short_palette.png"]), ("decode_optional", ["lab.tif", "ycbcr.tif"])):
        lines = []
        for name in sorted(names):
            with Image.open(FOLDER / name) as image:
                pixels = image.convert("RGB")
            lines.append(f"{name} {pixels.height} {pixels.width} {zlib.crc32(pixels.tobytes())}\n")
        (FOLDER / f"{table}_pillow_13.txt").write_text("".join(lines))


def unusual_names():
    return {line.split()[0] for path in FOLDER.glob("decode*_pillow_13.txt") for line in path.read_text().splitlines()}


def write_decoded():
    lines = []
    for path in sorted(FOLDER.iterdir()):
        if path.name in unusual_names() or path.suffix in (".txt", ".jpg", ".webp", ".tif", ".avif", ".heic"):
            continue
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
            if path.name == "short_palette.png":  # Pillow 9.4 shows greys behind the palette's end, 10.1 and later black
                indices = np.asarray(image)
                pixels = np.where(indices[..., None] < 10, pixels, 0).astype(np.uint8)
            if path.name == "grey16.png":  # Pillow clips to white; the library keeps the high byte
                pixels = np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, -1)
        lines.append(f"{path.name} {pixels.shape[0]} {pixels.shape[1]} {zlib.crc32(pixels.tobytes())}")
    (FOLDER / "decode.txt").write_text("\n".join(lines) + "\n")


def write_jpegs():
    """Write JPEGs, flat and grey so that all decoders agree, with each of EXIF's orientations."""
    blocks = np.repeat(np.repeat(np.array([[40, 90, 140], [190, 240, 15]], np.uint8), 8, 0), 8, 1)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(blocks).save(FOLDER / f"orientation_{orientation}.jpg", quality=100, exif=exif)


def pass_order():
    """Return the library's name for the order in which the installed Pillow resizes."""
    version = tuple(map(int, pillow_version.split(".")[:2]))
    if (12, 2) <= version < (13, 0):
        raise SystemExit(f"found Pillow {pillow_version}, wanted up to 12.1 or from 13.0: those between have their own order")
    return "pillow_13" if version >= (13, 0) else "across_first"


def write_preprocessed():
    lines = []
    for name in ("landscape", "portrait", "column", "row", "dot"):
        for interpolation in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"):
            for crop_mode in ("center", "squash", "border"):
                for (height, width), crop_pct in [((16, 16), 0.9), ((40, 40), 1.0), ((24, 33), 0.875), ((20, 12), 1.3)]:
                    mean, std = IMAGENET if height != 16 else HALF
                    transform = create_transform(
                        (3, height, width), is_training=False, interpolation=interpolation, crop_pct=crop_pct,
                        crop_mode=crop_mode, mean=mean, std=std,
                    )
                    try:
                        with Image.open(FOLDER / f"{name}.png") as image:
                            tensor = transform(image.convert("RGB")).numpy()
                    except ValueError:  # Pillow doesn't resize to 0 pixels
                        continue
                    numbers = " ".join(map(str, mean + std))
                    lines.append(f"{name}.png {height} {width} {crop_pct} {crop_mode} {interpolation} {numbers} "
                                 f"{zlib.crc32(tensor.tobytes())}")
    (FOLDER / f"preprocess_{pass_order()}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:] == ["unusual"]:
        write_unusual()
        sys.exit()
    if sys.argv[1:] != ["preprocessed"]:
        write_images()
        write_jpegs()
        write_optional()
        write_decoded()
    write_preprocessed()
