"""The command line of scripts that make golden files of several variants."""
import argparse
from pathlib import Path


def make_all(description, variants, make, below=""):
    """Call make(name, folder) for each variant; folder is `below` the script's argument."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder of golden files to write")
    folder = parser.parse_args().output / below
    folder.mkdir(parents=True, exist_ok=True)
    for name in variants:
        make(name, folder)
