#!/usr/bin/env python3
"""Time this library beside ONNX Runtime, OpenVINO and PyTorch on semantic segmentation: BEiT-Base with UPerNet at
640x640, the configuration of microsoft/beit-base-finetuned-ade-640-640, with random weights.

    python3 bench/compare/segmentation.py        writes and prints segmentation.md in build-compare

The files are transformers' own: its model is saved, exported to ONNX, and computed in double precision as the
reference. As in compare.py, every runtime has its own process, they take turns, and the fastest pass of each counts.
Needs transformers and onnxscript beside the packages in requirements.txt.
"""
import argparse
import datetime
import json
import os
import sys
import tempfile
from pathlib import Path

from compare import HERE, ROOT, Failure, Row, build, make_rows, processor, say, usable_processors

SIZE, CLASSES, OPERATIONS = 640, 150, 2 * 962.2e9  # multiplications and additions, counted by hooks on all modules


def random_model():
    """Returns transformers' model with weights with which every part of it matters."""
    import torch
    from transformers import BeitConfig, BeitForSemanticSegmentation
    config = BeitConfig(image_size=SIZE, num_labels=CLASSES, use_relative_position_bias=True, out_indices=[3, 5, 7, 11])
    model = BeitForSemanticSegmentation(config).eval()
    generator = torch.Generator().manual_seed(0)
    normal = lambda values: torch.randn(values.shape, generator=generator)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if name.endswith("relative_position_bias_table"):
                values.copy_(normal(values))
            elif values.ndim > 1:
                values.copy_(normal(values) / values[0].numel() ** 0.5)
            elif "lambda_" in name:
                values.copy_(0.3 + 0.1 * normal(values))
            else:
                values.copy_((1.0 if name.endswith("weight") else 0.0) + 0.2 * normal(values))
        for name, values in model.named_buffers():
            if name.endswith("running_mean"):
                values.copy_(0.2 * normal(values))
            elif name.endswith("running_var"):
                values.copy_(0.5 + torch.rand(values.shape, generator=generator))
    return model


def make_files(folder):
    """Writes the model for each runtime, under the names that runtimes.py reads, and the reference."""
    import numpy as np
    import openvino
    import torch
    done = folder / "done.txt"
    if done.exists():
        return
    say(f"writing the model to {folder} (2 GB)")
    folder.mkdir(parents=True, exist_ok=True)
    model = random_model()
    model.save_pretrained(folder / "transformers")
    (folder / "transformers" / "preprocessor_config.json").write_text(json.dumps(
        {"image_processor_type": "BeitImageProcessor", "size": {"height": SIZE, "width": SIZE}, "resample": 3,
         "do_center_crop": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    x = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    np.save(folder / "images.npy", x.numpy().reshape(1, -1))

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(x).logits

    with torch.no_grad():
        torch.onnx.export(Logits(), (x,), folder / "beit_base.onnx", dynamo=True, external_data=True)
        say("computing the logits in double precision")
        reference = model.double()(x.double()).logits  # (1, CLASSES, h, w)
    np.save(folder / "logits.npy", reference.numpy().reshape(1, -1))
    openvino.save_model(openvino.convert_model(folder / "beit_base.onnx"), folder / "beit_base.xml",
                        compress_to_fp16=False)
    done.touch()


def logits(row, threads, scratch):
    """Returns the logits of one pass, (1, CLASSES*h*w)."""
    import numpy as np
    row.worker.ask("logits", threads, 1, scratch / "out.npy")
    found = np.load(scratch / "out.npy")
    return (found.T if row.runtime == "beit" else found).reshape(1, -1)


def compare(arguments, scratch):
    import numpy as np
    from report import agreement
    folder = arguments.folder.resolve()
    models = folder / "segmentation"
    compiler = build(folder / "build")
    make_files(models)
    rows, runtimes = make_rows(models, folder / "build", [], arguments.only, "segmentation")
    rows = [row for row in rows if (row.runtime, row.precision) != ("onnxruntime", "int8")]  # no such file is made
    reference = np.load(models / "logits.npy")
    for row in list(rows):
        try:
            row.start()
            row.cosine, row.max_error = agreement(logits(row, arguments.threads, scratch), reference)
            say(f"{row}: cosine {row.cosine:.7f}, largest error {row.max_error:.2g}")
        except Failure as failure:
            say(f"{row}: left out: {failure}")
            rows.remove(row)
    for turn in range(arguments.rounds):
        for row in rows:
            row.times.setdefault((1, arguments.threads), []).extend(
                row.worker.ask("run", arguments.threads, 1, 0.1)["seconds"])
        say(f"round {turn + 1} of {arguments.rounds}")
    for row in rows:
        row.close()

    lines = [f"# {OPERATIONS / 2e9:.0f} GMAC: BEiT-Base with UPerNet, {SIZE} x {SIZE}", "",
             f"{processor()}, {arguments.threads} threads, {compiler}, {datetime.date.today().isoformat()}", "",
             "| | ms per image | median | GFLOP/s | cosine | largest error / deviation |", "|---|---|---|---|---|---|"]
    for row in rows:
        times = sorted(row.times[1, arguments.threads])
        version = runtimes[row.runtime]["version"]
        lines.append(f"| {row.runtime} {version} {row.precision} | {1e3 * times[0]:.0f} "
                     f"| {1e3 * times[len(times) // 2]:.0f} | {OPERATIONS / times[0] / 1e9:.0f} | {row.cosine:.7f} "
                     f"| {row.max_error / reference.std():.2g} |")
    text = "\n".join(lines) + "\n"
    part = folder / "segmentation.md.part"
    part.write_text(text)
    os.replace(part, folder / "segmentation.md")
    print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build-compare",
                        help="folder in which to build and write everything [build-compare]")
    parser.add_argument("--rounds", type=int, default=5, help="how many turns each runtime has [5]")
    parser.add_argument("--threads", type=int, default=usable_processors(), metavar="N",
                        help="number of threads [the usable processors]")
    parser.add_argument("--only", nargs="*", metavar="RUNTIME[-PRECISION]",
                        help="runtimes to time: beit, onnxruntime, openvino, pytorch, or openvino-bfloat16 ... [all]")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            compare(arguments, Path(scratch))
    except (Failure, OSError) as failure:
        say(f"segmentation.py: {failure}")
        return 1
    except ImportError as error:
        say(f"segmentation.py: {error}: install the packages in requirements.txt, transformers and onnxscript")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
