#!/usr/bin/env python3
"""Compares models at full size and with random weights with their original packages, in double precision.

    BEIT_BUILD_DIR=build-release python tests/timm/full_size.py timm [TAG...]       all of timm's tags that begin with beit
    BEIT_BUILD_DIR=build-release python tests/timm/full_size.py sizes               other image sizes
    BEIT_BUILD_DIR=build-release python tests/timm/full_size.py masked              the masked-image model, of timm's class
    BEIT_BUILD_DIR=build-release python tests/timm/full_size.py transformers        folders of transformers
    BEIT_BUILD_DIR=build-release python tests/timm/full_size.py tokenizer           DALL-E's discrete VAE
    BEIT_BUILD_DIR=build-release python tests/timm/full_size.py vqkd                BEiT v2's tokenizer, of timm's class
    BEIT_BUILD_DIR=build-release python tests/timm/full_size.py demo                tokens of the small one that is trained

Each prints a line with the largest difference and its limit; the tests run some of them.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "weights_tools"))

LOGITS_BOUND = 2e-5  # for logits with a standard deviation of about 2
TOKENS_BOUND = 1e-4  # of the logits' deviation
CODES_BOUND = 1e-5  # for BEiT v2's tokens: of the scores, which are cosines less a half
FEATURES_BOUND = 1e-4  # for BEiT v2's decoder, whose features have a deviation of about 1


def run_model(folder, what, weights, *inputs, texts=()):
    """Runs beit_run_model on arrays, which become .npy files, and returns its result."""
    program = Path(os.environ["BEIT_BUILD_DIR"]).resolve() / "tests" / "beit_run_model"
    arguments = []
    for i, array in enumerate(inputs):
        np.save(folder / f"input_{i}.npy", np.ascontiguousarray(array.reshape(len(array), -1), dtype=np.float32))
        arguments.append(folder / f"input_{i}.npy")
    out = folder / "out.npy"
    order = [*arguments, out, *texts] if what == "beit" else [*arguments, *texts, out]
    subprocess.run([program, what, weights, *order], check=True)
    return np.load(out).astype(np.float64)


def random_images(batch, size, seed=0, low=-1.0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, 1, (batch, 3, *size)).astype(np.float32))


def save_model(model, architecture, preprocessing, path, **more):
    """Writes a converted file of a timm model and additional tensors."""
    import converted
    tensors = converted.convert_tensors({**model.state_dict(), **more}, "f32")
    converted.write(path, tensors, converted.make_config(model, architecture, preprocessing))


@torch.no_grad()
def timm_tag(tag, folder):
    """The largest difference of logits, and their standard deviation."""
    import timm
    from random_model import randomise
    config = timm.get_pretrained_cfg(tag)
    model = randomise(timm.create_model(tag, pretrained=False), seed=len(tag))
    save_model(model, tag.split(".")[0], config.to_dict(), folder / "model.safetensors")
    images = random_images(1, config.input_size[1:])
    ours = run_model(folder, "beit", folder / "model.safetensors", images.numpy())
    wanted = model.double()(images.double()).numpy()
    return np.abs(ours - wanted).max(), wanted.std()


def timm_tags():
    import timm
    return [tag for tag in timm.list_pretrained("beit*")]


SIZES = [((192, 192), {}), ((256, 320), {}), ((384, 384), {}),
         ((256, 320), dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=True)),
         ((256, 320), dict(use_rel_pos_bias=False, use_abs_pos_emb=True))]


@torch.no_grad()
def image_size(size, arguments, folder):
    """BEiT-Base for 224 pixels, at another size."""
    import timm
    from random_model import randomise
    name = "beit_base_patch16_224"
    model = randomise(timm.create_model(name, pretrained=False, **arguments), seed=1)
    save_model(model, name, timm.get_pretrained_cfg(name).to_dict(), folder / "model.safetensors")
    model.set_input_size(img_size=size)
    images = random_images(1, size)
    ours = run_model(folder, "beit", folder / "model.safetensors", images.numpy(), texts=[f"{size[0]}x{size[1]}"])
    wanted = model.double()(images.double()).numpy()
    return np.abs(ours - wanted).max(), wanted.std()


@torch.no_grad()
def masked(folder):
    """The masked-image model of Microsoft's pre-training: timm's class, a shared table, 8,192 tokens."""
    from random_model import random_parameters
    from train_masked_demo import MaskedBeit
    model = MaskedBeit(8192, img_size=224, patch_size=16, embed_dim=768, depth=12, num_heads=12, num_classes=0,
                       init_values=0.1, global_pool="token", use_fc_norm=False, use_abs_pos_emb=False,
                       use_shared_rel_pos_bias=True).eval()
    parameters = dict(model.named_parameters())
    for name, values in random_parameters({name: p.shape for name, p in parameters.items()}, seed=3):
        scale = 2.0 if name == "lm_head.weight" else 1.0
        parameters[name].copy_(torch.from_numpy(values) * scale)
    import timm
    save_model(model, "beit_base_patch16_224", timm.get_pretrained_cfg("beit_base_patch16_224").to_dict(),
               folder / "model.safetensors")
    images = random_images(2, (224, 224))
    mask = np.random.default_rng(1).uniform(size=(2, 196)) < 0.4
    ours = run_model(folder, "masked", folder / "model.safetensors", images.numpy(), mask)
    wanted = model.double().logits(images.double(), torch.from_numpy(mask)).flatten(0, 1).numpy()
    return np.abs(ours - wanted).max(), wanted.std()


@torch.no_grad()
def of_transformers(kind, arguments, shard, folder):
    """A folder as transformers saves it."""
    import transformers
    from golden_hugging_face import randomise
    config = transformers.Data2VecVisionConfig if kind.startswith("Data2Vec") else transformers.BeitConfig
    model = getattr(transformers, kind)(config(num_labels=1000, **arguments))
    model = randomise(model, seed=5)
    for name, parameter in model.named_parameters():
        if name in ("lm_head.weight", "classifier.weight"):
            parameter.mul_(2)
    model.save_pretrained(folder, safe_serialization=True, max_shard_size=shard)
    transformers.BeitImageProcessor(size=dict(height=224, width=224), do_center_crop=False).save_pretrained(folder)
    images = random_images(1, (224, 224))
    if kind.endswith("ForMaskedImageModeling"):
        mask = np.random.default_rng(1).uniform(size=(1, 196)) < 0.4
        ours = run_model(folder, "masked", folder, images.numpy(), mask)
        wanted = model.double()(images.double(), bool_masked_pos=torch.from_numpy(mask)).logits.flatten(0, 1).numpy()
    else:
        ours = run_model(folder, "beit", folder, images.numpy())
        result = model.double()(images.double())
        if hasattr(result, "logits"):
            wanted = result.logits.numpy()
        elif result.pooler_output is not None:
            wanted = result.pooler_output.numpy()
        else:
            wanted = result.last_hidden_state[:, 1:].mean(1).numpy()
    return np.abs(ours - wanted).max(), wanted.std()


TABLES = dict(use_relative_position_bias=True)
SHARED = dict(use_shared_relative_position_bias=True)
TRANSFORMERS = [("BeitForImageClassification", TABLES, "5GB"),
                ("BeitForImageClassification", dict(SHARED, layer_norm_eps=1e-6), "100MB"),
                ("BeitForImageClassification", dict(use_absolute_position_embeddings=True, use_mean_pooling=False), "5GB"),
                ("BeitModel", dict(TABLES, layer_scale_init_value=0), "5GB"),
                ("Data2VecVisionForImageClassification", TABLES, "5GB"),
                ("Data2VecVisionModel", TABLES, "5GB"),
                ("BeitForMaskedImageModeling", dict(SHARED, use_mask_token=True), "5GB"),
                ("BeitForMaskedImageModeling", dict(TABLES, use_mask_token=True, use_mean_pooling=False), "200MB")]


@torch.no_grad()
def tokenizer(folder):
    """DALL-E's discrete VAE at 112x112: for each half the largest difference, the deviation, and the tokens that differ
    although the two best do by more than the bound."""
    import dvae
    import safetensors.torch
    encoder, decoder = dvae.Encoder(), dvae.Decoder()
    dvae.randomise(encoder, 1)
    dvae.randomise(decoder, 2)
    tensors = {f"{half}.{key}": value for half, module in (("encoder", encoder), ("decoder", decoder))
               for key, value in module.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / "dvae.safetensors")
    images = random_images(1, (112, 112), low=0.0)
    pixels = images.permute(0, 2, 3, 1).numpy()
    ours = run_model(folder, "encode", folder / "dvae.safetensors", pixels, texts=["112x112"])
    results = dvae.evaluate(encoder, decoder, images)
    logits = results["logits"].flatten(2)[0].T.numpy()
    bound = TOKENS_BOUND * logits.std()
    best = np.sort(logits, axis=1)
    decided = best[:, -1] - best[:, -2] > bound
    wrong = int((ours.argmax(1) != logits.argmax(1))[decided].sum())
    decoded = run_model(folder, "decode", folder / "dvae.safetensors", results["tokens"].numpy(), texts=["14x14"])
    wanted = results["decoder_logits"].flatten(2)[0].T.numpy()
    return [("encoder", np.abs(ours - logits).max(), logits.std(), wrong),
            ("decoder", np.abs(decoded - wanted).max(), wanted.std(), 0)]


@torch.no_grad()
def vqkd(folder):
    """BEiT v2's tokenizer with the decoder of three blocks, as it was used: for each half as tokenizer()."""
    import converted
    import vqkd as oracle
    from convert_tokenizer import vq_config
    model = oracle.VqKd((224, 224), 16, dict(dim=768, depth=12, heads=12), dict(dim=768, depth=3, heads=12))
    oracle.randomise(model, 7)
    converted.write(folder / "vqkd.safetensors", {name: value.clone() for name, value in model.tensors().items()},
                    vq_config((224, 224), 12))
    images = random_images(2, (224, 224), low=0.0)
    pixels = (2 * images - 1).permute(0, 2, 3, 1).numpy()
    ours = run_model(folder, "encode", folder / "vqkd.safetensors", pixels, texts=["224x224"])
    results = oracle.evaluate(model, images)
    scores, tokens = results["scores"].flatten(0, 1).numpy(), results["tokens"].flatten().numpy()
    best = np.sort(scores, axis=1)
    decided = best[:, -1] - best[:, -2] > CODES_BOUND
    wrong = int((ours.argmax(1) != tokens)[decided].sum())
    print(f"{decided.sum()} of {len(tokens)} tokens have a best score that is better by {CODES_BOUND:.0e}; "
          f"{len(set(tokens))} different ones")
    decoded = run_model(folder, "decode", folder / "vqkd.safetensors", tokens[None, :196], texts=["14x14"])
    wanted = results["features"][0].numpy()
    return [("encoder", np.abs(ours - scores).max(), scores.std(), wrong),
            ("decoder", np.abs(decoded - wanted).max(), wanted.std(), 0)]


