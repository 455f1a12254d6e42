"""What a ``sim://NAME?key=value&…`` URL asks for: its options, and whom they put in the bath.

Nothing is guessed: an option that is unknown, stands twice or has no value is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import unquote

from stimloop_dsp.recordings import read_recording
from stimloop_sim.patient import RATES_HZ
from stimloop_sim.patients import FAMILIES, patient_model
from stimloop_sim.posture import Course
from stimloop_sim.recording import ImplantedRecording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stimloop_sim.source import Source

SCHEME = "sim://"


@dataclass(frozen=True, slots=True)
class Host:
    """Who may stand in the bath of a device.

    Attributes
    ----------
    model : str
        The device's own name.
    patients : str
        Kind of patients that it is for: ``dbs``, ``scs`` or ``vns``.
    range_uv : int
        Largest magnitude that it senses, µV.
    """

    model: str
    patients: str
    range_uv: int


def split(url: str, keys: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Take a URL apart: what it names, and its options.

    Parameters
    ----------
    url : str
        With or without ``sim://``.
    keys : sequence of str
        Options that there are.

    Raises
    ------
    ValueError
        One sentence, if an option is unknown, stands twice or has no value.
    """
    name, _, query = url.removeprefix(SCHEME).partition("?")
    options: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        if key not in keys:
            near = get_close_matches(key, keys, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"sim:// has no option {key!r}; {hint}known are: {', '.join(keys)}"
            )
        if not equals or not value:
            raise ValueError(f"the sim:// option {key!r} needs a value: write {key}=VALUE")
        if key in options:
            raise ValueError(f"the sim:// option {key!r} stands twice; write it once")
        options[key] = unquote(value)
    return name.strip("/"), options


def whole_number(
    options: Mapping[str, str], key: str, default: int, allowed: Sequence[int] = ()
) -> int:
    """Read an option that is a whole number, one of those allowed where there are any.

    A range is told by its ends; one that begins below zero allows a sign.

    Raises
    ------
    ValueError
        If it is none.
    """
    text = options.get(key)
    if text is None:
        return default
    digits = text.removeprefix("-") if allowed and allowed[0] < 0 else text
    ok = digits.isascii() and digits.isdigit() and len(digits) < 19
    if not ok or (allowed and int(text) not in allowed):
        wanted = f"one of {', '.join(map(str, allowed))}" if allowed else "a whole number"
        if isinstance(allowed, range):
            wanted = f"a whole number from {allowed[0]} to {allowed[-1]}"
        raise ValueError(f"{key}={text} is not possible; {key} has to be {wanted}")
    return int(text)


def one_of(options: Mapping[str, str], key: str, allowed: Sequence[str]) -> str:
    """Read an option that is one of these words; the first one if it is not given.

    Raises
    ------
    ValueError
        If it is another.
    """
    value = options.get(key, allowed[0])
    if value not in allowed:
        choice = " or ".join(f"{key}={word}" for word in allowed)
        raise ValueError(f"{key}={value} is unknown; use {choice}")
    return value


def source_of(options: Mapping[str, str], host: Host) -> Source:
    """Bring to life whom the options name: a patient, or a recording in his place.

    Raises
    ------
    ValueError
        One sentence, if these do not fit each other or the device.
    """
    if "recording" not in options:
        for key in ("channel", "rate", "gain"):
            if key in options:
                raise ValueError(
                    f"{key}= belongs to a recording; add recording=PATH, or leave {key}= out"
                )
        if "postures" in options and host.patients != "scs":
            raise ValueError(
                f"postures= belongs to spinal cord stimulation, and {host.model} is another "
                "device; use sim://scs, or leave postures= out"
            )
        return _patient(options, host.patients)
    for key in ("patient", "postures", "seed"):
        if key in options and not (key == "seed" and "tissue" in options):
            raise ValueError(f"{key}= and recording= exclude each other; leave one of them out")
    recording = read_recording(
        options["recording"],
        channel=options.get("channel"),
        rate_hz=_positive(options, "rate"),
        gain=_positive(options, "gain") or 1.0,
    )
    implanted = ImplantedRecording(recording, range_uv=host.range_uv)
    if whole_number(options, "fs", implanted.fs_hz, RATES_HZ) != implanted.fs_hz:
        raise ValueError(
            f"fs={options['fs']} is not possible; {recording.name} is sensed at "
            f"{implanted.fs_hz} Hz: leave fs= out"
        )
    return implanted


def _patient(options: Mapping[str, str], kind: str) -> Source:
    seed = whole_number(options, "seed", 0)
    fs_hz = whole_number(options, "fs", 250, RATES_HZ)
    model = patient_model(options.get("patient", FAMILIES[kind].default), kind)
    if "postures" in options:
        model = replace(model, course=Course.parse(options["postures"]))
    source: Source = model.patient(seed=seed, fs_hz=fs_hz)
    return source


def _positive(options: Mapping[str, str], key: str) -> float | None:
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
