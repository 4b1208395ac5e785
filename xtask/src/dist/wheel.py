"""Makes a wheel of a binary: wheel.py BINARY NAME VERSION PLATFORM README OUT LICENCE..."""

import base64
import hashlib
import os
import sys
import time
import zipfile


def main():
    binary, name, version, platform, readme, out, *licences = sys.argv[1:]
    tag = f"py3-none-{platform}"
    info = f"{name}-{version}.dist-info"
    metadata = "\n".join([
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        "Summary: Finds out why calls to the Claude API fail, and makes the calls that can succeed succeed",
        "Home-page: https://github.com/clearline/clearline",
        "License: MIT OR Apache-2.0",
        *(f"License-File: {os.path.basename(path)}" for path in licences),
        "Requires-Python: >=3.8",
        "Description-Content-Type: text/markdown",
        "",
        "",
    ])
    wheel = f"Wheel-Version: 1.0\nGenerator: cargo-xtask-dist\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files = {
        f"{name}-{version}.data/scripts/{name}": (read(binary), 0o755),
        f"{info}/METADATA": (metadata.encode() + read(readme), 0o644),
        f"{info}/WHEEL": (wheel.encode(), 0o644),
    }
    for path in licences:
        files[f"{info}/licenses/{os.path.basename(path)}"] = (read(path), 0o644)
    record = "".join(f"{path},sha256={digest(data)},{len(data)}\n" for path, (data, _) in sorted(files.items()))
    files[f"{info}/RECORD"] = (f"{record}{info}/RECORD,,\n".encode(), 0o644)
    # The record comes last, as the format wants it.
    ordered = sorted(files, key=lambda path: (path.endswith("/RECORD"), path))
    date = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(os.path.join(out, f"{name}-{version}-{tag}.whl"), "w") as archive:
        for path in ordered:
            data, mode = files[path]
            entry = zipfile.ZipInfo(path, date)
            entry.create_system = 3
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


main()
