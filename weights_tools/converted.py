"""The converted file: one safetensors file with timm's parameter names, and the configuration in its metadata.

`__metadata__` holds "beit.config", a JSON object with the keys of the config.json that timm publishes:
architecture, num_classes, num_features, global_pool, model_args, label_names, label_descriptions and
pretrained_cfg; and pass_order, the library's name for the order in which Pillow resizes across and down. Or it is the
config.json of transformers, whose models have another epsilon than timm's.

"beit.preprocessor", if it is there, replaces what "beit.config" says of the preprocessing: a JSON object with the keys
of transformers' preprocessor_config.json or of timm's pretrained_cfg. Beside a config.json of transformers it always is.

In an int8 file each matrix of the blocks, NAME (outputs, inputs), is I8 and has NAME_scale (outputs,) in F32 beside it;
the weight is their product. The first and last matrices, and a segmentation head's convolutions, are BF16, everything
else F32.
"""
import contextlib
import functools
import json
import math
import os
import re
import tempfile
from pathlib import Path

import safetensors
import safetensors.torch
import timm
import torch
from timm.data import DEFAULT_CROP_PCT, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models.beit import Beit
from timm.models.vision_transformer import VisionTransformer

import file_kind

CONFIG_KEY = "beit.config"
PREPROCESSOR_KEY = "beit.preprocessor"
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "int8": torch.int8}
SCALE_SUFFIX = "_scale"
QUANTISED = re.compile(r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])\.weight")
EDGES = ("patch_embed.proj.weight", "head.weight", "lm_head.weight")
CONVOLUTIONS = re.compile(r"(fpn\d\.\d|decode_head\.(.*\.conv|classifier))\.weight")  # of a segmentation head
# Names in a pretrained_cfg that the library reads; the first is that of a configuration without the key.
PASS_ORDERS = ("pillow_13", "across_first")
INTERPOLATIONS = ("bicubic", "bilinear", "nearest", "lanczos", "box", "hamming")
CROP_MODES = ("center", "squash", "border")
ARCHITECTURES = timm.list_models(module="beit") + timm.list_models("beit3_*")


class ConversionError(Exception):
    """A source that can't be converted. The message is one line."""


def shown(value):
    """Return a value of a JSON file for a message: as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def is_number(value):
    """Whether this is a finite number of a JSON file."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@contextlib.contextmanager
def about(source):
    """Let errors that don't name their file begin with `source`."""
    try:
        yield
    except ConversionError as error:
        if source in str(error):
            raise
        raise ConversionError(f"{source}: {error}") from error


def is_beit(model):
    """Whether `model` is one of timm's BEiTs: of its class, or BEiT-3, one of its VisionTransformers."""
    return isinstance(model, Beit) or is_beit3(model)


def is_beit3(model):
    """Whether `model`, which timm made, is BEiT-3."""
    return isinstance(model, VisionTransformer) and model.pretrained_cfg["architecture"].startswith("beit3_")


def is_transformers_config(config):
    """Whether this is config.json of transformers' Beit or Data2VecVision."""
    return config.get("model_type") in ("beit", "data2vec-vision")


def _plain(size):
    """Return a size as in timm's own files: one number for a square, else height and width."""
    height, width = (int(side) for side in size)
    return height if height == width else [height, width]


def mlp_ratio(dim, hidden):
    """Return a ratio from which timm computes exactly `hidden` = int(dim * ratio)."""
    ratio = hidden / dim
    return ratio if int(dim * ratio) == hidden else (hidden + 0.5) / dim


