"""The demos: each engine's main job on real input."""
