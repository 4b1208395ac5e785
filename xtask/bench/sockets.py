"""Clients side by side over real sockets, each before a simulator of its own: `cargo xtask bench resilience --sockets`.

`sockets.py CLEARLINE NODE_SDK FOLDER SCHEMA [--json] [--real] [--seed N] [--client NAME] [SCENE…]`, in a network namespace with loopback
alone.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading

import scenes

HERE = os.path.dirname(os.path.abspath(__file__))
HOSTS = "/etc/hosts"
ADDRESSES = [f"127.0.0.{n}" for n in (4, 5, 6, 7)]
# Names are looked up as everywhere: with the plain fence of loopback, localhost would be one address for ours alone.
FENCE = f"netns:{os.stat('/proc/self/ns/net').st_ino}"
CLIENTS = ["requests", "python", "python-10", "typescript", "gateway"]
BAR = 0.98
# From so many seconds after the optimum on a call is late.
LATE = 1.0 * scenes.UNIT
# What is long against the quarter of real time that the scenes have is a quarter as long here; a minute is what an answer of few
# tokens gets that is not streamed (crates/policy/src/times.rs).
GATEWAY = {"CLEARLINE_TIMEOUT_IDLE": "15s", "CLEARLINE_TIMEOUT_FIRST_BYTE_STREAM": "30s", "CLEARLINE_TIMEOUT_FIRST_BYTE": "16s"}


class Child:
    """A program that ends with the block, and its first lines."""

    def __init__(self, command, env, folder):
        self.log = open(os.path.join(folder, "stderr.log"), "ab")
        base = {"PATH": os.environ["PATH"], "HOME": folder, "CLEARLINE_FENCE": FENCE}
        self.process = subprocess.Popen(
            command, env={**base, **env}, cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )

    def line(self, prefix):
        line = self.process.stdout.readline().strip()
        if not line.startswith(prefix):
            raise SystemExit(f"{self.process.args[:3]} said {line!r}, not {prefix!r}; see {self.log.name}")
        return line.removeprefix(prefix)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def ask(url, method, path, body=None, headers=None):
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def meant(options, calls):
    """The text that each prompt's answer has where nothing goes wrong."""
    path = os.path.join(options.folder, "healthy.toml")
    with open(path, "w") as file:
        file.write('[answer]\nfirst_byte = "0ms"\nchunk = "0ms"\n')
    with Child([options.clearline, "sim", path], {}, options.folder) as sim:
        url, texts = sim.line("listening on "), {}
        for call in calls:
            body = {"model": "claude-sonnet-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": call["prompt"]}]}
            headers = {"x-api-key": "sk-ant-fake-caller", "anthropic-version": "2023-06-01", "content-type": "application/json"}
            texts[call["n"]] = ask(url, "POST", "/v1/messages", json.dumps(body), headers)["content"][0]["text"]
    return texts


class Run:
    """One client before one simulator."""

    def __init__(self, options, client, name, seed):
        self.client = client
        self.text, self.calls, self.keys = scenes.scene(name, seed)
        self.folder = os.path.join(options.folder, f"{name}-{client}")
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, "scenario.toml")
        with open(path, "w") as file:
            file.write(self.text)
        several = name == "bad-address"
        more = []
        listen = "127.0.0.1:0"
        if several:
            port = 20_000 + CLIENTS.index(client)
            listen = f"{ADDRESSES[0]}:{port}"
            more = [word for address in ADDRESSES[1:] for word in ("--also", f"{address}:{port}")]
        sim = [options.clearline, "sim", path, "--listen", listen, "--admin", "127.0.0.1:0", *more]
        self.children = [Child(sim, {}, self.folder)]
        url = self.children[0].line("listening on ")
        self.admin = self.children[0].line("admin on ")
        if several:
            url = url.replace(ADDRESSES[0], "localhost")
        if client == "gateway":
            env = {**({} if options.real else GATEWAY), "CLEARLINE_CONTINUE_STREAMS": "1"}
            if self.keys:
                env["CLEARLINE_KEYS"] = ",".join(self.keys)
            command = [options.clearline, "gateway", "--listen", "127.0.0.1:0", "--upstream", url, "--log", "gateway.jsonl"]
            self.children.append(Child(command, env, self.folder))
            url = self.children[1].line("listening on ")
        if client == "typescript":
            command = ["node", os.path.join(HERE, "calls.mjs"), options.node_sdk, url]
        else:
            command = [sys.executable, os.path.join(HERE, "calls.py"), client, url]
        self.children.append(Child([*command, str(scenes.DEADLINE)], {}, self.folder))
        self.children[-1].line("ready")

    def play(self):
        """Lets the calls begin at the scenario's moment zero, and takes what became of them."""
        driver = self.children[-1].process
        ask(self.admin, "POST", "/reset")
        driver.stdin.write("".join(json.dumps(call) + "\n" for call in self.calls) + "go\n")
        driver.stdin.flush()
        self.seen = {seen["n"]: seen for seen in map(json.loads, driver.stdout)}
        self.events = ask(self.admin, "GET", "/events?after=0&wait_ms=0")["events"]

    def end(self):
        for child in reversed(self.children):
            child.__exit__()

    def score(self, texts, best):
        """What its calls came to, beside what they come to at best."""
        good = {
            n: seen["took"]
            for n, seen in self.seen.items()
            if seen["ok"] and seen["took"] <= scenes.DEADLINE and seen["text"] == texts[n]
        }
        took = [good.get(call["n"], scenes.DEADLINE) for call in self.calls]
        errors = {}
        for seen in self.seen.values():
            if not seen["ok"]:
                errors[seen["error"][:60]] = errors.get(seen["error"][:60], 0) + 1
        return {
            "success": len(good) / len(self.calls),
            "p50": quantile(sorted(took), 0.50),
            "p99": quantile(sorted(took), 0.99),
            "recovery": recovery(self.text, self.calls, took, best),
            **fairness(self.calls, good, took, best),
            **cost(self.events, len(good)),
            "corrupt": sum(1 for n, seen in self.seen.items() if seen["ok"] and seen["text"] != texts[n]),
            "errors": errors,
        }


