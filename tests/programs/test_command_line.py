"""The options that all programs share, from outside.

    BEIT_BUILD_DIR=build python -m pytest tests/programs/test_command_line.py
"""

import re
import subprocess

import pytest
from test_programs import BUILD, MODEL, ROOT, lines, posix, run, run_on_terminal, slow

PROGRAMS = ["beit-attention", "beit-classify", "beit-embed", "beit-mask", "beit-search", "beit-train-head"]
SAMPLES = ROOT / "examples" / "data" / "fashion_mnist"
SHORT = {"--model": "-m", "--output": "-o", "--top-k": "-k", "--threads": "-j", "--batch-size": "-b", "--quiet": "-q",
         "--verbose": "-v", "--force": "-f", "--help": "-h"}


def help_of(*command):
    return run(*command, "--help", check=True).stdout.decode()


@pytest.mark.parametrize("command", [[program] for program in PROGRAMS] + [["beit-embed", "merge"]], ids=" ".join)
def test_short_options_are_the_same_in_all_programs(command):
    found = dict(re.findall(r"^  (-\w),(--[\w-]+)", help_of(*command), re.M))
    names = re.findall(r"^  (?:-\w,)?(--[\w-]+)", help_of(*command), re.M)
    assert found == {SHORT[name]: name for name in names if name in SHORT}
    assert names[-2:] == ["--help", "--version"] and "--quiet" in names
    assert run(*command, "--version", check=True).stdout.decode().startswith(" ".join(command) + " ")


def test_quiet_prints_results_and_errors_alone(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "notes.txt").write_text("not an image")
    (folder / "good.png").write_bytes((SAMPLES / "bag.png").read_bytes())
    (folder / "bad.png").write_bytes(b"no image")
    shards = tmp_path / "shards"
    for command in (["beit-classify"], ["beit-embed", "--output", shards]):
        loud, quiet = run(*command, folder), run(*command, "-q", folder)
        assert loud.returncode == quiet.returncode
        assert b"skipped" in loud.stderr and b"skipped" not in quiet.stderr
        assert quiet.stdout == (b"" if "beit-embed" in command else loud.stdout)
    error, = lines(run("beit-classify", "-q", folder).stderr)
    assert "bad.png: " in error
    assert run("beit-embed", "merge", "-q", shards, check=True).stdout == b""


@posix
def test_quiet_shows_no_progress(slow):
    command = [str(BUILD / "beit-classify"), "--model", str(MODEL), "--threads", "1", *[str(slow)] * 30]
    assert b"images/s" in run_on_terminal(command, subprocess.DEVNULL)
    assert run_on_terminal([*command, "--quiet"], subprocess.DEVNULL) == b""
