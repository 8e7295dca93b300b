"""Fields of bodies and queries: one description that checks what comes in and tells the OpenAPI document what may."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.api.errors import BadRequest

_LARGEST = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Text:
    """A text field."""

    name: str
    told: str  # what it is, for the document
    required: bool = True
    least: int = 1
    longest: int = 200
    pattern: str = ""  # the whole value must match
    choices: tuple[str, ...] = ()

    def take(self, value: object) -> str:
        """The value, checked. Raises BadRequest naming the field."""
        if not isinstance(value, str):
            raise BadRequest("bad_field", f"{self.name} must be a text", self.name)
        if not self.least <= len(value) <= self.longest:
            raise BadRequest("bad_field", f"{self.name} must have {self.least} to {self.longest} characters", self.name)
        if self.choices and value not in self.choices:
            raise BadRequest("bad_field", f"{self.name} must be one of {', '.join(self.choices)}", self.name)
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise BadRequest("bad_field", f"{self.name} has characters it may not have", self.name)
        return value.replace("\x00", "")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        made: dict[str, Any] = {"type": "string", "description": self.told, "minLength": self.least, "maxLength": self.longest}
        if self.pattern:
            made["pattern"] = f"^{self.pattern}$"
        return made | ({"enum": list(self.choices)} if self.choices else {})


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number; in a query as decimal text."""

    name: str
    told: str
    required: bool = True
    least: int = 0
    most: int = _LARGEST

    def take(self, value: object) -> int:
        """The value, checked. Raises BadRequest naming the field."""
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,16}", value):
            value = int(value)
        if type(value) is not int or not self.least <= value <= self.most:
            raise BadRequest("bad_field", f"{self.name} must be a whole number from {self.least} to {self.most}", self.name)
        return value

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "integer", "description": self.told, "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Table:
    """A JSON object that the handler checks itself; `schema_name` tells the document what it is."""

    name: str
    told: str
    schema_name: str
    required: bool = True

    def take(self, value: object) -> dict[str, Any]:
        """The value. Raises BadRequest naming the field."""
        if not isinstance(value, dict):
            raise BadRequest("bad_field", f"{self.name} must be an object", self.name)
        return value

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"$ref": f"#/components/schemas/{self.schema_name}"}


Field = Text | Whole | Table


def check(data: object, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The fields of `data`. Raises BadRequest for a missing, wrong or unknown one."""
    if not isinstance(data, Mapping):
        raise BadRequest("bad_json", "want one JSON object", "")
    known = {field.name: field for field in fields}
    for name in data:
        if name not in known:
            raise BadRequest("unknown_field", f"there is no field {str(name)[:60]}", str(name)[:60])
    for name, field in known.items():
        if field.required and name not in data:
            raise BadRequest("missing_field", f"{name} is missing", name)
    return {name: known[name].take(value) for name, value in data.items()}
