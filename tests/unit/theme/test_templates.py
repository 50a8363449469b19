"""The parts that pages are made of."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import UndefinedError

from moorage import theme, wording
from moorage.contract import Cause, Stage, StageName, StageState

NOW = 1_700_000_000.0
PARTS = '{% from "theme/parts.html" import ' + (
    "stage_list, cause_box, state_badge, field, action_button, copyable, link_button, ask, age, lasted, toast, icon %}"
)


def draw(body: str, **context: Any) -> str:
    return theme.environment(assets_at="/a").from_string(PARTS + body).render(context)


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page(**context: Any) -> str:
    return theme.render(
        theme.environment(assets_at="/a"), "theme/message.html", **{"title": "Gone", **context}
    )


def test_base_page() -> None:
    """A page has a title, a skip link to its content, and assets under the caller's path and the
    digest."""
    html = page(
        message="It is gone.", code="404", request_id="r1", actions=[{"href": "/", "label": "Home"}]
    )
    assert "<title>Gone · Moorage</title>" in html
    assert '<a class="skip" href="#content">' in html
    assert f'href="/a/{theme.DIGEST}/moorage.css"' in html
    assert "<code>r1</code>" in html
    assert ">Home</a>" in html


def test_base_names_only_assets_that_exist() -> None:
    """Each asset that the base template names is served."""
    for name in re.findall(rf"/a/{theme.DIGEST}/([\w.-]+)", page()):
        assert theme.asset(name) is not None


def test_nothing_inline() -> None:
    """No inline script, style or handler, which the content security policy would stop."""
    html = page(detail="x", request_id="r") + draw(
        '{{ stage_list(lines) }}{{ cause_box(cause) }}{{ ask("d", "Delete?", "Gone.", "/x", "Delete") }}'
        '{{ field("a", "A", error="no") }}{{ copyable("x", "it") }}{{ action_button("A", "/x") }}',
        lines=wording.stage_lines([Stage(StageName.IMAGE, StageState.RUNNING, NOW)], NOW),
        cause=Cause("c", "m", "d", "h"),
    )
    for tag, attributes in Tags(html).found:
        assert tag != "style"
        assert tag != "script" or attributes["src"]
        assert not any(name == "style" or name.startswith("on") for name in attributes)


def test_a_missing_value_is_an_error() -> None:
    """A template that names what it was not given fails at once, rather than showing nothing."""
    with pytest.raises(UndefinedError):
        draw("{{ workspace.title }}")


@pytest.mark.parametrize(
    "body",
    [
        '{{ stage_list(lines) }}{{ cause_box(cause) }}{{ field("a", hostile, hostile, hostile, hostile) }}',
        "{{ copyable(hostile, hostile) }}{{ link_button(hostile, hostile) }}{{ action_button(hostile, hostile) }}",
        '{{ ask("a", hostile, hostile, hostile, hostile) }}{{ toast(hostile) }}',
    ],
)
def test_everything_is_escaped(body: str) -> None:
    """Markup in any value is shown as text, in text and in attributes."""
    hostile = "\"'><script>alert(1)</script>"
    html = draw(
        body,
        hostile=hostile,
        lines=wording.stage_lines(
            [Stage(StageName.IMAGE, StageState.FAILED, NOW, NOW, hostile)], NOW
        ),
        cause=Cause(hostile, hostile, hostile, hostile),
    )
    assert "&lt;script&gt;" in html
    assert "script" not in [tag for tag, _ in Tags(html).found]


def test_stage_list_says_states_in_words() -> None:
    """State is told by words as well as by icon and colour, and a running stage counts on."""
    html = draw(
        "{{ stage_list(lines) }}",
        lines=wording.stage_lines(
            [Stage(StageName.IMAGE, StageState.RUNNING, NOW - 2, detail="pulling")], NOW
        ),
    )
    assert ": under way" in html
    assert 'data-seconds="2.0"' in html
    assert "pulling" in html
    assert html.count("<li") == len(StageName)


def test_field_with_error() -> None:
    """The error stands beside its field, is tied to it, and the field is where one goes on."""
    html = draw('{{ field("ref", "Branch", value="x", error="There is no x.", help="Or a tag.") }}')
    ((_, attributes),) = [found for found in Tags(html).found if found[0] == "input"]
    assert attributes["aria-invalid"] == "true"
    assert (attributes["aria-describedby"] or "").split() == ["ref-error", "ref-help"]
    assert "autofocus" in attributes
    assert 'id="ref-error"' in html
    assert attributes["value"] == "x"


def test_field_without_error() -> None:
    """A field in order claims no error."""
    assert "aria-invalid" not in draw('{{ field("ref", "Branch") }}')


def test_cause_box() -> None:
    """Message, hint and what is behind it; what failed is unfolded at once, what waits is not."""
    cause = Cause("image-not-found", "No such image.", "manifest unknown", "Check its name.")
    failed, waits = draw("{{ cause_box(c) }}", c=cause), draw('{{ cause_box(c, "busy") }}', c=cause)
    for text in ("No such image.", "Check its name.", "manifest unknown", "image-not-found"):
        assert text in failed
    assert re.search(r"<details [^>]* open>", failed)
    assert not re.search(r"<details [^>]* open>", waits)


def test_action_works_without_javascript() -> None:
    """An action is a plain form that posts, whatever else it says."""
    html = draw('{{ action_button("Stop", "/workspaces/w/stop") }}')
    ((_, form),) = [found for found in Tags(html).found if found[0] == "form"]
    assert (form["method"], form["action"]) == ("post", "/workspaces/w/stop")


def test_content_security_policy() -> None:
    """Scripts and styles come from the page's own origin alone; nobody may frame the page."""
    policy = theme.content_security_policy()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action *" in theme.content_security_policy(form_action="*")


def test_backticks_are_shown_as_code():
    """In the sentences of messages; whatever else stands in them is text."""
    shown = draw("{{ text|marked }}", text="Say `a: <b>` & <i>no</i> `more.")
    assert shown == "Say <code>a: &lt;b&gt;</code> &amp; &lt;i&gt;no&lt;/i&gt; `more."
