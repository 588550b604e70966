"""What commands show while they work, where the output is no terminal."""

from tercet.cli.output import progress


def test_progress_without_a_terminal(capsys):
    """Lines, and each phase once, also when those of two runs take turns."""
    with progress("work", total=2) as advance:
        for turn in range(3):
            for seed in (1, 2):
                advance(count=0, now=f"seed {seed} placing, turn {turn}")
        advance("seed 1: 5 MHz")
        advance(count=0, now="seed 2 routing, 7 to go")
        advance(count=0)
    assert capsys.readouterr().err == "seed 1 placing ...\nseed 2 placing ...\nseed 1: 5 MHz\nseed 2 routing ...\n"
