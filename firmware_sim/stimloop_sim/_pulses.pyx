# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The output stage: biphasic pulses at device times, in integers, every one accounted for."""

cimport cython
cimport numpy as cnp

from stimloop_sim._course cimport (
    NEVER, Course, act, begin, due_us, glide, interrupt, leave, quieten, release, shape, take_up
)
from stimloop_sim._electrode cimport Path

cnp.import_array()

cdef enum:
    RECENT = 4096           # pulses kept for a witness; what is older stays in the counters
    RUNS = 4                # runs of amplitudes that the hardware may have
    CONTACTS = 16
    PROGRAMS = 4            # that may be interleaved

cdef struct Shape:
    # One program's pulse, and the latest of them.
    long long offset_us         # after the start of its frame
    long long width_us
    long long extra_width_us    # of a magnet's train
    long long interphase_us
    long long ratio             # 0: passive
    long long max_ua
    int sources                 # contacts of the cathode with a current of their own
    long long[CONTACTS] percents
    long long last_us           # start of the latest pulse
    long long last_ua           # how much of it passed through tissue
    long long driven_ua         # and what the output stage drove


@cython.final
cdef class PulseTrain:
    """Pulse generator of one group of programs.

    Every period is a frame: each program's pulse begins at its own offset in it. A program's
    amplitude moves towards its target no faster than its ramps allow, is quantised downward
    to what the hardware has, and leaves as a cathodic phase, a gap and a recharge: an active
    one of amplitude / ratio for width * ratio, or a passive discharge until the next pulse.

    Parameters
    ----------
    amplitude_ua : sequence of Run
        Amplitudes that the hardware has, µA: at most 4 runs, ascending from 0, each beginning
        where the one before ends.
    *paths : Path
        Each program's way through the tissue, 1 to 4. It says how much of a pulse the supply
        can drive: the whole pulse is reduced, on the hardware's steps, so that it stays
        balanced.
    duty_permille : int
        Largest part of the time with stimulation, in the long run, ‰.
    train_max_ms : int
        What may be stimulated in one go, ms. Stimulation counts up to it and silence takes away
        from it, as the duty says; when it is used up the output rests until nothing of it is
        left, whatever is asked for.

    Attributes
    ----------
    paths : tuple of Path
    pulses : int
        Pulses delivered, of all programs; so are the sums that follow.
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
        A pulse was asked for that exceeds its program; it was not delivered.
    acting : bool
        Pulses were in effect during the latest `advance`.
    exhausted : bool
        The nerve has to rest: what may be stimulated in one go is used up.
    inhibited : bool
        A magnet is heeded: no pulse begins.
    period_us : int
    """

    cdef readonly tuple paths
    cdef readonly long long pulses
    cdef readonly long long programmed_pc
    cdef readonly long long delivered_pc
    cdef readonly long long discharged_pc
    cdef readonly long long net_fc
    cdef readonly unsigned long long i2t_ua2_us
    cdef readonly bint breached
    cdef readonly bint acting
    cdef readonly bint exhausted
    cdef readonly bint inhibited
    cdef readonly long long period_us
    cdef int runs
    cdef long long[RUNS] run_low_ua
    cdef long long[RUNS] run_high_ua
    cdef long long[RUNS] run_step_ua
    cdef int count                  # programs
    cdef Course[PROGRAMS] courses
    cdef Shape[PROGRAMS] shapes
    cdef long long clock_us         # when the courses were right
    cdef long long duty_permille, train_max_us
    cdef long long spent            # of what may be stimulated in one go, µs * ‰
    cdef long long busy_until_us    # accounted up to here: the end of the latest pulse's period
    cdef long long counted_us       # start of the latest frame that counts as stimulation
    cdef int slot                   # program whose pulse is next in the frame; 0: a new frame
    cdef long long frame_us         # start of the latest frame
    cdef long long next_us          # when the next frame is due
    cdef long long earliest_us      # when a trigger was asked for: none before
    cdef long long remaining        # frames to come; -1 without end
    cdef long long[RECENT] recent_us
    cdef long long[RECENT] recent_ua
    cdef char[RECENT] recent_program
    cdef int[RECENT] recent_width_us
    cdef int[RECENT] recent_gap_us
    cdef char[RECENT] recent_ratio

    def __init__(self, amplitude_ua, *paths: Path, int duty_permille=1000, int train_max_ms=0):
        if not 0 < len(amplitude_ua) <= RUNS:
            raise ValueError(f"{len(amplitude_ua)} runs of amplitudes; 1 to {RUNS} are "
                             "possible: join those of equal step")
        if not 0 < len(paths) <= PROGRAMS:
            raise ValueError(f"{len(paths)} paths; give 1 to {PROGRAMS}, one for each program")
        self.runs = len(amplitude_ua)
        for i, run in enumerate(amplitude_ua):
            self.run_low_ua[i] = run.low
            self.run_high_ua[i] = run.high
            self.run_step_ua[i] = run.step
        for path in paths:
            if not isinstance(path, Path):
                raise TypeError(f"{path!r} is no path")
        self.paths = paths
        self.pulses = self.programmed_pc = self.delivered_pc = self.discharged_pc = 0
        self.net_fc = 0
        self.i2t_ua2_us = 0
        self.breached = False
        self.acting = False
        self.duty_permille, self.train_max_us = duty_permille, 1000 * <long long>train_max_ms
        self.spent = self.busy_until_us = 0
        self.exhausted = self.inhibited = False
        self.period_us = 0
        self.count = 0
        self.silence(0)

    cdef void silence(self, long long now_us) noexcept:
        cdef int k
        for k in range(self.count):
            quieten(&self.courses[k], now_us)
            self.shapes[k].last_us = 0
            self.shapes[k].last_ua = self.shapes[k].driven_ua = 0
        self.clock_us = now_us
        self.slot = 0
        self.frame_us = 0
        self.counted_us = -1
        self.next_us = now_us
        self.earliest_us = now_us
        self.remaining = 0

    # The first program's are at hand by name: loops steer that one.

    @property
    def target_ua(self):
        """The first program's setpoint in force, µA."""
        return self.courses[0].target_ua if self.count else 0

    @property
    def amplitude_ua(self):
        """Amplitude that a pulse of the first program would have now, quantised, µA."""
        return self.quantised(0) if self.count else 0

    @property
    def delivered_ua(self):
        """Amplitude driven in its latest pulse, µA; 0 once that began over a period ago."""
        return self.driven(0) if self.count else 0

    @property
    def width_us(self):
        """Width of its cathodic phase, µs."""
        return self.width(0) if self.count else 0

    cdef inline long long width(self, int k) noexcept nogil:
        """Width of a program's pulse, as it is now."""
        return self.shapes[k].extra_width_us if self.courses[k].extra else (
            self.shapes[k].width_us)

    cdef inline void hush(self) noexcept nogil:
        """Tell every course whether it may be anywhere but at zero."""
        cdef int k
        for k in range(self.count):
            self.courses[k].silent = self.inhibited or self.exhausted

    @property
    def resting(self):
        """Whether it is in a pause, or on the way into it."""
        return bool(self.count and self.courses[0].resting)

    @property
    def outputs(self):
        """Of each program: setpoint, amplitude, delivered, µA."""
        return [(self.courses[k].target_ua, self.quantised(k), self.driven(k))
                for k in range(self.count)]

    cdef long long driven(self, int k) noexcept:
        cdef Shape* shape_ = &self.shapes[k]
        return shape_.driven_ua if shape_.last_us + self.period_us >= self.clock_us else 0

    cdef inline long long quantised(self, int k) noexcept nogil:
        cdef long long ua = self.courses[k].level_pa // 1_000_000
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

    def configure(self, *programs):
        """Take the programs of a group; the output stays off until `start`.

        Parameters
        ----------
        *programs : stimloop_hw.program.Program
            Checked against the limits; at least one, at most as many as there are paths.
        """
        cdef Shape* pulse
        if not 0 < len(programs) <= len(self.paths):
            raise ValueError(f"{len(programs)} programs; 1 to {len(self.paths)} are possible")
        self.count = len(programs)
        for k, program in enumerate(programs):
            pulse = &self.shapes[k]
            shares = program.shares_percent
            cathodes = [i for i in range(CONTACTS) if program.cathodes >> i & 1]
            own = [shares[i] for i in cathodes if shares[i]]
            pulse.sources = 0
            for percent in own or [100]:
                pulse.percents[pulse.sources] = percent
                pulse.sources += 1
            pulse.offset_us = program.offset_us
            pulse.width_us = program.width_us
            pulse.extra_width_us = program.magnet_width_us
            pulse.max_ua = program.amplitude_max_ua
            pulse.ratio = program.recharge_ratio
            pulse.interphase_us = program.interphase_us
            shape(&self.courses[k], program)
        self.hush()
        self.period_us = programs[0].period_min_us
        self.silence(self.clock_us)

    def start(self, long long now_us, bint train):
        """Begin at zero amplitude: a train without end, or frames on `trigger` only."""
        cdef int k
        self.silence(now_us)
        self.remaining = -1 if train and self.count else 0
        for k in range(self.count):
            begin(&self.courses[k], now_us)

    def stop(self, long long now_us):
        """Begin no further pulse; one in flight completes its recharge."""
        self.silence(now_us)

    def inhibit(self, long long now_us):
        """Begin no further pulse while a magnet is there; one in flight completes its recharge.

        The therapy goes on behind it: its pauses keep their time, and setpoints are taken.
        """
        cdef int k
        self.move_to(now_us)
        self.inhibited = True
        self.hush()
        for k in range(self.count):
            interrupt(&self.courses[k])

    def release(self, long long now_us, bint train):
        """The magnet is gone: rise again, softly, or begin the magnet's trains."""
        cdef int k
        self.move_to(now_us)
        self.inhibited = False
        self.hush()
        for k in range(self.count):
            release(&self.courses[k], train)

    def settle(self):
        """Forget a breach, and short the electrodes: what charge was left there is gone."""
        self.breached = False
        self.net_fc = 0

    cdef Course* course(self, int program) except NULL:
        if not 0 <= program < self.count:
            raise IndexError(f"there is no program {program} among {self.count}")
        return &self.courses[program]

    def setpoint(self, long long now_us, long long amplitude_ua, long long period_us,
                 long long at_us, int program=0):
        """Move a program's amplitude and the period, at the next pulse or at a later time.

        Parameters
        ----------
        now_us : int
        amplitude_ua : int
        period_us : int
        at_us : int
            0 for the next pulse.
        program : int

        Raises
        ------
        IndexError
            If there is no such program.
        """
        cdef Course* course = self.course(program)
        if at_us > now_us:
            course.pending = True
            course.pending_at_us = at_us
            course.pending_ua = amplitude_ua
            course.pending_period_us = period_us
        else:
            course.pending = False
            self.move_to(now_us)
            course.target_ua = amplitude_ua
            self.retime(period_us)

    def hold(self, long long now_us):
        """Nothing rises any more: no program, and no setpoint to come."""
        cdef Course* course
        cdef int k
        for k in range(self.count):
            self.courses[k].pending = False
        self.move_to(now_us)
        for k in range(self.count):
            course = &self.courses[k]
            course.target_ua = min(course.target_ua, self.quantised(k))

    def ramp(self, long long now_us, long long target_ua, long long rate_ua_s, bint last,
             int program=0):
        """Let a program leave for a target at a rate of the device's own.

        It forgets a setpoint to come. Pauses go on, and the next one takes the program's own
        rates again; on the way to zero there are none. A magnet's train goes on, and the target
        is for afterwards, unless this is the `last` way, which ends everything.

        Raises
        ------
        IndexError
            If there is no such program.
        """
        cdef Course* course = self.course(program)
        course.pending = False
        self.move_to(now_us)
        leave(course, target_ua, rate_ua_s, last)

    def resume(self, long long now_us):
        """Stay at the present amplitudes, and move by the programs' rates and pauses again."""
        cdef int k
        for k in range(self.count):
            self.courses[k].pending = False
        self.move_to(now_us)
        for k in range(self.count):
            take_up(&self.courses[k], self.quantised(k))

    def trigger(self, long long now_us, long long count, long long at_us):
        """Deliver `count` frames from `at_us` on (0: now); one under way is completed."""
        self.remaining = count if self.count else 0
        self.earliest_us = max(now_us, at_us)
        self.next_us = max(self.earliest_us, self.frame_us + self.period_us)

    cdef void retime(self, long long period_us) noexcept:
        # The next frame keeps its distance from the latest one, by the new period.
        self.next_us = max(self.next_us + period_us - self.period_us,
                           self.clock_us, self.earliest_us)
        self.period_us = period_us

    cdef long long pending_us(self) noexcept nogil:
        """When the next setpoint comes into force."""
        cdef long long first_us = NEVER
        cdef int k
        for k in range(self.count):
            if self.courses[k].pending:
                first_us = min(first_us, self.courses[k].pending_at_us)
        return first_us

    cdef void move_to(self, long long t_us) noexcept:
        cdef long long first_us, next_us
        cdef int k, who
        while True:
            first_us = NEVER
            who = 0
            for k in range(self.count):
                next_us = due_us(&self.courses[k])
                if next_us < first_us:
                    first_us = next_us
                    who = k
            if first_us > t_us:
                break
            self.clock_us = max(self.clock_us, first_us)
            if act(&self.courses[who], first_us):
                self.retime(self.courses[who].pending_period_us)
        for k in range(self.count):
            glide(&self.courses[k], t_us)
        self.clock_us = max(self.clock_us, t_us)

    cdef void pulse(self, int k, long long t_us) noexcept:
        cdef Shape* pulse = &self.shapes[k]
        cdef Path path = <Path>self.paths[k]
        cdef long long ua = self.quantised(k)
        cdef long long width_us = self.width(k)
        cdef long long na, returned_na
        cdef int i
        if ua == 0:
            return
        if ua > (self.courses[k].extra_ua if self.courses[k].extra else pulse.max_ua):
            self.breached = True
            self.silence(t_us)
            return
        self.programmed_pc += ua * width_us
        ua = path.drive(
            t_us, ua, self.coarsest(ua), width_us, pulse.interphase_us, pulse.ratio
        )
        pulse.last_us = t_us
        pulse.last_ua = path.through_tissue(ua)
        pulse.driven_ua = ua
        if ua == 0:
            return
        if pulse.ratio:
            for i in range(pulse.sources):
                na = ua * 10 * pulse.percents[i]
                returned_na = na // pulse.ratio
                self.net_fc += (na - returned_na * pulse.ratio) * width_us
        else:
            self.discharged_pc += ua * width_us
        self.spend()
        self.delivered_pc += ua * width_us
        self.i2t_ua2_us += ua * ua * width_us
        self.recent_us[self.pulses % RECENT] = t_us
        self.recent_ua[self.pulses % RECENT] = ua
        self.recent_program[self.pulses % RECENT] = k
        self.recent_width_us[self.pulses % RECENT] = <int>width_us
        self.recent_gap_us[self.pulses % RECENT] = <int>pulse.interphase_us
        self.recent_ratio[self.pulses % RECENT] = <char>pulse.ratio
        self.pulses += 1

    cdef void rest(self, long long t_us) noexcept:
        """Account for the silence up to here."""
        if t_us > self.busy_until_us:
            self.spent -= min(self.spent, (t_us - self.busy_until_us) * self.duty_permille)
            self.busy_until_us = t_us
        if self.exhausted and self.spent <= 0:
            self.exhausted = False
            self.hush()

    cdef void spend(self) noexcept:
        """Account for a frame with stimulation, once."""
        cdef int k
        if self.counted_us == self.frame_us:
            return
        self.counted_us = self.frame_us
        self.busy_until_us = self.frame_us + self.period_us
        self.spent += self.period_us * (1000 - self.duty_permille)
        if self.spent > self.train_max_us * (1000 - self.duty_permille):
            self.exhausted = True
            self.hush()
            for k in range(self.count):
                self.courses[k].level_pa = 0

    cdef void deliver(self, long long end_us) noexcept:
        cdef long long t_us
        cdef int k
        while self.slot or self.remaining:
            k = self.slot
            t_us = self.frame_us + self.shapes[k].offset_us if k else self.next_us
            if t_us >= end_us:
                break
            self.move_to(t_us)
            self.rest(t_us)
            if k == 0:
                self.frame_us = t_us
                self.next_us = t_us + self.period_us
                if self.remaining > 0:
                    self.remaining -= 1
            self.slot = k + 1 if k + 1 < self.count else 0
            self.pulse(k, t_us)

    cdef long long effect_ua(self, long long t_us) noexcept nogil:
        """What the strongest pulse within a period before this time has by its charge.

        Told as the amplitude that it would have at the width of the first program.
        """
        cdef long long strongest = 0
        cdef int k
        for k in range(self.count):
            if self.shapes[k].last_us + self.period_us >= t_us:
                strongest = max(strongest, self.shapes[k].last_ua * self.width(k))
        return strongest // self.width(0) if strongest else 0

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
            if it began less than a period before the interval's end. Of several programs the
            one with the largest charge counts, as an amplitude at the width of the first.
        """
        cdef cnp.npy_intp shape_ = samples
        effect = cnp.PyArray_EMPTY(1, &shape_, cnp.NPY_INT32, 0)
        cdef int* out = <int*>cnp.PyArray_DATA(effect)
        cdef long long end_us = start_us
        cdef long long change_us
        cdef int i
        self.acting = False
        for i in range(samples):
            end_us += sample_us
            change_us = self.pending_us()
            while change_us < end_us:
                self.deliver(change_us)
                self.move_to(change_us)     # may bring the next frame forward
                change_us = self.pending_us()
            self.deliver(end_us)
            out[i] = <int>self.effect_ua(end_us)
            self.acting |= out[i] != 0
        self.move_to(end_us)
        return effect

    @property
    def due_us(self):
        """When the next pulse is due, µs; very far away if none is."""
        if self.slot:
            return self.frame_us + self.shapes[self.slot].offset_us
        return self.next_us if self.remaining else NEVER

    @property
    def pulse_us(self):
        """Length of that pulse with its active recharge, µs."""
        return self.length_us(self.slot) if self.count else 0

    cdef long long length_us(self, int k) noexcept:
        cdef Shape* pulse = &self.shapes[k]
        return self.width(k) * (1 + pulse.ratio) + pulse.interphase_us

    def recent(self, int program=-1):
        """The latest pulses, at most 4096: (device time µs, amplitude µA) each.

        Parameters
        ----------
        program : int, optional
            Only those of this program; all if not given.
        """
        cdef long long first = max(0, self.pulses - RECENT)
        return [(self.recent_us[k % RECENT], self.recent_ua[k % RECENT])
                for k in range(first, self.pulses)
                if program < 0 or self.recent_program[k % RECENT] == program]

    def felt(self, long long first):
        """Pulses from one on, counted from 0.

        Returns
        -------
        list of tuple of int
            Of each: device time, µs; what reached tissue, µA; width of its cathodic phase and
            length with its active recharge, µs.
        """
        cdef long long oldest = max(first, self.pulses - RECENT)
        cdef Path path
        cdef int k
        found = []
        for number in range(oldest, self.pulses):
            i = number % RECENT
            k = self.recent_program[i]
            path = <Path>self.paths[k]
            found.append((self.recent_us[i], path.through_tissue(self.recent_ua[i]),
                          self.width(k), self.length_us(k)))
        return found

    def traced(self, long long first):
        """Pulses from one on, counted from 0, as they left: what a witness is shown.

        Parameters
        ----------
        first : int
            Of those older than the latest 4096 nothing is known any more.

        Returns
        -------
        list of tuple of int
            Of each: device time, µs; number of its program; amplitude driven, µA; width of its
            cathodic phase and the gap behind it, µs; ratio of its active recharge, 0 for none.
        """
        found = []
        for number in range(max(first, self.pulses - RECENT), self.pulses):
            i = number % RECENT
            found.append((self.recent_us[i], self.recent_program[i], self.recent_ua[i],
                          self.recent_width_us[i], self.recent_gap_us[i],
                          self.recent_ratio[i]))
        return found
