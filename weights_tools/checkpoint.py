"""Reading BEiT checkpoints in the layouts in which they are published, and inferring their configurations."""
import argparse
import json
import math
import re
from typing import NamedTuple

import timm
import torch

import converted
import file_kind
import name_tables
from converted import ConversionError, is_number, shown
from state_dict import note, read_state_dict

FALLBACK_ARCHITECTURE = "beit_base_patch16_224"
# Files that are no BEiT's, or one's that can't be computed here, by a part of their names.
FOREIGN = (
    ("quantize.", "BEiT v2's tokenizer (VQ-KD), which convert_tokenizer.py converts"),
    ("blocks.input.w", "DALL-E's tokenizer, which convert_tokenizer.py converts"),
    ("interactions.", "ViT-Adapter's"),
    ("spm.stem", "ViT-Adapter's"),
    ("vision_head.", "BEiT-3's for retrieval, which has no classifier"),
    ("vit.embeddings.", "transformers' ViT"),
    ("encoder.layers.encoder_layer_0.", "torchvision's ViT"),
    ("mlp.fc1_g.", "a model with a gated MLP (swiglu_mlp), which isn't implemented"),
    ("mlp.w12.", "a model with a gated MLP (SwiGLU), which isn't implemented"),
    ("dist_token", "a distilled DeiT"),
    ("distillation_token", "a distilled DeiT"),
    ("decoder_blocks.", "MAE's with its decoder"),
    ("register_tokens", "a ViT with registers"),
    ("reg_token", "a ViT with registers"),
    ("resblocks.", "CLIP's"),
    ("text_model.", "CLIP's"),
    ("layers.0.blocks.0.", "a Swin Transformer"),
    ("stages.0.", "a network in stages, such as ConvNeXt or Swin"),
    ("layer1.0.conv1.", "a ResNet"),
    ("lora_A.", "of LoRA's additions to a model, which must be merged with it first"),
    ("qweight", "quantised by GPTQ or AWQ, wanted the weights before that"),
    (".absmax", "quantised by bitsandbytes, wanted the weights before that"),
)


class Checkpoint(NamedTuple):
    """What a file holds."""
    tensors: dict  # those that inference uses, by timm's names
    config: dict  # its configuration, or None
    publisher: str  # whose names it has
    meta: dict  # what stands beside the tensors under "meta", as in files of mmcv


def read_checkpoint(path, unsafe_pickle=False, key=None):
    """Read a Checkpoint."""
    checkpoint, config, meta = read_state_dict(path, unsafe_pickle, key)
    tensors = {name: value for name, value in timm.models.clean_state_dict(checkpoint).items()
               if not name.endswith("relative_position_index")}
    tensors, publisher = by_timms_names(tensors, path)
    counters = [name for name, value in tensors.items() if value.ndim == 0]  # of training; no parameter is a number
    if counters:
        note(f"dropping what is no parameter ({', '.join(counters[:3])}{', ...' if len(counters) > 3 else ''})")
        tensors = {name: value for name, value in tensors.items() if name not in counters}
    for name, value in tensors.items():
        if not value.is_floating_point() and value.dtype != torch.int8:
            kind = "is quantised" if value.is_quantized else "has type"
            raise ConversionError(f"{path}: tensor {name} {kind} ({str(value.dtype)[6:]}), wanted floating point")
    tensors = converted.restore_tensors(tensors)
    if publisher == "candle":
        tensors = without_key_bias(tensors)
    # Drops BEiT v2's blocks that only pre-training uses, a mask token without a head, and the auxiliary head of
    # segmentation.
    dropped = [name for name in tensors if name.startswith(("cls_pt_layers.", "auxiliary_head."))
               or name == "mask_token" and "lm_head.weight" not in tensors]
    if dropped:
        note(f"dropping what only training uses ({', '.join(dropped[:3])}{', ...' if len(dropped) > 3 else ''})")
        tensors = {name: value for name, value in tensors.items() if name not in dropped}
    for name in ("lm_head.bias", "mask_token"):
        if "lm_head.weight" in tensors and name not in tensors:
            raise ConversionError(f"{path} has lm_head.weight, but no {name}")
    for name in ("patch_embed.proj.weight", "cls_token", "blocks.0.attn.qkv.weight"):
        if name not in tensors:
            raise ConversionError(f"{path} is not a BEiT checkpoint: it has no {name}")
    norms = ("norm.weight", "fc_norm.weight", "decode_head.classifier.weight")  # a segmentation head needs none
    if not any(name in tensors for name in norms) and not is_transformers(publisher):
        raise ConversionError(f"{path} is a trunk without a last norm (mmsegmentation's?), wanted a classifier or a "
                              "pre-trained model")
    return Checkpoint(tensors, check_config(config, path) if config is not None else None, publisher, meta)


