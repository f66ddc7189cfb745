"""Steps from a request to an answer, without any I/O: route, token, scope, body, operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

import attrs

from voucher_async.testing._json import read_json
from voucher_async.testing._log import RequestEntry, RequestLog, safe_path
from voucher_async.testing._oauth import authenticate
from voucher_async.testing._refusals import OAuthRefusal, Refusal
from voucher_async.testing._routes import Route, match
from voucher_async.testing._state import Command, Mint, Options, Outcome, State, commit
from voucher_async.testing.habits import Habits

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from voucher_async.testing._guard import Guard
    from voucher_async.testing._records import ClientRecord

__all__ = ["Call", "Decision", "Engine"]


@attrs.frozen(kw_only=True)
class Call:
    """A request as it came in; what may be secret stays out of its `repr`.

    Attributes:
        cache_control: the header of that name, for caches on the way.
        problem: why the body could not be read, if it could not.
        request_id: the header `X-Request-Id`.
    """

    method: str
    raw_path: str = attrs.field(repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    authorization: str | None = attrs.field(default=None, repr=False)
    content_type: str | None = None
    body: bytes = attrs.field(default=b"", repr=False)
    cache_control: str | None = None
    problem: Refusal | None = None
    request_id: str | None = None


@attrs.frozen(kw_only=True)
class Decision:
    """Consequence of a call; nothing has happened before it is committed."""

    route: Route | None
    ids: Mapping[str, str] = attrs.field(repr=False)
    client_id: str | None
    outcome: Outcome = attrs.field(repr=False)


class Engine:
    """The state, and the rules that every request passes.

    Args:
        options: the choices that the contract leaves open.
        now: tells the emulator's time.
        mint: makes identifiers and secrets.
        most_requests: how many requests the log keeps; None: all.

    Attributes:
        guard: held by whoever reads or writes more than one thing.
    """

    def __init__(
        self,
        options: Options,
        now: Callable[[], dt.datetime],
        mint: Mint | None = None,
        most_requests: int | None = None,
    ) -> None:
        self.options = options
        self.state: State = State()
        self.habits: Habits = Habits()
        self.guard: Guard = self.habits.guard
        self.log: RequestLog = RequestLog(most_requests)
        self.now = now
        self._mint = mint or Mint()

    def command(self, **fields: Any) -> Command:
        """A command at this moment."""
        return Command(
            state=self.state,
            options=self.options,
            habits=self.habits,
            mint=self._mint,
            now=self.now(),
            **fields,
        )

    def answer(self, call: Call, fault: object = None) -> Outcome:
        """Decide and commit at once; what stands between a client and the server is in `_way.Way`."""
        with self.guard:
            decision = self.decide(call)
            self.commit(call, decision, fault)
        return decision.outcome

    def date(self, outcome: Outcome) -> dt.datetime:
        """The moment that the `Date` of an answer tells."""
        return self.habits.date(outcome.at or self.now())

    def decide(self, call: Call) -> Decision:
        """Decide what the call leads to, without any effect."""
        route: Route | None = None
        ids: Mapping[str, str] = {}
        client: ClientRecord | None = None
        try:
            route, ids = match(call.method, call.raw_path)
            client = self._caller(route, call)
            if call.problem is not None:
                raise call.problem
            body = _read_body(route, call)
            command = self.command(client=client, ids=ids, query=call.query, body=body)
            outcome = route.perform(command)
        except Refusal as refusal:
            outcome = Outcome(status=refusal.status, body=refusal.body(), headers=refusal.headers)
        return Decision(route=route, ids=ids, client_id=client.id if client else None, outcome=outcome)

    def commit(self, call: Call, decision: Decision, fault: object = None) -> None:
        """Carry the decision out and write it to the request log."""
        path = safe_path(decision.route, decision.ids, self.state)
        commit(self.state, decision.outcome.changes)
        self.log.add(
            RequestEntry(
                operation_id=decision.route.operation_id if decision.route else None,
                method=call.method,
                path=path,
                status=decision.outcome.status,
                at=self.now(),
                client_id=decision.client_id,
                fault=repr(fault) if fault else None,
                request_id=call.request_id,
            )
        )

    def operation_of(self, call: Call) -> str | None:
        """The operation that a call asks for; None when there is none."""
        try:
            return match(call.method, call.raw_path)[0].operation_id
        except Refusal:
            return None

    def note(self, call: Call, fault: object) -> None:
        """Write a call to the request log that is not looked at."""
        route, ids = match(call.method, call.raw_path)
        self.log.add(
            RequestEntry(
                operation_id=route.operation_id,
                method=call.method,
                path=safe_path(route, ids, self.state),
                status=0,
                at=self.now(),
                client_id=None,
                fault=repr(fault),
                request_id=call.request_id,
            )
        )

    def _caller(self, route: Route, call: Call) -> ClientRecord | None:
        if route.public:
            return None
        token = authenticate(self.state, call.authorization, self.now())
        if route.scope is not None and route.scope not in token.scopes:
            raise Refusal(403, "CLIENT.MISSING_SCOPE", f"This needs the scope '{route.scope}'.")
        return self.state.clients[token.client_id]


def _read_body(route: Route, call: Call) -> dict[str, object]:
    if route.body == "form":
        return _read_form(call)
    if route.body is None or not call.body:
        return {}
    if _media_type(call) != "application/json":
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", "The body has to be application/json.")
    try:
        body = read_json(call.body)
    except ValueError:
        raise Refusal(400, "MALFORMED_JSON", "The body is no JSON.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "MALFORMED_JSON", "The body has to be a JSON object.")
    return cast("dict[str, object]", body)


def _read_form(call: Call) -> dict[str, object]:
    if _media_type(call) != "application/x-www-form-urlencoded":
        raise OAuthRefusal(400, "invalid_request", "The body has to be application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(call.body.decode(), keep_blank_values=True, strict_parsing=False, errors="strict")
    except ValueError:
        raise OAuthRefusal(400, "invalid_request", "The form cannot be read.") from None
    form: dict[str, object] = dict(pairs)
    if len(form) < len(pairs):
        raise OAuthRefusal(400, "invalid_request", "A parameter is there more than once.")
    return form


def _media_type(call: Call) -> str:
    return (call.content_type or "").partition(";")[0].strip().lower()
