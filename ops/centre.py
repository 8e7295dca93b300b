"""The configuration of a centre: one TOML file, or the resolved JSON that `tierline up` makes of it, as frozen objects.

Every field is told here; `ops/config.py` reads the file and says file, line and what to write for a wrong key. Times end in
their unit. All services of a centre read the same file and take their section.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ops import inner


@dataclass(frozen=True, slots=True)
class Centre:
    """Who this centre is."""

    name: str  # short name, [a-z0-9-]
    tier: str = "province"  # national, province
    tenant: str = "main"
    country: str = "CN"  # ISO 3166 alpha-2: how national numbers are read
    zone: str = "Asia/Shanghai"  # IANA name: times in exports
    languages: tuple[str, ...] = ("zh", "en")  # first one is the default
    numbers: tuple[str, ...] = ()  # service numbers callers dial; () takes every called number


@dataclass(frozen=True, slots=True)
class Edge:
    """The SIP edge (Kamailio)."""

    name: str = "edge1"
    address: str = "127.0.0.1"  # what carriers and seats talk to
    realm: str = "tierline.local"  # digest realm and SIP domain of seats
    workers: int = 2  # UDP worker processes
    tcp_workers: int = 2
    router_deadline_ms: int = 200
    late_router_ms: int = 60  # while even the quickest answers of routers take longer, new calls of trunks are limited
    late_media_ms: int = 150  # likewise for media nodes' answers to INVITEs
    never_below_per_s: int = 10  # so many new calls a second are taken however late all are
    flood_per_2s: int = (
        2000  # more requests from one unknown address in 2 s are dropped; trunks, media nodes, seats' calls are exempt
    )
    max_message_bytes: int = 16384  # larger requests are answered 513
    wrong_passwords: int = 10  # so many in a minute or two hold off that seat at that address; ten times as many, others there
    hold_off_s: int = 60
    sha256: bool = False  # ask phones for SHA-256 too; phones of about 2020 fail on a challenge they do not know
    silent_s: int = 10  # a silent TCP or TLS connection is closed after so long; one that writes a byte now and then is not
    origins: tuple[str, ...] = ()  # Origin headers that may open a WebSocket, "https://host:port"; () any
    certificate: str = ""  # PEM path; "" : `tierline up` makes a self-signed one
    private_key: str = ""


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier's SIP connection."""

    name: str
    addresses: tuple[str, ...]  # IP or CIDR the carrier sends from
    calls_per_s: int = 0  # more new calls in a second are answered 503; 0: no limit
    calls_per_caller: int = 0  # more new calls of one caller in a minute are answered 486; 0: no limit
    outbound: str = ""  # host:port that takes calls of ours (callbacks); "": none goes out by it
    media_networks: tuple[str, ...] = ()  # where its audio comes from and goes to; (): learned from the audio that comes
    trust_from: bool = False  # its From names callers as surely as P-Asserted-Identity: they may ask to be called back


@dataclass(frozen=True, slots=True)
class Router:
    """The routers."""

    instances: int = 1
    address: str = "127.0.0.1"  # loopback: other services come by Unix sockets; another: by mutual TLS, see certificates
    certificates: str = ""  # folder of authority.pem and ROLE.pem, ROLE.key of each role: edge, media, console, router
    node_lost_s: int = 10  # a media node silent this long has lost its calls
    priority_worth_s: int = 120  # a point of priority is worth so much waiting: so no call starves
    callback_tries: int = 3  # so often a customer is called back who does not answer
    callback_every_s: int = 300  # with so much time between
    ready_needs_phone: bool = True  # an agent gets ready only while the phone of the seat is registered
    callback_countries: tuple[str, ...] = ()  # ISO 3166 codes of countries that callbacks may dial; []: the centre's own
    callback_number_day: int = 3  # callbacks that one number gets in a day (UTC)
    callback_day: int = 2000  # callbacks of the whole centre in a day (UTC)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another centre of the country: its seats may answer our callers, and ours its callers."""

    name: str
    tier: str = "province"
    realm: str = ""  # SIP domain of its seats
    edge: str = ""  # host:port of its edge, as our edge reaches it
    province: str = ""  # home area it serves, as home areas name it (湖北)
    neighbour: bool = False  # asked directly while the national centre is away
    federation: str = ""  # host:port of its federation service (national centre, neighbours)


@dataclass(frozen=True, slots=True)
class Federation:
    """Overflow between provinces. Off while `certificate` is "" and no nation is named."""

    nation: str = ""  # host:port of the national router's federation service; "": none
    address: str = "127.0.0.1"  # where ours listens (national: all provinces come here; province: neighbours)
    certificate: str = ""  # PEM of this centre, its common name is the centre's name
    private_key: str = ""
    authority: str = ""  # PEM of the certificate authority of all centres
    share: int = 100  # at most so many per cent of our agents of a skill talk to or ring for other provinces' callers
    penalty_ms: int = 5000  # what going elsewhere costs, as waiting time
    paused: bool = False  # takes no calls of others for now


