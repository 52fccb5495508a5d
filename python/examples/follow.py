"""Follows an exec through lost connections, without a byte lost or doubled: follow.py SOCKET ID"""

from __future__ import annotations

import sys

import husk


def main() -> int:
    """The exit code of the exec."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with husk.Client(sys.argv[1]).attach(sys.argv[2], stdout=0, stderr=0, reconnect=60) as running:
        for event in running:
            if isinstance(event, husk.Stdout):
                sys.stdout.buffer.write(event.data)
                sys.stdout.flush()
            elif isinstance(event, husk.Gap):
                print(f"follow.py: {event.end - event.start} bytes came too long ago", file=sys.stderr)
        return running.wait().code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except husk.Error as error:
        print(f"follow.py: {error}", file=sys.stderr)
        sys.exit(error.code if isinstance(error, husk.Refused) else 125)
