"""`tierline rules`: see, check, change and compare versions of the rules of a running centre."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from ops import rulebook, text_file
from ops.cli import Command, CommandError
from ops.rule_changes import Change, diff, shown, warnings
from ops.rulebook import RuleBook
from ops.rules_client import Client, Json, Refused, connect

STALE = "export the newest version, make your change in it, and apply that"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, default=Path("var"), metavar="DIR", help="state folder of the centre (default: var)")
    parser.add_argument("--url", default="", help="the console, if it is not on this machine")
    parser.add_argument("--user", default="", help="login of a supervisor (default: the first one of the state folder)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("show", help="the version in force: queues, who serves them, whether they are open")
    history = verbs.add_parser("history", help="versions with when, who and why")
    history.add_argument("--limit", type=int, default=20, metavar="N")
    export = verbs.add_parser("export", help="a version as a file")
    export.add_argument("file", type=Path, nargs="?", help=".toml or .json; standard output (TOML) unless told")
    export.add_argument("--version", type=int, default=0, metavar="N", help="default: the newest")
    _file(verbs, "check", "what a file would change, and what to know before; a mistake has its line")
    for name, text in (
        ("apply", "make an exported and edited file the next version; refused if somebody was quicker"),
        ("import", "make a file (rules, a centre's TOML, or a CSV of agents) the next version, whatever it was based on"),
    ):
        _file(verbs, name, text).add_argument("--why", required=True, help="for the history")
    compare = verbs.add_parser("diff", help="two versions, or a file against the newest")
    compare.add_argument("one", nargs="?", default="", metavar="VERSION|FILE", help="default: the version before the newest")
    compare.add_argument("other", nargs="?", default="", metavar="VERSION", help="default: the newest")


def _file(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    parser.add_argument("file", type=Path, help=".toml or .json; a .csv of agents for check and import")
    return parser


def run(args: argparse.Namespace) -> int:
    """One verb; the exit status."""
    if args.verb == "check" and not (args.url or (args.state / "endpoints.json").exists()):
        return _check_alone(args)
    client = connect(args.state, args.url, args.user)
    try:
        return VERBS[args.verb](client, args)
    finally:
        client.close()


def _show(client: Client, args: argparse.Namespace) -> int:
    now = client.get("/api/rules")
    book = rulebook.from_data(now["book"])
    force = "in force" if now["in_force"] else f"not yet in force: {now['why_not']}"
    print(f"version {book.version}, {force}; {_made(book.at_ms, book.who, book.why)}")
    for one in now["openings"]:
        until = f" until {_when(one['until_ms'])}" if one["until_ms"] and one["state"] != "emergency" else ""
        print(f"  {one['kind']:7} {one['id']:16} {one['state']}{until}{': ' + one['closed'] if one['closed'] else ''}")
    counts = {name: len(getattr(book, name)) for name in rulebook.TABLES if name != "shares"}
    print("  " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return 0


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")


def _made(at_ms: int, who: str, why: str) -> str:
    return f"{_when(at_ms)} by {who}: {why}" if who else f"from {why}"


def _history(client: Client, args: argparse.Namespace) -> int:
    for one in client.get(f"/api/rules/versions?limit={args.limit}")["versions"]:
        print(f"{one['version']:6}  {_made(one['at_ms'], one['who'], one['why'])}")
    return 0


def _export(client: Client, args: argparse.Namespace) -> int:
    kind = "json" if args.file is not None and args.file.suffix == ".json" else "toml"
    text = client.fetch(f"/api/rules.{kind}" + (f"?version={args.version}" if args.version else ""))
    if args.file is None:
        sys.stdout.write(text)
    else:
        args.file.write_text(text, encoding="utf-8")
        print(f"version {rulebook.reads(text, args.file).version} is in {args.file}")
    return 0


def _check_alone(args: argparse.Namespace) -> int:
    """Without a centre: the file alone. Raises ConfigError with every mistake."""
    if _is_table(args.file):
        raise CommandError(f"{args.file}: is added to the rules in force; start the centre to check it")
    book = rulebook.read(args.file)
    _tell(warnings(RuleBook(), book))
    print(f"{args.file}: can be taken (no centre runs to compare it with)")
    return 0


def _check(client: Client, args: argparse.Namespace) -> int:
    got = client.post("/api/rules/check", _file_body(args.file))
    _print_changes(got["changes"])
    _print_warnings(got["warnings"])
    print(f"{args.file}: can be taken; {len(got['changes'])} changes against version {got['version']}")
    return 0


def _body(book: RuleBook) -> Json:
    return {"book": rulebook.plain(book)}


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _file_body(path: Path) -> Json:
    """A file for the console: rules, or a table of agents that it adds to the newest ones. Raises CommandError, ConfigError."""
    if not _is_table(path):
        return _body(rulebook.read(path))
    try:
        return {"text": text_file.read_table(path), "file": f"{path.stem}.csv"}
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: cannot be read: {error}") from error


def _apply(client: Client, args: argparse.Namespace) -> int:
    if _is_table(args.file):
        raise CommandError(f"{args.file}: a CSV has no version that it is based on; use `tierline rules import`")
    book = rulebook.read(args.file)
    return _make(client, _body(book), book.version, args.why)


def _import(client: Client, args: argparse.Namespace) -> int:
    body = _file_body(args.file)
    return _make(client, body, int(client.get("/api/rules")["version"]), args.why)


def _make(client: Client, body: Json, base: int, why: str) -> int:
    try:
        got = client.post("/api/rules", {"base": base, "why": why, **body})
    except Refused as error:
        if error.code == "stale":
            _print_changes(error.body.get("changes", []))
            raise CommandError(f"{error}; {STALE}") from error
        raise
    _print_changes(got["changes"])
    _print_warnings(got["warnings"])
    for one in got["passwords"]:
        seat = f", seat {one['seat']} {one['seat_password']}" if one["seat"] else ""
        print(f"  first password of {one['user']} ({one['name']}): {one['password'] or 'as before'}{seat}   (not shown again)")
    print(f"version {got['version']} is " + ("in force" if got["in_force"] else f"kept, not yet in force: {got['why_not']}"))
    return 0


def _print_changes(changes: Iterable[Json]) -> None:
    for change in changes:
        print("  " + shown(Change(**change)))


def _print_warnings(found: Iterable[Json]) -> None:
    for warning in found:
        print(f"  ! {warning['text']}")


def _tell(found: Iterable[Any]) -> None:
    for warning in found:
        print(f"  ! {warning.text}")


def _diff(client: Client, args: argparse.Namespace) -> int:
    newest = int(client.get("/api/rules")["version"])
    other = _book(client, args.other or str(newest))
    one = _book(client, args.one or str(max(1, newest - 1)))
    is_file = args.one and not args.one.isdigit()
    changes = diff(other, one) if is_file else diff(one, other)
    for change in changes:
        print(shown(change))
    return 0


def _book(client: Client, text: str) -> RuleBook:
    if text.isdigit():
        return rulebook.from_data(client.get(f"/api/rules/versions/{text}")["book"])
    return rulebook.read(Path(text))


VERBS: dict[str, Callable[[Client, argparse.Namespace], int]] = {
    "show": _show,
    "history": _history,
    "export": _export,
    "check": _check,
    "apply": _apply,
    "import": _import,
    "diff": _diff,
}
COMMAND = Command("rules", "versions of queues, agents, hours, blacklist: show, check, change, compare", _arguments, run)
