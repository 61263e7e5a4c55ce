"""The command itself under Ray: its output, its end by a kill, and its second start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medbench.settings import Settings
from medbench.store import ResultStore

pytestmark = pytest.mark.slow

SEEDS = 4
DEADLINE_S = 240


def command(settings: Settings) -> list[str]:
    places = [f"--{name}={getattr(settings, name)}" for name in ("data", "checkpoints", "results", "cache")]
    chosen = ["--methods=toy", "--tasks=toy-bright", f"--seeds={','.join(map(str, range(SEEDS)))}"]
    running = ["--executor=ray", "--device=cpu", "--jobs=1", "--json"]
    return [sys.executable, "-m", "medbench", "run", *places, *chosen, *running]


def heard(settings: Settings) -> list[str]:
    path = settings.results / "heard"
    return path.read_text().splitlines() if path.is_file() else []


def test_a_killed_command_goes_on_where_it_was(site: str, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'medbench[ray]'")
    from tests.executors.ray_toys import draw_toy, settings_in

    settings = settings_in(tmp_path)
    draw_toy(settings)
    settings.results.mkdir()
    pause = settings.results / "pause"
    pause.write_text("2")
    environment = {**os.environ, "PYTHONPATH": site, "RAY_AUTH_MODE": "disabled"}
    environment.pop("RAY_ADDRESS", None)
    first = subprocess.Popen(command(settings), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + DEADLINE_S
    while not (settings.results / "paused").is_file():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    first.kill()
    first.communicate()
    assert len(ResultStore(settings.results).read_all().records) == 2
    paused = Path("/proc") / (settings.results / "paused").read_text()
    while paused.exists():  # Ray ends its processes within seconds
        assert time.monotonic() < end
        time.sleep(0.1)
    pause.unlink()

    second = subprocess.run(command(settings), env=environment, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    events = [json.loads(line) for line in second.stdout.splitlines()]  # nothing of Ray's own stands among them
    assert [event["state"] for event in events if event["event"] == "trial_ended"] == ["finished", "finished"]
    assert second.stderr == ""
    assert len(ResultStore(settings.results).read_all().records) == SEEDS
    assert [heard(settings).count(f"started {seed}") for seed in range(SEEDS)] == [1, 1, 2, 1]
