"""What a tensor-core engine is: formats, size of a tile, bits that are kept, shape in hardware."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from ..config import check_fields, option
from ..numerics.floats import FORMATS, Format
from .presets import ARCHITECTURES, FP8, FP8_RULES, OPERANDS

__all__ = ["TensorCoreConfig"]

Operand = Literal["fp16", "bf16", "tf32", "e4m3", "e5m2", "int8"]
Result = Literal["fp32", "fp16", "int32"]

_CHOICES = {
    "a_format": OPERANDS,
    "b_format": OPERANDS,
    "out_format": ("fp32", "fp16", "int32"),
    "fp8": FP8_RULES,
    "overflow": ("wrap", "saturate"),
    "family": ("any", "ecp5", "ice40"),
}


@dataclass(frozen=True, kw_only=True)
class TensorCoreConfig:
    """Arithmetic and size of a tensor core; one object for golden model, RTL, simulation and command line.

    Without arguments it is `volta`. Where a default is said to follow from other fields, None stands for it.

    Parameters
    ----------
    m, n : int
        Rows and columns of a tile of D, 1..16.
    k : int or None
        Products of an element of D in one operation, 1..256, a multiple of `k_step`: they are summed in steps of `l`.
        None is ``max(4, k_step)``, or the next multiple.
    l : int
        Products that are summed with c in one step, 1..32.
    a_format, b_format : "fp16", "bf16", "tf32", "e4m3", "e5m2" or "int8"
        Operands. The two FP8 formats go together, any other only with itself; None for b is that of a.
    out_format : "fp32", "fp16" or "int32"
        C and D. Sums of int8 are int32; None is that for int8 and else "fp32".
    fraction_bits : int or None
        Bits below the largest exponent that a term keeps when it is aligned, 1..48. 0 keeps all, and then all of K is
        summed in one step and rounded once, to the nearest: a reference, not hardware. None is 23; int8 has 0.
    out_fraction_bits : int or None
        Fraction bits of D, the rest of which is zero; None is all that the format has, 23 or 10. int32 has 0.
    min_exponent : int, None, "none" or "volta"
        Floor under the largest exponent, -252..0: terms are aligned with ``max(largest exponent, min_exponent)``, where
        the exponent of a product is the sum of its factors'. None, or "none" in a file, is no floor, as int8 and sums
        that keep all have; "volta" is Volta's for the formats: -19 for FP16 from FP16, else none.
    fp8 : "native" or "mma_sync"
        How FP8 operands are multiplied; others do not depend on it. "native" is a step as of any other format.
        "mma_sync" is how Hopper and Blackwell run FP8 ``mma.sync``, golden model only: of ``2 * l`` products, first
        those with k mod 4 in {0, 1} and then the others are a step each, with operands widened to FP16 and from a
        start of zero; then c is added as in IEEE 754, rounded to nearest even.
    fold : int
        Clocks of one operation on l products: 1, 2, 4, 8 or 16, a divisor of ``m * n``.
    pipeline : int or None
        Clocks of a dot-product unit from operands to result: 4 to ``10 + 2 * log2(l)``, for int8 to ``5 + log2(l)``.
        None is 14, on ice40 12, since there each register takes a logic cell; or as many as there can be.
    overflow : "wrap" or "saturate"
        What becomes of an int32 sum that does not fit, after each step.
    nan : int or None
        Pattern of D that is not a number; None is 0x7FFFFFFF or 0x7FFF. int32 has 0.
    family : "any", "ecp5" or "ice40"
        FPGA family whose memories and multipliers are instantiated; "any" leaves them to synthesis.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range, or two do not go together.

    Notes
    -----
    Source: ``spec/tensorcore.md``, and what `tercet.golden.tensorcore.presets.ARCHITECTURES` names.
    """

    # Annotated with what they hold once made, so that no reader of a config meets a None.
    m: int = option(4, "rows of a tile", (1, 16))
    n: int = option(4, "columns of a tile", (1, 16))
    k: int = option(None, "products of an element in one operation, a multiple of l", (1, 256))
    l: int = option(4, "products summed in one step", (1, 32))  # noqa: E741
    a_format: Operand = option("fp16", "format of A")
    b_format: Operand = option(None, "format of B; that of A if not given")
    out_format: Result = option(None, "format of C and D; fp32, or int32 for int8, if not given")
    fraction_bits: int = option(None, "fraction bits kept in alignment; 0 is all, golden model only", (0, 48))
    out_fraction_bits: int = option(None, "fraction bits of D; all if not given", (0, 23))
    min_exponent: int | None = option("volta", "floor under the largest exponent", (-252, 0), words=("none", "volta"))
    fp8: Literal["native", "mma_sync"] = option("native", "how fp8 is multiplied; mma_sync in the golden model only")
    fold: int = option(1, "clocks of one operation: 1, 2, 4, 8 or 16", (1, 16))
    pipeline: int = option(None, "clocks of a dot-product unit; 14, on ice40 12, if not given, or the most", (4, 20))
    overflow: Literal["wrap", "saturate"] = option("wrap", "what an int32 sum does that does not fit")
    nan: int = option(None, "pattern of a D that is not a number", (0, 2**32 - 1))
    family: Literal["any", "ecp5", "ice40"] = option("any", "FPGA family whose memories and multipliers are used")

    def __post_init__(self):
        integers = self.a_format == "int8"
        self._default("b_format", self.a_format)
        self._default("out_format", "int32" if integers else "fp32")
        object.__setattr__(self, "min_exponent", self._floor())
        check_fields(self, _CHOICES)
        form = FORMATS.get(self.out_format)
        self._default("fraction_bits", 0 if integers else 23)
        self._default("out_fraction_bits", form.fraction_bits if form else 0)
        self._default("nan", form.nan if form else 0)
        self._default("k", -(-4 // self.k_step) * self.k_step)
        levels = (self.l - 1).bit_length()
        most = 5 + levels if integers else 10 + 2 * levels
        self._default("pipeline", min(12 if self.family == "ice40" else 14, most))
        self._check_formats()
        self._check_size()

    def _default(self, name: str, value: Any) -> None:
        if getattr(self, name) is None:
            object.__setattr__(self, name, value)

    def _floor(self) -> Any:
        """`min_exponent` with its words resolved; what is neither an int nor a word is left for the check of fields."""
        if not isinstance(self.min_exponent, str):
            return self.min_exponent
        if self.min_exponent not in ("none", "volta"):
            raise ValueError(
                f"min_exponent {self.min_exponent!r} is unknown; use an int, none for no floor, or volta for Volta's"
            )
        if self.min_exponent == "none" or self.integers or self.fraction_bits == 0:
            return None
        return ARCHITECTURES["volta"].floor(self.a_format, self.out_format, self.fp8)

    def _check_formats(self) -> None:
        a, b, out = self.a_format, self.b_format, self.out_format
        if a != b and not (a in FP8 and b in FP8):
            raise ValueError(f"a_format {a!r} and b_format {b!r} do not go together; use the same, or e4m3 and e5m2")
        if self.integers != (out == "int32"):
            right = "int32" if self.integers else "fp32 or fp16"
            raise ValueError(f"out_format {out!r} does not go with a_format {a!r}; use {right}")
        if self.integers:
            for name in ("fraction_bits", "out_fraction_bits", "nan"):
                if getattr(self, name):
                    raise ValueError(f"{name} {getattr(self, name)} means nothing for int8; use 0")
            if self.min_exponent is not None:
                raise ValueError(f"min_exponent {self.min_exponent} means nothing for int8; use none")
            return
        if self.unlimited and self.min_exponent is not None:
            raise ValueError(f"min_exponent {self.min_exponent} means nothing with fraction_bits 0; use none")
        if self.unlimited and self.emulated:
            raise ValueError("fp8 'mma_sync' rounds twice and fraction_bits 0 once; use fraction_bits 25 for instance")
        if self.overflow != "wrap":
            raise ValueError(f"overflow {self.overflow!r} is for int8; a sum in {out} becomes infinite, leave it out")
        form = FORMATS[out]
        if not 1 <= self.out_fraction_bits <= form.fraction_bits:
            raise ValueError(
                f"out_fraction_bits {self.out_fraction_bits} do not fit {out}; use 1 to {form.fraction_bits}"
            )
        fraction = self.nan & (2**form.fraction_bits - 1)
        if self.nan >= 2**form.width or self.nan & form.overflow != form.overflow or not fraction:
            raise ValueError(f"nan {self.nan:#x} is no NaN of {out}; use {form.nan:#x} for instance")

    def _check_size(self) -> None:
        if self.emulated and self.l % 2:
            raise ValueError(f"l {self.l} is odd, but fp8 'mma_sync' takes products in pairs; use {self.l + 1}")
        if self.k % self.k_step:
            fit = -(-self.k // self.k_step) * self.k_step
            raise ValueError(f"k {self.k} is not a multiple of {self.k_step_name}; use {fit}")
        if self.fold & (self.fold - 1):
            raise ValueError(f"fold {self.fold} is not a power of two; use 1, 2, 4, 8 or 16")
        if self.m * self.n % self.fold:
            raise ValueError(f"fold {self.fold} does not divide the {self.m * self.n} elements of a tile; use less")

    @property
    def integers(self) -> bool:
        """Whether operands are int8 and sums int32."""
        return self.a_format == "int8"

    @property
    def unlimited(self) -> bool:
        """Whether nothing is cut off before one rounding over all of K, which only the golden model does."""
        return not self.integers and self.fraction_bits == 0

    @property
    def emulated(self) -> bool:
        """Whether operands are FP8, multiplied as FP16 in two steps; see `fp8`."""
        return self.a_format in FP8 and self.fp8 == "mma_sync"

    @property
    def k_step(self) -> int:
        """Products of which K is a multiple: those of one step, or of both where `emulated`."""
        return 2 * self.l if self.emulated else self.l

    @property
    def k_step_name(self) -> str:
        """`k_step` as messages call it."""
        return f"2 * l = {self.k_step}" if self.emulated else f"l {self.l}"

    @property
    def reaches_floor(self) -> bool:
        """Whether terms of these formats can all lie below `min_exponent`; if not it changes nothing."""
        if self.min_exponent is None:
            return False
        a, b, out = (FORMATS[name].min_exponent for name in (self.a_format, self.b_format, self.out_format))
        return self.min_exponent > min(a + b, out)

    @property
    def rounding(self) -> Literal["nearest", "zero"]:
        """How a sum becomes a D of a floating-point format; see `tercet.golden.numerics.floats.pack`."""
        return "nearest" if self.out_format == "fp16" or self.unlimited else "zero"

    @property
    def result(self) -> Format:
        """The floating-point format of D, with the fraction bits that it keeps; C has all of them."""
        if self.integers:
            raise ValueError("out_format is 'int32', which is not a floating-point format; use fp32 or fp16")
        return replace(FORMATS[self.out_format], fraction_bits=self.out_fraction_bits)

    @classmethod
    def _preset(cls, name: str, overrides: dict[str, Any]) -> "TensorCoreConfig":
        architecture = ARCHITECTURES[name]
        a = overrides.get("a_format", "fp16")
        formats = {"a_format": a, "b_format": overrides.get("b_format") or a}
        for field, format in formats.items():
            if format in OPERANDS and format not in architecture.formats:
                raise ValueError(f"Preset {name} has no {field} {format!r}; use {' or '.join(architecture.formats)}")
        out, fp8 = overrides.get("out_format"), overrides.get("fp8", architecture.fp8[0])
        if a in FP8 and fp8 in FP8_RULES and fp8 not in architecture.fp8:
            raise ValueError(f"Preset {name} has no fp8 {fp8!r}; use {' or '.join(architecture.fp8)}")
        if name != "exact" and a in ("bf16", "tf32") and out == "fp16":
            raise ValueError(f"Preset {name} has no out_format 'fp16' for {a}; use fp32")
        fields = {**formats, "fp8": fp8}
        if a in OPERANDS:
            rule = fp8 if fp8 in architecture.fp8 else architecture.fp8[0]
            fields["l"], fields["fraction_bits"] = architecture.step(a, rule)
            fields["min_exponent"] = None if a == "int8" else architecture.floor(a, out or "fp32", rule)
        if name != "exact" and a in FP8 and fp8 == "native" and out in (None, "fp32"):
            fields["out_fraction_bits"] = fields["fraction_bits"]
        return cls(**{**fields, **overrides})

    @classmethod
    def volta(cls, **overrides: Any) -> "TensorCoreConfig":
        """V100 (2017): FP16, 4 products a step, 23 fraction bits."""
        return cls._preset("volta", overrides)

    @classmethod
    def turing(cls, **overrides: Any) -> "TensorCoreConfig":
        """T4 (2018): FP16, 8 products a step, 24 fraction bits; and int8, 16 products."""
        return cls._preset("turing", overrides)

    @classmethod
    def ampere(cls, **overrides: Any) -> "TensorCoreConfig":
        """A100 (2020): FP16 and BF16, 8 products a step, 24 fraction bits; TF32, 4 products; int8, 16 products."""
        return cls._preset("ampere", overrides)

    @classmethod
    def ada(cls, **overrides: Any) -> "TensorCoreConfig":
        """L40S (2022): as Ampere; and FP8, 16 products and 13 fraction bits, which is all that an FP32 result keeps."""
        return cls._preset("ada", overrides)

    @classmethod
    def hopper(cls, **overrides: Any) -> "TensorCoreConfig":
        """H100 (2022): FP16 and BF16, 16 products a step, 25 fraction bits; TF32, 8 products; int8, 32 products.

        FP8: 32 products and 13 fraction bits, all that an FP32 result keeps; that is ``wgmma``, recorded with c = 0
        only. ``fp8="mma_sync"`` is what ``mma.sync`` does instead, recorded with FP16 results.
        """
        return cls._preset("hopper", overrides)

    @classmethod
    def blackwell(cls, **overrides: Any) -> "TensorCoreConfig":
        """B200 (2024): as Hopper; FP8 by ``mma.sync`` only."""
        return cls._preset("blackwell", overrides)

    @classmethod
    def exact(cls, **overrides: Any) -> "TensorCoreConfig":
        """Every floating-point format, all of K summed exactly and rounded once, to the nearest; golden model only.

        `l` is 1 and only says of what K must be a multiple. Sums of int8 are exact in every preset.
        """
        return cls._preset("exact", overrides)
