"""Runs one command a hundred times at once: many.py SOCKET CMD [ARG…]"""

from __future__ import annotations

import asyncio
import sys
import time

import husk
from husk import aio


async def main() -> int:
    """Prints how long it took; 1 where a command has failed."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    client = await aio.connect(sys.argv[1])
    begun = time.monotonic()
    done = await asyncio.gather(*(client.run(sys.argv[2], sys.argv[3:]) for _ in range(100)))
    failed = sum(one.returncode != 0 for one in done)
    print(f"{len(done)} in {time.monotonic() - begun:.3f} s, {failed} of them failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except husk.Error as error:
        print(f"many.py: {error}", file=sys.stderr)
        sys.exit(error.code if isinstance(error, husk.Refused) else 125)
