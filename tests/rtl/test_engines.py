"""What holds of every engine's generated files: units, modules, the manifest's ports and registers."""

import importlib
import re

import pytest
from tercet.golden.eie import EieConfig
from tercet.golden.systolic import SystolicConfig
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.rtl.eie import axi as eie_axi
from tercet.rtl.eie import generate as eie
from tercet.rtl.emit import verilog
from tercet.rtl.systolic import axi as systolic_axi
from tercet.rtl.systolic import generate as systolic
from tercet.rtl.tensorcore import axi as tensorcore_axi
from tercet.rtl.tensorcore import generate as tensorcore

REGISTERS = {
    systolic: systolic_axi.REGISTERS,
    eie: eie_axi.REGISTERS,
    tensorcore: tensorcore_axi.REGISTERS,
}
ENGINES = {
    "systolic-ws": (systolic, SystolicConfig(rows=3, cols=4, acc_depth=8, mac="ecp5")),
    "systolic-os": (systolic, SystolicConfig(rows=3, cols=4, acc_depth=8, dataflow="os", requant_lanes=2)),
    "eie-any": (eie, EieConfig(n_pe=3, fifo_depth=2, matrix_depth=16, pointer_depth=32, act_depth=8)),
    "eie-ecp5": (eie, EieConfig(n_pe=5, code_bits=3, index_bits=2, family="ecp5")),
    "eie-ice40": (eie, EieConfig(n_pe=1, family="ice40")),
    "tensorcore-any": (tensorcore, TensorCoreConfig()),
    "tensorcore-ecp5": (
        tensorcore,
        TensorCoreConfig.hopper(a_format="e4m3", b_format="e5m2", fold=4, family="ecp5"),
    ),
    "tensorcore-int8": (
        tensorcore,
        TensorCoreConfig(a_format="int8", overflow="saturate", fold=16, family="ice40"),
    ),
}
# What a config has no use for.
FLOATS = ("product", "maximum", "align", "sum", "normalise", "pack", "specials", "conventional")
UNITS = [
    (engine, name)
    for engine, (rtl, _) in ENGINES.items()
    for name in rtl.UNITS
    if not (engine == "tensorcore-int8" and name in FLOATS)
]


@pytest.mark.parametrize(("engine", "name"), UNITS)
def test_units(engine, name):
    """Each is a module of its own, every module below it defined once."""
    rtl, config = ENGINES[engine]
    text = verilog(rtl.unit(config, name), name=name)
    modules = re.findall(r"^module (\w+)", text, re.M)
    assert modules[-1] == name
    assert len(set(modules)) == len(modules)


@pytest.mark.parametrize("engine", ENGINES)
def test_unknown_unit(engine):
    rtl, config = ENGINES[engine]
    with pytest.raises(ValueError, match=f"Unit 'alu' is unknown; use one of {', '.join(rtl.UNITS)}"):
        rtl.unit(config, "alu")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_bytes_and_each_module_once(engine):
    rtl, config = ENGINES[engine]
    text = rtl.engine_verilog(config)
    assert text == rtl.engine_verilog(config)
    modules = re.findall(r"^module (\w+)", text, re.M)
    assert modules[-1] == engine.partition("-")[0]
    assert len(set(modules)) == len(modules)


@pytest.mark.parametrize("engine", ENGINES)
def test_interface_names_every_port(engine):
    """The ports of the Verilog are those of the manifest, with their widths."""
    rtl, config = ENGINES[engine]
    top = rtl.engine_verilog(config).rpartition("\nmodule ")[2]
    found = rtl.interface(config)
    streams = [port for port in found["ports"] if port["protocol"] == "AXI4-Stream"]
    names = re.findall(r"^  (?:in|out)put \[\d+:0\] (\w+)_tdata;", top, re.M)
    assert sorted(port["name"] for port in streams) == sorted(names)
    for port in streams:
        assert f"put [{port['tdata_bits'] - 1}:0] {port['name']}_tdata;" in top
        assert port["payload_bits"] <= port["tdata_bits"] < port["payload_bits"] + 8
        assert port["packing"]
    # What it names exists.
    module, _, function = found["golden"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))
    assert found["latency"]
    registers = found["ports"][-1]["registers"]
    assert {name: register["address"] for name, register in registers.items()} == {
        name: register.address for name, register in REGISTERS[rtl].items()
    }


@pytest.mark.parametrize("rtl", REGISTERS, ids=lambda rtl: rtl.__name__.split(".")[-2])
def test_registers(rtl):
    """Addresses are words, none twice, fields inside and apart."""
    registers = REGISTERS[rtl].values()
    addresses = [register.address for register in registers]
    assert len(set(addresses)) == len(registers)
    assert max(addresses) < 128
    for register in registers:
        assert register.address % 4 == 0
        ranges = sorted(register.fields.values())
        assert all(low + bits <= 32 for low, bits in ranges)
        assert all(a[0] + a[1] <= b[0] for a, b in zip(ranges, ranges[1:], strict=False))
