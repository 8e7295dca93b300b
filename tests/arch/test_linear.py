"""Whatever strangers can send is read in linear time: every regular expression and every parser of the edge and the media node.

Each is fed texts that make backtracking and rescanning costly, made of its own alphabet, once small and once eight times as
long. Linear work takes about eight times as long, quadratic work sixty-four times; the test allows four times the linear share.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import pkgutil
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _parser as sre  # type: ignore[attr-defined]  # the standard library's own reader of expressions
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("media.ua", "media.net", "media.rtp", "media.call", "sip", "ops.numbers", "ops.facts", "ops.ids")
PARSERS = ("media.ua", "media.net", "media.rtp.sdp", "sip", "ops.numbers")
INSIDE_KAMAILIO = "KSR"
SMALL, TIMES, SLACK = 8 * 1024, 8, 4
NOISE_S = 0.004  # less CPU time than this for the long text is no measurement, and no harm
SEEDS = [
    "sip:a:", "<", '"', "\\", '"\\', ";", ";a=b", ",", " ", "\t", "\r\n ", "a", "1", "%", "%41", "@", ":", "[", "=", "a@", "a:a@",
    "SIP/2.0/UDP a;branch=", "m=audio 1 RTP/AVP 8\r\n", "a=rtpmap:8 PCMA/8000\r\n", "Via: SIP/2.0/UDP a\r\n", "Digest a=b,",
    'a="b",', "c=IN IP4 1\r\n",
]  # fmt: skip
HEADS = ["", "sip:", "<sip:", '"', "Digest ", "SIP/2.0/UDP ", "INVITE sip:a@b SIP/2.0\r\n", "v=0\r\nm=audio 1 RTP/AVP 8\r\n"]


def modules(names: tuple[str, ...]) -> Iterator[ModuleType]:
    """All modules of the packages that load outside of Kamailio."""
    for name in names:
        package = importlib.import_module(name)
        yield package
        for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
            if found.name.endswith("__main__"):
                continue
            try:
                yield importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                assert error.name == INSIDE_KAMAILIO, error


SOURCES = "\n".join(path.read_text() for package in ("media", "sip", "ops") for path in sorted((ROOT / package).rglob("*.py")))


def used(name: str) -> set[str]:
    """The methods that the product calls on an expression; `match` if none is seen."""
    return set(re.findall(rf"\b{name}\.(match|search|fullmatch|findall|finditer|sub|split)\(", SOURCES)) or {"match"}


def letters(pattern: re.Pattern[Any]) -> list[str]:
    """A character for each literal and class of an expression, and one that is in none."""
    found: dict[str, None] = {}

    def walk(items: Any) -> None:
        for item in items if isinstance(items, (list, tuple, sre.SubPattern)) else ():
            if isinstance(item, tuple) and len(item) == 2 and str(item[0]) in ("LITERAL", "NOT_LITERAL"):
                found[chr(item[1])] = None
            elif isinstance(item, tuple) and len(item) == 2 and str(item[0]) == "RANGE":
                found[chr(item[1][0])] = None
            walk(item)

    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin1")
    walk(sre.parse(text, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags))
    return [*itertools.islice(found, 12), "\0"]


def expressions() -> dict[str, re.Pattern[Any]]:
    """Each compiled expression by module and name."""
    found = {}
    for module in modules(PACKAGES):
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                found[f"{module.__name__}.{name}"] = value
    return found


def of_bytes(call: Callable[[bytes], object]) -> Callable[[str], object]:
    """A parser of datagrams, fed with text."""

    def fed(text: str) -> object:
        return call(text.encode("latin1", "replace"))

    return fed


def parsers() -> dict[str, Callable[[Any], object]]:
    """Each public function that takes one text or datagram."""
    found: dict[str, Callable[[Any], object]] = {}
    for module in modules(PARSERS):
        for name, value in vars(module).items():
            if not inspect.isfunction(inspect.unwrap(value)) or getattr(value, "__module__", "") != module.__name__:
                continue
            needed = [one for one in inspect.signature(value).parameters.values() if one.default is one.empty]
            if len(needed) == 1 and needed[0].annotation in ("str", "bytes"):
                as_bytes = needed[0].annotation == "bytes"
                found[f"{module.__name__}.{name}"] = of_bytes(value) if as_bytes else value
    return found


def cpu(work: Callable[[str], object], text: str) -> float:
    """CPU seconds, the best of two: once may have met something else."""
    best = 60.0
    for _ in range(2):
        start = time.process_time()
        with contextlib.suppress(Exception):  # a refusal is right; what is asked here is what it costs
            work(text)
        best = min(best, time.process_time() - start)
    return best


def check(work: Callable[[str], object], heads: list[str], seeds: list[str]) -> None:
    """Assert that the work grows with the text and not faster."""
    for head, seed in itertools.product(heads, seeds):
        texts = [head + seed * (size // len(seed)) + "\0" for size in (SMALL // TIMES, SMALL, SMALL * TIMES)]
        spent = [cpu(work, texts[0])]
        for text in texts[1:]:  # from small on: a quadratic one is found before it takes minutes
            spent.append(cpu(work, text))
            grown = spent[-1] / max(spent[-2], NOISE_S / TIMES)
            assert spent[-1] < NOISE_S or grown < TIMES * SLACK, f"{head!r} {seed!r}: {spent}"


@pytest.mark.parametrize("name", sorted(expressions()))
def test_expression(name: str) -> None:
    """64 kB cost an expression about eight times what 8 kB cost."""
    pattern = expressions()[name]
    own = letters(pattern)
    seeds = [*own, *("".join(pair) for pair in itertools.combinations(own[:6], 2))]
    for method in sorted(used(name.rpartition(".")[2])):
        as_bytes = isinstance(pattern.pattern, bytes)

        def work(text: str, method: str = method, as_bytes: bool = as_bytes) -> object:
            fed = text.encode("latin1", "replace") if as_bytes else text
            call = getattr(pattern, method)
            if method == "finditer":
                return deque(call(fed), maxlen=0)
            return call(b"" if as_bytes else "", fed) if method == "sub" else call(fed)

        check(work, ["", *own[:3]], seeds)


@pytest.mark.parametrize("name", sorted(parsers()))
def test_parser(name: str) -> None:
    """64 kB cost a parser about eight times what 8 kB cost."""
    check(parsers()[name], HEADS, SEEDS)


def test_all_are_found() -> None:
    """The search finds the expressions and parsers that it is for."""
    assert {"media.ua.uri._SIP", "media.ua.headers._NAME_ADDR", "ops.numbers._NUMBER"} <= set(expressions())
    assert {"media.ua.uri.parse_uri", "media.ua.headers.name_addr", "sip.kemi.headers.identity_of", "ops.numbers.number_of"} <= set(
        parsers()
    )
