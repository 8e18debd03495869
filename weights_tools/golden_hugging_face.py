#!/usr/bin/env python3
"""Make the golden folders of Hugging Face: tiny random models as transformers saves them, and their results.

For each variant, one folder as save_pretrained writes it, and one file:

    hugging_face/NAME/                       config.json, preprocessor_config.json, model.safetensors or its shards
    hugging_face/NAME.expected.safetensors   float32 tensors; all but the last two computed in double precision:
        input         (B, 3, H, W)  the model's input
        features      (B, N, C)     last_hidden_state
        pre_logits    (B, C)        pooler_output; not for models without a pooler
        logits        (B, K)        logits, or (B, N - 1, V) for masked-image models; not for bare models
        mask          (B, N - 1)    int32, 1 where a patch is hidden; for masked-image models
        photograph    (h, w, 3)     bytes
        preprocessed  (3, H, W)     the photograph as prepared by the image processor

No masked-image model here has absolute positions: transformers 4 adds them before masking, whereas the original and
transformers 5 add them after it. Made with transformers 4.41.2, timm 1.0.31, torch 1.13.0, Pillow 9.4.0 and numpy
1.24.2; transformers 5 writes the same names, and its Pil image processors compute the same.

    python golden_hugging_face.py ../tests/golden
"""
import zlib

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

import golden_variants

BATCH = 2
COMMON = dict(image_size=16, patch_size=4, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
              intermediate_size=48, use_relative_position_bias=True, num_labels=5)
PLAIN = dict(size=dict(height=16, width=16), do_center_crop=False, resample=2)

# The class, its differences from COMMON, the image processor's arguments, and the size of the largest shard.
VARIANTS = {
    "classifier": ("BeitForImageClassification", dict(), PLAIN, "5GB"),
    "sharded": ("BeitForImageClassification", dict(layer_norm_eps=0.05),
                dict(size=dict(height=21, width=19), crop_size=dict(height=16, width=16), resample=3,
                     image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]), "20KB"),
    "shared": ("BeitModel", dict(use_relative_position_bias=False, use_shared_relative_position_bias=True,
                                 use_mean_pooling=False, layer_scale_init_value=0), dict(PLAIN, do_normalize=False),
               "5GB"),
    "absolute": ("BeitForImageClassification", dict(use_relative_position_bias=False, use_mean_pooling=False,
                                                    use_absolute_position_embeddings=True),
                 dict(PLAIN, rescale_factor=1 / 127.5, image_mean=[1, 1, 1], image_std=[1, 1, 1]), "5GB"),
    "data2vec": ("Data2VecVisionForImageClassification", dict(layer_norm_eps=1e-3), PLAIN, "5GB"),
    "data2vec_bare": ("Data2VecVisionModel", dict(), PLAIN, "5GB"),
    "segmentation": ("BeitForSemanticSegmentation",
                     dict(num_hidden_layers=4, out_indices=[1, 2, 3, 4], pool_scales=[1], auxiliary_channels=2,
                          hidden_size=12, intermediate_size=12, use_mean_pooling=True), PLAIN, "5GB"),
    "masked": ("BeitForMaskedImageModeling", dict(use_relative_position_bias=False, vocab_size=40,
                                                  use_shared_relative_position_bias=True, use_mask_token=True), PLAIN,
               "5GB"),
    "masked_norms": ("BeitForMaskedImageModeling", dict(use_mean_pooling=False, layer_scale_init_value=0,
                                                        vocab_size=17, use_mask_token=True, layer_norm_eps=1e-3), PLAIN,
                     "20KB"),
}


def randomise(model, seed):
    """Overwrite all parameters of the model, so that a mistake in any of them shows."""
    generator = np.random.default_rng(seed)
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        values = generator.standard_normal(shape, dtype=np.float32)
        norm_weight = "norm" in name and name.endswith("weight")
        mean = 1.0 if norm_weight else 0.3 if "lambda_" in name else 0.0
        matrix = name.endswith("weight") and len(shape) > 1
        spread = np.prod(shape[1:]) ** -0.5 if matrix else 0.1 if "lambda_" in name else 0.5
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values * np.float32(spread) + np.float32(mean)))
    return model.eval()


@torch.no_grad()
def make(name, folder):
    """Write the folder and the file of the variant `name`."""
    kind, arguments, processing, shard = VARIANTS[name]
    seed = zlib.crc32(name.encode())
    configuration = transformers.Data2VecVisionConfig if kind.startswith("Data2Vec") else transformers.BeitConfig
    model = randomise(getattr(transformers, kind)(configuration(**{**COMMON, **arguments})), seed)
    processor = transformers.BeitImageProcessor(**processing)
    model.save_pretrained(folder / name, safe_serialization=True, max_shard_size=shard)
    processor.save_pretrained(folder / name)

    generator = np.random.default_rng(seed + 1)
    images = torch.from_numpy(generator.uniform(-1, 1, (BATCH, 3, 16, 16)).astype(np.float32))
    photograph = generator.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    model = model.double()
    trunk = getattr(model, model.base_model_prefix, model)
    results = {"input": images}
    if kind.endswith("ForMaskedImageModeling"):
        mask = torch.from_numpy(generator.uniform(size=(BATCH, 16)) < 0.4)
        output = trunk(images.double(), bool_masked_pos=mask)
        results["mask"] = mask
        results["logits"] = model(images.double(), bool_masked_pos=mask).logits
    else:
        output = trunk(images.double())
    results["features"] = output.last_hidden_state
    if output.pooler_output is not None:
        results["pre_logits"] = output.pooler_output
    if kind.endswith("ForImageClassification"):
        results["logits"] = model(images.double()).logits
    results["photograph"] = torch.from_numpy(photograph)
    results["preprocessed"] = torch.from_numpy(processor(photograph).pixel_values[0])
    save_file({key: (value.int() if value.dtype == torch.bool else value.float()).contiguous()
               for key, value in results.items()},
              folder / f"{name}.expected.safetensors")
    size = sum(path.stat().st_size for path in (folder / name).iterdir())
    print(f"{name:14} {size / 1e3:6.1f} kB, standard deviation of the features {results['features'].std():.2f}")


if __name__ == "__main__":
    golden_variants.make_all(__doc__, VARIANTS, make, "hugging_face")
