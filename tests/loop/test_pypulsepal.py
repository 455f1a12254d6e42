"""Conformance: pypulsepal's unmodified client drives our simulated Pulse Pal over a pty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pypulsepal
import pytest

from stimloop_hw.generator import Train
from stimloop_hw.pulsepal import PulsePal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import Implant

VALUES = {
    "isBiphasic": True,
    "phase1Voltage": 1.85,
    "phase2Voltage": -2.45,
    "restingVoltage": 0.5,
    "phase1Duration": 0.029,
    "interPhaseInterval": 0.2515,
    "phase2Duration": 0.051,
    "interPulseInterval": 0.111,
    "burstDuration": 1.1,
    "interBurstInterval": 2.66,
    "pulseTrainDuration": 4.55,
    "pulseTrainDelay": 0.444,
    "customTrainID": 1,
    "customTrainTarget": 1,
    "customTrainLoop": 1,
}


@pytest.mark.parametrize("model", [1, 2])
def test_every_call_of_the_client_is_understood_and_acknowledged(
    implant: Callable[..., Implant], model: int
) -> None:
    with implant(f"pulsepal?model={model}&fs=1000", "--pty") as (_, port):
        client = pypulsepal.PulsePal(port)
        assert (client.firmware_version, client.model) == ({1: 5, 2: 21}[model], model)
        assert client.sync_all_params()
        client.upload_all()
        assert client.program_trigger_channel(1, "gated")
        times, voltages = [0.0, 0.1, 0.2], [1.0, -2.0, 3.0]
        assert client.upload_custom_pulse_train(0, times, voltages)
        assert client.upload_custom_waveform(1, 0.001, voltages)
        assert client.set_fixed_voltage(2, 1.5)
        assert client.set_resting_voltage(2, 0.0)
        assert client.set_continuous(3, 1)
        assert client.set_continuous(3, 0)
        assert client.get_logic(1) == 0
        client.trigger_selected_channels(channel_1=True)
        client.trigger_all_channels()
        client.stop_all_outputs()
        assert client.sync_all_params()
        client._arcom.close()


def test_what_the_client_writes_at_once_and_one_by_one_is_what_the_device_then_holds(
    implant: Callable[..., Implant],
) -> None:
    with implant("pulsepal?fs=1000", "--pty") as (_, port):
        client = pypulsepal.PulsePal(port)
        for name, value in VALUES.items():
            setattr(client.channel_configs[2], name, value)
        client.trigger_configs[1].triggerMode = 2
        for write in (client.sync_all_params, client.upload_all):
            assert client.program_one_param(2, "phase1Voltage", 9.0)  # and mirrors it
            client.channel_configs[2].phase1Voltage = VALUES["phase1Voltage"]
            write()
            client.save_to_sd()
            held = client.read_sd_params()
            assert held is not None
            for name, value in VALUES.items():
                assert held[name][2] == pytest.approx(float(value), abs=4e-4), name
            assert held["phase1Duration"][0] == 0.001
            assert held["triggerMode"] == [0, 2]
        client._arcom.close()


def test_the_clients_300_us_are_250_and_ours_are_300(implant: Callable[..., Implant]) -> None:
    with implant("pulsepal?fs=1000", "--pty") as (_, port):
        client = pypulsepal.PulsePal(port)
        client.channel_configs[0].phase1Duration = 0.0003
        client.sync_all_params()
        client.save_to_sd()
        held = client.read_sd_params()
        assert held is not None
        assert held["phase1Duration"][0] == pytest.approx(0.00025)
        client._arcom.close()
        with PulsePal.open(port) as generator:
            played = generator.play(Train(-1_000, width_us=300, period_us=10_000, pulses=2))
        assert played.train.width_us == 300  # read back before it was triggered
