"""A patient with its implant as a Gymnasium environment, for controllers that learn.

Everything an order meets elsewhere it meets here: governor, wire, firmware. An action outside
the envelope is bounded by the governor, which says so, and what the device refuses is counted.

Examples
--------
>>> import stimloop
>>> from stimloop_lab.environment import StimulationEnvironment
>>> prescription = stimloop.load_prescription("examples/dbs_learning.toml")
>>> environment = StimulationEnvironment(prescription, seconds=2.0)
>>> observation, _ = environment.reset(seed=7)
>>> truncated = False
>>> while not truncated:
...     action = [1.0 if observation[0] > 2.0 else 0.0]  # of the limit, by the level in µV
...     observation, reward, _, truncated, told = environment.step(action)
>>> told["refused"], told["time_s"]
(0, 2.0)
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stimloop import assembly
from stimloop.leading import close_loop
from stimloop_dsp import Quality
from stimloop_hw.vocabulary import Bound, StopMode
from stimloop_lab.bedside import bedside
from stimloop_lab.controls import Follower
from stimloop_lab.dbs import DbsWitness
from stimloop_lab.outcome import Gathering
from stimloop_sim.patients import patient_model

try:
    import gymnasium
except ImportError as problem:
    raise ImportError(
        "learning controllers need Gymnasium, which is not installed; "
        "pip install 'stimloop[gym]'"
    ) from problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop.prescription import Prescription
    from stimloop.step import Step
    from stimloop_sim.patient import PatientModel

FEATURES = ("level_uv", "active", "active_s", "trusted", "amplitude_ma")
"""What an observation holds: the reading's level, decision and its duration, whether the
reading can be trusted, and the amplitude that was last ordered."""
_LIVES = 2**56


class StimulationEnvironment(gymnasium.Env[npt.NDArray[np.float32], npt.NDArray[np.float32]]):
    """One patient on one implant; an episode is one session.

    The action is the wanted amplitude as a share of the envelope's upper limit, 0 to 1, shape
    (1,), held for `ticks` control ticks. The observation has the `FEATURES`. The reward of a
    tick, averaged over the ticks of a step, is::

        -max(0, (level - threshold) / threshold) - energy_weight * (amplitude / limit)²

    A design choice, as is its weight: it says what to trade, not what is good for a person.

    Parameters
    ----------
    prescription : Prescription
        Envelope, detector and threshold; its controller is replaced, and it captures nothing.
    patient : str or PatientModel
        A virtual patient, or the name of one.
    device : str
        Profile of the implant.
    seconds : float
        Length of an episode, s.
    ticks : int
        Control ticks that an action is held for, 1 or more.
    energy_weight : float
        0 or more.

    Raises
    ------
    ValueError
        If the prescription has no threshold, or a number is out of range.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  as Gymnasium declares it

    def __init__(
        self,
        prescription: Prescription,
        patient: str | PatientModel = "default",
        *,
        device: str = "dbs",
        seconds: float = 60.0,
        ticks: int = 5,
        energy_weight: float = 0.2,
    ) -> None:
        threshold_uv = prescription.detector.threshold_uv
        if threshold_uv is None or prescription.capture is not None:
            raise ValueError(
                "a prescription without threshold_uv was given; the reward is counted from it: "
                "write one, and no [capture]"
            )
        if prescription.controller.where != "host":
            raise ValueError(
                "a prescription whose loop closes on the device was given; the learner has to "
                'decide: write where = "host"'
            )
        if not (ticks >= 1 and 0 < seconds < math.inf and 0 <= energy_weight < math.inf):
            raise ValueError(
                f"{ticks} ticks, {seconds:g} s and a weight of {energy_weight:g} were asked "
                "for; choose 1 tick or more, a time above 0 s and a weight of 0 or more"
            )
        self._prescription = prescription
        self._threshold_uv = threshold_uv
        self._model = patient_model(patient) if isinstance(patient, str) else patient
        self._device = device
        self._ticks = ticks
        self._weight = energy_weight
        self._open = ExitStack()
        with bedside(self._model, device, 0, DbsWitness) as (link, _):
            limits = link.limits()
        self._program = prescription.program(limits)
        self._tick_us = assembly.tick_us(prescription, limits)
        self._steps = max(1, round(seconds * 1e6 / (self._tick_us * ticks)))
        limit_ma = self._program.amplitude_max_ua / 1000
        self.action_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.observation_space = gymnasium.spaces.Box(
            np.zeros(len(FEATURES), np.float32),
            np.array([limits.sense_range_uv, 1, seconds + 60, 1, limit_ma], np.float32),
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Meet the patient anew, in a life drawn from the seed, filters settled, output off.

        Parameters
        ----------
        seed : int, optional
            As `gymnasium.Env.reset`.
        options : dict, optional
            Not used.
        """
        super().reset(seed=seed, options=options)
        self.close()
        life = int(self.np_random.integers(_LIVES))
        link, self._witness = self._open.enter_context(
            bedside(self._model, self._device, life, DbsWitness)
        )
        self._open.callback(link.stop, StopMode.GROUND)
        self._log = Gathering(self._tick_us)
        self._follower = Follower()
        self._session = close_loop(
            link,
            self._prescription,
            link.limits(),
            self._log,
            maker=self._follower.control,
        )
        self._done = 0
        step = self._tick()
        while step.quality & Quality.WARMUP:
            step = self._tick()
        return self._observed(step), self._told(step)

    def step(
        self, action: npt.NDArray[np.float32] | Sequence[float]
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Want an amplitude for the next ticks.

        Parameters
        ----------
        action : array_like, shape (1,)
            Wanted amplitude, as a share of the limit; the governor bounds it.

        Returns
        -------
        observation : ndarray of float32, shape (5,)
        reward : float
        terminated : bool
            Never: nothing that a patient of this kind can do ends the session.
        truncated : bool
            The episode's time is over.
        info : dict
            ``wanted_ma``, ``admitted_ma``, ``bound`` (of the governor), ``refused`` and
            ``stale`` (orders, so far), ``envelope_uv`` (the truth, so far), ``time_s``.

        Raises
        ------
        ValueError
            If the action is no finite number.
        """
        (share,) = (float(value) for value in action)
        if not math.isfinite(share):
            raise ValueError(f"{share} of the limit was wanted; give a finite number")
        self._follower.want(round(share * self._program.amplitude_max_ua))
        reward = 0.0
        for _ in range(self._ticks):
            step = self._tick()
            reward += self._reward(step) / self._ticks
        self._done += 1
        return self._observed(step), reward, False, self._done >= self._steps, self._told(step)

    def close(self) -> None:
        """Stop the output and leave the patient."""
        self._open.close()

    def _tick(self) -> Step:
        step = self._session.step()
        assert step is not None, "a virtual patient lives on"
        return step

    def _reward(self, step: Step) -> float:
        error = max(0.0, (step.level - self._threshold_uv) / self._threshold_uv)
        share = step.admitted_ua / self._program.amplitude_max_ua
        return -error - self._weight * share**2

    def _observed(self, step: Step) -> npt.NDArray[np.float32]:
        features = (
            step.level,
            step.active,
            step.active_ms / 1000,
            not step.quality & ~Quality.STIM,
            step.admitted_ua / 1000,
        )
        space = self.observation_space
        assert isinstance(space, gymnasium.spaces.Box)
        return np.clip(np.array(features, np.float32), space.low, space.high)

    def _told(self, step: Step) -> dict[str, Any]:
        self._witness.listening = True
        return {
            "wanted_ma": step.wanted_ua / 1000,
            "admitted_ma": step.admitted_ua / 1000,
            "bound": Bound(step.bound).name,
            "refused": self._log.refused,
            "stale": self._log.stale,
            "envelope_uv": self._witness.envelope_uv,
            "time_s": self._done * self._ticks * self._tick_us / 1e6,
        }
