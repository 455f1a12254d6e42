"""The table of requests: what is read is what was written, and nothing else is read."""

from __future__ import annotations

import json

import pytest
from tests.device import LIMITS
from tests.unit.fake_session import IDENTITY

from stimloop.errors import Violation
from stimloop.station import requests
from stimloop.station.errors import StationError
from stimloop.station.requests import (
    REPLIES,
    REQUESTS,
    Change,
    Checked,
    Connect,
    Description,
    Held,
    Reply,
    Request,
    Sense,
    Start,
    read_reply,
    read_request,
    reply_line,
    request_line,
)
from stimloop_hw.messages import BatteryState

ASKED: list[Request] = [
    Connect("sim://dbs?seed=1", "päth"),
    Start(adaptive=False, amplitude_ua=1_500),
    Change(-100),
    Sense([0, 1]),
]
BATTERY = BatteryState(0, 999, 3200, 5, 6)
WIDTH = Held("A1", "width_us", 60.0, 60, 90)
REPLIED: list[Reply] = [
    Checked([Violation("a", "b", "c", "d")], [WIDTH], 20_000, "µV"),
    Description("sim://dbs", [IDENTITY], [LIMITS], [BATTERY], "", "", ""),
]


@pytest.mark.parametrize("request_", ASKED, ids=lambda asked: type(asked).__name__)
def test_a_request_arrives_as_it_was_sent(request_: Request) -> None:
    assert read_request(request_line(7, request_)) == (7, request_)


@pytest.mark.parametrize("reply", REPLIED, ids=lambda reply: type(reply).__name__)
def test_a_reply_arrives_as_it_was_sent(reply: Reply) -> None:
    assert read_reply(reply_line(7, reply)) == (7, reply)


def test_every_request_and_reply_says_what_it_is_and_explains_its_fields() -> None:
    for name in (*REQUESTS, *REPLIES, "Stop", "Snapshot"):
        kind = getattr(requests, name)
        assert kind.__doc__
        for field in kind.__dataclass_fields__:
            assert field in kind.__doc__, f"{name}.{field}"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"hello", "no ask"),
        (b'{"number": 1, "ask": "Commit"}', "no ask"),
        (b'{"number": "1", "ask": "Commit", "with": {}}', "Commit"),
        (b'{"number": 1, "ask": "Explode", "with": {}}', "there are Attend, Connect"),
        (b'{"number": 1, "ask": "Change", "with": {"by_ua": "100"}}', "Change.by_ua"),
        (b'{"number": 1, "ask": "Change", "with": {"by_ua": 1.0}}', "Change.by_ua"),
        (b'{"number": 1, "ask": "Change", "with": {"by_ua": 1, "now": true}}', "Change.now"),
        (b'{"number": 1, "ask": "Start", "with": {"adaptive": 1}}', "Start.adaptive"),
    ],
)
def test_what_is_no_request_is_refused_in_a_sentence(line: bytes, sentence: str) -> None:
    with pytest.raises(StationError, match=sentence):
        read_request(line)


def test_the_codec_is_json_lines_that_any_language_writes() -> None:
    line = request_line(3, Connect("sim://dbs"))
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "number": 3,
        "ask": "Connect",
        "with": {"url": "sim://dbs", "key_file": ""},
    }
