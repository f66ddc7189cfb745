"""Settings by which a client talks to an emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EmulatorSettings", "variables_of"]


class EmulatorSettings(TypedDict):
    """Settings that a client needs to talk to an emulator, by the names of its arguments."""

    client_id: str
    client_secret: str
    base_url: str
    token_url: str


def variables_of(settings: EmulatorSettings, insecure_hosts: Sequence[str]) -> dict[str, str]:
    """The settings as variables, and the hosts that plain http will do for."""
    variables = {f"VOUCHER_{name.upper()}": str(value) for name, value in settings.items()}
    return {**variables, **({"VOUCHER_INSECURE_HOSTS": ",".join(insecure_hosts)} if insecure_hosts else {})}
