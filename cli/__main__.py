"""Entry point of ``python -m tercet.cli``."""

from . import main

main()
