"""Reading the tensors of a checkpoint, whatever it is called and whatever else it holds."""
import argparse
import contextlib
import pickle
import re
import sys

import torch

import converted
import file_kind
from converted import ConversionError, one_line

# The keys under which checkpoints nest their tensors; averaged weights come first.
NESTED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict", "model", "module")


def note(text, program="convert.py"):
    """Print one line to standard error."""
    print(f"{program}: {text}", file=sys.stderr)


def load_torch(path, unsafe_pickle):
    """Load a file of torch.save's. ConversionError if it is damaged or holds Python objects."""
    try:
        known = getattr(torch.serialization, "safe_globals", lambda _: contextlib.nullcontext())
        with open(path, "rb") as file, known([argparse.Namespace]):  # which timm's checkpoints of training have
            return torch.load(file, map_location="cpu", weights_only=not unsafe_pickle)
    except OSError as error:
        raise ConversionError(f"can't read {path}: {error.strerror or 'it ends early'}") from error
    except Exception as error:  # a damaged pickle may raise anything, and with unsafe_pickle run anything
        text = str(error)
        if isinstance(error, pickle.UnpicklingError) or "nsupported" in text:
            name = re.search(r"[Uu]nsupported (?:class|global): (?:GLOBAL )?([\w.]+)", text)
            raise ConversionError(f"{path} is damaged, or holds Python objects{f' ({name[1]})' if name else ''}, wanted "
                                  "tensors: --unsafe-pickle loads them from a file that you trust") from error
        raise ConversionError(f"{path} is a PyTorch file that is damaged or ends early"
                              + (f": {one_line(error)[:120]}" if isinstance(error, RuntimeError) else "")) from error


def describe(value):
    """Say what an entry of a checkpoint is."""
    if isinstance(value, torch.Tensor):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, dict):
        tensors = sum(isinstance(x, torch.Tensor) for x in value.values())
        return f"a dictionary with {tensors} tensors" if value else "an empty dictionary"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", type(None): "nothing", list: "a list",
             tuple: "a list"}
    if isinstance(value, torch.nn.Module):
        return f"a module ({type(value).__name__}), which is saved whole instead of its state_dict()"
    return names.get(type(value), f"a Python object ({type(value).__name__})")


def contents(value):
    """Describe what a checkpoint holds, for a message."""
    if not isinstance(value, dict):
        return describe(value)
    shown = [f"{str(name)[:40]} ({describe(entry)})" for name, entry in list(value.items())[:4]]
    return (", ".join(shown) + (", ..." if len(value) > 4 else "")) or "an empty dictionary"


def chosen(checkpoint, key):
    """Return the entry `key` of a checkpoint, or its tensors under that prefix; dots lead further in. None if it has
    none."""
    for part in ("", *key.split(".")):
        if part and isinstance(checkpoint, dict):
            below = {name[len(part) + 1:]: value for name, value in checkpoint.items()
                     if isinstance(name, str) and name.startswith(part + ".")}
            checkpoint = checkpoint[part] if part in checkpoint else below
    return checkpoint if checkpoint else None


def innermost(checkpoint, path, program, hint=""):
    """Return the innermost of the dictionaries that NESTED names first. `program` notes which of several it takes; the
    note ends in `hint`. ConversionError for a dictionary that holds itself."""
    outer = []
    while isinstance(checkpoint, dict):
        found = [name for name in NESTED if isinstance(checkpoint.get(name), dict)]
        if not found:
            break
        if any(checkpoint is other for other in outer):
            raise ConversionError(f"{path}: {found[0]} holds itself, wanted tensors by their names")
        if len(found) > 1:
            note(f"{path} holds several models: taking {found[0]}, not {', '.join(found[1:])}{hint}", program)
        outer.append(checkpoint)
        checkpoint = checkpoint[found[0]]
    return checkpoint


def state_dict_of(checkpoint, path, key):
    """Return the tensors in what a file holds: the entry `key`, or those that NESTED names first."""
    if key:
        inner = chosen(checkpoint, key)
        if inner is None:
            raise ConversionError(f"{path} has no {key}, but {contents(checkpoint)}")
        checkpoint = inner
    checkpoint = innermost(checkpoint, path, "convert.py", " (--key chooses another)")
    tensors = isinstance(checkpoint, dict) and any(isinstance(value, torch.Tensor) for value in checkpoint.values())
    if not tensors and isinstance(checkpoint, dict) and checkpoint:
        below = [str(name) for name, value in checkpoint.items() if isinstance(value, dict)
                 and any(isinstance(x, torch.Tensor) for x in value.values())]
        hint = f" (--key {below[0]} takes that entry)" if below else ""
        raise ConversionError(f"{path} holds {contents(checkpoint)}, wanted tensors by their names{hint}")
    if not isinstance(checkpoint, dict):
        raise ConversionError(f"{path} holds {contents(checkpoint)}, wanted a dictionary of tensors")
    for name, value in checkpoint.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise ConversionError(f"{path}: {name} is {describe(value)}, wanted a name and a tensor")
        if value.layout != torch.strided or value.device.type == "meta":
            kind = "a sparse tensor" if value.layout != torch.strided else "a tensor without values (meta)"
            raise ConversionError(f"{path}: {name} is {kind}, wanted a dense one")
    return checkpoint


def read_state_dict(path, unsafe_pickle, key):
    """Return the tensors in a file by their names, its configuration or None, and what it holds beside the tensors
    under "meta"; `key` chooses one of its models."""
    if not path.is_file():
        raise ConversionError(f"{path} is not a regular file")
    try:
        kind = file_kind.kind_of(path)
    except OSError as error:
        raise ConversionError(f"can't read {path}: {error.strerror}") from error
    if kind not in (file_kind.SAFETENSORS, file_kind.PYTORCH):
        raise ConversionError(f"{path} is {kind}; wanted a checkpoint, in the format of safetensors or torch.save")
    if kind == file_kind.SAFETENSORS:
        checkpoint, config = converted.read(path)
    else:
        checkpoint, config = load_torch(path, unsafe_pickle), None
    meta = checkpoint.get("meta") if isinstance(checkpoint, dict) else None
    return state_dict_of(checkpoint, path, key), config, meta if isinstance(meta, dict) else {}
