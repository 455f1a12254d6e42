# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The output stage: biphasic pulses at device times, in integers, every one accounted for."""

cimport cython
cimport numpy as cnp

from stimloop_sim._electrode cimport Path

cnp.import_array()

cdef enum:
    RECENT = 4096           # pulses kept for a witness; what is older stays in the counters
    RUNS = 4                # runs of amplitudes that the hardware may have
    CONTACTS = 16

cdef long long NEVER = 1LL << 62


@cython.final
cdef class PulseTrain:
    """Pulse generator of one channel.

    The amplitude moves towards its target no faster than the ramps allow, is quantised downward
    to what the hardware has, and leaves as a cathodic phase, a gap and a recharge: an active
    one of amplitude / ratio for width * ratio, or a passive discharge until the next pulse.
    Pauses come and go on the clock of `start`.

    Parameters
    ----------
    amplitude_ua : sequence of Run
        Amplitudes that the hardware has, µA: at most 4 runs, ascending from 0, each beginning
        where the one before ends.
    path : Path
        Its way through the tissue, which says how much of a pulse the supply can drive: the
        whole pulse is reduced, on the hardware's steps, so that it stays balanced.
    duty_permille : int
        Largest part of the time with stimulation, in the long run, ‰.
    train_max_ms : int
        What may be stimulated in one go, ms. Stimulation counts up to it and silence takes away
        from it, as the duty says; when it is used up the output rests until nothing of it is
        left, whatever is asked for.

    Attributes
    ----------
    pulses : int
        Pulses delivered.
    programmed_pc, delivered_pc : int
        Cathodic charge, as programmed and as delivered, pC.
    discharged_pc : int
        What of the delivered charge returned by passive discharge, pC: in this layer all that
        a passive pulse left; what the electrodes keep of it is the path's.
    net_fc : int
        Sum over both phases of every completed pulse and every contact of the cathode, fC;
        anything but zero is a fault.
    i2t_ua2_us : int
        Sum of amplitude² * width of the cathodic phases, µA²·µs.
    breached : bool
        A pulse was asked for that exceeds the program; it was not delivered.
    acting : bool
        Pulses were in effect during the latest `advance`.
    resting : bool
        In a pause, or on the way into it.
    exhausted : bool
        The nerve has to rest: what may be stimulated in one go is used up.
    inhibited : bool
        A magnet is heeded: no pulse begins.
    target_ua : int
        The setpoint in force, µA.
    """

    cdef readonly Path path
    cdef readonly long long pulses
    cdef readonly long long programmed_pc
    cdef readonly long long delivered_pc
    cdef readonly long long discharged_pc
    cdef readonly long long net_fc
    cdef readonly unsigned long long i2t_ua2_us
    cdef readonly bint breached
    cdef readonly bint acting
    cdef readonly bint resting
    cdef readonly bint exhausted
    cdef readonly bint inhibited
    cdef readonly long long target_ua
    cdef readonly long long period_us
    cdef readonly long long width_us
    cdef int runs
    cdef long long run_low_ua[RUNS]
    cdef long long run_high_ua[RUNS]
    cdef long long run_step_ua[RUNS]
    cdef int sources                # contacts of the cathode with a current of their own
    cdef long long percents[CONTACTS]
    cdef long long ratio            # 0: passive
    cdef long long max_ua, slew_up_ua_s, slew_down_ua_s
    cdef long long soft_up_ua_s, soft_down_ua_s
    cdef long long soft_us, on_us, cycle_us
    cdef long long up_ua_s, down_ua_s       # in force
    cdef long long origin_us        # start of the first cycle
    cdef long long duty_permille, train_max_us
    cdef long long spent            # of what may be stimulated in one go, µs * ‰
    cdef long long busy_until_us    # accounted up to here: the end of the latest pulse's period
    cdef bint ending                # on the last way to zero
    cdef int extra                  # a magnet's train: 0 none, 1 on, 2 on its way out
    cdef long long extra_us         # when it began
    cdef long long extra_ua, extra_on_us, extra_width_us
    cdef long long extra_up_ua_s, extra_down_ua_s, soft_stop_us
    cdef long long own_ua, own_width_us     # the program's, for when it is over
    cdef long long edge_us          # when the course of the cycle changes next
    cdef long long level_pa         # present amplitude in pA: µA/s times µs is pA
    cdef long long clock_us         # when level_pa was right
    cdef long long next_us          # when the next pulse is due, if one is
    cdef long long earliest_us      # when a trigger was asked for: none before
    cdef long long remaining        # pulses to come; -1 without end
    cdef long long interphase_us
    cdef long long last_us          # start of the latest pulse
    cdef long long last_ua          # how much of it passed through tissue
    cdef long long driven_ua        # and what the output stage drove
    cdef bint pending               # a setpoint for a later time
    cdef long long pending_at_us, pending_ua, pending_period_us
    cdef long long recent_us[RECENT]
    cdef long long recent_ua[RECENT]

    def __init__(
        self, amplitude_ua, Path path not None, int duty_permille=1000, int train_max_ms=0
    ):
        if not 0 < len(amplitude_ua) <= RUNS:
            raise ValueError(f"{len(amplitude_ua)} runs of amplitudes; 1 to {RUNS} are "
                             "possible: join those of equal step")
        self.runs = len(amplitude_ua)
        for i, run in enumerate(amplitude_ua):
            self.run_low_ua[i] = run.low
            self.run_high_ua[i] = run.high
            self.run_step_ua[i] = run.step
        self.path = path
        self.pulses = self.programmed_pc = self.delivered_pc = self.discharged_pc = 0
        self.net_fc = 0
        self.i2t_ua2_us = 0
        self.breached = False
        self.acting = False
        self.max_ua = self.width_us = self.period_us = 0
        self.duty_permille, self.train_max_us = duty_permille, 1000 * <long long>train_max_ms
        self.spent = self.busy_until_us = 0
        self.exhausted = self.inhibited = False
        self.own_ua = self.own_width_us = 0
        self.extra_us = self.extra_ua = self.extra_on_us = self.extra_width_us = 0
        self.extra_up_ua_s = self.extra_down_ua_s = self.soft_stop_us = 0
        self.slew_up_ua_s = self.slew_down_ua_s = 0
        self.soft_up_ua_s = self.soft_down_ua_s = 0
        self.soft_us = self.on_us = self.cycle_us = 0
        self.ratio = 1
        self.interphase_us = 0
        self.sources = 0
        self.silence(0)

    cdef void silence(self, long long now_us) noexcept:
        self.target_ua = 0
        self.level_pa = 0
        self.clock_us = now_us
        self.next_us = now_us
        self.earliest_us = now_us
        self.edge_us = NEVER
        self.resting = self.ending = False
        self.take_own()
        self.up_ua_s = self.slew_up_ua_s
        self.down_ua_s = self.slew_down_ua_s
        self.remaining = 0
        self.last_us = 0
        self.last_ua = self.driven_ua = 0
        self.pending = False

    cdef void take_own(self) noexcept:
        """What the program says holds again, not the magnet's train."""
        self.extra = 0
        self.max_ua, self.width_us = self.own_ua, self.own_width_us

    @property
    def amplitude_ua(self):
        """Amplitude a pulse would have now, quantised, µA."""
        return self.quantised()

    @property
    def delivered_ua(self):
        """Amplitude driven in the latest pulse, µA; 0 once it began over a period ago."""
        return self.driven_ua if self.last_us + self.period_us >= self.clock_us else 0

    cdef inline long long quantised(self) noexcept nogil:
        cdef long long ua = self.level_pa // 1_000_000
        cdef int i = self.runs - 1
        while i and ua < self.run_low_ua[i]:
            i -= 1
        return self.run_low_ua[i] + (
            (ua - self.run_low_ua[i]) // self.run_step_ua[i] * self.run_step_ua[i])

    cdef inline long long coarsest(self, long long ua) noexcept nogil:
        """The largest step up to an amplitude: its multiples below exist in every run."""
        cdef long long step_ua = self.run_step_ua[0]
        cdef int i
        for i in range(1, self.runs):
            if self.run_low_ua[i] < ua:
                step_ua = max(step_ua, self.run_step_ua[i])
        return step_ua

    def configure(self, program):
        """Take the committed program; the output stays off until `start`.

        Parameters
        ----------
        program : stimloop_hw.program.Program
            Checked against the limits.
        """
        cdef long long soft_stop_us = program.soft_stop_ms * 1000
        cdef long long top_ua_us = 1_000_000 * <long long>program.amplitude_max_ua
        cdef long long extra_ua_us = 1_000_000 * <long long>program.magnet_amplitude_ua
        shares = program.shares_percent
        own = [shares[k] for k in range(CONTACTS) if program.cathodes >> k & 1 and shares[k]]
        self.sources = 0
        for percent in own or [100]:
            self.percents[self.sources] = percent
            self.sources += 1
        self.own_width_us, self.own_ua = program.width_us, program.amplitude_max_ua
        self.extra_ua = program.magnet_amplitude_ua
        self.extra_width_us = program.magnet_width_us
        self.extra_on_us = program.magnet_on_ms * 1000
        self.take_own()
        self.period_us = program.period_min_us
        self.ratio = program.recharge_ratio
        self.interphase_us = program.interphase_us
        self.slew_up_ua_s = program.slew_ua_s
        self.slew_down_ua_s = program.slew_down_ua_s or program.slew_ua_s
        self.soft_us = program.soft_start_ms * 1000
        self.on_us = program.cycle_on_ms * 1000
        self.cycle_us = self.on_us + program.cycle_off_ms * 1000
        # Rounded up, so that a ramp ends within its time; C's division rounds towards zero.
        self.soft_up_ua_s = (top_ua_us + max(self.soft_us, 1) - 1) // max(self.soft_us, 1)
        self.soft_down_ua_s = (top_ua_us + max(soft_stop_us, 1) - 1) // max(soft_stop_us, 1)
        self.soft_stop_us = soft_stop_us
        self.extra_up_ua_s = min(
            (extra_ua_us + max(self.soft_us, 1) - 1) // max(self.soft_us, 1), self.slew_up_ua_s)
        self.extra_down_ua_s = (
            (extra_ua_us + max(soft_stop_us, 1) - 1) // max(soft_stop_us, 1))

    def start(self, long long now_us, bint train):
        """Begin at zero amplitude: a train without end, or pulses on `trigger` only."""
        self.silence(now_us)
        self.remaining = -1 if train else 0
        self.origin_us = now_us
        self.take_course(now_us)

    def stop(self, long long now_us):
        """Begin no further pulse; one in flight completes its recharge."""
        self.silence(now_us)

    def inhibit(self, long long now_us):
        """Begin no further pulse while a magnet is there; one in flight completes its recharge.

        The therapy goes on behind it: its pauses keep their time, and setpoints are taken.
        """
        self.move_to(now_us)
        self.inhibited = True
        self.level_pa = 0
        if not self.ending:
            self.take_own()
            self.take_course(now_us)

    def release(self, long long now_us, bint train):
        """The magnet is gone: rise again, softly, or begin the magnet's train."""
        self.move_to(now_us)
        self.inhibited = False
        if self.ending:
            return
        if train:
            self.extra, self.extra_us = 1, now_us
            self.max_ua, self.width_us = self.extra_ua, self.extra_width_us
        self.take_course(now_us)

    def settle(self):
        """Forget a breach, and short the electrodes: what charge was left there is gone."""
        self.breached = False
        self.net_fc = 0

    cdef void take_course(self, long long now_us) noexcept:
        """Where in the cycle this time is: the rates in force, and when they change."""
        cdef long long phase_us = now_us - self.origin_us
        cdef long long begun_us = self.origin_us
        if self.extra and self.take_extra(now_us):
            return
        if self.cycle_us:
            phase_us %= self.cycle_us
            begun_us = now_us - phase_us
        self.up_ua_s = self.slew_up_ua_s
        self.down_ua_s = self.slew_down_ua_s
        self.resting = False
        self.edge_us = NEVER
        if phase_us < self.soft_us:
            self.up_ua_s = min(self.soft_up_ua_s, self.slew_up_ua_s)
            self.edge_us = begun_us + self.soft_us
        elif self.cycle_us and phase_us < self.soft_us + self.on_us:
            self.edge_us = begun_us + self.soft_us + self.on_us
        elif self.cycle_us:
            self.down_ua_s = self.soft_down_ua_s
            self.resting = True
            self.edge_us = begun_us + self.cycle_us

    cdef bint take_extra(self, long long now_us) noexcept:
        """The same within the magnet's train; whether it still goes on."""
        cdef long long on_us = self.extra_us + self.soft_us
        self.resting = False
        self.up_ua_s, self.down_ua_s = self.extra_up_ua_s, self.extra_down_ua_s
        self.extra = 1
        if now_us < on_us:
            self.edge_us = on_us
        elif now_us < on_us + self.extra_on_us:
            self.edge_us = on_us + self.extra_on_us
        elif now_us < on_us + self.extra_on_us + self.soft_stop_us:
            self.extra = 2
            self.edge_us = on_us + self.extra_on_us + self.soft_stop_us
        else:
            self.level_pa = 0       # the width must not change above it
            self.take_own()
            return False
        return True

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

    def ramp(self, long long now_us, long long target_ua, long long rate_ua_s, bint last):
        """Leave for a target at a rate of the device's own, forgetting a setpoint to come.

        Pauses go on; the next one takes the program's own rates again. On the way to zero there
        are none. A magnet's train goes on, and the target is for afterwards, unless this is the
        `last` way, which ends everything.
        """
        self.pending = False
        self.move_to(now_us)
        self.target_ua = target_ua
        if self.extra and not last:
            return
        self.up_ua_s = self.down_ua_s = rate_ua_s
        if not target_ua:
            self.edge_us = NEVER
        if last:
            self.ending = True
            self.extra = 2 if self.extra else 0

    def resume(self, long long now_us):
        """Stay at the present amplitude, and move by the program's rates and pauses again."""
        self.pending = False
        self.move_to(now_us)
        if not self.extra:
            self.target_ua = self.quantised()
        self.take_course(now_us)

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

    cdef void glide(self, long long t_us) noexcept:
        cdef long long elapsed_us = t_us - self.clock_us
        cdef long long goal_pa = 0 if self.resting else self.target_ua * 1_000_000
        if self.extra:
            goal_pa = self.extra_ua * 1_000_000 if self.extra == 1 else 0
        if self.inhibited or self.exhausted:
            goal_pa = 0
        if self.level_pa < goal_pa:
            self.level_pa = min(self.level_pa + self.up_ua_s * elapsed_us, goal_pa)
        else:
            self.level_pa = max(self.level_pa - self.down_ua_s * elapsed_us, goal_pa)
        self.clock_us = t_us

    cdef void move_to(self, long long t_us) noexcept:
        cdef long long due_us
        while True:
            due_us = self.edge_us
            if self.pending:
                due_us = min(due_us, self.pending_at_us)
            if due_us > t_us:
                break
            self.glide(due_us)
            if self.edge_us == due_us:
                self.take_course(due_us)
            if self.pending and self.pending_at_us == due_us:
                self.pending = False
                self.target_ua = self.pending_ua
                self.retime(self.pending_period_us)
        if t_us > self.clock_us:
            self.glide(t_us)

    cdef void rest(self, long long t_us) noexcept:
        """Account for the silence up to here."""
        if t_us > self.busy_until_us:
            self.spent -= min(self.spent, (t_us - self.busy_until_us) * self.duty_permille)
            self.busy_until_us = t_us
        self.exhausted = self.exhausted and self.spent > 0

    cdef void pulse(self, long long t_us) noexcept:
        cdef long long ua = self.quantised()
        cdef long long na, returned_na
        cdef int i
        if ua == 0:
            return
        if ua > self.max_ua:
            self.breached = True
            self.silence(t_us)
            return
        self.programmed_pc += ua * self.width_us
        ua = self.path.drive(
            t_us, ua, self.coarsest(ua), self.width_us, self.interphase_us, self.ratio
        )
        self.last_us = t_us
        self.last_ua = self.path.through_tissue(ua)
        self.driven_ua = ua
        if ua == 0:
            return
        if self.ratio:
            for i in range(self.sources):
                na = ua * 10 * self.percents[i]
                returned_na = na // self.ratio
                self.net_fc += (na - returned_na * self.ratio) * self.width_us
        else:
            self.discharged_pc += ua * self.width_us
        self.busy_until_us = t_us + self.period_us
        self.spent += self.period_us * (1000 - self.duty_permille)
        if self.spent > self.train_max_us * (1000 - self.duty_permille):
            self.exhausted = True
            self.level_pa = 0
        self.delivered_pc += ua * self.width_us
        self.i2t_ua2_us += ua * ua * self.width_us
        self.recent_us[self.pulses % RECENT] = t_us
        self.recent_ua[self.pulses % RECENT] = ua
        self.pulses += 1

    cdef void deliver(self, long long end_us) noexcept:
        while self.remaining and self.next_us < end_us:
            self.move_to(self.next_us)
            self.rest(self.next_us)
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
            Amplitude in effect in each interval, µA: what reached tissue of the latest pulse,
            if it began less than a period before the interval's end.
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

    @property
    def due_us(self):
        """When the next pulse is due, µs; very far away if none is."""
        return self.next_us if self.remaining else NEVER

    @property
    def pulse_us(self):
        """Length of a pulse with its active recharge, µs."""
        return self.width_us * (1 + self.ratio) + self.interphase_us

    def recent(self):
        """The latest pulses, at most 4096: (device time µs, amplitude µA) each."""
        cdef long long first = max(0, self.pulses - RECENT)
        return [(self.recent_us[k % RECENT], self.recent_ua[k % RECENT])
                for k in range(first, self.pulses)]

    def felt(self, long long first):
        """Pulses from one on, from 0: (device time, µs; what reached tissue, µA) each."""
        cdef long long begin = max(first, self.pulses - RECENT)
        return [
            (self.recent_us[k % RECENT], self.path.through_tissue(self.recent_ua[k % RECENT]))
            for k in range(begin, self.pulses)
        ]
