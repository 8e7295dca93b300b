"""What a running centre shows to strangers, phones and watchers."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ops import audio
from tests.kit import centre as centres
from tests.kit import phones
from tests.kit.centre import Centre
from tests.kit.console import login
from tests.kit.phones import Phones
from tests.kit.ports import free_port
from tests.kit.wait import until_async

BARESIP = """
poll_method epoll
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
audio_player aufile,heard.wav
audio_source aufile,voice.wav
audio_alert aufile,/dev/null
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module_app account.so
module_app menu.so
"""


async def test_an_unknown_trunk_is_refused(centre: Centre, many: Phones) -> None:
    """An INVITE from an address that is no carrier's gets 403 and never reaches the menu."""
    caller = await many.call(number="13700000001", bind="127.0.0.77")
    assert (await caller.refused()).status == 403
    assert not [f for f in centre.facts(("call_started",)) if str(f.body.get("calling", "")).endswith("13700000001")]


async def test_a_wrong_password_registers_nobody(centre: Centre, many: Phones) -> None:
    """A seat with a wrong password is not registered, and the right one still works."""
    with pytest.raises(AssertionError, match="refused: 40"):
        await many.seat("8001", password="wrong")
    await many.seat("8001")


async def test_every_service_can_be_watched(centre: Centre) -> None:
    """Each metrics address of endpoints.json speaks Prometheus, Kamailio's and rtpengine's own too."""
    async with aiohttp.ClientSession() as session:
        for name, url in centre.endpoints["metrics"].items():
            async with session.get(url) as answer:
                text = await answer.text()
                assert answer.status == 200, name
            assert list(text_string_to_metric_families(text)), name


async def test_baresip_is_a_seat(centre: Centre, many: Phones, tmp_path: Path) -> None:
    """A stock baresip registers with digest, is offered a call, and both sides hear each other."""
    audio.write_wav(tmp_path / "voice.wav", phones.voice("baresip", seconds=20))
    (tmp_path / "config").write_text(BARESIP.format(port=free_port()))
    realm, edge = centre.endpoints["realm"], centre.endpoints["sip"]["udp"]
    account = f'<sip:8002@{realm};transport=udp>;auth_user=8002;auth_pass={centre.seat_password("8002")};outbound="sip:{edge}"'
    (tmp_path / "accounts").write_text(f"{account};answermode=auto;regint=60;audio_codecs=PCMA\n")
    log = (tmp_path / "log").open("w")
    baresip = await asyncio.create_subprocess_exec(
        "baresip", "-f", ".", cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    try:
        await until_async(lambda: "200 OK" in (tmp_path / "log").read_text(), 10, "baresip is registered")
        async with login(centre, "1002") as agent:
            await agent.ready()
            caller = await many.call(number="13700000002", digits="22")
            await caller.hears(phones.voice("baresip", seconds=20)[:24000], within=12)
            await caller.hang_up()
            await agent.state_is("after_call")
    finally:
        baresip.terminate()
        await baresip.wait()
        log.close()


async def test_a_full_disk_costs_no_call(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without room for recordings calls go on as ever; a fact and an alarm say what is missing, the audit names the call."""
    config = centres.TEST_CENTRE.replace("nodes = 2", "nodes = 1\nmin_free_mb = 10000000")
    running = centres.start(tmp_path_factory.mktemp("full"), config)  # a short path: sockets are in it
    try:
        async with phones.at(running.endpoints) as many, login(running, "1001") as agent, login(running, "9001") as boss:
            seat = await many.seat("8001")
            await agent.ready()
            caller = await many.call(number="13700000003", digits="31")
            await caller.hears(seat.voice)
            await caller.hang_up()
            row = await boss.call_row("13700000003", result="answered")
            await until_async(lambda: bool(running.facts(("recording_failed",), row["id"])), 10, "the fact is there")
            assert running.facts(("recording_failed",), row["id"])[0].body["reason"] == "REASON_DISK_FULL"
            assert not list((running.state / "recordings").rglob("*.wav*")), "nothing half-written"
    finally:
        centres.stop(running)
