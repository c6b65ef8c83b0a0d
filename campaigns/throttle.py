"""How fast a sender may go: one bucket in Redis, shared by all lanes on all hosts.

The generic cell rate algorithm: within any minute no more than `per_minute`, in bursts of a second's worth.
Redis losing its memory costs one burst.
"""

from typing import cast

import redis
from django.conf import settings

_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local interval, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local room = math.floor(burst - (full_at - now) / interval + 0.000001)
if room < 1 then
    return {0, tostring(full_at + interval - burst * interval - now)}
end
local granted = math.min(room, wanted)
redis.call('SET', KEYS[1], string.format('%.6f', full_at + granted * interval), 'EX', 3600)
return {granted, '0'}
"""


class Throttle:
    """The bucket of one sender. Raises `redis.RedisError` where it cannot be asked."""

    def __init__(self, sender_id: int, *, per_minute: int) -> None:
        self._redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5)
        self._take = self._redis.register_script(_TAKE)
        self._key = f"assent:throttle:{sender_id}"
        self._burst = max(1, per_minute // 60)
        self._interval = 60 / (per_minute - self._burst + 1)

    def take(self, wanted: int) -> tuple[int, float]:
        """How many messages may go now, at most `wanted`; where none, after how many seconds one may."""
        answer = self._take(keys=[self._key], args=[self._interval, self._burst, wanted])
        granted, wait = cast("tuple[int, bytes]", answer)
        return granted, float(wait)

    def give_back(self, unused: int) -> None:
        """What was taken and not sent."""
        self._redis.incrbyfloat(self._key, -unused * self._interval)

    def close(self) -> None:
        self._redis.close()
