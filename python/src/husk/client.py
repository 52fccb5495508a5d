"""The blocking client. Each exec has a connection of its own, so that threads may use one client together."""

from __future__ import annotations

import os
import select
import socket as sockets
import time
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Iterator, List, Optional, Sequence, Tuple, Type, Union

from . import requests
from .errors import CommandFailed, ConnectFailed, ConnectionLost, Error, Refused, TimeoutExpired
from .events import Completed, Event, Exit, InputRefused, Listed, Pong, Process, Stderr, Stdout
from .requests import Address, Message, Options
from .session import Session

if TYPE_CHECKING:
    from typing_extensions import Unpack

Path = Union[str, "os.PathLike[str]"]
#: Between two attempts to reach a server again, in seconds.
PAUSE = 0.05


def connect(
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
            client.ping()
            return client
        except (ConnectFailed, ConnectionLost):
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE)


def open_socket(where: Address, timeout: Optional[float]) -> sockets.socket:
    """A connected socket."""
    kind, first, second = where
    family = sockets.AF_VSOCK if kind == "vsock" else sockets.AF_UNIX
    connection = None
    try:
        connection = sockets.socket(family, sockets.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.connect((first, second) if kind == "vsock" else str(first))
        if kind == "firecracker":
            _greet_device(connection, second)
        return connection
    except OSError as why:
        if connection is not None:
            connection.close()
        raise ConnectFailed(f"connect to {requests.describe(where)}: {why.strerror or why}") from why


def _greet_device(connection: sockets.socket, port: Optional[int]) -> None:
    """Asks a Firecracker device for a port of its guest."""
    connection.sendall(f"CONNECT {port}\n".encode())
    greeting = b""
    # One byte at a time: what follows the line is the server's.
    while not greeting.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionRefusedError("nobody listens on this port of the guest")
        greeting += byte
    if not greeting.startswith(b"OK "):
        raise ConnectionRefusedError(greeting.decode(errors="replace").strip())


class Exec:
    """An exec that is followed: iterate over it for its events. Close it, or use it in a ``with`` statement."""

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
        self._socket: Optional[sockets.socket] = open_socket(where, timeout)
        try:
            while not self._session.started:
                self._exchange()
        except BaseException:
            self.close()
            raise

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

    def _send(self) -> None:
        out = self._session.outgoing()
        if out and self._socket is not None:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(out)

    def _flush(self) -> None:
        """Sends what is to be sent."""
        try:
            self._send()
        except OSError as why:
            self._lost(why)

    def _exchange(self) -> None:
        """Sends what is to be sent, and takes what comes, waiting for it."""
        if self._socket is None:
            raise ConnectionLost("exec: it was closed")
        try:
            self._send()
            # Answers have a time, events have none.
            self._socket.settimeout(None if self._session.started else self._timeout)
            data = self._socket.recv(262_144)
        except sockets.timeout as why:
            raise TimeoutExpired("exec: no answer in time") from why
        except OSError as why:
            self._lost(why)
            return
        if not data:
            self._lost(None)
            return
        self._session.feed(data)

    def _lost(self, why: Optional[OSError]) -> None:
        """The connection is gone: another one goes on where it was, as long as that is allowed."""
        before, after = self._session, time.monotonic() + self._reconnect
        reason = "the server has closed the connection" if why is None else str(why.strerror or why)
        if not before.started or self._reconnect <= 0 or before.exit is not None:
            raise ConnectionLost(f"exec: {reason}") from why
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        while True:
            try:
                self._resume(before)
                return
            except (ConnectFailed, ConnectionLost):
                if time.monotonic() >= after:
                    raise
                time.sleep(PAUSE)

    def _resume(self, before: Session) -> None:
        request = {"type": "attach", "id": before.id, "from_stdout": before.stdout, "from_stderr": before.stderr}
        after = Session(request, frames=self._frames)
        after.stdout, after.stderr = before.stdout, before.stderr
        connection = open_socket(self._where, self._timeout)
        try:
            connection.sendall(after.outgoing())
            while not after.started:
                data = connection.recv(262_144)
                if not data:
                    raise ConnectionLost("attach: the server has closed the connection")
                after.feed(data)
        except OSError as why:
            connection.close()
            if isinstance(why, Error):
                raise
            raise ConnectionLost(f"attach: {why.strerror or why}") from why
        except BaseException:
            connection.close()
            raise
        self._socket, self._session = connection, after

    def next_event(self) -> Optional[Event]:
        """The next event, waited for; None when it has ended and both its streams too."""
        while True:
            event = self._session.event()
            if event is not None:
                return event
            if self._session.is_over:
                self._forget()
                return None
            self._exchange()

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self.next_event()
            if event is None:
                return
            yield event

    def fileno(self) -> int:
        """The socket, for select; :meth:`fetched` then gives what has come."""
        return -1 if self._socket is None else self._socket.fileno()

    def fetched(self) -> Iterator[Event]:
        """The events that can be had without waiting."""
        self._flush()
        while not self._session.is_over and select.select([self], [], [], 0)[0]:
            self._exchange()
            if self._session.has_events:
                break
        while True:
            event = self._session.event()
            if event is None:
                break
            yield event
        self._flush()

    def write_some(self, data: bytes) -> int:
        """Sends as much of this as there is room for to its standard input; how much that was."""
        taken = self._session.write(data)
        self._flush()
        return taken

    def write(self, data: bytes) -> None:
        """Sends all of this to its standard input, and waits until it has taken it up to some kilobytes.
        Output that comes meanwhile is kept for later, so that a command which must be read before it reads is no
        deadlock; between :meth:`write_some` and events memory stays flat."""
        held: List[Event] = []
        view = data
        while view and self._session.exit is None:
            view = view[self.write_some(view) :]
            if view:
                while True:
                    event = self._session.event()
                    if event is None:
                        break
                    held.append(event)
                self._exchange()
        self._session.unfetch(held)

    def close_stdin(self) -> None:
        """Ends its standard input."""
        self._session.ask({"type": "stdin_close"})
        self._flush()

    def resize(self, rows: int, cols: int) -> None:
        """Its terminal has another size."""
        self._session.ask({"type": "resize", "rows": rows, "cols": cols})
        self._flush()

    def kill(self, signal: Union[str, int] = "TERM", scope: str = "group") -> None:
        """Signals its process (leader), its group, or all that it has started (tree)."""
        ask(self._where, self._timeout, {"type": "kill", "id": self.id, "signal": signal, "scope": scope}, "kill_result")

    def wait(self) -> Exit:
        """Follows it to the end of its process and throws its output away; how it ended."""
        while self._session.exit is None:
            if self.next_event() is None:
                break
        if self._session.exit is None:
            raise ConnectionLost("exec: it has no end")
        return self._session.exit

    def output(self, input: Optional[bytes] = None) -> Tuple[bytes, bytes, Exit]:
        """Follows it to the end of its process, with this as its standard input, and collects what it wrote."""
        out, err = bytearray(), bytearray()
        view, closed = input or b"", input is None
        while True:
            if not closed:
                view = view[self.write_some(view) :]
                if not view:
                    closed = True
                    self.close_stdin()
            event = self.next_event()
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

    def _forget(self) -> None:
        """The key was ours alone: so is the record."""
        if self._own_id:
            self._own_id = False
            try:
                ask(self._where, self._timeout, {"type": "ack", "id": self.id}, "ok")
            except Error:
                pass

    def close(self) -> None:
        """Follows it no longer. It goes on, unless ``on_disconnect`` says otherwise."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            if self._session.exit is not None:
                self._forget()

    def __enter__(self) -> Exec:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def ask(where: Address, timeout: Optional[float], request: Message, kind: str) -> Message:
    """One request on a connection of its own, and its answer."""
    with open_socket(where, timeout) as connection, connection.makefile("rb") as lines:
        try:
            connection.sendall(requests.line(request))
        except OSError:
            # A server that does not want us has said why, and closed.
            pass
        try:
            text = lines.readline()
        except sockets.timeout as why:
            raise TimeoutExpired(f"{request['type']}: no answer in time") from why
        except OSError as why:
            raise ConnectionLost(f"{request['type']}: {why.strerror or why}") from why
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

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        return None

    def _ask(self, request: Message, kind: str = "ok") -> Message:
        return ask(self._where, self._timeout, request, kind)

    def ping(self) -> Pong:
        """Whether the server is there, and what it is."""
        return requests.pong(self._ask({"type": "ping"}, "pong"))

    def run(
        self,
        cmd: str,
        args: Sequence[str] = (),
        *,
        input: Optional[Union[str, bytes]] = None,
        check: bool = False,
        **options: Unpack[Options],
    ) -> Completed:
        """Runs a command to its end, in the manner of subprocess.run."""
        request = requests.exec_request(cmd, args, options)
        if input is not None:
            request["stdin"] = "open"
        data = input.encode() if isinstance(input, str) else input
        with Exec(self._where, request, self._timeout, frames=self._frames, reconnect=0) as running:
            out, err, ended = running.output(data)
        return completed([cmd, *args], out, err, ended, check=check, timeout=options.get("timeout"))

    def exec(
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
        """Starts a command and follows it. With ``reconnect`` a lost connection is made again, for so many seconds,
        and goes on at the byte where it was; the exec has a key for it then."""
        request = requests.exec_request(cmd, args, options)
        own_id = reconnect > 0 and "id" not in request
        if own_id:
            request["id"] = f"husk-{uuid.uuid4()}"
        if stdin:
            request["stdin"] = "open"
        if pty is not None:
            request["pty"] = requests.without_none(rows=pty[0], cols=pty[1], term=term)
        return Exec(
            self._where, request, self._timeout, frames=self._frames, reconnect=reconnect, own_id=own_id
        )

    def start(self, cmd: str, args: Sequence[str] = (), **options: Unpack[Options]) -> Tuple[str, int]:
        """Starts a command and does not follow it; its id and pid."""
        request = requests.exec_request(cmd, args, options)
        got = self._ask({**request, "detach": True}, "started")
        return str(got["id"]), int(got["pid"])

    def attach(
        self, id: str, *, stdout: Optional[int] = None, stderr: Optional[int] = None, reconnect: float = 10.0
    ) -> Exec:
        """Follows an exec from these offsets on, or from the oldest bytes that are kept."""
        request = requests.without_none(type="attach", id=id, from_stdout=stdout, from_stderr=stderr)
        return Exec(self._where, request, self._timeout, frames=self._frames, reconnect=reconnect)

    def pty(self, cmd: str = "sh", args: Sequence[str] = (), **options: Unpack[Options]) -> Exit:
        """Runs a command on the caller's own terminal, and restores that."""
        from .terminal import interact

        return interact(self, cmd, args, options)

    def kill(
        self, target: Union[str, int], signal: Union[str, int] = "TERM", scope: Optional[str] = None
    ) -> None:
        """Signals an exec by its id, or a process by its pid."""
        name = "pid" if isinstance(target, int) else "id"
        request = requests.without_none(type="kill", signal=signal, scope=scope)
        self._ask({**request, name: target}, "kill_result")

    def wait(self, id: str, timeout: Optional[float] = None) -> Exit:
        """Waits for an exec's end, also long after it; :class:`TimeoutExpired` where it still runs then."""
        limit = requests.wait_limit(timeout, self._timeout)
        try:
            return Exit.read(ask(self._where, limit, requests.wait_request(id, timeout), "exit"))
        except Refused as why:
            if requests.still_runs(why):
                raise TimeoutExpired(str(why)) from why
            raise

    def ack(self, id: str) -> None:
        """The record of an exec that is over is not needed any more."""
        self._ask({"type": "ack", "id": id})

    def list(self, *, id: Optional[str] = None, tag: Optional[str] = None, state: Optional[str] = None) -> List[Listed]:
        """The execs that run, and those that ended and are remembered."""
        chosen = requests.without_none(id=id, tag=tag, state=state)
        return requests.execs(self._ask({"type": "list", "filter": chosen}, "execs"))

    def list_processes(self) -> List[Process]:
        """All processes of the machine or container."""
        return requests.processes(self._ask({"type": "list_processes"}, "processes"))

    def stats(self) -> Message:
        """Figures of the server and its machine, as it tells them."""
        return self._ask({"type": "stats"}, "stats")

    def events(self) -> Iterator[Message]:
        """What happens from now on: execs that start and end, and news of the machine."""
        connection = open_socket(self._where, self._timeout)
        request: Message = {"type": "events"}
        try:
            connection.sendall(requests.line(request))
            lines = connection.makefile("rb")
            requests.answer(request, requests.message(lines.readline()), "ok")
            connection.settimeout(None)
        except OSError as why:
            connection.close()
            raise ConnectionLost(f"events: {why.strerror or why}") from why
        except BaseException:
            connection.close()
            raise

        def follow() -> Iterator[Message]:
            with connection, lines:
                for text in lines:
                    yield requests.message(text)

        return follow()

    def resize(self, id: str, rows: int, cols: int) -> None:
        """An exec's terminal has another size."""
        self._ask({"type": "resize", "id": id, "rows": rows, "cols": cols})

    def freeze(self, id: Optional[str] = None) -> None:
        """Stops an exec that has a cgroup of its own, or the main command, until it is thawed."""
        self._ask(requests.without_none(type="freeze", id=id))

    def thaw(self, id: Optional[str] = None) -> None:
        """Lets what was frozen go on."""
        self._ask(requests.without_none(type="thaw", id=id))

    def signal_main(self, signal: Union[str, int]) -> None:
        """Signals the main command."""
        self._ask({"type": "signal_main", "signal": signal})

    def shutdown(self, mode: str = "exit", *, grace: Optional[float] = None, code: Optional[int] = None) -> None:
        """Ends everything: the container (exit), or the machine (poweroff, reboot)."""
        request = requests.without_none(type="shutdown", mode=mode, code=code)
        if grace is not None:
            request["grace_ms"] = requests.milliseconds(grace)
        try:
            self._ask(request)
        except ConnectionLost:
            # It was quicker than its answer.
            pass

    def resume(
        self,
        *,
        unix_ns: Optional[int] = None,
        seed: Optional[bytes] = None,
        hostname: Optional[str] = None,
        machine_id: Optional[str] = None,
    ) -> None:
        """Tells a guest that was restored from a snapshot what has changed."""
        self._ask(requests.resume_request(unix_ns, seed, hostname, machine_id))


def completed(
    args: Sequence[str], out: bytes, err: bytes, ended: Exit, *, check: bool, timeout: Optional[float]
) -> Completed:
    """What ``run`` returns, or raises."""
    if ended.timed_out:
        raise TimeoutExpired(f"{args[0]}: ended after its timeout of {timeout} s", out, err)
    if check and ended.code != 0:
        raise CommandFailed(args, ended.code, out, err)
    return Completed(list(args), ended.code, out, err, ended)
