"""Runs kills.py with few images and kills; it asserts everything itself."""

from kills import kill_and_restart, kill_and_update
from test_programs import posix


@posix
def test_killed_runs_of_the_demo_model(tmp_path):
    done = kill_and_restart(tmp_path, images=600, kills=5, shard_size=10, seed=1)
    assert done, "no run was killed"
    assert all(rows % 10 == 0 for rows in done)
    assert kill_and_update(tmp_path, updates=2, kills=4, shard_size=10, seed=1) > 0