def by_timms_names(tensors, path):
    """Return `tensors` by timm's names, and their publisher. Raise an error that says whose a foreign file is."""
    try:
        found = name_tables.publisher_of(tensors)
    except name_tables.Ambiguous as error:
        what = foreign_of(tensors)
        raise ConversionError(f"{path} is {what}" if what else f"{path} holds several models, under {error}") from error
    publisher = found[0].name if found else None
    if what := foreign_of(tensors):
        raise ConversionError(f"{path} is {what}, wanted a BEiT")
    prefixes = found[1] if found else ()
    if len(prefixes) > 1:
        note(f"{path} holds several models: taking that under {prefixes[0]!r}, not {prefixes[1]!r} (--key chooses another)")
    if not found:
        shown = ", ".join(list(tensors)[:3])
        raise ConversionError(f"{path} is not a BEiT checkpoint: it has no cls_token, but "
                              + (f"{len(tensors)} tensors such as {shown}" if tensors else "no tensor at all"))
    try:
        return name_tables.translate(tensors, *found), publisher
    except KeyError as error:
        raise ConversionError(f"{path} ({publisher}): {error.args[0]} is missing") from error
    except name_tables.Misfit as error:
        raise ConversionError(f"{path} ({publisher}): {error}") from error


def foreign_of(names):
    """Say whose a file with these names is, if it is known and no BEiT's."""
    return next((what for part, what in FOREIGN if any(part in name for name in names)), None)


def without_key_bias(tensors):
    """Cut candle's whole bias of attention in three, as timm's Beit has it. That of the keys has no effect: it adds the
    same number to all of a query's scores."""
    result = dict(tensors)
    for name in tensors:
        if name.endswith(".attn.qkv.bias"):
            q, _, v = result.pop(name).tensor_split(3)
            result[name.replace("qkv.bias", "q_bias")], result[name.replace("qkv.bias", "v_bias")] = q, v
    return result


def is_transformers(publisher):
    return "transformers" in publisher


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10**6


