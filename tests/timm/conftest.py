"""Shared by the comparisons with timm: the programs, the figures that are printed at the end, the tools' modules.

The environment names the build folder: BEIT_BUILD_DIR=build pytest tests/timm
"""
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "weights_tools"))

FIGURES = []


@pytest.fixture
def figure():
    """Records a line for the summary: measured figures are shown whether or not a test fails."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("measured")
        for line in FIGURES:
            terminalreporter.write_line(line)


def find_program(name):
    """The program's path in the build folder."""
    folder = os.environ.get("BEIT_BUILD_DIR")
    if not folder:
        pytest.fail("BEIT_BUILD_DIR is not set: it names the folder that the programs were built in")
    for place in (".", "examples", "bin"):
        path = Path(folder).resolve() / place / name
        if path.is_file():
            return path
    pytest.fail(f"there is no {name} in {folder}, its examples or its bin")


@pytest.fixture
def program():
    """program(name, *arguments) runs a program of ours and returns its standard output."""
    def run(name, *arguments):
        command = [str(find_program(name)), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, f"{' '.join(command)}: status {result.returncode}: {result.stderr}"
        return result.stdout
    return run


# A child's peak includes what its parent held when it was started, hence a small process between this and it.
_MEASURE = """
import os, sys
out = os.open(os.devnull, os.O_WRONLY)
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def peak_memory():
    """peak_memory(name, *arguments) runs a program of ours and returns its largest resident size in bytes."""
    def run(name, *arguments):
        command = [sys.executable, "-I", "-S", "-c", _MEASURE, str(find_program(name)), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, f"{' '.join(command[5:])}: status {result.returncode}: {result.stderr}"
        return int(result.stdout) * 1024  # Linux counts in KiB
    return run
