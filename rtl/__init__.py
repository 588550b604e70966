"""Hardware in Amaranth: one folder per engine, `common` and `primitives`, and `emit`, which converts it to Verilog."""
