"""Configuration of the tensor-core engine: formats, tile size, precision and hardware shape."""

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
    """Arithmetic and size of a tensor core, shared by the golden model, the RTL, the simulation and the command line.

    The default is `volta`. None stands for a default that follows from other fields.

    Parameters
    ----------
    m, n : int
        Rows and columns of a tile of D, 1..16.
    k : int or None
        Products per element of D in one operation, 1..256, a multiple of `k_step`; they are summed in steps of `l`.
        None is the smallest multiple of `k_step` that is at least 4.
    l : int
        Products summed with c in one step, 1..32.
    a_format, b_format : "fp16", "bf16", "tf32", "e4m3", "e5m2" or "int8"
        Operand formats. The two FP8 formats can be mixed, any other only with itself; None for b is the format of a.
    out_format : "fp32", "fp16" or "int32"
        Format of C and D. Sums of int8 are int32; None is "int32" for int8 and "fp32" otherwise.
    fraction_bits : int or None
        Fraction bits kept below the largest exponent in alignment, 1..48. 0 keeps all bits, sums all of K in one step
        and rounds once, to nearest: a reference, not hardware. None is 23, or 0 for int8.
    out_fraction_bits : int or None
        Fraction bits of D, with the rest zero; None keeps all of the format's, 23 or 10. 0 for int32.
    min_exponent : int, None, "none" or "volta"
        Floor under the largest exponent, -252..0: terms are aligned to ``max(largest exponent, min_exponent)``, where
        the exponent of a product is the sum of its factors'. None, or "none" in a file, means no floor, as do int8 and
        ``fraction_bits`` 0. "volta" is Volta's floor for the formats: -19 for FP16 operands and results, otherwise
        none.
    fp8 : "native" or "mma_sync"
        Multiplication of FP8 operands; other formats ignore it. "native" uses steps as for any other format.
        "mma_sync" follows FP8 ``mma.sync`` on Hopper and Blackwell, in the golden model only: of ``2 * l`` products,
        those with k mod 4 in {0, 1} form one step and the others the next, with operands widened to FP16 and starting
        from zero; then c is added as in IEEE 754, rounded to nearest even.
    cores : int
        Cores side by side, 1 or 2: one operation computes a block of m rows and ``cores * n`` columns of D.
    fold : int
        Clock cycles per operation on l products: 1, 2, 4, 8 or 16, a divisor of ``m * n``.
    pipeline : int or None
        Latency of a dot-product unit in clock cycles: 4 to ``10 + 2 * log2(l)``, or to ``5 + log2(l)`` for int8. None
        is 14, or 12 on ice40, where each register takes a logic cell, but at most that upper bound.
    overflow : "wrap" or "saturate"
        Treatment of an int32 sum that overflows, after each step.
    nan : int or None
        NaN pattern of D; None is 0x7FFFFFFF or 0x7FFF. 0 for int32.
    family : "any", "ecp5" or "ice40"
        FPGA family whose memories and multipliers are instantiated; "any" leaves them to synthesis.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range, or two fields conflict.

    Notes
    -----
    Source: ``spec/tensorcore.md``, and the sources given in `tercet.golden.tensorcore.presets.ARCHITECTURES`.
    """

    # Annotated with the types after construction, so readers of a config need not handle None.
    m: int = option(4, "rows of a tile", (1, 16))
    n: int = option(4, "columns of a tile", (1, 16))
    k: int = option(None, "products per element in one operation, a multiple of l", (1, 256))
    l: int = option(4, "products summed in one step", (1, 32))  # noqa: E741
    a_format: Operand = option("fp16", "format of A")
    b_format: Operand = option(None, "format of B; default: the format of A")
    out_format: Result = option(None, "format of C and D; default: fp32, or int32 for int8")
    fraction_bits: int = option(None, "fraction bits kept in alignment; 0 keeps all, golden model only", (0, 48))
    out_fraction_bits: int = option(None, "fraction bits of D; default: all", (0, 23))
    min_exponent: int | None = option("volta", "floor under the largest exponent", (-252, 0), words=("none", "volta"))
    fp8: Literal["native", "mma_sync"] = option("native", "multiplication of fp8; mma_sync in the golden model only")
    cores: int = option(1, "cores side by side, each with n columns of a block of D", (1, 2))
    fold: int = option(1, "clock cycles per operation: 1, 2, 4, 8 or 16", (1, 16))
    pipeline: int = option(None, "latency of a dot-product unit in cycles; default: 14, on ice40 12", (4, 20))
    overflow: Literal["wrap", "saturate"] = option("wrap", "treatment of an int32 sum that overflows")
    nan: int = option(None, "NaN pattern of D", (0, 2**32 - 1))
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
        """Resolve the words of `min_exponent`; a value of another kind is left to the field check."""
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
            raise ValueError(f"a_format {a!r} and b_format {b!r} cannot be combined; use the same, or e4m3 and e5m2")
        if self.integers != (out == "int32"):
            right = "int32" if self.integers else "fp32 or fp16"
            raise ValueError(f"out_format {out!r} does not match a_format {a!r}; use {right}")
        if self.integers:
            for name in ("fraction_bits", "out_fraction_bits", "nan"):
                if getattr(self, name):
                    raise ValueError(f"{name} {getattr(self, name)} does not apply to int8; use 0")
            if self.min_exponent is not None:
                raise ValueError(f"min_exponent {self.min_exponent} does not apply to int8; use none")
            return
        if self.unlimited and self.min_exponent is not None:
            raise ValueError(f"min_exponent {self.min_exponent} does not apply to fraction_bits 0; use none")
        if self.unlimited and self.emulated:
            raise ValueError("fp8 'mma_sync' rounds twice and fraction_bits 0 once; use fraction_bits 25, for instance")
        if self.overflow != "wrap":
            raise ValueError(f"overflow {self.overflow!r} is for int8; a sum in {out} becomes infinite, omit it")
        form = FORMATS[out]
        if not 1 <= self.out_fraction_bits <= form.fraction_bits:
            raise ValueError(
                f"out_fraction_bits {self.out_fraction_bits} is out of range for {out}; use 1 to {form.fraction_bits}"
            )
        fraction = self.nan & (2**form.fraction_bits - 1)
        if self.nan >= 2**form.width or self.nan & form.overflow != form.overflow or not fraction:
            raise ValueError(f"nan {self.nan:#x} is not a NaN of {out}; use {form.nan:#x}, for instance")

    def _check_size(self) -> None:
        if self.emulated and self.l % 2:
            raise ValueError(f"l {self.l} is odd, but fp8 'mma_sync' takes products in pairs; use {self.l + 1}")
        if self.k % self.k_step:
            fit = -(-self.k // self.k_step) * self.k_step
            raise ValueError(f"k {self.k} is not a multiple of {self.k_step_name}; use {fit}")
        if self.fold & (self.fold - 1):
            raise ValueError(f"fold {self.fold} is not a power of two; use 1, 2, 4, 8 or 16")
        if self.m * self.n % self.fold:
            raise ValueError(
                f"fold {self.fold} does not divide the {self.m * self.n} elements of a tile; use a divisor"
            )

    @property
    def integers(self) -> bool:
        """Whether operands are int8 and sums int32."""
        return self.a_format == "int8"

    @property
    def columns(self) -> int:
        """Columns of a block of D, which all cores compute together."""
        return self.cores * self.n

    @property
    def unlimited(self) -> bool:
        """Whether all of K is summed without truncation and rounded once; golden model only."""
        return not self.integers and self.fraction_bits == 0

    @property
    def emulated(self) -> bool:
        """Whether FP8 operands are multiplied as FP16 in two steps; see `fp8`."""
        return self.a_format in FP8 and self.fp8 == "mma_sync"

    @property
    def k_step(self) -> int:
        """Granularity of K: the products of one step, or of both steps if `emulated`."""
        return 2 * self.l if self.emulated else self.l

    @property
    def k_step_name(self) -> str:
        """`k_step` as named in messages."""
        return f"2 * l = {self.k_step}" if self.emulated else f"l {self.l}"

    @property
    def reaches_floor(self) -> bool:
        """Whether terms of these formats can all lie below `min_exponent`, so that it has an effect."""
        if self.min_exponent is None:
            return False
        a, b, out = (FORMATS[name].min_exponent for name in (self.a_format, self.b_format, self.out_format))
        return self.min_exponent > min(a + b, out)

    @property
    def rounding(self) -> Literal["nearest", "zero"]:
        """Rounding of a sum to a floating-point D; see `tercet.golden.numerics.floats.pack`."""
        return "nearest" if self.out_format == "fp16" or self.unlimited else "zero"

    @property
    def result(self) -> Format:
        """Floating-point format of D, with the fraction bits it keeps; C has the full format."""
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
        """V100 (2017): FP16, 4 products per step, 23 fraction bits."""
        return cls._preset("volta", overrides)

    @classmethod
    def turing(cls, **overrides: Any) -> "TensorCoreConfig":
        """T4 (2018): FP16, 8 products per step, 24 fraction bits; int8, 16 products."""
        return cls._preset("turing", overrides)

    @classmethod
    def ampere(cls, **overrides: Any) -> "TensorCoreConfig":
        """A100 (2020): FP16 and BF16, 8 products per step, 24 fraction bits; TF32, 4 products; int8, 16 products."""
        return cls._preset("ampere", overrides)

    @classmethod
    def ada(cls, **overrides: Any) -> "TensorCoreConfig":
        """L40S (2022): as Ampere, plus FP8, 16 products and 13 fraction bits, to which FP32 results are truncated."""
        return cls._preset("ada", overrides)

    @classmethod
    def hopper(cls, **overrides: Any) -> "TensorCoreConfig":
        """H100 (2022): FP16 and BF16, 16 products per step, 25 fraction bits; TF32, 8 products; int8, 32 products.

        FP8: 32 products and 13 fraction bits, to which FP32 results are truncated. This is ``wgmma``, recorded only
        with c = 0. ``fp8="mma_sync"`` is the behaviour of ``mma.sync``, recorded with FP16 results.
        """
        return cls._preset("hopper", overrides)

    @classmethod
    def blackwell(cls, **overrides: Any) -> "TensorCoreConfig":
        """B200 (2024): as Hopper, but FP8 by ``mma.sync`` only."""
        return cls._preset("blackwell", overrides)

    @classmethod
    def exact(cls, **overrides: Any) -> "TensorCoreConfig":
        """Exact sum over all of K in any floating-point format, rounded once, to nearest; golden model only.

        `l` is 1 and only sets the granularity of K. Sums of int8 are exact in every preset.
        """
        return cls._preset("exact", overrides)
