"""The documentation site: `python -m codegen.site`."""
