#!/usr/bin/env python3
"""The other runtimes' side of compare.py, one process for each, with the commands of worker.cpp:

    runtimes.py RUNTIME --describe                  {"version": "...", "precisions": [...]} or {"missing": "why"}
    runtimes.py RUNTIME FOLDER PRECISION            answers run and logits
    runtimes.py RUNTIME FOLDER PRECISION --classify IMAGE --threads N
                                                    runs as a whole program and prints the top 5 classes
    runtimes.py pillow                              answers resize

Each runtime is set up as its documentation advises for the lowest latency on a given number of threads.
"""
import argparse
import json
import math
import shlex
import sys
import time
from pathlib import Path

import numpy as np

NAME, CROP_PCT = "beit_base_patch16_224", 0.9


class OnnxRuntime:
    FILES = {"float": "beit_base.onnx", "int8": "beit_base_int8.onnx"}

    @staticmethod
    def describe():
        import onnxruntime
        return {"version": onnxruntime.__version__, "precisions": list(OnnxRuntime.FILES)}

    def __init__(self, folder, precision):
        self._path, self._sessions = str(folder / self.FILES[precision]), {}

    def forward(self, threads, x):
        import onnxruntime
        if threads not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            self._sessions[threads] = onnxruntime.InferenceSession(self._path, options, ["CPUExecutionProvider"])
        return self._sessions[threads].run(None, {"x": x})[0]


class OpenVino:
    TYPES = {"float": "f32", "bfloat16": "bf16"}

    @staticmethod
    def describe():
        import openvino
        capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        precisions = ["float"] + (["bfloat16"] if "BF16" in capabilities else [])
        return {"version": openvino.__version__.split("-")[0], "precisions": precisions}

    def __init__(self, folder, precision):
        self._path, self._type, self._models = folder / "beit_base.xml", self.TYPES[precision], {}

    def forward(self, threads, x):
        import openvino
        key = threads, len(x)
        if key not in self._models:
            core = openvino.Core()
            model = core.read_model(self._path)
            model.reshape(list(x.shape))
            self._models[key] = core.compile_model(model, "CPU", {
                "INFERENCE_PRECISION_HINT": self._type, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                "INFERENCE_NUM_THREADS": threads})
        return self._models[key](x)[0]


class PyTorch:
    @staticmethod
    def describe():
        import timm  # the model's module comes from there
        import torch
        try:
            bfloat16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        except AttributeError:  # built without oneDNN, as Debian's is
            bfloat16 = False
        return {"version": torch.__version__.split("+")[0], "precisions": ["float"] + ["bfloat16"] * bfloat16}

    def __init__(self, folder, precision):
        import threadpoolctl
        import torch
        if (folder / "transformers").exists():
            from transformers import BeitForSemanticSegmentation
            model = BeitForSemanticSegmentation.from_pretrained(folder / "transformers").eval()
            self._model = lambda x: model(x).logits
        else:
            import timm
            from safetensors.torch import load_file
            self._model = timm.create_model(NAME, img_size=load_images(folder).shape[-1])
            self._model.load_state_dict(load_file(folder / "beit_base.safetensors"), strict=False)
            self._model.eval()
        self._autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
        # Debian's torch multiplies with OpenBLAS, which has threads of its own that torch doesn't limit.
        self._pools = threadpoolctl.ThreadpoolController()

    def forward(self, threads, x):
        import torch
        torch.set_num_threads(threads)
        with torch.inference_mode(), self._autocast(), self._pools.limit(limits=threads):
            return self._model(torch.from_numpy(x)).float().numpy()


RUNTIMES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "pytorch": PyTorch}


def describe(runtime):
    try:
        return RUNTIMES[runtime].describe()
    except ImportError as error:
        return {"missing": str(error)}


def load_images(folder):
    """Returns the preprocessed images, (B, 3, size, size)."""
    rows = np.load(folder / "images.npy")
    size = math.isqrt(rows.shape[1] // 3)
    return rows.reshape(-1, 3, size, size)


def preprocess(path, size):
    """Applies the model's eval transform in timm: (1, 3, size, size)."""
    from PIL import Image
    image = Image.open(path).convert("RGB")
    resized = math.floor(size / CROP_PCT)
    scale = resized / min(image.size)
    width, height = (resized if side == min(image.size) else int(side * scale) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    image = image.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + size, top + size))
    return (np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[None] / 127.5 - 1).astype(np.float32)


def classify(model, image, size, threads):
    logits = model.forward(threads, np.ascontiguousarray(preprocess(image, size)))[0].astype(np.float64)
    scores = np.exp(logits - logits.max())
    scores /= scores.sum()
    for index in np.argsort(-scores, kind="stable")[:5]:
        print(f"{100 * scores[index]:8.2f} %  class {index}")


def repeat(seconds, task):
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        task()
        times.append(time.perf_counter() - begin)
    return {"seconds": times}


def answer_model(model, images, words):
    command, threads, batch = words[0], int(words[1]), int(words[2])
    x = images[:batch]
    if command == "run":
        return repeat(float(words[3]), lambda: model.forward(threads, x))
    np.save(words[3], np.asarray(model.forward(threads, x), dtype=np.float32))
    return {}


def answer_pillow(words):
    from PIL import Image
    seconds, height, width = float(words[1]), int(words[2]), int(words[3])
    image = Image.open(words[4]).convert("RGB")
    result = repeat(seconds, lambda: image.resize((width, height), Image.Resampling.BICUBIC))
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    np.save(words[5], pixels.reshape(height, width * 3))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=[*RUNTIMES, "pillow"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("precision", nargs="?")
    parser.add_argument("--describe", action="store_true")
    parser.add_argument("--classify", metavar="IMAGE")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.runtime == "pillow":
        import PIL
        described, answer = {"version": PIL.__version__}, answer_pillow
    elif arguments.describe:
        print(json.dumps(describe(arguments.runtime)))
        return
    else:
        described = {}
        model = RUNTIMES[arguments.runtime](arguments.folder, arguments.precision)
        images = load_images(arguments.folder)
        if arguments.classify:
            classify(model, arguments.classify, images.shape[-1], arguments.threads)
            return
        answer = lambda words: answer_model(model, images, words)
    print(json.dumps(described), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(shlex.split(line))), flush=True)


if __name__ == "__main__":
    main()
