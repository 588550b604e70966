"""Properties of every engine: units, modules, the manifest's ports and registers."""

import importlib
import re

import pytest
from tercet.engines import ENGINES
from tercet.golden.eie.config import EieConfig
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.emit import verilog

# In addition to the default config of every registered engine.
CASES = {
    "systolic-ws": SystolicConfig(rows=3, cols=4, acc_depth=8, mac="ecp5"),
    "systolic-dual": SystolicConfig(rows=3, cols=4, acc_depth=8, mac="ecp5-dual"),
    "systolic-os": SystolicConfig(rows=3, cols=4, acc_depth=8, dataflow="os", requant_lanes=2),
    "eie-any": EieConfig(n_pe=3, fifo_depth=2, matrix_depth=16, pointer_depth=32, act_depth=8),
    "eie-ecp5": EieConfig(n_pe=5, code_bits=3, index_bits=2, family="ecp5"),
    "eie-ice40": EieConfig(n_pe=1, family="ice40"),
    "tensorcore-any": TensorCoreConfig(),
    "tensorcore-ecp5": TensorCoreConfig.hopper(a_format="e4m3", b_format="e5m2", fold=4, family="ecp5"),
    "tensorcore-int8": TensorCoreConfig(a_format="int8", overflow="saturate", fold=16, family="ice40"),
}
CASES |= {f"{name}-default": spec.model.config_class() for name, spec in ENGINES.items()}
# Units that int8 configs do not use.
FLOATS = ("product", "maximum", "align", "sum", "normalise", "pack", "specials", "conventional")
UNITS = [
    (case, unit)
    for case in CASES
    for unit in ENGINES[case.partition("-")[0]].units
    if not (case == "tensorcore-int8" and unit in FLOATS) and not case.endswith("-default")
]


def spec_and_config(case):
    return ENGINES[case.partition("-")[0]], CASES[case]


@pytest.mark.parametrize(("case", "unit"), UNITS)
def test_units(case, unit):
    """Each unit is a module, and every module below it is defined once."""
    spec, config = spec_and_config(case)
    text = verilog(spec.unit(config, unit), name=unit)
    modules = re.findall(r"^module (\w+)", text, re.M)
    assert modules[-1] == unit
    assert len(set(modules)) == len(modules)


@pytest.mark.parametrize("name", ENGINES)
def test_unknown_unit(name):
    spec = ENGINES[name]
    with pytest.raises(ValueError, match=f"Unit 'alu' is unknown; use one of {', '.join(spec.units)}"):
        spec.unit(spec.model.config_class(), "alu")


def test_unit_of_other_formats():
    spec, config = spec_and_config("tensorcore-int8")
    with pytest.raises(ValueError, match="Unit 'align' is for floating point only, not for int8; use dot for example"):
        spec.unit(config, "align")


@pytest.mark.parametrize("case", CASES)
def test_the_same_bytes_and_each_module_once(case):
    spec, config = spec_and_config(case)
    text = spec.verilog(config)
    assert text == spec.verilog(config)
    modules = re.findall(r"^module (\w+)", text, re.M)
    assert modules[-1] == spec.name
    assert len(set(modules)) == len(modules)
    # Amaranth calls a signal "signal" where it finds no variable to name it after.
    assert re.findall(r"\b(?:reg|wire)\s+(?:\[[^]]*\]\s*)?(signal(?:__\d+)?)\b", text) == []


@pytest.mark.parametrize("case", CASES)
def test_streams_are_those_of_the_model(case):
    """Streams match the model in name, order, width and direction."""
    spec, config = spec_and_config(case)
    spec.check(config)


@pytest.mark.parametrize("case", CASES)
def test_interface_names_every_port(case):
    """The Verilog has the ports of the manifest, with the same widths."""
    spec, config = spec_and_config(case)
    top = spec.verilog(config).rpartition("\nmodule ")[2]
    interface = spec.interface(config)
    streams = [port for port in interface["ports"] if port["protocol"] == "AXI4-Stream"]
    names = re.findall(r"^  (?:in|out)put \[\d+:0\] (\w+)_tdata;", top, re.M)
    assert sorted(port["name"] for port in streams) == sorted(names)
    for port in streams:
        assert f"put [{port['tdata_bits'] - 1}:0] {port['name']}_tdata;" in top
        # The smallest power of two of bytes that holds the payload.
        assert port["tdata_bits"] & (port["tdata_bits"] - 1) == 0
        assert port["payload_bits"] <= port["tdata_bits"] < max(9, 2 * port["payload_bits"])
        assert port["packing"]
    # The golden function exists.
    module, _, function = interface["golden"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))
    assert interface["latency"]
    registers = interface["ports"][-1]["registers"]
    assert {name: register["address"] for name, register in registers.items()} == {
        name: register.address for name, register in spec.model.registers.items()
    }


@pytest.mark.parametrize("name", ENGINES)
def test_registers(name):
    """Registers are word-aligned and distinct, fields fit without overlap; common registers have fixed addresses."""
    registers = ENGINES[name].model.registers
    addresses = [register.address for register in registers.values()]
    assert len(set(addresses)) == len(registers)
    assert {key: registers[key].address for key in ("id", "size", "status", "control")} == {
        "id": 0x00,
        "size": 0x04,
        "status": 0x08,
        "control": 0x0C,
    }
    assert list(registers["status"].fields)[:2] == ["running", "error"]
    for register in registers.values():
        assert register.address % 4 == 0
        ranges = sorted(register.fields.values())
        assert all(low + bits <= 32 for low, bits in ranges)
        assert all(a[0] + a[1] <= b[0] for a, b in zip(ranges, ranges[1:], strict=False))


def test_format_numbers_never_change():
    """Existing boards report these numbers in their registers."""
    from tercet.golden.tensorcore.engine import FORMAT_NUMBERS

    assert FORMAT_NUMBERS == {
        "fp32": 0,
        "tf32": 1,
        "fp16": 2,
        "bf16": 3,
        "e4m3": 4,
        "e5m2": 5,
        "int8": 6,
        "int32": 7,
    }
