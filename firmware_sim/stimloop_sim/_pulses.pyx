# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The output stage: biphasic pulses at device times, in integers, every one accounted for."""

cimport cython
cimport numpy as cnp

cnp.import_array()

cdef enum:
    RECENT = 4096           # pulses kept for a witness; what is older stays in the counters


@cython.final
cdef class PulseTrain:
    """Pulse generator of one channel.

    The amplitude moves towards its target no faster than the ramp allows, is quantised downward
    to the hardware's step, and leaves as a cathodic phase, a gap and an active recharge of
    amplitude / ratio for width * ratio.

    Parameters
    ----------
    step_ua : int
        Amplitude step of the hardware, µA.
    interphase_us : int
        Gap between the phases, µs.
    recharge_ratio : int
        Has to divide the step in nA, so that the recharge is a whole number of nA.

    Attributes
    ----------
    pulses : int
        Pulses delivered.
    delivered_pc : int
        Cathodic charge delivered, pC.
    net_fc : int
        Sum of both phases of every completed pulse, fC; anything but zero is a fault.
    i2t_ua2_us : int
        Sum of amplitude² * width of the cathodic phases, µA²·µs.
    breached : bool
        A pulse was asked for that exceeds the program; it was not delivered.
    acting : bool
        Pulses were in effect during the latest `advance`.
    target_ua : int
        Where the amplitude is going, µA.
    """

    cdef readonly long long pulses
    cdef readonly long long delivered_pc
    cdef readonly long long net_fc
    cdef readonly unsigned long long i2t_ua2_us
    cdef readonly bint breached
    cdef readonly bint acting
    cdef readonly long long target_ua
    cdef readonly long long period_us
    cdef readonly long long width_us
    cdef long long step_ua, interphase_us, ratio
    cdef long long max_ua, rate_ua_s
    cdef long long level_pa         # present amplitude in pA: µA/s times µs is pA
    cdef long long clock_us         # when level_pa was right
    cdef long long next_us          # when the next pulse is due
    cdef long long earliest_us      # when a trigger was asked for: none before
    cdef long long remaining        # pulses to come; -1 without end
    cdef long long last_us          # start of the latest pulse, and its amplitude
    cdef long long last_ua
    cdef bint pending               # a setpoint for a later time
    cdef long long pending_at_us, pending_ua, pending_period_us
    cdef long long recent_us[RECENT]
    cdef long long recent_ua[RECENT]

    def __init__(self, long long step_ua, long long interphase_us, long long recharge_ratio):
        self.step_ua = step_ua
        self.interphase_us = interphase_us
        self.ratio = recharge_ratio
        self.pulses = self.delivered_pc = self.net_fc = self.i2t_ua2_us = 0
        self.breached = False
        self.acting = False
        self.max_ua = self.rate_ua_s = self.width_us = self.period_us = 0
        self.silence(0)

    cdef void silence(self, long long now_us) noexcept:
        self.target_ua = 0
        self.level_pa = 0
        self.clock_us = now_us
        self.next_us = now_us
        self.earliest_us = now_us
        self.remaining = 0
        self.last_us = 0
        self.last_ua = 0
        self.pending = False

    @property
    def amplitude_ua(self):
        """Amplitude a pulse would have now, quantised, µA."""
        return self.quantised()

    cdef inline long long quantised(self) noexcept nogil:
        return self.level_pa // 1_000_000 // self.step_ua * self.step_ua

    def configure(self, long long width_us, long long period_us, long long max_ua,
                  long long slew_ua_s):
        """Take the committed program; the output stays off until `start`."""
        self.width_us = width_us
        self.period_us = period_us
        self.max_ua = max_ua
        self.rate_ua_s = slew_ua_s

    def start(self, long long now_us, bint train):
        """Begin at zero amplitude: a train without end, or pulses on `trigger` only."""
        self.silence(now_us)
        self.remaining = -1 if train else 0

    def stop(self, long long now_us):
        """Begin no further pulse; one in flight completes its recharge."""
        self.silence(now_us)

    def setpoint(self, long long now_us, long long amplitude_ua, long long period_us,
                 long long at_us):
        """Move amplitude and period, at the next pulse or at a later device time.

        Parameters
        ----------
        now_us : int
        amplitude_ua : int
        period_us : int
        at_us : int
            0 for the next pulse.
        """
        if at_us > now_us:
            self.pending = True
            self.pending_at_us = at_us
            self.pending_ua = amplitude_ua
            self.pending_period_us = period_us
        else:
            self.pending = False
            self.move_to(now_us)
            self.target_ua = amplitude_ua
            self.retime(period_us)

    def ramp(self, long long now_us, long long target_ua, long long rate_ua_s):
        """Leave for a target at a rate of the device's own, forgetting a setpoint to come."""
        self.pending = False
        self.move_to(now_us)
        self.target_ua = target_ua
        self.rate_ua_s = rate_ua_s

    def trigger(self, long long now_us, long long count, long long at_us):
        """Deliver `count` pulses from `at_us` on (0: now)."""
        self.remaining = count
        self.earliest_us = max(now_us, at_us)
        self.next_us = max(self.earliest_us, self.last_us + self.period_us)

    cdef void retime(self, long long period_us) noexcept:
        # The next pulse keeps its distance from the latest one, by the new period.
        self.next_us = max(self.next_us + period_us - self.period_us,
                           self.clock_us, self.earliest_us)
        self.period_us = period_us

    cdef void move_to(self, long long t_us) noexcept:
        cdef long long step
        if self.pending and self.pending_at_us <= t_us:
            self.pending = False
            self.move_to(self.pending_at_us)
            self.target_ua = self.pending_ua
            self.retime(self.pending_period_us)
        if t_us <= self.clock_us:
            return
        step = self.rate_ua_s * (t_us - self.clock_us)
        if self.level_pa < self.target_ua * 1_000_000:
            self.level_pa = min(self.level_pa + step, self.target_ua * 1_000_000)
        else:
            self.level_pa = max(self.level_pa - step, self.target_ua * 1_000_000)
        self.clock_us = t_us

    cdef void pulse(self, long long t_us) noexcept:
        cdef long long ua = self.quantised()
        cdef long long cathodic_fc, anodic_na, anodic_us
        if ua == 0:
            return
        if ua > self.max_ua:
            self.breached = True
            self.silence(t_us)
            return
        cathodic_fc = ua * 1000 * self.width_us
        anodic_na = ua * 1000 // self.ratio
        anodic_us = self.width_us * self.ratio
        self.net_fc += cathodic_fc - anodic_na * anodic_us
        self.delivered_pc += ua * self.width_us
        self.i2t_ua2_us += ua * ua * self.width_us
        self.recent_us[self.pulses % RECENT] = t_us
        self.recent_ua[self.pulses % RECENT] = ua
        self.pulses += 1
        self.last_us = t_us
        self.last_ua = ua

    cdef void deliver(self, long long end_us) noexcept:
        while self.remaining and self.next_us < end_us:
            self.move_to(self.next_us)
            self.pulse(self.next_us)
            if self.remaining > 0:
                self.remaining -= 1
            self.next_us += self.period_us

    def advance(self, long long start_us, long long sample_us, int samples):
        """Deliver the pulses of the next sample intervals.

        Parameters
        ----------
        start_us : int
            Device time now, µs.
        sample_us : int
            Length of a sample interval, µs.
        samples : int
            How many.

        Returns
        -------
        ndarray of int32, shape (samples,)
            Amplitude in effect in each interval, µA: that of the latest pulse, if it began less
            than a period before the interval's end.
        """
        cdef cnp.npy_intp shape = samples
        effect = cnp.PyArray_EMPTY(1, &shape, cnp.NPY_INT32, 0)
        cdef int* out = <int*>cnp.PyArray_DATA(effect)
        cdef long long end_us = start_us
        cdef int i
        self.acting = False
        for i in range(samples):
            end_us += sample_us
            if self.pending and self.pending_at_us < end_us:
                self.deliver(self.pending_at_us)
                self.move_to(self.pending_at_us)    # may bring the next pulse forward
            self.deliver(end_us)
            out[i] = <int>self.last_ua if self.last_us + self.period_us >= end_us else 0
            self.acting |= out[i] != 0
        self.move_to(end_us)
        return effect

    def recent(self):
        """The latest pulses, at most 4096: (device time µs, amplitude µA) each."""
        cdef long long first = max(0, self.pulses - RECENT)
        return [(self.recent_us[k % RECENT], self.recent_ua[k % RECENT])
                for k in range(first, self.pulses)]
