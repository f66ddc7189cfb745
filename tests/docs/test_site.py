"""The documentation site is whole, and a person finds what they look for."""

from __future__ import annotations

import re
import zlib
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import pytest
from markdown_it import MarkdownIt

import voucher_async
from codegen.site.checking import clicks, target_of
from codegen.site.diagram import figure_of
from codegen.site.markdown import fenced
from codegen.site.places import page_of, seeds
from codegen.site.written import difference
from tests.docs.site import ROOT, pages, site

START: Final = "index.html"
pytestmark = pytest.mark.timeout(600)  # whichever test comes first builds the site


class Question(NamedTuple):
    """An everyday question.

    Attributes:
        words: the entry of the list on the start page.
        page: the page that answers it.
        anchor: the part of the page with the answer.
        answer: words of that part.
    """

    words: str
    page: str
    anchor: str
    answer: str


QUESTIONS: Final = (
    Question("take a voucher as payment", "overview.html", "redeem-never-twice", "client.redeem("),
    Question(
        "the rest by card", "split-payment.html", "take-a-voucher-and-the-rest-by-card", "client.checkout("
    ),
    Question(
        "several vouchers", "several-vouchers.html", "pay-one-order-with-several-vouchers", "client.checkout("
    ),
    Question("give money back", "refunds.html", "a-return-of-an-order", "client.refund_order("),
    Question("not known whether", "open-outcomes.html", "settle-an-open-outcome", "client.settle("),
    Question("idempotency keys", "idempotency-keys.html", "which-key", "order"),
    Question("web framework", "frameworks.html", "fastapi", "fastapi_shop.py"),
    Question("worker of a queue", "workers.html", "what-all-of-them-do", "key"),
    Question("killed process", "crash-recovery.html", "what-happens-by-itself", "recover_every"),
    Question("without the API", "testing.html", "test-your-shop", "voucher_emulator"),
    Question("cancelled order", "refunds.html", "a-return-of-an-order", "cancel-A-9"),
    Question(
        "customer was not charged", "errors.html", "errors-and-whether-the-customer-was-charged", "str("
    ),
    Question("see what is open", "open-outcomes.html", "find-what-is-open", "client.history(ended=False)"),
    Question("answers 429", "production.html", "many-customers-at-once", "RateLimited"),
    Question("two clients", "production.html", "two-clients", "journal=shared"),
    Question("from a terminal", "cli.html", "a-tour-in-ten-commands", "voucher-async"),
    Question("go to production", "production.html", "going-to-production", "VOUCHER_JOURNAL"),
)


def shown_below(page: str, anchor: str) -> str:
    """The text of a page from an anchor on, to the next one."""
    return " ".join("".join(pages()[page].words[anchor]).split())


def without_diagrams(document: Path) -> str:
    return fenced(document.read_text(encoding="utf-8"), "mermaid", figure_of)


def test_there_are_ten_questions_at_least() -> None:
    assert len(QUESTIONS) >= 10


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.words)
def test_the_answer_is_two_clicks_away_from_the_start_page_s_list(question: Question) -> None:
    listed = re.findall(r"<li><a href=\"([^\"]+)\">([^<]+)</a>", (site() / START).read_text(encoding="utf-8"))
    (first,) = (target_of(START, link) for link, words in listed if question.words in words)
    assert first is not None
    assert first[0] == question.page
    answer = (question.page, question.anchor)
    # the top of a page is in view when the page is
    at_the_top = not first[1] and next(iter(pages()[question.page].words)) == question.anchor
    assert answer == first or at_the_top or answer in clicks(pages(), first[0])
    assert question.answer in shown_below(*answer)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.words)
def test_the_answer_is_two_clicks_away_by_the_menus_alone(question: Question) -> None:
    assert question.page in {page for page, _ in clicks(pages(), START, by_navigation=True)}
    assert (question.page, question.anchor) in clicks(pages(), question.page)


def test_every_public_name_is_in_the_reference() -> None:
    inventory = zlib.decompress((site() / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    places = {line.split(" ")[0]: line.split(" ")[3] for line in inventory.splitlines()}
    public = {f"voucher_async.{name}" for name in voucher_async.__all__ if name != "__version__"}
    assert sorted(public - places.keys()) == []
    targets = {name: target_of("objects.inv", places[name].replace("$", name)) for name in public}
    lost = [
        name for name, target in targets.items() if not target or target[1] not in pages()[target[0]].anchors
    ]
    assert lost == []


def test_a_name_in_a_docstring_leads_to_its_place() -> None:
    links = {target_of("reference/client.html", link) for link in pages()["reference/client.html"].links}
    assert ("reference/errors.html", "voucher_async.JournalFailed") in links
    assert ("reference/client.html", "voucher_async.VoucherClient.recover") in links


def test_documents_that_are_made_of_others_are_up_to_date() -> None:
    assert difference(ROOT) == "", "run `make docs`"


DOCUMENTS: Final = [source for source in seeds(ROOT) if "reference" not in source.parts]
COUNTED: Final = {
    "ul": "bullet_list_open",
    "ol": "ordered_list_open",
    "li": "list_item_open",
    "table": "table_open",
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_lists_and_tables_are_those_that_github_shows(document: PurePosixPath) -> None:
    tokens = [
        token.type
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(without_diagrams(ROOT / document))
    ]
    tags = pages()[f"{page_of(document).stem}.html"].tags
    expected = {tag: tokens.count(name) for tag, name in COUNTED.items()}
    assert {tag: tags.get(tag, 0) for tag in expected} == expected


def test_llms_txt_names_every_page_by_the_convention() -> None:
    text = (site() / "llms.txt").read_text(encoding="utf-8")
    assert re.match(r"# voucher_async\n\n> [^\n]+\n\n## Start\n\n- \[", text)
    links = re.findall(r"^- \[[^\]]+\]\(([^)]+)\)(?:: .+)?$", text, re.MULTILINE)
    assert [link for link in links if not (site() / link).is_file()] == []
    named = {link.rpartition(".")[0] for link in links}
    shown = {page.removesuffix(".html") for page in pages() if not page.startswith(("files/", "404"))}
    assert named == shown
    whole = (site() / "llms-full.txt").read_text(encoding="utf-8")
    assert "# How a money call is settled\n" in whole
    assert "\n::: " not in whole
    assert "\n<!--" not in whole
