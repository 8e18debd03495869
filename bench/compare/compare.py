#!/usr/bin/env python3
"""Time this library beside ONNX Runtime, OpenVINO and PyTorch on one full-size model, and compare each with the
machine's limit.

    python3 bench/compare/compare.py        builds, measures, and writes compare.md, .json and .svg in build-compare

Every runtime has its own process. They take turns, so that a busy minute of the machine affects all of them alike. The
fastest pass of each counts. README.md beside this file says what is measured.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
IMAGE = ROOT / "examples" / "data" / "chelsea.png"
PHOTOGRAPH, RESIZED = (3000, 4000), (248, 331)  # height, width: from 12 megapixels to the size before the crop
LEAST_ROUNDS = 2
START_REPEATS = 3


def say(text):
    print(text, file=sys.stderr, flush=True)


class Failure(Exception):
    """An error, described in one line."""


def run(command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        output = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()
        raise Failure(f"{Path(command[0]).name}: status {result.returncode}: {output[-1]}")
    return result.stdout


class Worker:
    """A process that answers each line with one line of JSON: worker.cpp or runtimes.py."""

    def __init__(self, command, **environment):
        self._errors = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, text=True,
                                         stdout=subprocess.PIPE, stderr=self._errors, env={**os.environ, **environment})
        self.about = self._read()

    def ask(self, *words):
        quoted = [json.dumps(str(word), ensure_ascii=False) if isinstance(word, Path) else str(word) for word in words]
        try:
            self._process.stdin.write(" ".join(quoted) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # _read says why
        return self._read()

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._errors.close()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            output = self._errors.read().strip().splitlines() or ["no output"]
            raise Failure(f"ended with status {status}: {output[-1]}")
        return json.loads(line)


class Row:
    """One runtime at one precision: its worker, its times, and its agreement with double precision."""

    def __init__(self, runtime, precision, command, level=None):
        self.runtime, self.precision, self.level, self.lowered = runtime, precision, level, level is not None
        self.command = command
        self.times = {}  # (batch, threads) -> seconds of each pass
        self.products = {}  # the same for products alone, for this library only
        self.cosine, self.max_error = 1.0, 0.0
        self.worker = None

    def __str__(self):
        return f"{self.runtime} {self.precision}" + (f", {self.level}" if self.lowered else "")

    def start(self):
        self.worker = Worker(self.command, **({"BEIT_ISA": self.level} if self.lowered else {}))
        level = self.worker.about.get("isa")
        if self.lowered and level != self.level:
            raise Failure(f"runs at level {level}")
        self.level = level

    def check(self, configurations, reference, scratch):
        """Compares the logits of every configuration with the reference, which is also the untimed first pass."""
        import numpy as np
        from report import agreement, disagreement
        for batch, threads in configurations:
            self.worker.ask("logits", threads, batch, scratch / "out.npy")
            cosine, max_error = agreement(np.load(scratch / "out.npy"), reference[:batch])
            wrong = disagreement(self.precision, cosine, max_error)
            if wrong:
                raise Failure(f"batch {batch}, threads {threads}: {wrong}")
            self.cosine, self.max_error = min(self.cosine, cosine), max(self.max_error, max_error)

    def time(self, batch, threads, seconds):
        self.times.setdefault((batch, threads), []).extend(
            self.worker.ask("run", threads, batch, seconds)["seconds"])

    def time_products(self, batch, threads, seconds):
        if self.runtime == "beit":
            self.products.setdefault((batch, threads), []).extend(
                self.worker.ask("products", threads, batch, seconds)["seconds"])

    def close(self):
        if self.worker:
            self.worker.close()
            self.worker = None

    def result(self):
        times = []
        for (batch, threads), seconds in sorted(self.times.items()):
            times.append({"threads": threads, "batch": batch, "min_ms": 1e3 * min(seconds) / batch,
                          "median_ms": 1e3 * statistics.median(seconds) / batch, "passes": len(seconds)})
            if (batch, threads) in self.products:
                times[-1]["products_ms"] = 1e3 * min(self.products[batch, threads]) / batch
        return {"runtime": self.runtime, "precision": self.precision, "level": self.level, "lowered": self.lowered,
                "cosine": self.cosine, "max_error": self.max_error, "times": times}


def build(folder):
    """Builds the programs to time. Returns the compiler's name."""
    say(f"building in {folder}")
    run(["cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DBEIT_BUILD_BENCHMARKS=ON",
         "-DBEIT_BUILD_EXAMPLES=ON", "-DBEIT_BUILD_TESTS=OFF"])
    run(["cmake", "--build", folder, "--target", "beit_peak", "beit_compare_worker", "beit-classify"])
    cache = (folder / "CMakeCache.txt").read_text().splitlines()
    compiler = next(line.split("=", 1)[1] for line in cache if line.startswith("CMAKE_CXX_COMPILER:"))
    return run([compiler, "--version"]).splitlines()[0]


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_processors():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def make_rows(models, build_folder, levels, wanted, kind="classifier"):
    """Returns the rows that can be timed here, and {runtime: its description}; says which ones can't."""
    worker = build_folder / "bench" / "beit_compare_worker"
    runtimes = {"beit": json.loads(run([worker, "--describe", kind]))}
    model = models / {"classifier": "beit_base.safetensors", "segmentation": "transformers"}[kind]
    command = lambda precision: [worker, kind, model, precision, models / "images.npy"]
    rows = [Row("beit", precision, command(precision)) for precision in runtimes["beit"]["precisions"]]
    rows += [Row("beit", "float", command("float"), level) for level in levels
             if level != runtimes["beit"]["isa"]]
    for name in ("onnxruntime", "openvino", "pytorch"):
        try:
            about = json.loads(run([sys.executable, HERE / "runtimes.py", name, "--describe"]).splitlines()[-1])
        except Failure as failure:
            about = {"missing": str(failure)}
        if "missing" in about:
            say(f"{name}: left out: {about['missing']}")
            continue
        runtimes[name] = about
        rows += [Row(name, precision, [sys.executable, HERE / "runtimes.py", name, models, precision])
                 for precision in about["precisions"]]
    if wanted:
        rows = [row for row in rows if row.runtime in wanted or f"{row.runtime}-{row.precision}" in wanted]
    return rows, {name: runtimes[name] for name in runtimes if any(row.runtime == name for row in rows)}


