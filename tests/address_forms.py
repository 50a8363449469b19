"""Every form in which an IPv6 address holds an IPv4 one, for the tests of the rule on addresses and
of what uses it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

METADATA = "169.254.169.254"
"""Where most clouds tell a machine about itself."""


def forms_of(ipv4: str) -> dict[str, str]:
    """Name of the form → IPv6 address in its one spelling."""
    number = int(IPv4Address(ipv4))
    first, second, third, fourth = IPv4Address(ipv4).packed
    low = f"{number >> 16:x}:{number & 0xFFFF:x}"
    hidden = number ^ 0xFFFF_FFFF
    written = {
        "mapped": f"::ffff:{low}",
        "compatible": f"::{low}",
        "translated": f"::ffff:0:{low}",
        "NAT64": f"64:ff9b::{low}",
        "local NAT64, /48": f"64:ff9b:1:{first:02x}{second:02x}:{third:02x}:{fourth:02x}00::",
        "local NAT64, /56": f"64:ff9b:1:{first:02x}:{second:02x}:{third:02x}{fourth:02x}::",
        "local NAT64, /64": f"64:ff9b:1:0:{first:02x}:{second:02x}{third:02x}:{fourth:02x}00:0",
        "local NAT64, /96": f"64:ff9b:1::{low}",
        "6to4": f"2002:{low}::1",
        "Teredo's server": f"2001:0:{low}::1",
        "Teredo's client": f"2001:0:808:808::{hidden >> 16:x}:{hidden & 0xFFFF:x}",
        "ISATAP": f"fd00::5efe:{low}",
        "ISATAP, global": f"fd00::200:5efe:{low}",
    }
    return {form: str(IPv6Address(address)) for form, address in written.items()}
