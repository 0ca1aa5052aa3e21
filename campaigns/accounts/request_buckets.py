"""Buckets that requests take from: in the memory of this process, or in Redis for all processes together."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.core.cache import cache

from campaigns.accounts.shared import ask, connect
from campaigns.bucket import SKEW, Level, Rate

# The arithmetic of campaigns.bucket once more: looking and taking must be one step for all processes. A bucket that is
# full again may be forgotten. Arguments: now, the skew, then the rate and the burst of each key.
_TAKE = """
local now, skew = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens, ats, wait = {}, {}, 0
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local row = redis.call('HMGET', key, 'tokens', 'at')
  local held, at = tonumber(row[1]) or burst, tonumber(row[2]) or now
  if now < at - skew then at = now end
  tokens[i] = math.min(held + math.max(now - at, 0) * rate, burst)
  ats[i] = math.max(now, at)
  if tokens[i] < 1 - 1e-9 then wait = math.max(wait, ats[i] - now + (1 - tokens[i]) / rate) end
end
if wait > 0 then return tostring(wait) end
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  redis.call('HSET', key, 'tokens', string.format('%.17g', math.max(tokens[i] - 1, 0)), 'at', string.format('%.17g', ats[i]))
  redis.call('EXPIRE', key, math.ceil(burst / rate + 2 * skew))
end
return '0'
"""


class MemoryBuckets:
    """Buckets of this process, for all its threads; they cost microseconds."""

    # Full buckets are dropped when there are so many: as good as ones that never were.
    MOST = 20_000

    def __init__(self) -> None:
        self._levels: dict[str, tuple[Level, Rate]] = {}
        self._lock = threading.Lock()

    def take(self, rates: Mapping[str, Rate], *, now: datetime) -> float:
        """A token of each bucket, or of none; 0, or the seconds until each has one."""
        with self._lock:
            levels = {name: self._level(name, rate, now=now) for name, rate in rates.items()}
            waits = [
                (level.holds_at(1, rates[name]) - now).total_seconds()
                for name, level in levels.items()
                if not level.whole
            ]
            if not waits:
                self._levels |= {name: (level.take(1), rates[name]) for name, level in levels.items()}
                if len(self._levels) > self.MOST:
                    self._drop_full(now)
        return max(waits, default=0.0)

    def _level(self, name: str, rate: Rate, *, now: datetime) -> Level:
        known = self._levels.get(name)
        return known[0].refill(rate, now=now) if known else Level(rate.burst, now)

    def _drop_full(self, now: datetime) -> None:
        self._levels = {
            name: (level, rate)
            for name, (level, rate) in self._levels.items()
            if level.refill(rate, now=now).tokens < rate.burst
        }


class RedisBuckets:
    """Buckets all processes share, exact, in one round trip."""

    def __init__(self, url: str) -> None:
        self._script = connect(url).register_script(_TAKE)

    def take(self, rates: Mapping[str, Rate], *, now: datetime) -> float:
        """A token of each bucket, or of none; 0, or the seconds until each has one."""
        keys = [cache.make_key(f"requests:{name}") for name in rates]
        numbers = [number for rate in rates.values() for number in (rate.per_second, rate.burst)]
        return float(self._script(keys=keys, args=[repr(now.timestamp()), SKEW.total_seconds(), *numbers]))


_memory = MemoryBuckets()
_redis = lru_cache(maxsize=4)(RedisBuckets)


def take_tokens(rates: Mapping[str, Rate], *, now: datetime) -> float:
    """A token of each bucket, or of none, where this installation counts; 0, or the seconds until each has one."""
    url = settings.REDIS_URL
    if not url:
        return _memory.take(rates, now=now)
    return ask(lambda: _redis(url).take(rates, now=now), otherwise=lambda: _memory.take(rates, now=now))
