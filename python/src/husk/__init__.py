"""Run, follow and end processes in a container, a microVM or behind a shim.

>>> import husk
>>> with husk.connect(socket="/run/minit.sock") as client:
...     done = client.run("ls", ["/etc"], check=True)

The same with ``await`` is in :mod:`husk.aio`. Only the standard library is needed.
"""

from .client import Client, Exec, connect
from .errors import (
    CommandFailed,
    ConnectFailed,
    ConnectionLost,
    Error,
    NotExecutable,
    NotFound,
    ProtocolError,
    Refused,
    TimeoutExpired,
)
from .events import Completed, Eof, Event, Exit, Gap, InputRefused, Listed, Pong, Process, Stderr, Stdout, Timeout
from .requests import Options

__version__ = "0.1.0"

__all__ = [
    "Client",
    "CommandFailed",
    "Completed",
    "ConnectFailed",
    "ConnectionLost",
    "Eof",
    "Error",
    "Event",
    "Exec",
    "Exit",
    "Gap",
    "InputRefused",
    "Listed",
    "NotExecutable",
    "NotFound",
    "Options",
    "Pong",
    "Process",
    "ProtocolError",
    "Refused",
    "Stderr",
    "Stdout",
    "Timeout",
    "TimeoutExpired",
    "__version__",
    "connect",
]
