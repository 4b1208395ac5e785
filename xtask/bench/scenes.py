"""Scenes over real sockets: each is a scenario of the simulator, drawn from a seed, and the best that can be had in it."""

import random
import sys
import tomllib

# A quarter of the real, unless the real is asked for: answers, faults and deadline. The waits of the clients themselves are those
# that they have.
UNIT = 4 if "--real" in sys.argv else 1
DEADLINE = 30.0 * UNIT
ARRIVALS = 30.0 * UNIT
PER_SECOND = 4.0 / UNIT
FIRST_BYTE, CHUNK, CHUNKS = 0.3 * UNIT, 0.1 * UNIT, 8
JITTER = 0.3
PACE = (
    f'[answer]\nfirst_byte = "{int(FIRST_BYTE * 1000)}ms"\nchunk = "{int(CHUNK * 1000)}ms"\nchunks = {CHUNKS}\n'
    f"jitter = {JITTER}\n"
)
# Behind its first event a stream has so many beside those of its text, and each takes as long.
OTHER_EVENTS = 5
# Who makes the calls: the first of them makes this share of all, the others share the rest.
CALLERS, GREEDY = 8, 0.3
KEYS = ["sk-ant-fake-pool-1111", "sk-ant-fake-pool-2222", "sk-ant-fake-pool-3333"]


def fault(name, **what):
    lines = [f"{key} = {value}" for key, value in what.items()]
    return "\n".join(["[[fault]]", f'name = "{name}"', *lines]) + "\n"


def span(rng, lasts):
    begins = rng.uniform(6, 10)
    ends = begins + rng.uniform(*lasts)
    return {"after": f'"{begins * UNIT:.2f}s"', "until": f'"{ends * UNIT:.2f}s"'}


def rate(rng, low, high):
    return f"{rng.uniform(low, high):.3f}"


def limits(per_minute, burst):
    return f'[limits]\nrequests_per_minute = {per_minute // UNIT}\nburst = "{burst * UNIT}s"\n'


def revoked(rng):
    known = ", ".join(f'"{key}"' for key in KEYS[:2])
    at = f"{rng.uniform(6, 10) * UNIT:.2f}s"
    return f'[keys]\nknown = [{known}]\n[[keys.change]]\nkey = "{KEYS[1]}"\nat = "{at}"\nstate = "revoked"\n'


def outage(rng):
    """Nothing is taken, on new connections as on those that are kept."""
    when = span(rng, (8, 14))
    return fault("closed", **when, reset='"on_accept"') + fault("cut off", **when, reset='"before_request"')


def event(at, kind):
    return f'{{ at = {at}, kind = "{kind}", message = "Overloaded" }}'


# Name: how many keys the calls have (none: one for each caller), and what goes wrong.
SCENES = {
    "healthy": (0, lambda r: ""),
    "sparse-5xx": (0, lambda r: fault("500", rate=rate(r, 0.04, 0.08), status=500)),
    "storm-529": (0, lambda r: fault("storm", **span(r, (10, 16)), status=529)),
    "half-529": (0, lambda r: fault("half", **span(r, (12, 18)), rate=0.5, status=529)),
    "429-retry-after": (1, lambda r: limits(r.randint(210, 225), 2)),
    "429-at-once": (1, lambda r: f"[limits]\nat_once = {r.randint(4, 5)}\n"),
    "429-silent": (1, lambda r: fault("429", **span(r, (8, 14)), rate=0.7, status=429)),
    "reset-on-connect": (0, lambda r: fault("reset", rate=rate(r, 0.05, 0.15), reset='"on_accept"')),
    "reset-then-nothing": (0, lambda r: fault("reset", rate=rate(r, 0.05, 0.12), reset='"after_request"')),
    "accept-then-hang": (0, lambda r: fault("hang", rate=rate(r, 0.03, 0.05), hang="true")),
    "slow-first-byte": (0, lambda r: fault("slow", rate=rate(r, 0.05, 0.1), delay=f'"{5 * UNIT}s"')),
    "stream-cut": (
        0,
        lambda r: fault("cut", rate=rate(r, 0.04, 0.07), cut_at_event=6)
        + fault("clean end", rate=rate(r, 0.04, 0.07), end_early_at_event=7),
    ),
    "error-event-first": (0, lambda r: fault("first", rate=rate(r, 0.06, 0.1), error_event=event(1, "overloaded_error"))),
    "error-event-late": (0, lambda r: fault("late", rate=rate(r, 0.05, 0.08), error_event=event(6, "overloaded_error"))),
    "stall": (0, lambda r: fault("stall", rate=rate(r, 0.06, 0.1), stall_at_event=6)),
    "bad-address": (0, lambda r: fault("bad", addr=0, status=503)),
    "outage": (0, outage),
    "key-revoked": (2, revoked),
    "keys-with-quotas": (3, lambda r: limits(r.randint(66, 72), 3)),
}


