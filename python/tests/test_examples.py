"""The examples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys

import husk
from bed import Ground

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")


class Examples(Ground):
    """Each is run as a user runs it."""

    def example(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, os.path.join(EXAMPLES, name), *words]
        return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)

    def test_run_passes_output_and_the_exit_code_on(self) -> None:
        done = self.example("run.py", self.socket, "sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, "out\n", "err\n"))

    def test_follow_shows_all_of_an_exec(self) -> None:
        husk.connect(self.socket).start("sh", ["-c", "echo one; sleep 0.2; echo two; exit 5"], id="job")
        done = self.example("follow.py", self.socket, "job")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (5, "one\ntwo\n", ""))

    def test_many_runs_a_hundred_commands(self) -> None:
        done = self.example("many.py", self.socket, "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^100 in \d+\.\d{3} s, 0 of them failed\n$")
        self.assertEqual(self.example("many.py", self.socket, "false").returncode, 1)

    def test_failures_are_one_line_and_a_code(self) -> None:
        for words, code, said in (
            (["run.py", self.socket, "no-such-program"], 127, "run.py: "),
            (["run.py", "/nowhere/s", "true"], 125, "run.py: connect to /nowhere/s: "),
            (["follow.py", self.socket, "nothing"], 125, "follow.py: "),
            (["many.py", "/nowhere/s", "true"], 125, "many.py: connect to /nowhere/s: "),
        ):
            done = self.example(words[0], *words[1:])
            self.assertEqual((done.returncode, done.stderr.count("\n")), (code, 1), done.stderr)
            self.assertTrue(done.stderr.startswith(said), done.stderr)
        self.assertEqual(self.example("run.py").returncode, 1)
