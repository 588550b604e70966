"""FPGA families and devices, synthesis, place and route, PLLs, unit reports, gate-level netlists."""