def scene(name, seed):
    """Its scenario, and its calls: moment, caller, stream or not, key, prompt; and the keys of a pool."""
    keys, make = SCENES[name]
    rng = random.Random(f"{name} {seed}")
    text = f"seed = {seed}\n{PACE}{make(rng)}"
    calls, at = [], 0.0
    while True:
        at += rng.expovariate(PER_SECOND)
        if at > ARRIVALS:
            break
        n = len(calls)
        caller = 0 if rng.random() < GREEDY else rng.randrange(1, CALLERS)
        key = KEYS[n % keys] if keys else f"sk-ant-fake-caller-{caller:04}"
        stream = rng.random() < 0.67
        calls.append({"n": n, "at": round(at, 3), "caller": caller, "stream": stream, "key": key, "prompt": f"call {n}"})
    return text, calls, KEYS[:keys] if keys > 1 else []


def seconds(time):
    number, unit = float(time.rstrip("ms")), time.lstrip("0123456789.")
    return number * {"ms": 0.001, "s": 1, "m": 60}[unit]


BITS = 0xFFFF_FFFF_FFFF_FFFF


def mix(value):
    z = value + 0x9E37_79B9_7F4A_7C15 & BITS
    z = (z ^ z >> 30) * 0xBF58_476D_1CE4_E5B9 & BITS
    z = (z ^ z >> 27) * 0x94D0_49BB_1331_11EB & BITS
    return z ^ z >> 31


def varied(seed, what, number):
    """By what the simulator multiplies a time of its answer to a request: crates/sim/src/chance.rs, serve.rs."""
    h = 0xCBF2_9CE4_8422_2325
    for byte in what.encode():
        h = (h ^ byte) * 0x0000_0100_0000_01B3 & BITS
    share = (mix(mix(seed ^ h) + number & BITS) >> 32) / 2**32
    return 1 + JITTER * (2 * share - 1)


def answered(seed, number, stream):
    """How long the answer to a request takes in which nothing goes wrong."""
    first = FIRST_BYTE * varied(seed, "first byte", number)
    return first + (CHUNK * (CHUNKS + OTHER_EVENTS) * varied(seed, "chunk", number) if stream else 0)


def end(text):
    """When all is well again, where that is said."""
    ends = [seconds(f["until"]) for f in tomllib.loads(text).get("fault", []) if "until" in f]
    return max(ends, default=None)


def optimum(text, calls, keys):
    """How long each call takes at best: sent once, at the first moment at which it can succeed, in the order of arrival."""
    scenario = tomllib.loads(text)
    walls = [
        (seconds(f["after"]), seconds(f["until"]))
        for f in scenario.get("fault", [])
        if "after" in f and "rate" not in f
    ]
    buckets, places, over = None, scenario.get("limits", {}).get("at_once"), []
    if "requests_per_minute" in scenario.get("limits", {}):
        per_second = scenario["limits"]["requests_per_minute"] / 60
        full = max(1.0, per_second * seconds(scenario["limits"]["burst"]))
        buckets = [[full, 0.0] for _ in keys or [None]]
    took, last = [], 0.0
    for call in calls:
        at = max(call["at"], last)
        for begins, ends in walls:
            at = ends if begins <= at < ends else at
        if buckets:
            left = [min(full, b[0] + (at - b[1]) * per_second) for b in buckets]
            best = max(range(len(left)), key=left.__getitem__)
            wait = max(0.0, (1 - left[best]) / per_second)
            at += wait
            buckets[best] = [left[best] + wait * per_second - 1, at]
        over = sorted(moment for moment in over if moment > at)
        if places and len(over) >= places:
            at = over[len(over) - places]
        last = at
        # It is the request with this number, as each is sent once.
        over.append(at + answered(scenario["seed"], call["n"] + 1, call["stream"]))
        took.append(over[-1] - call["at"])
    return took
