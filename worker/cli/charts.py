"""Charts of a simulation: how many slots did useful work, hour by hour, under each policy."""

from collections.abc import Iterator, Sequence
from html import escape

from worker.services.observe.simulate import CETrouble, PolicyComparison, PolicyResult

WIDTH, NARROWEST = 72, 24
BLOCKS = " ▁▂▃▄▅▆▇█"

# One colour for each policy, which colour-blind people can distinguish, too; the oracle is grey.
COLOURS = ("#8a8a8a", "#0b6e4f", "#c8553d", "#3d5a98", "#8f6bb3", "#b08900")
LEFT, TOP, BREADTH, HEIGHT, LINE = 56, 44, 820, 260, 18


def lines(compared: PolicyComparison, span: int | None) -> Iterator[str]:
    """Draw a row of blocks for each policy, and a row for each trouble under them."""
    most = _most(compared)
    troubles = compared.scenario.troubles
    names = [outcome.policy for outcome in compared.outcomes]
    margin = max(len(name) for name in [*names, *(t.ce for t in troubles)])
    kinds = max((len(trouble.kind) + 2 for trouble in troubles), default=0)
    width = WIDTH if span is None else max(NARROWEST, min(WIDTH, span - margin - 2 - kinds))
    yield f"{'':{margin}}  slots that do useful work, 0 to {most}"
    for outcome in compared.outcomes:
        yield f"{outcome.policy:{margin}}  {_blocks(outcome, most, width)}"
    hours = compared.scenario.hours
    for trouble in troubles:
        row = _when(trouble, hours, width)
        yield f"{trouble.ce:{margin}}  {row}  {trouble.kind}"
    yield f"{'':{margin}}  0 h{f'{hours:g} h':>{width - 3}}"


def svg(compared: PolicyComparison) -> str:
    """Draw the same as a picture: a line for each policy, a band for each trouble."""
    return "\n".join([*_picture(compared), "</svg>", ""])


def _picture(compared: PolicyComparison) -> Iterator[str]:
    scenario, most = compared.scenario, _scale(_most(compared))
    bottom = TOP + HEIGHT
    tall = bottom + 40 + LINE * len(compared.outcomes)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + BREADTH + 24} {tall}" '
        'font-family="sans-serif" font-size="12">'
    )
    yield '<rect width="100%" height="100%" fill="#ffffff"/>'
    title = f"{scenario.name}: slots that do useful work"
    yield f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>'
    for trouble in scenario.troubles:
        yield from _band(trouble, scenario.hours)
    for number in range(5):
        y = bottom - HEIGHT * number / 4
        yield f'<path d="M{LEFT} {y:.1f}h{BREADTH}" stroke="#dddddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{most * number / 4:g}</text>'
    for number in range(7):
        x = LEFT + BREADTH * number / 6
        label = f"{scenario.hours * number / 6:.3g} h"
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>'
    for number, outcome in enumerate(compared.outcomes):
        colour = COLOURS[number % len(COLOURS)]
        yield _path(outcome, scenario.hours, most, colour)
        y = bottom + 40 + LINE * number
        label = f"{outcome.policy}: goodput {outcome.goodput:.3f}, net {outcome.net:.3f}"
        yield f'<path d="M{LEFT} {y - 4}h24" stroke="{colour}" stroke-width="2.5"/>'
        yield f'<text x="{LEFT + 32}" y="{y}">{escape(label)}</text>'


def _band(trouble: CETrouble, hours: float) -> Iterator[str]:
    x = LEFT + BREADTH * trouble.begins / hours
    wide = BREADTH * (min(trouble.ends, hours) - trouble.begins) / hours
    if wide > 0:
        yield f'<rect x="{x:.1f}" y="{TOP}" width="{wide:.1f}" height="{HEIGHT}" fill="#f3e3d3"/>'
        label = escape(f"{trouble.ce}: {trouble.kind}")
        yield f'<text x="{x + 4:.1f}" y="{TOP + 14}" fill="#7a5230">{label}</text>'


def _path(outcome: PolicyResult, hours: float, most: int, colour: str) -> str:
    points = [
        f"{LEFT + BREADTH * (number + 0.5) / (4 * WIDTH):.1f},"
        f"{TOP + HEIGHT - HEIGHT * mean / most:.1f}"
        for number, mean in enumerate(_means(outcome, 4 * WIDTH))
    ]
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
    )


def _blocks(outcome: PolicyResult, most: int, width: int) -> str:
    means = _means(outcome, width)
    return "".join(BLOCKS[min(8, round(8 * mean / max(1, most)))] for mean in means)


def _when(trouble: CETrouble, hours: float, width: int) -> str:
    cells = [(number + 0.5) * hours / width for number in range(width)]
    return "".join("▒" if trouble.begins <= cell < trouble.ends else "·" for cell in cells)


def _means(outcome: PolicyResult, parts: int) -> Sequence[float]:
    """Return the mean of each part of the time. If samples are few, one fills several parts."""
    running = [sample.running for sample in outcome.samples]
    means = []
    for number in range(parts):
        begins = number * len(running) // parts
        ends = max(begins + 1, (number + 1) * len(running) // parts)
        part = running[begins:ends]
        means.append(sum(part) / len(part))
    return means


def _scale(most: int) -> int:
    """Return the end of the scale: a number whose quarter is round."""
    steps = (base * int(10**power) for power in range(9) for base in (1, 2, 5))
    return 4 * next(step for step in steps if 4 * step >= most)


def _most(compared: PolicyComparison) -> int:
    return max(sample.running for outcome in compared.outcomes for sample in outcome.samples)
