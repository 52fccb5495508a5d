"""The caller's own terminal, lent to a command."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Iterator, List, Sequence, Tuple, Union

from .events import Event, Exit, Stdout
from .requests import Options

if TYPE_CHECKING:
    from . import aio
    from .client import Client, Exec

#: Of a terminal that does not know its own size, as one of a serial line: what every program can cope with.
USUAL = (24, 80)
#: The most that is typed at once.
KEYS = 4096


def size(screen: int) -> Tuple[int, int]:
    """Rows and columns of a terminal."""
    told = os.get_terminal_size(screen)
    return told.lines or USUAL[0], told.columns or USUAL[1]


@contextmanager
def lent(keys: int) -> Iterator[None]:
    """A terminal that is restored on every way out."""
    before = termios.tcgetattr(keys)
    try:
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def show(screen: int, data: bytes) -> None:
    """Writes all of it."""
    written = 0
    while written < len(data):
        written += os.write(screen, data[written:])


@contextmanager
def resizes() -> Iterator[int]:
    """A descriptor that becomes readable when the terminal has another size."""
    waking, woken = os.pipe()
    os.set_blocking(woken, False)

    def resized(_number: int, _frame: Any) -> None:
        try:
            os.write(woken, b"w")
        except BlockingIOError:
            # It is readable.
            pass

    former = signal.signal(signal.SIGWINCH, resized)
    try:
        yield waking
    finally:
        signal.signal(signal.SIGWINCH, former)
        os.close(waking)
        os.close(woken)


def interact(client: Client, cmd: str, args: Sequence[str], options: Options) -> Exit:
    """Runs a command on a terminal of the size of the caller's. Keys go to it, resizing is passed on, and the
    caller's terminal is restored on every way out."""
    keys, screen = sys.stdin.fileno(), sys.stdout.fileno()
    term = os.environ.get("TERM")
    with lent(keys), resizes() as waking, client.exec(
        cmd, args, stdin=True, pty=size(screen), term=term, **options
    ) as running:
        tty.setraw(keys)
        typed, closed = b"", False
        while True:
            for event in running.fetched():
                if isinstance(event, Stdout):
                    show(screen, event.data)
                elif isinstance(event, Exit):
                    return event
            # Of more than the command takes the terminal keeps the rest.
            typed = typed[running.write_some(typed) :] if typed else typed
            sources: List[Union[int, Exec]] = [waking, running]
            if not typed and not closed:
                sources.append(keys)
            ready = select.select(sources, [], [])[0]
            if waking in ready:
                os.read(waking, 64)
                running.resize(*size(screen))
            if keys in ready:
                typed = os.read(keys, KEYS)
                if not typed:
                    closed = True
                    running.close_stdin()


async def interact_async(client: aio.Client, cmd: str, args: Sequence[str], options: Options) -> Exit:
    """The same, while other tasks go on."""
    keys, screen = sys.stdin.fileno(), sys.stdout.fileno()
    loop = asyncio.get_running_loop()
    term = os.environ.get("TERM")
    with lent(keys), resizes() as waking:
        running = await client.exec(cmd, args, stdin=True, pty=size(screen), term=term, **options)
        async with running:
            tty.setraw(keys)
            passing = asyncio.ensure_future(_pass_on(running, keys, screen, waking, loop))
            try:
                while True:
                    event = await running.next_event()
                    if passing.done():
                        passing.result()
                    if _has_ended(event, screen):
                        return await running.wait()
            finally:
                passing.cancel()
                await asyncio.gather(passing, return_exceptions=True)


def _has_ended(event: Union[Event, None], screen: int) -> bool:
    if isinstance(event, Stdout):
        show(screen, event.data)
    return event is None or isinstance(event, Exit)


async def _pass_on(running: aio.Exec, keys: int, screen: int, waking: int, loop: asyncio.AbstractEventLoop) -> None:
    """Passes keys and sizes on, until it is cancelled."""
    ready = asyncio.Event()
    watched = {waking, keys}
    for descriptor in watched:
        loop.add_reader(descriptor, ready.set)
    try:
        while True:
            await ready.wait()
            ready.clear()
            now = select.select(watched, [], [], 0)[0]
            if waking in now:
                os.read(waking, 64)
                await running.resize(*size(screen))
            if keys in now:
                typed = os.read(keys, KEYS)
                if not typed:
                    watched.discard(keys)
                    loop.remove_reader(keys)
                    await running.close_stdin()
                typed = typed[await running.write_some(typed) :]
                if typed:
                    # Of more than the command takes the terminal keeps the rest; it would be reported all the time.
                    loop.remove_reader(keys)
                    while typed and running.exit is None:
                        await asyncio.sleep(0.01)
                        typed = typed[await running.write_some(typed) :]
                    loop.add_reader(keys, ready.set)
    finally:
        for descriptor in watched:
            loop.remove_reader(descriptor)
