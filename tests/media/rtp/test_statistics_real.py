"""rtpengine's numbers on the media node's own page."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from media.rtp.hold import connect
from media.rtp.statistics import METRICS, Statistics
from tests.kit.rtpengine import RtpEngineProcess, audio_config
from tests.media.rtp.house import House, leg

pytestmark = pytest.mark.real


async def test_what_rtpengine_says_is_told_to_prometheus(tmp_path: Path) -> None:
    """Every number is there while rtpengine answers, with the calls that are open; when it is gone only that it is gone."""
    config, registry = audio_config(tmp_path), CollectorRegistry()
    async with connect(config, 0) as engine:
        statistics = Statistics(engine.ask)
        registry.register(statistics)
        async with RtpEngineProcess(config):
            house = House(engine, tmp_path)
            await house.caller()
            await statistics.refresh()
            page = generate_latest(registry).decode()
            assert "rtpengine_up 1.0\n" in page and "rtpengine_sessions 1.0\n" in page
            assert all(f"\nrtpengine_{name}" in page for name, *_ in METRICS)
            await engine.close_call(leg("a"))
            for phone in house.phones:
                phone.close()
        await statistics.refresh()
        assert "rtpengine_up 0.0\n" in generate_latest(registry).decode()
        assert "rtpengine_sessions" not in generate_latest(registry).decode()
