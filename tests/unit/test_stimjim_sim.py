"""The simulated StimJim: its words, its pulses, and what its makers' firmware lets happen."""

from __future__ import annotations

from itertools import pairwise

import pytest

from stimloop_sim.cable import Cable
from stimloop_sim.instruments import device_of_url
from stimloop_sim.stand import Stand
from stimloop_sim.stimjim import StimJim

PULSE = ";-1000,0,60;0,0,50;1000,0,60"


class Rig:
    """A device at the end of a cable."""

    def __init__(self, options: str = "") -> None:
        stand = device_of_url(f"sim://stimjim{options}")
        assert isinstance(stand, Stand)
        assert isinstance(stand.instrument, StimJim)
        self.cable = Cable(stand)
        self.device = stand.instrument

    def ask(self, line: str, ms: int = 12) -> list[str]:
        """Lines that come within so much time."""
        self.cable.write(line.encode() + b"\n")
        self.cable.bench.advance_to(self.cable.bench.now_us + 1000 * ms)
        data = self.cable.read(self.cable.in_waiting)
        return [line for line in data.decode().split("\r\n") if line]


def test_a_definition_is_answered_with_everything_that_is_held() -> None:
    assert Rig().ask(f"S7,1,2,7700,1000000{PULSE}") == [
        "-" * 34,
        "Parameters for PulseTrain[7]",
        "  mode[ch0]: 1 (Current output)",
        "  mode[ch1]: 2 (No output (high-Z))",
        "  period:    7700 usec (0.008 sec, 129.870 Hz)",
        "  duration:  1000000 usec (1.000 sec)",
        "  stage  duration      output0    output1",
        "    0       60 usec    -1000uA        0--",
        "    1       50 usec        0uA        0--",
        "    2       60 usec     1000uA        0--",
        "-" * 34,
    ]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("T3", ["Started T train with parameters of PulseTrain 3"]),
        ("T-1", ["Forcing T train to stop"]),
        ("U-1", ["Forcing U train to stop"]),
        ("T100", ["Invalid PulseTrain index."]),
        ("S100", ["Invalid PulseTrain index."]),
        ("M0,3", ["Set channel 0 to mode 3"]),
        ("A1,40000", ["40000 is out of range."]),
        ("V1,1000", ["Set channel 1 to amplitude 1000 mV (dac value 2186)."]),
        ("E0,1", ["Read value: 0 (0uA)"]),
        ("R0,-1,1", ["Detaching interrupt to IN0", "Programming IN0"]),
        ("hello", []),
        ("", []),
        ("t0", []),
    ],
)
def test_every_line_has_its_answer_and_unknown_ones_none(line: str, answer: list[str]) -> None:
    said = Rig().ask(line)
    # A train of nothing is complete at once.
    assert [text for text in said if not text.startswith(("Train", "Current"))] == answer


def test_a_train_ends_by_itself_and_tells_what_it_measured() -> None:
    rig = Rig()
    rig.ask(f"S0,1,2,7700,100000{PULSE}")
    assert rig.ask("T0", 150)[1:] == [
        "Train complete. Delivered 13 pulses.",
        "Current/Voltage by stage:",
        "Stage 0 -1000uA",
        "Stage 1     0uA",
        "Stage 2  1000uA",
    ]


def test_a_train_started_again_goes_on_from_there_which_is_a_lease() -> None:
    rig = Rig()
    rig.ask(f"S0,1,2,7700,100000{PULSE}")
    for _ in range(10):
        rig.ask("T0", 50)
    assert rig.device.playing
    rig.ask("", 150)
    assert not rig.device.playing


def test_both_timers_play_and_their_pulses_wait_for_each_other() -> None:
    rig = Rig()
    rig.ask(f"S0,1,2,1000,50000{PULSE}")
    rig.ask(f"S1,2,1,1100,50000{PULSE.replace('-1000,0', '0,-500').replace('1000,0', '0,500')}")
    rig.ask("T0\nU1", 100)
    pulses = sorted((one.t_us, one.channel) for one in rig.device.output.recent)
    assert {channel for _, channel in pulses} == {0, 1}
    assert all(b[0] - a[0] >= 170 for a, b in pairwise(pulses))


def test_voltage_drives_the_current_that_the_electrodes_let_through() -> None:
    rig = Rig()
    rig.ask("S0,0,2,10000,50000;-1000,0,100;1000,0,100")
    rig.ask("T0", 100)
    first = rig.device.output.recent[0]
    # About a kilo-ohm between contact and case.
    assert 500 < first.amplitude_ua < 2_000
    assert first.stages[0][0] < 0 < first.stages[1][0]