class Peaks:
    """The best results of beit_peak over the whole run."""

    def __init__(self, program, threads):
        self._command, self._best = [program, threads], {}

    def measure(self):
        for line in run(self._command).splitlines():
            peak = json.loads(line)
            best = self._best.setdefault((peak["instruction"], peak["threads"]), peak)
            best["gflops"] = max(best["gflops"], peak["gflops"])

    def result(self):
        return list(self._best.values())


def start_and_check(rows, configurations, models, scratch):
    """Returns the rows that run and agree with the reference; says what is wrong with the others."""
    import numpy as np
    reference = np.load(models / "logits.npy")
    good = []
    for row in rows:
        try:
            row.start()
            row.check(configurations, reference, scratch)
        except Failure as failure:
            say(f"{row}: left out: {failure}")
            row.close()
            continue
        say(f"{row}: cosine {row.cosine:.7f}, largest error {row.max_error:.2g}")
        good.append(row)
    return good


def measure(rows, configurations, peaks, seconds):
    """Times every row in every configuration, in rounds, until `seconds` have passed."""
    start, rounds, longest = time.monotonic(), 0, 0.0
    while rounds < LEAST_ROUNDS or time.monotonic() - start + longest < seconds:
        begin = time.monotonic()
        peaks.measure()
        for batch, threads in configurations:
            for row in rows:
                row.time(batch, threads, 0.3)
                row.time_products(batch, threads, 0.3)
        rounds, longest = rounds + 1, max(longest, time.monotonic() - begin)
        say(f"round {rounds}: {time.monotonic() - start:.0f} s")


