"""The committed schemas of what commands print as JSON, each named after its command."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "schemas"


def file_of(command: str) -> Path:
    return FOLDER / f"{command.replace(' ', '-')}.json"


@cache
def _registry() -> Registry[Any]:
    files = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    return Registry().with_resources(
        [(name, Resource(contents=each, specification=DRAFT202012)) for name, each in files.items()]
    )


def errors(command: str, document: Any, *, line: bool = False) -> list[str]:
    """What is wrong with a document, or with a line of JSON lines."""
    schema = {"$ref": file_of(command).name + ("#/$defs/line" if line else "")}
    found = Draft202012Validator(schema, registry=_registry()).iter_errors(document)
    return [f"{each.json_path}: {each.message[:300]}" for each in found]
