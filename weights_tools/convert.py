#!/usr/bin/env python3
"""Convert a BEiT checkpoint to one safetensors file that beit::load reads.

SOURCE is one of
  a timm model name            beit_base_patch16_224.in22k_ft_in22k_in1k (timm downloads it; hf-hub:OWNER/NAME too)
  a folder                     with model.safetensors (or pytorch_model.bin) and config.json, as timm publishes; or with
                               those and preprocessor_config.json, as transformers does
  a converted file             for example to store it in another type
  a bare checkpoint            .safetensors, .bin, .pth, .pt or .ckpt, by the names of timm, Microsoft (BEiT-3 too),
                               transformers, mmpretrain or candle, under any one prefix; the weights may be nested
                               under model, module, state_dict or their EMA forms, which go first (--key chooses)

The architecture of a bare checkpoint is inferred from the shapes, unless --architecture names one; with
--architecture, timm resizes position tables that belong to another image size.

A masked-image head (mask_token, lm_head) is kept, for beit-mask and load_masked_image_model; so is a segmentation head,
for load_segmentation_model, of transformers' folders, and of Microsoft's and mmsegmentation's .pth files.

OUT gets timm's parameter names and, in the metadata entry "beit.config", the architecture, the preprocessing and
the labels; or config.json of transformers, with preprocessor_config.json in "beit.preprocessor". It is written under a temporary name and renamed once it is complete.
"""
import argparse
import json
import logging
import re
import sys
from pathlib import Path
from typing import NamedTuple

import timm
import torch
from timm.data import ImageNetInfo
from timm.models.beit import checkpoint_filter_fn

import converted
import segmentation
from checkpoint import (bare_transformers_config, check_config, infer_config, is_transformers, named_config, note,
                        read_checkpoint, read_json, transformers_config)
from converted import ConversionError, about, one_line, shown

FILE_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".tar")
FOREIGN_SUFFIXES = {".pdparams": "PaddlePaddle's", ".h5": "Keras's", ".keras": "Keras's", ".onnx": "an ONNX file",
                    ".gguf": "a GGUF file", ".npz": "NumPy's", ".msgpack": "Flax's", ".pkl": "a pickle"}
WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")
PREPROCESSOR_NAMES = ("processor_config.json", "preprocessor_config.json")
MMPRETRAIN_CROP_PCT = 224 / 256
IMAGENET_OF_CLASSES = {1000: "imagenet-1k", 21841: "imagenet-22k"}


def model_of_timm(name):
    """Return a model that timm downloads, its architecture and its pretrained_cfg."""
    architectures = converted.ARCHITECTURES
    if not name.startswith("hf-hub:") and name.split(".")[0] not in architectures:
        raise ConversionError(f"{name!r} is neither a file, a folder, nor one of timm's BEiT models: "
                              + ", ".join(architectures))
    published = [known for known in timm.list_pretrained() if known.split(".")[0] in architectures]
    if not name.startswith("hf-hub:") and "." in name and name not in published:
        raise ConversionError(f"timm has no weights {name!r}, but {', '.join(published)}")
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # instead of one line per attempt
    try:
        model = timm.create_model(name, pretrained=True)
    except ImportError as error:
        raise ConversionError(f"timm can't download {name} without huggingface_hub: {one_line(error)}") from error
    except Exception as error:  # the hub's client, the network and the files may raise anything
        raise ConversionError(f"timm can't load {name}: {one_line(error)[:300]}") from error
    if not converted.is_beit(model):
        raise ConversionError(f"{name} is a {type(model).__name__}, wanted a BEiT")
    return model.eval(), model.pretrained_cfg["architecture"], model.pretrained_cfg


def fit(tensors, model):
    """Return `tensors`, resized by timm if they belong to another image or patch size than the model's."""
    wanted = model.state_dict()
    if all(name not in tensors or tensors[name].shape == value.shape for name, value in wanted.items()):
        return tensors  # because timm's filter mistakes some non-square tables for square ones
    try:
        fitting = checkpoint_filter_fn(tensors, model)
    except Exception as error:  # tensors of unexpected shapes may raise anything
        raise ConversionError("timm can't resize the weights to the architecture") from error
    resized = [name for name in fitting if fitting[name].shape != tensors[name].shape]
    if resized:
        note(f"timm resized {len(resized)} tensors, {resized[0]} and others")
    return fitting