def is_pair(value):
    return isinstance(value, list) and len(value) == 2 and all(map(is_count, value))


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConversionError(f"can't read {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        kind = file_kind.kind_of(path)
        place = f", but not whole: {error.msg} in line {error.lineno}" if kind.startswith("a JSON") else ""
        raise ConversionError(f"{path} is {kind}{place}, wanted JSON") from error
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{path} is {file_kind.kind_of(path)}, wanted JSON") from error


def check_config(config, path):
    """Return `config`, of timm or transformers, with all parts in their places, or raise an error that names `path`."""
    if isinstance(config, dict) and converted.is_transformers_config(config):
        return config
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise ConversionError(f"{path}: its configuration names no architecture")
    if "pretrained_cfg" not in config:  # older files keep everything on one level
        config = {**config, "pretrained_cfg": config}
    for key in ("model_args", "pretrained_cfg"):
        if not isinstance(config.setdefault(key, {}), dict):
            raise ConversionError(f"{path}: {key} is {shown(config[key])}, wanted an object")
    return config


def shape_of(tensors, name, dimensions):
    """Return the shape of a tensor, which must have that many dimensions, none of them 0."""
    if name not in tensors:
        raise ConversionError(f"it has no {name}")
    shape = tuple(tensors[name].shape)
    if len(shape) != dimensions or 0 in shape:
        raise ConversionError(f"{name} has shape {shape}, wanted {dimensions} dimensions, none of them 0")
    return shape


def infer_grid(tensors, size, patch):
    """Infer the number of patches down and across (rows, columns)."""
    if size:
        if size[0] % patch[0] or size[1] % patch[1]:
            raise ConversionError(f"--image-size {size[0]}x{size[1]} is not a multiple of the "
                                  f"patch {patch[0]}x{patch[1]}")
        return size[0] // patch[0], size[1] // patch[1]
    if "pos_embed" in tensors:
        patches = shape_of(tensors, "pos_embed", 3)[1] - 1
        side = math.isqrt(max(0, patches))
        if patches > 0 and side * side == patches:
            return side, side
    else:
        table = find_table(tensors)
        if table is None:
            raise ConversionError("nothing in it tells the image size: use --image-size or --architecture")
        rows = shape_of(tensors, table, 2)[0] - 3
        width = math.isqrt(max(0, rows))
        if width % 2 and width * width == rows:
            return (width + 1) // 2, (width + 1) // 2
    raise ConversionError("its positions don't form a square: use --image-size HEIGHTxWIDTH")


def find_table(tensors):
    """Return the name of a relative position bias table, or None."""
    return next((name for name in tensors if name.endswith("relative_position_bias_table")), None)


def is_beit3(tensors):
    """Whether these are BEiT-3's tensors: only they have a norm before attention's last product."""
    return "blocks.0.attn.norm.weight" in tensors


def parts_of(tensors, options):
    """Return the constructor arguments that follow from which tensors exist."""
    fc_norm = "fc_norm.weight" in tensors
    parts = {
        "num_classes": shape_of(tensors, "head.weight", 2)[0] if "head.weight" in tensors else 0,
        "global_pool": options.global_pool or ("avg" if fc_norm else "token"),
    }
    if is_beit3(tensors):
        return {**parts, "qkv_bias": "blocks.0.attn.qkv.bias" in tensors,
                "scale_mlp_norm": "blocks.0.mlp.norm.weight" in tensors}
    return {
        **parts,
        "qkv_bias": "blocks.0.attn.q_bias" in tensors,
        "use_abs_pos_emb": "pos_embed" in tensors,
        "use_rel_pos_bias": "blocks.0.attn.relative_position_bias_table" in tensors,
        "use_shared_rel_pos_bias": "rel_pos_bias.relative_position_bias_table" in tensors,
        "use_fc_norm": fc_norm,
        "scale_mlp": "blocks.0.mlp.norm.weight" in tensors,
    }


def transformers_config(tensors, config):
    """Return the configuration for timm of a model of transformers with this config.json, to which shapes add what it
    leaves out."""
    def value(key, right, wanted, missing=None):
        found = missing if config.get(key) is None else config[key]
        if found is not None and not right(found):
            raise ConversionError(f"config.json: {key} is {shown(found)}, wanted {wanted}")
        return found

    size = value("image_size", lambda x: is_count(x) or is_pair(x), "a number or two")
    options = argparse.Namespace(num_heads=value("num_attention_heads", is_count, "a number of at least 1"),
                                 image_size=(size, size) if isinstance(size, int) else size,
                                 global_pool={True: "avg", False: "token", None: None}[
                                     value("use_mean_pooling", lambda x: isinstance(x, bool), "true or false")])
    eps = value("layer_norm_eps", lambda x: is_number(x) and x >= 0, "a number of at least 0", 1e-12)
    value("hidden_act", lambda x: x == "gelu", "'gelu'")
    return {**infer_config(tensors, options, quiet=True), "layer_norm_eps": float(eps)}


def bare_transformers_config(tensors, options):
    """Return the config.json and preprocessor_config.json that a bare checkpoint of transformers lacks."""
    arguments = infer_config(tensors, options, quiet=True)["model_args"]
    note("found no config.json beside the weights of transformers: assuming the defaults of its classes")
    height, width = arguments["img_size"]
    config = {"model_type": "beit", "image_size": [height, width], "num_attention_heads": arguments["num_heads"],
              "use_mean_pooling": arguments["global_pool"] == "avg" or "norm.weight" not in tensors}
    preprocessor = {"image_processor_type": "BeitImageProcessor", "do_center_crop": False,
                    "size": {"height": height, "width": width}}
    return config, json.dumps(preprocessor)


def infer_config(tensors, options, quiet=False):
    """Infer the configuration of a bare checkpoint from its shapes; `quiet` takes no note of what is assumed."""
    if "blocks.0.attn.qkv.bias" in tensors and not is_beit3(tensors):
        raise ConversionError("it is a ViT, wanted a BEiT, whose attention has q_bias and v_bias instead of qkv.bias")
    blocks = {int(match[1]) for match in (re.match(r"blocks\.(\d{1,9})\.", name) for name in tensors) if match}
    if blocks != set(range(len(blocks))):
        raise ConversionError(f"it has {len(blocks)} blocks, numbered up to {max(blocks)}")
    dim, channels, *patch = shape_of(tensors, "patch_embed.proj.weight", 4)
    grid = infer_grid(tensors, options.image_size, patch)
    table = find_table(tensors)
    heads = shape_of(tensors, table, 2)[1] if table else options.num_heads
    if heads is None:
        raise ConversionError("no table in it tells the number of heads: "
                              "use --num-heads (or --architecture, for a model of timm's)")
    if dim % heads:
        raise ConversionError(f"{heads} heads don't divide the width {dim}")
    arguments = {
        "img_size": (grid[0] * patch[0], grid[1] * patch[1]),
        "patch_size": tuple(patch),
        "in_chans": channels,
        "embed_dim": dim,
        "depth": len(blocks),
        "num_heads": heads,
        "mlp_ratio": converted.mlp_ratio(dim, shape_of(tensors, "blocks.0.mlp.fc1.weight", 2)[0]),
        **parts_of(tensors, options),
    }
    arguments["init_values"] = 0.1 if "blocks.0.gamma_1" in tensors else 0.0
    if is_beit3(tensors):
        architecture = match_architecture(arguments, timm.list_models("beit3_*"), "beit3_base_patch16_224", quiet)
    else:
        architecture = match_architecture(arguments, timm.list_models(module="beit"), FALLBACK_ARCHITECTURE, quiet)
    return {"architecture": architecture, "model_args": arguments, "pretrained_cfg": preprocessing_of(architecture)}


def named_config(tensors, options):
    """Return the configuration of a bare checkpoint whose architecture the user names."""
    if options.architecture not in converted.ARCHITECTURES:
        raise ConversionError(f"--architecture {options.architecture!r} is not one of timm's BEiT models: "
                              + ", ".join(converted.ARCHITECTURES))
    arguments = parts_of(tensors, options)
    if ("blocks.0.gamma_1" in tensors) == is_beit3(tensors):  # otherwise the architecture says it
        arguments["init_values"] = 0.1 if is_beit3(tensors) else 0.0
    if options.image_size:
        arguments["img_size"] = options.image_size
    if options.num_heads:
        arguments["num_heads"] = options.num_heads
    return {"architecture": options.architecture, "model_args": arguments,
            "pretrained_cfg": preprocessing_of(options.architecture)}


def preprocessing_of(architecture):
    """Return an architecture's preprocessing in timm, without the licence, which is that of timm's own weights."""
    return {**timm.get_pretrained_cfg(architecture).to_dict(), "license": "unknown"}


def match_architecture(arguments, names, fallback, quiet=False):
    """Find the architecture in `names` with these sizes; BEiT comes before BEiT v2, which has the same shapes."""
    for name in names:
        width, depth, heads = (1024, 24, 16) if "_large_" in name else (768, 12, 12)
        patch, side = (int(x) for x in re.search(r"patch(\d+)_(\d+)$", name).groups())
        if (arguments["embed_dim"], arguments["depth"], arguments["num_heads"]) == (width, depth, heads) \
                and arguments["patch_size"] == (patch, patch) and arguments["img_size"] == (side, side):
            second = name.replace("beit_", "beitv2_")
            if second in names and not quiet:
                note(f"assuming {name}; BEiT v2 has the same shapes but another mean and std: if it is one, "
                     f"give --architecture {second}")
            return name
    if not quiet:
        note(f"the sizes are those of no timm architecture: using {fallback}'s preprocessing")
    return fallback
