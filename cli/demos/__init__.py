"""Demos: each engine's main job on real input."""
