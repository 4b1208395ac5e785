"""Real clients, each once through the gateway: the API sees what the client sent, and the client what the API answered.

`run.py CLEARLINE NODE_MODULES FOLDER [CLIENT…]`, in a network namespace with loopback alone. A relay on either side of the
gateway keeps what passes, so that what a client draws by chance (ids, times) is the same on both.
"""

import contextlib
import os
import subprocess
import sys

import curls
from relay import Relay

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIO = '[answer]\nfirst_byte = "5ms"\nchunk = "1ms"\n'
LIMIT = 120
BODY = '{"model": "claude-haiku-4-5", "max_tokens": 64, %s"messages": [{"role": "user", "content": "Hello there"}]}'
# Of an answer the gateway may set these itself.
OWN = {"date", "content-length"}


def curl(url, how, spoken=("--http1.1",)):
    stream = '"stream": true, ' if how == "stream" else ""
    headers = ["x-api-key: sk-ant-fake-client", "anthropic-version: 2023-06-01", "Content-Type: application/json", "X-Odd:  kept  as it is"]
    flags = [word for header in headers for word in ("-H", header)]
    return ["curl", "-sS", *spoken, "--fail", "--noproxy", "*", *flags, "-d", BODY % stream, f"{url}/v1/messages?beta=true"]


def commands(modules):
    small = os.path.join(HERE, "small.py")
    bin = os.path.dirname(sys.executable)
    claude = os.path.join(modules, ".bin", "claude")
    python = lambda name: lambda url, how: [sys.executable, small, name, url, how]
    return {
        "curl": curl,
        "litellm": python("litellm"),
        "langchain": python("langchain"),
        "pydantic-ai": python("pydantic-ai"),
        "llm": lambda url, how: [os.path.join(bin, "llm"), "-m", "claude-opus-4.6", "-o", "max_tokens", "64", *(["--no-stream"] if how != "stream" else []), "Hello there"],
        "vercel-ai": lambda url, how: ["node", os.path.join(HERE, "vercel.mjs"), modules, url, how],
        "claude-code": lambda url, how: [
            claude, "-p", "Hello there", "--model", "claude-haiku-4-5",
            *(["--output-format", "stream-json", "--verbose"] if how == "stream" else []),
        ],
    }  # fmt: skip


def start(command, folder):
    env = {"PATH": os.environ["PATH"], "HOME": folder, "CLEARLINE_FENCE": "loopback"}
    child = subprocess.Popen(command, env=env, cwd=folder, text=True, stdout=subprocess.PIPE)
    url = child.stdout.readline().strip().removeprefix("listening on ")
    if not url.startswith(("http://", "https://")):
        raise SystemExit(f"{command[:2]} does not listen: {url}")
    return child, url


def environment(url, folder):
    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "sk-ant-fake-client",
        # There is no network to ask for these.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def differences(sent, seen):
    """What the two sides of the gateway saw differently."""
    if len(sent) != len(seen):
        return [f"{len(sent)} exchanges before the gateway, {len(seen)} behind it"]
    order = lambda pair: (pair[0]["line"], pair[0]["body"], sorted(pair[0]["headers"]))
    found = []
    for (asked, answer), (asked_behind, answer_behind) in zip(sorted(sent, key=order), sorted(seen, key=order), strict=True):
        for part in ("line", "headers", "body"):
            if asked[part] != asked_behind[part]:
                found.append(f"request {part}: {asked[part]!r:.400} became {asked_behind[part]!r:.400}")
        if answer["line"].split()[1] != answer_behind["line"].split()[1]:
            found.append(f"status: {answer_behind['line']} became {answer['line']}")
        if answer["body"] != answer_behind["body"]:
            found.append(f"answer: {answer_behind['body']!r:.400} became {answer['body']!r:.400}")
        names = lambda a: [h for h in a["headers"] if h[0] not in OWN]
        if missing := [h for h in names(answer_behind) if h not in answer["headers"]]:
            found.append(f"headers of the answer are gone: {missing}")
    return found


def home(folder, name, how):
    """The folder of one run."""
    own = os.path.join(folder, f"{name}-{how}")
    os.makedirs(own, exist_ok=True)
    return own


@contextlib.contextmanager
def served(clearline, own, *listens):
    """A simulated API with a gateway in front of it, for a while: the API, the relay between them, and where the gateway listens."""
    scenario = os.path.join(own, "scenario.toml")
    with open(scenario, "w") as file:
        file.write(SCENARIO)
    children = []
    try:
        sim, api = start([clearline, "sim", scenario], own)
        children.append(sim)
        behind = Relay(api)
        flags = ["--listen", "127.0.0.1:0", "--upstream", behind.url, "--log", "gateway.jsonl", *listens]
        gateway, url = start([clearline, "gateway", *flags], own)
        children.append(gateway)
        yield api, behind, url
    finally:
        for child in reversed(children):
            child.terminate()
            child.wait()


def run(options, name, command, how):
    clearline, folder = options
    own = home(folder, name, how)
    with served(clearline, own) as (_, behind, url):
        before = Relay(url)
        try:
            called = subprocess.run(
                command(before.url, how), env=environment(before.url, own), cwd=own, text=True, capture_output=True, timeout=LIMIT,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            return [f"did not end within {LIMIT} s: {late.stdout!r:.300} {late.stderr!r:.300}"], ""
    wrong = [] if called.returncode == 0 else [f"exit {called.returncode}: {called.stdout[-300:]} {called.stderr[-600:]}"]
    if len(called.stdout.split()) < 10:
        wrong.append(f"said only {called.stdout!r:.300}")
    sent, seen = before.taken(), behind.taken()
    if not any(asked["line"].startswith("POST /v1/messages") for asked, _ in seen):
        wrong.append("never asked for a message")
    asked = ", ".join(sorted({" ".join(asked["line"].split()[:2]) for asked, _ in sent}))
    return wrong + differences(sent, seen), f"{len(sent)} exchanges: {asked}"


def run_curl(options, name, how):
    """curl over HTTP/2, beside the same without the gateway."""
    clearline, folder = options
    own = home(folder, name, how)
    listens, trusts = curls.listener(name, own)
    with served(clearline, own, *listens) as (api, behind, url):
        straight = Relay(api)
        wrong, *_ = curls.told(curl(straight.url, how), own)
        more, *seen = curls.told(curl(url, how, (*curls.HOW[name], *trusts)), own)
    if wrong or more:
        return wrong + more, ""
    (asked, _), *_ = behind.taken()
    what = " ".join(asked["line"].split()[:2])
    return curls.differences(straight.taken(), behind.taken(), seen, OWN), f"1 exchange over HTTP/{seen[-1]}: {what}"


def main():
    clearline, modules, folder, *wanted = sys.argv[1:]
    known, failed = {**commands(modules), **curls.HOW}, []
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"there is no client {unknown[0]}; there are {', '.join(known)}")
    for name in wanted or known:
        for how in ("message", "stream"):
            if name in curls.HOW:
                wrong, what = run_curl((clearline, folder), name, how)
            else:
                wrong, what = run((clearline, folder), name, known[name], how)
            print(f"{'✗' if wrong else '✓'} {name} ({how}): {what}", flush=True)
            for line in wrong:
                print(f"    {line}", flush=True)
            failed += [name] if wrong else []
    sys.exit(1 if failed else 0)


main()
