"""The `labelling` command."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.domain.api_key import hash_key, new_key
from core.domain.blob import MAX_OWNER, is_owner_name
from core.domain.clock import to_text, utc_now
from core.domain.delivery import DeliveryState, delivery_job
from core.domain.errors import InvalidValue, LabellingError, Unavailable
from core.domain.owner import new_secret, with_new_key, with_new_secret, without_keys
from core.domain.scope import ALL_SCOPES, Scope
from core.repositories.ports.owners import ApiKey, update_owner
from core.runtime.settings import BadSetting, Setting, read_settings, settings_of
from embedded.cli.deliveries import (
    disabled,
    enable,
    end,
    ids_of,
    listed,
    moment,
    redelivered,
    shown,
)
from embedded.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from core.repositories.dynamodb.table import Table
    from core.repositories.ports.deliveries import DeliveryRepository
    from core.repositories.ports.owners import OwnerRepository
    from embedded.stores import Stores

EXIT_USAGE: Final = 2
MAX_LISTED: Final = 1000
IN_FLIGHT: Final = 16
CONCURRENCY: Final = 8
KEY_VARIABLE: Final = "LABELLING_KEY"
FORMATS: Final = ("csv", "jsonl", "parquet")
SERVICE_URL: Final = "http://127.0.0.1:8000"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(_settings(options), options) or 0)
    except BadSetting as error:
        print(f"labelling: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (LabellingError, OSError) as error:
        print(f"labelling: {error}", file=sys.stderr)
        return 1


def serve(settings: Settings, _options: argparse.Namespace) -> int:
    """Run the service until it is told to stop."""
    from embedded.serve import serve as run  # loads what no other command needs  # noqa: PLC0415

    return run(settings)


def webhook_secret(settings: Settings, options: argparse.Namespace) -> None:
    """Print the secrets that an owner's webhooks are signed with, newest first."""
    owner_id, now = _owner_id(options), utc_now()
    with _owners(settings, options) as owners:
        if options.rotate:
            made = new_secret()
            owner = update_owner(owners, owner_id, lambda known: with_new_secret(known, made, now))
        else:
            owner = owners.get_or_create(owner_id)
    secrets = owner.secrets_at(now)
    for secret in secrets:  # alone, as scripts hand them on: --secret $(labelling webhook-secret)
        print(secret)
    ends = {each.value: each.expires_at for each in owner.webhook_secrets}
    for number, secret in enumerate(secrets, 1):
        if end := ends[secret]:
            print(f"{number} of {len(secrets)} signs until {to_text(end)}", file=sys.stderr)


def list_webhook_keys(settings: Settings, options: argparse.Namespace) -> None:
    """List the public keys that an owner's webhooks can be verified with, newest first."""
    owner_id = _owner_id(options)
    with _owners(settings, options) as owners:
        owner = owners.find_owner(owner_id)
    for key in owner.keys_at(utc_now()) if owner else ():
        print(key.public + (f"  until {to_text(key.expires_at)}" if key.expires_at else ""))


def create_webhook_key(settings: Settings, options: argparse.Namespace) -> None:
    """Have webhooks signed with a new ed25519 key too; one before it signs on for 24 h."""
    from notifier.signing import new_key as made  # noqa: PLC0415

    owner_id, key, now = _owner_id(options), made(), utc_now()
    with _owners(settings, options) as owners:
        update_owner(owners, owner_id, lambda owner: with_new_key(owner, key, now))
    print(key.public)


def remove_webhook_keys(settings: Settings, options: argparse.Namespace) -> None:
    """Have webhooks signed with secrets alone, from now on."""
    owner_id = _owner_id(options)
    with _owners(settings, options) as owners:
        if owners.find_owner(owner_id):
            update_owner(owners, owner_id, without_keys)


