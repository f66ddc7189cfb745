"""`voucher-async issue`, `import` and `export`: vouchers in bulk."""

import itertools
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from voucher_async.cli.bulk.exporting import Lines, WholeFile, with_secrets
from voucher_async.cli.bulk.jobs import Job, counted, question
from voucher_async.cli.bulk.reading import Content, check_other, read_file
from voucher_async.cli.bulk.running import issue
from voucher_async.cli.common import DEFAULT, Common, Session
from voucher_async.cli.exits import Exit
from voucher_async.cli.lists import PER_PAGE, vouchers_of
from voucher_async.cli.terminal import Terminal
from voucher_async.errors import ConfigurationError, InvalidInput
from voucher_async.issuing import VoucherSpec
from voucher_async.masking import visible
from voucher_async.models import CompleteVoucher, VoucherDetails
from voucher_async.resources.lazy import to_count
from voucher_async.voucher_files.continuing import Layout
from voucher_async.voucher_files.writing import layout_of

__all__ = ["register"]

_VALIDITY: Final = re.compile(r"([0-9]{1,9}) *(day|week|month|year)s?")
_BATCH_OF_FILE: Final = "import"  # where each line has a number and a batch of its own
_COLUMNS: Final = ("count", "amount", "currency", "status", "total_amount")
_WITHOUT_SECRETS: Final = "Codes and pins are left out: --show-secrets reads them (scope read-secrets)."

_Concurrency = Annotated[int, Parameter(show_default=True)]


def register(app: App) -> None:
    """Add the commands to the program."""
    app.command(_issue, name="issue")
    app.command(_import, name="import")
    app.command(_export, name="export")


async def _issue(
    *,
    count: int,
    amount: str,
    currency: str,
    batch: str,
    activate: bool = False,
    out: Path | None = None,
    sku: str | None = None,
    type: Literal["digital", "print"] | None = None,
    validity: str | None = None,
    taxable: bool = False,
    tax_rate: str | None = None,
    order: str | None = None,
    data: str | None = None,
    concurrency: _Concurrency = 20,
    common: Common = DEFAULT,
) -> int:
    """Issue a batch of equal vouchers, each once, however often the command is run.

    `issue --count 500 --amount 25.00 --currency EUR --batch XMAS-2026 --activate --out cards.csv`

    The name of the batch and a voucher's position give its id. So a run that was cut off, by Ctrl-C, a power
    failure or the server, is run again as it is, on this machine or another one: it finds what is there, and
    makes the rest. Another batch needs another name; a greater --count makes the batch longer.

    Codes and pins are as good as money, and go nowhere but into the file of --out, which is readable for its
    owner alone. Without --out they are in no file; `voucher-async export --batch NAME --show-secrets` reads
    them at any time.

    It asks before it does so, but for the sandbox and this machine. Ctrl-C lets the vouchers under way end,
    a second one ends at once. Where some vouchers failed, each is told of, the others go on, and the status
    is 4. Needs the scopes `manage` and `read-secrets`, and `use` for --activate (operations `createVoucher`,
    `getCompleteVoucher`, `setVoucherStatus`).

    Args:
        count: How many vouchers the batch has.
        amount: The value of each, such as 25.00.
        currency: Three capital letters, such as EUR.
        batch: The name of the batch, at most 30 characters.
        activate: Activate each: it can be spent then, and its validity begins.
        out: The file for the vouchers with their codes: CSV in the layout of the Admin UI's import, or JSON
            lines where its name ends with .jsonl. Run again, it gets what is not in it.
        sku: The article number.
        type: The kind of voucher.
        validity: How long it is valid from its activation, such as "3 years".
        taxable: The tax is fixed at the sale (single-purpose voucher).
        tax_rate: The tax in percent, such as 19; with --taxable.
        order: The number of the order they are sold with.
        data: JSON text of your own.
        concurrency: How many are under way at once, at most; fewer while the server is busy.
        common: see `Common`.
    """
    number = to_count("count", count)
    value, interval = _validity(validity)
    spec = VoucherSpec(
        amount=amount,
        currency=currency,
        sku=sku,
        type=type,
        validity_value=value,
        validity_interval=interval,
        taxable=taxable or None,
        tax_rate=tax_rate,
        order_number=order,
        data=data,
    )
    job = Job(
        specs=itertools.repeat(spec, number),
        count=number,
        what=question({spec: number}),
        batch=batch,
        activate=activate,
        concurrency=concurrency,
        out=out,
    )
    async with common.session() as session:
        return await issue(session, job)


