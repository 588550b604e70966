"""What tests of the tensor core's components have in common: they get a case a clock."""

from types import SimpleNamespace

import pytest
from amaranth import Value


@pytest.fixture
def through(simulate):
    """``through(component, cases, late=None, **latency)``: what comes out for each case, one of which goes in a clock.

    A case has integers by the name of the input, of all its bits if it has parts; inputs in `late` come so many clocks
    after the others. Returned is a list for each output named in `latency`, sampled so many clocks after the case.
    """

    def run(component, cases, late=None, **latency):
        late = late or {}
        after = {name: late.get(name, 0) for name in cases[0]}
        ports = {name: Value.cast(getattr(component, name)) for name in after}

        async def bench(ctx):
            for clock in range(len(cases) + max(after.values())):
                for name, port in ports.items():
                    if 0 <= clock - after[name] < len(cases):
                        ctx.set(port, cases[clock - after[name]][name])
                await ctx.tick()
            await ctx.tick().repeat(max(latency.values()) + 1)

        watched = {name: Value.cast(getattr(component, name)) for name in latency}
        trace = simulate(component, bench, clocks=len(cases) + 200, **watched)
        count = len(cases)
        return SimpleNamespace(**{name: getattr(trace, name)[clocks:][:count] for name, clocks in latency.items()})

    return run
