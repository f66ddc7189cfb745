"""Refunds of a whole order, over all its vouchers and charges."""

from voucher_async.refunding.order import OrderRefunds

__all__ = ["OrderRefunds"]
