"""Recordings of brain and heart as one channel of microvolts.

Formats: NumPy ``.npy`` and text ``.csv``, whose values are µV, one row a sample and one column
a channel; BrainVision ``.vhdr`` and ``.edf`` by MNE-Python, the optional extra ``recordings``.
Numeric tier: *offline*.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MICROVOLTS_PER_VOLT = 1e6


class RecordingError(ValueError):
    """A recording cannot be used as asked; the text says what was asked and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One channel of a recording."""

    name: str
    """Name of the file, without its folder."""
    channel: str
    """Name of the channel, ``A-B`` for a difference of two."""
    fs_hz: float
    """Sampling rate in Hz, positive."""
    gain: float
    """Factor that was applied to the file's values."""
    samples_uv: NDArray[np.float64]
    """Samples in µV, (n,), n at least 1; NaN where one is missing."""


def read_recording(
    path: str | Path,
    *,
    channel: str | None = None,
    rate_hz: float | None = None,
    gain: float = 1.0,
) -> Recording:
    """Read one channel, or the difference of two, from a file.

    Parameters
    ----------
    path : str or Path
        A file ending in .npy, .csv, .vhdr or .edf. The columns of a .npy, and of a .csv without
        a line of names, are called 0, 1, ...; a sample missing in a .csv is an empty field
        between commas or ``nan``.
    channel : str, optional
        Name of the channel; ``A-B`` is channel A minus channel B unless a channel has exactly
        that name. Needed where the file holds more than one.
    rate_hz : float, optional
        Sampling rate in Hz, positive. Needed for .npy and .csv; the other formats state theirs,
        and another one is refused.
    gain : float, optional
        Factor on the file's values, after the file's own scale has been applied; not 0.

    Returns
    -------
    Recording
        The channel in µV at the file's own rate.

    Raises
    ------
    RecordingError
        If the file is missing, unreadable, empty or of another shape or format, the channel or
        the rate is missing or wrong, the gain is 0 or not finite, a sample is infinite, or
        MNE-Python is needed and not installed.
    """
    path = Path(path)
    if not (math.isfinite(gain) and gain != 0.0):
        raise RecordingError(f"gain {gain:g} scales nothing; give a finite number other than 0")
    if rate_hz is not None and not 0.0 < rate_hz < math.inf:
        raise RecordingError(f"{rate_hz:g} Hz is not a sampling rate; give one above 0")
    if not path.is_file():
        raise RecordingError(f"there is no recording {path}; check the path")
    suffix = path.suffix.lower()
    if suffix in (".npy", ".csv"):
        if rate_hz is None:
            raise RecordingError(
                f"{path.name} does not state its sampling rate; give rate in Hz"
            )
        names, table = _npy_table(path) if suffix == ".npy" else _csv_table(path)
        fs_hz = float(rate_hz)
        picked = _pick(path.name, names, channel)
        columns = [table[:, names.index(name)] for name in picked]
    elif suffix in (".vhdr", ".edf"):
        picked, fs_hz, columns = _mne_columns(path, suffix, channel)
        if rate_hz is not None and not math.isclose(rate_hz, fs_hz, rel_tol=1e-6):
            raise RecordingError(
                f"{path.name} states {fs_hz:g} Hz, not {rate_hz:g} Hz; leave rate out"
            )
    else:
        raise RecordingError(
            f"{path.name} is in no known format; use a .npy, .csv, .vhdr or .edf file"
        )
    samples = gain * (columns[0] if len(columns) == 1 else columns[0] - columns[1])
    if np.isnan(samples).all():
        raise RecordingError(f"{path.name} holds no samples of {'-'.join(picked)}")
    if np.isinf(samples).any():
        raise RecordingError(f"{path.name} holds infinite samples; mark missing ones as nan")
    return Recording(path.name, "-".join(picked), fs_hz, gain, samples)


