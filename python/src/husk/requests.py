"""Requests from arguments, and answers into types. Nothing here touches a socket."""

from __future__ import annotations

import base64
import json
import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, TypedDict, Union

from .errors import ProtocolError, Refused, refused
from .events import Exit, Listed, Pong, Process

Message = Dict[str, Any]
#: A unix socket, a (cid, port) of vsock(7), or a (path, port) of a Firecracker guest's device on its host.
Address = Tuple[str, Union[str, int, None], Optional[int]]

#: The longest line of a request.
MAX_LINE = 1 << 20


class Options(TypedDict, total=False):
    """How a command runs. Times are in seconds. What is not given is as the protocol has it."""

    id: str
    env: Mapping[str, str]
    clear_env: bool
    cwd: str
    argv0: str
    user: Union[str, int]
    groups: Sequence[int]
    ambient: Sequence[str]
    #: RLIMIT names in lower case to (soft, hard); None is unlimited.
    rlimits: Mapping[str, Tuple[Optional[int], Optional[int]]]
    no_new_privs: bool
    umask: int
    nice: int
    oom_score_adj: int
    memory: Union[str, int]
    cpus: Union[str, float]
    pids: int
    tag: str
    timeout: float
    kill_signal: Union[str, int]
    grace: float
    #: keep, kill or hup
    on_disconnect: str
    linger: float
    max_output: int
    #: stop_reading, truncate or kill
    on_limit: str
    replay_bytes: int


def milliseconds(seconds: float) -> int:
    """A time as the protocol counts it; above 0 it is not 0, which would mean without end."""
    return max(int(seconds * 1000), 1 if seconds > 0 else 0)


def _bound(value: Optional[int]) -> Union[int, str]:
    return "unlimited" if value is None else value


def exec_request(cmd: str, args: Iterable[str], options: Options) -> Message:
    """``exec`` with events."""
    given: Dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    known = Options.__annotations__
    for name in given:
        if name not in known:
            raise TypeError(f"exec has no option {name!r}")
    if isinstance(args, (str, bytes)):
        raise TypeError(f"args is a list of words, such as [{args!r}], and not {args!r} alone")
    request: Message = {"type": "exec", "cmd": os.fspath(cmd), "args": list(args), "events": True}
    request["timeout_ms"] = milliseconds(given.pop("timeout", 0))
    if given.pop("clear_env", False):
        request["env_mode"] = "replace"
    if "umask" in given:
        request["umask"] = format(given.pop("umask"), "o")
    for name in ("grace", "linger"):
        if name in given:
            request[name + "_ms"] = milliseconds(given.pop(name))
    limits = {name: str(given.pop(name)) for name in ("memory", "cpus", "pids") if name in given}
    if limits:
        request["limits"] = limits
    if "rlimits" in given:
        bounds = given.pop("rlimits").items()
        request["rlimits"] = {name: dict(zip(("soft", "hard"), map(_bound, pair))) for name, pair in bounds}
    for name in ("groups", "ambient"):
        if name in given:
            given[name] = list(given[name])
    if "env" in given:
        given["env"] = dict(given["env"])
    request.update(given)
    return request


def wait_request(id: str, timeout: Optional[float]) -> Message:
    """``wait``"""
    return without_none(type="wait", id=id, timeout_ms=None if timeout is None else milliseconds(timeout))


def wait_limit(timeout: Optional[float], answer: Optional[float]) -> Optional[float]:
    """How long the answer to a ``wait`` may take: its own time, and that of an answer."""
    return None if timeout is None or answer is None else timeout + answer


def still_runs(why: Refused) -> bool:
    """Whether a ``wait`` was refused because its time was over."""
    return str(why).startswith("wait: ") and str(why).endswith(" still runs")


def resume_request(
    unix_ns: Optional[int], seed: Optional[bytes], hostname: Optional[str], machine_id: Optional[str]
) -> Message:
    """``resume``"""
    request: Message = {"type": "resume"}
    if seed is not None:
        request["seed_b64"] = base64.b64encode(seed).decode()
    for name, value in (("unix_ns", unix_ns), ("hostname", hostname), ("machine_id", machine_id)):
        if value is not None:
            request[name] = value
    return request


def without_none(**members: Any) -> Message:
    """The members that are given."""
    return {name: value for name, value in members.items() if value is not None}


def line(request: Message) -> bytes:
    """A request as it goes out."""
    text = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if len(text) > MAX_LINE:
        raise ValueError(f"{request['type']}: the request is longer than the limit of {MAX_LINE} bytes")
    return text


def message(text: bytes) -> Message:
    """A message as it has come."""
    try:
        value = json.loads(text)
    except ValueError as why:
        raise ProtocolError(f"the server sent what is no JSON: {text[:200]!r}") from why
    if not isinstance(value, dict):
        raise ProtocolError(f"the server sent what is no object: {text[:200]!r}")
    return value


def answer(request: Message, got: Message, kind: str) -> Message:
    """The answer to a request, if it is of this type."""
    if got.get("type") == "error":
        raise refused(str(got.get("data", "")), int(got.get("code", 125)))
    if got.get("type") != kind:
        raise ProtocolError(f"{request['type']}: unexpected answer: {got}")
    if kind == "kill_result" and not got.get("success"):
        raise refused(str(got.get("error", "kill: it did not work")), 125)
    return got


def pong(got: Message) -> Pong:
    """``pong``"""
    return Pong(got["version"], got["uptime_secs"], got["pid"], list(got.get("features", [])))


def processes(got: Message) -> List[Process]:
    """``processes``"""
    return [
        Process(row["pid"], row["ppid"], row["command"], row["state"], row["memory_kb"], row.get("started_at", 0))
        for row in got["processes"]
    ]


def execs(got: Message) -> List[Listed]:
    """``execs``"""
    return [
        Listed(
            id=row["id"],
            pid=row["pid"],
            tag=row.get("tag", ""),
            cmd=row["cmd"],
            state=row["state"],
            started_at=row["started_at"],
            stdout=row["bytes"]["stdout"],
            stderr=row["bytes"]["stderr"],
            user=row["user"],
            exit=Exit.read(row["exit"]) if "exit" in row else None,
        )
        for row in got["execs"]
    ]


def address(
    socket: Optional[Union[str, "os.PathLike[str]"]],
    vsock: Optional[Tuple[int, int]],
    firecracker: Optional[Tuple[Union[str, "os.PathLike[str]"], int]],
) -> Address:
    """Where the server is, said in one of three ways."""
    if sum(given is not None for given in (socket, vsock, firecracker)) > 1:
        raise TypeError("socket, vsock and firecracker: one of them")
    if vsock is not None:
        return ("vsock", int(vsock[0]), int(vsock[1]))
    if firecracker is not None:
        return ("firecracker", os.fspath(firecracker[0]), int(firecracker[1]))
    return ("unix", os.fspath(socket) if socket is not None else "/run/minit.sock", None)


def describe(where: Address) -> str:
    """An address for messages."""
    kind, first, second = where
    return {"unix": f"{first}", "vsock": f"vsock:{first}:{second}", "firecracker": f"{first}:{second}"}[kind]
