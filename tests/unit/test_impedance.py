"""The device measures its lead and tells what is wrong with it, and with what it delivers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.peer import DBS, PROGRAM, Hand, power_on

from stimloop_hw import Link
from stimloop_hw.impedance import CASE_CONTACT, PAIR, Pair, pack, unpack
from stimloop_hw.messages import (
    Event,
    GetLimits,
    Impedance,
    ImpedanceResult,
    Limits,
    Refused,
    Stage,
    Staged,
    Status,
)
from stimloop_hw.program import CASE
from stimloop_hw.vocabulary import EventCode, Lead, Refusal, State
from stimloop_sim.bench import Bench
from stimloop_sim.impedance import TEST_UA, TEST_US, Meter
from stimloop_sim.limits import Breach
from stimloop_sim.profile import Profile
from stimloop_sim.tissue import Condition, Tissue, TissueModel

MODEL = TissueModel.named("default")


def matrix(hand: Hand) -> dict[tuple[int, int], Pair]:
    """Every pair of the device's lead, as it tells."""
    results = [
        hand.ask(Impedance(contact), ImpedanceResult) for contact in range(len(DBS.contacts))
    ]
    return {
        (result.contact, pair.other): pair
        for result in results
        for pair in unpack(result.pairs)
    }


def leads(pairs: dict[tuple[int, int], Pair]) -> dict[tuple[int, int], Lead]:
    """The pairs that are not well."""
    return {key: Lead(pair.lead) for key, pair in pairs.items() if pair.lead}


# Measuring -----------------------------------------------------------------------------------


def test_every_pair_is_measured_once_and_reads_what_the_tissue_is() -> None:
    pairs = matrix(Hand.linked())
    assert len(pairs) == 10
    cell, case = (Tissue(MODEL, DBS.output).cells[k] for k in (0, 4))
    for (_, other), pair in pairs.items():
        second = case if other == CASE_CONTACT else cell
        series_ohm = cell.series_ohm + second.series_ohm
        farads = 1 / (1 / cell.capacitance_f + 1 / second.capacitance_f + 2e9 / DBS.coupling_nf)
        # 20 µs of charging belong to the reading: that is how it is defined.
        assert pair.resistance_ohm == pytest.approx(series_ohm + 20e-6 / farads, abs=1)
        assert pair.capacitance_nf == pytest.approx(farads * 1e9, rel=0.01)
        assert pair.lead == 0


def test_a_lead_that_has_grown_in_reads_more() -> None:
    tissue = Tissue(replace(MODEL, rise_permille=500, rise_s=60), DBS.output)
    before = unpack(measured(tissue).pairs)[0].resistance_ohm
    tissue.grow(600_000_000)
    assert unpack(measured(tissue).pairs)[0].resistance_ohm > 1.45 * before


def measured(tissue: Tissue) -> ImpedanceResult:
    result = Meter(tissue, DBS.contacts[0].charge_max_nc).measure(0, 0)
    assert isinstance(result, ImpedanceResult)
    return result


@pytest.mark.parametrize("contact", range(4))
def test_a_broken_wire_opens_every_pair_of_its_contact_and_no_other(contact: int) -> None:
    hand = Hand.linked()
    hand.firmware.tissue.apply(0, Condition.OPEN, contact)
    pairs = matrix(hand)
    assert leads(pairs) == {key: Lead.OPEN for key in pairs if contact in key}
    assert all(
        pair.resistance_ohm == DBS.compliance_mv * 1000 // TEST_UA
        for pair in pairs.values()
        if pair.lead
    )


def test_a_lost_reference_opens_every_pair_of_the_case_and_no_other() -> None:
    hand = Hand.linked()
    hand.firmware.tissue.apply(0, Condition.REFERENCE_LOST)
    pairs = matrix(hand)
    assert leads(pairs) == {key: Lead.OPEN for key in pairs if CASE_CONTACT in key}


@pytest.mark.parametrize("touching", [(0, 1), (2, 3), (0, 3), (1, 4)])
def test_wires_that_touch_are_told_by_their_pair_alone(touching: tuple[int, int]) -> None:
    hand = Hand.linked()
    hand.firmware.tissue.apply(0, Condition.SHORT, *touching)
    first, second = touching
    key = (first, CASE_CONTACT if second == 4 else second)
    pairs = matrix(hand)
    assert leads(pairs) == {key: Lead.SHORT}
    assert pairs[key].resistance_ohm < 30
    hand.firmware.tissue.repair(0)
    assert not leads(matrix(hand))


def test_measuring_leaves_the_electrodes_and_the_counters_as_they_were() -> None:
    hand = Hand.linked()
    before = hand.firmware.tissue.interface.settled(0), hand.firmware.status()
    for _ in range(10):
        matrix(hand)
    after = hand.firmware.tissue.interface.settled(0), hand.firmware.status()
    assert after[0] == before[0]
    assert after[1].pulses == after[1].net_fc == after[1].delivered_nc == 0


