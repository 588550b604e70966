"""What can be generated: every unit alone, and the description of the engine's interface."""

import re

import pytest
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.rtl.emit import verilog
from tercet.rtl.tensorcore.axi import REGISTERS
from tercet.rtl.tensorcore.generate import UNITS, engine_verilog, interface, unit

CONFIGS = {
    "any": TensorCoreConfig(),
    "ecp5": TensorCoreConfig.hopper(a_format="e4m3", b_format="e5m2", fold=4, family="ecp5"),
    "ice40": TensorCoreConfig(a_format="int8", overflow="saturate", fold=16, family="ice40"),
}


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("name", UNITS)
def test_units(name, family):
    """Each is a module of its own, every module below it defined once."""
    config = CONFIGS[family]
    if config.integers and name in ("product", "maximum", "align", "sum", "normalise", "pack", "specials"):
        with pytest.raises(ValueError, match=f"Unit '{name}' is of floating-point sums; int8 has none"):
            unit(config, name)
        return
    text = verilog(unit(config, name), name=name)
    modules = re.findall(r"^module (\w+)", text, re.M)
    assert modules[-1] == name
    assert len(set(modules)) == len(modules)


def test_refuses():
    with pytest.raises(ValueError, match="Unit 'alu' is unknown; use one of engine, dot, grid"):
        unit(TensorCoreConfig(), "alu")
    with pytest.raises(ValueError, match="fraction_bits 0 keeps all, which only the golden model does"):
        engine_verilog(TensorCoreConfig.exact())
    with pytest.raises(ValueError, match="l 6 is no size of a tree of adders; use 2, 4, 8, 16 or 32"):
        interface(TensorCoreConfig(l=6))
    with pytest.raises(ValueError, match="Pipeline of 15 clocks; with l 4 use 4 to 14"):
        unit(TensorCoreConfig(pipeline=15), "dot")
    with pytest.raises(ValueError, match="Pipeline of 8 clocks; with l 4 use 4 to 7"):
        unit(TensorCoreConfig(a_format="int8", pipeline=8), "dot")


def test_the_same_bytes_and_each_module_once():
    text = engine_verilog(CONFIGS["ecp5"])
    assert text == engine_verilog(CONFIGS["ecp5"])
    modules = re.findall(r"^module (\w+)", text, re.M)
    assert modules[-1] == "tensorcore"
    assert len(set(modules)) == len(modules)
    assert modules.count("tensorcore_dot") == 1


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_interface_names_every_port(config):
    """The ports of the Verilog are those of the manifest, with their widths."""
    top = engine_verilog(config).rpartition("\nmodule ")[2]
    found = interface(config)
    streams = [port for port in found["ports"] if port["protocol"] == "AXI4-Stream"]
    names = re.findall(r"^  (?:in|out)put \[\d+:0\] (\w+)_tdata;", top, re.M)
    assert sorted(port["name"] for port in streams) == sorted(names)
    for port in streams:
        assert f"put [{port['tdata_bits'] - 1}:0] {port['name']}_tdata;" in top
        assert port["packing"]
    registers = found["ports"][-1]["registers"]
    assert {name: register["address"] for name, register in registers.items()} == {
        name: register.address for name, register in REGISTERS.items()
    }
    assert found["golden"] == "tercet.golden.tensorcore.mma"
    assert "golden.tensorcore.cycles" in found["latency"]["formula"]
