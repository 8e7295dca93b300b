"""The console's HTTP API for rules, as the command `tierline rules` uses it: the rights and the trail are those of the login."""

from __future__ import annotations

import getpass
import json
import os
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from ops.cli import CommandError

Json = dict[str, Any]
PASSWORD = "TIERLINE_PASSWORD"
TIMEOUT_S = 120  # a file with thousands of new logins has their passwords hashed
_HEADERS = {"X-Tierline": "rules", "Content-Type": "application/json"}


class Refused(CommandError):
    """The console answered with an error; `body` is its JSON."""

    def __init__(self, status: int, body: Json) -> None:
        error = body.get("error", {})
        lines = [mistake["field"] + ": " + mistake["text"] for mistake in body.get("mistakes", []) if mistake["field"]]
        super().__init__("\n  ".join([error.get("text", f"the console answered {status}"), *lines]))
        self.status, self.code, self.body = status, error.get("code", ""), body


class Client:
    """A supervisor's session. Raises CommandError when the console cannot be reached or refuses."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        no_proxy = urllib.request.ProxyHandler({})  # http_proxy of the environment is for the world outside
        self._http = urllib.request.build_opener(no_proxy, urllib.request.HTTPCookieProcessor(CookieJar()))
        self.post("/api/login", {"user": user, "password": password})

    def get(self, path: str) -> Json:
        """A JSON answer."""
        got: Json = json.loads(self.fetch(path))
        return got

    def fetch(self, path: str) -> str:
        """A text."""
        return self._ask(urllib.request.Request(self.url + path, headers=_HEADERS))

    def post(self, path: str, body: Json) -> Json:
        """The JSON answer to a change."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), _HEADERS, method="POST")
        got: Json = json.loads(self._ask(request))
        return got

    def close(self) -> None:
        """End the session."""
        self.post("/api/logout", {})

    def _ask(self, request: urllib.request.Request) -> str:
        try:
            with self._http.open(request, timeout=TIMEOUT_S) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise Refused(error.code, _body(error)) from error
        except OSError as error:
            raise CommandError(f"no console answers at {self.url}: {error}; `tierline up` starts a centre") from error


def _body(error: urllib.error.HTTPError) -> Json:
    try:
        got = json.loads(error.read())
    except ValueError:
        return {}
    return got if isinstance(got, dict) else {}


def connect(state: Path, url: str, user: str) -> Client:
    """To the centre of a state folder, as its first supervisor unless told otherwise. Raises CommandError.

    The password comes from $TIERLINE_PASSWORD or the state folder, else it is asked for.
    """
    endpoints, credentials = _read(state / "endpoints.json"), _read(state / "credentials.json")
    url = url or str(endpoints.get("console", ""))
    if not url:
        raise CommandError(f"no centre runs in {state}; tell another folder with --state, or the console with --url")
    people = {one["id"]: one for one in credentials.get("users", [])}
    user = user or next((name for name, one in people.items() if one["role"] in ("administrator", "supervisor")), "")
    if not user:
        raise CommandError("whose rights? Tell the login of a supervisor with --user")
    known = people.get(user, {}).get("password", "")
    return Client(url, user, os.environ.get(PASSWORD) or known or getpass.getpass(f"password of {user}: "))


def _read(path: Path) -> Json:
    try:
        got = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return got if isinstance(got, dict) else {}
