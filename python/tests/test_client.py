"""The blocking client, against a real server."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import random
import select
import socket
import struct
import sys
import termios
import threading
import time
import unittest
from typing import List, Tuple

import husk
from bed import SCRIPT, Ground, Relay
from husk import requests


class Requests(Ground):
    """One thing asked, one answered."""

    def setUp(self) -> None:
        super().setUp()
        self.client = husk.connect(self.socket)

    def script(self, text: str, **options: object) -> husk.Completed:
        return self.client.run(SCRIPT[0], [SCRIPT[1], text], **options)  # type: ignore[arg-type]

    def test_ping_tells_version_pid_and_features(self) -> None:
        pong = self.client.ping()
        self.assertTrue(pong.version and pong.pid > 1, pong)
        self.assertIn("frames", pong.features)

    def test_run_collects_output_and_exit_code(self) -> None:
        done = self.script("echo out; printf err >&2; exit 7")
        self.assertEqual((done.stdout, done.stderr, done.returncode), (b"out\n", b"err", 7))
        self.assertEqual(self.script("kill -9 $$").exit.signal, 9)

    def test_input_of_any_size_comes_back_from_cat(self) -> None:
        data = random.Random(1).randbytes(3_000_000)
        self.assertEqual(self.client.run("cat", input=data).stdout, data)
        self.assertEqual(self.client.run("cat", input="text").text, "text")
        self.assertEqual(self.client.run("cat", input=b"").stdout, b"")
        self.assertEqual(self.client.run("true", input=data).returncode, 0)

    def test_every_option_reaches_the_command(self) -> None:
        done = self.script(
            "pwd; umask; id -u; id -G; ulimit -n; echo $A $FROM_SERVER; cat /proc/self/oom_score_adj",
            cwd="/usr",
            umask=0o27,
            user="65534:65534",
            groups=[7, 8],
            rlimits={"nofile": (99, 100), "core": (0, None)},
            env={"A": "a \u00e4", "PATH": "/usr/bin:/bin"},
            clear_env=True,
            argv0="other",
            ambient=["kill"],
            no_new_privs=True,
            nice=1,
            oom_score_adj=500,
            tag="t",
            id="fields",
            kill_signal="INT",
            grace=0.1,
            linger=0.01,
            on_disconnect="kill",
            max_output=100_000,
            on_limit="truncate",
            replay_bytes=1000,
            timeout=20,
        )
        self.assertEqual(done.text, "/usr\n0027\n65534\n65534 7 8\n99\na \u00e4\n500\n")
        with self.assertRaisesRegex(husk.Refused, "limits"):
            self.script("true", memory="32m", cpus=0.5, pids=10)
        with self.assertRaisesRegex(TypeError, "no option 'colour'"):
            self.script("true", colour="red")

    def test_words_that_are_one_string_are_refused(self) -> None:
        for args in ("abc", b"abc", ""):
            with self.assertRaisesRegex(TypeError, "args is a list of words"):
                self.client.run("echo", args)  # type: ignore[arg-type]
            with self.assertRaisesRegex(TypeError, "args is a list of words"):
                self.client.start("echo", args)  # type: ignore[arg-type]

    def test_lines_of_json_do_the_same_as_frames(self) -> None:
        client = husk.connect(self.socket, frames=False)
        data = random.Random(2).randbytes(300_000)
        self.assertEqual(client.run("cat", input=data).stdout, data)

    def test_failures_are_exceptions_that_say_why(self) -> None:
        with self.assertRaisesRegex(husk.NotFound, "no-such-program"):
            self.client.run("no-such-program")
        with self.assertRaises(husk.NotExecutable):
            self.client.run("/etc/passwd")
        with self.assertRaisesRegex(husk.CommandFailed, "^sh: ended with code 3: oops$") as failed:
            self.script("echo before; echo oops >&2; exit 3", check=True)
        self.assertEqual(failed.exception.stdout, b"before\n")
        with self.assertRaisesRegex(husk.TimeoutExpired, "0.1 s") as late:
            self.script("echo begun; sleep 60 & wait", timeout=0.1)
        self.assertEqual(late.exception.stdout, b"begun\n")
        with self.assertRaisesRegex(husk.ConnectFailed, "connect to /nowhere/s: No such file or directory"):
            husk.Client("/nowhere/s").ping()
        with self.assertRaisesRegex(husk.ConnectFailed, "vsock:4000000:7"):
            husk.Client(vsock=(4_000_000, 7), timeout=2).ping()
        with self.assertRaisesRegex(ValueError, "1048576"):
            self.client.run("true", ["x" * (1 << 20)])
        with self.assertRaises(TypeError):
            husk.Client("/s", vsock=(3, 4))

    def test_a_server_that_does_not_answer_is_given_up_in_time(self) -> None:
        path = os.path.join(self.directory, "mute")
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(path)
            mute.listen(8)
            client = husk.Client(path, timeout=0.1)
            with self.assertRaises(husk.TimeoutExpired):
                client.ping()
            with self.assertRaises(husk.TimeoutExpired):
                client.run("true")

    def test_a_server_may_be_waited_for(self) -> None:
        path = os.path.join(self.directory, "later")
        link = threading.Timer(0.2, os.symlink, (self.socket, path))
        link.start()
        self.assertGreater(husk.connect(path, wait=10).ping().pid, 1)
        link.join()

    def test_firecracker_is_asked_for_the_port_first(self) -> None:
        path = os.path.join(self.directory, "v.sock")
        asked: List[bytes] = []

        def device() -> None:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen(8)
                ready.set()
                guest, _ = listener.accept()
                asked.append(guest.recv(100))
                guest.sendall(b'OK 1073741824\n{"type":"pong","version":"x","uptime_secs":1,"pid":1}\n')
                guest.recv(100)
                guest.close()
                listener.accept()[0].close()

        ready = threading.Event()
        thread = threading.Thread(target=device)
        thread.start()
        ready.wait(10)
        client = husk.Client(firecracker=(path, 1024))
        self.assertEqual(client.ping().version, "x")
        with self.assertRaisesRegex(husk.ConnectFailed, "v.sock:1024: "):
            client.ping()
        thread.join()
        self.assertEqual(asked, [b"CONNECT 1024\n"])

    def test_execs_are_listed_waited_for_attached_to_and_acknowledged(self) -> None:
        id, pid = self.client.start("sh", ["-c", "echo kept; read x; exit 5"], id="key", tag="mine")
        self.assertEqual(id, "key")
        self.assertEqual(self.client.wait("key", 10).code, 5)
        listed = self.client.list(tag="mine")
        self.assertEqual([(row.pid, row.state, row.stdout) for row in listed], [(pid, "exited", 5)])
        with self.client.attach("key", stdout=2) as seen:
            self.assertIn(husk.Stdout(b"pt\n", 2), list(seen))
        self.client.ack("key")
        self.assertEqual(self.client.list(), [])
        with self.assertRaisesRegex(husk.Refused, 'no exec has the id "key"'):
            self.client.attach("key")
        with self.client.exec("sleep", ["9"], id="sleep") as running:
            with self.assertRaisesRegex(husk.TimeoutExpired, "still runs"):
                self.client.wait("sleep", 0.01)
            running.kill("KILL")

    def test_processes_are_listed_and_killed(self) -> None:
        with self.client.exec("sleep", ["54321"]) as running:
            until = time.monotonic() + 10
            # It is told as started before the kernel has given it all of its new image.
            while True:
                process = next(row for row in self.client.list_processes() if row.pid == running.pid)
                if process.command.endswith("sleep 54321"):
                    break
                self.assertLess(time.monotonic(), until, process)
            self.client.kill(process.pid, "SIGTERM")
            self.assertEqual(running.wait().code, 143)
        with self.assertRaisesRegex(husk.Refused, "must be from 2"):
            self.client.kill(1)

    def test_figures_and_events_are_told(self) -> None:
        events = self.client.events()
        self.client.run("true", id="seen")
        told = [next(events), next(events)]
        self.assertEqual([(row["event"], row["id"]) for row in told], [("started", "seen"), ("exit", "seen")])
        self.assertEqual(self.client.stats()["execs_started"], 1)

    def test_what_a_server_without_a_main_command_cannot_do_is_refused(self) -> None:
        for ask in (self.client.freeze, self.client.thaw):
            with self.assertRaisesRegex(husk.Refused, "^freeze"):
                ask()
        with self.assertRaisesRegex(husk.Refused, "^signal_main: there is no main command$"):
            self.client.signal_main("HUP")

    def test_shutdown_ends_the_server_with_the_code_that_is_given(self) -> None:
        self.client.shutdown(code=3)
        self.assertEqual(self.server.wait(10), 3)

    def test_a_resume_says_what_is_given_and_no_more(self) -> None:
        said = requests.resume_request(None, b"\xff\xfe", "guest", None)
        self.assertEqual(said, {"type": "resume", "seed_b64": "//4=", "hostname": "guest"})


class WithoutFrames(Requests):
    """The same over lines of JSON."""

    def setUp(self) -> None:
        super().setUp()
        self.client = husk.Client(self.socket, frames=False)


class Streaming(Ground):
    """Execs that are followed while they run."""

    def setUp(self) -> None:
        super().setUp()
        self.client = husk.connect(self.socket)

    def test_events_come_as_they_happen_with_offsets_and_ends(self) -> None:
        with self.client.exec("cat", stdin=True) as running:
            events = iter(running)
            for number, text in enumerate([b"one\n", b"two\n"]):
                running.write(text)
                self.assertEqual(next(events), husk.Stdout(text, number * 4))
            running.close_stdin()
            rest = list(events)
            self.assertIn(husk.Eof("stdout", 8), rest)
            self.assertEqual(running.exit, next(event for event in rest if isinstance(event, husk.Exit)))

    def test_a_write_larger_than_all_buffers_is_no_deadlock(self) -> None:
        with self.client.exec("cat", stdin=True) as running:
            data = bytes(range(256)) * 8000
            running.write(data)
            running.close_stdin()
            out, _, ended = running.output()
            self.assertEqual((out, ended.code), (data, 0))

    def test_a_terminal_has_its_size_is_resized_and_takes_keys(self) -> None:
        text = "stty size; echo $TERM; read x; echo got $x; stty size"
        with self.client.exec("sh", ["-c", text], stdin=True, pty=(33, 44), term="dumb") as running:
            screen = b""
            for event in running:
                if isinstance(event, husk.Stdout):
                    screen += event.data
                if screen.endswith(b"dumb\r\n"):
                    running.resize(50, 132)
                    running.write(b"word\r")
            self.assertEqual(screen, b"33 44\r\ndumb\r\nword\r\ngot word\r\n50 132\r\n")

    def test_a_gap_is_told(self) -> None:
        self.client.start("sh", ["-c", "seq 1000; sleep 60"], id="gap", replay_bytes=100)
        full = len("".join(f"{n}\n" for n in range(1, 1001)))
        until = time.monotonic() + 10
        while self.client.list()[0].stdout < full:
            self.assertLess(time.monotonic(), until)
        with self.client.attach("gap", stdout=0) as running:
            self.assertEqual(next(iter(running)), husk.Gap("stdout", 0, full - 100))
            running.kill("KILL", "tree")

    def test_nothing_is_lost_or_doubled_when_connections_are_cut(self) -> None:
        relay = Relay(self.directory, self.socket)
        self.addCleanup(relay.close)
        stop = os.path.join(self.directory, "stop")
        # Numbered lines until it is told to end.
        script = f"i=0; while [ ! -e {stop} ]; do i=$((i+1)); echo $i; sleep 0.001; done; echo end >&2; exit 4"
        cuts = random.Random(7)
        with husk.Client(relay.path).exec("sh", ["-c", script], reconnect=20) as running:
            out, err, cut_at = bytearray(), bytearray(), 0
            for event in running:
                if isinstance(event, husk.Stdout):
                    self.assertEqual(event.offset, len(out))
                    out += event.data
                    if len(out) >= cut_at:
                        relay.cut()
                        cut_at = len(out) + cuts.randrange(1, 60)
                    if relay.connections > 40 and not os.path.exists(stop):
                        open(stop, "w", encoding="ascii").close()
                elif isinstance(event, husk.Stderr):
                    err += event.data
            self.assertEqual(running.wait().code, 4)
        lines = out.count(b"\n")
        self.assertEqual(bytes(out), b"".join(b"%d\n" % n for n in range(1, lines + 1)))
        self.assertEqual(bytes(err), b"end\n")
        self.assertEqual(self.client.list(), [], "the key of our own making is acknowledged")

    def test_a_connection_that_is_not_to_be_made_again_is_an_error(self) -> None:
        relay = Relay(self.directory, self.socket)
        self.addCleanup(relay.close)
        with husk.Client(relay.path).exec("sleep", ["60"]) as running:
            relay.cut()
            with self.assertRaises(husk.ConnectionLost):
                running.next_event()
        self.client.kill(running.id, "KILL")

    def test_two_threads_share_a_client(self) -> None:
        results = []

        def work(number: int) -> None:
            for turn in range(20):
                results.append(self.client.run("echo", [f"{number} {turn}"]).text == f"{number} {turn}\n")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(results), all(results)), (80, True))

    def test_pty_lends_the_callers_terminal_and_restores_it(self) -> None:
        call = f"husk.Client({self.socket!r}).pty('sh', ['-c', SCRIPT])"
        self.assertEqual(self.on_a_terminal(call, (21, 43)), "21 43\nword\ngot word\ncode 6 cooked True\n")

    def test_pty_lends_it_to_one_of_several_tasks(self) -> None:
        call = f"asyncio.run(aio.Client({self.socket!r}).pty('sh', ['-c', SCRIPT]))"
        self.assertEqual(self.on_a_terminal(call, (21, 43)), "21 43\nword\ngot word\ncode 6 cooked True\n")

    def test_a_terminal_without_a_size_has_the_usual_one(self) -> None:
        for call in (
            f"husk.Client({self.socket!r}).pty('sh', ['-c', SCRIPT])",
            f"asyncio.run(aio.Client({self.socket!r}).pty('sh', ['-c', SCRIPT]))",
        ):
            self.assertEqual(self.on_a_terminal(call, (0, 0)), "24 80\nword\ngot word\ncode 6 cooked True\n")

    def test_all_that_is_typed_arrives(self) -> None:
        script = "stty raw -echo; echo ready; head -c 300000 | md5sum"
        for call in (
            f"husk.Client({self.socket!r}).pty('sh', ['-c', {script!r}])",
            f"asyncio.run(aio.Client({self.socket!r}).pty('sh', ['-c', {script!r}]))",
        ):
            keys = b"0123456789" * 30_000
            seen = self.on_a_terminal(call, (24, 80), keys=keys, ready=b"ready")
            self.assertIn(hashlib.md5(keys).hexdigest(), seen)

    def on_a_terminal(
        self, call: str, size: Tuple[int, int], keys: bytes = b"word\r", ready: bytes = b"\r\n"
    ) -> str:
        """What a program shows on a terminal that makes this call, and is typed to when it is ready."""
        program = (
            "import asyncio, husk, sys, termios\n"
            "from husk import aio\n"
            "SCRIPT = 'stty size; read x; echo got $x; exit 6'\n"
            "mode = lambda: bool(termios.tcgetattr(0)[3] & termios.ICANON)\n"
            "sys.stdin.read(1)\n"
            f"ended = {call}\n"
            "print('code', ended.code, 'cooked', mode())\n"
        )
        source = os.path.join(self.directory, "program.py")
        with open(source, "w", encoding="ascii") as file:
            file.write(program)
        pid, screen = pty.fork()
        if pid == 0:
            os.execv(sys.executable, [sys.executable, source])
        os.set_blocking(screen, False)
        # It has its size before the program asks for it.
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        os.write(screen, b"\n")
        self.assertTrue(select.select([screen], [], [], 20)[0], "the terminal shows what is typed")
        self.assertEqual(os.read(screen, 4096), b"\r\n")
        seen, typed = b"", False
        while True:
            readable, writable, _ = select.select([screen], [screen] if typed and keys else [], [], 20)
            self.assertTrue(readable or writable, seen)
            if writable:
                keys = keys[os.write(screen, keys) :]
            if not readable:
                continue
            try:
                seen += os.read(screen, 4096)
            except OSError:
                break
            typed = typed or ready in seen
        self.assertEqual(os.waitpid(pid, 0)[1], 0, seen)
        os.close(screen)
        return seen.decode().replace("\r", "")


if __name__ == "__main__":
    unittest.main()