def _owner_id(options: argparse.Namespace) -> str:
    owner_id: str = options.owner
    if not is_owner_name(owner_id):
        raise InvalidValue("--owner", f"must be 1 to {MAX_OWNER} bytes without '/'")
    return owner_id


def create_key(settings: Settings, options: argparse.Namespace) -> None:
    """Make an API key and show it, once."""
    owner, key, now = _owner_id(options), new_key(), utc_now()
    scopes = frozenset(map(Scope, options.scope or ()))
    expires_at = end(options.expires, now) if options.expires else None
    with _owners(settings, options) as owners:
        owners.add_key(
            ApiKey(hash_key(key), owner, options.name, now, scopes or ALL_SCOPES, expires_at)
        )
    print(key)
    print("This is the only time it is shown: only its hash is kept.", file=sys.stderr)


def list_keys(settings: Settings, options: argparse.Namespace) -> None:
    """List API keys: the start of the hash, when made, owner, scopes, end, name."""
    now = utc_now()
    with _owners(settings, options) as owners:
        for key in owners.list_keys():
            print(
                f"{key.hash[:12]}  {to_text(key.created_at)}  {key.owner}"
                f"  {','.join(sorted(key.scopes))}  {_end_of(key, now)}  {key.name}".rstrip()
            )


def _end_of(key: ApiKey, now: datetime) -> str:
    if key.expires_at is None:
        return "no-end"
    return ("until " if key.expires_at > now else "expired ") + to_text(key.expires_at)


def revoke_key(settings: Settings, options: argparse.Namespace) -> None:
    """Forget an API key: it opens nothing from now on."""
    with _owners(settings, options) as owners:
        known = owners.list_keys() if options.id else ()
        found = [key for key in known if key.hash.startswith(options.id)]
        if len(found) != 1:
            raise InvalidValue("id", f"{len(found)} keys begin so; see 'labelling keys list'")
        owners.remove_key(found[0].hash)


def list_dead_letters(settings: Settings, _options: argparse.Namespace) -> None:
    """List what was given up: queue, when sent, message."""
    with _stores(settings) as stores:
        for queue in (stores.upload_events, stores.delivery_queue, stores.quarantine):
            for letter in queue.dead_letters(MAX_LISTED):
                print(f"{queue.name}  {to_text(letter.sent_at)}  {letter.body}")


def retry_dead_letters(settings: Settings, _options: argparse.Namespace) -> None:
    """Send what was given up back to be tried afresh."""
    with _stores(settings) as stores:
        count = sum(
            q.redrive() for q in (stores.upload_events, stores.delivery_queue, stores.quarantine)
        )
    print(f"{count} sent back; a running service takes them up at once.")


def list_deliveries(settings: Settings, options: argparse.Namespace) -> None:
    """List webhooks: id, state, attempts, when due or ended, owner, URL."""
    since = moment(options.since, utc_now()) if options.since else None
    states = [DeliveryState(each) for each in options.state or DeliveryState]
    with _deliveries(settings, options) as (deliveries, _):
        for line in listed(deliveries, states, options.owner, since):
            print(line)


def show_delivery(settings: Settings, options: argparse.Namespace) -> None:
    """Show a webhook, its attempts and its body."""
    with _deliveries(settings, options) as (deliveries, _):
        for line in shown(deliveries, options.id):
            print(line)


def redeliver(settings: Settings, options: argparse.Namespace) -> None:
    """Send webhooks again: those named, or all that came to an end since a time."""
    if bool(options.id) == bool(options.since):
        raise InvalidValue("id", "name webhooks, or give --since (and --state) for many")
    now = utc_now()
    with _deliveries(settings, options) as (deliveries, enqueue_delivery):
        wanted = options.id or ids_of(
            deliveries, DeliveryState(options.state), options.owner, moment(options.since, now)
        )
        count = redelivered(deliveries, wanted, now, enqueue_delivery)
    print(f"{count} to be sent again; a running service begins at once, on AWS within a minute.")


