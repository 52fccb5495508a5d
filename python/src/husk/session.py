"""One exec on one connection, without the connection: bytes in, events and bytes out. The blocking and the
asynchronous client drive the same object."""

from __future__ import annotations

import base64
import struct
from collections import deque
from typing import Deque, List, Optional

from .errors import ProtocolError, refused
from .events import Eof, Event, Exit, Gap, InputRefused, Stderr, Stdout, Timeout
from .requests import Message, line, message

#: How many bytes of output the server sends before they are fetched, and how many of input are on their way.
WINDOW = 262_144
#: The most of a piece of input.
PIECE = 32_768
#: u32 length, u8 kind, u32 exec, u64 offset
HEADER = struct.Struct("<IBIQ")
JSON, STDIN, STDOUT, STDERR, CREDIT = range(5)


class Session:
    """What is known of an exec, and what is to be sent for it."""

    def __init__(self, request: Message, *, frames: bool) -> None:
        self._frames = frames
        self._framed = False
        self._buffer = bytearray()
        self._out: List[bytes] = []
        self._fetched = 0
        self._pieces: Deque[int] = deque()
        self._number = 0
        self._events: Deque[Event] = deque()
        self._eofs = 0
        self.id: str = str(request.get("id", ""))
        self.pid = 0
        #: Whether it runs or has run: an answer has come.
        self.started = False
        self.exit: Optional[Exit] = None
        #: Offsets of the bytes that come next.
        self.stdout = 0
        self.stderr = 0
        if frames:
            # Both at once: the server takes the lines and frames of one packet one after the other.
            self._out.append(line({"type": "hello", "frames": True}))
            self._put(JSON, line(request)[:-1])
        else:
            chunks = {"output": "chunks"} if "output" not in request else {}
            self._out.append(line({**request, **chunks}))

    # What goes out.

    def outgoing(self) -> bytes:
        """Bytes that are to be sent now."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _put(self, kind: int, data: bytes, offset: int = 0) -> None:
        self._out.append(HEADER.pack(len(data), kind, self._number if kind else 0, offset) + data)

    def ask(self, request: Message) -> None:
        """A request about it, whose answer is not waited for."""
        text = line({**request, "id": self.id})
        if self._frames:
            self._put(JSON, text[:-1])
        else:
            self._out.append(text)

    @property
    def room(self) -> int:
        """How many bytes of input may be written."""
        return max(WINDOW - sum(self._pieces), 0)

    def write(self, data: bytes) -> int:
        """Takes input, as much as there is room for; how much that was."""
        taken = data[: self.room]
        if self.exit is None:
            for start in range(0, len(taken), PIECE):
                piece = taken[start : start + PIECE]
                self._pieces.append(len(piece))
                if self._frames:
                    self._put(STDIN, piece)
                else:
                    encoded = base64.b64encode(piece).decode()
                    self.ask({"type": "stdin", "data_b64": encoded})
        return len(taken)

    # What comes in.

    def feed(self, data: bytes) -> None:
        """Takes bytes that have come."""
        self._buffer += data
        while True:
            if self._framed:
                if len(self._buffer) < HEADER.size:
                    return
                length, kind, number, offset = HEADER.unpack_from(self._buffer)
                end = HEADER.size + length
                if len(self._buffer) < end:
                    return
                content = bytes(self._buffer[HEADER.size : end])
                del self._buffer[:end]
                if kind == JSON:
                    self._take(message(content))
                elif kind in (STDOUT, STDERR):
                    self._output(kind == STDERR, content, offset)
                else:
                    raise ProtocolError(f"the server sent a frame of kind {kind}")
            else:
                end = self._buffer.find(b"\n")
                if end < 0:
                    return
                text = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                got = message(text)
                if self._frames and got.get("type") == "ok":
                    self._framed = True
                else:
                    self._take(got)

    def _output(self, is_stderr: bool, data: bytes, offset: int) -> None:
        if is_stderr:
            self.stderr = offset + len(data)
            self._events.append(Stderr(data, offset))
        else:
            self.stdout = offset + len(data)
            self._events.append(Stdout(data, offset))

    def _take(self, got: Message) -> None:
        kind = got.get("type")
        if kind == "started":
            self.started = True
            self.id, self.pid = str(got["id"]), int(got["pid"])
            if self._frames:
                self._number = int(got["exec"])
                self._put(CREDIT, b"", WINDOW)
        elif kind in ("stdout", "stderr"):
            data = base64.b64decode(got["data_b64"]) if "data_b64" in got else str(got["data"]).encode()
            self._output(kind == "stderr", data, int(got["off"]))
        elif kind == "gap":
            if got["stream"] == "stderr":
                self.stderr = int(got["to"])
            else:
                self.stdout = int(got["to"])
            self._events.append(Gap(got["stream"], got["from"], got["to"]))
        elif kind == "eof":
            self._eofs += 1
            self._events.append(Eof(got["stream"], got["off"]))
        elif kind == "timeout":
            self._events.append(Timeout(str(got["data"]), got["elapsed_ms"] / 1000))
        elif kind == "exit":
            self.exit = Exit.read(got)
            self._pieces.clear()
            self._events.append(self.exit)
        elif kind == "ok":
            if self._pieces:
                self._pieces.popleft()
        elif kind == "error":
            self._refuse(str(got.get("data", "")), int(got.get("code", 125)))

    def _refuse(self, text: str, code: int) -> None:
        if not self.started:
            raise refused(text, code)
        if self.exit is None and text.startswith("stdin: "):
            self._pieces.clear()
            self._events.append(InputRefused(text))

    def event(self) -> Optional[Event]:
        """The next event, if one has come."""
        if not self._events:
            return None
        event = self._events.popleft()
        if isinstance(event, (Stdout, Stderr)) and self._frames:
            self._fetched += len(event.data)
            if self._fetched >= WINDOW // 2:
                self._put(CREDIT, b"", self._fetched)
                self._fetched = 0
        return event

    def unfetch(self, events: List[Event]) -> None:
        """Puts events back, before those that have come since."""
        self._events.extendleft(reversed(events))

    @property
    def has_events(self) -> bool:
        """Whether events wait to be fetched."""
        return bool(self._events)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.exit is not None and self._eofs >= 2
