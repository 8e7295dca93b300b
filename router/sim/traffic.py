"""Who calls when, for how long they would talk and wait: drawn at random, the same for the same seed whatever the rules.

Arrivals are Poisson, with a rate that is constant within each part of the load's curve. All that is random about a caller is
drawn with the arrival and not when it happens, so that two rules are tried with the very same callers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from router.core.home import city_key
from router.sim.scenario import DAY_S, Load, Scenario, Spread, clock_ms, expanded

SLICE_S = 900  # traffic is drawn for a quarter of an hour at a time
Floats = NDArray[np.float64]


class Arrival(NamedTuple):
    """A caller, with all that chance decides."""

    at_ms: int  # since the beginning
    site: int  # index of the centre that the call comes in at
    queue: str
    handling_ms: int
    patience_ms: int
    city: str = ""
    customer: str = ""
    vip: int = 0
    chance: float = 0.5  # 0..1, for what else has to be drawn about this caller
    agent: str = ""  # whom the call is meant for
    callback: bool = False  # would rather be called back
    picks_up: float = 1.0  # 0..1, chance that the caller picks up when called back


def draw(rng: np.random.Generator, spread: Spread, count: int) -> Floats:
    """So many times in ms."""
    mean = spread.mean_s * 1000.0
    if spread.shape == "fixed":
        return np.full(count, mean)
    if spread.shape == "lognormal":
        variance = math.log1p((spread.variation / 100) ** 2)
        return rng.lognormal(math.log(mean) - variance / 2, math.sqrt(variance), count)
    return rng.exponential(mean, count)


def rate(load: Load, from_s: float, to_s: float) -> float:
    """Expected calls between two times since midnight (of the first day; the curve repeats each day)."""
    if not load.curve:
        return load.per_hour * (to_s - from_s) / 3600
    part, mean = DAY_S / len(load.curve), sum(load.curve) / len(load.curve)
    found, at = 0.0, from_s
    while at < to_s:
        number = int(at // part)
        upto = min(to_s, (number + 1) * part)
        found += load.curve[number % len(load.curve)] / mean * (upto - at)
        at = upto
    return found * load.per_hour / 3600


@dataclass(frozen=True, slots=True)
class Stream:
    """A load at one site."""

    site: int
    load: Load


def streams(scenario: Scenario) -> list[Stream]:
    """All of a scenario."""
    return [Stream(n, load) for n, (_, site) in enumerate(expanded(scenario.site)) for load in site.load]


def generate(scenario: Scenario, seed: int, until_s: float) -> Iterator[Arrival]:
    """All callers in the order of time, from 0 to `until_s` after the beginning; infinity is allowed."""
    rng = np.random.default_rng(seed)
    begins = clock_ms(scenario.begins) // 1000
    loads, at = streams(scenario), 0.0
    while at < until_s:
        to = min(until_s, at + SLICE_S)
        yield from _slice(rng, loads, at, to, begins)
        at = to


def _slice(rng: np.random.Generator, loads: list[Stream], from_s: float, to_s: float, begins: int) -> Iterator[Arrival]:
    expected = [rate(one.load, begins + from_s, begins + to_s) for one in loads]
    found: list[Arrival] = []
    for one, count in zip(loads, rng.poisson(expected).tolist(), strict=True):
        if count:
            found += _callers(rng, one, from_s * 1000, to_s * 1000, count)
    found.sort()
    return iter(found)


def _callers(rng: np.random.Generator, one: Stream, from_ms: float, to_ms: float, count: int) -> list[Arrival]:
    load = one.load
    at = rng.uniform(from_ms, to_ms, count).astype(np.int64).tolist()
    handling = np.maximum(1, draw(rng, load.handling, count)).astype(np.int64).tolist()
    patience = np.maximum(1, draw(rng, load.patience, count)).astype(np.int64).tolist()
    chance = rng.random(count).tolist()
    vip = (rng.random(count) * 1000 < load.vip_per_mille).astype(np.int64).tolist()
    cities, customers, back = _cities(rng, load, count), _customers(rng, one, count), _callbacks(rng, load, count)
    rows, picks_up = zip(at, handling, patience, cities, customers, vip, chance, back, strict=True), load.pick_up_per_mille / 1000
    return [Arrival(a, one.site, load.queue, h, p, c, who, v, x, "", b, picks_up) for a, h, p, c, who, v, x, b in rows]


def _callbacks(rng: np.random.Generator, load: Load, count: int) -> list[bool]:
    if not load.callback_per_mille:
        return [False] * count
    found: list[bool] = (rng.random(count) * 1000 < load.callback_per_mille).tolist()
    return found


def _cities(rng: np.random.Generator, load: Load, count: int) -> list[str]:
    if not load.cities:
        return [""] * count
    weights = np.array(list(load.cities.values()), dtype=np.float64)
    picked = rng.choice(len(weights), count, p=weights / weights.sum()).tolist()
    names = [city_key(name) for name in load.cities]
    return [names[n] for n in picked]


def _customers(rng: np.random.Generator, one: Stream, count: int) -> list[str]:
    if not one.load.customers:
        return [""] * count
    return [f"{one.site}-{n}" for n in rng.integers(one.load.customers, size=count).tolist()]
