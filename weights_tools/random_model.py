"""Random weights with which every part of a BEiT model matters.

timm's own initialisation leaves biases, position tables and the head at or near zero, so that a mistake in any
of them would not show. Here each parameter is random, at a scale that keeps attention spread over many tokens
and gives logits with a standard deviation of about 2.

The numbers come from numpy: torch's normal generator depends on the processor's vector width.
"""
import numpy as np


def _mean_and_spread(name, shape):
    """Return the mean and standard deviation of the parameter `name`."""
    fan_in = int(np.prod(shape[1:]))
    if name == "head.weight":
        return 0.0, 2.0 / fan_in**0.5
    if name.endswith("relative_position_bias_table"):
        return 0.0, 1.0
    if name == "cls_token":
        return 0.0, 1.0
    if name == "pos_embed":
        return 0.0, 0.5
    if "gamma_" in name:
        return 0.3, 0.1
    if "norm" in name and name.endswith("weight"):
        return 1.0, 0.2
    if len(shape) == 1:
        return 0.0, 0.2
    return 0.0, fan_in**-0.5


def random_parameters(shapes, seed=0):
    """Yield names and float32 arrays for a dictionary of names and shapes in the order of timm's named_parameters."""
    generator = np.random.default_rng(seed)
    for name, shape in shapes.items():
        mean, spread = _mean_and_spread(name, shape)
        values = generator.standard_normal(tuple(shape), dtype=np.float32)
        yield name, values * np.float32(spread) + np.float32(mean)


def randomise(model, seed=0):
    """Overwrite all parameters of a timm Beit, in the order of its state_dict, and return it in evaluation mode."""
    import torch
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, values in random_parameters({name: p.shape for name, p in parameters.items()}, seed):
            parameters[name].copy_(torch.from_numpy(values))
    return model.eval()
