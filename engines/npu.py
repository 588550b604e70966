"""The NPU."""

from typing import Any

from tercet.golden.npu.commands import COMMAND_FIELDS, Command, Memory, beats_per_word
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.engine import MODEL
from tercet.golden.npu.instructions import FIELDS
from tercet.rtl.npu.buffer import UnifiedBuffer
from tercet.rtl.npu.depthwise import DepthwiseUnit
from tercet.rtl.npu.drain import Drain
from tercet.rtl.npu.engine import Engine
from tercet.rtl.npu.fetch import InstructionFetch
from tercet.rtl.npu.host import HostPort
from tercet.rtl.npu.lanes import Lane
from tercet.rtl.npu.loader import WeightLoader
from tercet.rtl.npu.machine import Machine
from tercet.rtl.npu.parameters import ParameterFetch
from tercet.rtl.npu.read_write import ReadWrite
from tercet.rtl.npu.sequencer import Sequencer
from tercet.rtl.npu.vector import VectorUnit
from tercet.rtl.npu.writer import Writer
from tercet.rtl.systolic.accumulators import Accumulators
from tercet.rtl.systolic.array import SystolicArray, multiplier_paths

from .spec import EngineSpec

__all__ = ["SPEC"]


_UNITS = {
    # Reads and writes of the unified buffer with their address generation.
    "gather": lambda config: ReadWrite(config=config),
    "buffer": lambda config: UnifiedBuffer(config=config),
    "array": lambda config: SystolicArray(config=config.array, weight_rows=config.memory_word_rows),
    "accumulators": lambda config: Accumulators(config=config.array, lut_ram=True, sum_width=32),
    "depthwise": lambda config: DepthwiseUnit(config=config),
    "vector": lambda config: VectorUnit(config=config),
    "requantizer": lambda config: Lane(mac=config.mac, chunks=config.chunks),
    "fetch": lambda config: InstructionFetch(config=config),
    "sequencer": lambda config: Sequencer(config=config),
    "loader": lambda config: WeightLoader(config=config),
    "parameters": lambda config: ParameterFetch(config=config),
    "drain": lambda config: Drain(config=config),
    "writer": lambda config: Writer(config=config),
    "host": lambda config: HostPort(config=config),
    "machine": lambda config: Machine(config=config),
}


def _facts(config: NpuConfig) -> dict[str, Any]:
    return {
        "order": {
            "commands": {command.name: int(command) for command in Command},
            "fields": COMMAND_FIELDS,
            "memories": {
                memory.name: {"number": int(memory), "beats_per_word": beats_per_word(config, memory)}
                for memory in Memory
            },
            "program": "tercet.golden.npu.operands.load(program, transcript)",
            "instruction": {field.name: -field.bits if field.signed else field.bits for field in FIELDS},
        },
        "latency": {"formula": "Program.cycles: start of a run to its last byte written"},
        "golden": "tercet.golden.npu.program.Program",
    }


def _multipliers(config: NpuConfig, unit: str) -> list[list[str]]:
    holds_array = unit in ("engine", "machine", "array")
    return multiplier_paths(config.array, config.memory_word_rows) if holds_array else []


SPEC = EngineSpec(model=MODEL, component=Engine, units=_UNITS, facts=_facts, multipliers=_multipliers)
"""Whole int8 networks."""
