"""Makes one call with a real client library and prints what its user would see, as one JSON object a line.

Usage: sdk.py BASE_URL KEY CASE…   where CASE is CLIENT:KIND[:MODEL]; CLIENT is anthropic or requests, KIND is message,
stream, count, models, empty (no messages), or large (max_tokens as text).
"""

import json
import sys

PROMPT = "Hello there"
MODEL = "claude-sonnet-4-5"


def body(model, stream):
    return {
        "model": model,
        "max_tokens": 32,
        "stream": stream,
        "messages": [{"role": "user", "content": PROMPT}],
    }


def with_anthropic(base_url, key, kind, model):
    import anthropic

    client = anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0, timeout=20.0)
    ask = {"model": model, "max_tokens": 32, "messages": [{"role": "user", "content": PROMPT}]}
    try:
        if kind == "message":
            text = client.messages.create(**ask).content[0].text
        elif kind == "stream":
            with client.messages.stream(**ask) as stream:
                text = "".join(stream.text_stream)
                assert stream.get_final_message().stop_reason == "end_turn"
        elif kind == "count":
            text = str(client.messages.count_tokens(model=model, messages=ask["messages"]).input_tokens)
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


def with_requests(base_url, key, kind, model):
    import requests

    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    answer = requests.post(
        f"{base_url}/v1/messages", headers=headers, json=body(model, kind == "stream"), stream=kind == "stream", timeout=20
    )
    if answer.status_code != 200:
        return {"ok": False, "status": answer.status_code, "message": answer.text}
    if kind == "message":
        return {"ok": True, "text": answer.json()["content"][0]["text"]}
    text, complete = "", False
    for line in answer.iter_lines(decode_unicode=False):
        if line.startswith(b"data: "):
            event = json.loads(line[6:])
            text += event.get("delta", {}).get("text", "")
            complete = complete or event["type"] == "message_stop"
    return {"ok": complete, "text": text}


def main():
    base_url, key = sys.argv[1], sys.argv[2]
    for case in sys.argv[3:]:
        client, kind, model = (case.split(":") + [MODEL])[:3]
        call = with_anthropic if client == "anthropic" else with_requests
        print(json.dumps({"case": case, **call(base_url, key, kind, model)}), flush=True)


main()