def test_the_charge_of_a_test_pulse_is_bounded_by_the_limit_of_the_contact() -> None:
    charge_nc = TEST_UA * TEST_US // 1000
    assert charge_nc == 80
    tissue = Tissue(MODEL, DBS.output)
    breach = Breach(Refusal.CHARGE_PER_PHASE, charge_nc)
    assert Meter(tissue, charge_nc - 1).measure(0, 0) == breach
    assert isinstance(Meter(tissue, charge_nc).measure(0, 0), ImpedanceResult)


def test_without_coupling_capacitors_the_layers_alone_are_measured() -> None:
    tissue = Tissue(MODEL, replace(DBS.output, coupling_nf=0))
    pair = unpack(measured(tissue).pairs)[0]
    assert pair.capacitance_nf == pytest.approx(
        tissue.cells[0].capacitance_f * 1e9 / 2, rel=0.02
    )


# Permission ----------------------------------------------------------------------------------


def test_a_lead_is_measured_only_where_no_therapy_is_or_is_about_to_be() -> None:
    hand = Hand.linked()
    hand.configure()
    assert hand.state is State.CONFIGURED
    hand.ask(Impedance(0), ImpedanceResult)
    hand.arm()
    refused = [hand.ask(Impedance(0), Refused)]
    hand = Hand.delivering()
    refused.append(hand.ask(Impedance(0), Refused))
    hand.stop(1)
    refused.append(hand.ask(Impedance(0), Refused))
    assert [(r.reason, r.detail) for r in refused] == [
        (Refusal.WRONG_STATE, state)
        for state in (State.ARMED, State.STIMULATING, State.RAMPING_DOWN)
    ]
    hand.stop()
    hand.ask(Impedance(0), ImpedanceResult)


def test_an_order_to_measure_that_came_late_is_refused() -> None:
    hand = Hand.linked()
    hand.advance_ms(1000)
    refused = hand.ask(Impedance(0), Refused, expires_us=hand.firmware.now_us - 1)
    assert refused.reason == Refusal.EXPIRED


@pytest.mark.parametrize("contact", [4, 15, 255])
def test_a_contact_that_there_is_not_is_refused(contact: int) -> None:
    refused = Hand.linked().ask(Impedance(contact), Refused)
    assert (refused.reason, refused.detail) == (Refusal.UNKNOWN, contact)


def test_pairs_survive_the_wire_and_torn_ones_are_refused() -> None:
    pairs = [Pair(1, 0, 1820, 969), Pair(CASE_CONTACT, Lead.OPEN, 30_000, 0)]
    assert unpack(pack(pairs)) == pairs
    with pytest.raises(ValueError, match=f"pairs of {PAIR.size}"):
        unpack(pack(pairs)[:-1])


# What the pulses meet ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "contacts", "lead"),
    [
        (Condition.OPEN, (1,), Lead.OPEN | Lead.COMPLIANCE),
        (Condition.REFERENCE_LOST, (), Lead.OPEN | Lead.COMPLIANCE),
        (Condition.SHORT, (1, 4), Lead.SHORT),
        (Condition.OPEN, (0,), Lead(0)),
    ],
)
def test_a_damaged_lead_is_told_within_a_status_of_the_next_pulse(
    condition: Condition, contacts: tuple[int, ...], lead: Lead
) -> None:
    hand = Hand.delivering(1000)
    assert hand.told(Status)[-1].lead == 0
    hand.told(Event)
    hand.firmware.tissue.apply(hand.firmware.now_us, condition, *contacts)
    hand.keep_alive_ms(240)
    assert hand.told(Status)[-1].lead == lead
    events = [event for event in hand.told(Event) if event.code == EventCode.LEAD]
    assert {event.arg for event in events} == ({lead} if lead else set())
    hand.firmware.tissue.repair(hand.firmware.now_us)
    hand.keep_alive_ms(240)
    assert hand.told(Status)[-1].lead == 0


def test_a_broken_wire_stops_the_charge_and_the_effect_but_not_the_account() -> None:
    hand = Hand.delivering(1000)
    before = hand.firmware.status()
    hand.firmware.tissue.apply(hand.firmware.now_us, Condition.OPEN, 1)
    hand.keep_alive_ms(1000)
    after = hand.firmware.status()
    assert (after.pulses, after.delivered_nc) == (before.pulses, before.delivered_nc)
    assert after.programmed_nc - before.programmed_nc == pytest.approx(100 * 60, abs=120)
    assert not hand.firmware.therapy.pulses.acting
    assert after.net_fc == 0


def test_beyond_the_supply_the_pulse_is_reduced_balanced_counted_and_told() -> None:
    high = replace(MODEL, series_ohm=9_000)
    firmware = power_on()
    firmware = type(firmware)(DBS, firmware.front_end, Tissue(high, DBS.output))
    hand = Hand.linked(firmware)
    program = replace(PROGRAM, slew_ua_s=25_000)
    hand.begin(program)
    for ua in (1000, 2000):
        assert hand.setpoint(ua) is None
        hand.keep_alive_ms(500)
    status = hand.firmware.status()
    assert status.lead == Lead.COMPLIANCE
    assert (status.amplitude_ua, hand.firmware.therapy.pulses.recent()[-1][1]) == (2000, 1200)
    assert status.delivered_nc < status.programmed_nc
    assert status.net_fc == 0
    log = hand.firmware.therapy.pulses.recent()
    assert status.delivered_nc == sum(ua * program.width_us for _, ua in log) // 1000


