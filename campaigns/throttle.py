"""How fast a sender, or one campaign, may go: a bucket each in Redis, shared by all lanes on all hosts.

The generic cell rate algorithm: within any minute no more than `per_minute`, in bursts of a second's worth.
Redis losing its memory costs one burst.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import redis
from django.conf import settings
from django.utils import timezone

from campaigns.models import Campaign

# ARGV: how many are wanted, then interval and burst of each bucket. None gives while another is empty.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local granted, wait, full_at = tonumber(ARGV[1]), 0, {}
for number, key in ipairs(KEYS) do
    local interval, burst = tonumber(ARGV[2 * number]), tonumber(ARGV[2 * number + 1])
    full_at[number] = math.max(tonumber(redis.call('GET', key) or now), now)
    local room = math.floor(burst - (full_at[number] - now) / interval + 0.000001)
    if room < 1 then
        wait = math.max(wait, full_at[number] + interval - burst * interval - now)
    end
    granted = math.min(granted, room)
end
if granted < 1 then
    return {0, tostring(wait)}
end
for number, key in ipairs(KEYS) do
    local full = full_at[number] + granted * tonumber(ARGV[2 * number])
    redis.call('SET', key, string.format('%.6f', full), 'EX', 3600)
end
return {granted, '0'}
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """At most `per_minute` messages within any minute, under a name of its own."""

    name: str
    per_minute: int

    @property
    def key(self) -> str:
        return f"assent:throttle:{self.name}"

    @property
    def burst(self) -> int:
        return max(1, self.per_minute // 60)

    @property
    def interval(self) -> float:
        """Seconds between two messages once the burst is spent."""
        return 60 / (self.per_minute - self.burst + 1)


class Throttle:
    """All the buckets that one hand-over takes from. Raises `redis.RedisError` where none can be asked."""

    def __init__(self, *buckets: Bucket) -> None:
        self._redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5)
        self._take = self._redis.register_script(_TAKE)
        self._buckets = buckets

    def take(self, wanted: int) -> tuple[int, float]:
        """How many messages may go now, at most `wanted`; where none, after how many seconds one may."""
        shapes = [number for each in self._buckets for number in (each.interval, each.burst)]
        answer = self._take(keys=[each.key for each in self._buckets], args=[wanted, *shapes])
        granted, wait = cast("tuple[int, bytes]", answer)
        return granted, float(wait)

    def give_back(self, unused: int) -> None:
        """What was taken and not sent."""
        for each in self._buckets:
            self._redis.incrbyfloat(each.key, -unused * each.interval)

    def close(self) -> None:
        self._redis.close()


def of(campaign: Campaign) -> Throttle | None:
    """The buckets of a campaign and of its sender; None where neither is limited."""
    limits = {
        f"campaign:{campaign.pk}": campaign.per_minute,
        f"sender:{campaign.sender_id}": campaign.sender.per_minute,
    }
    buckets = [Bucket(name, per_minute) for name, per_minute in limits.items() if per_minute]
    return Throttle(*buckets) if buckets else None


def lasts_until(messages: int, per_minute: int) -> datetime:
    """When the last of them has gone that begin now, in whole minutes."""
    return timezone.now() + timedelta(minutes=math.ceil(messages / per_minute), seconds=1)


def pace(campaign: Campaign) -> int | None:
    """Messages a minute at most, by the stricter of the two limits; the sender may have to share its own."""
    limits = [limit for limit in (campaign.per_minute, campaign.sender.per_minute) if limit]
    return min(limits, default=None)