def list_endpoints(settings: Settings, options: argparse.Namespace) -> None:
    """List an owner's endpoints that answered 410 Gone, and since when nothing is sent there."""
    with _deliveries(settings, options) as (deliveries, _):
        for line in disabled(deliveries, options.owner):
            print(line)


def enable_endpoint(settings: Settings, options: argparse.Namespace) -> None:
    """Let webhooks go to an endpoint again."""
    with _deliveries(settings, options) as (deliveries, _):
        enable(deliveries, options.owner, options.url)
    print("Enabled. What was cancelled meanwhile: labelling deliveries redeliver --state cancelled")


def import_pictures(_settings: Settings, options: argparse.Namespace) -> int:
    """Upload files and folders of pictures, those alone that are not there already."""
    from embedded.cli.bulk import import_pictures as run  # noqa: PLC0415

    return run(options)


def export(_settings: Settings, options: argparse.Namespace) -> int:
    """Write all blobs and their labels as CSV, JSON Lines or Parquet."""
    from embedded.cli.bulk import export as run  # noqa: PLC0415

    return run(options)


def relabel(settings: Settings, options: argparse.Namespace) -> int:
    """Have everything labelled again by the running service, as after a change of the detector."""
    from embedded.cli.relabel import relabel_here, relabel_on_aws  # noqa: PLC0415

    if options.table is None:
        with _stores(settings) as stores:
            return relabel_here(settings, stores, options)
    if options.queue is None:
        raise InvalidValue(
            "--queue", "name the URL of the queue of uploads; see docs/operations.md"
        )
    if options.state is None:
        raise InvalidValue("--state", "name a file for how far it has come, to go on from there")
    from core.queues.sqs import SqsQueue  # noqa: PLC0415
    from core.repositories.dynamodb.blobs import DynamoBlobRepository  # noqa: PLC0415

    queue = SqsQueue(_client("sqs"), options.queue)
    return relabel_on_aws(DynamoBlobRepository(_table(options.table)), queue, options)


@contextmanager
def _deliveries(
    settings: Settings, options: argparse.Namespace
) -> Iterator[tuple[DeliveryRepository, Callable[[str], None]]]:
    """Open the records of deliveries, and what hints at one to a running service."""
    if options.table:
        from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository  # noqa: PLC0415

        # On AWS the sweep finds what is due.
        yield DynamoDeliveryRepository(_table(options.table)), lambda _: None
    else:
        with _stores(settings) as stores:
            yield stores.deliveries, lambda each: stores.delivery_queue.send(delivery_job(each))


@contextmanager
def _owners(settings: Settings, options: argparse.Namespace) -> Iterator[OwnerRepository]:
    """Open the records of owners: those of a DynamoDB table where one is named."""
    if options.table:
        from core.repositories.dynamodb.owners import DynamoOwnerRepository  # noqa: PLC0415

        yield DynamoOwnerRepository(_table(options.table), new_secret)
    else:
        with _stores(settings) as stores:
            yield stores.owners


def _table(name: str) -> Table:
    from core.repositories.dynamodb.table import Table  # noqa: PLC0415

    return Table(_client("dynamodb"), name)


def _client(service: str) -> Any:
    # Not for a service that has nothing to do with AWS.
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        # The AWS CLI knows this variable, boto3 doesn't.
        return boto3.client(service, region_name=os.environ.get("AWS_REGION"))
    except BotoCoreError as error:  # no region, or a profile that isn't there
        raise Unavailable(f"{error} Set AWS_REGION, and AWS_PROFILE or credentials.") from error


@contextmanager
def _stores(settings: Settings) -> Iterator[Stores]:
    from embedded.stores import open_stores  # not for --help  # noqa: PLC0415

    stores = open_stores(settings)
    try:
        yield stores
    finally:
        stores.database.close()


