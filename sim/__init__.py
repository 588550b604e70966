"""The RTL as a function on NumPy arrays: simulators, stream benches, one module per engine."""
