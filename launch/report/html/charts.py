"""Charts of the report's page: SVG that takes the page's colours."""

import math
from html import escape

import reproductions
from launch.report import curves
from launch.report.figures import accuracy_over_cost, figure_curves

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 460, 290, 46, 34, 56, 10
LINE, LETTER = 14, 6.5  # height of a line, width of a letter
TICKS = (1, 2, 5)


class Axis:
    """From values to places between `start` and `end` pixels."""

    def __init__(self, low, high, start, end, *, logarithmic=False):
        self.logarithmic = logarithmic
        self.low, self.high = self._scaled(low), self._scaled(high)
        self.start, self.end = start, end
        self.limits = low, high

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    def at(self, value: float) -> float:
        """The place of a value."""
        share = (self._scaled(value) - self.low) / (self.high - self.low or 1)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round values in the range, few enough to read."""
        low, high = self.limits
        if self.logarithmic:
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            found = [n * 10.0**p for p in powers for n in TICKS]
        else:
            size = (high - low) / 6 or 1
            power = 10.0 ** math.floor(math.log10(size))
            step = next(n * power for n in (*TICKS, 10) if n * power >= size)
            first = math.ceil(low / step)
            found = [i * step for i in range(first, int(high / step) + 1)]
        return [round(t, 6) for t in found if low <= t <= high]


def axes(x: Axis, y: Axis, x_name: str, y_name: str) -> str:
    """Lines, ticks and names."""
    lines = []
    for value in y.ticks():
        place = y.at(value)
        lines.append(
            f'<path class="axis" d="M{x.start} {place}H{x.end}"/><text '
            f'x="{x.start - 5}" y="{place + 4}" text-anchor="end">'
            f"{value:g}</text>"
        )
    for value in (tick for tick in x.ticks() if tick == int(tick)):
        lines.append(
            f'<text x="{x.at(value)}" y="{y.start + 15}" text-anchor="middle">{short(value)}</text>'
        )
    lines.append(
        f'<text x="{x.end}" y="{y.start + 30}" text-anchor="end">'
        f'{x_name}</text><text x="4" y="{LINE}">'
        f"{y_name}</text>"
    )
    return "".join(lines)


def short(value: float) -> str:
    """1200000000 as 1.2 G."""
    for size, letter in ((1e9, " G"), (1e6, " M")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _svg(label: str, width: int, height: int, inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{inside}</svg>'
    )


def training(paper: str, group: list[curves.Curve], about: str = "") -> str:
    """A figure of runs that differ in their seed, with the paper's claim."""
    claimed = figure_curves.claimed(paper, group[0])
    errors = [e for c in group for e in (*c.train_error, *c.test_error)]
    everything = [*errors, *claimed]
    low, high = min(everything), max(everything)
    logarithmic = low > 0 and high > 8 * low
    y_range = (0.9 * low, 1.1 * high) if logarithmic else (0, 1.08 * high)
    total = max(c.total for c in group)
    x = Axis(1, max(2, total), LEFT, WIDTH - RIGHT)
    y = Axis(*y_range, HEIGHT - BOTTOM, TOP, logarithmic=logarithmic)
    lines = [axes(x, y, "epoch", "top-1 error, %")]
    for curve in group:
        for kind, values in (("train", curve.train_error), ("test", curve.test_error)):
            points = [f"{x.at(i)},{y.at(v)}" for i, v in enumerate(values, 1)]
            path = " ".join(points)
            lines.append(f'<polyline class="{kind}" points="{path}"/>')
    for error in claimed:
        place = y.at(error)
        lines.append(f'<path class="claim" d="M{x.start} {place}H{x.end}"/>')
    title = figure_curves.title(paper, group[0])
    lines.append(_key(group[0], claimed))
    drawn = _svg(f"Training curves: {title}", WIDTH, HEIGHT, "".join(lines))
    caption = f"<b>{escape(title)}</b>. {_ends(group)}{about}"
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def _key(curve: curves.Curve, claimed: list[float]) -> str:
    words = [("key-train", "training"), ("key-test", f"{curve.split}, {curve.view}")]
    if claimed:
        said = " / ".join(f"{error:g}" for error in claimed)
        words.append(("", f"- - the paper: {said} %"))
    return "".join(
        f'<text class="{name}" x="{WIDTH - RIGHT}" y="{LINE * (i + 1)}" '
        f'text-anchor="end">{escape(text)}</text>'
        for i, (name, text) in enumerate(words)
    )


def _ends(group: list[curves.Curve]) -> str:
    lasts = [
        f"seed {c.seed}: {c.test_error[-1]:.2f} % after {len(c.test_error)} of {c.total} epochs"
        for c in group
    ]
    return escape("; ".join(lasts)) + "."


def networks() -> str:
    """Error over multiply-accumulates; hovering names a network."""
    drawn = []
    panels = accuracy_over_cost.shown()
    for found, (*_, title) in zip(panels, accuracy_over_cost.PANELS, strict=False):
        macs = [p["macs"] for p in found]
        errors = [p["error"] for p in found]
        ends = min(macs) / 1.6, max(macs) * 1.6
        x = Axis(*ends, LEFT, WIDTH - RIGHT, logarithmic=True)
        ends = min(errors) / 1.1, max(errors) * 1.1
        y = Axis(*ends, HEIGHT - BOTTOM, TOP, logarithmic=True)
        scale = 14 / max(p["parameters"] for p in found) ** 0.5
        dots = [_dot(p, x, y, scale) for p in found]
        inside = axes(x, y, "multiply-accumulates", "error, %")
        inside += "".join(dots) + _names(found, x, y, scale)
        drawn.append(
            f"<figure>{_svg(title, WIDTH, HEIGHT, inside)}<figcaption>"
            f"<b>{escape(title)}</b>. Area: parameters.</figcaption></figure>"
        )
    return "".join(drawn)


def _dot(point: dict, x: Axis, y: Axis, scale: float) -> str:
    radius = max(2, scale * point["parameters"] ** 0.5)
    about = (
        f"{point['variant']}: {point['error']} %, {point['protocol']}, "
        f"{point['parameters']:,} parameters, {point['macs']:,} MACs"
    )
    return (
        f'<circle cx="{x.at(point["macs"])}" cy="{y.at(point["error"])}" '
        f'r="{radius:.1f}"><title>{escape(about)}</title></circle>'
    )


def _names(found: list[dict], x: Axis, y: Axis, scale: float) -> str:
    """The headline networks' names above them, where there is room."""
    taken, names = [], []
    for point in found:
        first = next(iter(reproductions.load(point["paper"]).RECIPES))
        if point["variant"] != first:
            continue
        name = first.removeprefix("cifar_")
        middle = x.at(point["macs"])
        top = y.at(point["error"]) - scale * point["parameters"] ** 0.5 - 3
        half = LETTER * len(name) / 2
        if all(abs(middle - m) > half + h or abs(top - t) > LINE for m, t, h in taken):
            taken.append((middle, top, half))
            names.append(f'<text x="{middle}" y="{top:.1f}" text-anchor="middle">{name}</text>')
    return "".join(names)
