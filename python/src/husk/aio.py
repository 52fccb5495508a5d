"""The client with ``await``: the same names and the same results as :mod:`husk`."""

from __future__ import annotations

import asyncio
import socket as sockets
import time
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, AsyncIterator, List, Optional, Sequence, Tuple, Type, Union

from . import requests
from .client import PAUSE, Path, completed
from .errors import ConnectFailed, ConnectionLost, Error, Refused, TimeoutExpired
from .events import Completed, Event, Exit, InputRefused, Listed, Pong, Process, Stderr, Stdout
from .requests import Address, Message, Options
from .session import Session

if TYPE_CHECKING:
    from typing_extensions import Unpack

Streams = Tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(
    socket: Optional[Path] = None,
    *,
    vsock: Optional[Tuple[int, int]] = None,
    firecracker: Optional[Tuple[Path, int]] = None,
    timeout: Optional[float] = 10.0,
    wait: float = 0.0,
    frames: bool = True,
) -> Client:
    """A client of a server that answers; it is waited for as long as ``wait`` seconds to come up."""
    client = Client(socket, vsock=vsock, firecracker=firecracker, timeout=timeout, frames=frames)
    until = time.monotonic() + wait
    while True:
        try:
            await client.ping()
            return client
        except (ConnectFailed, ConnectionLost):
            if time.monotonic() >= until:
                raise
            await asyncio.sleep(PAUSE)


async def _open(where: Address) -> Streams:
    kind, first, second = where
    if kind == "vsock":
        connection = sockets.socket(sockets.AF_VSOCK, sockets.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (first, second))
            return await asyncio.open_connection(sock=connection, limit=requests.MAX_LINE * 2)
        except BaseException:
            connection.close()
            raise
    reader, writer = await asyncio.open_unix_connection(str(first), limit=requests.MAX_LINE * 2)
    if kind == "firecracker":
        writer.write(f"CONNECT {second}\n".encode())
        greeting = await reader.readline()
        if not greeting.startswith(b"OK "):
            writer.close()
            said = greeting.decode(errors="replace").strip()
            raise ConnectionRefusedError(said or "nobody listens on this port of the guest")
    return reader, writer


async def open_streams(where: Address, timeout: Optional[float]) -> Streams:
    """A connection."""
    try:
        return await asyncio.wait_for(_open(where), timeout)
    except asyncio.TimeoutError as why:
        raise ConnectFailed(f"connect to {requests.describe(where)}: no answer within {timeout} s") from why
    except OSError as why:
        raise ConnectFailed(f"connect to {requests.describe(where)}: {why.strerror or why}") from why


