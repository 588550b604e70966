"""The NPU, which runs whole int8 networks."""
