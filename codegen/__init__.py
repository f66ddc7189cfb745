"""Writes the models from the specification: `python -m codegen.generate`."""
