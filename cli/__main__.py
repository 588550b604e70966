"""``python -m tercet.cli``."""

from . import main

main()
