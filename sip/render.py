"""The files an edge is started with, made from the centre's configuration. Pure but for `write`."""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import secrets
import subprocess
from dataclasses import astuple, dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from ops import inner, redis_access
from ops.centre import CentreConfig
from ops.node_secret import node_secret
from ops.ports import uses
from sip.control import LONGEST_PATH, SOCKET
from sip.kemi.settings import ENV, Settings

HERE = Path(__file__).parent
SITE = 10  # so many times the wrong passwords of one account are too many for one address
TRUNK, MEDIA, CENTRE = 1, 2, 3  # groups of the address list (sip/routes/admit.cfg)
NODES = 1  # the dispatcher's set (sip/routes/inbound.cfg)
SIP_OR_AUDIO = frozenset(["sip", "tls", "media_sip", "rtp_low"])  # uses of ports (ops/ports.py) that are no inner services
GUARD_MS = 1000  # a suspended call goes on by the fallback after so long, whatever became of the question


_PLAIN = re.compile(r"[A-Za-z0-9._~:;/@%+*\[\]-]+")


class EdgeError(Exception):
    """The edge cannot be started; the text says what to do."""


def folder_of(config: CentreConfig) -> Path:
    """Where the edge's own files are."""
    return config.state.absolute() / "edge"


def journal_of(config: CentreConfig) -> Path:
    """Where the accounting files are."""
    return folder_of(config) / "journal"


def settings_of(config: CentreConfig) -> Settings:
    """What the script must know."""
    edge, ports = config.edge, config.ports
    return Settings(
        edge=edge.name,
        tenant=config.centre.tenant,
        realm=edge.realm,
        address=edge.address,
        sip_port=ports.sip,
        tls_port=ports.tls,
        http_port=ports.edge_http,
        journal=str(journal_of(config)),
        routers=tuple(inner.target(router, inner.EDGE) for router in config.routers),
        identity=tuple(map(str, astuple(identity))) if (identity := config.identity(inner.EDGE)) else (),
        nodes={name: uri.partition(";")[0] for name, uri in config.media_uris.items()},
        deadline_ms=edge.router_deadline_ms,
        late_router_ms=edge.late_router_ms,
        late_media_ms=edge.late_media_ms,
        never_below_per_s=edge.never_below_per_s,
        centres={peer.realm: peer.edge for peer in config.peer if peer.realm and peer.edge},
        outbound={trunk.name: trunk.outbound for trunk in config.trunk if trunk.outbound},
    )


def address_list(config: CentreConfig) -> str:
    """The permissions module's file: trunks by address or network, media nodes and edges of other centres by address and port, each
    with its name."""
    lines = [_trunk_line(address, trunk.name) for trunk in config.trunk for address in trunk.addresses]
    for name, uri in config.media_uris.items():
        host, port = host_port(uri)
        lines.append(f"{MEDIA} {host} 32 {port} {name}")
    for peer in config.peer:
        if peer.edge:
            host, port = host_port(f"sip:{peer.edge}")
            lines.append(f"{CENTRE} {host} 32 {port} {peer.name}")
    return "".join(f"{line}\n" for line in lines)


def _trunk_line(address: str, name: str) -> str:
    try:
        network = ipaddress.ip_network(address, strict=False)
    except ValueError as error:
        raise EdgeError(f"trunk {name}: {address!r} is neither an IP address nor a network: {error}") from error
    return f"{TRUNK} {network.network_address} {network.prefixlen} 0 {quote(name, safe='')}"


def host_port(uri: str) -> tuple[str, int]:
    """Host and port of a plain SIP URI."""
    parts = urlsplit("//" + uri.partition(":")[2].partition(";")[0])
    return parts.hostname or "", parts.port or 5060


def dispatcher_list(config: CentreConfig) -> str:
    """The dispatcher's file: one media node a line."""
    return "".join(f"{NODES} {uri.partition(';')[0]} 0 0 duid={name}\n" for name, uri in config.media_uris.items())


def entry_file(folder: Path) -> str:
    """What Kamailio is started with: the script, and the tables."""
    return f'#!KAMAILIO\ninclude_file "{HERE / "kamailio.cfg"}"\ninclude_file "{folder / "tables.cfg"}"\n'


