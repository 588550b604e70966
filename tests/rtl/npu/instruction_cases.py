"""Random instructions for the tests of the NPU's control, and the loops that they stand for."""

from tercet.golden.npu.instructions import FIELDS, Instruction, Opcode

__all__ = ["BINARY", "beats", "blocks", "fields", "random_instruction", "tiles"]

BINARY = (Opcode.ADD, Opcode.MULTIPLY, Opcode.LARGER)
"""Operations on two operands."""


def random_instruction(generator, config, opcode, **given):
    """Instruction with random fields of all widths, and counts that keep it short; `given` overrides."""
    values = {}
    for field in FIELDS:
        low, high = field.bounds
        values[field.name] = generator.choice(
            (low, high, 0, generator.randint(low, high), generator.randint(low, high))
        )
    out_rows, out_cols = generator.randint(1, 4), generator.randint(1, 3)
    most = min(max(1, config.acc_depth // out_cols), 4)
    depthwise = opcode == Opcode.DEPTHWISE
    values |= {
        "opcode": opcode,
        "out_rows": out_rows,
        "out_cols": out_cols,
        "channels": generator.randint(1, 3 * config.cols),
        "block": generator.randint(1, most),
        "kernel_rows": generator.randint(1, 3),
        "kernel_cols": generator.randint(1, 3),
        "run": generator.randint(1, 3 * config.rows),
        "taps": generator.randint(1, config.window_taps) if depthwise else 1,
        "stride_cols": generator.randint(1, 3) if depthwise else 1,
        "table": generator.randrange(max(1, config.tables)),
        "other_table": generator.randrange(max(1, config.tables)),
        "low": generator.randint(-128, 0),
        "high": generator.randint(0, 127),
        "rounding": generator.randrange(3),
        **given,
    }
    del values["opcode"]
    return Instruction(opcode, **values)


def fields(instruction):
    """Fields of an instruction as a payload."""
    return {field.name: getattr(instruction, field.name) for field in FIELDS}


def tiles(instruction, config):
    """First channel and number of channels of each tile."""
    for first in range(0, instruction.channels, config.cols):
        yield first, min(config.cols, instruction.channels - first)


def blocks(instruction):
    """First row and number of rows of each block."""
    for first in range(0, instruction.out_rows, instruction.block):
        yield first, min(instruction.block, instruction.out_rows - first)


def beats(instruction, config):
    """Clocks of the drain: channel, row and pixel of the first code, and its beat."""
    found = []
    tile_list, block_list = list(tiles(instruction, config)), list(blocks(instruction))
    for tile, width in tile_list:
        for first, rows in block_list:
            for row in range(first, first + rows):
                for pixel in range(instruction.out_cols):
                    for column in range(0, width, config.lanes):
                        found.append((tile + column, row, pixel))
    described = []
    for n, (channel, row, pixel) in enumerate(found):
        after = found[n + 1] if n + 1 < len(found) else (None, None, None)
        tile = channel // config.cols
        tile_end = after[0] is None or after[0] // config.cols != tile
        row_end = tile_end or after[1] != row
        width = min(config.cols, instruction.channels - tile * config.cols)
        described.append(
            {
                "count": min(config.lanes, width - channel % config.cols),
                "pixel_end": int(row_end or after[2] != pixel),
                "row_end": int(row_end),
                "tile_end": int(tile_end),
                "layer_end": int(after[0] is None),
            }
        )
    return list(zip(found, described, strict=True))
