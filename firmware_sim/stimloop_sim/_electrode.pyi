from typing import final

@final
class Interface:
    def __init__(self, contacts: int, coupling_f: float) -> None: ...
    @property
    def contacts(self) -> int: ...
    @property
    def epoch_us(self) -> int: ...
    def form(
        self,
        contact: int,
        series_ohm: float,
        capacitance_f: float,
        leak_ohm: float,
        exchange_a: float,
    ) -> None: ...
    def settled(self, t_us: int) -> list[tuple[float, float]]: ...
    def restart(self, t_us: int) -> None: ...

@final
class Path:
    def __init__(self, interface: Interface, supply_v: float) -> None: ...
    @property
    def interface(self) -> Interface: ...
    @property
    def asked_ua(self) -> int: ...
    @property
    def delivered_ua(self) -> int: ...
    @property
    def load_ohm(self) -> float: ...
    @property
    def sources(self) -> list[tuple[int, float]]: ...
    def disconnect(self) -> None: ...
    def connect(
        self,
        members: list[int],
        source: list[float],
        share: list[float],
        rate_hz: list[float],
        to_modes: list[list[float]],
        from_modes: list[list[float]],
        blocked: bool,
    ) -> None: ...
    def pulse(
        self,
        t_us: int,
        asked_ua: int,
        step_ua: int,
        width_us: int,
        gap_us: int,
        ratio: int,
    ) -> int: ...
