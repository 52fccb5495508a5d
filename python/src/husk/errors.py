"""What can go wrong, as exceptions. Each is one line: what, on what, why."""

from __future__ import annotations

from typing import Sequence


class Error(Exception):
    """Everything that this package raises of itself."""


class ConnectFailed(Error, ConnectionError):
    """Nobody serves there."""


class ConnectionLost(Error, ConnectionError):
    """The connection ended before there was an answer."""


class ProtocolError(Error):
    """The server said something that the protocol does not have."""


class Refused(Error):
    """The server said no, in its own words."""

    def __init__(self, text: str, code: int = 125) -> None:
        super().__init__(text)
        #: 127 where a command was not found, 126 where it is not executable, else 125.
        self.code = code


class NotFound(Refused):
    """The command was not found."""


class NotExecutable(Refused):
    """The command cannot be executed."""


class CommandFailed(Error):
    """A command of ``run(check=True)`` ended with another code than 0."""

    def __init__(self, args: Sequence[str], returncode: int, stdout: bytes, stderr: bytes) -> None:
        last = stderr.strip().splitlines()[-1:]
        said = ": " + last[0].decode(errors="replace") if last else ""
        super().__init__(f"{args[0]}: ended with code {returncode}{said}")
        self.command = list(args)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class TimeoutExpired(Error, TimeoutError):
    """A command of ``run(timeout=…)`` was ended by its deadline, or something was not there in time."""

    def __init__(self, text: str, stdout: bytes = b"", stderr: bytes = b"") -> None:
        super().__init__(text)
        self.stdout = stdout
        self.stderr = stderr


def refused(text: str, code: int) -> Refused:
    """The exception for an ``error`` of the server."""
    kinds = {127: NotFound, 126: NotExecutable}
    return kinds.get(code, Refused)(text, code)
