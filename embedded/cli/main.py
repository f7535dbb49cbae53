"""The `labelling` command. Each command or group of commands is a module beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from core.domain.errors import LabellingError
from core.runtime.settings import BadSetting
from embedded.cli.lazy_group import LazyCommand, LazyGroup
from embedded.cli.shared.errors import MissingFolder, NoSuchThing, remedy_of
from embedded.cli.shared.settings_options import settings_help
from embedded.version import running_version

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells report a program that Ctrl-C ended

COMMANDS: Final = (
    LazyCommand("serve", "serve", "Run the service until it is stopped."),
    LazyCommand("status", "status", "Print what a data folder holds, and what waits in it."),
    LazyCommand("doctor", "doctor", "Check what the service needs, and print what to do."),
    LazyCommand(
        "blob", "blob", "Show a picture: owner, status, times, failure, labels and webhook."
    ),
    LazyCommand("blobs", "blobs", "List an owner's pictures, newest first."),
    LazyCommand(
        "delete", "delete", "Delete an owner's pictures for good, with their labels and webhooks."
    ),
    LazyCommand("keys", "keys", "Create, list, rotate and revoke API keys."),
    LazyCommand("audit", "audit", "List who changed keys and endpoints, or deleted blobs."),
    LazyCommand("import", "import_pictures", "Upload files and folders of pictures."),
    LazyCommand("export", "export", "Write all blobs and their labels to a file or a pipe."),
    LazyCommand("relabel", "relabel", "Label all pictures again."),
    LazyCommand("policy", "policy", "Show and set which labels an owner's pictures show."),
    LazyCommand("vocabulary", "vocabulary", "Show and set the labels that an owner defines."),
    LazyCommand(
        "embed-labels",
        "embed_labels",
        "Make the labels of a zero-shot classifier from LABELS, one a line.",
    ),
    LazyCommand(
        "evaluate", "evaluate", "Compare the detector's labels of pictures with a person's."
    ),
    LazyCommand(
        "backup", "backup", "Back up the data folder to TARGET, while the service runs or not."
    ),
    LazyCommand("backups", "backups", "List the backups in TARGET, oldest first."),
    LazyCommand("restore", "restore", "Make a data folder from a backup in TARGET."),
    LazyCommand(
        "verify",
        "verify",
        "Check the database, the bytes of every picture, and the counts of labels.",
    ),
    LazyCommand(
        "move", "move", "Move the data folder into a stack on AWS, or a stack into the data folder."
    ),
    LazyCommand("webhook-secret", "webhook_secret", "Print the secrets that sign webhooks."),
    LazyCommand("webhook-keys", "webhook_keys", "Create, list and remove keys that sign webhooks."),
    LazyCommand("encryption", "encryption", "Create encryption keys, and encrypt stored secrets."),
    LazyCommand("url-secret", "url_secret", "Rotate the secret that signs URLs."),
    LazyCommand("deliveries", "deliveries", "List and show webhooks, and send them again."),
    LazyCommand("endpoints", "endpoints", "List and enable endpoints that answered 410 Gone."),
    LazyCommand(
        "dead-letters",
        "dead_letters",
        "List, retry and discard messages that failed too often.",
    ),
    LazyCommand("completion", "completion", "Print the script that completes commands in a shell."),
)


def _print_version(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        click.echo(f"labelling, version {running_version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nSettings, as options of 'serve' or in the environment:\n" + settings_help(),
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def labelling() -> None:
    """Upload pictures, get their labels, and receive a webhook when it is done."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        return int(labelling.main(arguments, "labelling", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return EXIT_INTERRUPTED
    except (BadSetting, MissingFolder, NoSuchThing) as error:
        click.echo(f"labelling: {error}", err=True)
        return EXIT_USAGE
    except (LabellingError, OSError) as error:
        click.echo(f"labelling: {error}{remedy_of(error)}", err=True)
        return EXIT_FAILURE