class Loaded(NamedTuple):
    """What a source holds."""
    model: torch.nn.Module  # timm's; for a segmentation model None, and head has all of its tensors
    architecture: str
    preprocessing: dict  # a pretrained_cfg, with the labels
    head: dict = {}  # the tensors of a masked-image head
    own_config: dict = None  # transformers' config.json, which is kept as it is
    preprocessor: str = None  # the preprocessing beside the configuration, if that has none or can't state it


def preprocessor_beside(folder):
    """Read the preprocessing of a folder of transformers, as text."""
    found = {name: read_json(folder / name) for name in PREPROCESSOR_NAMES if (folder / name).is_file()}
    nested = next((text for text in found.values() if isinstance(text, dict) and "image_processor" in text), None)
    text = nested or found.get("preprocessor_config.json")
    if text is None:
        raise ConversionError(f"{folder} has neither preprocessor_config.json nor image_processor in "
                              "processor_config.json, which transformers needs, too")
    return json.dumps(text)


def model_of_transformers(tensors, config, preprocessor):
    """Return a model of transformers. timm computes it, but for its preprocessing."""
    for_timm = transformers_config(tensors, config)
    model = converted.create_model(for_timm)
    tensors, head = converted.split_head(tensors)
    if "norm.weight" not in tensors and "fc_norm.weight" not in tensors:
        model.norm = torch.nn.Identity()  # the mean of the patches' tokens, without a pooler
    converted.load_tensors(model, tensors)
    return Loaded(model, for_timm["architecture"], for_timm["pretrained_cfg"], head, config, preprocessor)


def segmentation_model(found, config, preprocessor, options):
    """Return the segmentation model in a checkpoint."""
    tensors = found.tensors
    if config is None:
        if options.architecture:
            raise ConversionError("it is a segmentation model, whose sizes follow from the weights: --architecture is for "
                                  "others")
        config = segmentation.make_config(tensors, found.meta, options)
    segmentation.check(tensors, config)
    return Loaded(None, config.get("architecture") or "beit", {}, tensors, config, preprocessor)


def model_of_path(path, options):
    """Return the model in a file or folder."""
    config = preprocessor = None
    if path.is_dir():
        weights = next((path / name for name in WEIGHT_NAMES if (path / name).is_file()), None)
        if weights is None:
            found = sorted(entry.name for entry in path.iterdir())
            raise ConversionError(f"{path} has neither {' nor '.join(WEIGHT_NAMES)}, but "
                                  + (", ".join(found[:5]) + (", ..." if len(found) > 5 else "") or "no file at all"))
        config = check_config(read_json(path / "config.json"), path / "config.json")
        found = read_checkpoint(weights, options.unsafe_pickle, options.key)
        if converted.is_transformers_config(config):
            preprocessor = preprocessor_beside(path)
    else:
        if path.suffix not in FILE_SUFFIXES:
            what = FOREIGN_SUFFIXES.get(path.suffix)
            raise ConversionError(f"{path}{' is ' + what if what else ''}: wanted a file that ends in "
                                  + ", ".join(FILE_SUFFIXES))
        found = read_checkpoint(path, options.unsafe_pickle, options.key)
        config = found.config
        if config is not None:
            preprocessor = converted.read_preprocessor(path)
    tensors, publisher = found.tensors, found.publisher
    if config is None and is_transformers(publisher):
        if (path.parent / "config.json").is_file() and path.name in WEIGHT_NAMES:
            return model_of_path(path.parent, options)
        if segmentation.is_segmentation(tensors):
            raise ConversionError(f"{path} has no config.json beside it, which tells the blocks that feed the "
                                  "segmentation head")
        if options.architecture:
            raise ConversionError(f"{path} has the names of transformers: --architecture is for timm's")
        config, preprocessor = bare_transformers_config(tensors, options)
        return model_of_transformers(tensors, config, preprocessor)
    if config is not None and (options.architecture or options.num_heads or options.image_size or options.global_pool):
        raise ConversionError(f"{path} has a configuration of its own: --architecture, --num-heads, --image-size "
                              "and --global-pool are for bare checkpoints")
    if segmentation.is_segmentation(tensors):
        return segmentation_model(found, config, preprocessor, options)
    if config is not None and converted.is_transformers_config(config):
        return model_of_transformers(tensors, config, preprocessor)
    if config is None:
        config = named_config(tensors, options) if options.architecture else infer_config(tensors, options)
        model = converted.create_model(config)
        if options.architecture:
            tensors = fit(tensors, model)
    else:
        arguments = config["model_args"]
        if arguments.get("init_values", 0) is None and "blocks.0.gamma_1" in tensors:
            del arguments["init_values"]  # timm's create_model drops it as well, for the architecture's own
        model = converted.create_model(config)
    tensors, head = converted.split_head(tensors)
    converted.load_tensors(model, tensors)
    preprocessing = dict(config["pretrained_cfg"])
    if publisher == "mmpretrain":
        preprocessing["crop_pct"] = MMPRETRAIN_CROP_PCT
    for key in ("label_names", "label_descriptions", "pass_order"):
        if config.get(key):
            preprocessing[key] = config[key]
    return Loaded(model, config["architecture"], preprocessing, head, preprocessor=preprocessor)


