"""Who is let in, who may do what, and what a wire full of enemies can achieve: a stop."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.peer import DBS, LEASE_MS, NONCE, PROGRAM, Hand, Silence, power_on
from tests.strategies import messages_of

from stimloop_hw import dictionary
from stimloop_hw.framing import Flag, encode
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    Abort,
    Arm,
    ArmChallenge,
    ArmRequest,
    Auth,
    AuthAck,
    ClearFault,
    Commit,
    DictChunk,
    Event,
    GetDict,
    GetLimits,
    Heartbeat,
    Hello,
    Limits,
    Message,
    Peer,
    Ping,
    Pong,
    Refused,
    Sensed,
    Setpoint,
    Stage,
    Staged,
    Start,
    Status,
    Stop,
    StreamConfig,
)
from stimloop_hw.seal import Seal, SessionKeys, handshake_proof
from stimloop_hw.vocabulary import Build, EventCode, Fault, Refusal, Role, SensedFlag, State
from stimloop_sim.firmware import Firmware
from stimloop_sim.lockout import BAD_TAGS, LOCKED_US, WINDOW_US, Lockout
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.sessions import OBSERVER_US, OBSERVERS

OTHER_KEY = bytes(reversed(range(32)))
HOST_KINDS = sorted(
    (kind for kind in MESSAGES.values() if kind.sender is Peer.HOST), key=lambda k: k.number
)


def device(*, key: bytes = OTHER_KEY, signed: bool = True) -> Firmware:
    front_end = FrontEnd(Silence(), DBS.sense_range_uv, 5)
    return Firmware(DBS, front_end, key=key, signed=signed)


def state_of(firmware: Firmware) -> tuple[object, ...]:
    """All that an order could change."""
    therapy, front_end = firmware.therapy, firmware.front_end
    pulses = therapy.pulses
    return (
        therapy.state,
        therapy.program_crc,
        therapy.last_sp,
        therapy._lease_until_us,
        firmware._orders._staging.whole,
        list(firmware._orders._staging._parts),
        therapy.group,
        firmware._orders._challenge,
        front_end.streaming,
        (pulses.outputs, pulses.pulses, pulses.period_us),
    )


# The handshake ---------------------------------------------


def test_a_host_with_the_key_gets_the_role_that_it_asked_for_and_the_proof() -> None:
    for role in (Role.OBSERVER, Role.CONTROLLER):
        hand = Hand(power_on())
        identity = hand.greet()
        ack = hand.ask(Auth(role), AuthAck)
        hello = Hello(1, 1, NONCE, b"by hand.")
        proof = handshake_proof(hello.encode(), identity.encode())
        assert ack == AuthAck(role, 50, 400, proof)


@pytest.mark.parametrize("role", [Role.STRANGER, Role.GUEST, 5, 255])
def test_a_role_that_is_none_is_not_granted(role: int) -> None:
    hand = Hand(power_on())
    hand.greet()
    assert hand.ask(Auth(role), Refused).reason == Refusal.UNKNOWN
    assert hand.ask(Ping(1, 1), Refused).reason == Refusal.ROLE


def test_a_role_is_granted_once() -> None:
    hand = Hand.linked(role=Role.OBSERVER)
    assert hand.ask(Auth(Role.CONTROLLER), Refused).reason == Refusal.ROLE


def test_a_wrong_key_is_refused_openly_and_counted() -> None:
    hand = Hand(device(), key=bytes(32))
    hand.greet()
    refused = hand.ask(Auth(Role.CONTROLLER), Refused)
    assert (refused.reason, refused.detail) == (Refusal.KEY, 0)
    assert hand.firmware.status().bad_tags == 1
    assert hand.exchange(hand.framed(Stage(1, 0, 1, PROGRAM.entries()))) == []


def test_a_host_of_another_table_cannot_authenticate() -> None:
    hand = Hand(device(), key=OTHER_KEY)
    identity = hand.greet()
    keys = SessionKeys.derive(
        OTHER_KEY, NONCE, identity.nonce, identity.device_id, TABLE_CRC ^ 1
    )
    hand.session, hand.outbound = keys.session, Seal(keys.to_device)
    assert hand.ask(Auth(Role.CONTROLLER), Refused).reason == Refusal.KEY
    damaged = hand.framed(Ping(1, 1), table_crc=TABLE_CRC ^ 1)
    stage = hand.framed(Stage(1, 0, 1, PROGRAM.entries()), table_crc=TABLE_CRC ^ 1)
    assert hand.exchange(damaged) == hand.exchange(stage) == []
    assert hand.firmware.status().damaged == 1


def test_the_identity_says_how_the_device_was_built() -> None:
    builds = {
        Build.SIMULATED | Build.DEVKEY: power_on(),
        Build.SIMULATED: device(),
        Build.SIMULATED | Build.UNSIGNED: device(signed=False),
    }
    for build, firmware in builds.items():
        assert Hand(firmware).greet().build == build
    words = {build.authentication for build in builds}
    assert words == {"DEVELOPMENT KEY", "signed", "UNSIGNED"}


def test_an_unsigned_build_needs_roles_all_the_same_and_takes_no_signature() -> None:
    hand = Hand(device(signed=False), key=OTHER_KEY)
    hand.hello()
    hand.begin()
    assert hand.state is State.STIMULATING
    order = Ping(1, 2)
    wire = encode(order.number, Flag.SIGNED, 99, hand.session, 0, order.encode(), TABLE_CRC)
    assert hand.exchange(wire) == []
    assert hand.firmware.status().bad_tags == 1


def test_a_hello_takes_nothing_from_whoever_has_proved_the_key() -> None:
    hand = Hand.delivering(1000)
    for k in range(10):
        hand.firmware.telemetry.receive(
            hand.framed(Hello(1, 1, bytes([k]) * 16, b"flooding"), session=0)
        )
        hand.keep_alive_ms(20)
    assert (hand.state, hand.amplitude_ua) == (State.STIMULATING, 1000)


# Roles: derived from the one table ---------------------------------------------


def order_of(kind: type[Message]) -> Message:
    return kind.decode(bytes(kind.layout.size))


@pytest.mark.parametrize("role", [Role.GUEST, Role.OBSERVER, Role.CONTROLLER])
@pytest.mark.parametrize("kind", HOST_KINDS, ids=lambda kind: kind.__name__)
def test_each_role_may_send_what_the_table_says_and_nothing_else(
    kind: type[Message], role: Role
) -> None:
    hand = Hand(power_on())
    hand.greet()
    if role is not Role.GUEST:
        hand.ask(Auth(role), AuthAck)
    if kind in (Hello, Stop, GetDict):
        assert kind.needs is Role.STRANGER
        return
    before = state_of(hand.firmware)
    answers = hand.exchange(hand.framed(order_of(kind)))
    refused = [a for a in answers if isinstance(a, Refused) and a.reason == Refusal.ROLE]
    if role < kind.needs:
        assert [a.detail for a in refused] == [role]
        assert state_of(hand.firmware) == before
    elif kind is not Auth:
        assert not refused


def test_only_stop_hello_and_the_dictionary_need_no_key() -> None:
    strangers = {kind for kind in HOST_KINDS if kind.needs is Role.STRANGER}
    assert strangers == {Hello, Stop, GetDict}


def test_what_may_put_current_out_is_the_controllers_and_needs_a_deadline() -> None:
    timed = {kind.__name__ for kind in HOST_KINDS if kind.expires}
    alone = {"ArmAlone", "StartAlone"}
    orders = {"Commit", "Arm", "Start", "Setpoint", "Trigger", "Impedance", "Hold"}
    assert timed == orders | alone | {"Adjust"}
    others = {kind.__name__ for kind in HOST_KINDS if kind.needs is not Role.CONTROLLER}
    assert timed & others == {"Adjust"}


def test_an_observer_hears_everything_and_changes_nothing() -> None:
    hand = Hand.delivering(1000)
    hand.ask(StreamConfig(1, 250, 5), Status)
    observer = Hand(hand.firmware)
    observer.hello(b"just looking....", Role.OBSERVER)
    hand.session, ours = 0, hand.session  # so that the observer's ears take everything
    observer.ask(GetLimits(0), Limits)
    observer.ask(Ping(1, 2), Pong)
    hand.firmware.advance(30)
    assert observer.told(Sensed)
    assert observer.told(Status)[-1].amplitude_ua == 1000
    for order in (Heartbeat(LEASE_MS, 0, 0), Setpoint(9, 0, 0, 10_000, 0), Abort(1)):
        assert observer.ask(order, Refused).reason == Refusal.ROLE
    hand.session = ours
    hand.keep_alive_ms(300)
    assert (hand.state, hand.amplitude_ua) == (State.STIMULATING, 1000)
    assert observer.stop().state == State.IDLE


def roles(firmware: Firmware) -> list[Role]:
    return sorted(known.role for known in firmware.telemetry._sessions.hearing)


def test_a_second_controller_is_refused_while_the_first_one_leads() -> None:
    hand = Hand.delivering(1000)
    second = Hand(hand.firmware)
    second.greet(b"second host.....")
    refused = second.ask(Auth(Role.CONTROLLER), Refused)
    assert refused.reason == Refusal.BUSY
    assert 0 < refused.detail <= LEASE_MS
    hand.keep_alive_ms(300)
    assert (hand.state, hand.amplitude_ua) == (State.STIMULATING, 1000)
    hand.advance_ms(160)
    second.ask(Auth(Role.CONTROLLER), AuthAck)
    assert roles(hand.firmware) == [Role.CONTROLLER]
    assert hand.exchange(hand.framed(Heartbeat(LEASE_MS, 0, 0))) == []
    assert hand.firmware.telemetry.foreign == 1


def test_of_more_observers_than_there_is_room_for_the_most_silent_gives_way() -> None:
    firmware = power_on()
    Hand.linked(firmware)
    observers = []
    for k in range(OBSERVERS + 1):
        observers.append(Hand(firmware))
        observers[-1].hello(bytes([k]) * 16, Role.OBSERVER)
        firmware.advance(5)
        for known in observers[:1] if k < OBSERVERS else []:
            known.ask(Ping(1, 1), Pong)
    assert roles(firmware) == [Role.OBSERVER] * OBSERVERS + [Role.CONTROLLER]
    assert observers[1].exchange(observers[1].framed(Ping(1, 1))) == []
    observers[0].ask(Ping(1, 1), Pong)


def test_an_observer_that_says_nothing_has_left() -> None:
    hand = Hand.linked()
    observer = Hand(hand.firmware)
    observer.hello(b"soon gone.......", Role.OBSERVER)
    hand.advance_ms(OBSERVER_US // 1000)
    assert roles(hand.firmware) == [Role.OBSERVER, Role.CONTROLLER]
    hand.advance_ms(100)
    assert roles(hand.firmware) == [Role.CONTROLLER]


# Enemies ---------------------------------------------


def recorded() -> tuple[Firmware, list[bytes]]:
    """A device after a whole therapy, and every byte that led it."""
    firmware = power_on()
    wires: list[bytes] = []
    receive = firmware.telemetry.receive

    def listen(data: bytes) -> None:
        wires.append(data)
        receive(data)

    firmware.telemetry.receive = listen  # type: ignore[method-assign]
    hand = Hand.linked(firmware)
    hand.ask(StreamConfig(1, 250, 5), Status)
    hand.begin()
    for ua in (1000, 2000):
        hand.setpoint(ua)
        hand.keep_alive_ms(100)
    hand.stop()
    hand.configure()
    firmware.telemetry.receive = receive  # type: ignore[method-assign]
    return firmware, wires


def test_a_recorded_session_replayed_executes_nothing() -> None:
    same, wires = recorded()
    orders = [wire for wire in wires if wire[3:4] != bytes([Stop.number])]
    other = power_on()
    for firmware in (same, other):
        before = state_of(firmware)
        refused = firmware.telemetry.refused
        for wire in orders:
            firmware.telemetry.receive(wire)
            assert state_of(firmware) == before
        assert firmware.telemetry.refused == refused
        counts = firmware.status()
        assert counts.repeated + counts.foreign + counts.bad_tags >= len(orders) - 1


def test_a_recorded_session_replayed_after_another_has_begun_executes_nothing() -> None:
    firmware, wires = recorded()
    hand = Hand.linked(firmware, b"the next session")
    before = state_of(firmware)
    for wire in wires:
        if wire[3:4] != bytes([Stop.number]):
            firmware.telemetry.receive(wire)
    assert state_of(firmware) == before
    hand.ask(Ping(1, 1), Pong)


@settings(max_examples=60)
@given(
    order=st.sampled_from(HOST_KINDS).flatmap(messages_of),
    seq=st.integers(0, 2**16 - 1),
    tag=st.binary(max_size=12),
    flags=st.integers(0, 15),
    known=st.booleans(),
)
def test_orders_without_the_key_change_nothing(
    order: Message, seq: int, tag: bytes, flags: int, *, known: bool
) -> None:
    hand = Hand.delivering(1000)
    session = hand.session if known else 77
    payload = (order.encode() + tag)[:238]
    before = state_of(hand.firmware)
    if not isinstance(order, Stop):
        hand.firmware.telemetry.receive(
            encode(order.number, flags, seq, session, 0, payload, TABLE_CRC)
        )
        assert state_of(hand.firmware) == before


def test_the_keys_of_the_two_directions_are_not_interchangeable() -> None:
    hand = Hand.linked()
    hand.outbound = hand.inbound
    assert hand.exchange(hand.framed(Stage(1, 0, 1, PROGRAM.entries()))) == []
    assert hand.firmware.status().bad_tags == 1


def test_a_frame_of_a_full_turn_of_the_sequence_ago_is_not_authentic() -> None:
    hand = Hand.linked()
    old = hand.framed(StreamConfig(1, 250, 5))
    for step in (0x5000, 0x5000, 0x5000):
        hand.seq += step
        hand.ask(Ping(1, 1), Pong)
    hand.seq += 0xFF0
    hand.ask(Ping(1, 1), Pong)
    hand.firmware.telemetry.receive(old)
    assert not hand.firmware.front_end.streaming
    assert hand.firmware.status().bad_tags == 1


def test_eight_bad_tags_lock_signed_traffic_out_and_stop_passes() -> None:
    hand = Hand.delivering(1000)
    forged = encode(0x2C, Flag.SIGNED, hand.seq + 1, hand.session, 0, bytes(25), TABLE_CRC)
    for _ in range(BAD_TAGS):
        hand.firmware.telemetry.receive(forged)
    hand.advance_ms(100)
    (event,) = {e for e in hand.told(Event) if e.code == EventCode.BAD_TAGS}
    assert event.arg == BAD_TAGS
    assert hand.exchange(hand.framed(Setpoint(99, 0, 0, 10_000, 0))) == []
    stranger = Hand(hand.firmware)
    stranger.greet(b"in the lockout..")
    assert stranger.ask(Auth(Role.OBSERVER), Refused).reason == Refusal.LOCKED
    assert hand.stop().state == State.IDLE
    hand.advance_ms(LOCKED_US // 1000)
    hand.begin()
    assert hand.state is State.STIMULATING


def test_a_stranger_is_told_how_long_the_lockout_lasts() -> None:
    hand = Hand(device(), key=bytes(32))
    for k in range(BAD_TAGS):
        hand.greet(bytes([k]) * 16)
        assert hand.ask(Auth(Role.CONTROLLER), Refused).reason == Refusal.KEY
    refused = hand.ask(Auth(Role.CONTROLLER), Refused)
    assert (refused.reason, refused.detail) == (Refusal.LOCKED, LOCKED_US // 1000)
    assert hand.firmware.status().bad_tags == BAD_TAGS


@given(st.lists(st.integers(0, 4_000_000), max_size=60))
def test_a_lockout_begins_with_eight_bad_tags_in_ten_seconds_and_not_before(
    gaps_us: list[int],
) -> None:
    recent: list[int] = []
    lockout, now_us = Lockout(), 0
    for gap_us in gaps_us:
        now_us += gap_us
        recent = [t for t in [*recent, now_us][-BAD_TAGS:] if now_us - t <= WINDOW_US]
        full = len(recent) == BAD_TAGS
        assert lockout.count(now_us) == full
        if full:
            recent = []
            assert lockout.left_us(now_us) == LOCKED_US
    assert lockout.bad_tags == len(gaps_us)


# Arm, Abort, ClearFault ---------------------------------------------


def configured() -> Hand:
    hand = Hand.linked()
    hand.configure()
    return hand


def armed(hand: Hand, nonce: int) -> Refused | Status:
    (answer,) = hand.exchange(hand.framed(Arm(PROGRAM.crc(), nonce)))
    assert isinstance(answer, (Refused, Status))
    return answer


def test_a_challenge_is_good_once() -> None:
    hand = configured()
    nonce = hand.ask(ArmRequest(PROGRAM.crc()), ArmChallenge).nonce
    wrong = armed(hand, nonce ^ 1)
    assert isinstance(wrong, Refused)
    assert wrong.reason == Refusal.CHALLENGE
    again = armed(hand, nonce)
    assert isinstance(again, Refused)
    assert again.reason == Refusal.CHALLENGE
    assert hand.state is State.CONFIGURED


@pytest.mark.parametrize(("after_ms", "state"), [(2000, "ARMED"), (2004, "CONFIGURED")])
def test_a_challenge_is_good_for_two_seconds(after_ms: int, state: str) -> None:
    hand = configured()
    nonce = hand.ask(ArmRequest(PROGRAM.crc()), ArmChallenge).nonce
    hand.advance_ms(after_ms)
    armed(hand, nonce)
    assert hand.state.name == state


def test_no_two_challenges_are_alike_and_only_the_latest_counts() -> None:
    hand = configured()
    nonces = [hand.ask(ArmRequest(PROGRAM.crc()), ArmChallenge).nonce for _ in range(20)]
    assert len(set(nonces)) == 20
    assert isinstance(armed(hand, nonces[0]), Refused)


def test_a_new_controller_inherits_neither_stage_nor_challenge() -> None:
    hand = configured()
    nonce = hand.ask(ArmRequest(PROGRAM.crc()), ArmChallenge).nonce
    hand.ask(Stage(5, 0, 1, PROGRAM.entries()), Staged)
    hand.hello(b"a new controller")
    assert isinstance(armed(hand, nonce), Refused)
    assert hand.ask(Commit(5, PROGRAM.crc()), Refused).reason == Refusal.CRC_MISMATCH


def test_what_was_aborted_cannot_be_committed() -> None:
    hand = Hand.linked()
    hand.ask(Stage(1, 0, 1, PROGRAM.entries()), Staged)
    assert hand.ask(Abort(2), Refused).reason == Refusal.CRC_MISMATCH
    hand.ask(Abort(1), Status)
    assert hand.ask(Commit(1, PROGRAM.crc()), Refused).reason == Refusal.CRC_MISMATCH
    assert hand.ask(Abort(1), Refused).reason == Refusal.CRC_MISMATCH


def faulty(fault: Fault) -> Hand:
    hand = Hand.delivering(1000)
    hand.firmware.therapy.fail(hand.firmware.now_us, fault)
    assert hand.state is State.FAULT
    return hand


def test_fault_is_left_by_a_clear_that_names_exactly_the_faults() -> None:
    hand = faulty(Fault.OUTPUT_LIMIT)
    for named in (0, Fault.CHARGE_BALANCE, Fault.OUTPUT_LIMIT | Fault.CHARGE_BALANCE):
        refused = hand.ask(ClearFault(named), Refused)
        assert (refused.reason, refused.detail) == (Refusal.FAULTS, Fault.OUTPUT_LIMIT)
    cleared = hand.ask(ClearFault(Fault.OUTPUT_LIMIT), Status)
    assert (cleared.state, cleared.faults, cleared.amplitude_ua) == (State.IDLE, 0, 0)
    assert hand.ask(Start(PROGRAM.crc(), LEASE_MS), Refused).reason == Refusal.WRONG_STATE
    hand.begin()
    hand.keep_alive_ms(500)
    assert hand.state is State.STIMULATING


@given(st.lists(st.sampled_from(HOST_KINDS).flatmap(messages_of), max_size=30))
@settings(max_examples=30)
def test_no_signed_order_but_a_clear_leads_out_of_fault(orders: list[Message]) -> None:
    hand = faulty(Fault.CHARGE_BALANCE)
    for order in orders:
        if not isinstance(order, (Hello, ClearFault)):
            hand.exchange(hand.framed(order))
        assert hand.state is State.FAULT


def test_a_self_test_fault_cannot_be_cleared() -> None:
    hand = faulty(Fault.SELF_TEST)
    assert hand.ask(ClearFault(Fault.SELF_TEST), Refused).reason == Refusal.FAULTS
    assert hand.state is State.FAULT


def test_where_there_is_no_fault_there_is_nothing_to_clear() -> None:
    hand = Hand.delivering(1000)
    assert hand.ask(ClearFault(0), Refused).reason == Refusal.WRONG_STATE
    assert hand.state is State.STIMULATING


# Dictionary, stream ---------------------------------------------


def test_the_dictionary_is_the_table_and_needs_no_session() -> None:
    hand = Hand(power_on())
    data, total = b"", 1
    while len(data) < total:
        chunk = hand.ask(GetDict(len(data), 255), DictChunk)
        assert (chunk.offset, len(chunk.data) <= 200) == (len(data), True)
        data, total = data + chunk.data, chunk.total
    found = dictionary.unpacked(data)
    assert found["table_crc"] == TABLE_CRC
    assert {int(number, 16) for number in found["messages"]} == set(MESSAGES)
    assert found["messages"]["2B"] == {
        "name": "Start",
        "sender": "HOST",
        "role": "CONTROLLER",
        "expires": True,
        "fields": {"program_crc": "u32", "lease_ms": "u32", "group": "u8"},
    }
    assert found["enums"]["State"]["FAULT"] == State.FAULT
    assert hand.ask(GetDict(total + 5, 200), DictChunk).data == b""
    assert hand.exchange(encode(GetDict.number, 0, 1, 0, 0, b"?", TABLE_CRC)) == []


@pytest.mark.parametrize("data", [b"", b"noise", dictionary.packed()[:-9]])
def test_what_is_no_dictionary_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="dictionary"):
        dictionary.unpacked(data)


def test_a_block_says_that_some_before_it_had_to_give_way() -> None:
    hand = Hand.linked()
    hand.ask(StreamConfig(1, 250, 5), Status)
    hand.firmware.advance(5 * 70)
    blocks = hand.told(Sensed)
    assert [bool(b.flags & SensedFlag.GAP) for b in blocks] == [False] * 59 + [True] * 5
    hand.firmware.advance(5 * 3)
    fresh = hand.told(Sensed)
    assert [bool(b.flags & SensedFlag.GAP) for b in fresh] == [True, False, False]
    hand.firmware.advance(5)
    assert not hand.told(Sensed)[0].flags & SensedFlag.GAP


def test_no_two_sessions_share_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    nonces = iter([b"a" * 16, b"a" * 16, b"b" * 16])
    firmware = power_on()
    monkeypatch.setattr("stimloop_sim.firmware.os.urandom", lambda _: next(nonces))
    first, second = Hand(firmware), Hand(firmware)
    first.greet()
    first.ask(Auth(Role.OBSERVER), AuthAck)
    second.seq = 500
    assert second.greet().nonce == b"b" * 16
    assert first.session != second.session