# A child's peak memory includes its parent's memory when it was started, so a small process stands between the two.
LAUNCHER = """
import os, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
start = time.monotonic()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)])
_, status, usage = os.wait4(child, 0)
print(time.monotonic() - start, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measure_starts(rows, models, build_folder, threads, scratch):
    """Measures programs from start to the printed top 5, in turns; keeps the shortest time and the largest memory."""
    commands = {}
    for row in rows:
        if row.lowered:
            continue
        if row.runtime == "beit":
            files = ["beit_base.safetensors"] + ["beit_base_bf16.safetensors"] * (row.precision == "bfloat16")
            for file in files:
                commands[row.runtime, row.precision, file] = [
                    build_folder / "beit-classify", "--model", models / file, "--precision", row.precision,
                    "--threads", threads, IMAGE]
        else:
            file = {"onnxruntime": "beit_base.onnx" if row.precision == "float" else "beit_base_int8.onnx",
                    "openvino": "beit_base.xml", "pytorch": "beit_base.safetensors"}[row.runtime]
            commands[row.runtime, row.precision, file] = [*row.command, "--classify", IMAGE, "--threads", threads]
    best = {}
    for _ in range(START_REPEATS):
        for key, command in commands.items():
            printed = scratch / "top5.txt"
            output = run([sys.executable, "-I", "-S", "-c", LAUNCHER, printed, *command])
            if printed.read_text().count(" %  class ") != 5:
                raise Failure(f"{' '.join(key)}: found '{printed.read_text()}', wanted five classes")
            seconds, kilobytes = output.split()
            before = best.get(key, (float("inf"), 0.0))
            best[key] = min(before[0], float(seconds)), max(before[1], float(kilobytes) * 1024e-6)
    return [{"runtime": runtime, "precision": precision, "file": file, "seconds": seconds, "peak_mb": megabytes}
            for (runtime, precision, file), (seconds, megabytes) in best.items()]


def measure_resize(models, build_folder, scratch):
    """Times this library's resize beside Pillow's, which must give the same bytes."""
    import numpy as np
    height, width = PHOTOGRAPH
    pixels = np.random.default_rng(2).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    photograph = scratch / "photograph.ppm"
    photograph.write_bytes(f"P6 {width} {height} 255\n".encode() + pixels.repeat(8, 0).repeat(8, 1).tobytes())
    workers = {
        "beit": Worker([build_folder / "bench" / "beit_compare_worker", "classifier", models / "beit_base.safetensors",
                        "float", models / "images.npy"]),
        "pillow": Worker([sys.executable, HERE / "runtimes.py", "pillow"])}
    times = {name: [] for name in workers}
    for _ in range(5):
        for name, worker in workers.items():
            answer = worker.ask("resize", 0.3, *RESIZED, photograph, scratch / f"{name}.npy")
            times[name] += answer["seconds"]
    if not np.array_equal(*(np.load(scratch / f"{name}.npy") for name in workers)):
        raise Failure("resize: found other bytes than Pillow's, wanted the same")
    for worker in workers.values():
        worker.close()
    size = lambda shape: f"{shape[1]} x {shape[0]}"
    return {"from": size(PHOTOGRAPH), "to": size(RESIZED), "pillow": workers["pillow"].about["version"],
            **{f"{name}_ms": 1e3 * min(seconds) for name, seconds in times.items()}}


def compare(arguments, scratch):
    import matplotlib  # needed at the end; if it is missing, this fails at once
    import model
    import report
    folder = arguments.folder.resolve()
    size = arguments.image_size
    build_folder, models = folder / "build", folder / ("model" if size == model.SIZE else f"model_{size}")
    compiler = build(build_folder)
    rows, runtimes = make_rows(models, build_folder, arguments.levels, arguments.only)
    model.make_files(models, size, say)

    threads = sorted({1, arguments.threads})
    configurations = [(batch, count) for batch in model.batches(size) for count in threads]
    peaks = Peaks(build_folder / "bench" / "beit_peak", arguments.threads)
    asked = rows
    try:
        rows = start_and_check(asked, configurations, models, scratch)
        if not rows:
            raise Failure("nothing is left to time")
        measure(rows, configurations, peaks, arguments.seconds)
    finally:
        for row in asked:
            row.close()
    say("starts, memory and resizing")
    result = {
        "machine": {"processor": processor(), "threads": arguments.threads,
                    "system": f"{platform.system()} {platform.machine()}", "compiler": compiler,
                    "date": datetime.date.today().isoformat()},
        "model": {"name": model.NAME + (f" at {size} x {size}" if size != model.SIZE else ""),
                  "operations": model.operations_per_image(size)},
        "peaks": peaks.result(),
        "runtimes": {name: {"version": about["version"]} for name, about in runtimes.items()},
        "rows": [row.result() for row in rows],
        "starts": measure_starts(rows, models, build_folder, arguments.threads, scratch),
        "resize": measure_resize(models, build_folder, scratch),
    }
    report.add_limits(result)
    report.write(result, folder)
    print(report.markdown(result))
    return all(row in rows for row in asked if row.runtime == "beit")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build-compare",
                        help="folder in which to build and write everything [build-compare]")
    parser.add_argument("--seconds", type=float, default=240, help="how long to run timed rounds [240]")
    parser.add_argument("--image-size", type=int, default=224, metavar="N",
                        help="height and width of the images in pixels, a multiple of 16 [224]")
    parser.add_argument("--threads", type=int, default=usable_processors(), metavar="N",
                        help="number of threads to time, in addition to one thread [the usable processors]")
    parser.add_argument("--levels", nargs="*", default=[], metavar="LEVEL",
                        help="lower levels of this library's kernels to time in float as well, named as for BEIT_ISA")
    parser.add_argument("--only", nargs="*", metavar="RUNTIME[-PRECISION]",
                        help="runtimes to time: beit, onnxruntime, openvino, pytorch, or openvino-bfloat16 ... [all]")
    arguments = parser.parse_args()
    if arguments.threads < 1:
        parser.error(f"--threads: found {arguments.threads}, wanted 1 or more")
    if arguments.image_size < 16 or arguments.image_size % 16 != 0:
        parser.error(f"--image-size: found {arguments.image_size}, wanted a multiple of 16")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return 0 if compare(arguments, Path(scratch)) else 1
    except (Failure, OSError) as failure:
        say(f"compare.py: {failure}")
    except ImportError as error:
        say(f"compare.py: {error}: install the packages in requirements.txt beside this script")
    return 1


if __name__ == "__main__":
    sys.exit(main())
