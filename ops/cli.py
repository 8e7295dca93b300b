"""The command `tierline`. `ops` imports no service: their commands are found by the entry point group `tierline.commands`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from ops.config import ConfigError

GROUP = "tierline.commands"
OWN = {
    "up": "ops.supervise.commands:UP",
    "down": "ops.supervise.commands:DOWN",
    "status": "ops.supervise.commands:STATUS",
    "rules": "ops.rules_command:COMMAND",
    "certificates": "ops.inner_commands:CERTIFICATES",
    "redis": "ops.inner_commands:REDIS",
    "doctor": "ops.doctor:COMMAND",
    "demo": "ops.demo.command:COMMAND",
}


class CommandError(Exception):
    """A command cannot go on; the text says why and what to do. Shown without a trace, exit status 1."""


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand. `run` gets the parsed arguments and returns the exit status."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def names() -> list[str]:
    """All subcommands, ours first, without importing any."""
    return [*OWN, *sorted(_services().keys() - OWN.keys())]


def find(name: str) -> Command:
    """The command `name`. Raises CommandError when there is none, or the part it belongs to cannot be imported."""
    where = OWN.get(name)
    entry = EntryPoint(name, where, GROUP) if where else _services().get(name)
    if entry is None:
        raise CommandError(f"no command {name}; there are: {', '.join(names())}")
    try:
        module = import_module(entry.module)
    except ImportError as error:
        raise CommandError(f"tierline {name} is not available: {error} (run 'make setup')") from error
    command = getattr(module, entry.attr, None)
    if not isinstance(command, Command):
        raise CommandError(f"{entry.value} is no ops.cli.Command")
    return command


def _services() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _overview() -> str:
    lines = ["usage: tierline COMMAND [options]   (tierline COMMAND --help tells the options)", ""]
    for name in names():
        try:
            lines.append(f"  {name:13}{find(name).help}")
        except CommandError as error:
            lines.append(f"  {name:13}({error})")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. 2 for wrong usage, 1 for a CommandError or ConfigError."""
    os.umask(0o077)  # what a command writes is for its user alone, passwords, numbers and recordings among it
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_overview())
        return 0 if words else 2
    try:
        command = find(words[0])
        parser = argparse.ArgumentParser(prog=f"tierline {command.name}", description=command.help)
        command.add_arguments(parser)
        return command.run(parser.parse_args(words[1:]))
    except (CommandError, ConfigError) as error:
        print(f"tierline {words[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":  # `python -m ops.cli`: this module again under its own name, or Command would be there twice
    from ops.cli import main as named

    sys.exit(named())
