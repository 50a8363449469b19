"""Where a devfile's parents and plugins come from: implementations of `moorage.devfile.Resolver`.

`RegistryFolder` (offline), `LocalFiles` (beside a file on this machine), `HttpResolver` (named
hosts, nothing inside the network), `FirstOf` (one after the other). `resolver_of` puts together
what an installation allows; nothing allowed gives `NoResolver`.

Must not: decide what a devfile means, or fetch anything that the settings do not name.
"""

from moorage.resolvers.files import FirstOf, LocalFiles, RegistryFolder
from moorage.resolvers.sources import Sources, resolver_of

__all__ = ["FirstOf", "LocalFiles", "RegistryFolder", "Sources", "resolver_of"]
