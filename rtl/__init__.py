"""Amaranth: one folder per engine, and `emit`, which turns a component into Verilog."""
