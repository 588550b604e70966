"""Instructions by compute capability: their PTX names, kernels, presets and checks."""

import pytest
from tercet.gpu.instructions import instructions, is_known, preset_of
from tercet.gpu.kernels import kernel
from tercet.gpu.verify import checks

VOLTA, TURING, AMPERE, ADA, HOPPER = (
    instructions(capability) for capability in ((7, 0), (7, 5), (8, 6), (8, 9), (9, 0))
)


def test_each_architecture_has_its_own():
    assert {one.kind for one in VOLTA} == {"wmma"}
    assert {(one.m, one.n, one.k) for one in TURING} == {(16, 8, 8), (8, 8, 16)}
    assert {(one.a_format, one.k) for one in AMPERE} == {("fp16", 16), ("bf16", 16), ("tf32", 8), ("int8", 32)}
    assert ADA[: len(AMPERE)] == AMPERE
    assert {(one.kind, one.m, one.n, one.k) for one in ADA[len(AMPERE) :]} == {("mma", 16, 8, 32)}
    assert HOPPER[: len(ADA)] == ADA
    assert {(one.kind, one.m, one.n, one.k) for one in HOPPER[len(ADA) :]} == {("wgmma", 64, 8, 32)}
    # Every pair of FP8 formats, to FP32 and FP16.
    for fp8 in (ADA[len(AMPERE) :], HOPPER[len(ADA) :]):
        assert len({(one.a_format, one.b_format, one.out_format) for one in fp8}) == len(fp8) == 8
    # Only Hopper has wgmma.
    assert instructions((10, 0)) == instructions((12, 0)) == ADA


def test_names_are_those_of_ptx():
    assert [one.ptx for one in VOLTA] == [
        "wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32",
        "wmma.mma.sync.aligned.row.col.m16n16k16.f16.f16",
    ]
    assert [one.ptx for one in TURING] == [
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32",
        "mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16",
        "mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32",
        "mma.sync.aligned.m8n8k16.row.col.satfinite.s32.s8.s8.s32",
    ]
    assert [one.ptx for one in AMPERE] == [
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32",
        "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16",
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32",
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32",
        "mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.s8.s32",
    ]
    assert ADA[-2].ptx == "mma.sync.aligned.m16n8k32.row.col.f16.e5m2.e4m3.f16"
    assert ADA[len(AMPERE)].ptx == "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32"
    assert HOPPER[-2].ptx == "wgmma.mma_async.sync.aligned.m64n8k32.f16.e5m2.e4m3"


@pytest.mark.parametrize("instruction", [*VOLTA, *TURING, *HOPPER], ids=lambda one: one.ptx)
def test_kernels_issue_their_instruction_once(instruction):
    text = kernel(instruction)
    assert text.count(instruction.ptx + " ") == 1
    assert "#include" not in text
    assert text.count("{") == text.count("}")


def test_kernels_name_all_registers():
    text = kernel(AMPERE[0])
    assert "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" in text
    assert text.count('"+f"') == 4
    assert text.count('"r"') == 6
    text = kernel(HOPPER[-1])
    assert "{%0, %1}, {%2, %3, %4, %5}, %6, add, 1, 1;" in text
    assert "wgmma.wait_group.sync.aligned 0;" in text


@pytest.mark.parametrize(
    ("capability", "preset"),
    [
        ((7, 0), "volta"),
        ((7, 5), "turing"),
        *[((8, minor), "ampere") for minor in (0, 6, 7)],
        ((8, 9), "ada"),
        ((9, 0), "hopper"),
        ((10, 0), "blackwell"),
    ],
)
def test_presets(capability, preset):
    assert preset_of(capability) == preset
    assert is_known(capability)
    assert checks(capability, preset)


@pytest.mark.parametrize("capability", [(10, 3), (11, 0), (12, 0), (12, 1)])
def test_capabilities_later_than_the_presets(capability):
    assert preset_of(capability) == "blackwell"
    assert not is_known(capability)


def test_each_instruction_has_its_own_rule():
    def rules(capability, preset):
        shared = checks(capability, preset)
        return {(one.instruction.kind, one.config.fp8, one.config.l) for one in shared if one.config.a_format == "e4m3"}

    assert rules((8, 9), "ada") == {("mma", "native", 16)}
    assert rules((9, 0), "hopper") == {("mma", "mma_sync", 16), ("wgmma", "native", 32)}
    assert rules((10, 0), "blackwell") == {("mma", "mma_sync", 16)}
    # Against the preset of another architecture.
    assert rules((9, 0), "ada") == {("mma", "native", 16), ("wgmma", "native", 16)}
    assert rules((8, 9), "hopper") == {("mma", "mma_sync", 16)}
    assert rules((9, 0), "blackwell") == {("mma", "mma_sync", 16)}
    # Only for wgmma is the effect of an addend unknown.
    assert {one.instruction.kind for one in checks((9, 0), "hopper") if one.guessed or one.zero_addend} == {"wgmma"}


def test_unknown_capabilities_are_refused():
    with pytest.raises(ValueError, match=r"compute capability 7\.2; choose one with --preset: volta, turing, ampere"):
        preset_of((7, 2))
    with pytest.raises(ValueError, match=r"Compute capability 6\.1 has no tensor cores; use a GPU of 7\.0 or later"):
        instructions((6, 1))


def test_checks_are_what_gpu_and_preset_share():
    titles = [check.title for check in checks((8, 0), "ampere")]
    assert titles == [
        "fp16 x fp16 + fp32",
        "fp16 x fp16 + fp16",
        "bf16 x bf16 + fp32",
        "tf32 x tf32 + fp32",
        "int8 x int8 + int32",
        "int8 x int8 + int32, saturating",
    ]
    assert [check.title for check in checks((8, 0), "volta")] == titles[:2]
    assert [check.title for check in checks((8, 0), "hopper")] == titles
    # FP8 by mma.sync; by wgmma with c = 0, as recorded, and with any c.
    fp8 = checks((9, 0), "hopper", ["e4m3"])
    assert len(fp8) == 3 * 2 + 3 * 2 * 2
    assert fp8[0].title == "e4m3 x e4m3 + fp32, through FP16"
    assert [(check.zero_addend, check.guessed) for check in fp8[6:8]] == [(True, False), (False, True)]
    assert fp8[6].title == "e4m3 x e4m3 + fp32, c = 0"
    with pytest.raises(
        ValueError, match=r"Format 'e4m3' is not supported by both preset ampere .* 8\.0; use fp16, bf16, tf32, i"
    ):
        checks((8, 0), "ampere", ["fp16", "e4m3"])
    with pytest.raises(ValueError, match="Preset hopper sums 16 products in one step, more than mma.*m16n8k8"):
        checks((7, 5), "hopper")
