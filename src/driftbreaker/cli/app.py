"""The group of commands; a command's module is imported when that command is asked for."""

import os
from importlib import import_module
from typing import NamedTuple

import click


class _Lazy(NamedTuple):
    module: str
    attribute: str
    summary: str


# The summary stands here as well, so that `--help` imports no command, and with it no SQLAlchemy.
_COMMANDS = {
    "demo": _Lazy(
        "driftbreaker.cli.demo.command", "demo", "Watch a breaker trip on real price changes, on one screen."
    ),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None when there is none of that name."""
        lazy = _COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        command = getattr(import_module(lazy.module), lazy.attribute)
        assert isinstance(command, click.Command)  # noqa: S101  # the table above names commands only
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name].summary) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="driftbreaker", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Turn a new code path off when its answers drift, in the database you already have."""
    # click strips colour for pipes by itself, but knows nothing of https://no-color.org.
    if os.environ.get("NO_COLOR"):
        ctx.color = False
