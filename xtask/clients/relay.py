"""A relay that passes bytes on and keeps them: what a client sent, and what it was answered."""

import socket
import threading

HOP = {
    "host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


class Relay:
    def __init__(self, target):
        self.target, self.exchanges, self.lock = target, [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            host, port = self.target.removeprefix("http://").split(":")
            server = socket.create_connection((host, int(port)))
            kept = (bytearray(), bytearray())
            with self.lock:
                self.exchanges.append(kept)
            for source, sink, keep in ((client, server, kept[0]), (server, client, kept[1])):
                threading.Thread(target=self.pass_on, args=[source, sink, keep], daemon=True).start()

    def pass_on(self, source, sink, keep):
        try:
            while data := source.recv(65536):
                keep += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def taken(self):
        """Every exchange so far, in no order: connections are reused as each side likes."""
        with self.lock:
            kept = list(self.exchanges)
        pairs = []
        for asked, answered in kept:
            requests = messages(bytes(asked), [])
            pairs += zip(requests, messages(bytes(answered), [r["line"].split()[0] for r in requests]), strict=False)
        return pairs


def messages(data, methods):
    """The messages of one direction of a connection; `methods` are those of the requests that are answered here."""
    found = []
    while data:
        head, gap, data = data.partition(b"\r\n\r\n")
        if not gap:
            break
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, value in (each.split(":", 1) for each in lines)]
        if line.startswith("HTTP/") and line.split()[1] == "100":
            continue
        known = dict(headers)
        bodyless = line.startswith("HTTP/") and len(found) < len(methods) and methods[len(found)] == "HEAD"
        if known.get("transfer-encoding", "").lower() == "chunked" and not bodyless:
            body, data = chunks(data)
        else:
            length = 0 if bodyless else int(known.get("content-length", 0))
            body, data = data[:length], data[length:]
        kept = [(name, value) for name, value in headers if name not in HOP]
        found.append({"line": line, "headers": kept, "body": body})
    return found


def chunks(data):
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        body, data = body + data[:length], data[length + 2 :]
        if length == 0:
            break
    return body, data
