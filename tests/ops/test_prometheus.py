"""What Prometheus and Grafana get: valid, with the real targets, and only names that some service has."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from ops import metrics, prometheus
from ops.centre import Centre, CentreConfig, Media, Ports
from ops.supervise.services import ROOT, services
from tests.kit.ports import free_port
from tests.kit.wait import until_async

CONFIG = CentreConfig(Centre("x"), media=Media(nodes=2))
FOLDER = ROOT / "ops" / "prometheus"
RUNBOOK = re.compile(r"runbook: (\S+)")


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    """promtool with these words."""
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)


@pytest.mark.real
def test_the_rendered_configuration_and_the_alerts_are_valid(tmp_path: Path) -> None:
    """promtool accepts both, with two media nodes in one job."""
    file = tmp_path / "prometheus.yml"
    file.write_text(prometheus.render(CONFIG, tmp_path / "centre.json"))
    said = promtool("check", "config", str(file))
    assert said.returncode == 0 and "16 rules found" in said.stdout + said.stderr, said.stdout + said.stderr
    assert 'targets: ["127.0.0.1:5220", "127.0.0.1:5221"]' in file.read_text()


def test_every_service_with_metrics_is_a_target(tmp_path: Path) -> None:
    """No service is forgotten in the configuration."""
    text = prometheus.render(CONFIG, tmp_path / "centre.json")
    for service in services(CONFIG, tmp_path / "centre.json"):
        if service.metrics:
            assert f'"{urllib.parse.urlsplit(service.metrics).netloc}"' in text, service.name


@pytest.mark.real
def test_alerts_fire_when_they_should_and_only_then() -> None:
    """promtool plays series against the rules: a failed recording, a lost node, a fallback, a lagging ledger."""
    said = promtool("test", "rules", str(FOLDER / "alerts_test.yml"))
    assert said.returncode == 0, said.stdout + said.stderr


def test_each_alert_has_a_runbook_that_exists() -> None:
    """Who is woken finds the page."""
    named = RUNBOOK.findall((FOLDER / "alerts.yml").read_text())
    assert len(named) == (FOLDER / "alerts.yml").read_text().count("- alert:")
    assert [path for path in named if not (ROOT / path).is_file()] == []


def _names(text: str) -> set[str]:
    found = set(re.findall(r"\btierline_[a-z_]+", text))
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}


def _known() -> set[str]:
    """Names as the services' code makes them: counters end in _total, kamailio.cfg and media gauges get their prefix."""
    code = "\n".join(
        path.read_text() for room in ("router", "media", "console", "sip", "ops/supervise") for path in (ROOT / room).rglob("*.py")
    )
    known = _names(code)
    known |= {f"{name}_total" for name in known}
    known |= {f"tierline_edge_{name}" for name in re.findall(r'"name=([a-z_]+);', (ROOT / "sip/kamailio.cfg").read_text())}
    return known | {f"tierline_media_{name}" for name in re.findall(r'"([a-z_]+)": ', (ROOT / "media/app.py").read_text())}


@pytest.mark.parametrize("file", ["ops/prometheus/alerts.yml", "ops/grafana/centre.json"])
def test_every_metric_that_is_asked_for_exists(file: str) -> None:
    """An alert on a metric that nobody has would never fire."""
    assert _names((ROOT / file).read_text()) - _known() == set()


def test_the_dashboard_has_a_query_in_each_panel() -> None:
    """The dashboard is JSON as Grafana takes it: panels with ids of their own and expressions."""
    board = json.loads((ROOT / "ops/grafana/centre.json").read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 10
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])


@pytest.mark.real
async def test_a_real_prometheus_scrapes_a_running_target(tmp_path: Path) -> None:
    """Prometheus started on the rendered file loads the rules, reads a service's gauge, and says that the others are down."""
    registry, port, own = CollectorRegistry(), free_port(), free_port()
    Gauge("tierline_router_store_up", "1 while the store is connected.", registry=registry).set(1)
    runner = await metrics.serve("127.0.0.1", port, registry)
    config = replace(CONFIG, ports=replace(Ports(), router_metrics=port, console=free_port(), edge_http=free_port()))
    text = prometheus.render(config, tmp_path / "centre.json").replace("10s", "1s")
    (tmp_path / "prometheus.yml").write_text(text)
    words = ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*words, f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log)
    try:
        await until_async(lambda: _value(own, "tierline_router_store_up") == "1", 30, "the gauge is there")
        await until_async(lambda: _value(own, 'up{job="router"}') == "1", 10, "the router is up")
        await until_async(lambda: _value(own, 'up{job="console"}') == "0", 10, "the console is down")
        alerts = _get(own, "/api/v1/rules")["data"]["groups"][0]["rules"]
        assert {"TierlineNodeLost", "TierlineRecordingFailed"} <= {rule["name"] for rule in alerts}
    finally:
        process.terminate()
        process.wait(20)
        await runner.cleanup()


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return json.load(answer)


def _value(port: int, query: str) -> str:
    """The value of the only series of a query; "" while there is none."""
    try:
        found = _get(port, f"/api/v1/query?query={urllib.parse.quote(query)}")["data"]["result"]
    except OSError:
        return ""
    return str(found[0]["value"][1]) if found else ""
