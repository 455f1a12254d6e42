"""What the program means for contacts and battery, each number beside its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QProgressBar, QVBoxLayout

from stimloop import exposure
from stimloop.app.label import label, say
from stimloop.app.language import tr

if TYPE_CHECKING:
    from stimloop.exposure import Burden
    from stimloop.tables import Stimulation
    from stimloop_hw.messages import BatteryState, Limits

MEASURES = ("Current", "Charge", "Density", "Shannon k")
WHOLE = ("TEED", "Mean current", "Battery")
_FULL = 1000
_NEAR = 0.9
"""Beyond this part of a limit its number is colored."""
_YEAR_DAYS = 365.25


class DosePanel(QFrame):
    """The contact with the heaviest burden, and the energy of all."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self._title = label(role="heading")
        self._values: dict[str, QLabel] = {}
        self._notes: dict[str, QLabel] = {}
        self._bars: dict[str, QProgressBar] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(6)
        column.addWidget(self._title)
        for name in MEASURES:
            self._add(column, name, bar=True)
        column.addSpacing(6)
        column.addWidget(label(tr("At the upper limit"), role="heading"))
        for name in WHOLE:
            self._add(column, name, bar=False)
        column.addStretch()

    def _add(self, column: QVBoxLayout, name: str, *, bar: bool) -> None:
        self._values[name] = value = label()
        value.setAccessibleName(tr(name))
        grid = QGridLayout()
        grid.setVerticalSpacing(3)
        grid.addWidget(label(tr(name), tone="muted"), 0, 0)
        grid.addWidget(value, 0, 1)
        grid.setColumnStretch(0, 1)
        if bar:
            self._bars[name] = below = QProgressBar(maximum=_FULL, textVisible=False)
            below.setProperty("role", "meter")
            below.setAccessibleName(tr("{name} as part of its limit", name=tr(name)))
            grid.addWidget(below, 1, 0, 1, 2)
        else:
            self._notes[name] = note = label(role="small", tone="muted")
            grid.addWidget(note, 1, 0, 1, 2)
        column.addLayout(grid)

    def show_dose(
        self, asked: Stimulation | None, limits: Limits, battery: BatteryState | None
    ) -> None:
        """Show a program; None while it does not fit.

        Parameters
        ----------
        asked : Stimulation or None
        limits : Limits
        battery : BatteryState or None
        """
        heavy = exposure.burdens(asked, limits) if asked is not None else []
        if asked is None or not heavy:
            self._title.setText(tr("No contact carries current"))
            for value in self._values.values():
                say(value, "–", "muted")
            for note in self._notes.values():
                note.setText("")
            for bar in self._bars.values():
                bar.setValue(0)
            return
        self._show_burden(heavy[0])
        self._show_whole(asked, limits, battery)

    def _show_burden(self, burden: Burden) -> None:
        self._title.setText(tr("Contact {name}, per phase", name=burden.contact))
        for name, value, most, unit in (
            ("Current", burden.current_ma, burden.current_max_ma, "mA"),
            ("Charge", burden.charge_uc, burden.charge_max_uc, "µC"),
            ("Density", burden.density_uc_cm2, burden.density_max_uc_cm2, "µC/cm²"),
        ):
            self._show(name, value / most, f"{value:.3g}", f"{most:.4g} {unit}")
        most = exposure.SHANNON_K
        k = f"{burden.shannon_k:.2f}".replace("-", "−")  # noqa: RUF001  the sign
        charged = burden.charge_uc > 0
        self._show("Shannon k", burden.shannon_k / most, k if charged else "–", f"{most:g}")

    def _show(self, name: str, fraction: float, value: str, most: str) -> None:
        tone = "alarm" if fraction > 1 else "warning" if fraction > _NEAR else ""
        told = tr("{value} of {most}", value=value, most=most)
        say(self._values[name], f"⚠ {told}" if fraction > 1 else told, tone)
        self._bars[name].setValue(round(min(1.0, max(0.0, fraction)) * _FULL))

    def _show_whole(
        self, asked: Stimulation, limits: Limits, battery: BatteryState | None
    ) -> None:
        ohm = limits.impedance_ohm
        current_ua = exposure.mean_current_ua(asked)
        say(self._values["TEED"], f"{exposure.teed_uw(asked, ohm):.3g} µW")
        self._notes["TEED"].setText(tr("at {ohm} Ω per contact", ohm=ohm))
        say(self._values["Mean current"], f"{current_ua:.3g} µA")
        self._notes["Mean current"].setText(tr("averaged, pauses too"))
        if battery is None or not current_ua:
            say(self._values["Battery"], "–", "muted")
            self._notes["Battery"].setText("")
            return
        days = exposure.most_days(current_ua, battery.left_uah)
        text = f"{days / _YEAR_DAYS:.1f} a" if days > 2 * _YEAR_DAYS else f"{days:.0f} d"
        say(self._values["Battery"], tr("at most {time}", time=text))
        self._notes["Battery"].setText(
            tr("{left:.0f} mAh, for pulses alone", left=battery.left_uah / 1000)
        )