def _validity(text: str | None) -> tuple[int | None, str | None]:
    if text is None:
        return None, None
    found = _VALIDITY.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidInput("validity", 'must be such as "3 years": days, weeks, months or years', text)
    return int(found[1]), f"{found[2]}s"


async def _import(
    file: str,
    /,
    *,
    batch: str | None = None,
    activate: bool = False,
    out: Path | None = None,
    ignore: list[str] | None = None,
    dry_run: bool = False,
    concurrency: _Concurrency = 20,
    common: Common = DEFAULT,
) -> int:
    """Issue the vouchers of a file through the API, as the Admin UI's import would.

    The file is CSV in the layout of that import (semicolons, UTF-8, a header), or JSON lines with the names
    of the API; both are described in `docs/voucher-files.md`. Every line is checked first: where one is
    wrong, all that is wrong is listed with line, column and rule, nothing is sent, and the status is 2.

    Run again, it makes none twice: a voucher is known by its `custom_id`, or by --batch and its position
    among the lines. Lines without a batch of their own get --batch. A line's status says whether it is
    activated. Otherwise it is as `voucher-async issue`, which explains Ctrl-C, questions and scopes.

    Args:
        file: The path of the file; `-` for the standard input.
        batch: The name of the batch, at most 30 characters; may be left out where each line has its own
            `custom_id` and `batch`.
        activate: Activate the vouchers of lines that do not tell their status.
        out: The file for the vouchers with their codes; not the one that is read.
        ignore: A column that is left out, such as valid_until; may be given several times.
        dry_run: Check the file, show how many vouchers there would be of each amount, and send nothing.
        concurrency: How many are under way at once, at most; fewer while the server is busy.
        common: see `Common`.
    """
    terminal = common.terminal()
    check_other(out, file)
    content = read_file(file, ignore or ())
    if content.errors:
        return _refuse(terminal, content)
    name = _batch_of(batch, content)
    if dry_run:
        rows = counted(content.specs, activate=activate)
        terminal.show(rows, _COLUMNS, empty="The file has no voucher.")
        terminal.say(f"{len(content.specs)} vouchers; nothing was sent.")
        return Exit.DONE
    if not content.specs:
        terminal.say("The file has no voucher; nothing was sent.")
        return Exit.DONE
    job = Job(
        specs=content.specs,
        count=len(content.specs),
        what=question(Counter(content.specs)),
        batch=name,
        activate=activate,
        concurrency=concurrency,
        out=out,
        lines=content.lines,
    )
    async with common.session() as session:
        return await issue(session, job)


def _refuse(terminal: Terminal, content: Content) -> Exit:
    for error in content.errors:
        if terminal.as_json:
            row = {"line": error.line, "column": error.column, "rule": error.rule, "value": error.value}
            terminal.line(row)
        else:
            terminal.say(str(error))
    if any(error.column == "valid_until" for error in content.errors):
        terminal.say("--ignore valid_until leaves it out: the activation sets it anew.")
    lines = len({error.line for error in content.errors})
    terminal.say(f"{lines} {'line is' if lines == 1 else 'lines are'} wrong; nothing was sent.")
    return Exit.USAGE


def _batch_of(batch: str | None, content: Content) -> str:
    if batch is not None:
        return batch
    for line, spec in zip(content.lines, content.specs, strict=True):
        missing = "custom_id" if spec.id is None else "batch"
        if spec.id is None or spec.batch is None:
            raise ConfigurationError(f"--batch must be given: line {line} has no {missing} of its own")
    return _BATCH_OF_FILE


