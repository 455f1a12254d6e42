"""Conformance: BrainFlow's unmodified Cyton client reads our simulated one over a pty."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import Implant

CLIENT = Path(__file__).with_name("brainflow_client.py")
SAMPLES = 500


@pytest.mark.skipif(
    find_spec("brainflow") is None, reason="brainflow is not installed: pip install -e '.[dev]'"
)
def test_brainflows_client_reads_the_simulated_cyton_sample_for_sample(
    implant: Callable[..., Implant], tmp_path: Path
) -> None:
    ramp_uv = np.arange(30_000.0) % 1000 - 500
    np.save(tmp_path / "ramp.npy", ramp_uv)
    url = f"cyton?recording={tmp_path / 'ramp.npy'}&rate=250&seed=3"
    with implant(url, "--pty") as (_, port):
        client = subprocess.run(
            [sys.executable, "-W", "ignore", str(CLIENT), port, str(SAMPLES)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert client.returncode == 0, client.stderr
    read = json.loads(client.stdout.splitlines()[-1])
    assert read["answer"] == "Success: Channel set for 1$$$"
    assert len(read["counter"]) >= SAMPLES
    assert set(np.diff(read["counter"]) % 256) == {1}
    eeg_uv = np.array(read["eeg_uv"])
    first = round(eeg_uv[0, 0]) + 500
    true_uv = ramp_uv[(first + np.arange(eeg_uv.shape[1])) % 1000]
    assert np.std(eeg_uv[0] - true_uv) == pytest.approx(0.14, rel=0.2)
    assert np.std(eeg_uv[1:], axis=1) == pytest.approx([0.14] * 7, rel=0.2)
    assert read["accel_g"][2] == pytest.approx(1.0)
