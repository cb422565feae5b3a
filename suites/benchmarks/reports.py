"""What the harness writes: values made plain, what is installed, and JSON that is there whole or not at all."""
from __future__ import absolute_import, division, print_function

import io
import json
import os
import re
import sys

PACKAGES_AT_MOST = 200  # in a record; the image's lock names them all


def plain(value):
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def described(facts):
    """Return what a script says of itself as the record has it: cuda, cudnn, and the rest as flags."""
    flags = dict((name, plain(value)) for name, value in facts.items())
    versions = dict((name, flags.pop(name, None)) for name in ("cuda", "cudnn"))
    return dict(((name, version and str(version)) for name, version in versions.items()), flags=flags)


def as_text(text):
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def installed_packages():
    """Return {name: version} of what lies on sys.path, read off the folders' names: alike on every Python."""
    found = {}
    for folder in filter(os.path.isdir, sys.path):
        for entry in os.listdir(folder):
            match = re.match(r"(.+?)-(\d[^-]*)(?:-py[\d.]+)?\.(?:dist|egg)-info$", entry)
            if match:
                found.setdefault(match.group(1)[:60], match.group(2)[:60])
    return dict(sorted(found.items())[:PACKAGES_AT_MOST])


def write_json(path, content):
    with io.open(path + ".part", "wb") as stream:
        stream.write(json.dumps(content, sort_keys=True, allow_nan=False).encode("utf-8"))
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(path + ".part", path)