def tables(config: CentreConfig, secret: str) -> str:
    """Names and addresses of the configuration, put into shared tables before Kamailio forks.

    settings   origins (any, some), outbound (the first trunk that takes calls), nodes (how many), names (of nodes, ";" between)
    origins    Origin header that may open a WebSocket -> 1
    labels     kind:name of a media node, trunk, centre (and the URI of a node) -> its label; names: label -> name
    nodes      label of a node -> its URI; edges: label of a centre -> host:port of its edge; centres: realm -> label of a centre
    outbound   trunk that takes calls -> host:port
    starts_cap, callers_cap   trunk -> new calls that it may begin in a second, one caller of it in a minute; 0: no limit
    inner      port to which no SIP goes: any (on all addresses of this machine) or own (on the edge's alone)
    """
    lines = _settings(config)
    for kind, names in _parties(config).items():
        for name in names:
            label = label_of(secret, kind, name)
            lines += [_entry("labels", f"{kind}:{name}", label), _entry("names", label, name)]
    for name, uri in config.media_uris.items():
        label, plain = label_of(secret, "media", name), uri.partition(";")[0]
        lines += [_entry("labels", plain, label), _entry("nodes", label, plain)]
    for peer in config.peer:
        if peer.realm and peer.edge:
            label = label_of(secret, "centre", peer.name)
            lines += [_entry("centres", peer.realm.lower(), label), _entry("edges", label, peer.edge)]
    lines += [_entry("outbound", quote(trunk.name, safe=""), trunk.outbound) for trunk in config.trunk if trunk.outbound]
    for trunk in config.trunk:
        name = quote(trunk.name, safe="")
        lines += [_entry("starts_cap", name, str(trunk.calls_per_s)), _entry("callers_cap", name, str(trunk.calls_per_caller))]
    lines += [_entry("inner", str(port), "any") for port in inner_ports(config)]
    lines += [_entry("inner", str(port), "own") for port in (config.ports.sip, config.ports.tls)]
    return "event_route[htable:mod-init] {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _settings(config: CentreConfig) -> list[str]:
    lines = [_entry("settings", "origins", "some" if config.edge.origins else "any")]
    lines += [_entry("origins", origin, "1") for origin in config.edge.origins]
    lines += [_entry("settings", "outbound", quote(trunk.name, safe="")) for trunk in config.trunk if trunk.outbound][:1]
    lines += [_entry("settings", "nodes", str(len(config.media_uris))), _entry("settings", "names", ";".join(config.media_uris))]
    return lines


def _parties(config: CentreConfig) -> dict[str, list[str]]:
    trunks = [quote(trunk.name, safe="") for trunk in config.trunk]
    return {"media": list(config.media_uris), "trunk": trunks, "centre": [peer.name for peer in config.peer]}


def label_of(secret: str, kind: str, name: str) -> str:
    """What stands for a name of the configuration in Record-Routes: the same over restarts, and it tells nobody the name."""
    return hmac.digest(secret.encode(), f"label {kind} {name}".encode(), "sha256").hex()[:12]


def inner_ports(config: CentreConfig) -> list[int]:
    """Ports of this machine on which services of the centre listen that take no SIP."""
    return sorted({port for use in uses(config) if use.key not in SIP_OR_AUDIO for port in use.ports})


def _entry(table: str, key: str, value: str) -> str:
    """One assignment. Raises EdgeError for what would not be one plain word in the script."""
    if not _PLAIN.fullmatch(key) or not _PLAIN.fullmatch(value):
        raise EdgeError(f"{key!r}, {value!r}: only letters, digits and ._~:/@%+[]*- are possible here")
    return f'$sht({table}=>{key}) = "{value}";'


def tls_config(certificate: Path, key: Path) -> str:
    """The tls module's file."""
    lenient = "method = TLSv1.2+\nverify_certificate = no\n"
    server = f"{lenient}require_certificate = no\ncertificate = {certificate}\nprivate_key = {key}\n"
    return f"[server:default]\n{server}\n[client:default]\n{lenient}"