def model_args(model):
    """Return the constructor arguments that reproduce `model`, as read from its modules.

    Without layer scale, `init_values` is 0: timm.create_model drops an argument that is None and would use the
    architecture's own value.
    """
    block = model.blocks[0]
    if model.global_pool not in ("avg", "token"):
        raise ConversionError(f"global_pool is {model.global_pool!r}, wanted 'avg' or 'token'")
    if not isinstance(block.mlp.act, torch.nn.GELU) or block.mlp.act.approximate != "none":
        raise ConversionError(f"the activation is {block.mlp.act}, wanted GELU()")
    if block.attn.proj.in_features != model.embed_dim:
        raise ConversionError(f"attention has a width of {block.attn.proj.in_features}, wanted the model's, "
                              f"{model.embed_dim}")
    arguments = {
        "img_size": _plain(model.patch_embed.img_size),
        "patch_size": _plain(model.patch_embed.patch_size),
        "in_chans": model.patch_embed.proj.in_channels,
        "num_classes": model.num_classes,
        "global_pool": model.global_pool,
        "embed_dim": model.embed_dim,
        "depth": len(model.blocks),
        "num_heads": block.attn.num_heads,
    }
    ratio = mlp_ratio(model.embed_dim, block.mlp.fc1.out_features)
    if is_beit3(model):  # the rest is its architecture's
        if not isinstance(block.attn.q_norm, torch.nn.Identity):
            raise ConversionError("a BEiT-3 model with qk_norm is not supported")
        if model.pool_include_prefix:
            raise ConversionError("a BEiT-3 model with pool_include_prefix is not supported")
        if not isinstance(block.ls1, torch.nn.Identity):
            arguments["init_values"] = 0.1
        if block.attn.qkv.bias is None:
            arguments["qkv_bias"] = False
        for key, norm in (("scale_attn_norm", block.attn.norm), ("scale_mlp_norm", block.mlp.norm)):
            if isinstance(norm, torch.nn.Identity):
                arguments[key] = False
        fc_norm = not isinstance(model.fc_norm, torch.nn.Identity)
        if fc_norm != (model.global_pool == "avg"):
            arguments["fc_norm"] = fc_norm
        return {**arguments, "mlp_ratio": ratio}
    if not isinstance(block.mlp, timm.layers.Mlp):
        raise ConversionError("a BEiT model with swiglu_mlp is not supported")
    if not isinstance(block.mlp.norm, torch.nn.Identity):
        arguments["scale_mlp"] = True
    recorded = getattr(block, "init_values", None) or 0.0
    return {
        **arguments,
        "qkv_bias": block.attn.q_bias is not None,
        "mlp_ratio": ratio,
        "init_values": float(recorded) if block.gamma_1 is not None else 0.0,
        "use_abs_pos_emb": model.pos_embed is not None,
        "use_rel_pos_bias": block.attn.relative_position_bias_table is not None,
        "use_shared_rel_pos_bias": model.rel_pos_bias is not None,
        "use_fc_norm": not isinstance(model.fc_norm, torch.nn.Identity),
    }


def _checked(preprocessing, key, missing, right, wanted):
    """Return the entry `key` of a pretrained_cfg, or `missing`. ConversionError unless right(entry)."""
    value = preprocessing.get(key)
    if value is None:
        return missing
    if not right(value):
        raise ConversionError(f"{key} is {shown(value)}, wanted {wanted}")
    return value


def _per_channel(preprocessing, key, missing, channels):
    """Return as many numbers as there are channels: those of `key`, or one that all have."""
    numbers = _checked(preprocessing, key, missing,
                       lambda value: isinstance(value, (list, tuple)) and value and all(map(is_number, value))
                       and (key != "std" or 0 not in value),
                       "a list of numbers" + (" other than 0" if key == "std" else ""))
    numbers = [float(x) for x in numbers]
    if len(numbers) != channels and len(set(numbers)) == 1:
        return numbers[:1] * channels
    if len(numbers) != channels:
        raise ConversionError(f"{key} has {len(numbers)} numbers for {channels} channels")
    return numbers


def make_config(model, architecture, preprocessing, label_names=(), label_descriptions=None):
    """Return the configuration of `model`. `preprocessing` is a timm pretrained_cfg; its input_size is the model's.

    It may also have a "pass_order", the order of the resize's passes, which isn't among the fields that timm knows.
    """
    height, width = model.patch_embed.img_size
    def one_of(key, names):
        return _checked(preprocessing, key, names[0], lambda value: value in names, "one of " + ", ".join(names))

    channels = model.patch_embed.proj.in_channels
    config = {
        "architecture": architecture,
        "num_classes": model.num_classes,
        "num_features": model.num_features,
        "global_pool": model.global_pool,
        "model_args": model_args(model),
        "label_names": list(label_names),
        "label_descriptions": dict(label_descriptions or {}),
        "pass_order": one_of("pass_order", PASS_ORDERS),
        "pretrained_cfg": {
            "input_size": [channels, int(height), int(width)],
            "interpolation": one_of("interpolation", INTERPOLATIONS),
            "crop_pct": _checked(preprocessing, "crop_pct", DEFAULT_CROP_PCT,
                                 lambda value: is_number(value) and value > 0, "a number greater than 0"),
            "crop_mode": one_of("crop_mode", CROP_MODES),
            "mean": _per_channel(preprocessing, "mean", IMAGENET_DEFAULT_MEAN, channels),
            "std": _per_channel(preprocessing, "std", IMAGENET_DEFAULT_STD, channels),
            "license": _checked(preprocessing, "license", "unknown", lambda value: isinstance(value, str), "text"),
        },
    }
    return config


