#!/usr/bin/env python3
"""Make the golden list of Hugging Face's image processors: what transformers makes of a picture by each file.

hugging_face/processors.json is a list of objects: `processor`, the text of a preprocessor_config.json; `picture`, the
height and width of picture(); `size`, those of the result; and `crc32` of the result (3, height, width) in float32. A
processor that transformers refuses has `error` instead.

Pictures are of sizes for which all versions of Pillow agree. Made with transformers 5.24.0, Pillow 13.0.0 and numpy
2.4.6; needs torchvision, too, which transformers imports.

    python golden_processors.py ../tests/golden
"""
import argparse
import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import AutoImageProcessor

TYPES = ["BeitImageProcessor", "ViTImageProcessor", "DeiTImageProcessor", "CLIPImageProcessor",
         "ChineseCLIPImageProcessor", "BitImageProcessor", "BlipImageProcessor", "SiglipImageProcessor",
         "PvtImageProcessor", "MobileNetV1ImageProcessor", "MobileNetV2ImageProcessor"]
BEIT = dict(image_processor_type="BeitImageProcessor", size=20)
CLIP = dict(image_processor_type="CLIPImageProcessor", size=20, crop_size=16)
PICTURES = [(45, 61), (61, 50)]


def cases():
    """Yield the arguments of processors."""
    for kind in TYPES:
        yield dict(image_processor_type=kind)
        yield dict(image_processor_type=kind, size=24, crop_size=20, do_center_crop=True)
        yield dict(image_processor_type=kind, size=dict(height=19, width=23), do_center_crop=False)
    efficient = dict(image_processor_type="EfficientNetImageProcessor", include_top=False)
    yield efficient
    yield dict(efficient, include_top=None, do_center_crop=True)
    yield dict(efficient, size=24, crop_size=20, do_center_crop=True, resample=2)
    yield dict(size=20)
    yield dict(feature_extractor_type="BeitFeatureExtractor", size=20, do_center_crop=False, resample=2)
    yield dict(image_processor_type="ViTImageProcessorFast", size=20)
    for key in ("do_center_crop", "do_normalize", "do_rescale"):
        for value in (True, False, None):
            yield dict(BEIT, crop_size=16, **{key: value})
    yield dict(BEIT, do_normalize=False, do_rescale=False)
    for resample in range(6):
        yield dict(BEIT, resample=resample)
    for size in (dict(shortest_edge=20), [20, 24], dict(height=14, width=26), 15):
        yield dict(BEIT, size=size, do_center_crop=True, crop_size=dict(height=16, width=18))
    yield dict(CLIP, size=dict(shortest_edge=13), crop_size=dict(height=16, width=15))
    yield dict(CLIP, image_mean=0.4, image_std=0.3)
    yield dict(CLIP, image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.6, 0.7], rescale_factor=1 / 127.5)
    for key in ("size", "resample", "image_mean", "image_std", "rescale_factor"):
        yield dict(BEIT, **{key: None})
    yield dict(CLIP, crop_size=None)
    yield dict(image_processor_type="ViTImageProcessor", do_center_crop=True)
    yield dict(BEIT, size=0)
    yield dict(BEIT, size=dict(height=20))


def picture(height, width):
    y, x, c = np.mgrid[:height, :width, :3]
    return ((x * x * 3 + y * 7 * (c + 1) + x * y // 8 + 40 * c) % 256).astype(np.uint8)


def result(arguments, height, width):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps({"model_type": "beit"}))
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(arguments))
        row = dict(processor=arguments, picture=[height, width])
        try:
            processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
            pixels = processor(Image.fromarray(picture(height, width)), return_tensors="np")["pixel_values"][0]
        except (TypeError, ValueError, OSError) as error:
            return dict(row, error=type(error).__name__)
    pixels = np.ascontiguousarray(pixels, dtype=np.float32)
    return dict(row, size=list(pixels.shape[1:]), crc32=zlib.crc32(pixels.tobytes()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    rows = [result(arguments, *size) for arguments in cases() for size in PICTURES]
    text = ",\n".join(json.dumps(row) for row in rows)
    (folder / "hugging_face" / "processors.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
