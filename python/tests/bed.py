"""A server of one's own: the program that HUSK_TEST_SERVER names, called with the path of a socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from typing import List, Optional

SCRIPT = ["sh", "-c"]


class Ground(unittest.TestCase):
    """A test with a server, and a relay before it whose connections can be cut."""

    def setUp(self) -> None:
        program = os.environ.get("HUSK_TEST_SERVER")
        if not program:
            self.fail("HUSK_TEST_SERVER names no server; cargo test -p husk-client --test python sets it")
        self.directory = tempfile.mkdtemp(prefix="husk-python-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.socket = os.path.join(self.directory, "s")
        environment = {"PATH": "/usr/bin:/bin", "FROM_SERVER": "1"}
        self.server = subprocess.Popen([program, self.socket], env=environment, stdin=subprocess.DEVNULL)
        self.addCleanup(self.stop)
        until = time.monotonic() + 10
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(self.socket)
                return
            except OSError:
                self.assertLess(time.monotonic(), until, "the server does not listen")
                time.sleep(0.005)

    def stop(self) -> None:
        """Ends the server, and what it has started."""
        try:
            with open(f"/proc/{self.server.pid}/task/{self.server.pid}/children", encoding="ascii") as children:
                started = [int(pid) for pid in children.read().split()]
        except OSError:
            started = []
        self.server.kill()
        self.server.wait()
        for pid in started:
            try:
                os.killpg(pid, 9)
            except OSError:
                pass


class Relay:
    """A socket before the server's that passes everything on, until it is cut."""

    def __init__(self, directory: str, server: str) -> None:
        self.path = os.path.join(directory, "relay")
        self._server = server
        self._pairs: List[socket.socket] = []
        self.connections = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._thread: Optional[threading.Thread] = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            self._pairs += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        # The other thread closes the other end.
        source.close()

    def cut(self) -> None:
        """Ends all connections."""
        pairs, self._pairs = self._pairs, []
        for end in pairs:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        """Ends all of it."""
        self._listener.close()
        self.cut()
