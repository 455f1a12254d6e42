# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Seizures as they go under stimulation (tier: core, float64)."""

cimport cython
from stimloop_sim._vagus cimport Vagus

from stimloop_sim.seizures import Seizure

cdef double STEP_S = 0.1


cdef inline double smooth(double share) noexcept nogil:
    """From 0 to 1 without corners, and level outside."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


@cython.final
cdef class Ictal:
    """One planned seizure after another; trains end or shorten them.

    A train acts once, when it has lasted `act_s` within the seizure, by its mean effect there.
    If it had begun in time it ends the seizure with a chance in proportion; if it had not, or
    does not, it takes away a part of the rest.

    Parameters
    ----------
    plans : callable () -> stimloop_sim.seizures.Plan
    nerve : stimloop_sim.vns.Nerve

    Attributes
    ----------
    seizing : bool
    risen_bpm : float
        By how much the heart is faster.
    past : list of stimloop_sim.seizures.Seizure
        Those that are over.
    """

    def __init__(self, plans not None, nerve not None):
        self._plans = plans
        self._p_stop, self._in_time_s, self._act_s = nerve.p_stop, nerve.in_time_s, nerve.act_s
        self._least, self._most = nerve.shorten_least, nerve.shorten_most
        self.seizing = False
        self.risen_bpm = 0.0
        self.past = []
        self.plan()

    cdef int plan(self) except -1:
        (
            self._onset_s, self._end_s, self._rise_at_s, self._rise_bpm,
            self._climb_s, self._return_s, self._chance, self._share,
        ) = self._plans()
        self._untreated_s = self._end_s
        self._stopped = False
        self._overlap = self._left_bpm = 0.0
        self._steps = 0
        self._acted = 0
        return 0

    cdef int step(self, double t_s, Vagus vagus) except -1:
        """Live through the 0.1 s before t_s."""
        cdef bint was = self.seizing
        self.seizing = self._onset_s <= t_s < self._end_s
        if self.seizing and vagus.train_at_s <= t_s and self._acted != vagus.trains:
            self._overlap += vagus.recruited
            self._steps += 1
            if self._steps * STEP_S >= self._act_s:
                self._acted = vagus.trains
                self.act(
                    t_s,
                    self._overlap / self._steps,
                    vagus.train_at_s - self._onset_s < self._in_time_s,
                )
        elif self._acted != vagus.trains or not self.seizing:
            self._overlap, self._steps = 0.0, 0
        if t_s < self._end_s:
            self.risen_bpm = self._rise_bpm * smooth((t_s - self._rise_at_s) / self._climb_s)
            self._left_bpm = self.risen_bpm
        else:
            self.risen_bpm = self._left_bpm * (
                1.0 - smooth((t_s - self._end_s) / self._return_s)
            )
        if was and not self.seizing:
            self.past.append(
                Seizure(
                    self._onset_s, self._end_s, self._untreated_s, self._rise_at_s,
                    self._rise_bpm, bool(self._stopped),
                )
            )
        if t_s > self._end_s + self._return_s:
            self.plan()
        return 0

    cdef void act(self, double t_s, double strength, bint in_time) noexcept:
        """What a train does that has lasted long enough."""
        cdef double part
        if in_time and self._chance < self._p_stop * strength:
            self._end_s = t_s
            self._stopped = True
            return
        part = self._least + (self._most - self._least) * self._share
        self._end_s -= part * strength * (self._end_s - t_s)
