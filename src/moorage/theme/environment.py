"""The Jinja2 environment that server and gateway render their pages with."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from moorage import __version__, wording
from moorage.theme.assets import DIGEST

_CODE = re.compile(r"`([^`\n]+)`")


def environment(*packages: str, assets_at: str = "/assets") -> Environment:
    """An environment that finds templates in each package's folder `templates`, then in the
    theme's.

    `assets_at` is the path under which the caller serves `asset` (`<assets_at>/<DIGEST>/<name>`).
    Every value is escaped, and a name that a template misses is an error.
    """
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, "moorage.theme")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )

    def asset_url(name: str) -> str:
        return f"{assets_at}/{DIGEST}/{name}"

    made.globals["asset"] = asset_url
    made.globals["version"] = __version__
    made.filters.update(duration=wording.duration, ago=wording.ago, moment=_moment, marked=marked)
    return made


def render(made: Environment, template: str, /, **context: Any) -> str:
    """The page as text. What every page may leave out (`user`, `nav`, `notice`) is filled in."""
    return made.get_template(template).render({"user": None, "nav": (), "notice": None, **context})


def marked(text: str) -> Markup:
    """Shows what stands between backticks as code. Everything is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just here


def _moment(seconds: float) -> str:
    """A point in time as pages show it: in UTC, to the minute; the browser turns it into local
    time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