@dataclass(frozen=True, slots=True)
class Media:
    """The media nodes."""

    nodes: int = 1
    address: str = "127.0.0.1"
    rtp_address: str = "127.0.0.1"  # where callers and seats send audio
    max_calls: int = 400  # a node says 503 to more
    drain_s: int = 3600  # on SIGTERM wait at the most so long for conversations
    silence_s: int = 15  # a phone that has sent no audio for so long is asked whether it is still there; 0: never
    flow: str = "flows/service.toml"  # menu file, relative to the configuration
    record: bool = True
    min_free_mb: int = 200  # less free space in the vault: recordings fail with a fact and an alarm, calls go on


@dataclass(frozen=True, slots=True)
class Console:
    """The web console and the ledger."""

    address: str = "127.0.0.1"  # another one: with certificate and private_key, or behind a trusted proxy that speaks TLS
    certificate: str = ""  # PEM path
    private_key: str = ""
    database: str = ""  # SQLAlchemy URL; "" is SQLite in the state folder
    session_hours: int = 12
    page_closed_s: int = 60  # an agent whose page has been closed for so long is set not ready; 0: never
    public_url: str = ""  # as browsers reach it through a reverse proxy, "https://console.example.com"; "": straight
    trusted_proxies: tuple[str, ...] = ()  # IP or CIDR of reverse proxies whose header tells the client's address
    proxy_header: str = "x-forwarded-for"  # which header that is: x-forwarded-for, forwarded (RFC 7239)
    sockets_per_user: int = 10  # live connections of one person at a time
    change_first_passwords: bool = True  # who logs in with a first password must choose another one


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days things are kept; 0: for ever. Deleted daily at three in the morning of the centre's zone."""

    calls_days: int = 730  # the rows of a call with its facts
    recordings_days: int = 180
    agent_states_days: int = 730  # who was ready, talking, away when
    bad_facts_days: int = 90  # what came on the stream and was no fact
    spool_days: int = 14  # audio that could not be filed


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports of a centre; where several instances run, the n-th takes port + n. `tierline up --auto-ports` moves taken ones."""

    sip: int = 5060  # UDP and TCP
    tls: int = 5061  # TLS and WSS
    edge_http: int = 5064  # edge metrics and health, loopback only
    ship_metrics: int = 5065
    supervisor_metrics: int = 5066
    router: int = 5100  # between machines only
    router_metrics: int = 5120
    media_sip: int = 5200
    media_metrics: int = 5220
    ng: int = 5240  # rtpengine control
    dtmf: int = 5260  # rtpengine -> media node key presses, UDP
    redis_rtpengine: int = 5290
    redis: int = 5300
    console: int = 8080
    federation: int = 5140
    rtp_low: int = 30000
    rtp_high: int = 33999


@dataclass(frozen=True, slots=True)
class Rung:
    """From `after_s` of its wait on a call may go to these agents. Each rung should ask at least whom the one before it asks."""

    after_s: int = 0
    ring: str = "centre"  # city: seats of the caller's home city; centre: all seats; nation: all, and other provinces are asked
    level: int = 9  # the worst skill level that still fits, 1..9
    skill: str = ""  # "": the queue's; another one for seats set aside, like those of VIP callers


@dataclass(frozen=True, slots=True)
class Queue:
    """Where calls wait for a skill."""

    id: str
    skill: str
    zh: str = ""  # name shown
    en: str = ""
    priority: int = 0  # 0..99, higher first; a point is worth router.priority_worth_s of waiting
    ring_s: int = 20  # a seat rings so long
    after_call_s: int = 10
    position_every_s: int = 20  # announce the position so often; 0 never
    record: bool = True
    policy: str = "highest_skill"  # which of the ready agents: router.core.policy.POLICIES
    ladder: tuple[Rung, ...] = ()  # whom a call may go to as its wait grows; (): everybody with the skill at once
    vip_ladder: tuple[Rung, ...] = ()  # the same for VIP callers; (): as the others
    own_agent_s: int = 0  # so long a call waits for its given agent or the customer's last one alone; 0: does not
    max_waiting: int = 0  # more callers are turned away (REASON_QUEUE_FULL); 0: no limit
    max_wait_s: int = 0  # who waits longer is turned away (REASON_WAITED_TOO_LONG); 0: no limit
    callback_from_s: int = 0  # who will probably wait longer may ask to be called back and keep the place; 0: nobody may
    calendar: str = ""  # id of a calendar: closed outside of it; "": always open
    closed: str = ""  # emergency closing: the reason shown; "": open


@dataclass(frozen=True, slots=True)
class Agent:
    """A person with a login; role agent has a seat and skills."""

    id: str
    name: str
    role: str = "agent"  # agent, supervisor, administrator
    seat: str = ""  # extension its phone registers as
    skills: dict[str, int] = field(default_factory=dict)  # skill -> level, 1 best
    city: str = ""  # of the seat, as home areas name it (武汉); a supervisor's: whose agents they lead, "" all
    weight: int = 1  # share of calls under the policy weighted_random, 1..100


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours on some days of the week."""

    days: str  # "mon-fri", "sat", "sun-thu,sat"
    open: str  # "08:30"
    close: str  # "17:30"; not after open: it closes on the next day


