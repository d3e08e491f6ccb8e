"""The installed program on another machine: a folder of its own, torch's libraries, no checkout, nothing in the
environment.

Usage: carried_program_test.py path/to/cmake path/to/source path/to/build path/to/torch/lib
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

CMAKE, SOURCE, BUILD, TORCH = sys.argv[1:5]
SYSTEM = re.compile(r"(libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s|ld-linux-x86-64)\.so\.\d+")


def dynamic(file, tag):
    lines = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
    return re.findall(rf"\({tag}\).*\[(.*)\]", lines)


def without_checkout(file):
    """The file with every path of the checkout and of the build leading nowhere."""
    data = file.read_bytes()
    for path in (SOURCE.encode(), BUILD.encode()):
        data = data.replace(path + b"/", path[:-1] + b"\x7f/")
    file.write_bytes(data)


class CarriedProgram(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="another machine ")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.prefix = pathlib.Path(cls.folder.name)
        subprocess.run([CMAKE, "--install", BUILD, "--component", "luna", "--prefix", cls.prefix],
                       check=True, stdout=subprocess.DEVNULL)
        cls.program = cls.prefix / "bin" / "luna"
        cls.libraries = [file for file in (cls.prefix / "lib").glob("*.so*") if not file.is_symlink()]
        for file in (cls.program, *cls.libraries):
            without_checkout(file)

    def run_luna(self, *arguments):
        environment = {"LD_LIBRARY_PATH": TORCH, "CUDA_VISIBLE_DEVICES": ""}  # hides a GPU
        return subprocess.run([self.program, *arguments], cwd=self.folder.name, env=environment,
                              capture_output=True, text=True)

    def test_needs_torch_and_the_system_alone(self):
        self.assertIn("libluna.so", dynamic(self.program, "NEEDED"))
        there = {*os.listdir(self.prefix / "lib"), *os.listdir(TORCH)}
        for file in (self.program, *self.libraries):
            missing = [name for name in dynamic(file, "NEEDED")
                       if name not in there and not SYSTEM.fullmatch(name)]
            self.assertEqual(missing, [], file.name)

    def test_looks_for_libraries_beside_itself_alone(self):
        self.assertEqual(dynamic(self.program, "RUNPATH"), ["$ORIGIN/../lib"])
        self.assertEqual(dynamic(self.prefix / "lib" / "libluna.so", "RUNPATH"), ["$ORIGIN"])
        for name in ("luna", "libluna.so"):  # in the build folder first
            self.assertRegex(dynamic(f"{BUILD}/{name}", "RUNPATH")[0], r"^\$ORIGIN:")

    def test_lists(self):
        outcome = self.run_luna("list")
        self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))
        self.assertRegex(outcome.stdout, r"(?s)attentions:\n.*feature-maps:\n.*tasks:\n.*experiments:\n  none ")

    def test_says_that_there_is_no_gpu(self):
        for command in ("selftest", "bench"):
            outcome = self.run_luna(command, "--device", "cuda")
            self.assertEqual((outcome.returncode, outcome.stdout), (3, ""), outcome.stderr)
            self.assertRegex(outcome.stderr, r"^not run: .*CUDA driver.*\n$")

    def test_runs_on_the_cpu(self):
        outcome = self.run_luna("selftest", "--only", "identity")
        self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))

    def test_names_what_only_the_checkout_has(self):
        outcome = self.run_luna("autotune")
        self.assertEqual((outcome.returncode, outcome.stdout), (2, ""))
        self.assertRegex(outcome.stderr, r"^luna: autotune needs the build .*\n$")


unittest.main(argv=sys.argv[:1])
