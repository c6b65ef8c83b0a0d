"""Charts of the first page, in the form Unfold draws them, each with a table for those who do not see it."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma

# Gray and hues that read on both a light and a dark page, apart also for the color-blind.
GRAY = "#8892a4"
HUES = ("var(--color-primary-500)", "#d3a054", "#8b7cc8", "#5b8def", "#cf6f8f", "#6aa76a")


@dataclass(frozen=True, slots=True)
class Series:
    """One line or layer: a value per label, None where there is none."""

    name: str
    values: list[float | None]
    color: str
    shown: list[str] = field(default_factory=list)
    is_drawn: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """`sentence` says what the chart shows; `labels` stand below it, one per value.

    `most` is what the axis shows at least, so that a single bounce does not look like a disaster.
    """

    labels: list[str]
    series: list[Series]
    sentence: str = ""
    is_stacked: bool = False
    most: float | None = None
    has_legend: bool = True

    @property
    def has_values(self) -> bool:
        """There is something to draw."""
        return any(value for each in self.series if each.is_drawn for value in each.values)

    @property
    def data(self) -> str:
        """What Chart.js takes."""
        datasets: list[dict[str, Any]] = [
            {
                "label": each.name,
                "data": each.values,
                "backgroundColor": each.color,
                "borderColor": each.color,
                "borderWidth": 0 if self.is_stacked else 2,
                "pointRadius": 2 if len(self.labels) < 3 else 0,
                "pointHitRadius": 8,
                "tension": 0.25,
                "maxBarThickness": 36,
            }
            for each in self.series
            if each.is_drawn
        ]
        return json.dumps({"labels": self.labels, "datasets": datasets})

    @property
    def options(self) -> str:
        """Quiet axes, a legend, whole numbers."""
        x = {
            "stacked": self.is_stacked,
            "grid": {"display": False},
            "ticks": {"maxTicksLimit": 7, "maxRotation": 0, "color": GRAY},
        }
        y = {
            "stacked": self.is_stacked,
            "beginAtZero": True,
            "grid": {},
            "border": {"display": False},
            "ticks": {"maxTicksLimit": 5, "precision": 0, "color": GRAY},
        }
        if self.most is not None:
            y["suggestedMax"] = self.most
        labels = {"boxWidth": 8, "boxHeight": 8, "color": GRAY}
        legend = {"display": self.has_legend, "align": "end", "labels": labels}
        return json.dumps(
            {
                "maintainAspectRatio": False,
                "animation": False,
                "interaction": {"mode": "index", "intersect": False},
                "plugins": {"legend": legend},
                "scales": {"x": x, "y": y},
            }
        )

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The same as a table: each label with the value of every series."""
        return [
            (
                label,
                [
                    each.shown[index] if each.shown else _text(each.values[index])
                    for each in self.series
                ],
            )
            for index, label in enumerate(self.labels)
        ]


def _text(value: float | None) -> str:
    return "–" if value is None else intcomma(f"{abs(value):g}")  # noqa: RUF001 - a dash for nothing
