"""The step `tls`: each way in which a handshake fails, and the certificate that came with it."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.checking.checked import SECRET, Checked, checked
from tests.forwarding import ForwardProxy
from tests.rawserver import RawServer, hang, reply
from voucher_async import Settings
from voucher_async.cli.checking import State
from voucher_async.config import Timeout
from voucher_async.testing import VoucherEmulator

NOT_FOUND = reply({"status": 404, "code": "VOUCHER.NOT_FOUND", "message": "no"}, 404)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def in_days(days: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


@contextlib.asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[RawServer]:
    server = RawServer(context)
    server.scripts = [NOT_FOUND]
    await server.start()
    yield server
    await server.stop()


async def tls(context: ssl.SSLContext, trusted: ssl.SSLContext | None = None, **changes: Any) -> Checked:
    """A check of a server with a certificate."""
    async with serving(context) as server:
        return await checked(settings=server.settings(ssl=trusted, **changes))


async def test_a_good_certificate_is_told_with_its_end(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    certificate = authority.issue_cert("127.0.0.1", common_name="till", not_after=in_days(30.5))
    found = await tls(context_of(certificate), trusting)
    finding = found.one("tls")
    assert finding.state is State.OK
    assert finding.facts["days_left"] == 30
    assert finding.facts["subject"] == "till"
    assert finding.facts["names"] == ("127.0.0.1",)
    assert finding.facts["version"] == "TLSv1.3"
    assert found.one("token").state is State.OK
    assert found.one("scope", "use").facts["works"] is True


async def test_a_certificate_that_ends_soon_is_a_warning(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    certificate = authority.issue_cert("127.0.0.1", not_after=in_days(13.5))
    finding = (await tls(context_of(certificate), trusting)).one("tls")
    assert finding.state is State.WARNING
    assert finding.seen.endswith("in 13 days")


async def test_an_expired_certificate_is_named(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    certificate = authority.issue_cert("127.0.0.1", not_after=in_days(-2.5))
    found = await tls(context_of(certificate), trusting)
    assert found.one("tls").facts["problem"] == "expired"
    assert found.one("tls").facts["days_left"] == -3
    assert found.one("token").state is State.SKIPPED


async def test_a_certificate_that_is_not_valid_yet_points_to_this_machine_s_date(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    certificate = authority.issue_cert("127.0.0.1", not_before=in_days(1), not_after=in_days(20))
    finding = (await tls(context_of(certificate), trusting)).one("tls")
    assert finding.facts["problem"] == "not-yet-valid"
    assert "date" in finding.advice


async def test_a_certificate_for_another_host_is_named_with_that(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    finding = (await tls(context_of(authority.issue_cert("shop.example")), trusting)).one("tls")
    assert finding.facts["problem"] == "wrong-name"
    assert "shop.example" in finding.seen


async def test_an_authority_that_is_not_trusted_is_named(authority: trustme.CA) -> None:
    finding = (await tls(context_of(authority.issue_cert("127.0.0.1")))).one("tls")
    assert finding.facts["problem"] == "unknown-authority"
    assert finding.facts["issuer"] == "trustme v1.2.1"


async def test_a_self_signed_certificate_is_named(authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "self.pem"
    file.write_bytes(authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    assert (await tls(context)).one("tls").facts["problem"] == "self-signed"


async def test_a_server_without_tls_is_named(emulator: VoucherEmulator) -> None:
    base_url = emulator.base_url.replace("http:", "https:")
    found = await checked(settings=Settings.make(client_id="c-1", client_secret=SECRET, base_url=base_url))
    assert found.one("tls").facts["problem"] == "plain-http"
    assert "plain http" in found.one("tls").seen


async def test_a_server_that_says_nothing_costs_the_time_limit_of_connections() -> None:
    class Silent(RawServer):
        async def _one(self, reader: Any, writer: Any) -> None:
            await hang(reader, writer)
            writer.close()

    server = Silent()
    await server.start()
    limits = Timeout(total=2.0, connect=1.0, read=1.0)
    base_url = f"https://127.0.0.1:{server.port}/v1"
    settings = Settings.make(client_id="c-1", client_secret=SECRET, base_url=base_url, timeout=limits)
    finding = (await checked(settings=settings)).one("tls")
    await server.stop()
    assert finding.facts["problem"] == "no-tls"
    assert "no answer in time" in finding.seen


async def test_a_context_that_verifies_nothing_is_a_warning(authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    finding = (await tls(context_of(authority.issue_cert("127.0.0.1")), context)).one("tls")
    assert finding.facts["problem"] == "not-verified"
    assert finding.state is State.WARNING


@pytest.mark.parametrize("secure", [False, True])
async def test_the_handshake_goes_through_the_tunnel_of_a_proxy(
    authority: trustme.CA, trusting: ssl.SSLContext, *, secure: bool
) -> None:
    served = context_of(authority.issue_cert("127.0.0.1"))
    async with ForwardProxy(served if secure else None) as proxy:
        found = await tls(served, trusting, proxy=proxy.url)
    assert [found.one(name).state for name in ("proxy", "tls", "token")] == [State.OK] * 3
    assert found.one("tcp").state is State.SKIPPED
