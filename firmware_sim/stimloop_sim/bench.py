"""The bench: a ``sim://`` URL becomes firmware, front end and patient on one virtual clock."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import unquote

from stimloop_dsp.recordings import read_recording
from stimloop_hw.keys import DEVELOPMENT_KEY, read_key
from stimloop_sim.firmware import Firmware
from stimloop_sim.patient import RATES_HZ, DbsPatient, patient_model
from stimloop_sim.profile import Profile
from stimloop_sim.recording import ImplantedRecording
from stimloop_sim.sensing import FrontEnd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stimloop_sim.source import Source

SCHEME = "sim://"
KEYS = (
    *("patient", "recording", "channel", "rate", "gain", "seed", "pace", "fs", "block_ms"),
    *("key", "build"),
)
PACES = ("free", "real")
BUILDS = ("signed", "unsigned")


class Bench:
    """A simulated implant on its virtual clock.

    Parameters
    ----------
    firmware : Firmware
    real : bool
        Whether its clock should keep pace with the wall's.

    Attributes
    ----------
    firmware : Firmware
    real : bool
    """

    def __init__(self, firmware: Firmware, *, real: bool) -> None:
        self.firmware = firmware
        self.real = real

    @classmethod
    def of_url(cls, url: str) -> Bench:
        """Set up what a ``sim://PROFILE?key=value&…`` URL asks for.

        Raises
        ------
        ValueError
            One sentence, if a profile, key or value is unknown or does not fit another.
        """
        name, _, query = url.removeprefix(SCHEME).partition("?")
        options = _options(query)
        profile = Profile.named(name.strip("/"))
        fs_hz = _number(options, "fs", None, RATES_HZ)
        source = _source(options, fs_hz, profile.sense_range_uv)
        block_ms = _number(options, "block_ms", 20, None)
        assert block_ms is not None
        block, rest = divmod(block_ms * source.fs_hz, 1000)
        if rest:
            raise ValueError(
                f"block_ms={block_ms} is no whole number of samples at {source.fs_hz} Hz; "
                "use a multiple of 4 ms (250 Hz), 2 ms (500 Hz) or 1 ms (1000 Hz)"
            )
        pace = options.get("pace", "free")
        if pace not in PACES:
            raise ValueError(f"pace={pace} is unknown; use pace=free or pace=real")
        build = options.get("build", "signed")
        if build not in BUILDS:
            raise ValueError(f"build={build} is unknown; use build=signed or build=unsigned")
        if build == "unsigned" and "key" in options:
            raise ValueError("key= protects nothing with build=unsigned; leave one of them out")
        firmware = Firmware(
            profile,
            FrontEnd(source, profile.sense_range_uv, block),
            key=read_key(options["key"]) if "key" in options else DEVELOPMENT_KEY,
            signed=build == "signed",
        )
        return cls(firmware, real=pace == "real")

    @property
    def block_us(self) -> int:
        """Length of a stream block, µs."""
        front_end = self.firmware.front_end
        return front_end.block * front_end.sample_us

    def advance_block(self) -> None:
        """Let time pass until the block in the making is complete."""
        self.firmware.advance(self.firmware.front_end.samples_to_block())

    def advance_to(self, now_us: int) -> None:
        """Let time pass up to the last whole sample before this device time."""
        samples = (now_us - self.firmware.now_us) // self.firmware.front_end.sample_us
        if samples > 0:
            self.firmware.advance(samples)


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"sim:// has no option {key!r}; {hint}known are: {', '.join(KEYS)}"
            )
        if not equals or not value:
            raise ValueError(f"the sim:// option {key!r} needs a value: write {key}=VALUE")
        if key in options:
            raise ValueError(f"the sim:// option {key!r} stands twice; write it once")
        options[key] = unquote(value)
    return options


def _number(
    options: Mapping[str, str],
    key: str,
    default: int | None,
    allowed: tuple[int, ...] | None,
) -> int | None:
    text = options.get(key)
    if text is None:
        return default
    ok = text.isascii() and text.isdigit() and len(text) < 19
    if not ok or (allowed and int(text) not in allowed) or (key == "block_ms" and text == "0"):
        wanted = f"one of {', '.join(map(str, allowed))}" if allowed else "a whole number"
        raise ValueError(f"{key}={text} is not possible; {key} has to be {wanted}")
    return int(text)


def _real(options: Mapping[str, str], key: str) -> float | None:
    text = options.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{key}={text} is not possible; {key} has to be a positive number")
    return value


def _source(options: Mapping[str, str], fs_hz: int | None, range_uv: int) -> Source:
    seed = _number(options, "seed", 0, None)
    assert seed is not None
    if "recording" not in options:
        for key in ("channel", "rate", "gain"):
            if key in options:
                raise ValueError(
                    f"{key}= belongs to a recording; add recording=PATH, or leave {key}= out"
                )
        model = patient_model(options.get("patient", "default"))
        return DbsPatient(model, seed=seed, fs_hz=fs_hz or 250)
    for key in ("patient", "seed"):
        if key in options:
            raise ValueError(f"{key}= and recording= exclude each other; leave one of them out")
    recording = read_recording(
        options["recording"],
        channel=options.get("channel"),
        rate_hz=_real(options, "rate"),
        gain=_real(options, "gain") or 1.0,
    )
    implanted = ImplantedRecording(recording, range_uv=range_uv)
    if fs_hz not in (None, implanted.fs_hz):
        raise ValueError(
            f"fs={fs_hz} is not possible; {recording.name} is sensed at {implanted.fs_hz} Hz: "
            "leave fs= out"
        )
    return implanted
