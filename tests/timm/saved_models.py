#!/usr/bin/env python3
"""Compares small models, as today's packages save them, with these packages in double precision.

    BEIT_BUILD_DIR=build-release python tests/timm/saved_models.py transformers [CLASS...]  folders, in all forms and types
    BEIT_BUILD_DIR=build-release python tests/timm/saved_models.py timm [NAME...]           save_for_hf of all beit*
    BEIT_BUILD_DIR=build-release python tests/timm/saved_models.py float8                   weights of 8 bits
    BEIT_BUILD_DIR=build-release python tests/timm/saved_models.py heads [CLASS...]         beit-train-head on folders

Each prints a line a file: the largest difference and the limit, or the one error that the library gives. It needs
transformers 5 beside the packages of weights_tools/requirements.txt, and isn't part of the stages.
"""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "weights_tools"))
import convert  # noqa: E402

BOUND = 2e-5  # of logits and tokens with a deviation of about 1
SIZE = 64


def run(what, weights, folder, *inputs):
    """Runs beit_run_model on arrays: its result, or its error."""
    names = []
    for i, array in enumerate(inputs):
        if isinstance(array, str):
            names.append(array)
            continue
        names.append(folder / f"input_{i}.npy")
        np.save(names[-1], np.ascontiguousarray(array.reshape(len(array), -1), dtype=np.float32))
    program = Path(os.environ["BEIT_BUILD_DIR"]).resolve() / "tests" / "beit_run_model"
    done = subprocess.run([program, what, weights, *names, folder / "out.npy"], capture_output=True, text=True)
    if done.returncode == 0:
        return np.load(folder / "out.npy").astype(np.float64)
    if done.returncode != 1 or done.stderr.count("\n") != 1:
        raise RuntimeError(f"status {done.returncode}: {done.stderr}")
    return done.stderr.strip().replace(str(folder), "")


def report(name, found, wanted):
    """Prints a line; returns whether the file is right, or refused by one error."""
    if isinstance(found, str):
        print(f"{name}: REFUSED {found[:200]}", flush=True)
        return True
    difference = np.abs(found - wanted.reshape(found.shape)).max() if found.size == wanted.size else np.inf
    right = difference <= BOUND * max(1.0, wanted.std())
    print(f"{name}: largest difference {difference:.1e}, deviation {wanted.std():.2f}{'' if right else '  WRONG'}",
          flush=True)
    return right


