"""Turns measured numbers into JSON, Markdown tables and a chart.

A report is a dictionary; compare.py makes it and write() writes it:

    machine    {"processor", "threads", "system", "compiler", "date"}
    model      {"name", "operations"}                            operations per image
    peaks      [{"instruction", "level", "type", "threads", "gflops"}]                  what beit_peak prints
    runtimes   {name: {"version"}}
    rows       [{"runtime", "precision", "level", "lowered", "cosine", "max_error",
                 "times": [{"threads", "batch", "min_ms", "median_ms", "passes", "limit", "limit_ms", "percent",
                            "products_ms"}]}]              products_ms is for this library only: the blocks' products
    starts     [{"runtime", "precision", "file", "seconds", "peak_mb"}]
    resize     {"from", "to", "beit_ms", "pillow_ms", "pillow"}

Times are milliseconds per image. `level` is the level of kernels that this library ran at, or None for other runtimes;
`lowered` is true if BEIT_ISA made it lower than the machine's best.
"""
import json
import os

# Levels of kernels from low to high. A level has the instructions of those before it, as far as the machine has them. A
# level that isn't listed here has them all.
LEVELS = ["portable", "avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx"]

# The types of product by which a precision can be computed, and how many of them make one product of the precision. A
# float is the sum of three bfloat16 numbers (six products are as exact as one of floats), or roughly of two (three
# products). Only this library multiplies this way.
PRODUCTS = {
    "float": {"float": 1, "bfloat16": 6},
    "float-fast": {"float": 1, "bfloat16": 3},
    "bfloat16": {"float": 1, "bfloat16": 1},
    "int8": {"float": 1, "bfloat16": 1, "int8": 1},
}

# The tolerances within which a result is shown: the least cosine of the logits to those in double precision, and their
# largest error. The logits' standard deviation is about 2.
TOLERANCES = {
    "float": (0.999999, 5e-5),
    "float-fast": (0.999999, 2e-4),
    "bfloat16": (0.999, 0.5),
    "int8": (0.99, 2.0),
}

LABELS = {"beit": "beit", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "pytorch": "PyTorch"}


def rank(level):
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def limit(peaks, runtime, precision, level, threads):
    """Returns the machine's limit as (name, 1e9 operations of the precision per second), or None if it wasn't measured.

    It is that of the fastest instruction in the level that serves the precision; None means the machine's best level.
    """
    best = None
    for peak in peaks:
        products = PRODUCTS[precision].get(peak["type"])
        usable = products is not None and (runtime == "beit" or products == 1)
        if not usable or peak["threads"] != threads or rank(peak["level"]) > rank(level):
            continue
        name = peak["instruction"] + (f" / {products}" if products > 1 else "")
        if best is None or peak["gflops"] / products > best[1] * 0.99:  # if equal, the later one, with wider registers
            best = name, peak["gflops"] / products
    return best


def add_limits(report):
    """Adds limit, limit_ms and percent (of the limit, for the fastest pass) to every row's times."""
    for row in report["rows"]:
        for time in row["times"]:
            level = row["level"] if row["lowered"] else None
            found = limit(report["peaks"], row["runtime"], row["precision"], level, time["threads"])
            name, gflops = found or (None, None)
            time["limit"] = name
            time["limit_ms"] = report["model"]["operations"] / gflops * 1e-6 if found else None
            time["percent"] = 100 * time["limit_ms"] / time["min_ms"] if found else None


def agreement(logits, reference):
    """Returns the cosine (the smallest of all images) and the largest absolute error of logits (B, K)."""
    import numpy as np
    logits, reference = np.asarray(logits, np.float64), np.asarray(reference, np.float64)
    if logits.shape != reference.shape:
        raise ValueError(f"found logits of shape {logits.shape}, wanted {reference.shape}")
    norms = np.linalg.norm(logits, axis=1) * np.linalg.norm(reference, axis=1)
    return float(((logits * reference).sum(axis=1) / norms).min()), float(np.abs(logits - reference).max())


