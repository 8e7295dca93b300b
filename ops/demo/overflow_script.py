"""The overflow demonstration as data: three provinces, what happens in which order, who calls where, what each ledger must say."""

from __future__ import annotations

from dataclasses import dataclass

from ops.demo.script import Call, answered

HUBEI, HUNAN, GUANGDONG, NATION = "hubei", "hunan", "guangdong", "nation"
PROVINCES = (HUBEI, HUNAN, GUANGDONG)
ZH = {HUBEI: "湖北", HUNAN: "湖南", GUANGDONG: "广东", NATION: "全国中心"}
ZH_CALL = {HUBEI: "湖北", HUNAN: "湖南", GUANGDONG: "广东", "bill": "账单", "fault": "故障", "complaint": "投诉"}
AGENTS = {  # user -> (centre, seat), as examples/country.toml has them
    "wang": (HUBEI, "1001"),
    "li": (HUBEI, "1002"),
    "zhang": (HUNAN, "2001"),
    "liu": (HUNAN, "2002"),
    "chen": (GUANGDONG, "3001"),
    "yang": (GUANGDONG, "3002"),
}
SUPERVISORS = {HUBEI: "zhao", HUNAN: "qian", GUANGDONG: "zhou"}


@dataclass(frozen=True, slots=True)
class Visit:
    """A call, the centre it comes to, and where its agent may be. Names of calls and the last two digits of callers are unique."""

    centre: str
    call: Call
    elsewhere: bool = False  # by an agent of another centre
    only: str = ""  # of this one


@dataclass(frozen=True, slots=True)
class Act:
    """What is done first (`before`: a step of the director), then calls that are placed together."""

    name: str
    before: str
    zh: str
    en: str
    visits: tuple[Visit, ...]


def _visit(centre: str, name: str, number: str, queue: str, digits: str, **more: float) -> Visit:
    return Visit(centre, Call(name, number, answered(queue), digits=digits, talk=4, give_up=60, **more))  # type: ignore[arg-type]


def _away(name: str, number: str, queue: str, digits: str, only: str = "", **more: float) -> Visit:
    visit = _visit(HUBEI, name, number, queue, digits, **more)
    return Visit(visit.centre, visit.call, elsewhere=True, only=only)


ACTS = (
    Act(
        "at home",
        "",
        "平常:各省来电由本省座席接听",
        "an ordinary day: each province answers its own callers",
        (
            _visit(HUBEI, "hubei bill", "13971000001", "billing", "22"),
            _visit(HUNAN, "hunan fault", "13973100002", "faults", "31"),
            _visit(GUANGDONG, "guangdong bill", "13902200003", "billing", "0"),
        ),
    ),
    Act(
        "overflow",
        "log_out",
        "湖北座席全部签出:湖北的来电由外省座席接听,来电资料随话路到达",
        "the agents of Hubei log out: its callers are answered elsewhere, with their data",
        (
            _away("bill 1", "13971000004", "billing", "22"),
            _away("bill 2", "13971000005", "billing", "0", at=0.5),
            _away("fault 1", "13971000006", "faults", "31", at=1.0),
            _away("complaint 1", "13971000007", "complaints", "32", at=1.5),
        ),
    ),
    Act(
        "neighbour",
        "nation_gone",
        "全国中心停止:湖北直接请邻省湖南接听",
        "the national centre is stopped: Hubei asks its neighbour Hunan directly",
        (_away("bill 3", "13971000008", "billing", "22", only=HUNAN),),
    ),
    Act(
        "back",
        "log_in",
        "湖北座席重新签入:湖北来电又由本省接听",
        "the agents of Hubei are back: its callers are answered at home again",
        (_visit(HUBEI, "bill 4", "13971000009", "billing", "22"),),
    ),
)
VISITS = tuple(visit for act in ACTS for visit in act.visits)
