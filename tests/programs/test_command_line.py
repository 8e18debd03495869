"""The options that all programs share, the completions for shells and the manual pages, from outside.

    BEIT_BUILD_DIR=build python -m pytest tests/programs/test_command_line.py
"""

import re
import shutil
import subprocess

import pytest
from test_programs import BUILD, MODEL, ROOT, lines, posix, run, run_on_terminal, slow

PROGRAMS = ["beit-attention", "beit-classify", "beit-embed", "beit-mask", "beit-search", "beit-segment", "beit-train-head"]
SAMPLES = ROOT / "examples" / "data" / "fashion_mnist"
SHORT = {"--model": "-m", "--output": "-o", "--top-k": "-k", "--threads": "-j", "--batch-size": "-b", "--quiet": "-q",
         "--verbose": "-v", "--force": "-f", "--help": "-h"}


COMMANDS = [[program] for program in PROGRAMS] + [["beit-embed", "merge"]]


def help_of(*command):
    return run(*command, "--help", check=True).stdout.decode()


def options_of(*command):
    """All names of options in --help, short ones too."""
    found = re.findall(r"^  (?:(-\w),)?(--[\w-]+)", help_of(*command), re.M)
    return [name for names in found for name in names if name]


def generate(kind, program):
    return run(program, "--generate", kind, check=True).stdout.decode()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
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


# Completion


def bash_completes(tmp_path, *words):
    """What bash offers for the last word."""
    (tmp_path / "completion").write_text(generate("bash", words[0]))
    script = """
        set -u
        . ./completion
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        $(complete -p "$1" | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}"""
    result = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], cwd=tmp_path, capture_output=True, check=True)
    assert result.stderr == b""
    return sorted(lines(result.stdout.strip()))


@posix
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_bash_completes_every_option(command, tmp_path):
    assert bash_completes(tmp_path, *command, "-") == sorted(options_of(*command))


@posix
def test_bash_completes_values(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "cat 1.png").touch()
    files = ["cat 1.png", "completion", "photos"]
    for words, wanted in [
            (["beit-embed", "--dtype", ""], ["float16", "float32"]),
            (["beit-embed", "--dtype", "float1"], ["float16"]),
            (["beit-embed", "--dtype", "="], ["float16", "float32"]),  # bash splits --dtype=float1
            (["beit-embed", "--dtype", "=", "float1"], ["float16"]),
            (["beit-embed", "photos", "--tokens", "p"], ["patch", "pooled"]),
            (["beit-classify", "--precision", "b"], ["bfloat16"]),
            (["beit-classify", "-k", ""], []),
            (["beit-classify", "-m", ""], files),
            (["beit-classify", "--model", "ca"], ["cat 1.png"]),
            (["beit-classify", "--top-k", "3", ""], files),
            (["beit-train-head", "--data", ""], ["photos"]),
            (["beit-train-head", "--class-weights", ""], ["balanced", "none"]),
            (["beit-embed", "--shard", "a"], ["auto"]),
            (["beit-embed", ""], sorted([*files, "merge"])),
            (["beit-embed", "photos", "me"], []),
            (["beit-embed", "merge", "ph"], ["photos"]),
    ]:
        assert bash_completes(tmp_path, *words) == wanted, words


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
@pytest.mark.parametrize("program", ["beit-embed", "beit-search"])
def test_zsh_completes(program, tmp_path):
    """Asks a real zsh on a terminal of its own, as a user does with the tabulator."""
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / f"_{program}").write_text(generate("zsh", program))
    subprocess.run(["zsh", "-n", functions / f"_{program}"], check=True)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "cat 1.png").touch()
    script = """
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PS1=; fpath=($1 \\$fpath); autoload -U compinit; compinit -u -D"
        zpty -w z "zstyle ':completion:*' list-prompt ''; LISTMAX=1000; COLUMNS=200 LINES=100; print rea''dy"
        zpty -r z out '*ready*'
        zpty -w -n z "$2"
        zpty -r z out "*$3*" && print found"""

    def offers(text, wanted):
        command = ["timeout", "20", "zsh", "-f", "-c", script, "zsh", functions, text, wanted]
        return subprocess.run(command, cwd=tmp_path / "work", capture_output=True).stdout == b"found\n"

    assert offers(f"{program} --precision \t\t", "bfloat16")
    assert offers(f"{program} --verb\t", "--verbose")
    assert offers(f"{program} --model c\t", r"cat\\ 1.png")


@pytest.mark.parametrize("program", PROGRAMS)
def test_zsh_has_every_option(program):
    text = generate("zsh", program)
    for command in COMMANDS:
        if command[0] == program:
            for name in options_of(*command):
                assert re.search(rf"(?<![\w-]){name}[=+]?['{{,}}]", text), name


# Manual pages


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
@pytest.mark.parametrize("program", PROGRAMS)
def test_manual_page(program):
    command = ["groff", "-man", "-Tutf8", "-ww", "-rLL=100n", "-rHY=0", "-P-cbou"]
    result = subprocess.run(command, input=generate("man", program).encode(), capture_output=True)
    assert (result.returncode, result.stderr) == (0, b"")
    text = result.stdout.decode().replace("\u2010", "-").replace("\u2212", "-").replace("\u2019", "'")
    headings = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", *(["OPTIONS OF merge"] if program == "beit-embed" else []),
                "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
    assert re.findall(r"^[A-Z].*\w$", text, re.M) == headings
    assert re.search(rf"^ +{program} +- +[a-z]", text, re.M)
    # The same words as --help, whatever the line breaks.
    words = re.sub(r"-\n *", "-", text)
    words = re.sub(r"\s+", " ", words)
    for line in help_of(program).splitlines():
        found = re.match(r"^  (?:(-\w),)?(--[\w-]+)(?: (\S+))?  +(\S.*)$", line)
        if found:
            for part in found.groups():
                assert part is None or re.sub(r"\s+", " ", part) in words, part
    for other in PROGRAMS:
        assert (f"{other}(1)" in text) == (other != program) or other == program
