"""Endless random requests to a board with a systolic engine, each with its expected reply."""

import random
from collections.abc import Callable, Generator

import numpy as np
from tercet.golden.systolic.model import matmul
from tercet.golden.systolic.operands import MatmulOperands, collect, job

from ..host.protocol import Command, Reply, counts, transfer_header
from ..host.soc_config import SocConfig

__all__ = ["Requests", "products"]

Requests = Generator[tuple[Command, bytes, bytes | Reply | Callable[[bytes], bool]], bytes, None]
"""Yields command, data and expected reply: data, an error, or a predicate on the data. Is sent the received data."""

_PRODUCTS = 0.15  # share of the choices; a product takes about seven requests
_LARGEST = (5, 6, 4)  # M, K, N


def products(soc: SocConfig, generator: random.Random) -> Requests:
    """Yield complete products, checked against the golden model, mixed with other requests.

    Some of the others change the content of the buffers, and some must be refused.

    Parameters
    ----------
    soc : SocConfig
        Configuration with a systolic engine and buffers that hold the small products.
    generator : random.Random
        Source of randomness.
    """
    streams = {port.name: (n, port.bytes) for n, port in enumerate(soc.kind.streams(soc.config))}
    (acts, size), (sums, _) = streams["acts"], streams["sums"]
    depth = dict(soc.depths)["acts"]

    def words(count: int) -> bytes:
        return generator.randbytes(count * size)

    def other() -> tuple[Command, bytes, bytes | Reply]:
        return generator.choice(
            (
                (Command.STATUS, b"", b"\0"),
                (Command.RESET, b"", b""),
                (Command.LOAD, transfer_header(acts, 3, 0) + words(3), b""),
                (Command.LOAD, transfer_header(acts, 3, depth - 2) + words(3), Reply.OUT_OF_RANGE),
                (Command.LOAD, transfer_header(acts, depth + 9, 0) + words(depth + 9), Reply.OUT_OF_RANGE),
                (Command.LOAD, generator.randbytes(3), Reply.WRONG_LENGTH),
                (Command.READ, transfer_header(sums, 1, depth - 1), Reply.OUT_OF_RANGE),
                (Command.RUN, counts({"weights": 2**24 - 1}, list(streams)), Reply.NOT_LOADED),
            )
        )

    while True:
        if generator.random() < _PRODUCTS:
            yield from _product(soc, streams, generator)
        else:
            yield other()


def _product(soc: SocConfig, streams: dict[str, tuple[int, int]], generator: random.Random) -> Requests:
    config = soc.config
    m, k, n = (generator.randint(1, most) for most in _LARGEST)
    numbers = np.random.default_rng(generator.getrandbits(32))
    a = numbers.integers(-128, 128, (m, k)).astype(np.int8)
    low, high = config.weight_range
    w = numbers.integers(low, high, (k, n), endpoint=True).astype(np.int8)
    bias = numbers.integers(-(2**16), 2**16, n).astype(np.int32) if generator.random() < 0.5 else None
    product = MatmulOperands(a, w, bias)
    want = matmul(a, w, bias, config)
    load = job(config, product)
    for name, beats in load.inputs.items():
        if len(beats):
            yield Command.LOAD, transfer_header(streams[name][0], len(beats), 0) + beats.tobytes(), b""
    need = {name: len(beats) for name, beats in load.inputs.items()} | dict(load.expect)
    yield Command.RUN, counts(need, list(streams)), b""
    status = b""
    while status != b"\0":
        status = yield Command.STATUS, b"", lambda data: data in (b"\0", b"\1")
    number, size = streams["sums"]
    count = load.expect["sums"]

    def right(data: bytes) -> bool:
        if len(data) != count * size:
            return False
        beats = np.frombuffer(data, np.uint8).reshape(count, size)
        return np.array_equal(collect(config, product, {"sums": beats}), want)

    yield Command.READ, transfer_header(number, count, 0), right
