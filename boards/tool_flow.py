"""Tool flow of a bitstream: yosys, nextpnr with one or several seeds and placers, and the family's packer."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tercet.engines import engine_spec
from tercet.rtl.yowasp import cache_problem

from .catalog import Board
from .fpga.attempts import Attempt, best_attempt
from .fpga.constants import localise_constants
from .fpga.crossings import Crossing, find_crossings
from .fpga.floorplan import fixed_sites
from .fpga.netlist import SynthesisError, cell_counts, check_fits, run_yosys
from .fpga.nextpnr import PLACERS, RoutedDesign, place_and_route
from .host.soc_config import SocConfig
from .soc.crossing import CROSSINGS
from .soc.top import CLOCK_NETS

__all__ = ["ToolFlow"]


class ToolFlow:
    """The steps of the tool flow, run in a work folder."""

    def __init__(
        self, found: Board, soc: SocConfig, work: Path, progress: Callable[[str], None], watch: Callable[[str], None]
    ):
        self.board, self.soc, self.work, self.progress, self.watch = found, soc, work, progress, watch
        self.seconds: dict[str, float] = {}
        self.packed = ""
        self.crossings: list[Crossing] = []

    def synthesise(self) -> dict[str, dict[str, int]]:
        """Synthesise the Verilog; return cells used and available by kind."""
        device = self.board.device
        # An engine written for one family instantiates its own multiplier blocks; nothing is left to infer.
        infer = self.soc.family == "any"
        multipliers = engine_spec(self.soc.engine).multipliers(self.soc.config, "engine")
        sites = fixed_sites(multipliers, device)
        script = device.fabric.script("top", infer_dsp=infer, json=device.fabric.netlist, sites=sites)
        started = time.monotonic()
        self.watch("synthesising")
        run_yosys(f"read_verilog soc.v; read_rtlil top.il; {script}", self.work)
        localise_constants(self.work / device.fabric.netlist, device.name)
        cells = cell_counts(self.work / device.fabric.netlist, device)
        check_fits(cells, device, self.soc.engine, self.board.name)
        if self.soc.two_clocks:
            self.crossings = find_crossings(self.work / device.fabric.netlist, CLOCK_NETS, CROSSINGS)
        shown = ", ".join(f"{count} {kind}" for kind, count in cells.items() if count)
        self._done("yosys", started, f"synthesised: {shown}")
        return {kind: {"used": count, "available": device.capacity[kind]} for kind, count in cells.items()}

    def place(self, command: list[str], tries: Sequence[tuple[int, str]], jobs: int) -> tuple[Attempt, list[Attempt]]:
        """Place and route the netlist; the results of the best attempt end in the work folder."""
        started = time.monotonic()

        def folder(seed: int, placer: str) -> Path:
            return self.work / f"seed{seed}_{placer}" if len(tries) > 1 else self.work

        def place(seed: int, placer: str, stop: Callable[[], bool]) -> RoutedDesign:
            where = folder(seed, placer)
            if where != self.work:
                where.mkdir()
                for file in self.work.glob("top.*"):
                    (where / file.name).hardlink_to(file)
                for file in self.work.glob("*.sdc"):
                    (where / file.name).hardlink_to(file)
            routed = place_and_route(
                [*command, "--seed", str(seed), *PLACERS[placer]],
                where,
                log="top.tim",
                report="report.json",
                target=self.board.name,
                watch=lambda now: self.watch(now if len(tries) == 1 else f"seed {seed}, placer {placer}: {now}"),
                stop=stop,
            )
            if not self.soc.two_clocks:
                return routed
            return replace(
                routed,
                clocks={CLOCK_NETS.get(net, net): clock for net, clock in routed.clocks.items()},
                between={(CLOCK_NETS[a], CLOCK_NETS[b]): delay for (a, b), delay in routed.between.items()},
            )

        several = len(tries) > 1
        watch = self.watch if several else lambda state: None
        best, attempts = best_attempt(tries, place, folder, jobs=jobs, watch=watch)
        if best.folder != self.work:
            for file in best.folder.iterdir():
                file.replace(self.work / file.name)
        assert best.routed is not None
        shown = ", ".join(
            f"{clock['reached']:.1f} MHz of {clock['asked']:.1f}" for clock in best.routed.clocks.values()
        )
        chosen = f" with seed {best.seed}, placer {best.placer}, of {len(attempts)} tried" if several else ""
        self._done("nextpnr", started, f"placed and routed: {shown}{chosen}")
        return best, attempts

    def pack(self, command: list[str]) -> Path:
        """Pack the routed design into a bitstream."""
        started = time.monotonic()
        self.watch("packing")
        done = subprocess.run(command, cwd=self.work, capture_output=True, text=True, check=False)
        self.packed = done.stdout + done.stderr
        products = [path for suffix in ("bit", "bin", "fs") if (path := self.work / f"top.{suffix}").exists()]
        if done.returncode != 0 or not products:
            lines = self.packed.strip().splitlines() or [f"exit status {done.returncode}"]
            problem = cache_problem(command[0], self.packed)
            raise SynthesisError(problem or f"{Path(command[0]).name}: {lines[-1]}")
        self._done("pack", started, f"packed: {products[0].stat().st_size} bytes")
        return products[0]

    def log(self) -> str:
        """Return the output of the tools so far."""
        logs = [self.work / "yosys.log", self.work / "top.tim", *sorted(self.work.glob("seed*/top.tim"))]
        return "".join(path.read_text() for path in logs if path.exists()) + self.packed

    def _done(self, stage: str, started: float, line: str) -> None:
        self.seconds[stage] = round(time.monotonic() - started, 1)
        self.progress(f"{line}, in {self.seconds[stage]:.0f} s")