def create_model(config):
    """Create the timm model that a configuration describes, with timm's initial weights."""
    architecture = config.get("architecture")
    if architecture not in ARCHITECTURES:
        raise ConversionError(f"architecture {shown(architecture)} is not one of timm's BEiT models")
    arguments = dict(config.get("model_args") or {})
    for key in ("num_classes", "global_pool"):
        if config.get(key) is not None:
            arguments.setdefault(key, config[key])
    if "init_values" in arguments and arguments["init_values"] is None:
        arguments["init_values"] = 0.0
    for key in ("img_size", "patch_size"):
        if isinstance(arguments.get(key), list):
            arguments[key] = tuple(arguments[key])
    if "layer_norm_eps" in config:
        arguments["norm_layer"] = functools.partial(torch.nn.LayerNorm, eps=config["layer_norm_eps"])
    try:
        model = timm.create_model(architecture, pretrained=False, **arguments)
    except Exception as error:  # wrong arguments may raise anything
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        given = shown({key: value for key, value in arguments.items() if key != "norm_layer"})
        raise ConversionError(f"timm can't create {architecture} "
                              + (f"with the argument {unknown[1]}" if unknown else f"with model_args {given}")) from error
    if not is_beit(model):
        raise ConversionError(f"architecture {architecture!r} is not a BEiT model")
    return model.eval()


def one_line(error):
    """Return the message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def reason_of(error):
    """Return the file and the system's reason of an OSError."""
    return f"{error.filename}: {error.strerror}" if error.filename else one_line(error)


def split_head(tensors):
    """Split `tensors` into timm's, and those that only a masked-image model has: mask_token, lm_head and lm_norm."""
    head = {name: value for name, value in tensors.items()
            if name == "mask_token" or name.startswith(("lm_head.", "lm_norm."))}
    return {name: value for name, value in tensors.items() if name not in head}, head


def load_tensors(model, tensors):
    """Copy `tensors` into `model`; names and shapes must be the model's own."""
    wanted = model.state_dict()
    if is_beit3(model):  # whose layer scale timm calls otherwise than Beit's
        tensors = {re.sub(r"^(blocks\.\d+)\.gamma_([12])$", r"\1.ls\2.gamma", name): value
                   for name, value in tensors.items()}
    problems = [f"{name} is missing" for name in wanted if name not in tensors]
    problems += [f"{name} is unexpected" for name in tensors if name not in wanted]
    problems += [
        f"{name} has shape {tuple(tensors[name].shape)}, wanted {tuple(value.shape)}"
        for name, value in wanted.items() if name in tensors and tensors[name].shape != value.shape
    ]
    if problems:
        rest = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ConversionError(f"the weights don't fit the architecture: {'; '.join(problems[:3])}{rest}")
    model.load_state_dict(tensors)
    return model


def quantise(weight):
    """Quantise a matrix (outputs, inputs) to int8 with a float32 scale per output, the largest magnitude over 127.

    The scale is rounded up to 16 bits, so that their product is exact and quantising it again gives both back.
    """
    scale = weight.float().abs().amax(1) / 127
    scale = ((scale.view(torch.int32) + 0xFF) & ~0xFF).view(torch.float32)
    inverse = torch.where(scale > 1e-30, 1 / scale, 0.0)
    return torch.round(weight.float() * inverse[:, None]).to(torch.int8), scale


def stored_type(name, dtype):
    """Return the type in which tensor `name` is stored in a file of the type named `dtype`."""
    if dtype != "int8":
        return DTYPES[dtype]
    if QUANTISED.fullmatch(name):
        return torch.int8
    return torch.bfloat16 if name in EDGES or CONVOLUTIONS.fullmatch(name) else torch.float32


def rounded(name, value, dtype):
    """Return a tensor as rounded by being stored."""
    stored = stored_type(name, dtype)
    if stored != torch.int8:
        return value.to(stored)
    integers, scale = quantise(value)
    return integers.double() * scale[:, None]


