"""FPGA families and devices, synthesis, place and route, PLLs, unit reports and gate-level netlists."""