def converted_file(source, out):
    """Runs convert.py: the file, or its error."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        status = convert.main([str(source), str(out)])
    return out if status == 0 else errors.getvalue().strip().splitlines()[-1]


SMALL = dict(hidden_size=48, num_hidden_layers=4, num_attention_heads=3, intermediate_size=96, image_size=SIZE,
             num_labels=7, vocab_size=32, out_indices=[1, 2, 3, 4], pool_scales=[1, 2], auxiliary_channels=16)
TABLES, SHARED = dict(use_relative_position_bias=True), dict(use_shared_relative_position_bias=True)
ABSOLUTE = dict(use_absolute_position_embeddings=True)
TOKEN = dict(use_mean_pooling=False)
HIDDEN = dict(use_mask_token=True)
TRANSFORMERS = [
    *((kind, arguments) for kind in ("ForImageClassification", "Model")
      for arguments in (TABLES, SHARED, {**TABLES, **SHARED}, ABSOLUTE, {**TABLES, **TOKEN}, {**ABSOLUTE, **TOKEN},
                        {**TABLES, "layer_scale_init_value": 0.0}, {**TABLES, "layer_norm_eps": 1e-3},
                        {**TABLES, "num_labels": 1}, {**TABLES, **HIDDEN}, {**TABLES, "hidden_act": "relu"})),
    *(("ForMaskedImageModeling", {**HIDDEN, **arguments})
      for arguments in (TABLES, SHARED, ABSOLUTE, {**SHARED, **TOKEN})),
    *(("ForSemanticSegmentation", arguments) for arguments in (TABLES, {**ABSOLUTE, **TOKEN})),
    ("Backbone", {**TABLES, "reshape_hidden_states": False}),
]


def results_of_transformers(model, kind, images, mask):
    """What to compare: for beit_run_model the task and its other inputs, and the numbers wanted."""
    trunk = getattr(model, model.base_model_prefix, model)
    if kind == "ForMaskedImageModeling":
        yield "masked", [mask], model(images, bool_masked_pos=torch.from_numpy(mask)).logits
        tokens = trunk(images).last_hidden_state
        yield "features", [], tokens if not model.config.use_mean_pooling else model.layernorm(tokens)
    elif kind == "ForImageClassification":
        yield "beit", [], model(images).logits
        yield "features", [], trunk(images).last_hidden_state
    elif kind == "Model":
        result = model(images)
        tokens = result.last_hidden_state
        without_pooler = tokens[:, 1:].mean(1) if model.config.use_mean_pooling else tokens[:, 0]
        yield "beit", [], without_pooler if result.pooler_output is None else result.pooler_output
        yield "features", [], tokens
    else:  # the trunk's tokens after the last block
        if kind == "ForSemanticSegmentation":
            yield "segmentation", ["transformers"], model(images).logits.flatten(2).transpose(1, 2)
        yield "features", [], trunk(images).last_hidden_state


@torch.no_grad()
def transformers_folders(folder, names):
    import transformers
    from golden_hugging_face import randomise
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    mask = rng.uniform(size=(2, (SIZE // 16) ** 2)) < 0.4
    for family in ("Beit", "Data2VecVision"):
        for kind, arguments in TRANSFORMERS:
            if not hasattr(transformers, family + kind) or names and family + kind not in names:
                continue
            config = getattr(transformers, family + "Config")(**{**SMALL, **arguments})
            try:
                model = getattr(transformers, family + kind)(config)
            except Exception as error:  # a class that can't be made so, in transformers itself
                print(f"{family}{kind} {arguments}: transformers: {error}")
                continue
            for dtype in (torch.float32, torch.float16, torch.bfloat16):
                model = randomise(model.float(), seed=3).to(dtype)
                for form in ("save_pretrained", "save_original_format=False", "torch.save", "torch.save, bare"):
                    if "bare" in form and arguments.keys() & {"layer_norm_eps", "hidden_act"}:
                        continue  # which only config.json tells
                    own = folder / "model"
                    subprocess.run(["rm", "-rf", own], check=True)
                    own.mkdir()
                    if form.startswith("torch.save"):
                        model.config.save_pretrained(own)
                        torch.save(model.state_dict(), own / "pytorch_model.bin")
                        transformers.BeitImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(own)
                        if "bare" in form:
                            (own / "config.json").unlink()
                        weights = converted_file(own / "pytorch_model.bin" if "bare" in form else own,
                                                 folder / "converted.safetensors")
                    else:
                        original = {} if form == "save_pretrained" else dict(save_original_format=False)
                        model.save_pretrained(own, **original)
                        transformers.BeitImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(own)
                        weights = own
                    exact = model.double()
                    for what, inputs, wanted in results_of_transformers(exact, kind, torch.from_numpy(images).double(),
                                                                        mask):
                        found = weights if isinstance(weights, str) else run(what, weights, folder, images, *inputs)
                        yield report(f"{family}{kind} {arguments} {str(dtype)[6:]} {form}, {what}", found,
                                     wanted.numpy())
                    model = model.to(dtype)


HEADS = [
    *((kind, arguments) for kind in ("ForImageClassification", "Model")
      for arguments in (TABLES, {**SHARED, **TOKEN}, {**ABSOLUTE, "layer_scale_init_value": 0.0}, {**ABSOLUTE, **TOKEN},
                        {**TABLES, "layer_norm_eps": 1e-3}, {**TABLES, "problem_type": "regression"})),
    *(("ForMaskedImageModeling", {**HIDDEN, **arguments}) for arguments in (TABLES, {**SHARED, **TOKEN})),
]
PROCESSORS = [dict(size=dict(height=SIZE, width=SIZE), do_center_crop=False),
              dict(size=dict(height=83, width=71), crop_size=dict(height=SIZE, width=SIZE), do_center_crop=True,
                   resample=2, rescale_factor=1 / 127.5, image_mean=[1, 0.9, 1.1], image_std=[1, 1.1, 0.9])]


def pooled_features(model, kind, images):
    """What transformers' trunk gives its head: (B, C)."""
    trunk = getattr(model, model.base_model_prefix, model)
    result = trunk(images)
    if result.pooler_output is not None and kind != "ForMaskedImageModeling":
        return result.pooler_output
    tokens = result.last_hidden_state
    if not model.config.use_mean_pooling:
        return tokens[:, 0]
    return (model.layernorm(tokens) if kind == "ForMaskedImageModeling" else tokens)[:, 1:].mean(1)