@torch.no_grad()
def demo_tokens(count, folder):
    """How many tokens of test images of Fashion-MNIST the demo tokenizer gives otherwise than DALL-E's blocks do in double
    precision, of how many; and by how much the two best logits of those differ at most, in deviations."""
    import dvae
    from train_demo import read_images
    from train_masked_demo import load_tokenizer, pixels
    path = ROOT / "examples" / "data" / "dvae_fashion_mnist.safetensors"
    images = pixels(read_images(Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"))[:count])
    encoder = load_tokenizer(path)[0].double()
    logits = torch.cat([encoder(dvae.map_pixels(x.double())).flatten(2).transpose(1, 2).flatten(0, 1)
                        for x in images.split(100)])
    best = logits.topk(2).values
    gaps = ((best[:, 0] - best[:, 1]) / logits.std()).numpy()
    ours = run_model(folder, "encode", path, images.permute(0, 2, 3, 1).numpy(), texts=["28x28"])
    wrong = ours.argmax(1) != logits.argmax(1).numpy()
    return int(wrong.sum()), len(wrong), gaps[wrong].max(initial=0.0)


def main(what, *names):
    def line(name, difference, deviation, bound):
        print(f"{name}: largest difference {difference:.2e} (wanted {bound:.0e}), deviation {deviation:.2f}"
              + ("" if difference <= bound else "  TOO LARGE"), flush=True)
        return difference <= bound

    right = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if what == "timm":
            right += [line(tag, *timm_tag(tag, folder), LOGITS_BOUND) for tag in names or timm_tags()]
        elif what == "sizes":
            right += [line(f"{size} {arguments}", *image_size(size, arguments, folder), LOGITS_BOUND)
                      for size, arguments in SIZES]
        elif what == "masked":
            right.append(line("masked-image model", *masked(folder), LOGITS_BOUND))
        elif what == "transformers":
            for i, (kind, arguments, shard) in enumerate(TRANSFORMERS):
                own = folder / str(i)
                own.mkdir()
                right.append(line(f"{kind} {arguments}, {shard}", *of_transformers(kind, arguments, shard, own),
                                  LOGITS_BOUND))
        elif what == "tokenizer":
            for half, difference, deviation, wrong in tokenizer(folder):
                right.append(line(half, difference, deviation, TOKENS_BOUND * deviation) and wrong == 0)
                print(f"{half}: {wrong} tokens differ whose two best logits do by more than that")
        elif what == "vqkd":
            for half, difference, deviation, wrong in vqkd(folder):
                bound = CODES_BOUND if half == "encoder" else FEATURES_BOUND
                right.append(line(half, difference, deviation, bound) and wrong == 0)
                print(f"{half}: {wrong} tokens differ whose two best scores do by more than that")
        elif what == "demo":
            wrong, tokens, gap = demo_tokens(2000, folder)
            print(f"demo: {wrong} of {tokens} tokens differ, whose two best logits do by at most {gap:.1e} deviations")
            right.append(gap <= TOKENS_BOUND)
        else:
            sys.exit(__doc__)
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
