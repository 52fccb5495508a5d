"""What is built of the package, by the Python that HUSK_TEST_BUILDER names, which has setuptools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from typing import ClassVar, List, Set

import husk

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
LICENCES = {"LICENSE-APACHE", "LICENSE-MIT"}


def below(folder: str) -> Set[str]:
    """The files in a folder of the package, by their paths below its root."""
    found = set()
    for directory, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in names:
            path = os.path.relpath(os.path.join(directory, name), ROOT)
            if "__pycache__" not in path and ".egg-info" not in path:
                found.add(path)
    return found


class Package(unittest.TestCase):
    """A wheel and a source distribution."""

    directory: ClassVar[str]
    wheel: ClassVar[str]
    source: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        builder = os.environ.get("HUSK_TEST_BUILDER")
        if not builder:
            raise AssertionError("HUSK_TEST_BUILDER names no Python; cargo test -p husk-client --test python sets it")
        cls.directory = tempfile.mkdtemp(prefix="husk-package-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        # A build leaves files beside its sources.
        tree = os.path.join(cls.directory, "tree")
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist"))
        made = []
        for what in ("wheel", "sdist"):
            out = os.path.join(cls.directory, what)
            build = f"import sys, setuptools.build_meta as b; b.build_{what}(sys.argv[1])"
            subprocess.run([builder, "-c", build, out], cwd=tree, check=True, capture_output=True)
            (name,) = os.listdir(out)
            made.append(os.path.join(out, name))
        cls.wheel, cls.source = made

    def metadata(self) -> List[str]:
        with zipfile.ZipFile(self.wheel) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            return wheel.read(name).decode().split("\n\n", 1)[0].splitlines()

    def test_names_version_and_licence_are_told(self) -> None:
        self.assertEqual(os.path.basename(self.wheel), f"husk_minit-{husk.__version__}-py3-none-any.whl")
        self.assertEqual(os.path.basename(self.source), f"husk_minit-{husk.__version__}.tar.gz")
        told = self.metadata()
        for line in (
            "Name: husk-minit",
            f"Version: {husk.__version__}",
            "License-Expression: Apache-2.0 OR MIT",
            "License-File: LICENSE-APACHE",
            "License-File: LICENSE-MIT",
        ):
            self.assertIn(line, told)
        self.assertEqual(husk.__version__, os.environ["HUSK_TEST_VERSION"], "that of the workspace")

    def test_the_wheel_has_the_package_and_its_licences(self) -> None:
        with zipfile.ZipFile(self.wheel) as wheel:
            names = set(wheel.namelist())
        info = f"husk_minit-{husk.__version__}.dist-info/"
        code = {name for name in names if not name.startswith(info)}
        self.assertEqual(code, {path[len("src/") :] for path in below("src")})
        self.assertIn("husk/py.typed", code)
        self.assertEqual({f"{info}licenses/{name}" for name in LICENCES} - names, set())

    def test_the_source_distribution_is_complete(self) -> None:
        with tarfile.open(self.source) as source:
            top = f"husk_minit-{husk.__version__}/"
            names = {entry.name[len(top) :] for entry in source if entry.isfile()}
        wanted = below("src") | below("tests") | below("examples") | LICENCES
        wanted |= {"README.md", "pyproject.toml", "MANIFEST.in"}
        self.assertEqual(wanted - names, set())
        self.assertEqual([name for name in names if re.search(r"__pycache__|\.pyc", name)], [])

    def test_licences_are_those_of_the_project(self) -> None:
        for name in LICENCES:
            with open(os.path.join(ROOT, name), "rb") as ours, open(os.path.join(ROOT, "..", name), "rb") as theirs:
                self.assertEqual(ours.read(), theirs.read(), name)

    def test_the_wheel_is_installed_without_any_network(self) -> None:
        target = os.path.join(self.directory, "target")
        command = [os.environ["HUSK_TEST_BUILDER"], "-m", "pip", "install", "--no-index", "--quiet", "--target", target]
        subprocess.run([*command, self.wheel], check=True)
        shown = subprocess.run(
            [sys.executable, "-S", "-c", "import husk; print(husk.__file__, husk.__version__)"],
            env={"PYTHONPATH": target, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(shown.stdout, f"{target}/husk/__init__.py {husk.__version__}\n")
