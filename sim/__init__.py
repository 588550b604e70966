"""Simulation of the RTL as functions on NumPy arrays: simulators, stream benches, one module per engine."""
