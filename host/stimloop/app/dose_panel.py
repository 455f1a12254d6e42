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
_YEAR_DAYS = 365.25


class DosePanel(QFrame):
    """The contact with the heaviest burden, and the energy of all."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self._title = label(role="heading")
        self._values: dict[str, QLabel] = {}
        self._limits: dict[str, QLabel] = {}
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
        value, limit = label(), label(role="small", tone="muted")
        value.setAccessibleName(tr(name))
        self._values[name], self._limits[name] = value, limit
        grid = QGridLayout()
        grid.setVerticalSpacing(2)
        grid.addWidget(label(tr(name), tone="muted"), 0, 0)
        grid.addWidget(value, 0, 1)
        grid.addWidget(limit, 1, 0, 1, 2)
        grid.setColumnStretch(0, 1)
        if bar:
            meter = QProgressBar(maximum=_FULL, textVisible=False)
            meter.setProperty("role", "meter")
            meter.setAccessibleName(tr("{name} as part of its limit", name=tr(name)))
            self._bars[name] = meter
            grid.addWidget(meter, 2, 0, 1, 2)
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
            for limit in self._limits.values():
                limit.setText("")
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
            self._show(name, f"{value:.3g} {unit}", value / most)
            self._limits[name].setText(tr("of {most:.4g} {unit}", most=most, unit=unit))
        k = burden.shannon_k
        self._show(
            "Shannon k",
            f"{k:.2f}".replace("-", "−") if k > float("-inf") else "–",  # noqa: RUF001  the sign
            k / exposure.SHANNON_K,
        )
        self._limits["Shannon k"].setText(tr("of {most:g}", most=exposure.SHANNON_K))

    def _show(self, name: str, text: str, fraction: float) -> None:
        tone = "alarm" if fraction > 1 else "warning" if fraction > 0.9 else ""
        say(self._values[name], f"⚠ {text}" if fraction > 1 else text, tone)
        self._bars[name].setValue(
            min(_FULL, max(0, round(fraction * _FULL))) if fraction > 0 else 0
        )

    def _show_whole(
        self, asked: Stimulation, limits: Limits, battery: BatteryState | None
    ) -> None:
        ohm = limits.impedance_ohm
        current_ua = exposure.mean_current_ua(asked)
        say(self._values["TEED"], f"{exposure.teed_uw(asked, ohm):.3g} µW")
        self._limits["TEED"].setText(tr("at {ohm} Ω per contact", ohm=ohm))
        say(self._values["Mean current"], f"{current_ua:.3g} µA")
        self._limits["Mean current"].setText(tr("averaged, pauses too"))
        if battery is None or not current_ua:
            say(self._values["Battery"], "–", "muted")
            self._limits["Battery"].setText("")
            return
        days = exposure.most_days(current_ua, battery.left_uah)
        text = f"{days / _YEAR_DAYS:.1f} a" if days > 2 * _YEAR_DAYS else f"{days:.0f} d"
        say(self._values["Battery"], tr("at most {time}", time=text))
        self._limits["Battery"].setText(
            tr("of {left:.0f} mAh, by the pulses alone", left=battery.left_uah / 1000)
        )
