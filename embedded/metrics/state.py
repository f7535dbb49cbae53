"""What the service finds of itself when it is asked: queues, files, disk and processes."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from core.domain.blob import BlobStatus
from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.storage.disk_reserve import free_bytes
from embedded.backup.schedule import last_backup
from embedded.data.folder import DATABASE
from embedded.metrics.statistics import LINES, read_statistics
from embedded.version import running_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.core import Metric as Family

    from embedded.limits.concurrency import Concurrency
    from embedded.settings import Settings
    from embedded.stores import Stores
    from labeller.detectors.base import Detector

_PROC: Final = Path("/proc")  # proc(5), on Linux
_CHECKPOINT: Final = slice(12, 16)  # of the log's header: https://sqlite.org/fileformat2.html
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")  # of the processor's clock in a second


class State:
    """A collector of prometheus_client: measures when it is asked.

    What can't be measured now is left out, so that the rest is still seen: on macOS, that is what
    /proc tells. `processes` returns the ids of the detector processes.
    """

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        concurrency: Concurrency,
        detector: Detector,
        *,
        readiness: Callable[[], Mapping[str, str | None]],
        processes: Callable[[], Sequence[int]],
        deprecated_uses: Mapping[str, int],
    ) -> None:
        self._folder = settings.data
        self._reserve_bytes = settings.reserve_bytes
        self._stores = stores
        self._concurrency = concurrency
        self._has_backups = settings.backup_to is not None
        self._detector = detector
        self._start = utc_now().timestamp()
        self._version = running_version()
        self._readiness = readiness
        self._processes = processes
        self._deprecated_uses = deprecated_uses

    def collect(self) -> Iterator[Family]:
        """Yield the families of series."""
        yield _gauge(
            "ready",
            "1 if a part of the service works, as /readyz tells.",
            "check",
            {name: float(error is None) for name, error in self._readiness().items()},
        )
        yield from self._identity()
        yield from self._in_progress()
        with suppress(Unavailable):  # `ready` reports it
            yield from self._records()
        with suppress(OSError):
            yield from self._disk()
        with suppress(OSError):
            yield from self._process_state()

    def _identity(self) -> Iterator[Family]:
        yield GaugeMetricFamily(
            "labelling_start_time_seconds", "When the service started, in Unix time.", self._start
        )
        build = GaugeMetricFamily(
            "labelling_build_info",
            "The versions of the service and of its detector; always 1.",
            labels=["version", "detector"],
        )
        build.add_metric([self._version, self._detector.name], 1)
        yield build

    def _in_progress(self) -> Iterator[Family]:
        concurrency = self._concurrency
        kinds = (concurrency.connections, concurrency.requests, concurrency.subscriptions)
        yield _gauge(
            "in_progress",
            "Connections, requests and subscriptions in progress.",
            "kind",
            {each.kind: each.total for each in kinds},
        )
        yield _gauge(
            "in_progress_limit",
            "How many of a kind may be in progress.",
            "kind",
            {each.kind: each.limits.total for each in kinds},
        )
        refused = CounterMetricFamily(
            "labelling_refused",
            "What was refused because a limit was met.",
            labels=["kind", "limit"],
        )
        for labels, count in sorted(dict(concurrency.refusals.counts).items()):
            refused.add_metric(labels, count)
        yield refused
        yield _counter(
            "deprecated_uses",
            "Uses of deprecated elements of the schema.",
            "element",
            dict(self._deprecated_uses),
        )

    def _records(self) -> Iterator[Family]:
        queues = [each.name for each in self._stores.queues]
        found = read_statistics(self._stores.database, queues, utc_now())
        yield _gauge(
            "blobs",
            "Blobs of all owners.",
            "status",
            {status.value: found.blobs[status.value] for status in BlobStatus},
        )
        messages = GaugeMetricFamily(
            "labelling_queue_messages",
            "Messages that may be received now (due), and those that are hidden or under way.",
            labels=["queue", "state"],
        )
        for name, depth in found.queues.items():
            messages.add_metric((name, "due"), depth.due)
            messages.add_metric((name, "later"), depth.later)
        yield messages
        yield _gauge(
            "queue_oldest_seconds",
            "How long the first message of a queue has been due.",
            "queue",
            {name: depth.oldest_seconds for name, depth in found.queues.items()},
        )
        yield _gauge(
            "dead_letters",
            "Messages that were given up.",
            "queue",
            {name: depth.dead for name, depth in found.queues.items()},
        )
        yield _gauge(
            "webhooks_waiting",
            "Webhooks that are to be sent, by the line in which they wait for their turn.",
            "line",
            {line: found.waiting[line] for line in LINES.values()},
        )
        yield GaugeMetricFamily(
            "labelling_webhook_endpoints_waiting",
            "Endpoints with a line of webhooks.",
            found.endpoints_waiting,
        )
        yield GaugeMetricFamily(
            "labelling_webhook_endpoints_disabled",
            "Endpoints that answered 410 Gone.",
            found.endpoints_disabled,
        )
        if self._has_backups:
            last = last_backup(self._stores.database)
            yield GaugeMetricFamily(
                "labelling_backup_last_success_timestamp_seconds",
                "When the last whole scheduled backup began; 0 before the first.",
                last.at.timestamp() if last else 0,
            )
            yield GaugeMetricFamily(
                "labelling_backup_lacking_pictures",
                "Pictures whose uploaded bytes the last whole scheduled backup lacks.",
                last.lacking if last else 0,
            )

    def _disk(self) -> Iterator[Family]:
        database = self._folder / DATABASE
        log = database.with_name(f"{database.name}-wal")
        sizes = {"database": database.stat().st_size, "wal": log.stat().st_size}
        yield _gauge("database_bytes", "Sizes of the database's files.", "file", sizes)
        with log.open("rb") as file:
            sequence = int.from_bytes(file.read(_CHECKPOINT.stop)[_CHECKPOINT])
        yield GaugeMetricFamily(
            "labelling_database_checkpoints",
            "How often the database's log began again, after its content was in the database.",
            sequence,
        )
        yield GaugeMetricFamily(
            "labelling_disk_free_bytes",
            "Free bytes of the disk with the data folder.",
            free_bytes(self._folder),
        )
        yield GaugeMetricFamily(
            "labelling_disk_reserve_bytes",
            "Free bytes below which uploads are refused.",
            self._reserve_bytes,
        )

    def _process_state(self) -> Iterator[Family]:
        ids = {"service": os.getpid()}
        ids |= {f"detector-{number}": each for number, each in enumerate(self._processes())}
        memory: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for name, process in ids.items():
            with suppress(OSError):  # one that has just ended
                memory[name] = resident_bytes(process)
                seconds[name] = processor_seconds(process)
        yield _gauge(
            "process_resident_bytes", "Memory of a process that is in use.", "process", memory
        )
        yield _counter("process_cpu_seconds", "Processor time of a process.", "process", seconds)
        yield GaugeMetricFamily(
            "labelling_threads", "Threads of the service.", threading.active_count()
        )
        yield GaugeMetricFamily(
            "labelling_open_files",
            "Open files and connections of the service.",
            sum(1 for _ in (_PROC / "self" / "fd").iterdir()),
        )


def resident_bytes(process: int) -> int:
    """Return the memory of a process (proc(5): statm). Raises OSError."""
    return int((_PROC / str(process) / "statm").read_text().split()[1]) * _PAGE


def processor_seconds(process: int) -> float:
    """Return the processor time of a process (proc(5): stat, fields 14 and 15). Raises OSError."""
    # The second field, a name in parentheses, may have spaces.
    fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Family:
    family = GaugeMetricFamily(f"labelling_{name}", text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> Family:
    family = CounterMetricFamily(f"labelling_{name}", text, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
