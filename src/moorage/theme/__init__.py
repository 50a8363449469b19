"""The look that the server's and the gateway's pages share: base template, stylesheet, icons, stage
list (in the words of `moorage.wording`).

Must not: know where its pages are served, or do I/O beyond reading its own files.

    pages = theme.environment("moorage.gateway", assets_at="/.moorage/assets")
    html = theme.render(pages, "theme/message.html", title="No such workspace", message="…")

An environment also finds the templates in the folder `templates` of the package that it names.

Templates extend `theme/base.html` (or `theme/message.html`) and import macros from
`theme/parts.html`. Whoever serves pages also serves `<assets_at>/<digest>/<name>` from
`asset(name)` with `cache_control(digest)`, and sends `content_security_policy()` with each page.

Live parts: `<div hx-ext="sse,morph" sse-connect="URL"><div sse-swap="EVENT"
hx-swap="morph:innerHTML">…</div></div>`; the stream's events carry the same HTML that the page was
first rendered with. An element with `data-go="URL"` leads there as soon as it arrives ("" loads the
page anew).
"""

from moorage.theme.assets import (
    ASSETS,
    DIGEST,
    STYLESHEET,
    Asset,
    asset,
    cache_control,
    content_security_policy,
)
from moorage.theme.environment import environment, render

__all__ = [
    "ASSETS",
    "DIGEST",
    "STYLESHEET",
    "Asset",
    "asset",
    "cache_control",
    "content_security_policy",
    "environment",
    "render",
]
