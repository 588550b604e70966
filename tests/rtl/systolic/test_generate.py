"""What can be generated: every unit alone, and the description of the engine's interface."""

import re

import pytest
from tercet.golden.systolic import SystolicConfig
from tercet.rtl.emit import verilog
from tercet.rtl.systolic.axi import REGISTERS
from tercet.rtl.systolic.generate import UNITS, engine_verilog, interface, unit


@pytest.mark.parametrize("dataflow", ["ws", "os"])
@pytest.mark.parametrize("name", UNITS)
def test_units(name, dataflow):
    """Each is a module of its own, every module below it defined once."""
    config = SystolicConfig(rows=3, cols=4, acc_depth=8, dataflow=dataflow, mac="ecp5")
    text = verilog(unit(config, name), name=name)
    modules = re.findall(r"^module (\w+)", text, re.M)
    assert modules[-1] == name
    assert len(set(modules)) == len(modules)


def test_refuses():
    with pytest.raises(ValueError, match="Unit 'alu' is unknown; use one of engine, array, pe"):
        unit(SystolicConfig(), "alu")


@pytest.mark.parametrize("lanes", [0, 2])
def test_interface_names_every_port(lanes):
    """The ports of the Verilog are those of the manifest, with their widths."""
    config = SystolicConfig(rows=3, cols=4, acc_depth=8, requant_lanes=lanes)
    top = engine_verilog(config).rpartition("\nmodule ")[2]
    found = interface(config)
    streams = [port for port in found["ports"] if port["protocol"] == "AXI4-Stream"]
    names = re.findall(r"^  (?:in|out)put \[\d+:0\] (\w+)_tdata;", top, re.M)
    assert sorted(port["name"] for port in streams) == sorted(names)
    for port in streams:
        assert f"put [{port['tdata_bits'] - 1}:0] {port['name']}_tdata;" in top
        assert port["payload_bits"] <= port["tdata_bits"] < port["payload_bits"] + 8
        assert port["packing"]
    registers = found["ports"][-1]["registers"]
    assert {name: register["address"] for name, register in registers.items()} == {
        name: register.address for name, register in REGISTERS.items()
    }
    assert found["latency"]["example"]["cycles"] == config.cycles(64, 64, 64)
