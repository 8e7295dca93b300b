"""The OpenAPI 3.1 document, made of the same routes that serve: it cannot tell of a route that is not there, or forget one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from console.api.context import PUBLIC, Route
from console.ledger.models import CallRow, MenuStepRow, RecordingRow, SegmentRow
from console.ledger.queries import CALLBACKS
from console.ledger.trail import VERBS
from ops.rulebook import RuleBook

Schema = dict[str, Any]
_STRING, _WHOLE, _BOOL = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_TOLD = {
    401: "No session (log in), or wrong log-in",
    403: "Not for this role, or from another site",
    404: "No such thing",
    409: "The state does not allow it, or somebody was quicker",
    416: "No such part of the file",
    426: "Not a WebSocket request",
    429: "Too many wrong log-ins; see Retry-After",
    503: "Router or database away",
}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _row(model: Any) -> Schema:
    kinds = {str: _STRING, int: _WHOLE, bool: _BOOL}
    return _object(**{name: kinds[info.annotation] for name, info in model.model_fields.items()})


_NAMED = _list(_object(id=_STRING, zh=_STRING, en=_STRING))
_HOME = _object(country=_STRING, province=_STRING, city=_STRING, carrier=_STRING)
_FACT = _object(id=_STRING, at_ms=_WHOLE, source=_STRING, kind=_STRING, agent=_STRING, body={"type": "object"})
_BACK = {"type": "string", "enum": list(CALLBACKS), "description": 'the wish to be called back: "" there was none'}
_CALL = _object(**_row(CallRow)["properties"], callback=_BACK)
_PARTS = {"segments": _list(_row(SegmentRow)), "menu": _list(_row(MenuStepRow)), "recordings": _list(_row(RecordingRow))}


def _fields(kind: Any) -> Schema:
    """A dataclass of the configuration as it is read: what has a default may be left out."""
    hints = get_type_hints(kind)
    made = _object(**{one.name: _hint(hints[one.name]) for one in fields(kind)})
    made["required"] = [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]
    return made


def _hint(hint: Any) -> Schema:
    if is_dataclass(hint):
        return _fields(hint)
    if get_origin(hint) is tuple:
        return _list(_hint(get_args(hint)[0]))
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _hint(get_args(hint)[1])}
    return {str: _STRING, int: _WHOLE, bool: _BOOL}[hint]


_ANY: Schema = {}
_CHANGES = _list(_object(table=_STRING, row=_STRING, field=_STRING, old=_ANY, new=_ANY))
_WARNINGS = _list(_object(code=_STRING, row=_STRING, text=_STRING))
_PASSWORDS = _list(_object(user=_STRING, name=_STRING, password=_STRING, seat=_STRING, seat_password=_STRING))
_ERROR = _object(
    error=_object(code=_STRING, text=_STRING, field=_STRING),
    mistakes=_list(_object(field=_STRING, text=_STRING)),
    version=_WHOLE,
    changes=_CHANGES,
)
_OPENINGS = _list(_object(kind=_STRING, id=_STRING, state=_STRING, until_ms=_WHOLE, closed=_STRING))
_RULES = {
    "RuleBook": _fields(RuleBook),
    "Rules": _object(
        version=_WHOLE,
        sha256=_STRING,
        in_force=_BOOL,
        why_not=_STRING,
        book=_ref("RuleBook"),
        openings=_OPENINGS,
        now_ms=_WHOLE,
    ),
    "Openings": _object(openings=_OPENINGS, now_ms=_WHOLE),
    "RulesChecked": _object(version=_WHOLE, changes=_CHANGES, warnings=_WARNINGS),
    "RulesMade": _object(
        version=_WHOLE, in_force=_BOOL, why_not=_STRING, changes=_CHANGES, warnings=_WARNINGS, passwords=_PASSWORDS
    ),
    "RuleVersions": _object(
        versions=_list(_object(version=_WHOLE, at_ms=_WHOLE, who=_STRING, why=_STRING, sha256=_STRING)), next=_WHOLE
    ),
    "RuleVersion": _object(version=_WHOLE, against=_WHOLE, book=_ref("RuleBook"), changes=_CHANGES),
    "Passwords": _object(passwords=_PASSWORDS),
}
SCHEMAS: dict[str, Schema] = {
    "Error": _ERROR | {"required": ["error"]},
    **_RULES,
    "Ok": _object(ok=_BOOL),
    "User": _object(id=_STRING, name=_STRING, role=_STRING, seat=_STRING, must_change=_BOOL),
    "Chosen": _object(user=_ref("User"), router=_BOOL),
    "Login": _object(user=_ref("User"), expires_ms=_WHOLE, router=_BOOL),
    "Me": _object(
        user=_ref("User"),
        expires_ms=_WHOLE,
        now_ms=_WHOLE,
        centre=_object(name=_STRING, tier=_STRING, languages=_list(_STRING)),
        queues=_list(_object(id=_STRING, skill=_STRING, zh=_STRING, en=_STRING)),
        reasons=_NAMED,
        seats=_list(_object(agent=_STRING, name=_STRING, seat=_STRING)),
    ),
    "CallNow": _object(
        call=_STRING,
        state=_STRING,
        queue=_STRING,
        agent=_STRING,
        priority=_WHOLE,
        entered_ms=_WHOLE,
        answered_ms=_WHOLE,
        calling=_STRING,
        called=_STRING,
        trunk=_STRING,
        home=_HOME,
        language=_STRING,
        menu_path=_list(_STRING),
        arrived_ms=_WHOLE,
        callback=_BOOL,
    ),
    "Agent": _object(
        agent=_STRING,
        name=_STRING,
        seat=_STRING,
        state={
            "type": "string",
            "enum": ["unspecified", "logged_out", "not_ready", "ready", "offered", "talking", "after_call"],
        },
        reason=_STRING,
        since_ms=_WHOLE,
        next=_STRING,
        after_call_until_ms=_WHOLE,
        skills={"type": "object", "additionalProperties": _WHOLE},
        version=_WHOLE,
        call={"anyOf": [_ref("CallNow"), {"type": "null"}]},
    ),
    "AgentNow": _object(agent=_ref("Agent"), now_ms=_WHOLE),
    "Queue": _object(
        queue=_STRING,
        waiting=_WHOLE,
        oldest_entered_ms=_WHOLE,
        ready=_WHOLE,
        talking=_WHOLE,
        callbacks={"type": "integer", "description": "of `waiting`: has hung up and is to be called back"},
        resting={"type": "integer", "description": "to be called back too, but in no line: between two tries"},
    ),
    "Board": _object(queues=_list(_ref("Queue")), agents=_list(_ref("Agent")), now_ms=_WHOLE),
    "Health": _object(
        supervised={"type": "boolean"}, services=_list(_object(name=_STRING, state=_STRING, restarts=_WHOLE, since_s=_WHOLE))
    ),
    "Call": _CALL,
    "Calls": _object(calls=_list(_ref("Call")), next=_STRING),
    "CallDetail": _object(**_CALL["properties"], **_PARTS, facts=_list(_FACT)),
    "Audit": _object(
        from_ms=_WHOLE,
        to_ms=_WHOLE,
        calls=_WHOLE,
        open=_WHOLE,
        unexplained=_WHOLE,
        bad_facts=_WHOLE,
        by_code={"type": "object", "additionalProperties": _WHOLE},
        findings=_list(_object(call=_STRING, at_ms=_WHOLE, codes=_list(_STRING))),
    ),
    "Trail": _object(
        acts=_list(
            _object(
                id=_STRING,
                at_ms=_WHOLE,
                who=_STRING,
                role=_STRING,
                address=_STRING,
                verb={"type": "string", "enum": list(VERBS)},
                subject=_STRING,
                before={"type": "object"},
                after={"type": "object"},
            )
        ),
        next=_STRING,
    ),
    "OpenApi": {"type": "object"},
}


def document(routes: Iterable[Route], version: str) -> Schema:
    """The whole document."""
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    told = "State-changing requests need header `X-Tierline` (any value): it keeps pages of other sites out. Times are UTC ms."
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tierline console", "version": version, "description": told},
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "tierline"}},
        },
    }


def _operation(route: Route) -> Schema:
    made: Schema = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "summary": route.told,
        "responses": _responses(route),
    }
    if route.role != PUBLIC:
        made |= {"security": [{"session": []}], "x-role": route.role}
    parameters = [_parameter(field, "path") for field in route.parts] + [_parameter(field, "query") for field in route.query]
    if parameters:
        made["parameters"] = parameters
    if route.body:
        schema = _object(**{field.name: field.schema() for field in route.body})
        schema["required"] = [field.name for field in route.body if field.required]
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return made


def _parameter(field: Any, where: str) -> Schema:
    return {"name": field.name, "in": where, "required": field.required, "schema": field.schema()}


def _responses(route: Route) -> Schema:
    content: Schema = {}
    if route.reply:
        content = {"content": {route.produces: {"schema": _ref(route.reply)}}}
    elif route.produces:
        content = {"content": {route.produces: {}}}
    answers = {"101" if not route.produces else "200": {"description": route.told, **content}}
    codes = {*route.errors, *(() if route.role == PUBLIC else (401, 403))}
    if route.body or route.query or route.parts:
        answers["400"] = _error("A field is wrong; `field` names it")
    for code in sorted(codes):
        answers[str(code)] = _error(_TOLD[code])
    return dict(sorted(answers.items()))


def _error(told: str) -> Schema:
    return {"description": told, "content": {"application/json": {"schema": _ref("Error")}}}
