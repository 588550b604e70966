"""Engine that ``tercet run`` uses: set by flags on a simulated board, fixed by the bitstream on a real one."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercet.boards.catalog import board
from tercet.boards.host.device import Device
from tercet.boards.host.networks import BoardNetwork, Compressed
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.sizing import NetworkTooLarge, check_board
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.sizing import DEPTHS

from .board_engine import board_soc
from .eie_sizing import eie_fields, field_flags, follows_ranges
from .engines import ENGINES

__all__ = ["Given", "check_real", "chosen_for", "simulated_name", "simulated_soc"]


@dataclass(frozen=True)
class Given:
    """Flags of an engine and its buffers, as given on the command line."""

    preset: str | None
    config_file: Path | None
    depths: Mapping[str, int]
    flags: Mapping[str, Any]

    @property
    def words(self) -> list[str]:
        """The given flags, as typed."""
        given = [] if self.preset is None else [f"--preset {self.preset}"]
        given += [] if self.config_file is None else [f"--config {self.config_file}"]
        given += [field_flags({name: value}) for name, value in self.flags.items() if value is not None]
        return given + [f"--depth {name}={words}" for name, words in self.depths.items()]

    def applied(self, network: BoardNetwork, path: Path) -> BoardNetwork:
        """The network with its own fraction bits, or the engine's if flags set them.

        Raises
        ------
        ValueError
            If a flag does not belong to the network's engine.
        """
        self.check(network.engine, path)
        if isinstance(network, Compressed):
            fields = eie_fields(self.preset, self.config_file, self.flags)
            return dataclasses.replace(network, ranges=follows_ranges(fields))
        return network

    def check(self, engine: str, network: Path) -> None:
        """Reject flags that do not belong to an engine."""
        own = [field.name for field in dataclasses.fields(ENGINES[engine].model.config_class)]
        alien = [
            field_flags({name: value}) for name, value in self.flags.items() if value is not None and name not in own
        ]
        if self.preset is not None and self.preset not in ENGINES[engine].model.presets:
            alien.insert(0, f"--preset {self.preset}")
        if alien:
            no_flag, them = ("is not a flag", "it") if len(alien) == 1 else ("are not flags", "them")
            raise ValueError(
                f"{', '.join(alien)} {no_flag} of engine {engine}, which {str(network)!r} runs on; leave {them} out"
            )

    def refuse(self, where: str, engine: str) -> None:
        """Reject all flags, for a real board."""
        if self.words:
            words = " ".join(self.words)
            raise ValueError(
                f"{words} cannot change the engine on {where!r}, which its bitstream fixes; leave it out, or load "
                f"another bitstream, with BOARD from `tercet boards`: tercet build {engine} --board BOARD {words} && "
                "tercet flash --board BOARD"
            )


def simulated_name(where: str) -> str:
    """Board of ``sim:BOARD`` or ``sim:BOARD,bytes``."""
    return where.removeprefix("sim:").partition(",")[0]


def simulated_soc(
    where: str, network: BoardNetwork, given: Given, baud: int | None, inputs: Any, *, engine: str | None = None
) -> SocConfig:
    """SoC configuration of ``sim:BOARD`` for a network and its inputs; raises as `board_soc` does.

    `engine` defaults to the network's.
    """
    options = {"network": network, "inputs": inputs, "depths": given.depths, "baud": baud}
    name, kind = simulated_name(where), engine or network.engine
    return board_soc(name, kind, given.preset, given.config_file, given.flags, **options)


def check_real(device: Device, network: BoardNetwork, path: Path, inputs: Any) -> None:
    """Reject a network too large for a connected board, naming the commands that build a larger engine."""
    try:
        check_board(device.info.soc, network, inputs)
    except NetworkTooLarge as error:
        name = device.info.soc.board or "BOARD"
        raise ValueError(
            f"{error.shortage}; build and load an engine for it: tercet build eie --board {name} --model {path} && "
            f"tercet flash --board {name}"
        ) from None


def chosen_for(soc: SocConfig, network: BoardNetwork, given: Given, *, simulated: bool) -> dict[str, str]:
    """Table rows for the depths of an EIE engine, marking those that were chosen for the network."""
    if not isinstance(network, Compressed):
        return {}
    bits = [name for name in ("code_bits", "index_bits") if getattr(soc.config, name) != getattr(EieConfig(), name)]
    rows = {name: str(getattr(soc.config, name)) for name in (*bits, *DEPTHS)}
    if simulated:
        usual = EieConfig(**board(soc.board).preset(soc.engine).params)
        fixed = eie_fields(given.preset, given.config_file, given.flags)
        for name, value in rows.items():
            if name not in fixed and getattr(soc.config, name) != getattr(usual, name):
                rows[name] = f"{value}, chosen"
    return rows
