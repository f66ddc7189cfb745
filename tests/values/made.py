"""One value of each kind that travels."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.journals.records import begun, everything, opened, sent
from tests.unit.samples import charge, example, raw
from voucher_async import (
    HeldOutcome,
    HeldState,
    PendingOutcome,
    Proof,
    Recovered,
    Settlement,
    SettlementState,
    models,
    wire,
)
from voucher_async.references import make_reference
from voucher_async.values import Value

__all__ = ["ANSWERS", "CHARGE", "HELD", "MODELS", "NOON", "PENDING", "REQUESTS", "SETTLED", "VALUES"]

NOON = dt.datetime(2027, 1, 2, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
CHARGE = charge("c-1")
ANSWERS: dict[str, str] = {
    "Charge": "Charge",
    "ChargePage": "ChargePage",
    "CompleteVoucher": "CompleteVoucher",
    "ConnectedClient": "ConnectedClient",
    "Reservation": "Reservation",
    "Voucher": "VoucherActive",
    "VoucherDetails": "VoucherDetails",
    "VoucherPage": "VoucherPage",
}
REQUESTS: dict[str, dict[str, Any]] = {
    "ChargeReservationRequest": {"order_number": "A-1"},
    "ConnectRequest": {"pin": "p"},
    "CreateReservationRequest": {"amount": "1.00", "currency": "EUR", "code": "c"},
    "CreateVoucherRequest": {
        "amount": "25.00",
        "currency": "EUR",
        "type": "print",
        "taxable": True,
        "tax_rate": "19",
    },
    "DeleteVoucherRequest": {"comment": "why"},
    "RechargeRequest": {"amount": "1.00", "currency": "EUR", "order_number": "A-1", "id": "v-1"},
    "RefundRequest": {"amount": "1.00", "currency": "EUR"},
    "SetStatusRequest": {"status": "active"},
    "TokenRequest": {"grant_type": "client_credentials", "client_id": "i", "client_secret": "s"},
    "UpdateVoucherRequest": {"sku": None},
}
PARTS: dict[str, Value] = {
    "Error": models.Error(status=422, code="A.B", message="no", errors=(models.FieldError(code="A.B.C.D"),)),
    "FieldError": models.FieldError(code="A.B.C.D", rule="d"),
    "OAuthError": models.OAuthError(error="invalid_client"),
    "PageLinks": models.PageLinks(first="https://vouchers.test/v1?page=1"),
    "PageMeta": models.PageMeta(current_page=1, per_page=15, from_=1, to=2, last_page=1, total=2),
    "Token": models.Token(access_token="t", token_type="Bearer", expires_in=60),
}
MODELS: dict[str, Value] = {
    **{name: wire.decode(getattr(models, name), raw(example(shown))) for name, shown in ANSWERS.items()},
    **{name: getattr(models, name)(**fields) for name, fields in REQUESTS.items()},
    **PARTS,
}
PENDING = PendingOutcome(
    operation="chargeReservation",
    reservation_id="r-1",
    amount=Decimal("2.50"),
    order_number="A-1",
    order_number_format="{order}~{ref}",
    reference=make_reference(),
    sent_at=NOON,
    known=("c-0",),
)
SETTLED = Settlement(
    pending=PENDING, state=SettlementState.DONE, charge=CHARGE, surplus=(CHARGE,), refunds=()
)
HELD = HeldOutcome(voucher_id="v-1", amount=Decimal(2), state=HeldState.CHARGED, charge=CHARGE)
VALUES: dict[str, Value] = {
    **MODELS,
    "PendingOutcome": PENDING,
    "PendingOutcome without a reference": PendingOutcome(operation="rechargeVoucher", amount=Decimal("0.10")),
    "Settlement": SETTLED,
    "Settlement without a charge": Settlement(
        pending=PENDING, state=SettlementState.NOT_DONE, proof=Proof.ABSENT
    ),
    "CallRecord": everything(),
    "Recovered": Recovered(not_done=(everything(),), open=(opened(sent(begun("A-1"))),)),
    "nothing recovered": Recovered(),
}
