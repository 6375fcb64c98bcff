"""Pictures of a terminal's screen as SVG: text that can be searched and read aloud, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from .screen import Cell, Screen

WIDE, HIGH = 8.4, 18  # of a character, in pixels
MARGIN, BAR = 16, 30
# SGR numbers and what they are called here; both palettes keep a contrast of at least 4.5 to their background.
CLASSES = {"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "36": "c"}
STYLE = """
    text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; }
    .back { fill: #ffffff; stroke: #d1d9e0; }
    .b { font-weight: 700; } .d { fill: #59636e; }
    .r { fill: #b42318; } .g { fill: #1a7f37; } .y { fill: #8a5a00; } .c { fill: #0b6b88; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .back { fill: #0d1117; stroke: #3d444d; }
      .d { fill: #9198a1; }
      .r { fill: #ff7b72; } .g { fill: #56d364; } .y { fill: #e3b341; } .c { fill: #76d9e6; }
    }
"""


def picture(screen: Screen, command: str) -> str:
    """Return the screen after a command as SVG."""
    lines = screen.lines
    while lines and not "".join(character for character, _ in lines[-1]).strip():
        lines = lines[:-1]
    width = round(screen.columns * WIDE + 2 * MARGIN)
    height = round(len(lines) * HIGH + BAR + 2 * MARGIN)
    said = escape(command)
    rows = "\n".join(_row(line, BAR + MARGIN + HIGH * (number + 1) - 5) for number, line in enumerate(lines) if line)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
  <title>What {said} shows</title>
  <style>{STYLE}  </style>
  <rect class="back" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>
  <text x="{MARGIN}" y="{MARGIN + 12}" xml:space="preserve"><tspan class="d">$ </tspan>{said}</text>
{rows}
</svg>
"""


def _row(line: list[Cell], y: int) -> str:
    return f'  <text y="{y}" xml:space="preserve">{"".join(_runs(line))}</text>'


def _runs(line: list[Cell]) -> Iterator[str]:
    column = 0
    for styles, cells in groupby(line, key=lambda cell: cell[1]):
        text = "".join(character for character, _ in cells)
        classes = " ".join(CLASSES[number] for number in styles)
        # Every run has its place and its length, so that columns stay columns in whatever font there is.
        place = f'x="{MARGIN + column * WIDE:.1f}" textLength="{len(text) * WIDE:.1f}"'
        called = f' class="{classes}"' if classes else ""
        yield f"<tspan {place}{called}>{escape(text, quote=False)}</tspan>"
        column += len(text)