def recovery(text, calls, took, best):
    """From the end of the fault until the last call that is late is over, seconds; a call without success never is in time."""
    ends = scenes.end(text)
    if ends is None:
        return None
    late = [call["at"] + t - ends for call, t, b in zip(calls, took, best) if t > b + LATE]
    return max([0.0, *late])


def fairness(calls, good, took, best):
    """Jain's index of how fast the callers are served, each beside the optimum of its own calls; and who fares worst."""
    speeds, successes, waits = [], [], []
    for caller in range(scenes.CALLERS):
        own = [n for n, call in enumerate(calls) if call["caller"] == caller]
        if own:
            waits.append(sum(took[n] for n in own) / len(own))
            speeds.append(sum(best[n] for n in own) / sum(took[n] for n in own))
            successes.append(sum(1 for n in own if calls[n]["n"] in good) / len(own))
    jain = sum(speeds) ** 2 / (len(speeds) * sum(s * s for s in speeds))
    return {"fairness": jain, "worst_success": min(successes), "worst_wait": max(waits) / quantile(sorted(waits), 0.5)}


def cost(events, good):
    """Attempts for each success, and answers beyond the first of a call: each is paid, in whole or in part."""
    attempts = {e["request"] for e in events if e["kind"] in ("request", "fault") and e["request"]}
    at_the_door = sum(1 for e in events if e["kind"] == "fault" and not e["request"])
    answered = {e["request"] for e in events if e["kind"] == "answered" and e["status"] == 200}
    whose = {}
    for e in events:
        if e["kind"] == "request" and e["request"] in answered:
            whose[e["user"]] = whose.get(e["user"], 0) + 1
    return {"attempts": (len(attempts) + at_the_door) / max(1, good), "twice": sum(n - 1 for n in whose.values())}


class Turns:
    """The addresses of localhost change their order all the time, as those of a name in the DNS do."""

    def __enter__(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.turn)
        self.thread.start()

    def turn(self):
        with open(HOSTS, "r+b", buffering=0) as file:
            first = 0
            while not self.over.wait(0.05):
                first = (first + 1) % len(ADDRESSES)
                # One write of the same length: whoever reads sees whole lines.
                file.seek(0)
                file.write("".join(f"{a} localhost\n" for a in ADDRESSES[first:] + ADDRESSES[:first]).encode())

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def quantile(ordered, share):
    return ordered[int((len(ordered) - 1) * share)]


def play(options, name):
    """All clients at the same time, with the same arrivals and seed."""
    runs = []
    try:
        for client in options.clients:
            runs.append(Run(options, client, name, options.seed))
        threads = [threading.Thread(target=run.play) for run in runs]
        with Turns():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        for run in runs:
            run.end()
    first = runs[0]
    best = scenes.optimum(first.text, first.calls, first.keys)
    ideal = {
        "calls": len(best),
        "success": sum(1 for t in best if t <= scenes.DEADLINE) / len(best),
        "p50": quantile(sorted(best), 0.50),
        "p99": quantile(sorted(best), 0.99),
        "recovery": recovery(first.text, first.calls, best, best),
    }
    rows = {}
    for run in runs:
        score = run.score(options.texts, best)
        rows[run.client] = {**score, **{f"{key}_ratio": score[key] / ideal[key] for key in ("success", "p50", "p99")}}
    return {"name": name, "optimum": ideal, "clients": rows}


def missed(scene):
    ours = scene["clients"].get("gateway")
    if not ours:
        return []
    bars = [("success", ours["success_ratio"] < BAR), ("corrupt", ours["corrupt"] > 0)]
    return [name for name, bad in bars if bad]


