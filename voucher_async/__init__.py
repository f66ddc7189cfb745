"""The asyncio SDK of the JTL-Voucher Cloud API: never twice, never lost, never left guessing.

Start with `VoucherClient`; every error derives from `VoucherError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from voucher_async._version import __version__

if TYPE_CHECKING:
    from voucher_async.api_errors import (
        ApiError,
        AuthenticationError,
        BadAnswer,
        Conflict,
        MissingScope,
        NotFound,
        RateLimited,
        ServerError,
        ValidationFailed,
    )
    from voucher_async.auth import MemoryTokenStore, StoredToken, TokenStore
    from voucher_async.checkout import Checkout, HeldReservation, VoucherLock
    from voucher_async.client import VoucherClient
    from voucher_async.clock import Clock, ManualClock, SystemClock
    from voucher_async.config import Settings, Timeout
    from voucher_async.connecting import connect
    from voucher_async.errors import (
        CallFacts,
        CallTimeout,
        ConfigurationError,
        ConnectFailed,
        ConnectionBroken,
        Fate,
        FieldError,
        IdempotencyMismatch,
        InvalidInput,
        InvalidInputType,
        JournalFailed,
        LockFailed,
        Proof,
        ReservationAlreadyCharged,
        ReservationError,
        ReservationExpired,
        ReservationSuperseded,
        TokenStoreFailed,
        TooManyInDoubt,
        TransportError,
        VoucherError,
    )
    from voucher_async.events import (
        AttemptEnded,
        AttemptStarted,
        CallEnd,
        CallEnded,
        CallStarted,
        Closed,
        DoubtEnd,
        DoubtEnded,
        Happened,
        Repeating,
        Settled,
        TokenRefresh,
        TurnWaited,
    )
    from voucher_async.facts import record_facts
    from voucher_async.hooks import Hook
    from voucher_async.issuing import IssuedVoucher, VoucherSpec
    from voucher_async.journals.tokens import SqlTokenStore
    from voucher_async.models import (
        UNSET,
        Charge,
        ChargePage,
        ChargeType,
        CompleteVoucher,
        ConnectedClient,
        PageMeta,
        Reservation,
        ValidityInterval,
        Voucher,
        VoucherDetails,
        VoucherPage,
        VoucherStatus,
        VoucherType,
    )
    from voucher_async.money import Amount
    from voucher_async.options import ClientOptions
    from voucher_async.order_refunds import (
        ChargeRefund,
        OrderRefund,
        OrderRefundFailed,
        OrderRefundUnknown,
        RefundOutcome,
        RefundState,
    )
    from voucher_async.outcomes import (
        ChargeRefunded,
        CheckoutFailed,
        CheckoutUnknown,
        HeldOutcome,
        HeldState,
        OutcomeUnknown,
        PendingOutcome,
        Settlement,
        SettlementState,
        StillRunning,
    )
    from voucher_async.payments.call import CallRecord, CallState
    from voucher_async.payments.joined import is_joined
    from voucher_async.payments.journal import Journal
    from voucher_async.payments.memory import MemoryJournal
    from voucher_async.payments.recovery import Recovered
    from voucher_async.reconciling import History
    from voucher_async.resources.batches import VoucherBatch
    from voucher_async.resources.paging import Listing

__all__ = [
    "UNSET",
    "Amount",
    "ApiError",
    "AttemptEnded",
    "AttemptStarted",
    "AuthenticationError",
    "BadAnswer",
    "CallEnd",
    "CallEnded",
    "CallFacts",
    "CallRecord",
    "CallStarted",
    "CallState",
    "CallTimeout",
    "Charge",
    "ChargePage",
    "ChargeRefund",
    "ChargeRefunded",
    "ChargeType",
    "Checkout",
    "CheckoutFailed",
    "CheckoutUnknown",
    "ClientOptions",
    "Clock",
    "Closed",
    "CompleteVoucher",
    "ConfigurationError",
    "Conflict",
    "ConnectFailed",
    "ConnectedClient",
    "ConnectionBroken",
    "DoubtEnd",
    "DoubtEnded",
    "Fate",
    "FieldError",
    "Happened",
    "HeldOutcome",
    "HeldReservation",
    "HeldState",
    "History",
    "Hook",
    "IdempotencyMismatch",
    "InvalidInput",
    "InvalidInputType",
    "IssuedVoucher",
    "Journal",
    "JournalFailed",
    "Listing",
    "LockFailed",
    "ManualClock",
    "MemoryJournal",
    "MemoryTokenStore",
    "MissingScope",
    "NotFound",
    "OrderRefund",
    "OrderRefundFailed",
    "OrderRefundUnknown",
    "OutcomeUnknown",
    "PageMeta",
    "PendingOutcome",
    "Proof",
    "RateLimited",
    "Recovered",
    "RefundOutcome",
    "RefundState",
    "Repeating",
    "Reservation",
    "ReservationAlreadyCharged",
    "ReservationError",
    "ReservationExpired",
    "ReservationSuperseded",
    "ServerError",
    "Settings",
    "Settled",
    "Settlement",
    "SettlementState",
    "SqlTokenStore",
    "StillRunning",
    "StoredToken",
    "SystemClock",
    "Timeout",
    "TokenRefresh",
    "TokenStore",
    "TokenStoreFailed",
    "TooManyInDoubt",
    "TransportError",
    "TurnWaited",
    "ValidationFailed",
    "ValidityInterval",
    "Voucher",
    "VoucherBatch",
    "VoucherClient",
    "VoucherDetails",
    "VoucherError",
    "VoucherLock",
    "VoucherPage",
    "VoucherSpec",
    "VoucherStatus",
    "VoucherType",
    "__version__",
    "connect",
    "is_joined",
    "record_facts",
]

# a name's module is loaded when the name is used first (PEP 562): most programs use few of them
_HOMES: Final = {
    "voucher_async.api_errors": (
        "ApiError AuthenticationError BadAnswer Conflict MissingScope NotFound RateLimited ServerError "
        "ValidationFailed"
    ),
    "voucher_async.auth": "MemoryTokenStore StoredToken TokenStore",
    "voucher_async.checkout": "Checkout HeldReservation VoucherLock",
    "voucher_async.client": "VoucherClient",
    "voucher_async.connecting": "connect",
    "voucher_async.clock": "Clock ManualClock SystemClock",
    "voucher_async.config": "Settings Timeout",
    "voucher_async.errors": (
        "CallFacts CallTimeout ConfigurationError ConnectFailed ConnectionBroken Fate FieldError "
        "IdempotencyMismatch InvalidInput InvalidInputType JournalFailed LockFailed Proof "
        "ReservationAlreadyCharged ReservationError ReservationExpired ReservationSuperseded "
        "TokenStoreFailed TooManyInDoubt TransportError VoucherError"
    ),
    "voucher_async.events": (
        "AttemptEnded AttemptStarted CallEnd CallEnded CallStarted Closed DoubtEnd DoubtEnded Happened "
        "Repeating Settled TokenRefresh TurnWaited"
    ),
    "voucher_async.facts": "record_facts",
    "voucher_async.hooks": "Hook",
    "voucher_async.issuing": "IssuedVoucher VoucherSpec",
    "voucher_async.journals.tokens": "SqlTokenStore",
    "voucher_async.models": (
        "UNSET Charge ChargePage ChargeType CompleteVoucher ConnectedClient PageMeta Reservation "
        "ValidityInterval Voucher VoucherDetails VoucherPage VoucherStatus VoucherType"
    ),
    "voucher_async.money": "Amount",
    "voucher_async.options": "ClientOptions",
    "voucher_async.order_refunds": (
        "ChargeRefund OrderRefund OrderRefundFailed OrderRefundUnknown RefundOutcome RefundState"
    ),
    "voucher_async.outcomes": (
        "ChargeRefunded CheckoutFailed CheckoutUnknown HeldOutcome HeldState OutcomeUnknown PendingOutcome "
        "Settlement SettlementState StillRunning"
    ),
    "voucher_async.payments.call": "CallRecord CallState",
    "voucher_async.payments.journal": "Journal",
    "voucher_async.payments.memory": "MemoryJournal",
    "voucher_async.payments.recovery": "Recovered",
    "voucher_async.reconciling": "History",
    "voucher_async.resources.batches": "VoucherBatch",
    "voucher_async.resources.paging": "Listing",
    "voucher_async.payments.joined": "is_joined",
}
_MODULES: Final = {name: module for module, names in _HOMES.items() for name in names.split()}

if not TYPE_CHECKING:  # a type checker would take any name for an existing one

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
