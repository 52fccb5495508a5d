"""The caller's own terminal, lent to a command."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any, Sequence

from .events import Exit, Stdout
from .requests import Options

if TYPE_CHECKING:
    from .client import Client


def interact(client: Client, cmd: str, args: Sequence[str], options: Options) -> Exit:
    """Runs a command on a terminal of the size of the caller's. Keys go to it, resizing is passed on, and the
    caller's terminal is restored on every way out."""
    keys, screen = sys.stdin.fileno(), sys.stdout.fileno()
    size = os.get_terminal_size(screen)
    before = termios.tcgetattr(keys)
    waking, woken = os.pipe()
    os.set_blocking(woken, False)

    def resized(_number: int, _frame: Any) -> None:
        os.write(woken, b"w")

    former = signal.signal(signal.SIGWINCH, resized)
    try:
        with client.exec(
            cmd, args, stdin=True, pty=(size.lines, size.columns), term=os.environ.get("TERM"), **options
        ) as running:
            tty.setraw(keys)
            sources = [keys, waking]
            while True:
                for event in running.fetched():
                    if isinstance(event, Stdout):
                        written = 0
                        while written < len(event.data):
                            written += os.write(screen, event.data[written:])
                    elif isinstance(event, Exit):
                        return event
                ready = select.select([*sources, running], [], [])[0]
                if waking in ready:
                    os.read(waking, 64)
                    size = os.get_terminal_size(screen)
                    running.resize(size.lines, size.columns)
                if keys in ready:
                    typed = os.read(keys, 4096)
                    if typed:
                        running.write_some(typed)
                    else:
                        sources.remove(keys)
                        running.close_stdin()
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, former)
        os.close(waking)
        os.close(woken)
