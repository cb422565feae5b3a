"""Entry point: answers `--version` before anything slow is imported."""

import sys

from orchestrator import __version__


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"orch {__version__}\n")
        return
    from orchestrator.cli import execute

    sys.exit(execute())


if __name__ == "__main__":
    main()
