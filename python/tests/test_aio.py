"""The asynchronous client, against a real server."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Coroutine

import husk
from bed import Ground, Relay
from husk import aio


class Asynchronous(Ground):
    """The same names as the blocking client has."""

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(asyncio.wait_for(work, 60))

    def test_every_name_of_the_blocking_client_is_there(self) -> None:
        for ours, theirs in ((husk.Client, aio.Client), (husk.Exec, aio.Exec)):
            names = {name for name in vars(ours) if not name.startswith("_")} - {"fileno", "fetched"}
            self.assertEqual(names - set(vars(theirs)), set())

    def test_run_collects_output_and_raises_what_the_other_raises(self) -> None:
        async def work() -> None:
            client = await aio.connect(self.socket)
            done = await client.run("sh", ["-c", "cat; echo err >&2; exit 7"], input=b"x" * 1_000_000)
            self.assertEqual((len(done.stdout), done.stderr, done.returncode), (1_000_000, b"err\n", 7))
            with self.assertRaises(husk.NotFound):
                await client.run("no-such-program")
            with self.assertRaisesRegex(TypeError, "args is a list of words"):
                await client.run("echo", "abc")
            id, _ = await client.start("sleep", ["60"])
            with self.assertRaisesRegex(husk.TimeoutExpired, "still runs"):
                await client.wait(id, timeout=0.02)
            await client.kill(id, "KILL")
            lines = await aio.connect(self.socket, frames=False)
            self.assertEqual((await lines.run("echo", ["abc"])).text, "abc\n")
            with self.assertRaises(husk.CommandFailed):
                await client.run("false", check=True)
            with self.assertRaises(husk.TimeoutExpired):
                await client.run("sleep", ["60"], timeout=0.05)
            with self.assertRaises(husk.ConnectFailed):
                await aio.Client("/nowhere/s").ping()

        self.do(work())

    def test_a_hundred_commands_run_at_the_same_time(self) -> None:
        async def work() -> None:
            client = aio.Client(self.socket)
            begun = time.monotonic()
            all_done = await asyncio.gather(
                *(client.run("sh", ["-c", f"sleep 0.5; echo {number}"]) for number in range(100))
            )
            self.assertEqual([done.text for done in all_done], [f"{number}\n" for number in range(100)])
            self.assertLess(time.monotonic() - begun, 25, "one after the other they would take 50 s")

        self.do(work())

    def test_events_input_terminals_and_lists(self) -> None:
        async def work() -> None:
            client = aio.Client(self.socket)
            told = await client.events()
            async with await client.exec("cat", stdin=True, id="cat", tag="t") as running:
                await running.write(b"line\n")
                self.assertEqual(await running.next_event(), husk.Stdout(b"line\n", 0))
                self.assertEqual([row.id for row in await client.list(tag="t", state="running")], ["cat"])
                self.assertIn(running.pid, [row.pid for row in await client.list_processes()])
                await running.close_stdin()
                kinds = [type(event) async for event in running]
                self.assertIn(husk.Exit, kinds)
            self.assertEqual((await client.wait("cat")).code, 0)
            first = [(await told.__anext__())["event"] for _ in range(2)]
            self.assertEqual(first, ["started", "exit"])
            await client.ack("cat")
            async with await client.exec("sleep", ["60"], pty=(10, 20)) as running:
                await running.resize(20, 30)
                await running.kill("KILL")
                self.assertEqual((await running.wait()).signal, 9)

        self.do(work())

    def test_nothing_is_lost_or_doubled_when_connections_are_cut(self) -> None:
        relay = Relay(self.directory, self.socket)
        self.addCleanup(relay.close)

        async def work() -> None:
            client = aio.Client(relay.path)
            out = bytearray()
            script = "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo $i; done"
            async with await client.exec("sh", ["-c", script], reconnect=10) as running:
                async for event in running:
                    if isinstance(event, husk.Stdout):
                        self.assertEqual(event.offset, len(out))
                        out += event.data
                        relay.cut()
            self.assertEqual(bytes(out), b"".join(b"%d\n" % n for n in range(1, 5001)))

        self.do(work())
