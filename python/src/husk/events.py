"""What happens to an exec, and what the server tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Mapping, Optional, Union


@dataclass(frozen=True)
class Stdout:
    """It has written to standard output, or its terminal: exactly these bytes."""

    data: bytes
    #: Offset of the first byte in the stream.
    offset: int


@dataclass(frozen=True)
class Stderr:
    """It has written to standard error: exactly these bytes."""

    data: bytes
    #: Offset of the first byte in the stream.
    offset: int


@dataclass(frozen=True)
class Gap:
    """Bytes that were asked for and are not kept any more: from one offset to another."""

    stream: str
    start: int
    end: int


@dataclass(frozen=True)
class Eof:
    """A stream has ended, after so many bytes."""

    stream: str
    offset: int


@dataclass(frozen=True)
class Timeout:
    """Its time was up: it is being ended."""

    text: str
    elapsed: float


@dataclass(frozen=True)
class InputRefused:
    """It does not read what was written to it."""

    text: str


@dataclass(frozen=True)
class Exit:
    """Its process has ended. All that the process itself wrote came before."""

    #: 0 to 255; 128+n for signal n.
    code: int
    signal: Optional[int] = None
    #: Seconds from its start.
    elapsed: float = 0.0
    pid: int = 0
    timed_out: bool = False
    oom: bool = False
    truncated: bool = False
    killed_by: Optional[str] = None
    #: Processes of its tree that were alive then.
    left: int = 0
    #: utime_ms, stime_ms, maxrss_kb
    rusage: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Exit:
        """From the members of ``exit``."""
        return cls(
            code=int(message.get("code", 255)),
            signal=message.get("signal"),
            elapsed=message.get("elapsed_ms", 0) / 1000,
            pid=int(message.get("pid", 0)),
            timed_out=bool(message.get("timed_out")),
            oom=bool(message.get("oom")),
            truncated=bool(message.get("truncated")),
            killed_by=message.get("killed_by"),
            left=int(message.get("left", 0)),
            rusage=dict(message.get("rusage", {})),
        )


Event = Union[Stdout, Stderr, Gap, Eof, Timeout, InputRefused, Exit]


@dataclass(frozen=True)
class Completed:
    """What a command of ``run`` came to, as subprocess.CompletedProcess has it."""

    args: List[str]
    returncode: int
    stdout: bytes
    stderr: bytes
    exit: Exit

    @property
    def text(self) -> str:
        """Standard output as text; what is no UTF-8 is replaced."""
        return self.stdout.decode(errors="replace")


@dataclass(frozen=True)
class Pong:
    """The server, as it tells of itself."""

    version: str
    uptime: int
    pid: int
    features: List[str]


@dataclass(frozen=True)
class Process:
    """A process of the machine or container."""

    pid: int
    ppid: int
    command: str
    #: One letter of proc_pid_stat(5).
    state: str
    memory_kb: int
    #: Seconds since 1970.
    started_at: int


@dataclass(frozen=True)
class Listed:
    """An exec that runs, or has ended and is remembered."""

    id: str
    pid: int
    tag: str
    cmd: str
    #: running, exited, or orphaned: it runs, and its streams are lost.
    state: str
    started_at: int
    stdout: int
    stderr: int
    user: str
    exit: Optional[Exit]
