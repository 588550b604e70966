"""Draws the engines' datapaths as SVG into ``docs/pictures``; runs as a script and in every build of the site."""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["DRAWINGS", "setup", "write_drawings"]

_STYLE = (
    ".b{font-size:14px;font-weight:600;fill:#1b2a3a}.s{font-size:12px;fill:#333}"
    ".w{font-size:13px;fill:#fff}.f{font-size:12px;font-style:italic;fill:#555}"
)
_ARROWHEAD = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z" fill="#444"/></marker></defs>'
)
_DATA, _CONTROL = ("#eef3fa", "#2a6fb0"), ("#fdf3e7", "#c8812f")
_LINE = 17  # pixels from one line of a box to the next

Point = tuple[float, float]


class _Drawing:
    """Boxes, arrows and text on a white background; coordinates in pixels, y downwards."""

    def __init__(self, width: int, height: int, title: str):
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" font-family="Helvetica, Arial, sans-serif">'
        )
        self._parts = [
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            _ARROWHEAD,
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
        ]

    def frame(self, x: float, y: float, width: float, height: float, label: str) -> None:
        """Add a dashed rectangle around a group, with its label in the upper left corner."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="none" stroke="#888" '
            'stroke-dasharray="6 4"/>'
        )
        self.text(x + 10, y + 18, label, style="f")

    def box(self, x: float, y: float, width: float, height: float, *lines: str, control: bool = False) -> None:
        """Add a block; the first line is its name, the others are notes."""
        fill, stroke = _CONTROL if control else _DATA
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}" stroke="{stroke}" '
            'stroke-width="1.5"/>'
        )
        first = y + height / 2 + 5 - _LINE * (len(lines) - 1) / 2
        for n, line in enumerate(lines):
            self.text(x + width / 2, first + n * _LINE, line, anchor="middle", style="s" if n else "b")

    def cell(self, x: float, y: float, label: str, size: int = 30) -> None:
        """Add a small square for an arithmetic unit."""
        self._parts.append(f'<rect x="{x}" y="{y}" width="{size}" height="{size}" rx="3" fill="#2a6fb0"/>')
        self.text(x + size / 2, y + size / 2 + 5, label, anchor="middle", style="w")

    def arrow(self, *points: Point, dashed: bool = False, head: bool = True) -> None:
        """Add a line through points; dashed for control."""
        path = " ".join(f"{'L' if n else 'M'}{x:g} {y:g}" for n, (x, y) in enumerate(points))
        extras = (' stroke-dasharray="4 3"' if dashed else "") + (' marker-end="url(#a)"' if head else "")
        self._parts.append(f'<path d="{path}" fill="none" stroke="#444" stroke-width="1.5"{extras}/>')

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", style: str = "s") -> None:
        """Add a line of text; `y` is its baseline."""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(text)}</text>')

    def svg(self) -> str:
        return "\n".join([self._head, *self._parts, "</svg>"]) + "\n"


def _systolic() -> _Drawing:
    d = _Drawing(860, 330, "Datapath of the systolic engine")
    columns, rows = (190, 228, 266, 304), (92, 130, 168, 206)
    for y in rows:
        for x in columns:
            d.cell(x, y, "×+")
        d.arrow((170, y + 15), (188, y + 15))
    for x in columns:
        d.arrow((x + 15, 74), (x + 15, 90))
        d.arrow((x + 15, 236), (x + 15, 250))
    d.box(112, 88, 58, 152, "skew")
    d.box(168, 38, 188, 36, "two planes of weights")
    d.box(186, 252, 152, 32, "de-skew")
    d.arrow((20, 168), (110, 168))
    d.text(62, 160, "activations", anchor="middle")
    d.text(62, 184, "INT8", anchor="middle")
    d.arrow((262, 8), (262, 36))
    d.text(270, 20, "weights, INT8, one plane ahead")
    d.box(410, 88, 150, 152, "accumulators", "two banks, INT32")
    d.arrow((338, 268), (485, 268), (485, 242))
    d.text(415, 284, "one row of sums per clock", anchor="middle")
    d.arrow((485, 40), (485, 86))
    d.text(492, 52, "biases")
    d.box(620, 88, 120, 62, "requantise", "exact to TFLite")
    d.arrow((560, 119), (618, 119))
    d.arrow((560, 212), (840, 212))
    d.arrow((740, 119), (840, 119))
    d.text(800, 110, "outs, INT8", anchor="middle")
    d.text(800, 204, "sums, INT32", anchor="middle")
    d.arrow((680, 40), (680, 86))
    d.text(687, 52, "scales")
    d.box(20, 272, 150, 40, "sequencer", "tiles M, N and K", control=True)
    d.arrow((95, 270), (95, 254), (140, 254), (140, 242), dashed=True)
    d.arrow((170, 296), (650, 296), (650, 152), dashed=True)
    d.arrow((520, 296), (520, 242), dashed=True)
    d.text(185, 316, "commands and counters: AXI4-Lite; operands and results: AXI4-Stream")
    return d


def _eie() -> _Drawing:
    d = _Drawing(860, 400, "Datapath of the EIE engine")
    d.frame(180, 34, 664, 250, "one of n_pe processing elements")
    d.box(16, 80, 120, 56, "broadcast", "one column per clock")
    d.box(16, 200, 120, 56, "detection tree", "next non-zero")
    d.arrow((76, 200), (76, 138))
    for x, lines in (
        (190, ("pointers", "p[j], p[j+1]")),
        (352, ("activation", "queue")),
        (514, ("entries", "code, zeros")),
        (676, ("decode", "codebook, row")),
    ):
        d.box(x, 80, 126, 56, *lines)
    d.arrow((136, 108), (188, 108))
    d.text(158, 100, "a[j], j", anchor="middle")
    for x in (316, 478, 640):
        d.arrow((x, 108), (x + 34, 108))
    d.text(739, 160, "weight,")
    d.text(739, 176, "local row")
    d.arrow((732, 136), (732, 198))
    d.box(676, 200, 126, 56, "× +", "accumulators")
    d.arrow((577, 136), (577, 182), (700, 182), (700, 198))
    d.text(584, 176, "activation")
    d.box(514, 200, 126, 56, "write-back", "round, clamp, ReLU")
    d.box(352, 200, 126, 56, "activations", "source, destination")
    d.arrow((676, 228), (642, 228))
    d.arrow((514, 228), (480, 228))
    d.arrow((352, 228), (138, 228))
    d.text(262, 220, "non-zero activations", anchor="middle")
    d.arrow((415, 78), (415, 62), (100, 62), (100, 78), dashed=True)
    d.text(92, 56, "queue full", anchor="end")
    d.arrow((390, 390), (390, 258))
    d.text(384, 388, "acts", anchor="end")
    d.arrow((440, 258), (440, 390))
    d.text(446, 388, "outs")
    d.box(16, 312, 150, 56, "control", "program of layers", control=True)
    d.arrow((40, 312), (40, 258), dashed=True)
    d.arrow((166, 330), (220, 330), (220, 286), dashed=True)
    d.text(228, 324, "sweep, codebook, shift")
    d.box(590, 312, 140, 56, "frame reader", "64-bit frames", control=True)
    d.arrow((840, 340), (732, 340))
    d.text(788, 332, "frames", anchor="middle")
    d.arrow((660, 312), (660, 286), dashed=True)
    d.text(668, 303, "contents of all memories")
    d.arrow((590, 352), (168, 352), dashed=True)
    d.text(540, 346, "program, run", anchor="middle")
    return d


def _tensorcore() -> _Drawing:
    d = _Drawing(860, 340, "Datapath of the tensor-core engine")
    columns, rows = (350, 406, 462, 518), (96, 134, 172, 210)
    d.box(140, 96, 120, 144, "rows of A", "ring of four steps")
    d.arrow((16, 168), (138, 168))
    d.text(70, 160, "a, in parts", anchor="middle")
    d.box(350, 16, 198, 52, "columns of B", "ring of four steps")
    d.arrow((240, 42), (348, 42))
    d.text(290, 34, "b, in parts", anchor="middle")
    for y in rows:
        d.arrow((260, y + 15), (348, y + 15))
        for x in columns:
            d.cell(x, y, "dot")
    for x in columns:
        d.arrow((x + 15, 68), (x + 15, 94))
    d.box(350, 276, 198, 44, "sums of the tile", "beside each unit")
    d.arrow((470, 242), (470, 274))
    d.arrow((430, 274), (430, 242))
    d.text(478, 262, "D of this step")
    d.text(422, 262, "addend", anchor="end")
    d.arrow((240, 298), (348, 298))
    d.text(290, 290, "c, in parts", anchor="middle")
    d.arrow((548, 168), (646, 168))
    d.text(596, 160, "last step", anchor="middle")
    d.box(648, 140, 110, 56, "outlet", "never stalls inside")
    d.arrow((758, 168), (844, 168))
    d.text(800, 160, "d, in parts", anchor="middle")
    d.box(16, 272, 150, 52, "sequencer", "which blocks, sums", control=True)
    d.arrow((100, 272), (100, 256), (200, 256), (200, 242), dashed=True)
    d.arrow((166, 314), (348, 314), dashed=True)
    d.text(600, 286, "m × n units with fold 1; fold 16 leaves one,")
    d.text(600, 302, "which takes 16 clocks for a 4 × 4 block")
    return d


def _tensorcore_dot() -> _Drawing:
    d = _Drawing(880, 330, "Datapath of a fused dot-product unit with four products")
    for n, y in enumerate((76, 120, 164, 208)):
        d.cell(110, y, "×")
        d.arrow((58, y + 15), (108, y + 15))
        d.text(52, y + 20, f"a{n}, b{n}", anchor="end")
        d.arrow((140, y + 15), (328, y + 15))
    d.text(180, 84, "exact products")
    d.arrow((58, 267), (328, 267))
    d.text(52, 272, "c", anchor="end")
    d.box(200, 10, 110, 56, "maximum", "exponent ≥ floor", control=True)
    d.arrow((160, 267), (160, 38), (198, 38), dashed=True)
    d.text(154, 56, "exponents", anchor="end")
    d.arrow((310, 38), (385, 38), (385, 72), dashed=True)
    d.text(392, 56, "emax")
    d.box(330, 74, 110, 214, "align", "cut below", "2^(emax − F),", "no sticky bit")
    d.arrow((440, 180), (488, 180))
    d.box(490, 135, 92, 90, "Σ", "exact", "integer sum")
    d.arrow((582, 180), (618, 180))
    d.box(620, 135, 100, 90, "normalise", "leading zeros,", "shift")
    d.arrow((720, 180), (748, 180))
    d.box(750, 135, 84, 90, "pack", "truncate", "or round")
    d.arrow((834, 180), (868, 180))
    d.text(850, 170, "d", anchor="middle")
    d.box(490, 256, 150, 50, "specials", "NaN, infinities", control=True)
    d.arrow((200, 267), (200, 314), (470, 314), (470, 282), (488, 282), dashed=True)
    d.arrow((640, 282), (792, 282), (792, 227), dashed=True)
    return d


def _npu() -> _Drawing:
    d = _Drawing(880, 400, "Datapath of the NPU")
    d.box(110, 120, 130, 136, "unified buffer", "feature maps,", "bytes at any", "address")
    d.arrow((16, 156), (108, 156))
    d.text(60, 148, "inputs", anchor="middle")
    d.arrow((110, 220), (16, 220))
    d.text(60, 212, "outputs", anchor="middle")
    d.box(280, 152, 100, 72, "gather", "windows; fill", "code outside")
    d.arrow((240, 188), (278, 188))
    d.box(430, 96, 140, 52, "systolic array", "CONVOLVE")
    d.box(430, 162, 140, 52, "depthwise unit", "DEPTHWISE")
    d.box(430, 228, 140, 52, "vector unit", "ADD, MAXIMUM, ...")
    for y in (122, 188, 254):
        d.arrow((380, 188), (404, 188), (404, y), (428, y))
        d.arrow((570, y), (594, y), (594, 188), (618, 188), head=y == 188)
    d.box(280, 20, 124, 44, "weight memory")
    d.arrow((404, 42), (500, 42), (500, 94))
    d.arrow((500, 42), (586, 42), (586, 172), (572, 172))
    d.box(620, 152, 110, 72, "accumulators", "two banks", "of INT32")
    d.arrow((730, 188), (758, 188))
    d.box(760, 152, 104, 72, "requantise", "bias, scale,", "clamp")
    d.box(760, 20, 104, 52, "parameters", "per channel")
    d.arrow((812, 72), (812, 150))
    d.box(620, 262, 110, 44, "tables", "256 words")
    d.arrow((620, 284), (602, 284), (602, 266), (572, 266))
    d.box(280, 300, 100, 40, "writer")
    d.arrow((850, 224), (850, 324), (382, 324))
    d.text(740, 342, "results, INT8", anchor="middle")
    d.arrow((280, 320), (175, 320), (175, 258))
    d.box(16, 344, 140, 44, "instructions", "fetch, check", control=True)
    d.arrow((156, 366), (188, 366), dashed=True)
    d.box(190, 344, 170, 44, "sequencer", "tiles, blocks, passes", control=True)
    d.arrow((262, 344), (262, 206), (278, 206), dashed=True)
    d.arrow((360, 366), (675, 366), (675, 308), dashed=True)
    d.text(372, 384, "weights and tables are loaded while the pass before runs")
    return d


DRAWINGS: dict[str, Callable[[], _Drawing]] = {
    "systolic": _systolic,
    "eie": _eie,
    "tensorcore": _tensorcore,
    "tensorcore_dot": _tensorcore_dot,
    "npu": _npu,
}
"""Drawing functions by the stem of their file."""


def write_drawings(folder: Path) -> None:
    """Write every drawing; unchanged files are not touched."""
    for name, draw in DRAWINGS.items():
        path, text = folder / f"{name}.svg", draw().svg()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda app: write_drawings(Path(app.srcdir, "pictures")))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write_drawings(Path(__file__).parents[1] / "pictures")
