"""Tests report.py on made-up measurements, and model.py without any runtime. Measures nothing."""
import copy
import json
import math
import sys
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import model
import report

PEAKS = [{"instruction": name, "level": level, "type": kind, "threads": threads, "gflops": gflops * threads}
         for name, level, kind, gflops in [("AVX2 FMA", "avx2", "float", 100), ("AVX-512 FMA", "avx512", "float", 200),
                                           ("AVX512-BF16", "avx512_bf16", "bfloat16", 400),
                                           ("AVX512-VNNI", "avx512_vnni", "int8", 800),
                                           ("AMX bfloat16", "amx", "bfloat16", 3600), ("AMX int8", "amx", "int8", 7200)]
         for threads in (1, 2)]


def row(runtime, precision, level=None, lowered=False, scale=1.0):
    times = [{"threads": threads, "batch": batch, "min_ms": scale * 100 / threads, "median_ms": scale * 110 / threads,
              "passes": 3} for batch in (1, 8) for threads in (1, 2)]
    return {"runtime": runtime, "precision": precision, "level": level, "lowered": lowered, "cosine": 0.99995,
            "max_error": 1e-6, "times": times}


@pytest.fixture
def canned():
    result = {
        "machine": {"processor": "Some CPU <9000> & co", "threads": 2, "system": "Linux x86_64", "compiler": "g++ 12",
                    "date": "2026-01-02"},
        "model": {"name": "beit_base_patch16_224", "operations": 10_000_000_000},
        "peaks": copy.deepcopy(PEAKS),
        "runtimes": {"beit": {"version": "0.1.0"}, "onnxruntime": {"version": "1.2"}},
        "rows": [row("beit", "float", "amx"), row("beit", "float", "avx2", lowered=True, scale=2),
                 row("beit", "bfloat16", "amx", scale=0.2), row("onnxruntime", "float", scale=1.5),
                 row("onnxruntime", "int8", scale=0.5)],
        "starts": [{"runtime": "beit", "precision": "float", "file": "beit_base.safetensors", "seconds": 0.25,
                    "peak_mb": 380.4}],
        "resize": {"from": "4000 x 3000", "to": "331 x 248", "pillow": "9.4", "beit_ms": 10.0, "pillow_ms": 45.0},
    }
    result["rows"][0]["times"][0]["products_ms"] = 85.0
    report.add_limits(result)
    return result


@pytest.mark.parametrize("runtime, precision, level, expected", [
    ("beit", "float", "avx2", ("AVX2 FMA", 100)),
    ("beit", "float", "avx512", ("AVX-512 FMA", 200)),
    ("beit", "float", "avx512_bf16", ("AVX-512 FMA", 200)),  # 400 / 6 is slower
    ("beit", "float", "amx", ("AMX bfloat16 / 6", 600)),
    ("beit", "float-fast", None, ("AMX bfloat16 / 3", 1200)),
    ("beit", "bfloat16", "avx512", ("AVX-512 FMA", 200)),
    ("beit", "int8", "avx512_bf16", ("AVX512-VNNI", 800)),
    ("beit", "int8", None, ("AMX int8", 7200)),
    ("beit", "int8", "a level of the future", ("AMX int8", 7200)),
    ("beit", "float", "portable", None),
    ("onnxruntime", "float", None, ("AVX-512 FMA", 200)),  # it splits no floats
    ("openvino", "bfloat16", None, ("AMX bfloat16", 3600)),
])
def test_limit(runtime, precision, level, expected):
    assert report.limit(PEAKS, runtime, precision, level, 1) == expected


def test_limit_takes_the_wider_of_equal_instructions_and_the_thread_count_that_was_measured():
    peaks = [{"instruction": name, "level": name, "type": "float", "threads": 2, "gflops": gflops}
             for name, gflops in [("avx2", 100.0), ("avx512", 99.5)]]
    assert report.limit(peaks, "beit", "float", None, 2) == ("avx512", 99.5)
    assert report.limit(peaks, "beit", "float", None, 1) is None


def test_limit_of_int8_without_avx512():
    peaks = [{"instruction": name, "level": level, "type": kind, "threads": 1, "gflops": gflops}
             for name, level, kind, gflops in [("AVX2 FMA", "avx2", "float", 100), ("AVX2 integers", "avx2", "int8", 160),
                                               ("AVX-VNNI", "avx2_vnni", "int8", 400)]]
    assert report.limit(peaks, "beit", "int8", "avx2", 1) == ("AVX2 integers", 160)
    assert report.limit(peaks, "beit", "int8", "avx2_vnni", 1) == ("AVX-VNNI", 400)


def test_percent_of_the_limit(canned):
    def time(index, batch, threads):
        return next(t for t in canned["rows"][index]["times"] if (t["batch"], t["threads"]) == (batch, threads))
    # 10 GFLOP at 600 GFLOP/s are 16.7 ms, a sixth of the 100 ms that were measured.
    assert time(0, 1, 1)["limit_ms"] == pytest.approx(1000 / 60)
    assert time(0, 1, 1)["percent"] == pytest.approx(100 / 6)
    assert time(0, 8, 2)["percent"] == pytest.approx(100 / 6)  # twice as fast on twice the peak
    assert time(1, 1, 1)["percent"] == pytest.approx(50)  # 100 ms at AVX2's 100 GFLOP/s, in 200 ms
    assert time(3, 1, 1)["percent"] == pytest.approx(100 / 3)  # 50 of 150 ms


