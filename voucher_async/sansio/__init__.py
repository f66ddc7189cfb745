"""Requests and answers without any I/O: what is sent, and what an answer means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar, cast
from urllib.parse import quote, urlencode

import attrs

from voucher_async import wire
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
from voucher_async.clock import parse_retry_after
from voucher_async.errors import CallFacts, Fate, InvalidInput, InvalidInputType
from voucher_async.masking import Members, SecretBytes, conceal
from voucher_async.masking.memory import recall, record
from voucher_async.masking.text import Masker
from voucher_async.models import Token
from voucher_async.operations import (
    CONNECT_CLIENT,
    CREATE_VOUCHER,
    GET_COMPLETE_VOUCHER,
    REQUEST_TOKEN,
    Operation,
)
from voucher_async.sansio.said import SAID, Envelope, excerpt_of, quoted, shorten
from voucher_async.statuses import REFUSALS, SUCCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Request",
    "Response",
    "build",
    "decode",
    "raise_for_error",
    "unreadable",
]

T = TypeVar("T")

MAX_ID = 255
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_NOTHING: Final[Any] = type(None)
_SECRET: Final = frozenset(
    each.id for each in (CONNECT_CLIENT, CREATE_VOUCHER, GET_COMPLETE_VOUCHER, REQUEST_TOKEN)
)
_KIND: Final = 80


@attrs.define(eq=False)
class Request(Generic[T]):
    """One call, ready to be sent.

    Attributes:
        operation: which operation.
        path: below the API base, ids filled in and encoded.
        query: the query string, encoded, without `?`.
        body: the body; it may hold secrets and is not shown.
        secrets: secret values in the body, to be masked in whatever the server says.
        repeatable: False for a creation without an id, which a repeat would do twice.
        check: says what is wrong with a model that was read, None when it is what was asked for.
        content_type: the media type of the body.
        call_id: the id of the money call, sent as a header with each request of it; None for other calls.
        begin_by: the moment until which the body may be begun to be written, in seconds as `uptime_of` the
            client's clock counts; None: as long as the call may take.
    """

    operation: Operation[T]
    path: str
    query: str = ""
    body: bytes | None = attrs.field(default=None, repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    repeatable: bool = True
    check: Callable[[T], str | None] | None = None
    content_type: str = "application/json"
    call_id: str | None = None
    begin_by: float | None = None

    def facts(self) -> CallFacts:
        """The facts that an error tells about the call."""
        operation = self.operation
        return CallFacts(
            operation=operation.id, method=operation.method, path=self.path, request_id=self.call_id
        )


@attrs.define(eq=False)
class Response:
    """An answer as it came.

    Attributes:
        status: the HTTP status.
        headers: the headers, looked up without regard to case.
        body: the body; not shown, it may hold secrets.
        complete: False when the body was cut off or too large; then `body` is what came of it.
        resent: the HTTP library sent the request twice by itself.
        secrets: what the request's headers held, to be masked.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    complete: bool = True
    resent: bool = False
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)


def build(
    operation: Operation[T],
    body: attrs.AttrsInstance | None = None,
    *,
    ids: Mapping[str, str] | None = None,
    query: Sequence[tuple[str, str]] = (),
    secrets: Sequence[str | None] = (),
    repeatable: bool = True,
    check: Callable[[T], str | None] | None = None,
) -> Request[T]:
    """Put a request together.

    Args:
        operation: which operation.
        body: the request model, or None.
        ids: the values of the path's placeholders.
        query: the query's names and values.
        secrets: the secret values of the body; None and empty ones are left out.
        repeatable: False when a repeat would do the same thing twice.
        check: says what is wrong with an answer that can be read but is not what was asked for.

    Raises:
        InvalidInput: an id cannot stand in a path, or a query value cannot be encoded.
    """
    path = operation.path
    for name, value in (ids or {}).items():
        path = path.replace(f"{{{name}}}", quote(check_id(name, value), safe=""))
    text = _encode_query(query) if query else ""
    content = None if body is None else SecretBytes(wire.encode(body))
    # by position: a class is slow to be called by name, and this is on the way of every call
    return Request(operation, path, text, content, tuple(filter(None, secrets)), repeatable, check)


def check_id(name: str, value: object) -> str:
    """An id must be a text of 1 to 255 characters that can stand in a path.

    Raises:
        InvalidInputType: not a text.
        InvalidInput: empty, too long, `.` or `..`, or with control characters or lone surrogates.
    """
    if not isinstance(value, str):
        raise InvalidInputType(name, f"must be a str, not {type(value).__name__}", value)
    if not 0 < len(value) <= MAX_ID:
        raise InvalidInput(name, f"must have 1 to {MAX_ID} characters", value)
    if value in {".", ".."}:
        raise InvalidInput(name, "must not be a dot segment, which would change the path", value)
    if not value.isprintable():
        raise InvalidInput(name, "must not hold control characters, line breaks or lone surrogates", value)
    return value


def _encode_query(query: Sequence[tuple[str, str]]) -> str:
    try:
        return urlencode(query, quote_via=quote)
    except UnicodeEncodeError as error:
        name, value = next(pair for pair in query if error.object in pair)
        raise InvalidInput(name, "must not hold lone surrogates", value) from None


