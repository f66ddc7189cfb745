"""Integrations with web frameworks. Each module needs its framework, which an extra installs."""
