"""The message table as documentation and as a C header, printed by ``stimloop protocol``."""

from __future__ import annotations

from inspect import getdoc
from typing import TYPE_CHECKING

from stimloop_hw.framing import MAX_PAYLOAD, Flag
from stimloop_hw.loop import EmbeddedController, EmbeddedDetector, LoopParameter, Smoothing
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    Peer,
    fields_of,
)
from stimloop_hw.program import CASE, Mode, Parameter
from stimloop_hw.seal import MAX_SIGNED_PAYLOAD, TAG_SIZE
from stimloop_hw.vocabulary import (
    Bound,
    Build,
    EventCode,
    Fault,
    Lead,
    Refusal,
    ResetCause,
    Role,
    SelfTest,
    SensedFlag,
    State,
    StopMode,
    Supply,
)

if TYPE_CHECKING:
    from enum import IntEnum, IntFlag

ENUMS: tuple[type[IntEnum | IntFlag], ...] = (
    Flag,
    Build,
    ResetCause,
    Role,
    State,
    StopMode,
    SensedFlag,
    Fault,
    Lead,
    EventCode,
    SelfTest,
    Supply,
    Refusal,
    Parameter,
    Mode,
    LoopParameter,
    EmbeddedDetector,
    EmbeddedController,
    Smoothing,
    Bound,
)
"""Every enumeration whose numbers appear on the wire."""

_C_TYPE = {
    "u8": "uint8_t",
    "u16": "uint16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "i32": "int32_t",
    "i64": "int64_t",
}


def markdown() -> str:
    """Protocol page of the documentation."""
    lines = [
        "# SL1: the wire between host and implant",
        "",
        "Printed by `stimloop protocol --markdown` from the message table; a test keeps them",
        "equal. Frame layout, sequence and CRC: `hardware/stimloop_hw/framing.py`. Integers",
        "are little-endian, the unit stands in each name. Keys, counter and tag of signed",
        "frames: `hardware/stimloop_hw/seal.py`. SL1 authenticates, it does not encrypt.",
        "",
        "*role* is the least that may send a host's message, or hear a device's; what is a",
        "stranger's is never signed, everything else always (but in an unsigned build).",
        "*not after*: refused without a deadline.",
        "",
        f"Message table CRC-32: `{TABLE_CRC:08X}`. Payload: at most {MAX_PAYLOAD} bytes,",
        f"{MAX_SIGNED_PAYLOAD} if signed.",
        "",
        "| no. | message | from | role | not after | bytes | payload | meaning |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, kind in sorted(MESSAGES.items()):
        payload = ", ".join(f"{name} {code}" for name, code in fields_of(kind).items()) or "-"
        size = f"{kind.layout.size}{'+' if kind.has_rest else ''}"
        summary = (getdoc(kind) or "").splitlines()[0]
        lines.append(
            f"| {number:02X} | {kind.__name__} | {kind.sender.name.lower()} "
            f"| {kind.needs.name.lower()} | {'yes' if kind.expires else '-'} | {size} "
            f"| {payload} | {summary} |"
        )
    for enum in ENUMS:
        lines += ["", f"## {enum.__name__}", "", (getdoc(enum) or "").splitlines()[0], ""]
        lines += ["| value | name |", "|---|---|"]
        lines += [f"| {member.value} | {member.name} |" for member in enum]
    return "\n".join(lines) + "\n"


def c_header() -> str:
    """C99 header with every number, size and packed payload of the table."""
    lines = [
        "/* SL1 messages, printed by `stimloop protocol --c`. Do not edit. */",
        "#ifndef STIMLOOP_SL1_H",
        "#define STIMLOOP_SL1_H",
        "#include <stdint.h>",
        "",
        f"#define SL1_TABLE_CRC 0x{TABLE_CRC:08X}u",
        f"#define SL1_MAX_PAYLOAD {MAX_PAYLOAD}",
        f"#define SL1_MAX_SIGNED_PAYLOAD {MAX_SIGNED_PAYLOAD}",
        f"#define SL1_TAG_SIZE {TAG_SIZE}",
        f"#define SL1_CASE 0x{CASE:04X}",
        "",
    ]
    for enum in ENUMS:
        prefix = f"SL1_{enum.__name__.upper()}"
        lines.append(f"enum {{ /* {(getdoc(enum) or '').splitlines()[0]} */")
        lines += [f"    {prefix}_{member.name} = {member.value}," for member in enum]
        lines += ["};", ""]
    for number, kind in sorted(MESSAGES.items()):
        name = kind.__name__
        sender = "host" if kind.sender is Peer.HOST else "device"
        lines.append(f"#define SL1_{name.upper()} 0x{number:02X} /* {sender} */")
        members = [
            _c_member(field, code) for field, code in fields_of(kind).items() if code != "bytes"
        ]
        if members:
            lines.append("#pragma pack(push, 1)")
            lines.append("typedef struct {")
            lines += [f"    {member};" for member in members]
            lines.append(f"}} sl1_{name.lower()}_t;")
            lines.append("#pragma pack(pop)")
        lines.append("")
    lines.append("#endif")
    return "\n".join(lines) + "\n"


def _c_member(name: str, code: str) -> str:
    if code.startswith("bytes"):
        return f"uint8_t {name}[{code.removeprefix('bytes')}]"
    return f"{_C_TYPE[code]} {name}"
