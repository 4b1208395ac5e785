"""Clients side by side over real sockets, each before a simulator of its own: `cargo xtask bench resilience --sockets`.

`sockets.py CLEARLINE NODE_SDK FOLDER [--json] [--seed N] [--client NAME] [SCENE…]`, in a network namespace with loopback alone.
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
# What is long against the quarter of real time that the scenes have is a quarter as long here.
GATEWAY = {"CLEARLINE_TIMEOUT_IDLE": "15s", "CLEARLINE_TIMEOUT_FIRST_BYTE_STREAM": "30s"}


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
            env = {**GATEWAY, "CLEARLINE_CONTINUE_STREAMS": "1"}
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

    def score(self, texts):
        good = [s for s in self.seen.values() if s["ok"] and s["took"] <= scenes.DEADLINE and s["text"] == texts[s["n"]]]
        corrupt = [s for s in self.seen.values() if s["ok"] and s["text"] != texts[s["n"]]]
        took = {s["n"]: s["took"] for s in good}
        all_took = sorted(took.get(call["n"], scenes.DEADLINE) for call in self.calls)
        attempts = {e["request"] for e in self.events if e["kind"] in ("request", "fault") and e["request"]}
        at_the_door = [e for e in self.events if e["kind"] == "fault" and not e["request"]]
        answered = {e["request"] for e in self.events if e["kind"] == "answered" and e["status"] == 200}
        # Who paid can be told where each call has a key of its own.
        whose = {}
        for e in self.events:
            if e["kind"] == "request" and e["request"] in answered:
                whose[e["key"]] = whose.get(e["key"], 0) + 1
        own = len({call["key"] for call in self.calls}) == len(self.calls)
        errors = {}
        for s in self.seen.values():
            if not s["ok"]:
                errors[s["error"][:60]] = errors.get(s["error"][:60], 0) + 1
        return {
            "calls": len(self.calls),
            "success": len(good) / len(self.calls),
            "p50": quantile(all_took, 0.50),
            "p99": quantile(all_took, 0.99),
            "attempts": (len(attempts) + len(at_the_door)) / max(1, len(good)),
            "twice": sum(1 for n in whose.values() if n > 1) if own else max(0, len(answered) - len(self.seen)),
            "corrupt": len(corrupt),
            "errors": errors,
        }


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
    texts = {n: options.texts[n] for n in (call["n"] for call in runs[0].calls)}
    best = sorted(scenes.optimum(runs[0].text, runs[0].calls, runs[0].keys))
    ideal = {
        "success": sum(1 for t in best if t <= scenes.DEADLINE) / len(best),
        "p50": quantile(best, 0.50),
        "p99": quantile(best, 0.99),
    }
    rows = {}
    for run in runs:
        score = run.score(texts)
        times = {f"{key}_ratio": score[key] / ideal[key] for key in ("success", "p50", "p99")}
        rows[run.client] = {**score, **times}
    return {"name": name, "optimum": ideal, "clients": rows}


def missed(scene):
    ours = scene["clients"].get("gateway")
    if not ours:
        return []
    bars = [("success", ours["success_ratio"] < BAR), ("corrupt", ours["corrupt"] > 0)]
    return [name for name, bad in bars if bad]


def show(scene):
    ideal = scene["optimum"]
    print(f"{scene['name']}: optimum {ideal['success']:.3f}, p50 {ideal['p50']:.2f} s, p99 {ideal['p99']:.2f} s")
    for client, s in scene["clients"].items():
        errors = ", ".join(f"{count} {what}" for what, count in sorted(s["errors"].items(), key=lambda e: -e[1])[:1])
        print(
            f"  {client:11} success {s['success']:.3f} ({s['success_ratio']:.3f} ×)  p50 {s['p50']:5.2f} s ({s['p50_ratio']:.2f} ×)"
            f"  p99 {s['p99']:5.2f} s ({s['p99_ratio']:5.2f} ×)  attempts {s['attempts']:5.2f}  twice {s['twice']:3}  corrupt {s['corrupt']:2}"
            f"  {errors}"
        )
    if missed(scene):
        print(f"  MISSED by the gateway: {', '.join(missed(scene))}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("clearline")
    parser.add_argument("node_sdk")
    parser.add_argument("folder")
    parser.add_argument("--json", action="store_true")
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
        print(
            f"Times are a quarter of real ones: a deadline of {scenes.DEADLINE:.0f} s, streams of {scenes.STREAMED:.1f} s, and the gateway's"
            " limits; the clients' own waits are theirs."
        )
    for name in names:
        played.append(play(options, name))
        if not options.json:
            show(played[-1])
    bad = {scene["name"]: missed(scene) for scene in played if missed(scene)}
    if options.json:
        print(json.dumps({"schema": "clearline.bench-sockets/1", "seed": options.seed, "missed": bad, "scenes": played}))
    elif bad:
        print("missed: " + "; ".join(f"{name} ({', '.join(bars)})" for name, bars in bad.items()))
    sys.exit(1 if bad else 0)


main()