async def _export(
    *,
    batch: str | None = None,
    status: Literal["active", "inactive"] | None = None,
    out: Path | None = None,
    format: Layout | None = None,
    replace: bool = False,
    common: Common = DEFAULT,
) -> int:
    """Write the vouchers of the API as a file: CSV in the layout of the Admin UI's import, or JSON lines.

    All vouchers are read page by page, oldest or newest first as the server has them; --batch and --status
    are looked for here. The file of --out gets its name once it is whole, and its owner alone can read it.

    With --show-secrets the code and pin of each voucher are read, one request for each. Those are as good as
    money. The CSV has no order number, no data and no balance; JSON lines have all fields.

    Needs the scope `read-lists`, and `read-secrets` for --show-secrets (operations `listVouchers`,
    `getCompleteVoucher`).

    Args:
        batch: Vouchers of this batch.
        status: Vouchers with this status.
        out: The path of the file; the standard output where it is left out.
        format: The form of the lines; by the name of the file where it is left out, CSV in general.
        replace: Replace a file that is there.
        common: see `Common`.
    """
    form = _format_of(format, out, as_json=common.json)
    async with common.unrecorded() as session:
        terminal = session.terminal
        if not common.show_secrets:
            terminal.say(_WITHOUT_SECRETS)
        lines = Lines(form)
        with ExitStack() as stack:
            file = None if out is None else stack.enter_context(WholeFile(out, replace=replace))
            write = _shown_by(terminal) if file is None else file.write
            try:
                count = await _write(_found(session, batch, status), lines, write)
                if file is not None:
                    file.keep()
            except BrokenPipeError:  # nobody reads the standard output any more
                raise
            except OSError as error:
                terminal.say(f"error: {out} cannot be written ({error.strerror}); run it again")
                return Exit.REFUSED
        if lines.lost is not None:
            terminal.say(lines.lost)
        terminal.say(_exported(count, out))
    return Exit.DONE


def _format_of(format: Layout | None, out: Path | None, *, as_json: bool) -> Layout:
    if as_json and format == "csv":
        raise ConfigurationError("--json asks for JSON lines, and --format for CSV: give one of them")
    return format or ("jsonl" if as_json else "csv" if out is None else layout_of(out))


def _exported(count: int, out: Path | None) -> str:
    vouchers = "There is no such voucher" if not count else f"{count} vouchers" if count > 1 else "1 voucher"
    return f"{vouchers}." if out is None else f"{vouchers}: {out}."


async def _found(
    session: Session, batch: str | None, status: str | None
) -> AsyncGenerator[tuple[VoucherDetails, CompleteVoucher | None]]:
    """The vouchers that are looked for, with their secrets where these are to be shown."""
    keeps = vouchers_of(batch, status)

    async def listed() -> AsyncGenerator[VoucherDetails]:
        async for voucher in session.client.vouchers.list(per_page=PER_PAGE):
            if keeps(voucher):
                yield voucher

    async with aclosing(listed()) as vouchers:
        if not session.terminal.show_secrets:
            async for voucher in vouchers:
                yield voucher, None
            return
        async with aclosing(with_secrets(session.client, vouchers)) as found:
            async for voucher, complete in found:
                if complete is None:
                    session.terminal.say(f"Voucher {voucher.id} was deleted meanwhile, and is left out.")
                else:
                    yield voucher, complete


async def _write(
    found: AsyncGenerator[tuple[VoucherDetails, CompleteVoucher | None]],
    lines: Lines,
    write: Callable[[str], None],
) -> int:
    if lines.header is not None:
        write(lines.header)
    count = 0
    async with aclosing(found):
        async for voucher, complete in found:
            write(lines.line(voucher, complete))
            count += 1
    return count


def _shown_by(terminal: Terminal) -> Callable[[str], None]:
    # what a server says must not steer a terminal; a program gets it as it is
    is_seen = terminal.out.file.isatty()
    return lambda line: terminal.write(visible(line) if is_seen else line)
