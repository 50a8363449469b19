"""Assets: complete, cacheable for ever, readable."""

import re

import pytest

from moorage import theme


def test_digest_changes_with_content() -> None:
    """Any other byte gives another digest, so that an answer may be kept for ever."""
    from moorage.theme.assets import _digest

    changed = dict(theme.ASSETS)
    css = changed["moorage.css"]
    changed["moorage.css"] = theme.Asset(css.name, css.content_type, css.body + b" ", b"")
    assert _digest(theme.ASSETS) == theme.DIGEST
    assert _digest(changed) != theme.DIGEST


def test_only_its_own_names() -> None:
    """A name that leads outside the folder is simply unknown."""
    assert theme.asset("moorage.css") is not None
    assert theme.asset("../words.py") is None
    assert theme.asset("") is None


def test_an_old_digest_is_not_kept() -> None:
    """A page from before an upgrade gets today's file, without the promise that it never
    changes."""
    assert "immutable" in theme.cache_control(theme.DIGEST)
    assert theme.cache_control("0" * 16) == "no-cache"


def test_nothing_from_elsewhere() -> None:
    """Stylesheet and own script name no other host."""
    for name in ("moorage.css", "moorage.js"):
        text = theme.ASSETS[name].body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert "url(" not in text


def _palette(css: str, *, dark: bool) -> dict[str, tuple[float, float, float]]:
    block = re.findall(r":root \{(.*?)\n\s*\}", css, re.DOTALL)[1 if dark else 0]
    return {
        name: tuple(int(value[i : i + 2], 16) / 255 for i in (0, 2, 4))  # type: ignore[misc]
        for name, value in re.findall(r"--([a-z-]+): #([0-9a-f]{6});", block)
    }


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance, WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


TEXT = [
    *[
        (ink, paper)
        for ink in ("ink", "ink-soft")
        for paper in ("paper", "surface", "sunken", "quiet-soft")
    ],
    *[(tone, f"{tone}-soft") for tone in ("good", "busy", "bad", "quiet")],
    *[("ink", f"{tone}-soft") for tone in ("good", "busy", "bad")],
    *[("ink-soft", f"{tone}-soft") for tone in ("busy", "bad")],
    ("sea", "paper"),
    ("sea", "surface"),
    ("on-sea", "sea"),
    ("on-sea", "sea-strong"),
    ("surface", "bad"),
    ("bad", "surface"),
    ("ink", "sea-soft"),
    ("code-ink", "code"),
    ("rope", "code"),
]
GRAPHICS = [("line-strong", "surface"), ("buoy", "surface"), ("buoy", "paper"), ("sea", "surface")]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [(*pair, 4.5) for pair in TEXT] + [(*pair, 3.0) for pair in GRAPHICS],
)
def test_contrast(ink: str, paper: str, least: float, dark: bool) -> None:
    """Text stands out from its ground by 4.5 to 1, borders of inputs and focus rings by 3 to 1
    (WCAG 2.2, AA)."""
    colours = _palette(theme.STYLESHEET.decode(), dark=dark)
    assert _contrast(colours[ink], colours[paper]) >= least
