"""Simulated boards behind a pseudo-terminal, and fault injection on their line."""
