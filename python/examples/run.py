"""Runs a command on a server and passes its output on: run.py SOCKET CMD [ARG…]"""

from __future__ import annotations

import sys

import husk


def main() -> int:
    """The exit code of the command."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with husk.connect(sys.argv[1]).exec(sys.argv[2], sys.argv[3:]) as running:
        for event in running:
            if isinstance(event, husk.Stdout):
                sys.stdout.buffer.write(event.data)
            elif isinstance(event, husk.Stderr):
                sys.stderr.buffer.write(event.data)
            elif isinstance(event, husk.Exit):
                return event.code
    return 125


if __name__ == "__main__":
    try:
        sys.exit(main())
    except husk.Error as error:
        print(f"run.py: {error}", file=sys.stderr)
        sys.exit(error.code if isinstance(error, husk.Refused) else 125)
