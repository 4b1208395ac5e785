"""Makes calls with real client libraries and prints what their user would see, as one JSON object a line.

The calls come as lines of JSON on the standard input: {"url", "case"}, where a case is CLIENT:KIND[:MODEL]. CLIENT is
anthropic or requests, KIND is message, stream, count, models or empty (no messages).
"""

import json
import sys

import anthropic
import requests

KEY = "sk-ant-fake-caller"
MODEL = "claude-sonnet-5-5"
MESSAGES = [{"role": "user", "content": "Hello there"}]


def with_anthropic(base_url, kind, model):
    client = anthropic.Anthropic(base_url=base_url, api_key=KEY, max_retries=0, timeout=20.0)
    ask = {"model": model, "max_tokens": 32, "messages": MESSAGES}
    try:
        if kind == "message":
            text = client.messages.create(**ask).content[0].text
        elif kind == "stream":
            with client.messages.stream(**ask) as stream:
                text = "".join(stream.text_stream)
                assert stream.get_final_message().stop_reason == "end_turn"
        elif kind == "count":
            text = str(client.messages.count_tokens(model=model, messages=MESSAGES).input_tokens)
        elif kind == "models":
            text = ",".join(m.id for m in client.models.list(limit=3).data)
        elif kind == "empty":
            text = client.messages.create(model=model, max_tokens=32, messages=[]).content[0].text
        else:
            raise SystemExit(f"unknown kind {kind}")
        return {"ok": True, "text": text}
    except anthropic.APIError as error:
        return {
            "ok": False,
            "class": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "request_id": getattr(error, "request_id", None),
            "message": str(error),
        }


def with_requests(base_url, kind, model):
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    ask = {"model": model, "max_tokens": 32, "stream": kind == "stream", "messages": MESSAGES}
    answer = requests.post(f"{base_url}/v1/messages", headers=headers, json=ask, stream=ask["stream"], timeout=20)
    if answer.status_code != 200:
        return {"ok": False, "status": answer.status_code, "message": answer.text}
    if kind == "message":
        return {"ok": True, "text": answer.json()["content"][0]["text"]}
    text, complete = "", False
    for line in answer.iter_lines():
        if line.startswith(b"data: "):
            event = json.loads(line[6:])
            text += event.get("delta", {}).get("text", "")
            complete = complete or event["type"] == "message_stop"
    return {"ok": complete, "text": text}


def main():
    for line in sys.stdin:
        call = json.loads(line)
        client, kind, model = (call["case"].split(":") + [MODEL])[:3]
        make = with_anthropic if client == "anthropic" else with_requests
        try:
            seen = make(call["url"], kind, model)
        except Exception as error:  # What the library does not wrap is a result as well.
            seen = {"ok": False, "class": type(error).__name__, "message": str(error)}
        print(json.dumps({**call, **seen}), flush=True)


main()
