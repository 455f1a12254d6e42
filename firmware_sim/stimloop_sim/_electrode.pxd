"""The electrode-tissue interface, for the output stage and the sensing path."""

cdef enum:
    MOST = 17               # contacts of a device, its case included
    STATES = 34             # a double layer and a coupling capacitor each
    LOGGED = 4096           # pulses remembered for the sensing path


cdef class Interface:
    cdef readonly int contacts
    cdef double series_ohm[MOST]
    cdef double capacitance_f[MOST]
    cdef double leak_ohm[MOST]
    cdef double exchange_a[MOST]
    cdef double elastance_per_f     # 1 / coupling capacitance; 0 is a wire
    cdef double layer_v[MOST]
    cdef double coupling_v[MOST]
    cdef readonly long long epoch_us    # age at which the device's clock began
    cdef long long settled_us       # age up to which the state is known
    cdef Path latest                # the path that rests through its discharge resistors
    cdef long long log_us[LOGGED]
    cdef long long log_ua[LOGGED]
    cdef long long logged

    cdef void settle(self, long long t_us) noexcept
    cdef void hold_current(self, int contact, double amps, double moved, double dt_s) noexcept
    cdef void leak(self, Path path, double dt_s) noexcept


cdef class Path:
    cdef readonly Interface interface
    cdef readonly long long asked_ua
    cdef readonly long long delivered_ua
    cdef readonly double load_ohm
    cdef double supply_v
    cdef int count                  # contacts that carry current
    cdef int member[MOST]
    cdef bint carries[MOST]
    cdef double source[MOST]        # share of the output's current that each is given
    cdef double share[MOST]         # and that it passes into tissue
    cdef double effective           # part of the current that passes through tissue
    cdef bint blocked
    cdef double onset_ohm
    cdef double to_modes[STATES][STATES]
    cdef double from_modes[STATES][STATES]
    cdef double rate_hz[STATES]
    cdef long long cathodic_us, gap_us, anodic_us
    cdef double moved[3][MOST]      # part of the way to its end that a layer goes, by phase

    cdef void time_phases(
        self, long long width_us, long long gap_us, long long anodic_us
    ) noexcept
    cdef long long admit(self, long long asked_ua, long long step_ua) noexcept
    cdef void hold(self, int phase, double amps, double dt_s) noexcept
    cdef void relax(self, double dt_s) noexcept
    cdef void discharge(self, double dt_s) noexcept
    cdef long long drive(
        self, long long t_us, long long asked_ua, long long step_ua, long long width_us,
        long long gap_us, long long ratio
    ) noexcept
    cdef long long through_tissue(self, long long ua) noexcept
