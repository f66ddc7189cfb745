"""Vouchers in bulk: a batch of them is issued, each one once, however often it is asked for."""

from voucher_async.issuing.results import IssuedVoucher
from voucher_async.issuing.specs import VoucherSpec

__all__ = ["IssuedVoucher", "VoucherSpec"]