def labels_of(model, preprocessing):
    """Return the model's label names, in the order of the logits, and their descriptions."""
    names = preprocessing.get("label_names") or []
    descriptions = preprocessing.get("label_descriptions") or {}
    if isinstance(names, dict):
        missing = next((i for i in range(len(names)) if str(i) not in names), None)
        if missing is not None:
            raise ConversionError(f"label_names has {len(names)} entries but none for class {missing}")
        names = [names[str(i)] for i in range(len(names))]
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, (str, int, float)) for name in names):
        raise ConversionError(f"label_names is {shown(names)}, wanted a list of names")
    if not isinstance(descriptions, dict):
        raise ConversionError(f"label_descriptions is {shown(descriptions)}, wanted an object from names to text")
    if names and len(names) != model.num_classes:
        raise ConversionError(f"there are {len(names)} label_names for {model.num_classes} classes")
    if not names and model.num_classes in IMAGENET_OF_CLASSES:
        info = ImageNetInfo(IMAGENET_OF_CLASSES[model.num_classes])
        names, descriptions = info.label_names(), info.label_descriptions(as_dict=True)
    return names, descriptions


def load_again(path):
    """Load the model in a converted file, which may have the configuration of transformers."""
    tensors, config = converted.read(path)
    if config is None or not converted.is_transformers_config(config):
        return converted.load(path)
    return model_of_transformers(converted.restore_tensors(tensors), config, None).model


@torch.no_grad()
def verify(path, model, dtype):
    """Compare the file at `path`, through its own configuration, with `model`, in double precision.

    The file must give the same results as the model with its weights rounded to `dtype`; rounding explains the rest.
    """
    images = torch.rand(2, model.patch_embed.proj.in_channels, *model.patch_embed.img_size, dtype=torch.float64,
                        generator=torch.Generator().manual_seed(0)) * 2 - 1
    source = model.double()(images)
    loaded = load_again(path).double()(images)
    for name, parameter in model.named_parameters():
        parameter.copy_(converted.rounded(name, parameter, dtype))
    rounded = model(images)
    unexplained = (loaded - rounded).abs().max().item()
    print(f"verified with timm in double precision on 2 random images: logits up to {source.abs().max():.3g}, largest "
          f"difference to the source {(loaded - source).abs().max():.3g}, of which not explained by {dtype}: "
          f"{unexplained:.3g}")
    if not unexplained <= 1e-9 * max(1.0, source.abs().max().item()):
        raise ConversionError(f"the written file differs from its source by {unexplained:.3g}")


