"""Where a phone's audio may go."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from media.rtp.api import BadSdp
from media.rtp.places import Carrier, Place, Places, places_of
from ops.centre import Centre, CentreConfig, Media, Trunk
from ops.ports import uses

CARRIER = Carrier((ip_network("198.51.100.0/28"),), (ip_network("203.0.113.0/24"),))
PLACES = Places((CARRIER,), (("192.0.2.1", 5240, 5241),))
SEAT = "192.0.2.77"


def test_audio_of_a_seat_goes_where_its_signalling_came_from() -> None:
    """A phone behind NAT names an address of its own network; another one could name a third party: neither gets anything there."""
    for said in (SEAT, "10.0.0.9", "203.0.113.5", "8.8.8.8"):
        place = PLACES.place(SEAT, said, 4000)
        assert (place.address, place.port, place.learned) == (SEAT, 4000, True)
        assert set(place.expected) == {SEAT, said}


def test_a_trunk_with_media_networks_is_never_learned() -> None:
    """Its audio goes to its networks or its signalling address, to no other; a trunk without networks is like a seat."""
    assert PLACES.place("198.51.100.3", "203.0.113.9", 4000) == Place("203.0.113.9", 4000)
    assert PLACES.place("198.51.100.3", "198.51.100.3", 4000) == Place("198.51.100.3", 4000)
    with pytest.raises(BadSdp, match="media networks"):
        PLACES.place("198.51.100.3", "198.51.100.4", 4000)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "224.0.0.5", "239.1.1.1", "255.255.255.255", "240.0.0.1", "169.254.1.1", "0.1.2.3", "::1", "x"],
)
def test_addresses_that_nobody_may_name(address: str) -> None:
    """Loopback, multicast, broadcast, link-local and what is no address are refused, in the SDP and as a source, trunk or not."""
    for source in (SEAT, "198.51.100.3"):
        with pytest.raises(BadSdp):
            PLACES.place(source, address, 4000)
    with pytest.raises(BadSdp):
        PLACES.place(address, SEAT, 4000)
    with pytest.raises(BadSdp):
        replace(PLACES, carriers=(Carrier((ip_network("198.51.100.3"),), (ip_network("0.0.0.0/0"),)),)).place(
            "198.51.100.3", address, 4000
        )


@pytest.mark.parametrize("port", [0, 9, 1023, 5239, 5240, 5241, 65_535])
def test_ports_of_the_centre_get_no_audio(port: int) -> None:
    """Neither RTP nor RTCP (one port above) goes to a port that the centre listens on, to a system port, or past the last one."""
    with pytest.raises(BadSdp):
        PLACES.place("192.0.2.1", "192.0.2.1", port)
    assert PLACES.permits("192.0.2.1", 5242)


def test_without_a_known_source_there_is_no_audio() -> None:
    """A leg whose signalling came from nowhere that is known is refused."""
    with pytest.raises(BadSdp):
        PLACES.place("", SEAT, 4000)


def test_the_old_way_to_hold_sends_nothing() -> None:
    """0.0.0.0 stays what it is: rtpengine sends nothing there."""
    assert PLACES.place(SEAT, "0.0.0.0", 4000) == Place("0.0.0.0", 4000)


def test_what_a_configuration_says() -> None:
    """All UDP ports of a centre are taken; loopback is open only where rtpengine itself is on it, and then by port."""
    config = CentreConfig(centre=Centre("hubei"), trunk=(Trunk("a", ("198.51.100.3",), media_networks=("203.0.113.0/24",)),))
    demo, real = places_of(config), places_of(replace(config, media=Media(rtp_address="192.0.2.1")))
    assert demo.loopback and not real.loopback
    ng = next(use.port for use in uses(config) if use.key == "ng")
    with pytest.raises(BadSdp, match="port of this centre"):
        demo.place("127.0.0.1", "127.0.0.1", ng)
    assert demo.place("127.0.0.1", "127.0.0.1", 45_000).address == "127.0.0.1"
    assert demo.place("198.51.100.3", "203.0.113.4", 4000) == Place("203.0.113.4", 4000)
    with pytest.raises(BadSdp, match="port of this centre"):
        real.place("192.0.2.1", "192.0.2.1", config.ports.rtp_low)
