"""Runs kills.py with few images and kills; it asserts everything itself."""

from kills import kill_and_restart
from test_programs import posix


@posix
def test_killed_runs_of_the_demo_model(tmp_path):
    done = kill_and_restart(tmp_path, images=600, kills=5, shard_size=10, seed=1)
    assert done, "no run was killed"
    assert all(rows % 10 == 0 for rows in done)
