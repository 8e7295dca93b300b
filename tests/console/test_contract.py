"""The description of the API is true, the page's files are whole, the dictionaries agree with the code."""

from __future__ import annotations

import json
import re
from typing import Any

from tierline.agents.v1 import agents_pb2
from tierline.common.v1 import common_pb2

from console.api import pages
from console.api.openapi import SCHEMAS
from console.api.server import ROUTES, make, openapi
from console.ledger.audit import DIFFERENCES
from console.ledger.fold import short
from ops import rulebook
from tests.browser.house import ROOT
from tests.console.desk import Desk
from tests.console.samples import answered
from tests.kit.wait import until_async

T0 = 1_760_000_000_000


def problems(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """What a value has against a schema (the parts of JSON Schema that openapi.py uses)."""
    if "$ref" in schema:
        return problems(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema:
        found = [problems(value, option, where) for option in schema["anyOf"]]
        return [] if any(not one for one in found) else found[0]
    if not schema:
        return []
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
    if type(value) is not kinds[schema["type"]]:
        return [f"{where}: want {schema['type']}, got {value!r}"]
    if isinstance(value, list):
        return [problem for n, item in enumerate(value) for problem in problems(item, schema["items"], f"{where}[{n}]")]
    if isinstance(value, dict):
        return _fields(value, schema, where)
    return [f"{where}: {value!r} is none of the words"] if value not in schema.get("enum", [value]) else []


def _fields(value: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    told = [f"{where}.{name}: missing" for name in schema.get("required", []) if name not in value]
    for name, item in value.items():
        if name in known:
            told += problems(item, known[name], f"{where}.{name}")
        elif rest is False:
            told.append(f"{where}.{name}: not told")
        elif isinstance(rest, dict):
            told += problems(item, rest, f"{where}.{name}")
    return told


async def test_every_route_is_described(desk: Desk) -> None:
    """The document and the application know the same methods and paths."""
    app = make(desk.app.ctx)
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    api = {(method, path) for method, path in served if method != "HEAD" and path not in ("/", "/{name}")}
    document = openapi()
    paths = document["paths"]
    assert isinstance(paths, dict)
    assert api == {(method.upper(), path) for path, methods in paths.items() for method in methods}
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


async def test_answers_are_as_described(desk: Desk) -> None:
    """Every JSON answer of a real console fits its schema."""
    desk.router.rings("a2", "call-9", "13812345678")
    agent, boss, stranger = await desk.browser("a1"), await desk.browser("boss"), await desk.browser()
    made = answered(T0)
    await desk.fact(*made.facts)

    async def stored() -> bool:
        return (await boss.call("GET", f"/api/calls/{made.call}"))[0] == 200

    await until_async(stored, 10, "the call is stored")
    book = rulebook.plain(desk.app.rules.book)
    changed = book | {"queue": [row | {"priority": 7} for row in book["queue"]]}
    bodies: dict[str, Any] = {
        "/api/agent/not-ready": {"reason": "meal"},
        "/api/agents/{agent}/not-ready": {"reason": "meal"},
        "/api/rules/check": {"book": changed},
        "/api/rules": {"base": 1, "why": "try", "book": changed},
        "/api/password": {"old": "secret-a1", "password": "another password"},
        "/api/rules/closing": {"kind": "queue", "id": "bills", "closed": "fire"},
    }
    login = {"user": "a2", "password": "secret-a2"}
    checked = set()
    for route in sorted(ROUTES, key=lambda route: route.path == "/api/logout"):
        if not route.reply:
            continue
        browser = {"agent": agent, "any": agent, "supervisor": boss, "public": stranger}[route.role]
        path = route.path.replace("{agent}", "a1").replace("{call}", made.call).replace("{version}", "2")
        path = path.replace("/people/a1", "/people/a2")  # a reset ends the sessions of its person
        if route.path == "/api/agent/end-after-call":
            desk.router.rings("a1", "c", "1")
            desk.router.hangs_up("a1")
        body = login if route.path == "/api/login" else bodies.get(route.path)
        status, got = await browser.call(route.method, path, body)
        assert status == 200, (route.path, got)
        assert problems(got, {"$ref": f"#/components/schemas/{route.reply}"}) == [], route.path
        checked.add(route.reply)
        if route.path == "/api/agents/{agent}/logout":
            await agent.post("/api/agent/start")
    assert checked == SCHEMAS.keys() - {"Error", "User", "Agent", "CallNow", "Queue", "Call"}
    status, error = await boss.call("GET", "/api/calls/none")
    assert status == 404 and problems(error, SCHEMAS["Error"]) == []


def test_written_document_is_fresh() -> None:
    """docs/openapi.json is what the console serves (write it anew: python -m tests.console.write_openapi)."""
    assert json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")) == json.loads(json.dumps(openapi()))


def dictionaries() -> dict[str, dict[str, str]]:
    return {name: json.loads((pages.WEB / "i18n" / f"{name}.json").read_text(encoding="utf-8")) for name in ("zh", "en")}


def test_dictionaries_agree() -> None:
    """Both languages have the same words with the same gaps to fill, and none is empty."""
    words = dictionaries()
    assert words["zh"].keys() == words["en"].keys()
    for key, text in words["zh"].items():
        other = words["en"][key]
        assert text and other and set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", other)), key


def test_every_word_asked_for_is_there() -> None:
    """Each t("key") of the scripts is in the dictionary, and each word of the closed lists that the server sends."""
    words = dictionaries()["zh"]
    scripts = "".join(path.read_text(encoding="utf-8") for path in sorted((pages.WEB / "js").glob("*.js")))
    asked = set(re.findall(r'\bt\("([\w.]+)"', scripts))
    asked |= {f"state.{name.removeprefix('AGENT_STATE_').lower()}" for name in dict(agents_pb2.AgentState.items())}
    asked |= {f"reason.{short(name)}" for name in dict(common_pb2.Reason.items()) if short(name)}
    asked |= {f"result.{short(name)}" for name in dict(common_pb2.Result.items()) if short(name)}
    asked |= {f"side.{short(name)}" for name in dict(common_pb2.Side.items()) if short(name)}
    asked |= {f"difference.{code}" for code in DIFFERENCES}
    assert len(asked) > 100 and asked - words.keys() == set()


async def test_page_files(desk: Desk) -> None:
    """Every file that the page names is served with its type and a strict policy; nothing outside the folder is."""
    browser = await desk.browser()
    async with browser.http.get(desk.url + "/") as response:
        html = await response.text()
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    names = re.findall(r'(?:href|src)="(/[^"]+)"', html)
    for script in (pages.WEB / "js").glob("*.js"):
        names += [f"/js/{name}" for name in re.findall(r'from "\./([\w.]+)"', script.read_text(encoding="utf-8"))]
    assert len(names) > 15
    for name in names:
        async with browser.http.get(desk.url + name) as response:
            assert response.status == 200 and response.content_type == pages.TYPES["." + name.rpartition(".")[2]], name
    for name in ("/../app.py", "/%2e%2e/app.py", "/js/../../app.py", "/nothing", "/js/", "/api/nothing"):
        async with browser.http.get(desk.url + name) as response:
            assert response.status == 404 and (await response.json())["error"]["code"] == "not_found"


def test_page_asks_nobody_else() -> None:
    """No file of the page names another host."""
    for path in pages.files().values():
        found = re.findall(r"https?://[^\s\"')]+", path.read_text(encoding="utf-8"))
        assert set(found) <= {"http://www.w3.org/2000/svg"}, path
