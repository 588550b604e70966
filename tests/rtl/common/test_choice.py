"""Multiplexers and inversions in front of an adder, 4:1 multiplexers, and shifts built from them, on every family."""

import random

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.choice import add_chosen, add_inverted, add_ternary, choose
from tercet.rtl.common.shift import shift_left, shift_right
from tercet.rtl.emit import verilog
from tercet.rtl.primitives import used
from tercet.rtl.primitives.ccu2c import AddChosen, AddInverted, AddTernary
from tercet.rtl.primitives.pfumx import ChooseOfFour
from tercet.sim import simulators
from tercet.sim.bench import Job, StreamPort, run

# Shapes of `term`, `chosen` and `otherwise`, and the width of the sum.
SUMS = [
    *((unsigned(width),) * 3 + (width,) for width in (1, 2, 3, 9, 36)),
    (unsigned(5), unsigned(9), unsigned(9), 9),
    (signed(4), signed(6), unsigned(7), 9),
    (unsigned(10), signed(5), signed(5), 6),
]
# Widths of the shifted values, and of each multiplexer's inputs.
SHIFTS = (1, 2, 6, 7, 8, 28)
CHOICES = [[1] * 4, [9] * 4, [3, 5, 8, 2], [9] * 2, [5] * 3, [6] * 5, [4] * 8]


def names():
    """Map the inputs of all sums, multiplexers and shifts to their shapes."""
    inputs = {}
    for n, (term, chosen, otherwise, _) in enumerate(SUMS):
        inputs |= {f"term{n}": term, f"chosen{n}": chosen, f"otherwise{n}": otherwise, f"choice{n}": unsigned(1)}
        inputs[f"weight{n}"] = signed(2)
    for n, widths in enumerate(CHOICES):
        inputs |= {f"value{n}_{k}": unsigned(width) for k, width in enumerate(widths)}
        inputs[f"number{n}"] = unsigned((len(widths) - 1).bit_length())
    for n, width in enumerate(SHIFTS):
        inputs |= {f"shifted{n}": unsigned(width), f"amount{n}": unsigned(3), f"invert{n}": unsigned(1)}
    return inputs


INPUTS = names()
OUTPUTS = [width for *_, width in SUMS for _ in range(3)] + [max(widths) for widths in CHOICES]
OUTPUTS += [width for width in SHIFTS for _ in range(3)]


class Choices(wiring.Component):
    """All sums, multiplexers and shifts side by side: one payload in, one payload out a clock later."""

    def __init__(self, family):
        self.family = family
        i_width = sum(shape.width for shape in INPUTS.values())
        super().__init__({"i": In(stream.Signature(i_width)), "o": Out(stream.Signature(sum(OUTPUTS)))})

    def elaborate(self, platform):
        m = Module()
        value = {name: Signal(shape, name=name) for name, shape in INPUTS.items()}
        m.d.comb += Cat(value.values()).eq(self.i.payload)
        outputs = []
        for n, (*_, width) in enumerate(SUMS):
            term, choice, chosen, otherwise = (
                value[f"{part}{n}"] for part in ("term", "choice", "chosen", "otherwise")
            )
            outputs.append(add_chosen(m, f"sum{n}", self.family, term, choice, chosen, otherwise, width))
            outputs.append(add_inverted(m, f"difference{n}", self.family, term, otherwise, choice, width))
            weight = value[f"weight{n}"]
            outputs.append(add_ternary(m, f"ternary{n}", self.family, term, otherwise, weight, width))
        for n, widths in enumerate(CHOICES):
            among = [value[f"value{n}_{k}"] for k in range(len(widths))]
            outputs.append(choose(m, f"chosen_of{n}", self.family, among, value[f"number{n}"]))
        for n in range(len(SHIFTS)):
            word, amount, invert = (value[f"{part}{n}"] for part in ("shifted", "amount", "invert"))
            outputs.append(shift_right(m, f"right{n}", self.family, word, amount))
            outputs.append(shift_right(m, f"inverted{n}", self.family, word, amount, invert))
            outputs.append(shift_left(m, f"left{n}", self.family, word, amount))
        shown = Signal(sum(OUTPUTS))
        valid = Signal()
        m.d.sync += [shown.eq(Cat(outputs)), valid.eq(self.i.valid)]
        m.d.comb += [self.i.ready.eq(1), self.o.valid.eq(valid), self.o.payload.eq(shown)]
        return m


