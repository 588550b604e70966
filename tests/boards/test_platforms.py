"""Platforms that amaranth-boards lacks or that are outdated there."""

import json

import pytest
from amaranth import *
from amaranth.lib import io
from tercet.boards.platforms import PLATFORMS, ColorlightI5Platform, OrangeCrab25FPlatform, TangNano9kPlatform


class Wire(Elaboratable):
    """Connects the UART's input to its output through a register, and to an LED."""

    def __init__(self, led):
        self.led = led

    def elaborate(self, platform):
        m = Module()
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer(io.Direction.Input, uart.rx)
        m.submodules.tx = tx = io.Buffer(io.Direction.Output, uart.tx)
        m.d.sync += tx.o.eq(rx.i)
        if self.led:
            m.submodules.led = led = io.Buffer(io.Direction.Output, platform.request(self.led, 0, dir="-"))
            m.d.comb += led.o.eq(rx.i)
        return m


def test_colorlight_i5():
    plan = ColorlightI5Platform().build(Wire("led"), do_build=False)
    text = plan.files["top.lpf"]
    for port, pin in (
        ("clk25_0__io", "P3"),
        ("uart_0__rx__io", "H18"),
        ("uart_0__tx__io", "J17"),
        ("led_0__io", "U16"),
    ):
        assert f'LOCATE COMP "{port}" SITE "{pin}";' in text
    assert 'FREQUENCY PORT "clk25_0__io" 25000000.0 HZ;' in text
    _, place, pack = json.loads(plan.files["build_top.json"])["commands"]
    assert place[place.index("--package") + 1] == "CABGA381"
    assert "--25k" in place
    assert "--compress" in pack


def test_orangecrab_has_a_uart_on_its_header():
    text = OrangeCrab25FPlatform().build(Wire(None), do_build=False).files["top.lpf"]
    assert 'LOCATE COMP "uart_0__rx__io" SITE "N17";' in text
    assert 'LOCATE COMP "uart_0__tx__io" SITE "M18";' in text
    assert "PULLMODE=UP" in text


def test_tang_nano_uses_todays_tools():
    plan = TangNano9kPlatform().build(Wire("led"), do_build=False, nextpnr_opts="--seed 7")
    yosys, place, pack = json.loads(plan.files["build_top.json"])["commands"]
    assert (yosys[0], place[0], pack[0]) == ("yosys", "nextpnr-himbaechel", "gowin_pack")
    options = [tuple(place[n : n + 2]) for n in range(len(place))]
    assert {("--vopt", "family=GW1N-9C"), ("--vopt", "cst=top.cst"), ("--seed", "7")} <= set(options)
    assert ("--device", "GW1NR-LV9QN88PC6/I5") in options
    assert not {"--family", "--cst"} & set(place)
    assert "NEXTPNR_HIMBAECHEL:=nextpnr-himbaechel" in plan.files["build_top.sh"]
    assert 'IO_LOC "uart_0__rx__io" 18;' in plan.files["top.cst"]


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_has_a_uart_and_a_clock(name):
    platform = PLATFORMS[name]()
    assert platform.default_clk_frequency >= 12e6
    uart = platform.request("uart", 0, dir="-")
    assert uart.rx.direction == io.Direction.Input
    assert uart.tx.direction == io.Direction.Output
