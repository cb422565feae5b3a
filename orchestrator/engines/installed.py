"""What is really installed in a virtual environment."""

import hashlib
from pathlib import Path


def installed_digest(venv: Path, base: str) -> str:
    """Hash what is really installed: the lists of files with their hashes that an installation leaves."""
    content = hashlib.sha256(base.encode())
    for record in sorted(venv.glob("lib/python*/site-packages/*.dist-info/RECORD")):
        lines = sorted(record.read_text(encoding="utf-8").splitlines())
        installed = [line for line in lines if not line.startswith("..") and ".dist-info/" not in line]
        content.update("\n".join(installed).encode())
    return f"sha256:{content.hexdigest()}"
