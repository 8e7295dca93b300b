"""Prometheus for a centre: what to scrape, and what to wake people for."""

from __future__ import annotations

from pathlib import Path
from string import Template

from ops.centre import CentreConfig
from ops.ports import LOOPBACK
from ops.supervise.services import services

HERE = Path(__file__).resolve().parent
JOB = """  - job_name: {job}
    metrics_path: {path}
    static_configs:
      - targets: [{targets}]
"""


def render(config: CentreConfig, file: Path) -> str:
    """A Prometheus configuration with the real targets of the centre; `file` is its resolved configuration."""
    supervisor = f'"{LOOPBACK}:{config.ports.supervisor_metrics}"'
    jobs: dict[tuple[str, str], list[str]] = {("supervisor", "/metrics"): [supervisor]}
    for service in services(config, file):
        if service.metrics:
            host, _, path = service.metrics.removeprefix("http://").partition("/")
            jobs.setdefault((service.name.rstrip("0123456789"), f"/{path}"), []).append(f'"{host}"')
    text = "".join(JOB.format(job=job, path=path, targets=", ".join(targets)) for (job, path), targets in jobs.items())
    return Template((HERE / "prometheus.yml").read_text(encoding="utf-8")).substitute(
        centre=config.centre.name, rules=HERE / "alerts.yml", jobs=text.rstrip("\n")
    )
