"""Whatever is wrong with a page of the site ends its build."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from codegen.site import build as building
from codegen.site.build import CONFIGURATION, check_navigation, in_navigation, run_zensical
from codegen.site.checking import built_pages, problems
from codegen.site.commands import commands
from codegen.site.crossing import crossed
from codegen.site.diagram import arrows, figure_of
from codegen.site.drawing import PLACES
from codegen.site.flowchart import Edge, edges, steps
from codegen.site.markdown import map_links, map_titles, sentence_of, without_comments
from codegen.site.pages import Pages
from codegen.site.places import ROOT, Unbuildable
from codegen.site.results import figures, replaced
from voucher_async import CallState

STATES = re.search(
    r"```mermaid\n(stateDiagram.*?)```", (ROOT / "docs/settlement.md").read_text("utf-8"), re.DOTALL
)
pytestmark = pytest.mark.timeout(600)
WHOLE = '<html><body><div class="md-content__inner">{}</div></body></html>'


def of_page(folder: Path, content: str) -> list[str]:
    """What is wrong with a site of one page."""
    (folder / "index.html").write_text(WHOLE.format(content), encoding="utf-8")
    return problems(folder, built_pages(folder))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('<a href="gone.html">x</a>', "index.html: gone.html does not exist"),
        ('<a href="../index.html">x</a>', "index.html: ../index.html does not exist"),
        ('<a href="#gone">x</a>', "index.html: #gone has no such anchor"),
        ('<img src="https://elsewhere.example/x.png">', "index.html loads https://elsewhere.example/x.png"),
        ('<script src="//elsewhere.example/x.js"></script>', "index.html loads //elsewhere.example/x.js"),
        ('<link rel="stylesheet" href="https://elsewhere.example/x.css">', "index.html loads https://"),
        ('<img src="gone.png">', "index.html loads gone.png, which does not exist"),
        ('<pre class="mermaid">x</pre>', "index.html has an element `mermaid`"),
        ("<p>see [it](there.md)</p>", "index.html shows Markdown"),
        ("<p>- a\n| b | c |\n</p>", "index.html shows Markdown"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(tmp_path: Path, content: str, problem: str) -> None:
    (found,) = of_page(tmp_path, content)
    assert found.startswith(problem)


def test_a_style_sheet_that_loads_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "x.css").write_text('@import "https://fonts.example/x.css"; a{background:url(//y.example/z)}')
    assert problems(tmp_path, {}) == ["x.css loads https://fonts.example/x.css", "x.css loads //y.example/z"]


def test_a_page_that_is_right_has_no_problem(tmp_path: Path) -> None:
    links = '<p id="here">**</p>'.replace("**", "x")
    assert of_page(tmp_path, links + '<a href="#here">x</a><a href="https://elsewhere.example">x</a>') == []
    assert of_page(tmp_path, "<p><code>[it](there.md)</code></p>") == []


def test_zensical_stops_at_unknown_names_pages_and_anchors(tmp_path: Path) -> None:
    text = CONFIGURATION.read_text(encoding="utf-8").replace("@root@", str(ROOT))
    nav = 'nav = [{ "Start" = "index.md" }]'
    (tmp_path / "zensical.toml").write_text(
        re.sub(r"^nav = \[.*?^\]", nav, text, flags=re.DOTALL | re.MULTILINE)
    )
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "index.md"
    page.write_text("# A\n\n[x][voucher_async.Unknown] [y](gone.md) [z](#gone)\n", encoding="utf-8")
    with pytest.raises(Unbuildable, match="3 issues found") as caught:
        run_zensical(tmp_path, ROOT)
    assert all(
        word in str(caught.value) for word in ("voucher_async.Unknown", "page does not", "anchor does not")
    )
    page.write_text("# A\n\n::: voucher_async.clock.Unknown\n", encoding="utf-8")
    with pytest.raises(Unbuildable, match=r"voucher_async\.clock\.Unknown"):
        run_zensical(tmp_path, ROOT)


def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))["project"]
    return content


def test_each_page_is_in_the_navigation_once() -> None:
    named = {PurePosixPath(page) for page in in_navigation(project()["nav"])}
    check_navigation({*named, PurePosixPath("files/examples/shop.py.md")}, project()["nav"])
    with pytest.raises(Unbuildable, match=r"not in the navigation: new\.md"):
        check_navigation({*named, PurePosixPath("new.md")}, project()["nav"])
    with pytest.raises(Unbuildable, match=r"in the navigation, and no page: cli\.md"):
        check_navigation(named - {PurePosixPath("cli.md")}, project()["nav"])
    with pytest.raises(Unbuildable, match=r"twice in the navigation: cli\.md"):
        check_navigation(named, [*project()["nav"], {"Again": "cli.md"}])


def test_the_navigation_has_four_parts() -> None:
    parts = [name for section in project()["nav"] for name in section]
    assert parts == ["Start", "Tutorial", "How-to guides", "Reference", "Explanation"]


def repository(folder: Path, text: str) -> Path:
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "tests/bench/RESULTS.md", "docs/a.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n", encoding="utf-8")
    (folder / "docs" / "a.md").write_text(text, encoding="utf-8")
    (folder / "docs" / "a.png").touch()
    (folder / "examples" / "shop").mkdir(parents=True)
    (folder / "examples" / "shop" / "app.py").write_text("x = 1\n", encoding="utf-8")
    return folder


def test_links_to_files_of_the_repository_lead_to_pages_of_the_site(tmp_path: Path) -> None:
    text = (
        "# A\n[r](../README.md#why) [e](../examples/shop/) [p](a.png) [w](https://x.org) `[c](d)`\n"
        "```\n[b](e.md)\n```\n"
    )
    pages = Pages(repository(tmp_path, text))
    pages.gather()
    assert pages.texts[PurePosixPath("a.md")] == (
        "# A\n[r](overview.md#why) [e](files/examples/shop.md) [p](a.png) [w](https://x.org) `[c](d)`\n"
        "```\n[b](e.md)\n```\n"
    )
    assert pages.assets.keys() == {PurePosixPath("a.png")}
    assert "[app.py](shop/app.py.md)" in pages.texts[PurePosixPath("files/examples/shop.md")]
    assert "x = 1\n" in pages.texts[PurePosixPath("files/examples/shop/app.py.md")]


def test_comments_for_tests_are_no_part_of_a_page() -> None:
    text = (
        '# A\n\n<!-- skip: next "x" -->\n\n```\n<!-- b -->\n```\n\n'
        "see `<!-- c -->`\n<!-- d -->\n| e |\n<!-- end of d -->\n\n# F\n"
    )
    assert without_comments(text) == "# A\n\n```\n<!-- b -->\n```\n\nsee `<!-- c -->`\n| e |\n\n# F\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# A\n\n**Never [twice](b.md).** More.\n", "Never twice."),
        ("# A\n\nIt gives back: `refund` for one. More.\n", "It gives back: `refund` for one."),
        ("# A\n\nIt comes with the SDK:\n\n```\nx\n```\n", "It comes with the SDK."),
        ("# A\n\n## B\n\nNo.\n", ""),
    ],
)
def test_a_page_is_described_by_its_first_sentence(text: str, sentence: str) -> None:
    assert sentence_of(text) == sentence


@pytest.mark.parametrize("target", ["gone.md", "../../elsewhere.md", "../docs/gone.md#x"])
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path, target: str) -> None:
    with pytest.raises(Unbuildable, match=re.escape(f"docs/a.md: {target} does not exist")):
        Pages(repository(tmp_path, f"# A\n[x]({target})\n")).gather()


def test_the_drawn_states_are_all_states_and_their_arrows_those_of_the_machine() -> None:
    assert PLACES.keys() == {"[*]", *(state.value for state in CallState)}
    drawn = {(arrow.source, arrow.to) for arrow in arrows()}
    assert ("sent", "done") in drawn
    assert ("done", "sent") not in drawn
    assert {to for source, to in drawn if source == "not done"} == {"begun"}
    assert STATES is not None
    figure = figure_of(STATES.group(1))
    assert figure.count('class="arrow"') == len(drawn)
    assert "| sent | done | answered, found |" in figure


@pytest.mark.parametrize(
    "change", [("open --> done", "open --> begun"), ("    sent --> done: answered, or found\n", "")]
)
def test_a_diagram_that_says_something_else_than_the_machine_ends_the_build(change: tuple[str, str]) -> None:
    assert STATES is not None
    with pytest.raises(Unbuildable, match="differs from the machine's tables"):
        figure_of(STATES.group(1).replace(*change))


def test_a_flowchart_becomes_a_table_of_steps() -> None:
    chart = "flowchart TD\n    A[ask] -->|yes| B{really?}\n    B --> C([end])\n    A -->|no, or late| C\n"
    assert edges(chart) == (
        Edge("ask", "yes", "really?"),
        Edge("really?", "", "**end**"),
        Edge("ask", "no, or late", "**end**"),
    )
    assert "| ask | no, or late | **end** |\n| really? |" in steps(chart)
    with pytest.raises(Unbuildable, match="cannot be read"):
        edges("flowchart TD\n    A ==> B\n")


def test_headings_after_a_second_title_go_one_level_down() -> None:
    assert map_titles("# A\n## B\n# C\n```\n# d\n```\n## E\n") == "# A\n## B\n## C\n```\n# d\n```\n### E\n"


def test_links_in_code_stay() -> None:
    assert map_links("[a](b) `[a](b)` ``[a](b)``", str.upper) == "[a](B) `[a](b)` ``[a](b)``"


def test_public_names_in_docstrings_become_references() -> None:
    assert crossed("Raises `JournalFailed`.") == "Raises [`JournalFailed`][voucher_async.JournalFailed]."
    assert crossed("call `aclose`", "VoucherClient") == "call [`aclose`][voucher_async.VoucherClient.aclose]"
    assert crossed("`unknown` and ```\n`VoucherClient`\n```") == "`unknown` and ```\n`VoucherClient`\n```"
    # a field has no place of its own
    assert crossed("`Settings.list_lag`") == "[`Settings.list_lag`][voucher_async.Settings]"


def test_figures_are_those_of_the_results() -> None:
    results = (ROOT / "tests/bench/RESULTS.md").read_text(encoding="utf-8")
    assert all(line in results for line in figures(results).splitlines() if line.startswith("| CPU of"))
    assert "| voucher_async | " in figures(results)
    with pytest.raises(Unbuildable, match="no table below"):
        figures("# Results\n")


def test_the_command_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CONFIGURATION", tmp_path / "zensical.toml")
    (tmp_path / "zensical.toml").write_text("[project]\nnav = []\n", encoding="utf-8")
    with pytest.raises(Unbuildable, match=r"not in the navigation: api\.md"):
        building.build(tmp_path / "site", tmp_path / "work")


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("storm", ("storms", "habits")),
        ("machines", ("machines",)),
        ("outage", ("results",)),
        ("proxies", ("habits", "results")),
        ("speed", ("results",)),
    ],
)
def test_a_run_writes_its_tables_into_the_document(document: str, names: tuple[str, ...]) -> None:
    text = (ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8")
    for name in names:
        changed = replaced(text, name, "| new |")
        assert f"<!-- {name} -->\n| new |\n<!-- end of {name} -->" in changed
        assert len(changed) < len(text)
    with pytest.raises(Unbuildable, match="no markers of others"):
        replaced(text, "others", "")


def test_the_page_of_commands_has_every_command_and_its_options_once() -> None:
    page = commands()
    named = re.findall(r"^\* \[`([a-z]+)`\]", page, re.MULTILINE)
    assert {"redeem", "settle", "emulator"} <= set(named)
    assert [name for name in named if f"## voucher-async {name}\n" not in page] == []
    assert page.count("* `--show-secrets`") == 1
    assert "usage: voucher-async emulator" in page
    assert " -m " not in page
