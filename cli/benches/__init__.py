"""Benches: long measurements of the engines and the boards."""