def test_nobody_keeps_a_pulse_from_leaving_its_charge_behind() -> None:
    rig = Rig()
    rig.ask("S0,1,2,7700,77000;-1000,0,60")
    rig.ask("T0", 150)
    assert rig.device.output.net_pc == -60_000 * 10


def test_a_train_without_a_pause_cannot_be_stopped() -> None:
    rig = Rig()
    rig.ask(f"S0,1,2,170,500000{PULSE}")
    assert rig.ask("T0\nT-1", 100) == ["Started T train with parameters of PulseTrain 0"]
    assert rig.device.playing
    assert any("Forcing" in line for line in rig.ask("", 600))


def test_after_power_on_it_is_deaf_for_a_second_and_then_says_so() -> None:
    rig = Rig()
    rig.device.reset(rig.cable.bench.now_us)
    assert rig.ask("T-1", 900) == []
    said = rig.ask("", 200)
    assert said[0] == "Booting StimJim on Teensy 3.5!"
    assert said[-1] == "Ready to go!"


class TestDocumentedHazards:
    def test_an_eleventh_stage_hangs_it(self) -> None:
        line = "S0,1,2,7700,77000" + ";1,0,60" * 11
        assert Rig().ask(line) == []
        assert len(Rig("?hazards=none").ask(line)) == 18

    def test_a_line_of_a_thousand_bytes_hangs_it(self) -> None:
        rig = Rig()
        rig.ask("x" * 1000)
        assert rig.ask("T-1") == []
        rig = Rig("?hazards=none")
        rig.ask("x" * 1000)
        assert rig.ask("T-1") == ["Forcing T train to stop"]

    def test_a_stage_shorter_than_the_interrupt_goes_on_for_ever(self) -> None:
        rig = Rig()
        rig.ask("S0,1,2,7700,77000;1000,0,7;-1000,0,7")
        rig.ask("T0", 100)
        assert rig.ask("T-1") == []
        assert rig.device.playing

    @pytest.mark.parametrize(
        ("options", "amplitude_ua"), [("", 3_000), ("?hazards=none", 1_000)]
    )
    def test_a_definition_changes_the_train_in_play(
        self, options: str, amplitude_ua: int
    ) -> None:
        rig = Rig(options)
        rig.ask(f"S0,1,2,7700,100000{PULSE}")
        rig.ask("T0", 40)
        rig.ask(f"S0,1,2,7700,100000{PULSE.replace('1000', '3000')}", 40)
        assert rig.device.output.recent[-1].amplitude_ua == amplitude_ua

    @pytest.mark.parametrize(
        ("options", "spoilt"), [("?seed=2", True), ("?hazards=none", False)]
    )
    def test_what_the_interrupt_says_may_stand_in_the_midst_of_an_answer(
        self, options: str, spoilt: bool
    ) -> None:
        device = Rig(options).device
        device.receive(0, f"S0,1,2,7700,16000{PULSE}\n".encode())
        whole = device.take(0)
        device.receive(0, b"T0\n")
        device.take(0)
        device.receive(8_000, b"S0\n")
        said = device.take(40_000)  # the train has ended before the answer was taken
        assert b"Train complete. Delivered 3 pulses." in said
        assert (whole not in said) == spoilt


@pytest.mark.parametrize("hazards", ["gremlins", "none,overrun"])
def test_an_unknown_hazard_is_refused_in_a_sentence(hazards: str) -> None:
    with pytest.raises(
        ValueError, match="known are: overrun, underflow, live_edit, interleaved"
    ):
        Rig(f"?hazards={hazards}")


def test_stimulation_reaches_the_patient_through_the_bath() -> None:
    treated, untreated = (
        Rig("?patient=full_suppression&seed=3"),
        Rig("?patient=full_suppression&seed=3"),
    )
    treated.ask("S0,1,2,7700,60000000;-3000,0,60;3000,0,60")
    treated.ask("T0")
    power = []
    for rig in (treated, untreated):
        source = rig.cable.bench.bath._lead.source
        total = 0.0
        for _ in range(200):
            rig.ask("", 100)
            total += float(source.envelope_uv[-1])  # type: ignore[attr-defined]
        power.append(total)
    assert power[0] < 0.7 * power[1]
