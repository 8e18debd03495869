"""Segmentation models in a converted file: their tensors, their configuration, and transformers' class to verify them.

Tensors have timm's names for the trunk; "fpn1", "fpn2" and "decode_head" are as in Microsoft's files and in those of
save_pretrained, with "decode_head.classifier" for the last layer. The auxiliary head, which only training uses, is left
out. The configuration is config.json of transformers, or timm's with "out_indices" and "pool_scales", as transformers
has them, "label_names" and "palette", [[red, green, blue], ...].
"""
import ast
import re
import warnings

import torch

import converted
import name_tables
from checkpoint import infer_config, shape_of
from converted import ConversionError, shown
from state_dict import note

CLASSIFIER = "decode_head.classifier.weight"
POOL_SCALES = (1, 2, 3, 6)
# mmsegmentation's and Microsoft's preprocessing, but that images keep their ratio.
PREPROCESSING = {"interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "squash", "mean": [0.485, 0.456, 0.406],
                 "std": [0.229, 0.224, 0.225]}
EPS = 1e-6  # of Microsoft's layer norms


def is_segmentation(tensors):
    return CLASSIFIER in tensors


def literal(node):
    """Return the value of an expression of a configuration, whose dict(...) calls are dictionaries; None for what
    isn't written out. Nothing is run."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {argument.arg: literal(argument.value) for argument in node.keywords}
    if isinstance(node, ast.Dict):
        return {literal(key): literal(value) for key, value in zip(node.keys, node.values) if isinstance(key, ast.Constant)}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [literal(element) for element in node.elts]
    return node.value if isinstance(node, ast.Constant) else None


def model_in(text):
    """Return `model` in the text of an mmsegmentation's configuration, Python that assigns dictionaries; {} if it has
    none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings
            statements = ast.parse(text).body
        found = [literal(statement.value) for statement in statements if isinstance(statement, ast.Assign)
                 and any(isinstance(target, ast.Name) and target.id == "model" for target in statement.targets)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return found[-1] if found and isinstance(found[-1], dict) else {}


def of_config(meta, part, name):
    """Return a field of a part of the model in the configuration that training left in "meta"; None if it has none."""
    texts = [meta[key] for key in ("config", "cfg") if isinstance(meta.get(key), str)]  # mmcv's, and mmengine's
    found = model_in(texts[0]).get(part) if texts else None
    return found.get(name) if isinstance(found, dict) else None


def ascending_blocks(value, depth):
    return isinstance(value, list) and len(value) == 4 and all(
        isinstance(i, int) and not isinstance(i, bool) and 0 <= i < depth for i in value) and value == sorted(set(value))


def head_fields(tensors, meta, depth):
    """Return the blocks that feed the head and the scales of its pooling, from "meta" or as Microsoft's models have
    them, which a note says."""
    blocks, scales = of_config(meta, "backbone", "out_indices"), of_config(meta, "decode_head", "pool_scales")
    if blocks is not None and not ascending_blocks(blocks, depth):
        raise ConversionError(f"meta: config: out_indices is {shown(blocks)}, wanted four ascending blocks below the "
                              f"depth {depth}")
    if scales is not None and not (isinstance(scales, list)
                                   and all(isinstance(x, int) and 1 <= x <= 64 for x in scales)):
        raise ConversionError(f"meta: config: pool_scales is {shown(scales)}, wanted numbers from 1 to 64")
    assumed = [name for name, value in (("out_indices", blocks), ("pool_scales", scales)) if value is None]
    if blocks is None:
        blocks = [depth // 3 - 1, depth // 2 - 1, 2 * depth // 3 - 1, depth - 1]
    if scales is None:
        scales = list(POOL_SCALES)
    if assumed:
        values = {"out_indices": blocks, "pool_scales": scales}
        note("no configuration in meta tells " + " and ".join(assumed) + ": assuming "
             + " and ".join(str(values[name]) for name in assumed) + ", as in Microsoft's models")
    modules = {name.split(".")[2] for name in tensors if name.startswith("decode_head.psp_modules.")}
    if len(modules) != len(scales):
        raise ConversionError(f"decode_head has {len(modules)} psp_modules, wanted one for each of the pool_scales "
                              f"{shown(scales)}")
    return blocks, scales


def text_list(value):
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)


def colour_list(value):
    return isinstance(value, (list, tuple)) and all(
        isinstance(colour, (list, tuple)) and len(colour) == 3 and all(x in range(256) for x in colour)
        for colour in value)


def make_config(tensors, meta, options):
    """Return the configuration of a checkpoint of Microsoft's or mmsegmentation's, whose "meta" has the labels."""
    config = infer_config(tensors, options, quiet=True)
    depth, (height, width) = config["model_args"]["depth"], config["model_args"]["img_size"]
    classes = shape_of(tensors, CLASSIFIER, 4)[0]
    data_set = meta.get("dataset_meta") if isinstance(meta.get("dataset_meta"), dict) else {}

    def listed(old, new, right, wanted):
        found = meta.get(old) or data_set.get(new) or []
        if found and not (right(found) and len(found) == classes):
            what = f"{len(found)} entries" if right(found) else shown(found)
            note(f"leaving out {old} in meta: found {what}, wanted {wanted} for each of the {classes} classes")
            return []
        return [list(x) if isinstance(x, tuple) else x for x in found]

    blocks, scales = head_fields(tensors, meta, depth)
    config |= {"num_classes": classes, "out_indices": blocks, "pool_scales": scales,
               "label_names": [name.strip() for name in listed("CLASSES", "classes", text_list, "a name")]}
    if palette := listed("PALETTE", "palette", colour_list, "a colour"):
        config["palette"] = palette
    channels = config["model_args"]["in_chans"]
    config["model_args"]["num_classes"] = 0  # of the trunk
    config["pretrained_cfg"] = {"input_size": [channels, height, width], **PREPROCESSING}
    return config


def transformers_class(tensors, config):
    """Return transformers' model with these tensors."""
    try:
        import transformers
    except ImportError as error:
        raise ConversionError("--verify of a segmentation model needs transformers: pip install transformers") from error
    if converted.is_transformers_config(config):
        model_config = transformers.BeitConfig(**config)
        model_config.num_labels = shape_of(tensors, CLASSIFIER, 4)[0]
    else:
        args = config["model_args"]
        model_config = transformers.BeitConfig(
            image_size=args["img_size"], patch_size=args["patch_size"][0], num_channels=args["in_chans"],
            hidden_size=args["embed_dim"], num_hidden_layers=args["depth"], num_attention_heads=args["num_heads"],
            intermediate_size=int(args["embed_dim"] * args["mlp_ratio"]), layer_norm_eps=EPS,
            use_relative_position_bias=args["use_rel_pos_bias"], layer_scale_init_value=args["init_values"],
            use_shared_relative_position_bias=args["use_shared_rel_pos_bias"],
            use_absolute_position_embeddings=args["use_abs_pos_emb"], num_labels=config["num_classes"],
            out_indices=config["out_indices"], pool_scales=config["pool_scales"])
    model_config.use_auxiliary_head = False
    model = transformers.BeitForSemanticSegmentation(model_config)
    wanted = model.state_dict()
    named = named_as(wanted, tensors)
    missing = [name for name in wanted if name not in named and not name.endswith(("num_batches_tracked", "_index"))]
    unexpected = [name for name in named if name not in wanted]
    if missing or unexpected:
        raise ConversionError(f"transformers' class has {missing[0] if missing else 'no ' + unexpected[0]}, which the "
                              f"file {'lacks' if missing else 'has'}")
    model.load_state_dict(named, strict=False)
    return model.double().eval()


def named_as(wanted, tensors):
    """Return the tensors under the names that transformers has in memory, as `wanted` shows."""
    for publisher in name_tables.PUBLISHERS:
        if "beit." + publisher.marker in wanted and "transformers" in publisher.name:
            return {new: value for name, tensor in tensors.items()
                    for new, value in name_tables.published(name, tensor, publisher, "beit.")}
    raise ConversionError("this version of transformers has other names for BEiT's parameters than those known")


@torch.no_grad()
def verify(path, tensors, config, dtype):
    """Compare the file at `path` with the source's tensors by transformers' class, in double precision.

    The file must give the same results as the tensors rounded to `dtype`; rounding explains the rest.
    """
    stored, own = converted.read(path)
    stored = converted.restore_tensors(stored)
    source, found = transformers_class(tensors, config), transformers_class(stored, own)
    size = source.config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    images = torch.rand(1, source.config.num_channels, height, width, dtype=torch.float64,
                        generator=torch.Generator().manual_seed(0)) * 2 - 1
    wanted, results = source(images).logits, found(images).logits
    if dtype == "f32":
        exact = wanted
    else:
        exact = transformers_class({name: converted.rounded(name, value, dtype).double()
                                    for name, value in tensors.items()}, config)(images).logits
    unexplained = (results - exact).abs().max().item()
    print(f"verified with transformers in double precision on a random image: logits up to {wanted.abs().max():.3g}, "
          f"largest difference to the source {(results - wanted).abs().max():.3g}, of which not explained by {dtype}: "
          f"{unexplained:.3g}")
    if not unexplained <= 1e-9 * max(1.0, wanted.abs().max().item()):
        raise ConversionError(f"the written file differs from its source by {unexplained:.3g}")


def describe(tensors, config):
    """Say what the file holds, for a message."""
    classes = shape_of(tensors, CLASSIFIER, 4)[0]
    labels = len(config.get("label_names") or config.get("id2label") or ())
    parameters = sum(value.numel() for name, value in tensors.items() if not re.search(r"running_(mean|var)$", name))
    return f"a segmentation model of {classes} classes, {parameters} parameters, {labels} labels"


def check(tensors, config):
    """Raise an error for a configuration that doesn't fit, with the blocks of which the head reads the tokens."""
    indices = config.get("out_indices") or config.get("segmentation_indices")
    if not (isinstance(indices, list) and len(indices) == 4 and all(isinstance(i, int) for i in indices)):
        raise ConversionError(f"out_indices is {shown(indices)}, wanted a list of four blocks")
    for name in ("fpn1.0.weight", "fpn1.1.running_var", "fpn2.0.weight", "decode_head.fpn_bottleneck.conv.weight"):
        shape_of(tensors, name, 1 if "running" in name else 4)
