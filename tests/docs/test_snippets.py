"""GraphQL documents and commands in all pages fit the schema and the command line.

The guides' own tests run some of them; this one reads all, and runs none.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest
from graphql import parse, validate

from api.graphql.schema import schema
from embedded.cli.main import labelling

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", ROOT / "examples/README.md", *sorted(ROOT.glob("docs/*.md"))]
COMMAND: Final = re.compile(r"^(?:sudo |\$\()?(?:\.venv/bin/|/\S+/)?labelling (.*)")
SERVE: Final = re.compile(r"^(?:[A-Z_]+=\S+ )*\./run\b(.*)")


def blocks(page: Path, language: str) -> list[str]:
    pattern = rf"^( *)```{language}\n(.*?)^ *```"
    found = re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for _, text in found]


def documents() -> Iterator[object]:
    for page in PAGES:
        for number, text in enumerate(blocks(page, "graphql"), start=1):
            yield pytest.param(text, id=f"{page.name}-{number}")


def commands() -> Iterator[object]:
    for page in PAGES:
        if page.name == "cli.md":  # generated
            continue
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = arguments(line.strip())
                if words is not None:
                    yield pytest.param(words, id=f"{page.name}-{' '.join(words)}")


def arguments(line: str) -> list[str] | None:
    """Return the arguments of `labelling` in a line of shell, or None if it is another command."""
    command, serve = COMMAND.match(line), SERVE.match(line)
    if command:
        text = command[1]
    elif serve:
        text = f"serve {serve[1]}"
    else:
        return None
    lexer = shlex.shlex(re.sub(r"<[A-Za-z ]+>", "VALUE", text), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("()<>|&;"):  # a pipe, a redirection, or the end of $(...)
            break
        words.append(word)
    return words


@pytest.mark.parametrize("text", [*documents()])
def test_every_graphql_document_is_valid(text: str) -> None:
    assert validate(schema._schema, parse(text)) == []


@pytest.mark.parametrize("words", [*commands()])
def test_every_command_has_these_options_and_arguments(words: list[str]) -> None:
    """Files and folders in them need not exist."""
    command: click.Command = labelling
    context = click.Context(labelling)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command = found
        context = click.Context(command, info_name=name, parent=context)
    words = [re.sub(r"^(ID|QUEUE)(\.\.\.)?$", "id", word) for word in words]
    try:
        command.make_context(command.name, words)
    except click.exceptions.Exit:  # of --help
        pass
    except click.BadParameter as error:
        if not re.search("does not exist|No such file", error.message):
            raise


def test_commands_are_found_in_lines_of_shell() -> None:
    assert arguments(".venv/bin/labelling keys list --data data   # a comment") == [
        *("keys", "list", "--data", "data")
    ]
    assert arguments("./run --port 0 >log") == ["serve", "--port", "0"]
    assert arguments("labelling encryption create-key | sudo tee key") == [
        "encryption",
        "create-key",
    ]
    assert arguments("curl http://127.0.0.1:8000") is None
    assert len([*commands()]) > 50
