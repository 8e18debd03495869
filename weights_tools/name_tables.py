"""The names under which publishers store parameters, as the library's header states them (name_tables.hpp).

The tables are read from the C++ source, so that each fact stands in one place; translate() is here what TimmNames is
there.
"""
import ast
import re
from pathlib import Path
from typing import NamedTuple

import torch

HEADERS = Path(__file__).resolve().parent.parent / "include" / "beit" / "model"


class Row(NamedTuple):
    """A row of a table: NameRow in weight_names.hpp."""
    ours: str
    theirs: tuple
    beside: bool = False
    unused_rows: int = 0


class Publisher(NamedTuple):
    name: str
    marker: str
    rows: tuple
    companion: str = ""


class Ambiguous(Exception):
    """A file that holds several models. The message names their prefixes."""


class Misfit(Exception):
    """Parts of a tensor that don't go together. The message names them and their shapes."""


def read_publishers(folder=HEADERS):
    """Read all publishers, in the order in which the library tries them."""
    text = re.sub(r"//[^\n]*", "", (folder / "name_tables.hpp").read_text(encoding="utf-8"))
    arrays = {}
    for name, body in re.findall(r"NameRow (\w+)\[\]\{(.*?)\n\};", text, re.DOTALL):
        python = body.replace("{", "(").replace("}", ",)").replace("true", "True").replace("false", "False")
        arrays[name] = tuple(Row(*row) for row in ast.literal_eval(f"({python})"))
    tables = {}
    for name, marker, *spans, companion in re.findall(
            r'NameTable (\w+)\{\s*"([^"]+)",\s*(\w+|\{\})(?:,\s*(\w+|\{\}))?(?:,\s*"([^"]+)")?\};', text):
        tables[name] = marker, tuple(row for span in spans for row in arrays.get(span, ())), companion
    listed = re.findall(r'\{"([^"]+)",\s*(\w+_names),', (folder / "publishers.hpp").read_text(encoding="utf-8"))
    return tuple(Publisher(name, *tables[table]) for name, table in listed)


PUBLISHERS = read_publishers()
UNCHANGED = (Row("", ("",)), Row("", ("",), True))


def renamed(name, start, to):
    """Replace `start`, with which `name` begins, by `to`. Return None if it doesn't begin so."""
    match = re.match(re.escape(start).replace(r"\*", r"(\d+)"), name)
    if not match:
        return None
    return (to.replace("*", match[1]) if "*" in start else to) + name[match.end():]


def published(name, value, publisher, prefix):
    """Yield the names and tensors that `publisher` has for a parameter of timm's name: `prefix` is the trunk's, and
    tensors beside it have none."""
    for row in publisher.rows:
        parts = [renamed(name, row.ours, theirs) for theirs in row.theirs] if row.ours else [None]
        if parts[0] is not None:
            start = "" if row.beside else prefix
            yield from zip((start + part for part in parts), value.chunk(len(parts)))
            return
    yield ("" if name.startswith("decode_head.") else prefix) + name, value


def prefixes_of(names, marker, companion=""):
    """Return the texts before `marker` in the names that end in it, beside which `companion` stands, too; the one that
    counts first: of two models, the averaged one (ema). Raise Ambiguous for others."""
    found = [name[:len(name) - len(marker)] for name in names if name.endswith(marker)]
    found = [prefix for prefix in found if not companion or prefix + companion in names]
    found = sorted((prefix for prefix in found if not prefix or prefix.endswith(".")), key=lambda p: "ema" not in p)
    if len(found) > 2 or len(found) == 2 and ("ema" not in found[0] or "ema" in found[1] or not found[1]):
        raise Ambiguous(", ".join(repr(prefix) for prefix in sorted(found)))
    return found


def publisher_of(names):
    """Return the publisher whose marker is among `names` and the prefixes of its trunks; None if there is none."""
    for publisher in PUBLISHERS:
        if prefixes := prefixes_of(names, publisher.marker, publisher.companion):
            return publisher, prefixes
    return None


def translate(tensors, publisher, prefixes):
    """Return `tensors` by timm's names, without those that no model here has. KeyError names a missing part;
    Misfit is for parts that don't go together.

    The first prefix is the trunk's; tensors beside it, as heads are, have it without its last part. Other prefixes are
    those of models to leave out.
    """
    prefix, *others = prefixes
    beside = prefix[:prefix.rfind(".", 0, len(prefix) - 1) + 1]
    left = dict.fromkeys(name for name in sorted(tensors) if not name.startswith(tuple(others)))
    places = {}  # timm's name -> its row and the file's names
    for row in publisher.rows + UNCHANGED:
        start = beside if row.beside else prefix
        for tensor in list(left):
            for theirs in row.theirs if tensor.startswith(start) else ():
                name = renamed(tensor[len(start):], theirs, row.ours)
                if name is None:
                    continue
                if row.theirs == ("",):
                    parts = [tensor]
                elif row.ours:
                    parts = [start + renamed(name, row.ours, part) for part in row.theirs]
                else:
                    parts = None
                if parts is None or places.setdefault(name, (row, parts))[0] is row:
                    del left[tensor]
                break
    result = {}
    for name, (row, parts) in places.items():
        values = [tensors[part] for part in parts]
        kinds = {(value.dtype, value.shape[1:]) for value in values}
        if len(kinds) > 1 or (len(values) > 1 or row.unused_rows) and values[0].ndim == 0:
            found = ", ".join(f"{part} {tuple(value.shape)}" for part, value in zip(parts, values))
            raise Misfit(f"found {found}, wanted parts of one tensor, of the same type and shape but for the first side")
        value = values[0] if len(values) == 1 else torch.cat(values)
        result[name] = value[None, row.unused_rows:] if row.unused_rows else value
    return {**result, **{name: tensors[name] for name in left}}
