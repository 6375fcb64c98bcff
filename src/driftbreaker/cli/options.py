"""The options that commands share. Each may stand before the command's name or after it; what stands after wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from driftbreaker.cli.seconds import Seconds

Command = TypeVar("Command", bound=Callable[..., Any])

DATABASE = "DRIFTBREAKER_DATABASE_URL"
ACTOR = "DRIFTBREAKER_BY"
PREFIX, SCHEMA = "DRIFTBREAKER_TABLE_PREFIX", "DRIFTBREAKER_SCHEMA"
# Nobody who was paged waits longer for an answer, and a lock that is held for longer is a question of its own.
PATIENCE = 30.0
SQLITE_PATIENCE = 5.0
MAX_PATIENCE = 86_400.0
FORMATS = ("table", "json", "jsonl", "csv")

_SHARED: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "url": (
        ("--db",),
        {"metavar": "URL", "help": f"The database, as SQLAlchemy writes it.  [env: {DATABASE}, or {DATABASE}_FILE]"},
    ),
    "timeout": (
        ("--timeout",),
        {
            "type": Seconds(min=0, min_open=True, max=MAX_PATIENCE),
            "metavar": "S",
            "help": "Wait so many seconds for the database, then exit with 124.  "
            f"[default: {PATIENCE:g}; SQLite: {SQLITE_PATIENCE:g}]",
        },
    ),
    "table_prefix": (
        ("--table-prefix",),
        {"metavar": "PREFIX", "help": f"How its tables begin.  [env: {PREFIX}]"},
    ),
    "schema": (("--schema",), {"metavar": "SCHEMA", "help": f"The schema that its tables are in.  [env: {SCHEMA}]"}),
    "output": (("-o", "--output"), {"type": click.Choice(FORMATS), "help": "How to print it.  [default: table]"}),
    "as_json": (("--json",), {"is_flag": True, "help": "The same as -o json."}),
    "by": (("--by",), {"metavar": "WHO", "help": f"Who you are.  [env: {ACTOR}; else your login name]"}),
    "yes": (("-y", "--yes"), {"is_flag": True, "help": "Do not ask."}),
    "dry_run": (("-n", "--dry-run"), {"is_flag": True, "help": "Say what would change, and change nothing."}),
    "no_input": (("--no-input",), {"is_flag": True, "help": "Never ask: what is missing is an error."}),
    "local": (("--local/--utc",), {"default": None, "help": "Show times in your own zone, or in UTC (as JSON does)."}),
    "no_color": (("--no-color",), {"is_flag": True, "help": "No colour.  [env: NO_COLOR]"}),
}
# Shown by `driftbreaker --help` alone: every command takes them.
_EVERYWHERE = ("no_input", "local", "no_color")
_OF_DATABASES = ("table_prefix", "schema")
# What a command that does not know it must not run without.
_NEVER_IGNORED = {"dry_run": "-n", "as_json": "--json", "output": "-o"}
# Two ways to say one thing: the one that is given later makes the other void.
_RIVALS = {"as_json": "output", "output": "as_json"}
_KEPT = "driftbreaker.given"
_MORE = "Also: --local, --no-color, --no-input; `driftbreaker --help` tells of them."


def shared(name: str, **changes: Any) -> Callable[[Command], Command]:
    """Return the decorator that gives a command a shared option, under this name."""
    declarations, attributes = _SHARED[name]
    return click.option(*declarations, name, callback=_settle, **{**attributes, **changes})


def database_options(command: Command) -> Command:
    """Give a command `--db`, which it gets as `url`, and what says which tables of that database are meant."""
    for name in _OF_DATABASES:
        command = shared(name, expose_value=False, hidden=True)(command)
    return shared("url")(command)


def before_names(*, hidden: bool) -> list[click.Parameter]:
    """Return all shared options, as a group takes them before the name of a command."""
    return [_parameter(name, hidden=hidden) for name in _SHARED]


def completed(command: click.Command) -> click.Command:
    """Return a command that also takes the options that all take."""
    missing = [name for name in _EVERYWHERE if not _knows(command, name)]
    command.params += [_parameter(name, hidden=True) for name in missing]
    command.epilog = command.epilog or _MORE
    return command


def refuse_ignored(ctx: click.Context, command: click.Command) -> None:
    """Raise UsageError when an option stands before the name of a command that would ignore it, with a difference."""
    for name, option in _NEVER_IGNORED.items():
        if _kept(ctx).get(name) and not _knows(command, name):
            raise click.UsageError(f"{ctx.command_path} {command.name} has no {option}")


def given(name: str) -> Any:
    """Return what the present command was given for a shared option; None for nothing."""
    ctx = click.get_current_context(silent=True)
    return None if ctx is None else _kept(ctx).get(name)


def _parameter(name: str, *, hidden: bool) -> click.Option:
    declarations, attributes = _SHARED[name]
    return click.Option(
        [*declarations, name], callback=_settle, **{**attributes, "expose_value": False, "hidden": hidden}
    )


def _knows(command: click.Command, name: str) -> bool:
    return any(parameter.name == name for parameter in command.params)


def _kept(ctx: click.Context) -> dict[str, Any]:
    # `meta` is one dictionary for a command and all groups around it.
    kept: dict[str, Any] = ctx.meta.setdefault(_KEPT, {})
    return kept


def _settle(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Return what holds: what was given here, or else before. click asks first for what was given here."""
    name, kept = parameter.name or "", _kept(ctx)
    if _given_here(ctx, name):
        _settle_rivals(ctx, name, value if name == "output" else kept.get("output"))
        kept[name] = value
    held = kept.get(name, value)
    if name == "output" and held not in (None, *_choices(parameter)):
        raise click.UsageError(f"{ctx.command_path} prints {' or '.join(_choices(parameter))}, and no {held}")
    if name == "no_color" and held:
        ctx.color = False
    return held or kept.get("output") == "json" if name == "as_json" else held


def _settle_rivals(ctx: click.Context, name: str, output: str | None) -> None:
    rival = _RIVALS.get(name)
    if rival is None:
        return
    if _given_here(ctx, rival) and output not in (None, "json"):
        raise click.UsageError(f"--json and -o {output} are both given: which of them?")
    _kept(ctx).pop(rival, None)


def _given_here(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _choices(parameter: click.Parameter) -> list[str]:
    assert isinstance(parameter.type, click.Choice)  # noqa: S101  # as the table above says
    return [str(each) for each in parameter.type.choices]
