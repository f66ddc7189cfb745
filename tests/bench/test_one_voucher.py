"""The benchmark tells hand-overs of turns from other gaps, and its server ends reservations."""

from __future__ import annotations

import json
from typing import Any

from tests.bench.control import Answered
from tests.bench.one_voucher import gaps
from tests.bench.server import Server


def body_of(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_a_gap_begins_with_a_charge_and_ends_with_the_next_reservation() -> None:
    log = [
        Answered("token", 0, 0.0, 0.5),
        Answered("reserve", 1, 1.0, 1.25),
        Answered("charge", 1, 2.0, 2.25),
        Answered("reserve", 1, 2.5, 3.0),  # the same process
        Answered("charge", 1, 3.5, 4.0),
        Answered("reserve", 2, 5.0, 5.5),
        Answered("reserve", 1, 5.75, 6.0),  # no turn has ended
        Answered("charge", 2, 7.0, 7.25),
        Answered("reserve", 3, 7.75, 8.0),
    ]
    assert gaps(log) == ([1.0, 0.5], [0.25])


def test_a_reservation_ends_the_earlier_one_of_its_voucher() -> None:
    server = Server()
    server.behaviour.knows_vouchers = True
    made = [body_of(server.reserve(b'{"code":"%s"}' % code)) for code in (b"A", b"B", b"A")]
    assert made[0]["voucher_id"] == made[2]["voucher_id"] != made[1]["voucher_id"]
    paths = [f"/v1/reservations/{each['id']}/charge".encode() for each in made]
    charges = [body_of(server.charge(path)) for path in paths]
    assert charges[0]["status"] == 409
    assert [each["voucher_id"] for each in charges[1:]] == [each["voucher_id"] for each in made[1:]]
    assert len(server.state.charged) == 2
    assert server.state.double_charges == 0
