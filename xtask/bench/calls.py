"""Makes calls with one client library, each at its moment, and prints what its user would see, as one JSON object a line.

`calls.py CLIENT URL DEADLINE`: the calls come as lines of JSON on the standard input, then a line `go`. CLIENT is python,
python-10, gateway (the SDK that states its deadline) or requests.
"""

import json
import os
import sys
import threading
import time

import anthropic
import requests
import urllib3

MODEL, MOST = "claude-sonnet-5-5", 64


def asked(call):
    """The body of a request. The simulator tells whose it was."""
    messages = [{"role": "user", "content": call["prompt"]}]
    return {"model": MODEL, "max_tokens": MOST, "messages": messages, "metadata": {"user_id": call["prompt"]}}


def sdk(url, **options):
    client = anthropic.Anthropic(base_url=url, api_key="sk-ant-fake-caller", **options)

    def make(call):
        own = client.with_options(api_key=call["key"])
        ask = asked(call)
        if not call["stream"]:
            return own.messages.create(**ask).content[0].text
        with own.messages.stream(**ask) as stream:
            return stream.get_final_message().content[0].text

    return make


def plain(url):
    """As many write it: a few retries of urllib3, ten seconds, no stream."""
    codes = [408, 429, 500, 502, 503, 504]
    retry = urllib3.Retry(total=3, backoff_factor=1, status_forcelist=codes, allowed_methods=None)
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry, pool_maxsize=200))

    def make(call):
        headers = {"x-api-key": call["key"], "anthropic-version": "2023-06-01"}
        ask = asked(call)
        answer = session.post(f"{url}/v1/messages", headers=headers, json=ask, timeout=10)
        answer.raise_for_status()
        return answer.json()["content"][0]["text"]

    return make


def main():
    client, url, deadline = sys.argv[1], sys.argv[2], float(sys.argv[3])
    make = {
        "python": lambda: sdk(url),
        "python-10": lambda: sdk(url, max_retries=10),
        "gateway": lambda: sdk(url, timeout=deadline),
        "requests": lambda: plain(url),
    }[client]()
    print("ready", flush=True)
    lines = iter(sys.stdin.readline, "go\n")
    calls = [json.loads(line) for line in lines]
    said, begun, threads = threading.Lock(), time.monotonic(), []

    def one(call):
        began = time.monotonic()
        try:
            seen = {"ok": True, "text": make(call)}
        except Exception as error:  # Whatever a library raises is a call that failed.
            seen = {"ok": False, "error": f"{type(error).__name__}: {error}"[:200]}
        with said:
            print(json.dumps({"n": call["n"], "took": time.monotonic() - began, **seen}), flush=True)

    for call in calls:
        time.sleep(max(0, begun + call["at"] - time.monotonic()))
        threads.append(threading.Thread(target=one, args=[call], daemon=True))
        threads[-1].start()
    # Who is not back by then has missed its deadline, however long the library would go on.
    ends = time.monotonic() + deadline + 1
    for thread in threads:
        thread.join(max(0, ends - time.monotonic()))
    os._exit(0)


main()
