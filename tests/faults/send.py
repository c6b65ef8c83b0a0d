"""Sends campaigns while everything around them is killed, and counts at the sink who got what.

`python -m tests.faults.send [--recipients 20000] [--kills 20] [--withdrawals 500] [--json]`

Workers are killed with SIGKILL at random moments, PostgreSQL is restarted (fast and immediate), Redis is
flushed and restarted, the relay refuses everybody for a while, tasks are delivered twice, beat stops.
With `--withdrawals`, people withdraw by one-click POST while it sends, most of them just before their
turn. Lost is who is neither at the sink nor withheld, failed or unknown. Exit code 1 where a promise broke.
"""

import argparse
import contextlib
import http.client
import json
import math
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from config.quickstart.children import free_port
from tests.benchmarks import stage
from tests.sink import Mode, Sink

if TYPE_CHECKING:
    from campaigns.models import Campaign

LEASE_S = 20
RELAY_IS_DOWN = Mode(refuse={".*": "421 4.3.2 closed for now"})
ANSWER_LIMIT_MS = 250
DOUBT = b"may still arrive"


@dataclass
class Answer:
    """One withdrawal: for whom, when it was answered (monotonic), how long it took, in doubt or not."""

    recipient: str
    at: float
    took_ms: float
    in_doubt: bool


@dataclass
class Outcome:
    """What all campaigns of a run came to."""

    recipients: int = 0
    kills: int = 0
    lost: int = 0
    duplicates: int = 0
    unknown: int = 0
    after_withdrawal: int = 0
    answers: list[Answer] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


