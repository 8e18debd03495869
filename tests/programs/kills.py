"""Kill beit-embed at random moments, start it again each time, and compare the output with an undisturbed run's.
Then change the images, and do so with --update.

    BEIT_BUILD_DIR=build-release python tests/programs/kills.py --images 20000 --kills 20 --updates 5

test_kills.py does so with few images. Prints when what was done, and exits with status 1 if the outputs differ.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BEIT_BUILD_DIR", ROOT / "build")).resolve()
MODEL = ROOT / "examples" / "data" / "beit_fashion_mnist.safetensors"


def write_images(folder, count, seed):
    """Makes images of noise, 28 x 28 grey pixels, a hundred per folder."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        path = folder / f"{i // 100:04}" / f"{i:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8), "L").save(path, compress_level=1)


def tree(folder):
    """The relative paths and bytes of all files."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_done(out):
    """The rows of the shards that are marked as done, each of which must be whole."""
    rows = 0
    for path in sorted(out.glob("done/*.json")):
        images = json.loads(path.read_text())["images"]
        name = path.stem.removeprefix("done_")
        assert len(np.load(out / "img_emb" / f"img_emb_{name}.npy")) == images
        assert len((out / "metadata" / f"metadata_{name}.jsonl").read_text().splitlines()) == images
        rows += images
    return rows


def kill_and_restart(folder, images, kills, shard_size, seed):
    """The rows that were done at each kill; fewer than `kills` if a run ended before its kill. AssertionError
    where the output isn't the undisturbed run's in the end."""
    photos, whole, out = folder / "photos", folder / "whole", folder / "out"
    write_images(photos, images, seed)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}

    def command(output):
        return [str(BUILD / "beit-embed"), "--model", str(MODEL), "--output", str(output), "--shard-size", str(shard_size),
                str(photos)]

    start = time.monotonic()
    subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL, env=environment)
    duration = time.monotonic() - start
    # By progress, and then by time: a machine that others use as well isn't as fast from one run to the next.
    shards = len(list(whole.glob("done/*.json")))
    moments = random.Random(seed)
    done = []
    for wanted in sorted(moments.randrange(shards * 9 // 10) for _ in range(kills)):
        process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        while len(list(out.glob("done/*.json"))) < wanted and process.poll() is None:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, duration / shards))
        process.kill()
        if process.wait() == 0:
            break
        done.append(rows_done(out))
    assert done == sorted(done), "what was done once stays done"
    subprocess.run(command(out), check=True, stdout=subprocess.DEVNULL, env=environment)
    assert rows_done(out) == images
    assert tree(out) == tree(whole), "the outputs differ"
    return done


def change_images(photos, moments, seed):
    """Removes, replaces and adds two in a hundred images each; the added ones come between the others."""
    paths = sorted(photos.rglob("*.png"))
    rng = np.random.default_rng(seed)
    for path in moments.sample(paths, max(3, len(paths) * 6 // 100)):
        deed = moments.choice(["remove", "replace", "add"])
        if deed == "remove":
            path.unlink()
            continue
        name = path if deed == "replace" else path.with_name(f"{path.stem}-{seed}.png")
        Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8), "L").save(name, compress_level=1)


def kill_and_update(folder, updates, kills, shard_size, seed):
    """The number of updates that were killed, of the folder that kill_and_restart has left. AssertionError where the
    output isn't that of one run from nothing on the changed images."""
    photos, out, fresh = folder / "photos", folder / "out", folder / "fresh"
    moments = random.Random(seed)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    command = [str(BUILD / "beit-embed"), "--model", str(MODEL), "--shard-size", str(shard_size), str(photos), "--output"]
    killed = 0
    for update in range(updates):
        change_images(photos, moments, seed + 1 + update)
        subprocess.run([*command, str(fresh)], check=True, stdout=subprocess.DEVNULL, env=environment)
        changing = [*command, str(out), "--update"]
        shutil.copytree(out, folder / "timed")
        start = time.monotonic()
        subprocess.run([*command, str(folder / "timed"), "--update"], check=True, stdout=subprocess.DEVNULL, env=environment)
        duration = time.monotonic() - start
        assert tree(folder / "timed") == tree(fresh), "the outputs differ without a kill"
        shutil.rmtree(folder / "timed")
        for _ in range(kills):
            process = subprocess.Popen(changing, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
            time.sleep(moments.uniform(0, duration))
            process.kill()
            killed += process.wait() != 0
        subprocess.run(changing, check=True, stdout=subprocess.DEVNULL, env=environment)
        assert tree(out) == tree(fresh), "the outputs differ"
        shutil.rmtree(fresh)
    return killed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--shard-size", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = kill_and_restart(pathlib.Path(folder), options.images, options.kills, options.shard_size, options.seed)
            killed = kill_and_update(pathlib.Path(folder), options.updates, 4, options.shard_size, options.seed)
        except AssertionError as error:
            sys.exit(f"kills.py: {error}")
    print(f"{options.images} images, killed {len(done)} times, with {', '.join(map(str, done))} of them done: "
          "the same bytes as without")
    print(f"updated {options.updates} times, killed {killed} times: the same bytes as one run from nothing")
    if len(done) < options.kills:
        sys.exit(f"kills.py: a run was over before kill {len(done) + 1}: wanted more images")


if __name__ == "__main__":
    main()