def _pick(file: str, names: Sequence[str], channel: str | None) -> tuple[str, ...]:
    """Names of the one or two channels that a request means; an exact name comes first."""
    if channel is None and len(names) == 1:
        return (names[0],)
    if channel is not None and channel in names:
        return (channel,)
    valid = ", ".join(names)
    if channel is None:
        raise RecordingError(f"{file} has {len(names)} channels; choose one of {valid}")
    # A name may contain hyphens itself: every hyphen is tried as the minus sign.
    hyphens = (place for place, letter in enumerate(channel) if letter == "-")
    pairs = [
        pair
        for pair in ((channel[:place], channel[place + 1 :]) for place in hyphens)
        if pair[0] in names and pair[1] in names and pair[0] != pair[1]
    ]
    if len(pairs) == 1:
        return pairs[0]
    fault = "has no channel" if not pairs else "has two ways to read"
    raise RecordingError(
        f"{file} {fault} {channel!r}; choose one of {valid}, or A-B for a difference of two"
    )


def _npy_table(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Names and samples, (n, channels), of a NumPy array."""
    try:
        with warnings.catch_warnings():
            # Arrays saved by Python 2 load correctly; only their header is slow to parse.
            warnings.filterwarnings(
                "ignore",
                message=r"Reading `\.npy` or `\.npz` file required additional header parsing",
                category=UserWarning,
            )
            table = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as failure:
        raise RecordingError(
            f"{path.name} is not a readable .npy array: {failure}"
        ) from failure
    if not isinstance(table, np.ndarray) or table.dtype.kind not in "iuf":
        raise RecordingError(f"{path.name} is not an array of real numbers; save one channel")
    if table.ndim == 1:
        table = table[:, np.newaxis]
    if table.ndim != 2 or table.shape[1] > table.shape[0] > 0:
        raise RecordingError(
            f"{path.name} has the shape {table.shape}; give (samples,) or (samples, channels)"
        )
    return [str(column) for column in range(table.shape[1])], table.astype(np.float64)


def _csv_table(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Names and samples, (n, channels), of comma-separated values."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        raise RecordingError(f"{path.name} is not readable text: {failure}") from failure
    first = [field.strip() for field in lines[0].split(",")] if lines else []
    try:
        [float(field or "nan") for field in first]
        names = [str(column) for column in range(len(first))]
    except ValueError:
        names = first
        lines = lines[1:]
    if not any(line.strip() for line in lines):
        raise RecordingError(f"{path.name} holds no samples")
    try:
        table = np.loadtxt(
            lines,
            delimiter=",",
            ndmin=2,
            comments=None,
            converters=lambda field: float(field.strip() or "nan"),
        )
    except ValueError as failure:
        raise RecordingError(f"{path.name} is not a table of numbers: {failure}") from failure
    if table.shape[1] != len(names):
        raise RecordingError(
            f"{path.name} names {len(names)} columns and holds {table.shape[1]}; repair it"
        )
    return names, table


def _mne_columns(
    path: Path, suffix: str, channel: str | None
) -> tuple[tuple[str, ...], float, list[NDArray[np.float64]]]:
    """Names, rate in Hz and samples in µV of the one or two channels that are asked for."""
    try:
        import mne  # noqa: PLC0415  # an optional extra, slow to import
    except ImportError as failure:
        raise RecordingError(
            f"reading {path.name} needs MNE-Python; pip install 'stimloop[recordings]'"
        ) from failure
    try:
        # verbose: MNE logs and warns about channel types, markers and positions, none of which
        # is used here.
        if suffix == ".vhdr":
            raw = mne.io.read_raw_brainvision(path, verbose="ERROR")
            picked = _pick(path.name, raw.ch_names, channel)
            raws = [raw for _ in picked]
        else:
            names = mne.io.read_raw_edf(path, verbose="ERROR").ch_names
            picked = _pick(path.name, names, channel)
            # Channels of an EDF file may differ in rate, and MNE resamples what it reads at
            # once to the highest: read each alone.
            raws = [
                mne.io.read_raw_edf(path, include=[name], verbose="ERROR") for name in picked
            ]
        volts = [
            raw.get_data(picks=[raw.ch_names.index(name)])[0]
            for raw, name in zip(raws, picked, strict=True)
        ]
        rates_hz = {float(raw.info["sfreq"]) for raw in raws}
    except RecordingError:
        raise
    except Exception as failure:  # MNE passes on whatever its parsers meet
        raise RecordingError(f"{path.name} is not readable: {failure}") from failure
    if len(rates_hz) > 1:
        raise RecordingError(
            f"{path.name}: {' and '.join(picked)} differ in sampling rate; choose one of them"
        )
    return picked, rates_hz.pop(), [_MICROVOLTS_PER_VOLT * samples for samples in volts]
