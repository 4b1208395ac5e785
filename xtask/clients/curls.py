"""curl over HTTP/2: in clear, where it knows beforehand that the gateway speaks it, and over TLS, where ALPN chooses it.

What it sends cannot be read on the way. It sends the same every time, so the API must see what it sees of curl without the gateway.
"""

import os
import subprocess

HOW = {"curl-http2": ["--http2-prior-knowledge"], "curl-http2-tls": ["--http2"]}


def certificate(folder):
    """A certificate for this machine's own address, and its key."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make = ["openssl", "req", "-x509", "-days", "2", *kind, *subject, "-keyout", key, "-out", cert]
    subprocess.run(make, check=True, capture_output=True)
    return cert, key


def listener(name, folder):
    """What the gateway is told besides, and curl."""
    if name != "curl-http2-tls":
        return [], []
    cert, key = certificate(folder)
    return ["--tls-cert", cert, "--tls-key", key], ["--cacert", cert]


def told(command, folder):
    """Runs curl: what it says went wrong, the body, the headers and the version that was spoken."""
    heads = os.path.join(folder, "heads.txt")
    more = ["-D", heads, "-w", "%{stderr}spoken:%{http_version}"]
    done = subprocess.run([*command, *more], env={"PATH": os.environ["PATH"]}, capture_output=True, timeout=60)
    said, _, version = done.stderr.decode().rpartition("spoken:")
    with open(heads, newline="") as file:
        lines = [line.split(":", 1) for line in file.read().split("\r\n")[1:] if ":" in line]
    headers = [(name.lower(), value.strip()) for name, value in lines]
    wrong = [f"exit {done.returncode}: {said}"] if done.returncode else []
    return wrong, done.stdout, headers, version


def differences(direct, behind, seen, own):
    """What the API saw and curl was told, beside what they see of each other without the gateway."""
    body, headers, version = seen
    if len(behind) != 1:
        return [f"{len(behind)} exchanges behind the gateway"]
    (asked, answer), (expected, _) = behind[0], direct[0]
    found = [] if version == "2" else [f"HTTP/{version} was spoken"]
    order = lambda request, part: sorted(request[part]) if part == "headers" else request[part]
    for part in ("line", "headers", "body"):
        if order(asked, part) != order(expected, part):
            found.append(f"request {part}: {expected[part]!r:.400} became {asked[part]!r:.400}")
    if answer["body"] != body:
        found.append(f"answer: {answer['body']!r:.400} became {body!r:.400}")
    if missing := [h for h in answer["headers"] if h[0] not in own and h not in headers]:
        found.append(f"headers of the answer are gone: {missing}")
    return found
