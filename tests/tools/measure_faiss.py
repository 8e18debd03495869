"""Measures what docs/many-images.md says of faiss: an index in an inverted file beside an exact scan of all rows.

    python tests/tools/measure_faiss.py FOLDER [--rows N] [--lists N] [--train N]

Makes N rows of 768 in float16, as `beit-embed --dtype float16` writes them, in FOLDER, which takes 1.5 GB per million;
rows that are there already are used again. The rows are mixtures of 20,000 Gaussians in 48 dimensions, with noise; the
200 queries are rows with noise. Prints how many of the true ten nearest rows the index finds and in which time. Needs
faiss-cpu 1.15.1 and NumPy 2.
"""

import argparse
import pathlib
import resource
import time

import faiss
import numpy as np

DIM, INNER, CENTRES, SHARD, QUERIES, NEAREST = 768, 48, 20_000, 100_000, 200, 10


def make_rows(folder: pathlib.Path, count: int) -> None:
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((CENTRES, INNER), np.float32)
    outer = rng.standard_normal((INNER, DIM), np.float32) / INNER**0.5
    folder.mkdir(parents=True, exist_ok=True)
    for shard, first in enumerate(range(0, count, SHARD)):
        path = folder / f"img_emb_{shard:05}.npy"
        if path.exists():
            continue
        own = np.random.default_rng((2, shard))
        n = min(SHARD, count - first)
        inner = centres[own.integers(0, CENTRES, n)] + 0.5 * own.standard_normal((n, INNER), np.float32)
        rows = inner @ outer + 0.3 * own.standard_normal((n, DIM), np.float32)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, rows.astype(np.float16))
        part.rename(path)


def units(rows: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(rows, np.float32)
    faiss.normalize_L2(rows)
    return rows


class Rows:
    """All shards as one matrix."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.shards = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
        self.first = np.cumsum([0] + [len(shard) for shard in self.shards])

    def __len__(self) -> int:
        return int(self.first[-1])

    def at(self, ids: np.ndarray) -> np.ndarray:
        found = np.searchsorted(self.first, ids, "right") - 1
        return np.stack([self.shards[s][i - self.first[s]] for s, i in zip(found, ids)])


def exact_nearest(rows: Rows, queries: np.ndarray) -> np.ndarray:
    """The ids of the nearest rows of each query (QUERIES, NEAREST), in order."""
    scores = np.empty((QUERIES, 0), np.float32)
    ids = np.empty((QUERIES, 0), np.int64)
    for shard, first in zip(rows.shards, rows.first):
        products = queries @ units(shard).T
        best = np.argpartition(-products, NEAREST)[:, :NEAREST]
        scores = np.hstack([scores, np.take_along_axis(products, best, 1)])
        ids = np.hstack([ids, best + first])
        kept = np.argsort(-scores)[:, :NEAREST]
        scores, ids = np.take_along_axis(scores, kept, 1), np.take_along_axis(ids, kept, 1)
    return ids


def report(what: str, start: float) -> None:
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what}: {time.perf_counter() - start:.0f} s, peak {gigabytes:.1f} GB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--lists", type=int, default=4096)
    parser.add_argument("--train", type=int, default=160_000)
    args = parser.parse_args()

    start = time.perf_counter()
    make_rows(args.folder / "img_emb", args.rows)
    rows = Rows(args.folder / "img_emb")
    report(f"{len(rows)} rows", start)
    rng = np.random.default_rng(3)
    of = np.sort(rng.choice(len(rows), QUERIES, replace=False))
    queries = units(rows.at(of) + 0.3 * rng.standard_normal((QUERIES, DIM)))

    name = args.folder / f"{args.lists}.faiss"
    if name.exists():
        index = faiss.read_index(str(name))
    else:
        index = faiss.index_factory(DIM, f"IVF{args.lists},PQ96", faiss.METRIC_INNER_PRODUCT)
        start = time.perf_counter()
        index.train(units(rows.at(np.sort(rng.choice(len(rows), args.train, replace=False)))))
        report("training", start)
        start = time.perf_counter()
        for shard in rows.shards:
            index.add(units(shard))
        report("adding", start)
        faiss.write_index(index, str(name))
    print(f"index: {name.stat().st_size / 2**20:.0f} MB", flush=True)

    start = time.perf_counter()
    truth = exact_nearest(rows, queries)
    report(f"exact search of {QUERIES} queries by NumPy", start)

    for nprobe, candidates in (8, 100), (32, 100), (128, 100), (32, 1000), (128, 1000), (32, NEAREST):
        faiss.extract_index_ivf(index).nprobe = nprobe
        found, seconds = 0, []
        for query, wanted in zip(queries, truth):
            start = time.perf_counter()
            ids = index.search(query[None], candidates)[1][0]
            ids = ids[ids >= 0]
            if candidates > NEAREST:
                ids = ids[np.argsort(-(units(rows.at(ids)) @ query))[:NEAREST]]
            seconds.append(time.perf_counter() - start)
            found += len(np.intersect1d(ids, wanted))
        print(
            f"nprobe {nprobe}, {candidates} candidates: {100 * found / truth.size:.1f} % of the true ten, "
            f"{1e3 * np.median(seconds):.1f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