def environment(config: CentreConfig, folder: Path, secret: str) -> dict[str, str]:
    """What kamailio.cfg reads by $env()."""
    redis = urlsplit(redis_access.url(config, redis_access.EDGE))
    database = redis.path.lstrip("/") or "0"
    direct = f"addr={redis.hostname};port={redis.port or 6379}"
    if config.secured:
        direct = f"unix={redis_access.socket(config)};pass={redis.password}"
    login = f":{redis.password}@" if redis.password else ""
    values: dict[str, object] = {
        "EDGE_ADDRESS": config.edge.address,
        "EDGE_SIP": config.ports.sip,
        "EDGE_TLS": config.ports.tls,
        "EDGE_HTTP": config.ports.edge_http,
        "EDGE_WORKERS": config.edge.workers,
        "EDGE_TCP_WORKERS": config.edge.tcp_workers,
        "EDGE_FOLDER": folder,
        "EDGE_SCRIPT": HERE / "kemi" / "main.py",
        "EDGE_REDIS": f"{direct};db={database}",
        "EDGE_LOCATION": f"redis://{login}{redis.hostname}:{redis.port or 6379}/{database}",
        "EDGE_SECRET": secret,
        "EDGE_NODES": node_secret(config.state),
        "EDGE_SEAL": hmac.digest(secret.encode(), b"seal", "sha256").hex(),
        "EDGE_FLOOD": config.edge.flood_per_2s,
        "EDGE_HOLD_OFF": config.edge.hold_off_s,
        "EDGE_REALM": config.edge.realm,
        "EDGE_TENANT": config.centre.tenant,
        "EDGE_LARGEST": config.edge.max_message_bytes,
        "EDGE_WRONG": config.edge.wrong_passwords,
        "EDGE_SITE_WRONG": SITE * config.edge.wrong_passwords,
        "EDGE_SILENT": config.edge.silent_s,
        "EDGE_BUFFER": config.edge.max_message_bytes + 4096,
        "EDGE_GUARD": GUARD_MS,
        ENV: folder / "edge.json",
    }
    return {name: str(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written: the folder, the environment for Kamailio."""

    folder: Path
    environment: dict[str, str]


def write(config: CentreConfig) -> Rendered:
    """Write all files below STATE/edge. Raises EdgeError, OSError."""
    folder = folder_of(config)
    journal_of(config).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    certificate, key = _certificate(config, folder)
    secret = _secret(folder / "secret")
    if len(os.fsencode(folder / SOCKET)) > LONGEST_PATH:
        raise EdgeError(f"{folder}: the path is too long for a Unix socket; choose a state folder with a shorter one")
    (folder / "edge.json").write_text(settings_of(config).dump(), encoding="utf-8")
    (folder / "address.list").write_text(address_list(config), encoding="utf-8")
    (folder / "dispatcher.list").write_text(dispatcher_list(config), encoding="utf-8")
    (folder / "tables.cfg").write_text(tables(config, secret), encoding="utf-8")
    (folder / "edge.cfg").write_text(entry_file(folder), encoding="utf-8")
    (folder / "tls.cfg").write_text(tls_config(certificate, key), encoding="utf-8")
    return Rendered(folder, environment(config, folder, secret))


def _secret(path: Path) -> str:
    """Kept over restarts, so that the nonces of registered seats stay good."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(secrets.token_hex(24))
    return path.read_text(encoding="ascii").strip()


def _certificate(config: CentreConfig, folder: Path) -> tuple[Path, Path]:
    edge = config.edge
    if edge.certificate:
        given = Path(edge.certificate), Path(edge.private_key or edge.certificate)
        paths = tuple(path if path.is_absolute() else config.path.parent / path for path in given)
        for path in paths:
            if not path.is_file():
                raise EdgeError(f"edge.certificate, edge.private_key: {path} is no file")
        return paths[0], paths[1]
    certificate, key = folder / "self-signed.pem", folder / "self-signed.key"
    if not certificate.is_file() or not key.is_file():
        _self_sign(edge.realm, edge.address, certificate, key)
    return certificate, key


def _self_sign(realm: str, address: str, certificate: Path, key: Path) -> None:
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "825"]
    words += ["-subj", f"/CN={realm}", "-addext", f"subjectAltName=DNS:{realm},IP:{address}"]
    try:
        done = subprocess.run([*words, "-keyout", key, "-out", certificate], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EdgeError("openssl is missing and no edge.certificate is given: install openssl or name a certificate") from error
    if done.returncode:
        raise EdgeError(f"openssl could not make a certificate: {done.stderr.strip()}")
    key.chmod(0o600)
