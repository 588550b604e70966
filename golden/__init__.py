"""Executable specification: NumPy models, frozen configs and cycle models. Imports nothing else from the project."""
