"""Counts what comes through the public doors, in Redis. Withdrawals are counted, never refused.

Without Redis the doors stay open: what an address may be sent is counted in the database as well.
"""

import ipaddress
import logging
import time
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from django.http import HttpRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Budget:
    """So many acts per window of `window_s` seconds, counted per key.

    What costs money is `is_strict`: without Redis there is none of it.
    """

    name: str
    limit: int
    window_s: int
    is_strict: bool = False

    def spend(self, key: str) -> bool:
        """Count one act; False where the budget of this window is used up."""
        return self.count(key) <= self.limit

    def count(self, key: str) -> int:
        """Count one act and return how many there were in this window; 0 where Redis does not answer."""
        slot = f"budget:{self.name}:{key}:{int(time.time()) // self.window_s}"
        try:
            with _redis().pipeline() as pipe:
                pipe.incr(slot)
                pipe.expire(slot, self.window_s)
                return int(pipe.execute()[0])
        except redis.RedisError:
            logger.warning("Redis does not answer; %s is not counted", self.name)
            return self.limit + 1 if self.is_strict else 0


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def client_address(request: HttpRequest) -> str:
    """The address of the one who asks, as the outermost of our own proxies saw it.

    `TRUSTED_PROXIES` says how many proxies of ours are in front; what stands further left in
    X-Forwarded-For was written by anybody.
    """
    peer = request.META.get("REMOTE_ADDR") or ""
    if not settings.TRUSTED_PROXIES:
        return peer
    forwarded = request.headers.get("X-Forwarded-For", "")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    return hops[-settings.TRUSTED_PROXIES] if len(hops) >= settings.TRUSTED_PROXIES else peer


def network_of(request: HttpRequest) -> str:
    """The /24 or /48 that a request comes from: enough for counting and for evidence, not for a person."""
    try:
        address = ipaddress.ip_address(client_address(request))
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    prefix = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
