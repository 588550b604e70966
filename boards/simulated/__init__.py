"""A board in a simulator behind a pseudo-terminal, and faults on its line."""
