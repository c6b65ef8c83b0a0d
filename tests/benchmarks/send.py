"""Sends whole campaigns by real Celery workers over real SMTP, and says what each message cost.

`python -m tests.benchmarks.send --recipients 20000 [--smtp HOST:PORT] [--workers 2] [--json]`

Engines of its own in a temporary folder. Rounds are interleaved with the plain floor: `smtplib` in two
processes, the same bytes ready beforehand. Rates count from the first to the last message at the sink;
CPU counts workers, beat's ticks and PostgreSQL from the moment the campaign is due to its end, the freeze
of the audience included and the start of processes not.
"""

import argparse
import contextlib
import json
import multiprocessing
import smtplib
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.queues import SimpleQueue
from typing import Any

from tests.benchmarks import stage
from tests.sink import Sink, Taken

FLOOR_PROCESSES = 2
FLOOR_RECIPIENTS = 20_000


@dataclass
class Round:
    """One campaign: messages a second, CPU in ms a message, and what did not go once."""

    messages_per_s: float
    worker_cpu_ms: float
    postgresql_cpu_ms: float
    duplicates: int
    lost: int
    unknown: int
    wall_s: float


def main() -> None:
    options = _options()
    stage.refuse_foreign_engines()
    with contextlib.ExitStack() as stack:
        if options.smtp:
            sink, (host, _, port) = None, options.smtp.rpartition(":")
        else:
            sink = stack.enter_context(Sink())
            host, port = sink.host, str(sink.port)
        settings = {
            "EMAIL_URL": f"smtp://{host}:{port}",
            "DELIVERY_UNIT": str(options.unit),
            "DELIVERY_LANES": str(options.lanes),
        }
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        prepared = stack.enter_context(stage.open_stage(settings))
        report = _measure(prepared, options, sink, host, int(port))
    sys.stdout.write(json.dumps(report) + "\n" if options.json else _as_text(report))
    if report["duplicates"] or report["lost"]:
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.send", description=__doc__)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--smtp", default="", help="HOST:PORT of a given sink")
    parser.add_argument(
        "--workers", type=int, default=2, help="cores to use: two lanes, each a process, for one"
    )
    parser.add_argument(
        "--lanes", type=int, default=0, help="by default two per worker: one waits while one works"
    )
    parser.add_argument("--pool", choices=["prefork", "threads"], default="threads")
    parser.add_argument("--unit", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.lanes = options.lanes or 2 * options.workers
    return options


def _measure(
    prepared: stage.Stage, options: argparse.Namespace, sink: Sink | None, host: str, port: int
) -> dict[str, Any]:
    began = time.monotonic()
    stage.people(options.recipients)
    print(f"{options.recipients} people in {time.monotonic() - began:.1f} s")
    if options.pool == "threads":
        for number in range(options.workers):
            prepared.start_worker(
                f"work{number}", queues="default,service,deliver", pool="threads",
                concurrency=options.lanes // options.workers + 1,
            )  # fmt: skip
    else:
        prepared.start_worker("work", queues="deliver", concurrency=options.lanes)
        prepared.start_worker("clock", queues="default,service", concurrency=1)
    prepared.start_beat()
    _warm_up()
    pids = [process.pid for process in prepared.processes.values()]
    memory = stage.Memory(
        [process.pid for name, process in prepared.processes.items() if name != "beat"]
    )
    memory.start()
    raw = _ready_bytes()
    rounds, floors, floor_cpus = [], [], []
    for number in range(options.rounds):
        plain_rate, plain_cpu = _floor(
            raw, min(options.recipients, FLOOR_RECIPIENTS), sink, host, port
        )
        floors.append(plain_rate)
        floor_cpus.append(plain_cpu)
        rounds.append(_round(f"Round {number}", options, prepared, pids, sink))
        print(f"floor {plain_rate:.0f}/s {plain_cpu:.3f} ms, {rounds[-1]}")
    memory.stop()
    rate = statistics.median(each.messages_per_s for each in rounds)
    floor = statistics.median(floors)
    worker_cpu = statistics.median(each.worker_cpu_ms for each in rounds)
    postgresql_cpu = statistics.median(each.postgresql_cpu_ms for each in rounds)
    return {
        "recipients": options.recipients,
        "messages_per_s": round(rate, 1),
        "floor_messages_per_s": round(floor, 1),
        "ratio_to_floor": round(statistics.median(
            each.messages_per_s / plain for each, plain in zip(rounds, floors, strict=True)
        ), 3),
        "cpu_ms_per_message": round(worker_cpu + postgresql_cpu, 4),
        "worker_cpu_ms_per_message": round(worker_cpu, 4),
        "postgresql_cpu_ms_per_message": round(postgresql_cpu, 4),
        "floor_cpu_ms_per_message": round(statistics.median(floor_cpus), 4),
        "peak_memory_mb": round(memory.peak_mb, 1),
        "peak_memory_rss_sum_mb": round(memory.peak_rss_mb, 1),
        "duplicates": sum(each.duplicates for each in rounds),
        "lost": sum(each.lost for each in rounds),
        "unknown": sum(each.unknown for each in rounds),
        "unit": options.unit,
        "lanes": options.lanes,
        "workers": options.workers,
        "message_bytes": len(raw),
        "rounds": [asdict(each) for each in rounds],
    }  # fmt: skip


def _warm_up() -> None:
    """Until the clock ticks: workers and beat are up."""
    from campaigns.models import Heartbeat

    stage.wait_for(Heartbeat.objects.exists, seconds=stage.PATIENCE_S, what="the first tick")
    time.sleep(2)


def _ready_bytes() -> bytes:
    """One person's message, encoded."""
    from datetime import UTC, datetime

    from campaigns.letters import Letters, person_of
    from contacts.models import Contact

    campaign = stage.campaign("Floor", stage.newsletter())
    contact = Contact.objects.order_by("pk").first()
    assert contact is not None
    person = person_of(contact, contact.addresses.get())
    letter = Letters(campaign).to(person, delivery_id=1, date=datetime.now(UTC))
    return letter.as_bytes(eight_bit=True)


def _floor(
    raw: bytes, recipients: int, sink: Sink | None, host: str, port: int
) -> tuple[float, float]:
    """Plain `smtplib` with ready bytes: messages a second and CPU in ms a message."""
    before = sink.count() if sink else 0
    share = recipients // FLOOR_PROCESSES
    context = multiprocessing.get_context("spawn")
    cpu: SimpleQueue[float] = context.SimpleQueue()
    senders = [
        context.Process(target=plain, args=(raw, host, port, number * share, share, cpu))
        for number in range(FLOOR_PROCESSES)
    ]
    began = time.monotonic()
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    wall = time.monotonic() - began
    cpu_ms = sum(cpu.get() for _ in senders) * 1000 / recipients
    return (_rate(sink.taken()[before:]) if sink else recipients / wall), cpu_ms


def plain(
    raw: bytes, host: str, port: int, first: int, count: int, cpu: "SimpleQueue[float]"
) -> None:
    began = time.process_time()
    with smtplib.SMTP(host, port) as relay:
        relay.ehlo()
        for number in range(first, first + count):
            relay.sendmail(
                "news@lumen.example", f"floor{number}@example.org", raw, ["BODY=8BITMIME"]
            )
    cpu.put(time.process_time() - began)


def _round(
    name: str,
    options: argparse.Namespace,
    prepared: stage.Stage,
    pids: list[int],
    sink: Sink | None,
) -> Round:
    from django.utils import timezone

    from campaigns import services
    from campaigns.models import Campaign, Delivery

    campaign = stage.campaign(name, stage.newsletter())
    before = sink.count() if sink else 0
    engines = stage.engine_pids(prepared.folder)
    cpu, engine_cpu, began = stage.cpu_s(pids), stage.cpu_s(engines), time.monotonic()
    services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)
    stage.wait_for(
        lambda: Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.SENT).exists(),
        seconds=120 + options.recipients / 200, what="the campaign", every=0.25,
    )  # fmt: skip
    wall = time.monotonic() - began
    cpu, engine_cpu = stage.cpu_s(pids) - cpu, stage.cpu_s(engines) - engine_cpu
    deliveries = Delivery.objects.filter(campaign=campaign)
    unknown = deliveries.unknown().count()
    taken = sink.taken()[before:] if sink else []
    recipients = [each.recipient for each in taken]
    sent = deliveries.filter(state=Delivery.State.SENT).count()
    reached = len(set(recipients)) if sink else sent
    return Round(
        messages_per_s=round(_rate(taken) if sink else sent / wall, 1),
        worker_cpu_ms=round(cpu * 1000 / options.recipients, 4),
        postgresql_cpu_ms=round(engine_cpu * 1000 / options.recipients, 4),
        duplicates=len(recipients) - len(set(recipients)),
        lost=options.recipients - reached - unknown,
        unknown=unknown,
        wall_s=round(wall, 2),
    )


def _rate(taken: Sequence[Taken]) -> float:
    return (len(taken) - 1) / (taken[-1].at - taken[0].at)


def _as_text(report: dict[str, Any]) -> str:
    return "".join(
        f"{name.replace('_', ' ')}: {value}\n" for name, value in report.items() if name != "rounds"
    )


if __name__ == "__main__":
    main()
