# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""One program's amplitude in time before it is quantised: ramps and pauses, in integers.

It moves towards its target no faster than the rates in force allow; pauses come and go on the
clock of `begin`.
"""

cdef long long NEVER = 1LL << 62


cdef void shape(Course* course, program):
    """Take the rates and pauses of a `stimloop_hw.program.Program`."""
    cdef long long soft_stop_us = program.soft_stop_ms * 1000
    cdef long long top_ua_us = 1_000_000 * <long long>program.amplitude_max_ua
    cdef long long extra_ua_us = 1_000_000 * <long long>program.magnet_amplitude_ua
    course.slew_up_ua_s = program.slew_ua_s
    course.slew_down_ua_s = program.slew_down_ua_s or program.slew_ua_s
    course.soft_us = program.soft_start_ms * 1000
    course.on_us = program.cycle_on_ms * 1000
    course.cycle_us = course.on_us + program.cycle_off_ms * 1000
    # Rounded up, so that a ramp ends within its time; C's division rounds towards zero.
    course.soft_up_ua_s = (top_ua_us + max(course.soft_us, 1) - 1) // max(course.soft_us, 1)
    course.soft_down_ua_s = (top_ua_us + max(soft_stop_us, 1) - 1) // max(soft_stop_us, 1)
    course.soft_stop_us = soft_stop_us
    course.extra_ua = program.magnet_amplitude_ua
    course.extra_on_us = program.magnet_on_ms * 1000
    course.extra_up_ua_s = min(
        (extra_ua_us + max(course.soft_us, 1) - 1) // max(course.soft_us, 1),
        course.slew_up_ua_s)
    course.extra_down_ua_s = (
        (extra_ua_us + max(soft_stop_us, 1) - 1) // max(soft_stop_us, 1))


cdef void quieten(Course* course, long long now_us) noexcept nogil:
    course.target_ua = 0
    course.level_pa = 0
    course.clock_us = now_us
    course.edge_us = NEVER
    course.resting = course.ending = False
    course.extra = 0
    course.up_ua_s = course.slew_up_ua_s
    course.down_ua_s = course.slew_down_ua_s
    course.pending = False


cdef void begin(Course* course, long long now_us) noexcept nogil:
    """Begin the first cycle, at zero amplitude."""
    quieten(course, now_us)
    course.origin_us = now_us
    take_phase(course)


cdef void take_phase(Course* course) noexcept nogil:
    """Where in the cycle the present is: the rates in force, and when they change."""
    cdef long long phase_us = course.clock_us - course.origin_us
    cdef long long begun_us = course.origin_us
    if course.extra and take_extra(course):
        return
    if course.cycle_us:
        phase_us %= course.cycle_us
        begun_us = course.clock_us - phase_us
    course.up_ua_s = course.slew_up_ua_s
    course.down_ua_s = course.slew_down_ua_s
    course.resting = False
    course.edge_us = NEVER
    if phase_us < course.soft_us:
        course.up_ua_s = min(course.soft_up_ua_s, course.slew_up_ua_s)
        course.edge_us = begun_us + course.soft_us
    elif course.cycle_us and phase_us < course.soft_us + course.on_us:
        course.edge_us = begun_us + course.soft_us + course.on_us
    elif course.cycle_us:
        course.down_ua_s = course.soft_down_ua_s
        course.resting = True
        course.edge_us = begun_us + course.cycle_us


cdef bint take_extra(Course* course) noexcept nogil:
    """The same within the magnet's train; whether it still goes on."""
    cdef long long on_us = course.extra_us + course.soft_us
    course.resting = False
    course.up_ua_s, course.down_ua_s = course.extra_up_ua_s, course.extra_down_ua_s
    course.extra = 1
    if course.clock_us < on_us:
        course.edge_us = on_us
    elif course.clock_us < on_us + course.extra_on_us:
        course.edge_us = on_us + course.extra_on_us
    elif course.clock_us < on_us + course.extra_on_us + course.soft_stop_us:
        course.extra = 2
        course.edge_us = on_us + course.extra_on_us + course.soft_stop_us
    else:
        course.level_pa = 0     # the width must not change above it
        course.extra = 0
        return False
    return True


cdef void glide(Course* course, long long t_us) noexcept nogil:
    """Move to a time before which nothing is due."""
    cdef long long elapsed_us = t_us - course.clock_us
    cdef long long goal_pa = 0 if course.resting else course.target_ua * 1_000_000
    if elapsed_us <= 0:
        return
    if course.extra:
        goal_pa = course.extra_ua * 1_000_000 if course.extra == 1 else 0
    if course.silent:
        goal_pa = 0
    if course.level_pa < goal_pa:
        course.level_pa = min(course.level_pa + course.up_ua_s * elapsed_us, goal_pa)
    else:
        course.level_pa = max(course.level_pa - course.down_ua_s * elapsed_us, goal_pa)
    course.clock_us = t_us


cdef long long due_us(Course* course) noexcept nogil:
    """When the course changes by itself next."""
    return min(course.edge_us, course.pending_at_us) if course.pending else course.edge_us


cdef bint act(Course* course, long long now_us) noexcept nogil:
    """Let what is due now happen; whether a setpoint came into force."""
    glide(course, now_us)
    if course.edge_us == now_us:
        take_phase(course)
    if not course.pending or course.pending_at_us != now_us:
        return False
    course.pending = False
    course.target_ua = course.pending_ua
    return True


cdef void leave(
    Course* course, long long target_ua, long long rate_ua_s, bint last
) noexcept nogil:
    """Leave for a target at a rate of the device's own; to zero there are no pauses.

    A magnet's train goes on, and the target is for afterwards, unless this is the last way.
    """
    course.pending = False
    course.target_ua = target_ua
    if course.extra and not last:
        return
    course.up_ua_s = course.down_ua_s = rate_ua_s
    if not target_ua:
        course.edge_us = NEVER
    if last:
        course.ending = True
        course.extra = 2 if course.extra else 0


cdef void take_up(Course* course, long long target_ua) noexcept nogil:
    """Go on at the program's own rates and pauses."""
    course.pending = False
    if not course.extra:
        course.target_ua = target_ua
    take_phase(course)


cdef void interrupt(Course* course) noexcept nogil:
    """A magnet comes: nothing now; pauses keep their time, and setpoints are taken."""
    course.level_pa = 0
    if not course.ending:
        course.extra = 0
        take_phase(course)


cdef void release(Course* course, bint train) noexcept nogil:
    """It is gone: rise again, softly, or begin its train."""
    if course.ending:
        return
    if train and course.extra_ua:
        course.extra, course.extra_us = 1, course.clock_us
    take_phase(course)
