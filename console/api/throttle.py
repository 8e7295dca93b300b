"""How fast passwords may be tried. Pure: takes `now`, remembers wrong tries for a while.

Only wrong tries count, and each is counted under several keys: the user from one network (five free), the network (fifty free), the
user from anywhere (fifty free). Beyond its free tries a key waits 2, 4, 8.. s up to 5 minutes, and has one try under way at a time.
Three rules keep right log-ins going:

- Everybody who logs in from a network gives it one more free try: a shift behind one address mistypes more often than a person.
- The limit on the user from anywhere does not hold for a network from which that user has logged in: a stranger elsewhere cannot
  lock a person out.
- A network is an IPv4 address or an IPv6 /64, which is what one subscriber has; a /48 has a limit of its own.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

FREE_PAIR = 5
FREE_NETWORK = 50
FREE_SITE = 500
FREE_USER = 50
LONGEST_MS = 300_000
FORGET_MS = 900_000
KEPT = 20_000  # entries; those unused for longest go first


@dataclass(slots=True)
class _Tries:
    failed: int = 0
    last_ms: int = 0
    pending: int = 0  # passwords that are being checked
    known: bool = False  # of a pair: this user has logged in from here
    people: set[str] = field(default_factory=set)  # of a network: who has logged in from it

    def wait_ms(self, free: int, now_ms: int) -> int:
        free += len(self.people)
        if now_ms - self.last_ms >= FORGET_MS:
            return 0
        pause = min(LONGEST_MS, 2000 << min(max(0, self.failed - free), 20)) if self.failed >= free else 0
        wait = max(0, self.last_ms + pause - now_ms)
        return max(wait, 1000) if self.failed >= free and self.pending else wait

    def fail(self, now_ms: int) -> None:
        self.failed = self.failed + 1 if now_ms - self.last_ms < FORGET_MS else 1
        self.last_ms = now_ms


class Throttle:
    """Counts wrong passwords. For each try: `begin`, and when that gave 0, `failed`, `succeeded` or `given_up`."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def begin(self, user: str, address: str, now_ms: int) -> int:
        """How long this try must wait, ms; 0: it may be made, and is under way. Many at once are many tries."""
        keys = self._keys(user, address)
        waits = [self._tries[key].wait_ms(free, now_ms) for key, free in keys if key in self._tries]
        pair = self._entry(keys[0][0])
        if pair.pending and pair.pending + pair.failed >= FREE_PAIR:
            waits.append(1000)
        if wait := max(waits, default=0):
            return wait
        for key, _ in keys:
            self._entry(key).pending += 1
        return 0

    def failed(self, user: str, address: str, now_ms: int) -> None:
        """A wrong password or user."""
        for key, _ in self._keys(user, address):
            self._entry(key).fail(now_ms)
        self.given_up(user, address)

    def succeeded(self, user: str, address: str) -> None:
        """The right password: the pair starts anew, and one more person is known to work in this network."""
        self.given_up(user, address)
        pair = self._entry(self._keys(user, address)[0][0])
        pair.failed, pair.known = 0, True
        for network in networks(address):
            self._entry(network).people.add(user)

    def given_up(self, user: str, address: str) -> None:
        """The try came to no result."""
        for key, _ in self._keys(user, address):
            entry = self._entry(key)
            entry.pending = max(0, entry.pending - 1)

    def _entry(self, key: str) -> _Tries:
        entry = self._tries.setdefault(key, _Tries())
        self._tries.move_to_end(key)
        while len(self._tries) > KEPT:
            self._tries.popitem(last=False)
        return entry

    def _keys(self, user: str, address: str) -> list[tuple[str, int]]:
        """Key and free tries; the pair first."""
        network, *sites = networks(address)
        pair = f"{network} {user}"
        keys = [(pair, FREE_PAIR), (network, FREE_NETWORK), *((site, FREE_SITE) for site in sites)]
        known = pair in self._tries and self._tries[pair].known
        return keys if known else [*keys, (f"user {user}", FREE_USER)]


def networks(address: str) -> tuple[str, ...]:
    """What an address counts as: itself (IPv4), or its /64 and /48 (IPv6). An IPv4 address in IPv6 clothes is an IPv4 address."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return (address,)
    if isinstance(known, ipaddress.IPv4Address):
        return (str(known),)
    if known.ipv4_mapped is not None:
        return (str(known.ipv4_mapped),)
    return tuple(str(ipaddress.ip_network((int(known), bits), strict=False)) for bits in (64, 48))
