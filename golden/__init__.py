"""The specification: NumPy models, frozen configs and cycle models. Imports nothing else of the project."""