class Exec:
    """An exec that is followed: iterate over it with ``async for``."""

    def __init__(
        self,
        where: Address,
        request: Message,
        timeout: Optional[float],
        *,
        frames: bool,
        reconnect: float,
        own_id: bool = False,
    ) -> None:
        self._where = where
        self._timeout = timeout
        self._frames = frames
        self._reconnect = reconnect
        self._own_id = own_id
        self._session = Session(request, frames=frames)
        self._streams: Optional[Streams] = None
        # Before Python 3.11 only one task may wait for room.
        self._sending = asyncio.Lock()

    async def _begin(self) -> Exec:
        self._streams = await self._greet(self._session)
        return self

    async def _greet(self, session: Session) -> Streams:
        """A connection on which the session has started."""
        reader, writer = await open_streams(self._where, self._timeout)

        async def answered() -> None:
            writer.write(session.outgoing())
            while not session.started:
                data = await reader.read(262_144)
                if not data:
                    raise ConnectionLost("exec: the server has closed the connection")
                session.feed(data)

        try:
            await asyncio.wait_for(answered(), self._timeout)
        except asyncio.TimeoutError as why:
            writer.close()
            raise TimeoutExpired("exec: no answer in time") from why
        except OSError as why:
            writer.close()
            if isinstance(why, Error):
                raise
            raise ConnectionLost(f"exec: {why.strerror or why}") from why
        except BaseException:
            writer.close()
            raise
        return reader, writer

    @property
    def id(self) -> str:
        """Its key: the caller's, or the server's."""
        return self._session.id

    @property
    def pid(self) -> int:
        """The pid of its process, as the server sees it."""
        return self._session.pid

    @property
    def exit(self) -> Optional[Exit]:
        """How it ended, once that is known."""
        return self._session.exit

    async def _send(self) -> None:
        out = self._session.outgoing()
        if out and self._streams is not None:
            self._streams[1].write(out)
            async with self._sending:
                if self._streams is not None:
                    await self._streams[1].drain()

    async def _flush(self) -> None:
        try:
            await self._send()
        except OSError as why:
            await self._lost(why)

    async def _exchange(self) -> None:
        if self._streams is None:
            raise ConnectionLost("exec: it was closed")
        try:
            await self._send()
            data = await self._streams[0].read(262_144)
        except OSError as why:
            await self._lost(why)
            return
        if not data:
            await self._lost(None)
            return
        self._session.feed(data)

    async def _lost(self, why: Optional[OSError]) -> None:
        before, after = self._session, time.monotonic() + self._reconnect
        reason = "the server has closed the connection" if why is None else str(why.strerror or why)
        if self._reconnect <= 0 or before.exit is not None:
            raise ConnectionLost(f"exec: {reason}") from why
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
        request = {"type": "attach", "id": before.id, "from_stdout": before.stdout, "from_stderr": before.stderr}
        while True:
            session = Session(request, frames=self._frames)
            session.stdout, session.stderr = before.stdout, before.stderr
            try:
                self._streams = await self._greet(session)
                self._session = session
                return
            except (ConnectFailed, ConnectionLost):
                if time.monotonic() >= after:
                    raise
                await asyncio.sleep(PAUSE)

    async def next_event(self) -> Optional[Event]:
        """The next event; None when it has ended and both its streams too."""
        while True:
            event = self._session.event()
            if event is not None:
                return event
            if self._session.is_over:
                await self._forget()
                return None
            await self._exchange()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = await self.next_event()
            if event is None:
                return
            yield event

    async def write_some(self, data: bytes) -> int:
        """Sends as much of this as there is room for to its standard input; how much that was."""
        taken = self._session.write(data)
        await self._flush()
        return taken

    async def write(self, data: bytes) -> None:
        """Sends all of this to its standard input; output that comes meanwhile is kept for later. Not while another
        task iterates over the events: that one would wait for the same bytes."""
        held: List[Event] = []
        view = data
        while view and self._session.exit is None:
            view = view[await self.write_some(view) :]
            if view:
                while True:
                    event = self._session.event()
                    if event is None:
                        break
                    held.append(event)
                await self._exchange()
        self._session.unfetch(held)

    async def close_stdin(self) -> None:
        """Ends its standard input."""
        self._session.ask({"type": "stdin_close"})
        await self._flush()

    async def resize(self, rows: int, cols: int) -> None:
        """Its terminal has another size."""
        self._session.ask({"type": "resize", "rows": rows, "cols": cols})
        await self._flush()

    async def kill(self, signal: Union[str, int] = "TERM", scope: str = "group") -> None:
        """Signals its process (leader), its group, or all that it has started (tree)."""
        request: Message = {"type": "kill", "id": self.id, "signal": signal, "scope": scope}
        await ask(self._where, self._timeout, request, "kill_result")

    async def wait(self) -> Exit:
        """Follows it to the end of its process and throws its output away; how it ended."""
        while self._session.exit is None:
            if await self.next_event() is None:
                break
        if self._session.exit is None:
            raise ConnectionLost("exec: it has no end")
        return self._session.exit

    async def output(self, input: Optional[bytes] = None) -> Tuple[bytes, bytes, Exit]:
        """Follows it to the end of its process, with this as its standard input, and collects what it wrote."""
        out, err = bytearray(), bytearray()
        view, closed = input or b"", input is None
        while True:
            if not closed:
                view = view[await self.write_some(view) :]
                if not view:
                    closed = True
                    await self.close_stdin()
            event = await self.next_event()
            if isinstance(event, Stdout):
                out += event.data
            elif isinstance(event, Stderr):
                err += event.data
            elif isinstance(event, InputRefused):
                closed = True
            elif isinstance(event, Exit):
                return bytes(out), bytes(err), event
            elif event is None:
                raise ConnectionLost("exec: it has no end")

    async def _forget(self) -> None:
        if self._own_id:
            self._own_id = False
            try:
                await ask(self._where, self._timeout, {"type": "ack", "id": self.id}, "ok")
            except Error:
                pass

    async def close(self) -> None:
        """Follows it no longer. It goes on, unless ``on_disconnect`` says otherwise."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
            if self._session.exit is not None:
                await self._forget()

    async def __aenter__(self) -> Exec:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()


async def ask(where: Address, timeout: Optional[float], request: Message, kind: str) -> Message:
    """One request on a connection of its own, and its answer."""
    reader, writer = await open_streams(where, timeout)
    try:
        writer.write(requests.line(request))
        text = await asyncio.wait_for(reader.readline(), timeout)
    except asyncio.TimeoutError as why:
        raise TimeoutExpired(f"{request['type']}: no answer in time") from why
    except OSError as why:
        raise ConnectionLost(f"{request['type']}: {why.strerror or why}") from why
    finally:
        writer.close()
    if not text.endswith(b"\n"):
        raise ConnectionLost(f"{request['type']}: the server has closed the connection")
    return requests.answer(request, requests.message(text), kind)


class Client:
    """A server. It has no connection of its own: each request and each exec makes one."""

    def __init__(
        self,
        socket: Optional[Path] = None,
        *,
        vsock: Optional[Tuple[int, int]] = None,
        firecracker: Optional[Tuple[Path, int]] = None,
        timeout: Optional[float] = 10.0,
        frames: bool = True,
    ) -> None:
        self._where = requests.address(socket, vsock, firecracker)
        self._timeout = timeout
        self._frames = frames

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        return None

    async def _ask(self, request: Message, kind: str = "ok") -> Message:
        return await ask(self._where, self._timeout, request, kind)

    async def ping(self) -> Pong:
        """Whether the server is there, and what it is."""
        return requests.pong(await self._ask({"type": "ping"}, "pong"))

    async def run(
        self,
        cmd: str,
        args: Sequence[str] = (),
        *,
        input: Optional[Union[str, bytes]] = None,
        check: bool = False,
        **options: Unpack[Options],
    ) -> Completed:
        """Runs a command to its end, in the manner of subprocess.run. A task that is cancelled leaves the
        command to ``on_disconnect``."""
        request = requests.exec_request(cmd, args, options)
        if input is not None:
            request["stdin"] = "open"
        data = input.encode() if isinstance(input, str) else input
        running = await Exec(self._where, request, self._timeout, frames=self._frames, reconnect=0)._begin()
        async with running:
            out, err, ended = await running.output(data)
        return completed([cmd, *args], out, err, ended, check=check, timeout=options.get("timeout"))

    async def exec(
        self,
        cmd: str,
        args: Sequence[str] = (),
        *,
        stdin: bool = False,
        pty: Optional[Tuple[int, int]] = None,
        term: Optional[str] = None,
        reconnect: float = 0.0,
        **options: Unpack[Options],
    ) -> Exec:
        """Starts a command and follows it; see :meth:`husk.Client.exec`."""
        request = requests.exec_request(cmd, args, options)
        own_id = reconnect > 0 and "id" not in request
        if own_id:
            request["id"] = f"husk-{uuid.uuid4()}"
        if stdin:
            request["stdin"] = "open"
        if pty is not None:
            request["pty"] = requests.without_none(rows=pty[0], cols=pty[1], term=term)
        running = Exec(
            self._where, request, self._timeout, frames=self._frames, reconnect=reconnect, own_id=own_id
        )
        return await running._begin()

    async def start(self, cmd: str, args: Sequence[str] = (), **options: Unpack[Options]) -> Tuple[str, int]:
        """Starts a command and does not follow it; its id and pid."""
        request = requests.exec_request(cmd, args, options)
        got = await self._ask({**request, "detach": True}, "started")
        return str(got["id"]), int(got["pid"])

    async def attach(
        self, id: str, *, stdout: Optional[int] = None, stderr: Optional[int] = None, reconnect: float = 10.0
    ) -> Exec:
        """Follows an exec from these offsets on, or from the oldest bytes that are kept."""
        request = requests.without_none(type="attach", id=id, from_stdout=stdout, from_stderr=stderr)
        return await Exec(
            self._where, request, self._timeout, frames=self._frames, reconnect=reconnect
        )._begin()

    async def pty(self, cmd: str = "sh", args: Sequence[str] = (), **options: Unpack[Options]) -> Exit:
        """Runs a command on the caller's own terminal, and restores that. Other tasks go on meanwhile; what they print
        goes to the same screen. Only in the main thread, whose signals tell of another size."""
        from .terminal import interact_async

        return await interact_async(self, cmd, args, options)

    async def kill(
        self, target: Union[str, int], signal: Union[str, int] = "TERM", scope: Optional[str] = None
    ) -> None:
        """Signals an exec by its id, or a process by its pid."""
        name = "pid" if isinstance(target, int) else "id"
        request = requests.without_none(type="kill", signal=signal, scope=scope)
        await self._ask({**request, name: target}, "kill_result")

    async def wait(self, id: str, timeout: Optional[float] = None) -> Exit:
        """Waits for an exec's end, also long after it; :class:`husk.TimeoutExpired` where it still runs then."""
        limit = requests.wait_limit(timeout, self._timeout)
        try:
            return Exit.read(await ask(self._where, limit, requests.wait_request(id, timeout), "exit"))
        except Refused as why:
            if requests.still_runs(why):
                raise TimeoutExpired(str(why)) from why
            raise

    async def ack(self, id: str) -> None:
        """The record of an exec that is over is not needed any more."""
        await self._ask({"type": "ack", "id": id})

    async def list(
        self, *, id: Optional[str] = None, tag: Optional[str] = None, state: Optional[str] = None
    ) -> List[Listed]:
        """The execs that run, and those that ended and are remembered."""
        chosen = requests.without_none(id=id, tag=tag, state=state)
        return requests.execs(await self._ask({"type": "list", "filter": chosen}, "execs"))

    async def list_processes(self) -> List[Process]:
        """All processes of the machine or container."""
        return requests.processes(await self._ask({"type": "list_processes"}, "processes"))

    async def stats(self) -> Message:
        """Figures of the server and its machine, as it tells them."""
        return await self._ask({"type": "stats"}, "stats")

    async def events(self) -> AsyncIterator[Message]:
        """What happens from now on: execs that start and end, and news of the machine."""
        reader, writer = await open_streams(self._where, self._timeout)
        request: Message = {"type": "events"}
        try:
            writer.write(requests.line(request))
            requests.answer(request, requests.message(await reader.readline()), "ok")
        except BaseException:
            writer.close()
            raise

        async def follow() -> AsyncIterator[Message]:
            try:
                async for text in reader:
                    yield requests.message(text)
            finally:
                writer.close()

        return follow()

    async def resize(self, id: str, rows: int, cols: int) -> None:
        """An exec's terminal has another size."""
        await self._ask({"type": "resize", "id": id, "rows": rows, "cols": cols})

    async def freeze(self, id: Optional[str] = None) -> None:
        """Stops an exec that has a cgroup of its own, or the main command, until it is thawed."""
        await self._ask(requests.without_none(type="freeze", id=id))

    async def thaw(self, id: Optional[str] = None) -> None:
        """Lets what was frozen go on."""
        await self._ask(requests.without_none(type="thaw", id=id))

    async def signal_main(self, signal: Union[str, int]) -> None:
        """Signals the main command."""
        await self._ask({"type": "signal_main", "signal": signal})

    async def shutdown(
        self, mode: str = "exit", *, grace: Optional[float] = None, code: Optional[int] = None
    ) -> None:
        """Ends everything: the container (exit), or the machine (poweroff, reboot)."""
        request = requests.without_none(type="shutdown", mode=mode, code=code)
        if grace is not None:
            request["grace_ms"] = requests.milliseconds(grace)
        try:
            await self._ask(request)
        except ConnectionLost:
            pass

    async def resume(
        self,
        *,
        unix_ns: Optional[int] = None,
        seed: Optional[bytes] = None,
        hostname: Optional[str] = None,
        machine_id: Optional[str] = None,
    ) -> None:
        """Tells a guest that was restored from a snapshot what has changed."""
        await self._ask(requests.resume_request(unix_ns, seed, hostname, machine_id))
