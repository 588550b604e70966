"""Engine sizing for a network on a board: memories as deep as needed, within the FPGA's capacity."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.program import link
from tercet.golden.eie.sizing import DEPTHS, LEAST, exceeded, unbounded
from tercet.golden.engines import engine_model

from .catalog import BOARDS, board, soc_config
from .eie_capacity import RESOURCES, eie_blocks, over_capacity
from .host import eie, npu, systolic, tensorcore
from .host.eie import short_buffers, vector_words
from .host.graphs import plans
from .host.networks import Binary, BoardNetwork, CompiledNetwork, Compressed, GraphNetwork, Int8
from .host.soc_config import SocConfig

__all__ = ["NetworkTooLarge", "check_board", "check_run", "network_soc"]


class NetworkTooLarge(ValueError):
    """A network does not fit an engine on a board.

    Attributes
    ----------
    shortage : str
        Required and available sizes, the first half of the message.
    fields : dict
        Config fields of the engine that would help, with their values.
    buffers : dict
        Stream to the buffer depth in words that would help.
    otherwise : str
        Alternative remedy.
    """

    def __init__(self, shortage: str, fields: Mapping[str, int], buffers: Mapping[str, int], otherwise: str = ""):
        self.shortage, self.fields, self.buffers, self.otherwise = shortage, dict(fields), dict(buffers), otherwise
        wanted = [f"{name}={need}" for name, need in fields.items()]
        wanted += [f"{need} words of {name}" for name, need in buffers.items()]
        super().__init__(f"{shortage}; use {' or '.join(filter(None, [', '.join(wanted), otherwise]))}")


def network_soc(
    board_name: str,
    network: BoardNetwork,
    *,
    params: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    depths: Mapping[str, int] | None = None,
    inputs: Any = None,
    **options: Any,
) -> SocConfig:
    """Choose the engine for a network on a board: the board's preset, made deeper where the network needs it.

    An EIE engine keeps the preset's depths and buffers where they suffice. If the FPGA then runs out of memory, depths
    not given explicitly shrink to the minimum for the network.

    Parameters
    ----------
    board_name : str
        Name of the board.
    network : BoardNetwork
        Network to run.
    params : mapping or None
        Config fields of the engine to start from, in place of the preset's.
    fields : mapping or None
        Fixed config fields; never changed.
    depths : mapping or None
        Fixed buffer depths in words; never changed.
    inputs : array or None
        Inputs of the network, for the fraction bits of one without ranges.
    **options
        ``clock_hz`` and ``baud``, as in `soc_config`.

    Raises
    ------
    NetworkTooLarge
        If fixed depths or buffers, or the FPGA, are too small; the message names all shortages.
    TypeError, ValueError
        If a name is unknown or a value is out of range.
    """
    fields, depths = dict(fields or {}), dict(depths or {})
    params = dict(board(board_name).preset(network.engine).params if params is None else params)
    if not isinstance(network, Compressed):
        config = engine_model(network.engine).config_class(**{**params, **fields})
        return soc_config(board_name, network.engine, config=config, depths=depths, **options)
    request = _Request(network, params, fields, depths, options, inputs)
    soc, over = request.on(board_name)
    if over:
        raise request.refusal(board_name, soc, over)
    return soc


def check_board(soc: SocConfig, network: BoardNetwork, inputs: Any = None) -> None:
    """Check that a network fits the engine of an existing board; `inputs` as in `network_soc`.

    Raises
    ------
    NetworkTooLarge
        If depths or buffers are too small; the message names all of them.
    TypeError, ValueError
        If the network does not suit the engine for another reason.
    """
    if isinstance(network, Compressed):
        fields = asdict(soc.config)
        given = {name: fields[name] for name in DEPTHS}
        _refuse(network, _size(network, fields, given, inputs), fields, dict(soc.depths))


def check_run(soc: SocConfig, network: BoardNetwork, inputs: Any) -> None:
    """Run the checks of `BoardNetwork.run` without a board.

    Raises
    ------
    TypeError, ValueError
        If network or inputs do not match each other, the engine or its buffers.
    """
    if isinstance(network, Compressed):
        fixed = network.fixed(soc, inputs)
        eie.check(soc, fixed.layers, fixed.acts)
    elif isinstance(network, CompiledNetwork):
        npu.check(soc, network.program, inputs)
    elif isinstance(network, GraphNetwork):
        plans(soc, network.graph, network.graph.batch(inputs))
    elif isinstance(network, Binary):
        network.check(soc, inputs)
    elif isinstance(network, Int8):
        systolic.check(soc, network.network.layers, network.network.codes(inputs))
    else:
        tensorcore.check(soc, inputs, network.b, network.addend(soc, inputs))


@dataclass(frozen=True)
class _Request:
    """A compressed network and the constraints on its engine; fields as in `network_soc`."""

    network: Compressed
    params: Mapping[str, Any]
    fields: Mapping[str, Any]
    depths: Mapping[str, int]
    options: Mapping[str, Any]
    inputs: Any = None

    def on(self, board_name: str) -> tuple[SocConfig, dict[str, int]]:
        """Return the engine on a board, and the blocks that exceed its capacity."""
        found = board(board_name)
        preset, plain = found.preset(self.network.engine), EieConfig(**self.params)
        given = {name: depth for name, depth in self.fields.items() if name in DEPTHS}
        merged = {**self.params, **self.fields}
        # Report a field of the wrong type or range before comparing any.
        unbounded(merged)
        # Try the preset's depths first, then the minimum. Activation buffers take at least one block: shallower ones
        # would save nothing and cost extra steps for a long input.
        usual = {name: getattr(plain, name) for name in DEPTHS}
        for least in (usual, {**LEAST, "act_depth": usual["act_depth"]}):
            layers = _size(self.network, merged, {**least, **given}, self.inputs)
            _refuse(self.network, layers, self.fields, self.depths)
            needed = vector_words(link(layers[0].config, layers))
            words = {name: max(need, preset.depths[name]) for name, need in needed.items()}
            soc = soc_config(
                board_name, "eie", config=layers[0].config, depths={**words, **self.depths}, **self.options
            )
            over = over_capacity(eie_blocks(soc, found.device), found.device)
            if not over:
                break
        return soc, over

    def refusal(self, board_name: str, soc: SocConfig, over: Mapping[str, int]) -> NetworkTooLarge:
        """Describe everything the FPGA lacks, and name boards that have enough."""
        config, capacity = soc.config, board(board_name).device.capacity
        depths = ", ".join(f"{name} {getattr(config, name)}" for name in DEPTHS)
        taken = " and ".join(f"{count} {RESOURCES[kind]} of {capacity[kind]}" for kind, count in over.items())
        boards = {name: board(name).device.name for name in BOARDS if name != board_name}
        # Boards with the same FPGA have the same engines.
        one_each = {device: name for name, device in boards.items()}
        fits = {device: self._fits(name) for device, name in one_each.items()}
        others = [f"{name}, " for name, device in boards.items() if fits[device]]
        fewer = self._fewer(board_name, config.n_pe)
        if not others and not fewer:
            most = {device: self._fewer(name, config.n_pe) for device, name in one_each.items()}
            others = [f"{name} with n_pe {most[dev]['n_pe']}, " for name, dev in boards.items() if most[dev]]
        less = "fewer PEs" if "dsp" in over else "fewer or sparser layers"
        return NetworkTooLarge(
            f"The network does not fit {board_name}: with n_pe {config.n_pe}, {depths} its engine takes {taken}",
            fewer,
            {},
            "".join(others) + "or " * bool(others) + less,
        )

    def _fewer(self, board_name: str, n_pe: int) -> dict[str, int]:
        """Find a smaller number of PEs that fits; each PE has its own constants and pointers."""
        while "n_pe" not in self.fields and n_pe > 1:
            n_pe //= 2
            if replace(self, fields={**self.fields, "n_pe": n_pe})._fits(board_name):
                return {"n_pe": n_pe}
        return {}

    def _fits(self, board_name: str) -> bool:
        try:
            preset = board(board_name).preset(self.network.engine)
            return not replace(self, params=preset.params).on(board_name)[1]
        except ValueError:
            return False


def _size(
    network: Compressed, fields: Mapping[str, Any], least: Mapping[str, int], inputs: Any = None
) -> list[EieLayer]:
    """Encode layers for these fields, with depths of at least `least` and codes as wide as the network's."""
    others = {name: value for name, value in fields.items() if name not in DEPTHS}
    if others.get("code_bits", 0) < _code_bits(network):
        others.pop("code_bits", None)
    return network.sized(others, least, inputs)


def _code_bits(network: Compressed) -> int:
    return max(layer.code_bits for layer in network.layers)


def _refuse(
    network: Compressed, layers: Sequence[EieLayer], given: Mapping[str, Any], depths: Mapping[str, int]
) -> None:
    """Refuse given fields and buffers that are too small; `layers` are encoded for an engine that is large enough."""
    bits, words = _code_bits(network), vector_words(link(layers[0].config, layers))
    error = exceeded({name: given[name] for name in DEPTHS if name in given}, layers[0].config, layers)
    fields = {} if error is None else error.needs
    shortages = [] if error is None else [error.shortage]
    if given.get("code_bits", bits) < bits:
        fields = {"code_bits": bits, **fields}
        shortages.insert(0, f"codes have {bits} bits but code_bits is {given['code_bits']}")
    buffers = {name: need for name, need in words.items() if need > depths.get(name, need)}
    if buffers:
        shortages.append(short_buffers(words, depths))
    if shortages:
        raise NetworkTooLarge(", ".join(shortages), fields, buffers)