def main() -> None:
    options = _options()
    stage.refuse_foreign_engines()
    print(f"seed {options.seed}", file=sys.stderr)
    random.seed(options.seed)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink())
        port = free_port(0)
        settings = {
            "EMAIL_URL": f"smtp://{sink.host}:{sink.port}",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "DELIVERY_UNIT": str(options.unit),
            "DELIVERY_LANES": str(options.connections),
            "DELIVERY_LEASE_S": str(LEASE_S),
        }
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        prepared = stack.enter_context(stage.open_stage(settings))
        outcome = _Run(prepared, options, sink, port).run()
    report = _report(outcome, options)
    broken = [name for name, is_broken in _broken(report).items() if is_broken]
    sys.stdout.write(json.dumps(report) + "\n" if options.json else _as_text(report, broken))
    sys.exit(1 if broken else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.send", description=__doc__)
    parser.add_argument("--recipients", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--withdrawals", type=int, default=0)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--unit", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _report(outcome: Outcome, options: argparse.Namespace) -> dict[str, Any]:
    times = sorted(answer.took_ms for answer in outcome.answers)
    return {
        "recipients": outcome.recipients,
        "kills": outcome.kills,
        "connections": options.connections,
        "unit": options.unit,
        "withdrawals": len(outcome.answers),
        "lost": outcome.lost,
        "duplicates": outcome.duplicates,
        "unknown": outcome.unknown,
        "after_withdrawal": outcome.after_withdrawal,
        "in_doubt": sum(answer.in_doubt for answer in outcome.answers),
        "answer_p99_ms": round(times[math.ceil(0.99 * len(times)) - 1], 1) if times else 0.0,
        "faults": dict(outcome.faults),
        "seed": options.seed,
    }


def _broken(report: dict[str, Any]) -> dict[str, bool]:
    most_unknown = report["unit"] * report["connections"] * report["kills"]
    return {
        "lost": report["lost"] > 0,
        "duplicates": report["duplicates"] > 0,
        "unknown": report["unknown"] > most_unknown,
        "after_withdrawal": report["after_withdrawal"] > 0,
        "answer_p99_ms": report["answer_p99_ms"] > ANSWER_LIMIT_MS,
    }


def _as_text(report: dict[str, Any], broken: list[str]) -> str:
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in report.items()]
    return "\n".join([*lines, f"broken: {', '.join(broken) or 'nothing'}", ""])


class _Run:
    """Campaign after campaign until every fault has happened."""

    def __init__(
        self, prepared: stage.Stage, options: argparse.Namespace, sink: Sink, port: int
    ) -> None:
        self._stage, self._options, self._sink, self._port = prepared, options, sink, port
        self._outcome = Outcome()
        self._sending = threading.Event()
        self._over = threading.Event()
        self._campaign_id = 0
        self._trouble: list[BaseException] = []
        # Kept open: a server's thread keeps its database connection with it.
        self._web = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def run(self) -> Outcome:
        from campaigns.models import Heartbeat

        stage.people(self._options.recipients)
        self._stage.start_worker("work", queues="deliver", concurrency=self._options.connections)
        self._stage.start_worker("clock", queues="default,service", concurrency=2)
        self._stage.start_beat()
        self._stage.start(
            "web", "django", "runserver", "--noreload", "--skip-checks", f"127.0.0.1:{self._port}"
        )
        stage.wait_for(Heartbeat.objects.exists, seconds=stage.PATIENCE_S, what="the first tick")
        self._warm_up_web()
        chaos = threading.Thread(target=self._guarded, args=[self._chaos])
        leavers = threading.Thread(target=self._guarded, args=[self._withdraw])
        chaos.start()
        leavers.start()
        number = 0
        while number == 0 or chaos.is_alive() or leavers.is_alive():
            number += 1
            self._send(number)
        self._over.set()
        chaos.join()
        leavers.join()
        if self._trouble:
            raise self._trouble[0]
        return self._outcome

    def _warm_up_web(self) -> None:
        """Its first answer takes a second of imports."""

        def answers() -> bool:
            try:
                self._web.request("GET", "/u/no-token/")
                self._web.getresponse().read()
            except (http.client.HTTPException, OSError):
                self._web.close()
                return False
            return True

        stage.wait_for(answers, seconds=stage.PATIENCE_S, what="the web server")

    def _guarded(self, work: Any) -> None:
        from django.db import connections

        try:
            work()
        except BaseException as error:
            self._trouble.append(error)
            raise
        finally:
            connections.close_all()

    # Sending and counting

    def _send(self, number: int) -> None:
        from django.utils import timezone

        from campaigns import services

        campaign = stage.campaign(f"Round {number}", stage.newsletter())
        before = self._sink.count()
        stage.again(
            lambda: services.schedule_campaign(
                campaign=campaign, send_at=timezone.now(), actor_id=None
            )
        )
        self._campaign_id = campaign.pk
        stage.wait_for(lambda: self._sink.count() > before, seconds=120, what="the start")
        self._sending.set()
        stage.wait_for(
            lambda: self._trouble or stage.again(lambda: self._has_ended(campaign)),
            seconds=300 + self._options.recipients / 50, what="the campaign", every=0.25,
        )  # fmt: skip
        self._sending.clear()
        self._count(campaign, before)

    def _has_ended(self, campaign: "Campaign") -> bool:
        """Staff would see a pause with its reason, and resume; so does this."""
        from campaigns import services
        from campaigns.models import Campaign

        campaign.refresh_from_db()
        if campaign.state == Campaign.State.PAUSED:
            self._outcome.faults["pauses"] += 1
            print(f"paused: {campaign.state_reason}")
            time.sleep(1)
            services.resume_campaign(campaign=campaign)
        return campaign.state == Campaign.State.SENT

    def _count(self, campaign: "Campaign", before: int) -> None:
        from campaigns.models import Delivery

        taken = self._sink.taken()[before:]
        at_sink = Counter(each.recipient for each in taken)
        rows = Delivery.objects.filter(campaign=campaign).values_list(
            "contact__identity__email", "state"
        )
        states = dict(stage.again(lambda: list(rows)))
        accounted = {"withheld", "failed", "unknown"}
        out = self._outcome
        out.recipients += len(states)
        out.duplicates += sum(count - 1 for count in at_sink.values())
        missing = {
            email: state
            for email, state in states.items()
            if email not in at_sink and state not in accounted
        }
        out.lost += len(missing)
        out.unknown += sum(state == "unknown" for state in states.values())
        answered = {answer.recipient: answer for answer in out.answers}
        late = [
            (each.recipient, each.at - answered[each.recipient].at)
            for each in taken
            if each.recipient in answered and each.at > answered[each.recipient].at
        ]
        out.after_withdrawal += len(late)
        print(f"{campaign.name}: {Counter(states.values())}, lost {len(missing)}, late {late[:5]}")

    # Faults

    def _chaos(self) -> None:
        faults = [
            *[self._kill_worker] * self._options.kills,
            *[lambda: self._restart_postgresql(signal.SIGINT)] * 2,
            *[lambda: self._restart_postgresql(signal.SIGQUIT)] * 2,
            *[self._flush_redis] * 2,
            self._restart_redis,
            self._stop_relay,
            *[self._deliver_twice] * 5,
            self._stop_beat,
        ]
        random.shuffle(faults)
        for fault in faults:
            while not self._sending.wait(0.1):
                if self._over.is_set():
                    return
            time.sleep(random.uniform(0.1, 1.0))
            fault()

    def _kill_worker(self) -> None:
        """A child in mid-unit, or the whole worker."""
        worker = self._stage.processes["work"]
        children = psutil.Process(worker.pid).children(recursive=True)
        self._outcome.kills += 1
        if children and random.random() < 0.8:
            self._outcome.faults["child killed"] += 1
            with contextlib.suppress(psutil.NoSuchProcess):
                random.choice(children).kill()
            return
        self._outcome.faults["worker killed"] += 1
        stage.kill_tree(worker.pid)
        worker.wait()
        self._stage.start_worker("work", queues="deliver", concurrency=self._options.connections)

    def _restart_postgresql(self, how: signal.Signals) -> None:
        """Its supervisor starts it again."""
        self._outcome.faults[f"PostgreSQL {how.name}"] += 1
        self._stage.signal_engine("postgres", how)

    def _restart_redis(self) -> None:
        self._outcome.faults["Redis killed"] += 1
        self._stage.signal_engine("redis", signal.SIGKILL)

    def _flush_redis(self) -> None:
        import redis
        from django.conf import settings

        self._outcome.faults["Redis flushed"] += 1
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(settings.REDIS_URL) as it:
            it.flushall()

    def _stop_relay(self) -> None:
        self._outcome.faults["relay stopped"] += 1
        self._sink.change(RELAY_IS_DOWN)
        time.sleep(3)
        self._sink.change(Mode())

    def _deliver_twice(self) -> None:
        from celery import current_app

        self._outcome.faults["tasks twice"] += 1
        for lane in range(self._options.connections):
            ids = {"campaign_id": self._campaign_id, "lane": lane}
            for _ in range(2):
                with contextlib.suppress(Exception):
                    current_app.send_task("campaigns.deliver", kwargs=ids, retry=False)

    def _stop_beat(self) -> None:
        self._outcome.faults["beat stopped"] += 1
        beat = self._stage.processes["beat"]
        beat.kill()
        beat.wait()
        time.sleep(3)
        self._stage.start_beat()

    # Withdrawals

    def _withdraw(self) -> None:
        while len(self._outcome.answers) < self._options.withdrawals:
            while not self._sending.wait(0.1):
                if self._over.is_set():
                    return
            time.sleep(random.uniform(0.0, 0.05))
            target = stage.again(self._target)
            if target is not None:
                self._post(*target)

    def _target(self) -> tuple[str, str] | None:
        """Somebody whose turn is near, or anybody still pending: address and path of the stop link."""
        from campaigns.models import Delivery, Lane

        lanes = list(Lane.objects.filter(campaign=self._campaign_id))
        if not lanes:
            return None
        lane = random.choice(lanes)
        near = lane.walked + random.choice([random.randint(1, 60), random.randint(1, 2000)])
        delivery = (
            Delivery.objects.filter(pk__gte=near, pk__lte=lane.until, state="pending")
            .select_related("contact__identity", "campaign__topic")
            .order_by("pk")
            .first()
        )
        if delivery is None:
            return None
        return delivery.contact.identity.email, _stop_link(delivery)

    def _post(self, recipient: str, path: str) -> None:
        """As a mail provider does (RFC 8058), again where the server fails meanwhile."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for _ in range(100):
            began = time.monotonic()
            try:
                self._web.request("POST", path, b"List-Unsubscribe=One-Click", headers)
                response = self._web.getresponse()
                body = response.read()
            except (http.client.HTTPException, OSError):
                self._web.close()
                time.sleep(0.2)
                continue
            at = time.monotonic()
            if response.status == 200:
                self._outcome.answers.append(
                    Answer(recipient, at, (at - began) * 1000, DOUBT in body)
                )
                return
            time.sleep(0.2)
        raise RuntimeError("the one-click endpoint never answered")


def _stop_link(delivery: Any) -> str:
    from django.conf import settings

    from consent import links

    address = delivery.contact.addresses.get()
    token = links.stop_token(
        links.Stop(
            subject=delivery.contact.subject,
            fingerprint=bytes(address.fingerprint),
            generation=len(settings.ASSENT_KEYS["fingerprint"]),
            topic=delivery.campaign.topic.key,
            channel="email",
            message=delivery.pk,
        )
    )
    return f"/u/{token}/"


if __name__ == "__main__":
    main()
