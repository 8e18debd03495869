"""Says what a file is that isn't the checkpoint that was wanted, from its first bytes and the names in its archive."""
import re
import zipfile

SAFETENSORS, PYTORCH = "safetensors", "PyTorch"
# How files begin, and what they are.
STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself, which git lfs pull fetches"),
    (b"GGUF", "a GGUF file"),
    (b"\x89HDF", "an HDF5 file, as Keras writes"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file, such as a WebP image"),
    (b"%PDF", "a PDF file"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip file, to be unpacked first"),
    (b"BZh", "a bzip2 file, to be unpacked first"),
    (b"\xfd7zXZ", "an xz file, to be unpacked first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file, to be unpacked first"),
    (b"7z\xbc\xaf", "a 7z archive, to be unpacked first"),
    (b"Rar!", "a RAR archive, to be unpacked first"),
)
# Names in zip archives that torch.save didn't write, and what these are.
MEMBERS = (
    (r"(.*/)?constants\.pkl", "a TorchScript archive, wanted a state dict"),
    (r".*\.npy", "an archive of NumPy arrays (.npz)"),
    (r"model\.weights\.h5", "a Keras model"),
    (r"\[Content_Types\]\.xml", "an Office document"),
)
LEGACY_START = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # the number with which torch.save began before its zip archives
START_BYTES = 4096


def kind_of(path):
    """Return SAFETENSORS or PYTORCH, or else what the file is, for a message after "is". OSError if it can't be read.

    PYTORCH stands for a file of torch.save's in either of its formats, SAFETENSORS for one with a header's length in
    front of a brace; either may still be damaged.
    """
    with open(path, "rb") as file:
        start = file.read(START_BYTES)
    if not start:
        return "empty"
    # First, because the length of a header may begin as other files do.
    if start[4:8] == bytes(4) and start[8:].lstrip()[:1] == b"{":
        return SAFETENSORS
    for first, what in STARTS:
        if start.startswith(first):
            return what
    if start.startswith(b"PK"):
        return _kind_of_zip(path)
    if start[0] == 0x80:
        return PYTORCH if LEGACY_START in start[:32] else "a pickle that torch.save didn't write"
    if not any(start):
        return "a file of zeros, perhaps an unfinished download"
    if start[257:262] == b"ustar":
        return "a tar archive, to be unpacked first"
    if len(start) > 3 and start[0] == 8 and 0 < start[1] < 32 and 0x12 <= start[2] <= 0x22:
        return "an ONNX file"
    return _kind_of_text(start) or f"of no known format: it begins with the bytes {start[:8].hex(' ')}"


def _kind_of_zip(path):
    if not zipfile.is_zipfile(path):
        return "a zip archive without its end, perhaps of a download that was cut off"
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OverflowError):
        return "a damaged zip archive"
    for pattern, what in MEMBERS:
        if any(re.fullmatch(pattern, name) for name in names):
            return what
    if any(name.endswith("/data.pkl") for name in names):
        return PYTORCH
    return "a zip archive " + (f"of other files, such as {names[0][:60]!r}" if names else "without files")


def _kind_of_text(start):
    """Return what text these bytes are the beginning of, or None if they aren't text."""
    if not start.strip():
        return "a text file of white space"
    text = start.decode("utf-8", "ignore").removeprefix("\ufeff").strip()
    if len(text.encode()) < len(start) // 2 or any(ord(c) < 32 and c not in "\t\n\r\f" for c in text):
        return None
    if re.match(r"(?i)<!doctype html|<html|<head|<body", text):
        title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
        shown = f" ({' '.join(title[1].split())[:60]!r})" if title else ""
        return f"a web page{shown}, not the file, which may need signing in to download"
    kind = "a JSON file" if text.startswith(("{", "[")) else "an XML file" if text.startswith("<") else "a text file"
    return f"{kind} that begins with {' '.join(text.split())[:60]!r}"
