"""IP addresses: which of them a request may go to that a client asked for (RFC 6890, RFC 9110 §17.1)."""

import ipaddress
from collections.abc import Collection
from ipaddress import IPv4Address
from ipaddress import IPv6Address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"),
        *("::1/128", "fc00::/7"),
    )
)
"""Inside: the machine itself, private networks, those of carriers and of test benches; an operator can permit them."""

NEVER = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
)
"""Link-local (metadata of clouds; the last is Azure's, which looks public), multicast, documentation, reserved: no web
server of anybody's, listed or not."""

GLOBAL = ipaddress.IPv6Network("2000::/3")
"""All public addresses of IPv6 are in here, …"""
TUNNELS = tuple(ipaddress.IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
"""… but for those that hide another address (Teredo, 6to4) or document something; NAT64 lies outside anyway."""


def is_permitted(address: Address, listed: Collection[str], *, is_listed: bool) -> bool:
    """Whether a request may go there: public, or inside and named by the operator.

    `listed` holds names, addresses and networks; `is_listed` says that the host's name is among them.
    """
    address = _plain(address)
    if any(address in network for network in NEVER if network.version == address.version):
        return False
    if any(address in network for network in PRIVATE if network.version == address.version):
        return is_listed or any(address in network for network in _networks(listed))
    if isinstance(address, IPv6Address):
        return address in GLOBAL and not any(address in network for network in TUNNELS)
    return True


def _plain(address: Address) -> Address:
    """Without the disguise of `::ffff:127.0.0.1`."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _networks(listed: Collection[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [network for network in map(_network, listed) if network is not None]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:  # a name
        return None