def load(options):
    """Return the model in options.source."""
    path = Path(options.source)
    looks_like_path = path.suffix in FILE_SUFFIXES or options.source.startswith((".", "/", "~"))
    try:
        path.stat()
    except FileNotFoundError:
        if looks_like_path and not options.source.startswith("hf-hub:"):
            raise ConversionError(f"{path}: no such file or folder") from None
        return Loaded(*model_of_timm(options.source))
    except OSError as error:
        raise ConversionError(f"can't read {path}: {error.strerror}") from error
    return model_of_path(path, options)


def convert(options):
    """Convert options.source to options.out; return the configuration written."""
    if options.out.is_dir():
        raise ConversionError(f"{options.out} is a folder, wanted a file name")
    with about(options.source):
        model, architecture, preprocessing, head, own_config, preprocessor = load(options)
        if model is None:
            return convert_segmentation(head, own_config, preprocessor, options)
        if own_config:
            names, config = [], own_config
        else:
            names, descriptions = labels_of(model, preprocessing)
            config = converted.make_config(model, architecture, preprocessing, names, descriptions)
        tensors = converted.convert_tensors({**model.state_dict(), **head}, options.dtype)
    check = (lambda temporary: verify(temporary, model, options.dtype)) if options.verify else None
    converted.write(options.out, tensors, config, check, preprocessor)
    print(f"{options.out}: {architecture}, {sum(x.numel() for x in model.parameters())} parameters in {options.dtype}, "
          f"{model.num_classes} classes, {len(names or config.get('id2label', ()))} labels, {options.out.stat().st_size / 1e6:.1f} MB"
          + (f", with the masked-image head of {len(head['lm_head.weight'])} tokens" if head else ""))
    return config


def convert_segmentation(tensors, config, preprocessor, options):
    """Write a segmentation model to options.out; return the configuration written."""
    stored = converted.convert_tensors(tensors, options.dtype)
    check = (lambda path: segmentation.verify(path, tensors, config, options.dtype)) if options.verify else None
    converted.write(options.out, stored, config, check, preprocessor)
    print(f"{options.out}: {segmentation.describe(tensors, config)}, in {options.dtype}, "
          f"{options.out.stat().st_size / 1e6:.1f} MB")
    return config


def image_size(text):
    """Parse --image-size: 224 or 224x320 (height x width)."""
    match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not SIZE or HEIGHTxWIDTH")
    return int(match[1]), int(match[2] or match[1])


def positive(text):
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE", help="timm model name, folder, or checkpoint file")
    parser.add_argument("out", metavar="OUT", type=Path, help="safetensors file to write")
    parser.add_argument("--dtype", choices=list(converted.DTYPES), default="f32", help="stored type (default: f32)")
    parser.add_argument("--verify", action="store_true",
                        help="read the file back, run it and its source in timm, and print the largest difference")
    bare = parser.add_argument_group("bare checkpoints only")
    bare.add_argument("--architecture", metavar="NAME", help="one of timm's BEiT architectures (default: inferred)")
    bare.add_argument("--num-heads", metavar="A", type=positive, help="attention heads, if no position table tells")
    bare.add_argument("--image-size", metavar="SIZE|HxW", type=image_size, help="if no position table tells")
    bare.add_argument("--global-pool", choices=["avg", "token"], help="pooling (default: avg with fc_norm, else token)")
    bare.add_argument("--key", metavar="NAME",
                      help="which of several models in a training checkpoint: an entry such as state_dict or model_ema, or "
                           "a prefix of names; dots lead further in (default: averaged weights before others)")
    bare.add_argument("--unsafe-pickle", action="store_true",
                      help="load any Python object from a .pth or .bin file, which runs code from the file")
    return parser.parse_args(arguments)


def main(arguments=None):
    try:
        convert(parse(arguments))
    except ConversionError as error:
        note(f"error: {error}")
        return 1
    except OSError as error:
        note(f"error: {converted.reason_of(error)}")
        return 1
    except MemoryError:
        note("error: out of memory")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