def _settings(options: argparse.Namespace) -> Settings:
    environ = dict(os.environ)
    environ.pop(KEY_VARIABLE, None)  # not the service's: of commands that ask it
    for known in settings_of(Settings, PREFIX):
        given: str | None = getattr(options, known.field, None)
        if given is not None:
            environ[known.name] = given
    return read_settings(Settings, environ, PREFIX)


def _parser() -> argparse.ArgumentParser:
    known = settings_of(Settings, PREFIX)
    parser = argparse.ArgumentParser(
        prog="labelling",
        description="Upload a picture, get its labels, be told when it's done.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="settings, as flags of 'serve' or in the environment:\n"
        + "\n".join(_described(each) for each in known),
    )
    commands = parser.add_subparsers(metavar="command", required=True)

    def command(
        group: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: object
    ) -> argparse.ArgumentParser:
        summary = (run.__doc__ or "").strip()
        added = group.add_parser(name, help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    serving = command(commands, "serve", serve)
    for each in known:
        serving.add_argument(
            _flag(each),
            dest=each.field,
            metavar="VALUE",
            help=_escaped(f"{each.help} {_default(each)}"),
        )

    def offline(
        group: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: object
    ) -> argparse.ArgumentParser:
        added = command(group, name, run)
        data = next(each for each in known if each.field == "data")
        added.add_argument("--data", metavar="DIR", help=_escaped(f"{data.help} {_default(data)}"))
        return added

    def of_owners(
        group: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: object
    ) -> argparse.ArgumentParser:
        added = offline(group, name, run)
        added.add_argument(
            "--table",
            metavar="NAME",
            help="on AWS: the DynamoDB table, with the credentials and region of the AWS CLI",
        )
        return added

    secret = of_owners(commands, "webhook-secret", webhook_secret)
    secret.add_argument("--owner", default="local", help="whose (default: local)")
    secret.add_argument("--rotate", action="store_true", help="make a new one first")

    signing = commands.add_parser(
        "webhook-keys", help="Keys of ed25519 signatures of webhooks."
    ).add_subparsers(metavar="command", required=True)
    for name, run in (
        ("list", list_webhook_keys),
        ("create", create_webhook_key),
        ("remove", remove_webhook_keys),
    ):
        of_owners(signing, name, run).add_argument(
            "--owner", default="local", help="whose (default: local)"
        )

    keys = commands.add_parser("keys", help="API keys.").add_subparsers(
        metavar="command", required=True
    )
    create = of_owners(keys, "create", create_key)
    _add_key_options(create)
    of_owners(keys, "list", list_keys)
    of_owners(keys, "revoke", revoke_key).add_argument("id", help="its id, from 'keys list'")

    _add_import_options(command(commands, "import", import_pictures))
    _add_export_options(command(commands, "export", export))
    _add_relabel_options(of_owners(commands, "relabel", relabel))

    webhooks = commands.add_parser("deliveries", help="Webhooks.").add_subparsers(
        metavar="command", required=True
    )
    states = [state.value for state in DeliveryState]
    since = "from this time on: 2026-01-31T12:00:00Z, or an age as 90m, 12h or 3d"
    several = of_owners(webhooks, "list", list_deliveries)
    several.add_argument("--state", choices=states, action="append", help="in this state")
    several.add_argument("--owner", help="of this owner alone")
    several.add_argument("--since", metavar="TIME", help=f"ended {since}")
    of_owners(webhooks, "show", show_delivery).add_argument("id", help="its webhook-id")
    again = of_owners(webhooks, "redeliver", redeliver)
    again.add_argument("id", nargs="*", help="their webhook-ids")
    again.add_argument("--since", metavar="TIME", help=f"all that ended {since}")
    again.add_argument(
        "--state", choices=states[1:], default="exhausted", help="which end (default: exhausted)"
    )
    again.add_argument("--owner", help="of this owner alone")

    endpoints = commands.add_parser(
        "endpoints", help="Endpoints that answered 410 Gone."
    ).add_subparsers(metavar="command", required=True)
    gone = of_owners(endpoints, "list", list_endpoints)
    enabled = of_owners(endpoints, "enable", enable_endpoint)
    enabled.add_argument("url", help="the callback URL, with or without its query")
    for added in (gone, enabled):
        added.add_argument("--owner", default="local", help="whose (default: local)")

    dead = commands.add_parser("dead-letters", help="What was given up.").add_subparsers(
        metavar="command", required=True
    )
    offline(dead, "list", list_dead_letters)
    offline(dead, "retry", retry_dead_letters)
    return parser


def _add_key_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--owner", required=True, help="whose blobs it opens")
    command.add_argument("--name", default="", help="a note to know it by")
    command.add_argument(
        "--scope",
        action="append",
        choices=[str(each) for each in Scope],
        help="what it opens (default: everything); may be given several times",
    )
    command.add_argument(
        "--expires", metavar="TIME", help="when it ends: 2027-01-31, a time, or in 12h or 90d"
    )


def _add_import_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", metavar="PATH", nargs="+", type=Path, help="a file or a folder")
    _add_api_options(command)
    command.add_argument(
        "--concurrency",
        metavar="N",
        type=_positive,
        default=CONCURRENCY,
        help=f"how many are uploaded at the same time (default: {CONCURRENCY})",
    )
    command.add_argument("--wait", action="store_true", help="until all of them are labelled")
    command.add_argument("--callback-url", metavar="URL", help="who is told of each, by a webhook")
    command.add_argument("--max-labels", metavar="N", type=int, help="see createUpload")
    command.add_argument("--min-confidence", metavar="N", type=float, help="see createUpload")


def _add_export_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=FORMATS, default="jsonl", help="(default: jsonl)")
    command.add_argument(
        "--output", metavar="FILE", type=Path, help="where to (default: standard output)"
    )
    _add_api_options(command)