@dataclass(frozen=True, slots=True)
class Holiday:
    """A date with hours of its own, a row for each span; without hours it is closed."""

    date: str  # 2026-10-01
    open: str = ""
    close: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a queue or branch takes calls."""

    id: str
    zone: str = "Asia/Shanghai"  # IANA name
    hours: tuple[Hours, ...] = ()
    holidays: tuple[Holiday, ...] = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of the organisation with opening hours of its own: known by the number that was dialled, else by the caller's city."""

    id: str
    numbers: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    calendar: str = ""  # besides the queue's: both must be open
    closed: str = ""  # emergency closing: the reason shown


@dataclass(frozen=True, slots=True)
class Vip:
    """Callers known before the menu (大客户, 贵宾)."""

    number: str  # E.164 or national; ends in * for a prefix
    level: int = 1  # added to the queue's priority, times ten
    name: str = ""


@dataclass(frozen=True, slots=True)
class Blacklisted:
    """Callers that are refused."""

    number: str  # E.164 or national; ends in * for a prefix
    reason: str = ""
    until: str = ""  # ISO 8601, "" for ever


@dataclass(frozen=True, slots=True)
class NotReadyReason:
    """Why an agent may be away."""

    id: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Shares:
    """What of [federation] is changed while running; a rule book has it as [shares]."""

    share: int = 100
    penalty_ms: int = 5000
    paused: bool = False


@dataclass(frozen=True, slots=True)
class CentreConfig:
    """The whole file."""

    centre: Centre
    edge: Edge = field(default_factory=Edge)
    trunk: tuple[Trunk, ...] = ()
    router: Router = field(default_factory=Router)
    media: Media = field(default_factory=Media)
    console: Console = field(default_factory=Console)
    retention: Retention = field(default_factory=Retention)
    ports: Ports = field(default_factory=Ports)
    queue: tuple[Queue, ...] = ()
    agent: tuple[Agent, ...] = ()
    blacklist: tuple[Blacklisted, ...] = ()
    not_ready: tuple[NotReadyReason, ...] = ()
    calendar: tuple[Calendar, ...] = ()
    branch: tuple[Branch, ...] = ()
    vip: tuple[Vip, ...] = ()
    peer: tuple[Peer, ...] = ()
    federation: Federation = field(default_factory=Federation)
    # Not in the file: set by the loader and by `tierline up`.
    path: Path = Path("centre.toml")  # where it was read from; relative paths in it start there
    state: Path = Path("var")  # state folder: sockets, logs, prompts, recordings, database, credentials

    secured: bool = False  # its Redis asks for passwords (ops/redis_access.py)

    @property
    def takes_calls(self) -> bool:
        """Whether callers and seats come here. A national centre without seats places others' calls: no edge, no media."""
        return self.centre.tier != "national" or any(agent.seat for agent in self.agent)

    @property
    def routers(self) -> tuple[str, ...]:
        """Each router: "unix:STATE/run/r1" (ops/inner.py makes a role's socket of it), or host:port with TLS between machines."""
        if inner.is_loopback(self.router.address):
            return tuple(f"{inner.UNIX}{self.run}/r{n + 1}" for n in range(self.router.instances))
        return tuple(f"{self.router.address}:{self.ports.router + n}" for n in range(self.router.instances))

    @property
    def run(self) -> Path:
        """Sockets: a folder below it for each role."""
        return self.state.absolute() / "run"

    def identity(self, role: str) -> inner.Identity | None:
        """What a service of this role shows to others of the centre; None: all are on one machine, nothing is to be shown."""
        if inner.is_loopback(self.router.address):
            return None
        return inner.identity(self.path.parent / self.router.certificates, role)

    @property
    def console_url(self) -> str:
        """Where the console listens; browsers may come by another way (console.public_url)."""
        return f"http{'s' if self.console.certificate else ''}://{self.console.address}:{self.ports.console}"

    @property
    def media_uris(self) -> dict[str, str]:
        """Media node name -> SIP URI edges send to."""
        return {f"m{n + 1}": f"sip:{self.media.address}:{self.ports.media_sip + n}" for n in range(self.media.nodes)}

    @property
    def prompts(self) -> Path:
        """Published menu and prompts (`tierline publish`)."""
        return self.state / "prompts"

    @property
    def vault(self) -> Path:
        """Finished recordings."""
        return self.state / "recordings"

    @property
    def spool(self) -> Path:
        """What rtpengine is writing: one folder a media node below it."""
        return self.state / "spool"

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the ledger."""
        return self.console.database or f"sqlite:///{self.state / 'ledger.db'}"