def disagreement(precision, cosine, max_error):
    """Says what is wrong with a result, or returns None if it is within its precision's tolerance."""
    least, most = TOLERANCES[precision]
    if cosine >= least and max_error <= most:  # also false for not-a-number
        return None
    return (f"found a cosine of {cosine:.7f} and an error of {max_error:.2g} against double precision, "
            f"wanted at least {least} and at most {most:g}")


def label(row, report):
    """Returns for example "beit float", with the level if the same precision was timed at several."""
    same = [r for r in report["rows"] if (r["runtime"], r["precision"]) == (row["runtime"], row["precision"])]
    level = f", {row['level']}" if len(same) > 1 else ""
    return f"{LABELS[row['runtime']]} {row['precision']}{level}"


def columns(report):
    return sorted({(time["batch"], time["threads"]) for row in report["rows"] for time in row["times"]})


def cell(row, batch, threads):
    for time in row["times"]:
        if (time["batch"], time["threads"]) == (batch, threads):
            percent = f" ({time['percent']:.0f} %)" if time["percent"] is not None else ""
            return f"{time['min_ms']:.1f}{percent}"
    return ""


def rest(row, batch, threads):
    for time in row["times"]:
        if (time["batch"], time["threads"]) == (batch, threads) and "products_ms" in time:
            return f"{100 * max(0, 1 - time['products_ms'] / time['min_ms']):.0f} %"
    return ""


def count(number, noun):
    return f"{number} {noun}" + ("s" if number != 1 else "")


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])


def markdown(report):
    machine, shown = report["machine"], columns(report)
    versions = ", ".join(f"{LABELS[name]} {about['version']}" for name, about in report["runtimes"].items())
    parts = [f"{machine['processor']}, {count(machine['threads'], 'thread')}; {machine['system']}; "
             f"{machine['compiler']}; {versions}. {machine['date']}.",
             f"{report['model']['name']}, {report['model']['operations'] / 1e9:.1f} GFLOP per image. The first table "
             "shows milliseconds per image (less is better), the fraction of the machine's limit for that arithmetic "
             "in brackets, and the errors of the logits against double precision."]
    most = max(threads for _, threads in shown)
    rows = []
    for row in report["rows"]:
        limits = {time["limit"] for time in row["times"] if time["threads"] == most}
        rows.append([label(row, report), *(cell(row, *column) for column in shown),
                     " ".join(name or "unknown" for name in limits), f"{row['cosine']:.6f}", f"{row['max_error']:.1e}"])
    header = ["", *(f"batch {batch}, {count(threads, 'thread')}" for batch, threads in shown),
              "limit", "cosine", "largest error"]
    parts.append(table(header, rows))
    rows = [[label(row, report), *(rest(row, *column) for column in shown)] for row in report["rows"]
            if any("products_ms" in time for time in row["times"])]
    if rows:
        parts.append(table(["share of a pass outside products with weights", *header[1:1 + len(shown)]], rows))
    if report["starts"]:
        rows = [[f"{LABELS[start['runtime']]} {start['precision']}", start["file"], f"{start['seconds']:.2f}",
                 f"{start['peak_mb']:.0f}"] for start in report["starts"]]
        parts.append(table(["from process start to the top 5 classes", "file", "seconds", "peak memory, MB"], rows))
    threads = sorted({peak["threads"] for peak in report["peaks"]})
    names = list(dict.fromkeys(peak["instruction"] for peak in report["peaks"]))
    if names:
        speed = {(peak["instruction"], peak["threads"]): f"{peak['gflops']:.0f}" for peak in report["peaks"]}
        rows = [[name, *(speed.get((name, n), "") for n in threads)] for name in names]
        parts.append(table(["the machine's peak, GFLOP/s", *(count(n, "thread") for n in threads)], rows))
    resize = report["resize"]
    if resize:
        parts.append(f"Resizing {resize['from']} to {resize['to']} (bicubic, one thread, the same bytes): "
                     f"{resize['beit_ms']:.1f} ms; Pillow {resize['pillow']}: {resize['pillow_ms']:.1f} ms, "
                     f"{resize['pillow_ms'] / resize['beit_ms']:.1f} times as long.")
    return "\n\n".join(parts) + "\n"