def _add_api_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--url", default=SERVICE_URL, help=f"of the service (default: {SERVICE_URL})"
    )
    command.add_argument(
        "--key",
        default=os.environ.get(KEY_VARIABLE),
        help=f"an API key (default: {KEY_VARIABLE} from the environment, which others can't see)",
    )


def _add_relabel_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--all", action="store_true", required=True, help="all that was labelled")
    command.add_argument(
        "--older-than",
        metavar="VERSION",
        help="only what an earlier version of the detector saw, or another: 1.3, or name/1.3",
    )
    command.add_argument("--owner", help="of this owner alone")
    command.add_argument(
        "--in-flight",
        metavar="N",
        type=_positive,
        default=IN_FLIGHT,
        help=f"how many are asked for at a time: new uploads wait for these (default: {IN_FLIGHT})",
    )
    command.add_argument(
        "--restart", action="store_true", help="begin anew, where an earlier run is unfinished"
    )
    command.add_argument(
        "--state",
        metavar="FILE",
        type=Path,
        help="where it is kept how far the run has come (default: relabel.json in the data folder)",
    )
    command.add_argument("--queue", metavar="URL", help="on AWS: the SQS queue of uploads")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def settings_table() -> str:
    """Write the settings as the table that the README holds."""
    rows = ["| Flag, variable | Meaning | Default |", "|---|---|---|"]
    for known in settings_of(Settings, PREFIX):
        default = _default(known).removeprefix("(default: ").removesuffix(")") or "-"
        rows.append(f"| `{_flag(known)}`<br>`{known.name}` | {known.help} | {default} |")
    return "\n".join(rows)


def _flag(known: Setting) -> str:
    return "--" + known.field.replace("_", "-")


def _default(known: Setting) -> str:
    value = ",".join(map(str, known.default)) if isinstance(known.default, tuple) else known.default
    return "" if value is None or "default:" in known.help else f"(default: {value})"


def _described(known: Setting) -> str:
    return f"  {_flag(known)}, {known.name}\n      {known.help} {_default(known)}".rstrip()


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
