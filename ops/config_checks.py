"""What a value of the configuration may be, beyond its type, and what one part of it demands of another."""

from __future__ import annotations

import ipaddress
import json
import re
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

from ops import centre as c
from ops import hours, inner, ports
from ops.rule_checks import Finding, rule_tables, twice

Rule = Callable[[Any], str]  # "" when the value will do, else what to write instead


def _range(low: int, high: int) -> Rule:
    return lambda value: "" if low <= value <= high else f"{value} is out of range; write a number from {low} to {high}"


def _one_of(*allowed: str) -> Rule:
    def check(value: str) -> str:
        known = get_close_matches(value, allowed, 1) or allowed
        return "" if value in allowed else f'"{value}" is unknown; write {" or ".join(map(json.dumps, known))}'

    return check


def _like(pattern: str, told: str) -> Rule:
    return lambda value: "" if re.fullmatch(pattern, value) else f'"{value}" will not do; write {told}'


def _address(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return f'"{value}" is no IP address; write one of this machine, like "127.0.0.1"'
    return ""


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        try:
            return f'"{value}" has bits set after the prefix; write "{ipaddress.ip_network(value, strict=False)}"'
        except ValueError:
            return f'"{value}" is no address; write an IP like "192.0.2.10" or a network like "192.0.2.0/24"'
    return ""


def _each(rule: Rule) -> Rule:
    return lambda values: next((text for text in map(rule, values) if text), "")


def _filled(rule: Rule) -> Rule:
    return lambda values: rule(values) if values else "is empty; write at least one"


def _until(value: str) -> str:
    try:
        if value:
            datetime.fromisoformat(value)
    except ValueError:
        return f'"{value}" is no date; write one like "2026-12-31T18:00:00+08:00", or "" for ever'
    return ""


def _levels(skills: dict[str, int]) -> str:
    wrong = (
        f"level {level} of {skill} is out of range; write 1 (best) to 9" for skill, level in skills.items() if not 1 <= level <= 9
    )
    return next(wrong, "")


def _zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(value, zoneinfo.available_timezones(), 1) or ["Asia/Shanghai"]
        return f'"{value}" is no time zone; write an IANA name like "{near[0]}"'
    return ""


def _date(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        return f'"{value}" is no date; write one like "2026-10-01"'
    return "" if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else f'"{value}" will not do; write a date like "2026-10-01"'


def _days(value: str) -> str:
    try:
        hours.days(value)
    except ValueError as error:
        return f'{error}; write days like "mon-fri" or "sat,sun"'
    return ""


POLICIES = ("highest_skill", "longest_idle", "longest_average_idle", "fewest_calls", "weighted_random")
_NUMBER = _like(r"\+?\d{1,15}\*?", 'a number like "+8613800000000", or the start of one and *')
_OPEN, _CLOSE = r"([01]\d|2[0-3]):[0-5]\d", r"([01]\d|2[0-3]):[0-5]\d|24:00"
_TIME = 'a time like "08:30"'
_TARGET = _like(r"|[A-Za-z0-9.-]+:\d{1,5}", 'host:port like "10.0.0.5:5140", or ""')
_HOST = r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?"
_URL = _like(rf"|https?://{_HOST}", 'a URL without a path, like "https://console.example.com", or ""')
_TIER = _one_of("province", "national")
_SHARES: dict[str, Rule] = {"share": _range(0, 100), "penalty_ms": _range(0, 600_000)}
_name = _like(r"[a-z0-9][a-z0-9-]{0,62}", "a short name of a-z, 0-9 and -")
_id = _like(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", "an id of letters, digits, _ . and -")
_port = _range(1, 65535)

RULES: dict[type, dict[str, Rule]] = {
    c.Centre: {
        "name": _name,
        "tier": _TIER,
        "tenant": _name,
        "country": _like(r"[A-Z]{2}", 'two capital letters of ISO 3166, like "CN"'),
        "zone": _zone,
        "languages": _filled(_each(_one_of("zh", "en"))),
        "numbers": _each(_like(r"\+?\d{2,15}", 'digits, like "12345"')),
    },
    c.Edge: {
        "name": _name,
        "address": _address,
        "realm": _like(r"[a-z0-9][a-z0-9.-]*", 'a domain name, like "tierline.local"'),
        "workers": _range(1, 64),
        "tcp_workers": _range(1, 64),
        "router_deadline_ms": _range(10, 5000),
        "late_router_ms": _range(5, 5000),
        "late_media_ms": _range(5, 5000),
        "never_below_per_s": _range(1, 10_000),
        "flood_per_2s": _range(10, 1_000_000),
        "wrong_passwords": _range(1, 1000),
        "hold_off_s": _range(1, 86400),
        "silent_s": _range(1, 3600),
        "max_message_bytes": _range(2048, 65000),
    },
    c.Trunk: {
        "name": _name,
        "addresses": _filled(_each(_network)),
        "outbound": _TARGET,
        "media_networks": _each(_network),
        "calls_per_s": _range(0, 10_000),
        "calls_per_caller": _range(0, 1000),
    },
    c.Router: {
        "instances": _range(1, 16),
        "address": _address,
        "node_lost_s": _range(1, 600),
        "priority_worth_s": _range(0, 3600),
        "callback_tries": _range(1, 100),
        "callback_every_s": _range(1, 86_400),
        "callback_number_day": _range(1, 1_000),
        "callback_day": _range(1, 1_000_000),
    },
    c.Peer: {"name": _name, "tier": _TIER, "edge": _TARGET, "federation": _TARGET},
    c.Federation: {"nation": _TARGET, "address": _address, **_SHARES},
    c.Shares: _SHARES,
    c.Media: {
        "nodes": _range(1, 16),
        "address": _address,
        "rtp_address": _address,
        "max_calls": _range(1, 10_000),
        "drain_s": _range(0, 86400),
        "silence_s": _range(0, 3600),
        "min_free_mb": _range(0, 10_000_000),
    },
    c.Console: {
        "address": _address,
        "database": _like(r"|(sqlite|postgresql\+psycopg)://.*", 'a URL like "postgresql+psycopg://user@host/tierline", or ""'),
        "session_hours": _range(1, 168),
        "page_closed_s": _range(0, 86_400),
        "public_url": _URL,
        "trusted_proxies": _each(_network),
        "proxy_header": _one_of("x-forwarded-for", "forwarded"),
        "sockets_per_user": _range(1, 1000),
    },
    c.Retention: dict.fromkeys(c.Retention.__dataclass_fields__, _range(0, 36_500)),
    c.Ports: dict.fromkeys(c.Ports.__dataclass_fields__, _port),
    c.Queue: {
        "id": _id,
        "skill": _id,
        "priority": _range(0, 99),
        "ring_s": _range(1, 300),
        "after_call_s": _range(0, 3600),
        "position_every_s": _range(0, 3600),
        "policy": _one_of(*POLICIES),
        "own_agent_s": _range(0, 3600),
        "max_waiting": _range(0, 100_000),
        "max_wait_s": _range(0, 86_400),
        "callback_from_s": _range(0, 86_400),
    },
    c.Rung: {
        "after_s": _range(0, 86_400),
        "ring": _one_of("city", "centre", "nation"),
        "level": _range(1, 9),
        "skill": _like(r"|[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", 'the id of a skill, or ""'),
    },
    c.Agent: {
        "id": _id,
        "role": _one_of("agent", "supervisor", "administrator"),
        "seat": _like(r"|[A-Za-z0-9]{1,32}", "letters and digits"),
        "skills": _levels,
        "weight": _range(1, 100),
    },
    c.Hours: {"days": _days, "open": _like(_OPEN, _TIME), "close": _like(_CLOSE, _TIME)},
    c.Holiday: {"date": _date, "open": _like("|" + _OPEN, f'{_TIME}, or ""'), "close": _like("|" + _CLOSE, f'{_TIME}, or ""')},
    c.Calendar: {"id": _id, "zone": _zone},
    c.Branch: {"id": _id, "numbers": _each(_like(r"\+?\d{2,15}", 'digits, like "12345"'))},
    c.Vip: {"number": _NUMBER, "level": _range(1, 9)},
    c.Blacklisted: {"number": _NUMBER, "until": _until},
    c.NotReadyReason: {"id": _id},
}


def cross(config: c.CentreConfig) -> Iterator[Finding]:
    """What does not fit together: (key path, what is wrong and what to write)."""
    yield from _duplicates(config)
    yield from rule_tables(config)
    yield from _files(config)
    yield from _reach(config)
    yield from _kept(config.retention)
    if config.ports.rtp_high < config.ports.rtp_low + 99:
        yield ("ports", "rtp_high"), f"leaves under 100 ports for audio; write at least {config.ports.rtp_low + 99}"
    for one, other in ports.clashes(config):
        yield ("ports", other.key), _clash(one, other)


def _kept(keep: c.Retention) -> Iterator[Finding]:
    """Nobody finds a recording whose call is gone."""
    if keep.calls_days and not 0 < keep.recordings_days <= keep.calls_days:
        at = ("retention", "recordings_days")
        yield at, f"recordings would be kept longer than their calls; write 1 to {keep.calls_days}, or calls_days = 0"


def _clash(one: ports.Use, other: ports.Use) -> str:
    text = f"{other.what} would take {_span(other)}, but {one.what} (ports.{one.key}) takes {_span(one)} on {one.address}"
    return f"{text}; write another number"


def _span(use: ports.Use) -> str:
    return str(use.port) if use.count == 1 else f"{use.port}-{use.port + use.count - 1}"


def _duplicates(config: c.CentreConfig) -> Iterator[Finding]:
    yield from twice("trunk", "name", config.trunk)
    yield from twice("peer", "name", config.peer)
    yield from _addresses(config.trunk)


def _addresses(trunks: tuple[c.Trunk, ...]) -> Iterator[Finding]:
    owner: dict[str, str] = {}
    for index, trunk in enumerate(trunks):
        for address in trunk.addresses:
            if owner.setdefault(address, trunk.name) != trunk.name:
                yield (
                    ("trunk", index, "addresses"),
                    f'"{address}" already belongs to trunk {owner[address]}; take it out of one of them',
                )


def _reach(config: c.CentreConfig) -> Iterator[Finding]:
    """Nothing listens where other machines reach it without TLS."""
    if not inner.is_loopback(config.router.address) and not config.router.certificates:
        yield (
            ("router", "address"),
            f"{config.router.address} is reached by other machines and needs certificates: make them with `tierline certificates "
            'DIR`, then write certificates = "DIR"; or write 127.0.0.1',
        )
    console = config.console
    proxied = console.trusted_proxies and console.public_url.startswith("https://")
    if not inner.is_loopback(console.address) and not console.certificate and not proxied:
        yield (
            ("console", "address"),
            f"{console.address} is reached by other machines, and passwords would be sent in plain text: write certificate and "
            "private_key, or trusted_proxies with public_url of the proxy's https:// address; or write 127.0.0.1",
        )


def _files(config: c.CentreConfig) -> Iterator[Finding]:
    one, other = config.edge.certificate, config.edge.private_key
    if bool(one) != bool(other):
        yield ("edge",), "certificate and private_key belong together; write both, or neither for a self-signed one"
    if bool(config.console.certificate) != bool(config.console.private_key):
        yield ("console",), "certificate and private_key belong together; write both, or neither"