def corner(shape, generator):
    """Draw a value of a shape: 0, 1, all ones, a single bit, a run of ones from the lowest bit, or random."""
    ones = (1 << generator.randrange(shape.width + 1)) - 1
    bits = generator.choice([0, 1, (1 << shape.width) - 1, 1 << generator.randrange(shape.width), ones])
    bits = generator.choice([bits, generator.getrandbits(shape.width)])
    return bits - (1 << shape.width) if shape.signed and bits >> (shape.width - 1) else bits


def stimuli(count, seed):
    generator = random.Random(seed)
    beats = []
    for number in range(count):
        beat = {name: corner(shape, generator) for name, shape in INPUTS.items()}
        for n, widths in enumerate(CHOICES):
            beat[f"number{n}"] = generator.randrange(len(widths))
        for n, (term, *_) in enumerate(SUMS):
            beat[f"weight{n}"] = number % 3 - 1
            if number % 8 == 0:  # a carry through all bits, with either input selected
                beat[f"term{n}"] = -1 if term.signed else (1 << term.width) - 1
                beat |= {f"choice{n}": number // 8 % 2, f"chosen{n}": number // 8 % 2}
                beat[f"otherwise{n}"] = 1 - beat[f"choice{n}"]
                beat[f"{'chosen' if number // 8 % 2 else 'otherwise'}{n}"] = 1
        beats.append(beat)
    return beats


def ref_choices(beat):
    results = []
    for n, (*_, width) in enumerate(SUMS):
        term, choice, chosen, otherwise = (beat[f"{part}{n}"] for part in ("term", "choice", "chosen", "otherwise"))
        results.append(term + (chosen if choice else otherwise) & (1 << width) - 1)
        results.append(term + (~otherwise if choice else otherwise) & (1 << width) - 1)
        results.append(term + otherwise * beat[f"weight{n}"] & (1 << width) - 1)
    results += [beat[f"value{n}_{beat[f'number{n}']}"] for n in range(len(CHOICES))]
    for n, width in enumerate(SHIFTS):
        word, amount, ones = beat[f"shifted{n}"], beat[f"amount{n}"], (1 << width) - 1
        right = word >> amount
        results += [right, right ^ ones if beat[f"invert{n}"] else right, word << amount & ones]
    return results


def joined(values, widths):
    total, low = 0, 0
    for value, width in zip(values, widths, strict=True):
        total |= (value & (1 << width) - 1) << low
        low += width
    return total


def apart(total, widths):
    values = []
    for width in widths:
        values.append(total & (1 << width) - 1)
        total >>= width
    return values


WIDTHS = [shape.width for shape in INPUTS.values()]


@pytest.mark.parametrize("family", ["any", "ice40"])
def test_left_to_synthesis(simulate, send, receive, family):
    beats = stimuli(600, seed=1)
    component = Choices(family)
    payloads = [joined(beat.values(), WIDTHS) for beat in beats]
    trace = simulate(component, send(component.i, payloads), receive(component.o, len(beats)), o=component.o)
    found = [apart(total, OUTPUTS) for total in trace.o if total is not None]
    assert found == [ref_choices(beat) for beat in beats]


@pytest.mark.parametrize("simulator", simulators.NAMES)
def test_cells_of_ecp5(simulator):
    try:
        simulators.find(simulator)
    except simulators.SimulatorNotFound as error:
        pytest.skip(str(error))
    beats = stimuli(600, seed=2)
    text = verilog(Choices("ecp5"), name="choices")
    models = used(text)
    assert [path.name for path in models] == ["CCU2C.v", "LUT4.v", "PFUMX.v"]
    ports = [StreamPort("i", sum(WIDTHS), "in"), StreamPort("o", sum(OUTPUTS), "out")]
    raw = b"".join(joined(beat.values(), WIDTHS).to_bytes(ports[0].bytes, "little") for beat in beats)
    job = Job({"i": np.frombuffer(raw, np.uint8).reshape(-1, ports[0].bytes)}, {"o": len(beats)})
    sources = {"choices.v": text, **{path.name: path.read_text() for path in models}}
    (result,) = run(sources, "choices", ports, [job], simulator=simulator)
    found = [apart(int.from_bytes(beat.tobytes(), "little"), OUTPUTS) for beat in result.outputs["o"]]
    assert found == [ref_choices(beat) for beat in beats]


@pytest.mark.parametrize(
    ("component", "name"),
    [(AddChosen, "Adder"), (AddInverted, "Adder"), (AddTernary, "Adder"), (ChooseOfFour, "Choice")],
)
def test_refuses(component, name):
    with pytest.raises(ValueError, match=f"{name} of width 0; use at least 1"):
        component(width=0)
