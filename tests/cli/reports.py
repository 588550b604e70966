"""Build reports of simulated builds."""

from tercet.boards.bitstream import BuildReport


def pretended(board, soc, **fields):
    """Fake `BuildReport`; only the names are real."""
    return BuildReport(
        **{
            "board": board,
            "device": "D",
            "engine": soc.engine,
            "params": {},
            "depths": {},
            "clock_hz": soc.clock_hz,
            "baud": soc.baud,
            "bitstream": f"{board}_{soc.engine}.bit",
            "build": "",
            "utilisation": {"lut4": {"used": 12, "available": 34}, "spram": {"used": 0, "available": 0}},
            "fmax_mhz": {"clk": {"reached": 80.04, "asked": 75.0}},
            "timing_met": True,
            "seed": 1,
            "placer": "heap",
            "attempts": [],
            "seconds": {},
            "tools": {},
            **fields,
        }
    )