# What the measurement is for -----------------------------------------------------------------


def test_compliance_is_judged_by_the_worst_contact_that_was_measured_and_the_host_is_told() -> (
    None
):
    hand = Hand.linked()
    assert hand.ask(GetLimits(0), Limits).impedance_ohm == DBS.impedance_ohm
    hand.firmware.tissue.apply(hand.firmware.now_us, Condition.OPEN, 2)
    pairs = matrix(hand)
    worst_ohm = max(pairs[k, CASE_CONTACT].resistance_ohm for k in (0, 1, 3))
    assert worst_ohm > DBS.impedance_ohm
    assert hand.firmware.therapy.impedance_ohm == worst_ohm, "an open contact bounds nothing"
    assert hand.ask(GetLimits(0), Limits).impedance_ohm == worst_ohm
    layer_ohm = PROGRAM.width_us * 1000 / DBS.capacitance_nf
    most_ua = int(DBS.compliance_mv * 1000 / (worst_ohm + layer_ohm)) // 100 * 100
    loose = replace(PROGRAM, amplitude_max_ua=most_ua)
    hand.ask(Stage(1, 0, 1, loose.entries()), Staged)
    tight = replace(loose, amplitude_max_ua=most_ua + 100)
    assert hand.ask(Stage(2, 0, 1, tight.entries()), Refused).reason == Refusal.COMPLIANCE


def test_what_was_not_measured_counts_with_the_nominal_impedance() -> None:
    hand = Hand.linked(power_on())
    low = replace(MODEL, series_ohm=300)
    firmware = type(hand.firmware)(DBS, hand.firmware.front_end, Tissue(low, DBS.output))
    hand = Hand.linked(firmware)
    hand.ask(Impedance(0), ImpedanceResult)
    assert firmware.therapy.impedance_ohm == DBS.impedance_ohm
    matrix(hand)
    assert firmware.therapy.impedance_ohm < DBS.impedance_ohm


def test_without_any_connection_the_nominal_impedance_counts() -> None:
    hand = Hand.linked()
    hand.firmware.tissue.apply(hand.firmware.now_us, Condition.REFERENCE_LOST)
    matrix(hand)
    assert hand.firmware.therapy.impedance_ohm == DBS.impedance_ohm


def test_a_refused_measurement_changes_nothing() -> None:
    hand = Hand.delivering(1000)
    assert hand.ask(Impedance(0), Refused).reason == Refusal.WRONG_STATE
    assert hand.firmware.therapy.impedance_ohm == DBS.impedance_ohm


# Magnet --------------------------------------------------------------------------------------


def test_a_magnet_is_an_event_when_it_comes_and_when_it_goes() -> None:
    bench = Bench.of_url("sim://dbs")
    hand = Hand.linked(bench.firmware)
    for present in (True, True, False):
        bench.magnet(present=present)
        assert bench.firmware.magnet is present
    events = hand.told(Event)
    assert [(e.code, e.arg) for e in events] == [(EventCode.MAGNET, 1), (EventCode.MAGNET, 0)]


def test_the_path_of_a_program_is_that_of_its_contacts() -> None:
    hand = Hand.linked()
    program = replace(PROGRAM, cathodes=0b0101, anodes=CASE)
    hand.begin(program)
    hand.setpoint(1000)
    hand.keep_alive_ms(200)
    assert hand.firmware.therapy.pulses.paths[0].load_ohm == pytest.approx(900 / 2 + 100)


def test_a_programs_shares_are_those_of_its_path() -> None:
    hand = Hand.linked(power_on(Profile.named("dbs-v")))
    shared = replace(PROGRAM, cathodes=0b1110, amplitude_max_ua=1000)
    hand.begin(shared.with_shares({1: 50, 2: 30, 3: 20, 15: 100}))
    hand.setpoint(1000)
    hand.keep_alive_ms(200)
    firmware = hand.firmware
    segment_ohm = firmware.tissue.cells[1].series_ohm
    expected_ohm = 0.5 * segment_ohm + firmware.tissue.cells[firmware.tissue.case].series_ohm
    assert firmware.therapy.pulses.paths[0].load_ohm == pytest.approx(expected_ohm)
    assert firmware.therapy.pulses.delivered_ua == 1000


def test_a_measured_lead_changes_the_limits_but_not_what_the_identity_names() -> None:
    with Link.open("sim://dbs?tissue=grown") as link:
        link.hello()
        nominal = link.limits()
        for contact in range(nominal.contacts):
            link.request(Impedance(contact), ImpedanceResult, link.t_us + 100_000)
        measured = link.limits()
        assert measured.impedance_ohm != nominal.impedance_ohm
        assert measured.crc == nominal.crc == link.identity.limits_crc
        link.hello()
        assert link.limits() == measured
