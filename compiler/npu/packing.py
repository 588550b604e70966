"""Windows of few channels copied next to each other, so that they fill the rows of the array.

A kernel row of a first layer has few bytes: a pass of its own leaves most rows of the array idle. MAXIMUM copies, for
each result column, the bytes that its windows read in each row of the operand::

    operand row r:     0 0 a b c d e f 0     windows of 3 pixels, every second one, padded by 2
    result column 0:   0 0 a      rows r, r + 1, ... follow each other
    result column 1:   a b c
    result column 2:   c d e

A window is then one run of kernel rows x kernel columns x channels bytes, and the windows of a column overlap.
"""

from tercet.golden.networks.operators import Window
from tercet.golden.npu.instructions import FIELDS, Instruction, Opcode

from .lowering import Lowering
from .views import Storage, View

__all__ = ["pack", "packed_bytes"]

_LIMITS = {field.name: field.bounds[1] for field in FIELDS}


def packed_bytes(low: Lowering, window: Window) -> int:
    """Return the bytes of the packed windows of an operator; 0 if packing is impossible or saves no passes.

    Parameters
    ----------
    low : Lowering
        Operator with one operand and its result.
    window : Window
        Its windows.
    """
    (x,), rows = low.inputs, low.config.rows
    kernel, width = window.kernel[0], window.kernel[1] * x.channels
    contiguous = window.kernel[1] == 1 or (window.dilation[1] == 1 and x.pixel == x.channels)
    size = _height(low.output, window) * low.output.cols * width
    fits = kernel * width <= _LIMITS["run"] and size <= _LIMITS["row_bytes"]
    fewer = -(-kernel * width // rows) < kernel * -(-width // rows)
    return size if contiguous and window.dilation[0] == 1 and fits and fewer else 0


def pack(low: Lowering, scratch: Storage, window: Window, fill: int) -> tuple[list[Instruction], View]:
    """Copy the windows of an operator to a storage of `packed_bytes`.

    Parameters
    ----------
    low : Lowering
        Operator with one operand and its result.
    scratch : Storage
        Destination.
    window : Window
        The operator's windows.
    fill : int
        Code outside the operand.

    Returns
    -------
    (list of Instruction, View)
        Copies, and the windows as a map of result rows and columns, with the bytes of a window as channels.
    """
    (x,), y = low.inputs, low.output
    (kernel, cols), (down, across), (top, _, left, _) = window.kernel, window.stride, window.padding
    width, height = cols * x.channels, _height(y, window)
    # Overlapping pixels: the bytes of a kernel row from each pixel on.
    source = View(x.storage, x.offset, x.row, x.pixel, x.rows, x.cols - cols + 1, width)
    target = View(scratch, 0, width, height * width, height, y.cols, width)
    step = Window(kernel=(1, 1), stride=(1, across), padding=(top, 0, left, 0))
    copies = low.windows(Opcode.MAXIMUM, source, target, step, low.identity() | {"fill": fill})
    return copies, View(scratch, 0, down * width, height * width, y.rows, y.cols, kernel * width)


def _height(output: View, window: Window) -> int:
    """Operand rows, padding included, that the windows of a result column read."""
    return (output.rows - 1) * window.stride[0] + window.kernel[0]
