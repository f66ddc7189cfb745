"""The description of a voucher that is to be issued."""

from __future__ import annotations

import attrs

from voucher_async.models import CreateVoucherRequest

__all__ = ["VoucherSpec"]


@attrs.frozen(kw_only=True)
class VoucherSpec(CreateVoucherRequest):
    """A voucher to be issued: what is created, and whether it is activated then.

    Attributes:
        activate: whether it is activated; None leaves that to the batch.
    """

    activate: bool | None = None
