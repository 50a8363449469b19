"""The gateway's pages, and the short problem documents that programs get instead.

Must not: decide anything; `gateway.decide` says which page, `moorage.theme` how it looks.
"""

from moorage.gateway.pages.rendering import ASSETS_AT, Pages
from moorage.gateway.pages.static import CLEARS_AT, static_files

__all__ = ["ASSETS_AT", "CLEARS_AT", "Pages", "static_files"]
