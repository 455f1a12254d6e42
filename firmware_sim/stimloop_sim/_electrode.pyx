# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Electrodes in tissue under current pulses: voltages, charge left behind, compliance.

Numeric tier: *core* (float64). Each contact is a Randles cell (doi:10.1039/df9470100011) behind
the device's coupling capacitor::

    output --||-- series ohm --+-- double layer ------+-- tissue
            Cb                 +-- leak ohm           |
                               +-- i0 sinh(v / 60 mV) +

Between pulse edges the current is constant, or the contacts of the path are joined through
their discharge resistors. Without the sinh both are linear and integrated exactly: by one
exponential per contact, and by the modes of the network, which `stimloop_sim.electrode` hands
in. The sinh branch alone has an exact flow too,
``tanh(v / 2 V0) -> tanh(v / 2 V0) exp(-i0 t / (C V0))``, and the two are composed by Strang's
splitting (doi:10.1137/0705041), second order, stable at any step. Below `QUIET` of V0 the sinh
carries less than a hundredth of what the leak does, and is left out.
"""

cimport cython
from libc.math cimport cosh, exp, expm1, fabs, floor, isfinite, log

# Slope of the nonlinear Faradaic branch, V.
cdef double V0 = 0.060
cdef double QUIET = 3.0
# A rest is over in this time; what follows is one step, s.
cdef double RELAXED_S = 0.05
cdef double NO_LOAD = float("inf")


cdef inline double faradaic(double volts, double spent) noexcept nogil:
    """Double layer behind the sinh alone; `spent` is 1 - exp(-i0 t / (C V0))."""
    if spent <= 0.0:
        return volts
    cdef double away = fabs(volts) / V0
    # 1 - tanh(away / 2) of the end, from that of the start, without their cancellation.
    cdef double short = spent + (1.0 - spent) * 2.0 / (exp(away) + 1.0)
    cdef double end = V0 * log((2.0 - short) / short)
    return end if volts > 0.0 else -end


@cython.final
cdef class Interface:
    """State of every contact of a device, its case the last of them.

    Parameters
    ----------
    contacts : int
        The case included, 2 to 17.
    coupling_f : float
        Capacitor in series with each contact, F; 0 for none.

    Raises
    ------
    ValueError
        If there are more or fewer contacts than that, or the capacitance is negative.
    """

    def __init__(self, int contacts, double coupling_f):
        if not 2 <= contacts <= MOST or not coupling_f >= 0.0:
            raise ValueError(
                f"{contacts} contacts behind {coupling_f} F are not possible; give 2 to {MOST} "
                "contacts and 0 F or more"
            )
        cdef int k
        self.contacts = contacts
        self.elastance_per_f = 1.0 / coupling_f if coupling_f > 0.0 else 0.0
        self.epoch_us = self.settled_us = 0
        self.logged = 0
        self.latest = None
        for k in range(contacts):
            self.layer_v[k] = self.coupling_v[k] = 0.0
            self.series_ohm[k] = self.capacitance_f[k] = self.leak_ohm[k] = 1.0
            self.exchange_a[k] = 0.0

    def form(self, int contact, double series_ohm, double capacitance_f, double leak_ohm,
             double exchange_a):
        """Give a contact its cell; its charge stays. Paths have to be connected again.

        Parameters
        ----------
        contact : int
        series_ohm, capacitance_f, leak_ohm : float
            Positive, Ω, F and Ω.
        exchange_a : float
            i0 of the nonlinear branch, 0 or more, A.

        Raises
        ------
        IndexError
            If there is no such contact.
        ValueError
            If a value is outside its range.
        """
        if not 0 <= contact < self.contacts:
            raise IndexError(f"there is no contact {contact} among {self.contacts}")
        if not (series_ohm > 0.0 and capacitance_f > 0.0 and leak_ohm > 0.0
                and exchange_a >= 0.0 and isfinite(series_ohm + capacitance_f + leak_ohm)):
            raise ValueError("resistances and capacitance have to be positive")
        self.series_ohm[contact] = series_ohm
        self.capacitance_f[contact] = capacitance_f
        self.leak_ohm[contact] = leak_ohm
        self.exchange_a[contact] = exchange_a

    def settled(self, long long t_us):
        """Let time pass without a pulse, up to this device time, µs.

        Returns
        -------
        list of (float, float)
            Of each contact: double layer and coupling capacitor, V.
        """
        self.settle(t_us)
        return [(self.layer_v[k], self.coupling_v[k]) for k in range(self.contacts)]

    def restart(self, long long t_us):
        """The device's clock begins anew at this time of its own, with no path connected.

        Parameters
        ----------
        t_us : int
            Device time, µs.
        """
        self.settle(t_us)
        self.epoch_us += t_us
        self.latest = None

    cdef void settle(self, long long t_us) noexcept:
        cdef double dt_s = 1e-6 * (self.epoch_us + t_us - self.settled_us)
        if dt_s <= 0.0:
            return
        self.settled_us = self.epoch_us + t_us
        self.leak(self.latest, dt_s)
        if self.latest is not None:
            self.latest.relax(dt_s)

    cdef void leak(self, Path path, double dt_s) noexcept:
        """What lies outside of a path loses its charge through its own leak alone."""
        cdef int k
        for k in range(self.contacts):
            if self.layer_v[k] != 0.0 and (path is None or not path.carries[k]):
                self.hold_current(k, 0.0, 0.0, dt_s)

    cdef void hold_current(self, int k, double amps, double moved, double dt_s) noexcept:
        # `moved` saves the exponential where it is known; 0 is not.
        cdef double tau_s = self.leak_ohm[k] * self.capacitance_f[k]
        cdef double end_v = amps * self.leak_ohm[k]
        cdef double most = (
            fabs(self.layer_v[k]) + fabs(amps) * dt_s / self.capacitance_f[k]
        ) / V0
        cdef double volts = self.layer_v[k]
        cdef double per_s, spent
        cdef int parts, _part
        self.coupling_v[k] += amps * dt_s * self.elastance_per_f
        if most < QUIET or self.exchange_a[k] == 0.0:
            if moved == 0.0:
                moved = -expm1(-dt_s / tau_s)
            self.layer_v[k] = volts + (end_v - volts) * moved
            return
        per_s = self.exchange_a[k] / (self.capacitance_f[k] * V0)
        parts = 1 + <int>min(4.0 * dt_s * per_s * cosh(min(most, 30.0)), 31.0)
        moved = -expm1(-dt_s / parts / tau_s)
        spent = -expm1(-0.5 * dt_s / parts * per_s)
        for _part in range(parts):
            volts = faradaic(volts, spent)
            volts += (end_v - volts) * moved
            volts = faradaic(volts, spent)
        self.layer_v[k] = volts


@cython.final
cdef class Path:
    """One pulse train's way through the tissue: from its anodes to its cathodes.

    Parameters
    ----------
    interface : Interface
    supply_v : float
        Voltage that the output stage can put across a load, V.

    Attributes
    ----------
    asked_ua, delivered_ua : int
        Amplitude of the latest pulse: what was asked for, and what the supply could drive, µA.
    load_ohm : float
        Onset voltage over current of the latest pulse, Ω; infinite if no current could flow,
        NaN before the first pulse.
    """

    def __init__(self, Interface interface not None, double supply_v):
        self.interface = interface
        self.supply_v = supply_v
        self.load_ohm = float("nan")
        self.disconnect()

    def disconnect(self):
        """No contacts: nothing can flow."""
        cdef int k
        self.count = 0
        for k in range(MOST):
            self.carries[k] = False
        self.effective = 0.0
        self.blocked = True
        self.onset_ohm = NO_LOAD
        self.cathodic_us = self.gap_us = self.anodic_us = -1

    def connect(self, list members not None, list source not None, list share not None,
                list rate_hz not None, list to_modes not None, list from_modes not None,
                bint blocked):
        """Take the contacts and how their network rests.

        Parameters
        ----------
        members : list of int, n
        source, share : list of float, n
            Signed shares of the output's current, cathodes negative: as the output stage gives
            them, and as they reach tissue.
        rate_hz : list of float, 2 n
            Eigenvalues of the network at rest, 0 or less, 1/s.
        to_modes, from_modes : list of list of float, 2 n x 2 n
            From double layers and coupling capacitors (in this order) to modes, and back, V.
        blocked : bool
            Whether no current can flow.

        Raises
        ------
        ValueError
            If the lengths do not fit, or a contact does not exist.
        """
        cdef int n = len(members)
        cdef int i
        cdef int k
        sizes = {len(rate_hz), len(to_modes), len(from_modes)}
        sizes |= {len(row) for row in (*to_modes, *from_modes)}
        if (not 0 < n <= self.interface.contacts or len(source) != n or len(share) != n
                or sizes != {2 * n} or len(set(members)) != n
                or not all(0 <= k < self.interface.contacts for k in members)):
            raise ValueError("members, shares and modes of a path do not fit each other")
        self.disconnect()
        self.count = n
        for i in range(n):
            self.member[i] = members[i]
            self.carries[self.member[i]] = True
            self.source[i] = source[i]
            self.share[i] = share[i]
        for i in range(2 * n):
            self.rate_hz[i] = rate_hz[i]
            for k in range(2 * n):
                self.to_modes[i][k] = to_modes[i][k]
                self.from_modes[i][k] = from_modes[i][k]
        if blocked:
            return
        self.blocked = False
        self.onset_ohm = 0.0
        for i in range(n):
            self.effective += 0.5 * fabs(self.share[i])
            for k in range(n):
                if self.source[i] < 0.0 < self.source[k]:
                    self.onset_ohm = max(
                        self.onset_ohm,
                        self.share[k] * self.interface.series_ohm[self.member[k]]
                        - self.share[i] * self.interface.series_ohm[self.member[i]],
                    )

    @property
    def sources(self):
        """Contacts that the output stage drives: (contact, signed share), cathodes negative."""
        return [(self.member[i], self.source[i]) for i in range(self.count) if self.source[i]]

    def pulse(self, long long t_us, long long asked_ua, long long step_ua, long long width_us,
              long long gap_us, long long ratio):
        """Deliver a pulse, for whoever has no pulse train.

        Parameters
        ----------
        t_us : int
            Device time, µs; not before the end of the pulse before.
        asked_ua, step_ua : int
            Amplitude, and the step of the hardware, µA.
        width_us, gap_us : int
        ratio : int
            Of an active recharge; 0 is a passive one, through the discharge resistors.

        Returns
        -------
        int
            The amplitude delivered, a multiple of the step, µA.
        """
        return self.drive(t_us, asked_ua, step_ua, width_us, gap_us, ratio)

    cdef void time_phases(
        self, long long width_us, long long gap_us, long long anodic_us
    ) noexcept:
        cdef int i, k
        cdef double per_us
        if (width_us == self.cathodic_us and gap_us == self.gap_us
                and anodic_us == self.anodic_us):
            return
        self.cathodic_us = width_us
        self.gap_us = gap_us
        self.anodic_us = anodic_us
        for i in range(self.count):
            k = self.member[i]
            per_us = 1e-6 / (self.interface.leak_ohm[k] * self.interface.capacitance_f[k])
            self.moved[0][i] = -expm1(-width_us * per_us)
            self.moved[1][i] = -expm1(-gap_us * per_us)
            self.moved[2][i] = -expm1(-anodic_us * per_us)

    cdef long long admit(self, long long asked_ua, long long step_ua) noexcept:
        """The largest amplitude on the hardware's steps that the supply can drive, µA."""
        cdef Interface tissue = self.interface
        cdef double width_s = 1e-6 * self.cathodic_us
        cdef double most_a = 1e-6 * asked_ua
        cdef double rest_v, ohm
        cdef int i, k, cathode, anode
        if self.blocked:
            return 0
        for i in range(self.count):
            if self.source[i] >= 0.0:
                continue
            cathode = self.member[i]
            for k in range(self.count):
                if self.source[k] <= 0.0:
                    continue
                anode = self.member[k]
                rest_v = (tissue.layer_v[anode] + tissue.coupling_v[anode]
                          - tissue.layer_v[cathode] - tissue.coupling_v[cathode])
                # What the current meets at the end of the phase, when it meets most.
                ohm = (
                    self.share[k] * (
                        tissue.series_ohm[anode]
                        + width_s * (1.0 / tissue.capacitance_f[anode] + tissue.elastance_per_f)
                    )
                    - self.share[i] * (
                        tissue.series_ohm[cathode]
                        + width_s
                        * (1.0 / tissue.capacitance_f[cathode] + tissue.elastance_per_f)
                    )
                )
                if ohm > 0.0 and ohm * most_a > self.supply_v - fabs(rest_v):
                    most_a = max(self.supply_v - fabs(rest_v), 0.0) / ohm
        if most_a >= 1e-6 * asked_ua:
            return asked_ua
        return <long long>floor(1e6 * most_a / step_ua) * step_ua

    cdef void hold(self, int phase, double amps, double dt_s) noexcept:
        cdef int i
        for i in range(self.count):
            self.interface.hold_current(
                self.member[i], amps * self.share[i], self.moved[phase][i], dt_s
            )

    cdef long long drive(
        self, long long t_us, long long asked_ua, long long step_ua, long long width_us,
        long long gap_us, long long ratio
    ) noexcept:
        cdef Interface tissue = self.interface
        cdef double amps
        cdef long long ua
        tissue.settle(t_us)
        self.time_phases(width_us, gap_us, width_us * ratio)
        ua = self.admit(asked_ua, step_ua)
        self.asked_ua = asked_ua
        self.delivered_ua = ua
        self.load_ohm = self.onset_ohm
        if ua > 0:
            amps = 1e-6 * ua
            tissue.latest = self
            self.hold(0, amps, 1e-6 * width_us)
            self.hold(1, 0.0, 1e-6 * gap_us)
            if ratio > 0:
                self.hold(2, -amps / ratio, 1e-6 * self.anodic_us)
            tissue.leak(self, 1e-6 * (width_us + gap_us + self.anodic_us))
            tissue.settled_us += width_us + gap_us + self.anodic_us
            tissue.log_us[tissue.logged % LOGGED] = tissue.epoch_us + t_us
            tissue.log_ua[tissue.logged % LOGGED] = self.through_tissue(ua)
            tissue.logged += 1
        return ua

    cdef long long through_tissue(self, long long ua) noexcept:
        return <long long>floor(ua * self.effective + 0.5)

    cdef void relax(self, double dt_s) noexcept:
        """Rest with the contacts joined through their discharge resistors."""
        cdef Interface tissue = self.interface
        cdef double most = 0.0
        cdef double first_s, per_s, rate = 0.0
        cdef int i, k, part, parts
        for i in range(self.count):
            k = self.member[i]
            per_s = tissue.exchange_a[k] / (tissue.capacitance_f[k] * V0)
            most = max(most, fabs(tissue.layer_v[k]) / V0 if per_s > 0.0 else 0.0)
            rate = max(rate, per_s)
        if most < QUIET:
            self.discharge(dt_s)
            return
        first_s = min(dt_s, RELAXED_S)
        parts = 1 + <int>min(4.0 * first_s * rate * cosh(min(most, 30.0)), 63.0)
        for part in range(parts + 1):
            per_s = first_s / parts if part < parts else dt_s - first_s
            for i in range(self.count):
                k = self.member[i]
                rate = tissue.exchange_a[k] / (tissue.capacitance_f[k] * V0)
                tissue.layer_v[k] = faradaic(tissue.layer_v[k], -expm1(-0.5 * per_s * rate))
            self.discharge(per_s)
            for i in range(self.count):
                k = self.member[i]
                rate = tissue.exchange_a[k] / (tissue.capacitance_f[k] * V0)
                tissue.layer_v[k] = faradaic(tissue.layer_v[k], -expm1(-0.5 * per_s * rate))

    cdef void discharge(self, double dt_s) noexcept:
        cdef Interface tissue = self.interface
        cdef int n = self.count
        cdef double state[STATES]
        cdef double mode[STATES]
        cdef double total
        cdef int i, k
        for i in range(n):
            state[i] = tissue.layer_v[self.member[i]]
            state[n + i] = tissue.coupling_v[self.member[i]]
        for i in range(2 * n):
            total = 0.0
            for k in range(2 * n):
                total += self.to_modes[i][k] * state[k]
            mode[i] = total * exp(self.rate_hz[i] * dt_s)
        for i in range(n):
            total = 0.0
            for k in range(2 * n):
                total += self.from_modes[i][k] * mode[k]
            tissue.layer_v[self.member[i]] = total
            total = 0.0
            for k in range(2 * n):
                total += self.from_modes[n + i][k] * mode[k]
            tissue.coupling_v[self.member[i]] = total
