"""The reference client: one call with the official Python SDK. Prints one JSON object."""
import json
import sys
import time

import anthropic

with open(sys.argv[1].removeprefix("@")) as file:
    body = json.load(file)
headers = dict(h.split(": ", 1) for h in sys.argv[2:])
begun = time.monotonic()


def told(ok, text):
    took = int((time.monotonic() - begun) * 1000)
    print(json.dumps({"ok": ok, "text": text[:600], "took_ms": took}))


def chain(error):
    while error:
        yield f"{type(error).__module__}.{type(error).__name__}: {error}"
        error = error.__cause__ or error.__context__


try:
    client = anthropic.Anthropic(max_retries=0, timeout=12.0)
    answer = client.messages.create(**body, extra_headers=headers)
    if body.get("stream"):
        events = [event.type for event in answer]
        told(events[-1:] == ["message_stop"], f"stream of {len(events)} events, last {events[-1:]}")
    else:
        # The SDK takes any 200 for a message; a message has content.
        told(bool(getattr(answer, "content", None)), f"message {getattr(answer, 'id', answer)!s:.100}")
except Exception as error:
    told(False, " <- ".join(chain(error)))
