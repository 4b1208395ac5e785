"""The program of app.log: a call every two seconds through the gateway, with the official SDK, logged as programs log."""

import logging
import os
import sys
import time
import uuid

import anthropic

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", filename=sys.argv[1])
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpx2").setLevel(logging.WARNING)
log = logging.getLogger("orders")
client = anthropic.Anthropic(base_url=os.environ["ANTHROPIC_BASE_URL"], max_retries=0)


def answer(order):
    """One streamed call, under an id of this program's own."""
    own = f"order-{order}-{uuid.uuid4().hex[:6]}"
    log.info("order %d: asking, x-request-id %s", order, own)
    begun = time.monotonic()
    try:
        with client.messages.stream(
            model="claude-sonnet-5-5",
            max_tokens=64,
            messages=[{"role": "user", "content": f"Sum up order {order}."}],
            extra_headers={"x-request-id": own},
        ) as stream:
            text = "".join(stream.text_stream)
        log.info("order %d: %d characters after %.1f s, %s", order, len(text), time.monotonic() - begun, stream.response.headers["request-id"])
    except anthropic.APIError as error:
        log.error("order %d: %s: %s", order, type(error).__name__, error)


for number in range(int(sys.argv[2])):
    answer(4100 + number)
    time.sleep(2)