def chart(report, path):
    """Draws bars for all rows on the most threads, with one panel per batch size, as SVG or PNG."""
    import matplotlib
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    ink, faint, ours, other, mark = "#24292f", "#6e7781", "#0969da", "#c3ccd6", "#cf222e"
    most = max(threads for _, threads in columns(report))
    batches = [batch for batch, threads in columns(report) if threads == most]
    order = list(PRODUCTS)
    fastest = lambda row: min(time["min_ms"] for time in row["times"])
    rows = [row for row in report["rows"] if not row["lowered"]]  # the lower levels are for the table
    rows.sort(key=lambda row: (order.index(row["precision"]), row["runtime"] != "beit", fastest(row)))

    positions, position, previous = [], 0.0, None
    for row in rows:
        position += 1.0 if previous in (None, row["precision"]) else 1.6
        positions.append(position)
        previous = row["precision"]

    settings = {"font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
                "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "beit", "text.color": ink}
    with plt.rc_context(settings):
        height = 1.4 + 0.27 * position
        figure, axes = plt.subplots(1, len(batches), figsize=(8.6, height), sharey=True, squeeze=False)
        for axis, batch in zip(axes[0], batches):
            widest = 0.0
            for row, y in zip(rows, positions):
                time = next((t for t in row["times"] if (t["batch"], t["threads"]) == (batch, most)), None)
                if time is None:
                    continue
                is_ours = row["runtime"] == "beit"
                axis.barh(y, time["min_ms"], height=0.74, color=ours if is_ours else other)
                axis.text(time["min_ms"], y, f" {time['min_ms']:.1f}", va="center",
                          fontweight="bold" if is_ours else "normal")
                if time["limit_ms"]:
                    axis.plot([time["limit_ms"]] * 2, [y - 0.37, y + 0.37], color=mark, linewidth=1.4)
                widest = max(widest, time["min_ms"])
            axis.set_xlim(0, widest * 1.16)
            axis.set_title(f"batch {batch}", loc="left", fontsize=9, color=faint)
            axis.set_xticks([])
            axis.tick_params(left=False, pad=4)
            for spine in axis.spines.values():
                spine.set_visible(False)
        axes[0][0].set_yticks(positions, [f"{LABELS[row['runtime']]} {row['precision']}" for row in rows])
        axes[0][0].set_ylim(position + 0.6, 0.4)
        for tick, row in zip(axes[0][0].get_yticklabels(), rows):
            tick.set_fontweight("bold" if row["runtime"] == "beit" else "normal")

        used = {(time["limit"] or "").split(" / ")[0] for row in rows for time in row["times"]
                if time["threads"] == most}
        peaks = [peak for peak in report["peaks"] if peak["threads"] == most and peak["instruction"] in used]
        note = f"{report['machine']['processor']}, {report['machine']['date']}"
        if peaks:
            note += "\nPeaks measured in the same run, GFLOP/s: "
            note += ", ".join(f"{peak['instruction']} {peak['gflops']:.0f}" for peak in peaks)
            figure.text(0.988, 1 - 0.12 / height, "| the machine's limit", ha="right", va="top", fontsize=8, color=mark)
        title = f"{report['model']['name']}: milliseconds per image, {count(most, 'thread')} (less is better)"
        figure.suptitle(title, x=0.012, y=1 - 0.10 / height, ha="left", va="top", fontsize=11, fontweight="bold")
        figure.text(0.012, 0.10 / height, note, ha="left", va="bottom", fontsize=8, color=faint, linespacing=1.4)
        figure.subplots_adjust(left=0.21, right=0.99, top=1 - 0.62 / height, bottom=0.52 / height, wspace=0.06)
        metadata = {"Date": None} if str(path).endswith(".svg") else None
        figure.savefig(path, metadata=metadata, dpi=144, facecolor="white")
        plt.close(figure)


def write(report, folder):
    """Writes compare.json, compare.md and compare.svg in `folder`, each complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    text = lambda content: lambda path: path.write_text(content)
    for name, fill in {"compare.json": text(json.dumps(report, indent=1) + "\n"),
                       "compare.md": text(markdown(report)),
                       "compare.svg": lambda path: chart(report, path)}.items():
        part = folder / f"part-{name}"
        fill(part)
        os.replace(part, folder / name)