@torch.no_grad()
def heads(folder, names):
    """Trains heads on folders, whole and in shards, and compares the new file's logits with transformers' features."""
    import safetensors
    import transformers
    from golden_hugging_face import randomise
    from PIL import Image
    from transformers.models.beit.image_processing_pil_beit import BeitImageProcessorPil
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    programs = Path(os.environ["BEIT_BUILD_DIR"]).resolve()
    rng = np.random.default_rng(0)
    for label in "ab":
        (folder / "data" / label).mkdir(parents=True)
        for i in range(4):
            shape = (int(rng.integers(40, 160)), int(rng.integers(40, 160)), 3)
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / "data" / label / f"{i}.png")
    photographs = [np.asarray(Image.open(path)) for path in sorted((folder / "data").glob("*/*.png"))]
    for family in ("Beit", "Data2VecVision"):
        for kind, arguments in HEADS:
            if not hasattr(transformers, family + kind) or names and family + kind not in names:
                continue
            config = getattr(transformers, family + "Config")(**{**SMALL, **arguments})
            for number, dtype in enumerate((torch.float32, torch.float16, torch.bfloat16)):
                model = randomise(getattr(transformers, family + kind)(config), seed=5).to(dtype)
                processor = BeitImageProcessorPil(**PROCESSORS[number % 2])
                own, out = folder / "model", folder / "head.safetensors"
                subprocess.run(["rm", "-rf", own, out], check=True)
                model.save_pretrained(own, max_shard_size="50KB" if number == 1 else "5GB")
                processor.save_pretrained(own)
                name = f"{family}{kind} {arguments} {str(dtype)[6:]}, head"
                done = subprocess.run([programs / "beit-train-head", "--no-cache", "--model", own, "--data",
                                       folder / "data", "--C", "1", "--output", out], capture_output=True, text=True)
                if done.returncode:
                    yield report(name, done.stderr.strip(), None)
                    continue
                subprocess.run([programs / "beit-classify", "--model", out, "--logits", folder / "logits.npy",
                                folder / "data"], check=True, capture_output=True)
                pixels = torch.cat([processor(image, return_tensors="pt").pixel_values for image in photographs])
                features = pooled_features(model.double(), kind, pixels.double()).numpy()
                with safetensors.safe_open(out, "np") as file:
                    weight, bias = file.get_tensor("head.weight"), file.get_tensor("head.bias")
                yield report(name, np.load(folder / "logits.npy").astype(np.float64), features @ weight.T + bias)


TIMM_OPTIONS = [dict(), dict(num_classes=0), dict(global_pool="token"), dict(global_pool="avg", use_fc_norm=False),
                dict(use_abs_pos_emb=True, use_rel_pos_bias=False),
                dict(use_shared_rel_pos_bias=True, use_rel_pos_bias=False), dict(init_values=None), dict(qkv_bias=False),
                dict(in_chans=1), dict(global_pool=""), dict(swiglu_mlp=True), dict(scale_mlp=True),
                dict(act_layer="relu"), dict(img_size=(64, 96)), dict(attn_head_dim=32),
                dict(swiglu_mlp=True, scale_mlp=True), dict(scale_mlp=True, qkv_bias=False, init_values=None),
                dict(init_values=0.1), dict(init_values=0.1, scale_attn_norm=False), dict(scale_mlp_norm=False),
                dict(init_values=0.1, scale_attn_norm=False, scale_mlp_norm=False, global_pool="token"),
                dict(init_values=0.1, fc_norm=False), dict(init_values=0.1, qk_norm=True)]


@torch.no_grad()
def timm_folders(folder, names):
    import timm
    from random_model import randomise
    for name in names or timm.list_models("beit*"):
        for options in TIMM_OPTIONS:
            side = 14 * 4 if "patch14" in name else 64
            arguments = {**dict(img_size=side, embed_dim=48, depth=2, num_heads=3, num_classes=7), **options}
            try:
                model = randomise(timm.create_model(name, **arguments), seed=4)
            except TypeError:  # an option that timm's class for this architecture lacks
                continue
            own = folder / "timm"
            subprocess.run(["rm", "-rf", own], check=True)
            timm.models.save_for_hf(model, own, model_args={k: v for k, v in arguments.items() if k != "num_classes"},
                                    safe_serialization="both")
            images = np.random.default_rng(1).uniform(
                -1, 1, (1, arguments.get("in_chans", 3), *model.patch_embed.img_size)).astype(np.float32)
            wanted = model.double()(torch.from_numpy(images).double()).numpy()
            yield report(f"{name} {options}", run("beit", own, folder, images), wanted)
            weights = converted_file(own, folder / "converted.safetensors")
            yield report(f"{name} {options}, convert.py",
                         weights if isinstance(weights, str) else run("beit", weights, folder, images), wanted)


@torch.no_grad()
def float8(folder, _):
    import safetensors.torch
    import timm
    from random_model import randomise
    for dtype in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"):
        model = randomise(timm.create_model("beit_base_patch16_224", img_size=SIZE, embed_dim=48, depth=2, num_heads=3,
                                            num_classes=7), seed=2)
        stored = {name: value.to(getattr(torch, dtype)) for name, value in model.state_dict().items()}
        model.load_state_dict({name: value.float() for name, value in stored.items()})
        safetensors.torch.save_file(stored, folder / "model8.safetensors")
        images = np.random.default_rng(1).uniform(-1, 1, (1, 3, SIZE, SIZE)).astype(np.float32)
        yield report(dtype, run("beit", folder / "model8.safetensors", folder, images),
                     model.double()(torch.from_numpy(images).double()).numpy())


def main(what="", *names):
    modes = {"transformers": transformers_folders, "timm": timm_folders, "float8": float8, "heads": heads}
    if what not in modes:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        right = list(modes[what](Path(temporary), names))
    print(f"{sum(right)} of {len(right)} right, or refused by one error")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