HEAD = (
    f"{'':11} {'success':>7} {'×':>5} {'p50 s':>7} {'×':>5} {'p99 s':>7} {'×':>5} {'attempts':>8} {'twice':>5} {'recovery':>8}"
    f" {'fair':>5} {'worst':>5} {'slowest':>7} {'corrupt':>7}"
)
FOOT = f"""
Each × is the ratio to an all-knowing client that sends each call once, at the first moment at which it can succeed, in the order
of arrival, and resumes a broken stream where it broke; it makes one attempt for each call. twice: answers beyond the first of a
call, its continuation among them. recovery: seconds from the end of the fault until the last call is over that is more than
{LATE:.0f} s later than there. fair: Jain's index over {scenes.CALLERS} callers, one of which makes {scenes.GREEDY:.0%} of the calls, of how fast each is served beside the
optimum; worst: the least success of a caller; slowest: how much longer its calls take than the median caller's. The gateway continues
broken streams (CLEARLINE_CONTINUE_STREAMS=1). Bars: success of the gateway {BAR} ×, no corrupt success."""


def show(scene):
    ideal = scene["optimum"]
    print(f"\n{scene['name']}: {ideal['calls']} calls; optimum {ideal['success']:.3f}, p50 {ideal['p50']:.2f} s, p99 {ideal['p99']:.2f} s")
    print(HEAD)
    for client, s in scene["clients"].items():
        back = "" if s["recovery"] is None else f"{s['recovery']:.1f}"
        errors = ", ".join(f"{count} {what}" for what, count in sorted(s["errors"].items(), key=lambda e: -e[1])[:1])
        print(
            f"{client:11} {s['success']:7.3f} {s['success_ratio']:5.3f} {s['p50']:7.2f} {s['p50_ratio']:5.2f} {s['p99']:7.2f}"
            f" {s['p99_ratio']:5.2f} {s['attempts']:8.2f} {s['twice']:5} {back:>8} {s['fairness']:5.3f} {s['worst_success']:5.2f}"
            f" {s['worst_wait']:7.2f} {s['corrupt']:7}  {errors}"
        )
    if missed(scene):
        print(f"MISSED by the gateway: {', '.join(missed(scene))}")
    sys.stdout.flush()


def check(value, schema, place="$"):
    """What is printed is what the schema says, as far as it is about types and names."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None)}
    wanted = schema.get("type", [])
    wanted = wanted if isinstance(wanted, list) else [wanted]
    assert not wanted or isinstance(value, tuple(kinds[k] for k in wanted)), f"{place} is no {wanted}"
    assert "const" not in schema or value == schema["const"], place
    assert "enum" not in schema or value in schema["enum"], place
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        gone = set(schema.get("required", [])) - set(value)
        assert not gone, f"{place} lacks {gone}"
        for name, inner in value.items():
            assert name in known or isinstance(others, dict), f"{place}.{name} is not in the schema"
            check(inner, known.get(name, others), f"{place}.{name}")
    if isinstance(value, list):
        for n, inner in enumerate(value):
            check(inner, schema.get("items", {}), f"{place}[{n}]")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("clearline")
    parser.add_argument("node_sdk")
    parser.add_argument("folder")
    parser.add_argument("schema")
    parser.add_argument("--json", action="store_true")
    # Read where the scenes are made.
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--client", action="append", choices=CLIENTS)
    parser.add_argument("scenes", nargs="*", metavar="SCENE")
    options = parser.parse_intermixed_args()
    unknown = [name for name in options.scenes if name not in scenes.SCENES]
    if unknown:
        raise SystemExit(f"there is no scene {unknown[0]}; there are {', '.join(scenes.SCENES)}")
    options.clients = options.client or [c for c in CLIENTS if c != "typescript" or os.path.exists(options.node_sdk)]
    if not options.client and "typescript" not in options.clients:
        print("SKIPPED the TypeScript SDK: cargo xtask setup installs it", file=sys.stderr)
    names = options.scenes or list(scenes.SCENES)
    longest = max((scenes.scene(name, options.seed)[1] for name in names), key=len)
    options.texts = meant(options, longest)
    played = []
    if not options.json:
        quarter = "a quarter of real ones: " if not options.real else "real: "
        print(
            f"Times are {quarter}a deadline of {scenes.DEADLINE:.0f} s, answers and faults"
            + (", and the gateway's limits; the clients' own waits are theirs." if not options.real else ".")
        )
    for name in names:
        played.append(play(options, name))
        if not options.json:
            show(played[-1])
    bad = {scene["name"]: missed(scene) for scene in played if missed(scene)}
    if options.json:
        said = {"schema": "clearline.bench-sockets/3", "seed": options.seed, "real": options.real, "missed": bad, "scenes": played}
        with open(options.schema) as file:
            check(said, json.load(file))
        print(json.dumps(said))
    else:
        print(FOOT)
    if bad and not options.json:
        print("missed: " + "; ".join(f"{name} ({', '.join(bars)})" for name, bars in bad.items()))
    sys.exit(1 if bad else 0)


main()
