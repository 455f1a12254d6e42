"""The Gymnasium environment: what a learning controller may do, and what it is told."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import numpy as np
import pytest

from stimloop import prescription as prescriptions

pytest.importorskip(
    "gymnasium", reason="Gymnasium is not installed: pip install 'stimloop[gym]'"
)

from gymnasium.utils.env_checker import check_env

from stimloop_lab import environment
from stimloop_lab.environment import FEATURES, StimulationEnvironment

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "dbs_learning.toml"


def make(**changes: float) -> StimulationEnvironment:
    return StimulationEnvironment(
        prescriptions.load(EXAMPLE),
        **{"seconds": 2.0, **changes},  # type: ignore[arg-type]
    )


def episode(share: float, seed: int = 7) -> tuple[np.ndarray, list[float], dict]:  # type: ignore[type-arg]
    env = make()
    observation, _ = env.reset(seed=seed)
    observations, rewards, truncated = [observation], [], False
    while not truncated:
        observation, reward, terminated, truncated, told = env.step([share])
        assert not terminated
        observations.append(observation)
        rewards.append(reward)
    env.close()
    return np.array(observations), rewards, told


def test_gymnasiums_own_checker_has_nothing_to_say() -> None:
    check_env(make(), skip_render_check=True)


def test_the_example_of_the_module_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(environment)
    assert result.attempted == 8
    assert result.failed == 0


def test_a_seed_is_an_episode() -> None:
    first, again, other = episode(1.0), episode(1.0), episode(1.0, seed=8)
    assert (first[0] == again[0]).all()
    assert first[1] == again[1]
    assert (first[0] != other[0]).any()


def test_the_governor_bounds_what_the_envelope_does_not_allow() -> None:
    observations, _, told = episode(15.0)
    assert told["wanted_ma"] == 45.0
    assert told["admitted_ma"] == 3.0
    assert told["bound"] == "RANGE"
    assert told["refused"] == 0, "the device sees what it allows"
    assert observations[:, FEATURES.index("amplitude_ma")].max() == 3.0


def test_a_jump_becomes_a_ramp() -> None:
    env = make(ticks=1)
    env.reset(seed=1)
    *_, told = env.step([1.0])
    env.close()
    assert told["bound"] == "SLEW"
    assert told["admitted_ma"] == pytest.approx(12.0 * 0.02, abs=0.05)


def test_stimulation_costs_and_suppresses() -> None:
    quiet, loud = episode(0.0), episode(1.0)
    assert loud[2]["envelope_uv"] < quiet[2]["envelope_uv"]
    settled = slice(10, None)
    level = FEATURES.index("level_uv")
    assert loud[0][settled, level].mean() < quiet[0][settled, level].mean()
    assert max(loud[1][10:]) <= -0.2 + 1e-9, "the whole energy weighs 0.2"


def test_an_episode_ends_after_its_time() -> None:
    observations, _, told = episode(0.0)
    assert len(observations) == 1 + 20
    assert told["time_s"] == 2.0


@pytest.mark.parametrize("action", [np.nan, np.inf])
def test_what_is_no_number_is_no_action(action: float) -> None:
    env = make()
    env.reset(seed=1)
    with pytest.raises(ValueError, match="give a finite number"):
        env.step([action])
    env.close()


def test_a_prescription_without_a_threshold_has_no_reward() -> None:
    asked = prescriptions.load(ROOT / "examples" / "dbs_adaptive.toml")
    with pytest.raises(ValueError, match="write one"):
        StimulationEnvironment(asked)
    with pytest.raises(ValueError, match="1 tick or more"):
        make(ticks=0)


def test_without_gymnasium_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "stimloop_lab.environment")
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ImportError, match=r"pip install 'stimloop\[gym\]'"):
        __import__("stimloop_lab.environment")
