"""Reading pickled torch modules without executing them.

A pickle names classes and functions and calls them. torch.load calls whatever the file of a module says, and some
versions do so whichever unpickler they are given. Here, both of torch.save's formats are read by an unpickler that only
knows plain containers: tensors are made of the file's numbers, and modules become empty objects with the attributes
that the file gives them.
"""
import collections
import os
import pickle
import zipfile
import zlib

import torch

import file_kind
from converted import ConversionError
from state_dict import innermost

LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {"FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
            "DoubleStorage": torch.float64, "LongStorage": torch.int64}
MODULES = ("torch.nn.modules.", "dall_e.")
WANTED = "DALL-E's encoder.pkl or decoder.pkl, or BEiT v2's tokenizer, as torch.save wrote it"


class Refused(Exception):
    """A pickle that can't be read. The message says why."""


class Module:
    """Stands for a module of any class, and has only its attributes."""

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise Refused("a module's state is no dictionary")
        self.attributes = state


def rebuild_tensor(storage, offset, size, stride, *_):
    """Stands for torch._utils._rebuild_tensor_v2: a view of a storage, which is a tensor with one dimension here."""
    return storage.as_strided(size, stride, offset)


def rebuild_parameter(data, *_):
    """Stands for torch._utils._rebuild_parameter."""
    return data


def device(*_):
    """Stands for torch.device: the device that a module was on."""


KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
    ("argparse", "Namespace"): Module,  # the arguments of a training
    ("torch", "Size"): tuple,
    ("torch", "device"): device,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    **{("torch", name): dtype for name, dtype in STORAGES.items()},
}


class Unpickler(pickle.Unpickler):
    """Refuses all names except those above. storage(key, dtype, count) returns a tensor with one dimension."""

    def __init__(self, file, storage=None):
        super().__init__(file, encoding="utf-8")
        self.storage = storage

    def find_class(self, module, name):
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module.startswith(MODULES) and name.isidentifier():
            return Module
        raise Refused(f"it asks for {module}.{name}, which is neither a tensor nor a module")

    def persistent_load(self, identifier):
        kind, value, key, _, *rest = identifier
        if kind == "module":  # a class and its source text
            return value
        if kind != "storage" or self.storage is None or value not in STORAGES.values():
            raise Refused("it refers to what is not a storage")
        return self.storage(key, value, rest[0])


def read_zip(path):
    """Read what torch.save has written since 1.6: a zip archive with a pickle, and a record for each storage."""
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused("the archive has no pickle")
        folder = pickles[0].removesuffix("data.pkl")
        storages = {}

        def storage(key, dtype, count):
            if key not in storages:
                storages[key] = torch.frombuffer(bytearray(archive.read(f"{folder}data/{key}")), dtype=dtype)
            if len(storages[key]) != count:
                raise Refused(f"storage {key} has {len(storages[key])} numbers, wanted {count}")
            return storages[key]

        with archive.open(pickles[0]) as file:
            return Unpickler(file, storage).load()


def read_legacy(path):
    """Read what torch.save wrote before 1.6: pickles one after the other, then the storages' numbers."""
    room = os.path.getsize(path)
    with open(path, "rb") as file:
        if Unpickler(file).load() != LEGACY_MAGIC or Unpickler(file).load() != LEGACY_PROTOCOL:
            raise Refused("it is not a file of torch.save's")
        Unpickler(file).load()  # the system's sizes of integers
        storages = {}

        def storage(key, dtype, count):
            nonlocal room
            if key not in storages:
                room -= count * torch.finfo(dtype).bits // 8 if dtype.is_floating_point else 8 * count
                if count < 0 or room < 0:
                    raise Refused(f"storage {key} of {count} numbers is larger than the file")
                storages[key] = torch.empty(count, dtype=dtype)
            return storages[key]

        result = Unpickler(file, storage).load()
        for key in Unpickler(file).load():
            numbers = storages[key]
            count = int.from_bytes(file.read(8), "little")
            data = bytearray(file.read(numbers.element_size() * len(numbers)))
            if count != len(numbers) or len(data) != numbers.element_size() * count:
                raise Refused(f"storage {key} ends early")
            if count > 0:
                numbers.copy_(torch.frombuffer(data, dtype=numbers.dtype))
        return result


def collect(module, prefix, tensors):
    """Return the parameters of a module and its submodules, by their names below `prefix`."""
    attributes = getattr(module, "attributes", {})
    for name, value in (attributes.get("_parameters") or {}).items():
        if isinstance(value, torch.Tensor):
            tensors[prefix + name] = value
    for name, child in (attributes.get("_modules") or {}).items():
        if isinstance(child, Module):
            collect(child, f"{prefix}{name}.", tensors)


def read_parameters(path):
    """Return the parameters, by name, of the module or dictionary of tensors in a file that torch.save wrote. The
    dictionary may be nested in others; of several models, the one that innermost takes counts.

    Raise ConversionError for any other file.
    """
    tensors = {}
    try:
        kind = file_kind.kind_of(path)
        if kind != file_kind.PYTORCH:
            raise ConversionError(f"{path} is {'a safetensors file' if kind == file_kind.SAFETENSORS else kind}; wanted "
                                  f"{WANTED}")
        value = (read_zip if zipfile.is_zipfile(path) else read_legacy)(path)
        value = innermost(value, path, "convert_tokenizer.py")
        if isinstance(value, Module):
            collect(value, "", tensors)
        elif isinstance(value, dict):
            tensors = {name: tensor for name, tensor in value.items()
                       if isinstance(name, str) and isinstance(tensor, torch.Tensor)}
    except OSError as error:
        raise ConversionError(f"can't read {path}: {error.strerror or 'it is damaged'}") from error
    except Refused as error:
        raise ConversionError(f"can't read {path} as a pickled module: {error}") from error
    except (RuntimeError, EOFError, ValueError, TypeError, LookupError, AttributeError, RecursionError, MemoryError,
            OverflowError, NotImplementedError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error) as error:
        raise ConversionError(f"can't read {path} as a pickled module: it is damaged or ends early") from error
    if not tensors:
        raise ConversionError(f"{path} holds no tensors, wanted {WANTED}")
    return {name: tensor.contiguous() for name, tensor in tensors.items()}