def test_without_peaks_there_is_no_percentage(canned):
    canned["peaks"] = []
    report.add_limits(canned)
    assert all(time["percent"] is None for row in canned["rows"] for time in row["times"])
    assert " %)" not in report.markdown(canned)


@pytest.mark.parametrize("size, patches", [(224, 196), (640, 1600)])
def test_operations_are_those_of_the_matrix_products(size, patches):
    tokens = patches + 1
    block = tokens * (768 * 2304 + 768 * 768 + 2 * 768 * 3072) + 12 * 2 * tokens * tokens * 64
    assert model.operations_per_image(size) == 2 * (patches * 768 * 768 + 12 * block + 768 * 1000)


@pytest.mark.parametrize("size", [224, 384])
def test_parameters_are_timms(size):
    timm = pytest.importorskip("timm")
    made = timm.create_model(model.NAME, depth=1, img_size=size)  # the other blocks are like the first
    ours = [(name, shape) for name, shape in model.parameter_shapes(size).items()
            if not name.startswith("blocks.") or name.startswith("blocks.0.")]
    assert ours == [(name, tuple(values.shape)) for name, values in made.named_parameters()]
    assert len(model.parameter_shapes(size)) == len(ours) + 11 * sum(name.startswith("blocks.0.") for name, _ in ours)


def test_relative_position_index_is_timms():
    beit = pytest.importorskip("timm.models.beit")
    for grid in (14, 24):
        assert np.array_equal(model.relative_position_index(grid),
                              beit.gen_relative_position_index((grid, grid)).numpy())


def test_agreement():
    reference = np.array([[3.0, 4.0], [1.0, 0.0]])
    assert report.agreement(reference, reference) == (pytest.approx(1), 0)
    cosine, error = report.agreement([[3.0, 4.0], [1.0, 1.0]], reference)  # the second image is off by 45 degrees
    assert (cosine, error) == (pytest.approx(math.sqrt(0.5)), 1)
    with pytest.raises(ValueError, match=r"\(1, 2\), wanted \(2, 2\)"):
        report.agreement(reference[:1], reference)


@pytest.mark.parametrize("precision", report.TOLERANCES)
def test_disagreement(precision):
    least, most = report.TOLERANCES[precision]
    assert report.disagreement(precision, least, most) is None
    assert "wanted at least" in report.disagreement(precision, least - 1e-6, most)
    assert "wanted at least" in report.disagreement(precision, 1, most * 1.01)
    assert report.disagreement(precision, math.nan, 0) and report.disagreement(precision, 1, math.nan)


def test_markdown(canned):
    lines = report.markdown(canned).splitlines()
    tables = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    rows = {}
    for cells in tables:
        rows.setdefault(cells[0], cells[1:])
    assert rows[""] == ["batch 1, 1 thread", "batch 1, 2 threads", "batch 8, 1 thread", "batch 8, 2 threads", "limit",
                        "cosine", "largest error"]
    assert rows["beit float, amx"] == ["100.0 (17 %)", "50.0 (17 %)"] * 2 + ["AMX bfloat16 / 6", "0.999950", "1.0e-06"]
    assert rows["beit float, avx2"][0] == "200.0 (50 %)"
    shares = tables[[cells[0] for cells in tables].index("share of a pass outside products with weights") + 2]
    assert shares == ["beit float, amx", "15 %", "", "", ""]
    assert rows["ONNX Runtime int8"][4] == "AMX int8"
    assert rows["beit float"] == ["beit_base.safetensors", "0.25", "380"]
    assert rows["AMX bfloat16"] == ["3600", "7200"]
    assert "10.0 ms; Pillow 9.4: 45.0 ms, 4.5 times as long" in lines[-1]
    assert lines[0] == ("Some CPU <9000> & co, 2 threads; Linux x86_64; g++ 12; beit 0.1.0, ONNX Runtime 1.2. "
                        "2026-01-02.")


def test_write(canned, tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "new"
    report.write(canned, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["compare.json", "compare.md", "compare.svg"]
    assert json.loads((folder / "compare.json").read_text()) == canned
    assert (folder / "compare.md").read_text() == report.markdown(canned)
    texts = ["".join(element.itertext()).strip() for element in xml.etree.ElementTree.parse(
        folder / "compare.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert "beit_base_patch16_224: milliseconds per image, 2 threads (less is better)" in texts
    assert texts.count("beit float") == 1, "the lowered level is for the table"
    assert {"50.0", "10.0", "75.0", "25.0"} <= set(texts)
    assert "Some CPU <9000> & co, 2026-01-02" in texts
    assert "Peaks measured in the same run, GFLOP/s: AVX-512 FMA 400, AMX bfloat16 7200, AMX int8 14400" in texts
    first = (folder / "compare.svg").read_bytes()
    report.write(canned, folder)
    assert (folder / "compare.svg").read_bytes() == first, "the same measurements make the same file"
