"""Where the centre is that the phones talk to: STATE/endpoints.json of `tierline up`, or addresses given by hand."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class NoCentre(Exception):
    """The centre cannot be found; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """A centre as phones see it."""

    udp: str  # edge as host:port
    tcp: str = ""
    realm: str = ""
    number: str = ""  # first service number
    trunks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name -> addresses or networks carriers send from
    prompts: Path | None = None  # published audio
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)  # of seats

    def carrier_address(self, trunk: str = "") -> str:
        """An address of a trunk, the first one unless named. Raises NoCentre if there is none."""
        if trunk and trunk not in self.trunks:
            raise NoCentre(f"no trunk {trunk!r}; there are: {', '.join(self.trunks) or 'none'}")
        addresses = self.trunks[trunk] if trunk else next(iter(self.trunks.values()), ())
        if not addresses:
            raise NoCentre("the centre has no trunk to call from: add a [[trunk]] to its configuration, or give --bind ADDRESS")
        network = ipaddress.ip_network(addresses[0], strict=False)
        return addresses[0].partition("/")[0] if network.num_addresses == 1 else str(network.network_address + 1)


def from_state(state: Path) -> Place:
    """The centre that runs with this state folder. Raises NoCentre."""
    path = state / "endpoints.json"
    data = _json(path)
    try:
        return from_endpoints(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise NoCentre(f"{path} is not what 'tierline up' writes ({error!r}): start the centre again") from error


def from_endpoints(data: Mapping[str, Any]) -> Place:
    """The centre of the content of an endpoints.json. Raises NoCentre when the credentials it names are not there, KeyError."""
    seats = _json(Path(data["credentials"]))["seats"] if data.get("credentials") else []
    return Place(
        udp=data["sip"]["udp"],
        tcp=data["sip"].get("tcp", ""),
        realm=data["realm"],
        number=next(iter(data.get("numbers", ())), ""),
        trunks={name: tuple(addresses) for name, addresses in data.get("trunks", {}).items()},
        prompts=Path(data["prompts"]) if data.get("prompts") else None,
        passwords={seat["seat"]: seat["password"] for seat in seats},
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise NoCentre(f"{path} is not there: is the centre up? (tierline up --detach --state {path.parent})") from error
    except (OSError, ValueError) as error:
        raise NoCentre(f"{path} cannot be read: {error}") from error