def convert_tensors(tensors, dtype):
    """Convert `tensors` to the type named `dtype`; all must be finite, also after rounding."""
    result = {}
    for name, value in tensors.items():
        if not value.is_floating_point():
            raise ConversionError(f"tensor {name} has type {value.dtype}, wanted floating point")
        if not torch.isfinite(value).all():
            raise ConversionError(f"tensor {name} has values that are not finite")
        stored = stored_type(name, dtype)
        if stored == torch.int8:
            result[name], result[name + SCALE_SUFFIX] = quantise(value.detach())
            continue
        result[name] = value.detach().to(stored).contiguous()
        if not torch.isfinite(result[name]).all():
            raise ConversionError(f"tensor {name} has values up to {value.abs().max():.3g}, too large for {dtype}")
    return result


def restore_tensors(tensors):
    """Convert what convert_tensors stored back to float32."""
    result = {}
    for name, value in tensors.items():
        if value.dtype == torch.int8:
            scale = tensors.get(name + SCALE_SUFFIX)
            if scale is None or scale.shape != value.shape[:1]:
                raise ConversionError(f"tensor {name} is int8 without a {name + SCALE_SUFFIX} of shape "
                                      f"{tuple(value.shape[:1])}")
            result[name] = value.float() * scale.float()[:, None]
        elif not (name.endswith(SCALE_SUFFIX) and name.removesuffix(SCALE_SUFFIX) in tensors):
            result[name] = value.float()
    return result


def write(path, tensors, config=None, check=None, preprocessor=None):
    """Write `tensors`, all of them already in the type to be stored, under a temporary name, then rename.

    `preprocessor` is the text of the preprocessing, if `config` can't state it.

    The bytes depend only on the arguments. `check`, if given, is called with the temporary path before the rename; if
    it raises an exception, `path` stays as it was.
    """
    path = Path(path)
    metadata = {"format": "pt"}
    if config is not None:
        metadata[CONFIG_KEY] = json.dumps(config, ensure_ascii=False, sort_keys=False)
    if preprocessor is not None:
        metadata[PREPROCESSOR_KEY] = preprocessor
    data = _ordered_header(safetensors.torch.save(tensors, metadata))
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise ConversionError(f"can't write {path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            for part in data:
                file.write(part)
        if check:
            check(Path(temporary))
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's own mode is private
        os.replace(temporary, path)
    except OSError as error:
        raise ConversionError(f"can't write {path}: {error.strerror or one_line(error)}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _ordered_header(data):
    """Split a serialised file into header and data, with the header's entries in a fixed order.

    The safetensors library keeps metadata in a hash map, so the same call may give different bytes.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__")
    entries = sorted(header.items(), key=lambda entry: entry[1]["data_offsets"])
    ordered = {"__metadata__": dict(sorted(metadata.items())), **dict(entries)}
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, memoryview(data)[8 + length:]


def read_with_metadata(path):
    """Read the tensors of a safetensors file in their stored types, and its metadata."""
    try:
        kind = file_kind.kind_of(path)
        if kind != file_kind.SAFETENSORS:
            raise ConversionError(f"{path} is {'a PyTorch file' if kind == file_kind.PYTORCH else kind}; wanted a "
                                  "safetensors file")
        with safetensors.safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except OSError as error:
        raise ConversionError(f"can't read {path}: {error.strerror or one_line(error)}") from error
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise ConversionError(f"{path} is not a readable safetensors file: {one_line(error)}") from error


def read_preprocessor(path):
    """Read the preprocessing beside the configuration of a safetensors file, as text; None if it has none."""
    return read_with_metadata(path)[1].get(PREPROCESSOR_KEY)


def read(path):
    """Read the tensors of a safetensors file in their stored types, and its configuration or None."""
    tensors, metadata = read_with_metadata(path)
    config = metadata.get(CONFIG_KEY)
    try:
        return tensors, json.loads(config) if config is not None else None
    except ValueError as error:
        raise ConversionError(f"{path}: its {CONFIG_KEY} is not JSON: {one_line(error)}") from error


def load(path):
    """Load the timm model in a converted file, in float32, without a masked-image head."""
    tensors, config = read(path)
    if config is None:
        raise ConversionError(f"{path} has no {CONFIG_KEY} in its metadata")
    if is_transformers_config(config):
        raise ConversionError(f"{path} has a configuration of transformers, whose models timm computes with another "
                              "epsilon: convert.load_again makes the same model")
    return load_tensors(create_model(config), split_head(restore_tensors(tensors))[0])