def decode(request: Request[T], response: Response) -> T:
    """The model of a successful answer.

    Raises:
        ApiError: the status is not 2xx; the class says which kind.
        BadAnswer: 2xx, but cut off, too large, not what the operation answers, or not what was asked for.
    """
    if response.status not in SUCCESS:
        raise_for_error(request, response)
    if request.operation.answer is _NOTHING:
        return cast("T", None)
    if not response.complete:
        raise unreadable(request, response, "the body was cut off or is too large")
    try:
        if request.operation is REQUEST_TOKEN:
            value = cast("T", _read_token(response.body))
        else:
            value = wire.decode(request.operation.answer, response.body)
    except wire.WireError as error:
        problem = str(error)
    else:
        problem = (request.check(value) if request.check else None) or ""
        if not problem:
            if request.secrets or request.operation.id in _SECRET:
                _remember(request, value)
            return value
    # raised out here, without the errors and frames of reading, which hold the body
    raise unreadable(request, response, problem)


def _remember(request: Request[Any], value: object) -> None:
    """Later answers may name the code of what they are about, which their requests do not hold."""
    secrets = request.secrets
    for name in ("code", "pin", "secret"):
        if secret := getattr(value, name, None):
            secrets = (*secrets, conceal(cast("str", secret)))
    record((getattr(value, "id", None), getattr(value, "voucher_id", None)), secrets)


def _read_token(body: bytes) -> Token:
    """A token answer, with patience for what identity servers do to the parts that do not matter.

    Only the token must be right; `expires_in` may be missing, a text or nonsense (RFC 6749 section 5.1).
    """
    said = Members(wire.parse(body))
    if not said.are_some:
        raise wire.WireError("", "expected an object")
    value = cast("object", conceal(said.get("access_token")))
    kind: object = said.get("token_type", "bearer")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise wire.WireError("access_token", "expected a token of visible ASCII characters")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise wire.WireError("token_type", "expected Bearer")
    return Token(access_token=value, token_type="Bearer", expires_in=_seconds(said.get("expires_in")))


def _seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        return int(float(value))
    except (ValueError, OverflowError):
        return None


def unreadable(request: Request[Any], response: Response, problem: str) -> BadAnswer:
    """The error for an answer that says nothing, apart from its status.

    Args:
        request: what was sent.
        response: what came.
        problem: what is wrong with it, without secrets.
    """
    masker = _masker(request, response)
    refused = response.status >= HTTPStatus.BAD_REQUEST
    quotable = refused or request.operation.id not in _SECRET
    excerpt = excerpt_of(masker, response.body, keep_error_codes=refused) if quotable else ""
    kind = masker.shown(response.headers.get("Content-Type", "no content type"), _KIND)
    size = f"{kind}, {len(response.body)} bytes"
    problem = masker.shown(problem, SAID)
    error = BadAnswer(
        f"HTTP {response.status} with an answer that cannot be read: {problem} "
        f"({f'{size}: {quoted(excerpt)}' if quotable else size})",
        status=response.status,
        excerpt=excerpt,
        facts=request.facts(),
    )
    error.problem = problem
    error.fate = _fate(response.status)
    return error


def _fate(status: int) -> Fate:
    """The proof in a status: a refusal proves that nothing was done, anything else proves nothing."""
    return Fate.ANSWERED if status in REFUSALS else Fate.UNKNOWN


def raise_for_error(request: Request[Any], response: Response) -> NoReturn:
    """Turn an answer that is not 2xx into the error it stands for.

    The class follows the status; code, message and field errors are taken from the API's envelope or from
    OAuth's when there is one, and masked. A status the API does not know about is never guessed into
    something harmless.

    Raises:
        ApiError: always.
    """
    status = response.status
    if status < HTTPStatus.BAD_REQUEST:
        raise unreadable(request, response, "a redirect or another status this API never gives")
    masker = _masker(request, response)
    envelope = Envelope.read(masker, response.body, response.status)
    excerpt = excerpt_of(masker, response.body, keep_error_codes=True)
    cls = _error_class(request, status)
    said = envelope.code or envelope.message
    text = f"{envelope.code}: {envelope.message}" if envelope.code and envelope.message else said
    text = shorten(text, SAID) if text else "an empty body"
    if not said and excerpt:
        text = f"no readable error, {quoted(excerpt)}"
    summary = f"HTTP {status}: {text}"
    if cls is MissingScope and request.operation.scope:
        summary = f"{summary}; {request.operation.id} needs the scope {request.operation.scope!r}"
    error = cls(
        summary,
        status=status,
        code=envelope.code,
        message=envelope.message,
        field_errors=envelope.field_errors,
        retry_after=parse_retry_after(response.headers),
        excerpt=excerpt,
        facts=request.facts(),
    )
    error.has_envelope = envelope.is_api
    if isinstance(error, MissingScope):
        error.scope = request.operation.scope
    error.fate = _fate(status)
    raise error


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    HTTPStatus.UNAUTHORIZED: AuthenticationError,
    HTTPStatus.FORBIDDEN: MissingScope,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimited,
}
_LOG_IN_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def _error_class(request: Request[Any], status: int) -> type[ApiError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerError
    if request.operation.id == "requestToken" and status in _LOG_IN_REFUSED:
        return AuthenticationError
    return _BY_STATUS.get(status, ValidationFailed)


def _masker(request: Request[Any], response: Response) -> Masker:
    return Masker((*request.secrets, *response.secrets, *recall(request.path)))
