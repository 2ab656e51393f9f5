#!/usr/bin/env python3
"""Pickles that run something when Python reads them, made by Python's own pickler, in every protocol and container: the command refuses each with one line,
runs nothing and starts no process.

Usage: hostile_pickles_test.py COMMAND      the built impasto
"""
import io
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

COMMAND = os.path.abspath(sys.argv[1])
STRACE = shutil.which("strace") if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0 else None


class Call:
    """Pickled as a call of module.name; the module need not be here."""

    def __init__(self, module, name, *arguments, state=None):
        self.module, self.name, self.arguments, self.state = module, name, arguments, state


class Pickler(pickle._Pickler):
    """Python's pickler in Python, which can be told the names of what is not here."""

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Call):
            self.save_name(obj.module, obj.name)
            self.save(tuple(obj.arguments))
            self.write(pickle.REDUCE)
            if obj.state is not None:
                self.save(obj.state)
                self.write(pickle.BUILD)
            return
        super().save(obj, save_persistent_id)

    def save_name(self, module, name):
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())


def dumps(obj, protocol):
    stream = io.BytesIO()
    Pickler(stream, protocol).dump(obj)
    return stream.getvalue()


def payloads(marker):
    """What scanners of pickles are tested with, by name. Each would touch `marker`, or could."""
    shell, code = f"touch {marker}", f"open({str(marker)!r}, 'w')"
    calls = [("posix", "system", shell), ("os", "system", shell), ("nt", "system", shell), ("os", "popen", shell), ("os", "execvp", "sh", ["sh", "-c", shell]),
             ("os", "spawnlp", 0, "sh", "sh"), ("os", "posix_spawn", "/bin/sh", [], {}), ("subprocess", "Popen", ["sh", "-c", shell]),
             ("subprocess", "run", ["sh", "-c", shell]), ("subprocess", "check_output", ["sh", "-c", shell]), ("subprocess", "getoutput", shell),
             ("builtins", "eval", code), ("builtins", "exec", code), ("builtins", "compile", code, "x", "exec"), ("builtins", "open", str(marker), "w"),
             ("builtins", "__import__", "os"), ("builtins", "getattr", "x", "y"), ("__builtin__", "eval", code), ("__builtin__", "file", str(marker)),
             ("importlib", "import_module", "os"), ("runpy", "_run_code", code, {}), ("runpy", "run_path", str(marker)), ("code", "interact"), ("pty", "spawn", "sh"),
             ("timeit", "timeit", code), ("timeit", "repeat", code), ("cProfile", "run", code), ("profile", "run", code), ("trace", "Trace"), ("bdb", "Bdb"),
             ("pdb", "run", code), ("doctest", "debug_script", code), ("ctypes", "CDLL", "libc.so.6"), ("_ctypes", "dlopen", "libc.so.6", 0),
             ("shutil", "move", str(marker), "/tmp/x"), ("shutil", "rmtree", str(marker)), ("pathlib", "Path", str(marker)), ("tempfile", "mktemp"), ("socket", "socket"),
             ("socket", "create_connection", ("127.0.0.1", 9)), ("urllib.request", "urlopen", "http://127.0.0.1:9/"), ("requests.api", "get", "http://127.0.0.1:9/"),
             ("httplib", "HTTPSConnection", "127.0.0.1"), ("aiohttp.client", "ClientSession"), ("webbrowser", "open", "http://127.0.0.1:9/"), ("commands", "getoutput", shell),
             ("pickle", "loads", pickle.dumps(1)), ("_pickle", "loads", pickle.dumps(1)), ("marshal", "loads", b"N"), ("torch", "load", str(marker)),
             ("torch.serialization", "load", str(marker)), ("torch._dynamo.guards.GuardBuilder", "get", code), ("torch.fx.experimental.symbolic_shapes.ShapeEnv",
             "evaluate_guards_expression", code), ("torch.utils._config_module.ConfigModule", "load_config", b""), ("torch.utils.collect_env", "run", shell),
             ("torch.jit.unsupported_tensor_ops", "execWrapper", code, {}, {}), ("torch._inductor.codecache", "compile_file", "x", "y", "z"),
             ("numpy.testing._private.utils", "runstring", code, {}), ("numpy.f2py.crackfortran", "getlincoef", code, {}), ("numpy", "load", str(marker)),
             ("distutils.file_util", "write_file", str(marker), ["x"]), ("setuptools", "setup"), ("pip", "main", ["install", "x"]), ("ensurepip", "bootstrap"),
             ("venv", "create", str(marker)), ("lib2to3.pgen2.grammar.Grammar", "loads", b""), ("idlelib.run.Executive", "runcode", code), ("asyncio.unix_events._UnixSubprocessTransport",
             "_start", shell), ("uuid", "_get_command_stdout", "sh"), ("zipimport", "zipimporter", str(marker)), ("sys", "exit"), ("signal", "alarm", 1), ("gc", "get_objects"),
             ("operator", "attrgetter", "system"), ("operator", "methodcaller", "system", shell), ("functools", "partial", "x"), ("functools", "reduce", "x"),
             ("_io", "FileIO", str(marker), "w"), ("io", "open", str(marker), "w"), ("codecs", "open", str(marker), "w"), ("logging.config", "listen"),
             ("collections", "namedtuple", "x", "y"), ("copyreg", "_reconstructor", "x", "y", "z"), ("types", "CodeType"), ("torch._utils", "_rebuild_tensor_v2.__globals__"),
             ("torch", "FloatStorage.__init__.__globals__"), ("collections", "OrderedDict.__init__.__self__"), ("nonexistent.module", "f"), ("", ""), ("os\u202e", "system")]
    yield from ((".".join(call[:2]), Call(*call)) for call in calls)
    os_system = Call("posix", "system", shell)
    yield "beside a tensor's name", {"state_dict": {"weight": 1}, "extra": os_system}
    yield "as a key", {os_system: 1}
    yield "in a list, deep", {"state_dict": [[[[os_system]]]]}
    yield "through the memo", {"a": "posix", "b": "system", "c": os_system}
    yield "by state", Call("collections", "OrderedDict", state={"__reduce__": os_system})
    yield "a call that makes the callee", Call("builtins", "getattr", Call("builtins", "__import__", "os"), "system")


def containers(data):
    """The pickle alone, in PyTorch's zip and in the legacy file, and cut short after the call."""
    yield "bare", data
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", data)
    yield "zip", zipped.getvalue()
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", data)
    yield "deflated", deflated.getvalue()
    beginning = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    yield "legacy", b"".join(pickle.dumps(x, 2) for x in beginning) + data + pickle.dumps([], 2)
    yield "cut", data[:-1] + b"\xff\xff\xff"


class HostilePickles(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="impasto-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.marker = self.folder / "marker"
        self.file = self.folder / "model.ckpt"

    def expect_refused(self, name, data, trace=False):
        self.file.write_bytes(data)
        log = self.folder / "trace"
        before = [STRACE, "-f", "-o", log, "-e", "trace=execve,execveat,fork,vfork,connect,socket"] if trace and STRACE else []
        ran = subprocess.run([*before, COMMAND, "info", self.file], capture_output=True, text=True, timeout=60, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        self.assertEqual(ran.returncode, 2, (name, ran.stderr))
        self.assertEqual(ran.stdout, "")
        self.assertEqual(ran.stderr.count("\n"), 1, ran.stderr)
        self.assertTrue(ran.stderr.startswith("impasto: error: ") and ran.stderr.isascii(), ran.stderr)
        self.assertFalse(self.marker.exists(), name)
        if before:
            calls = [line for line in log.read_text().splitlines() if "(" in line]
            self.assertEqual(len(calls), 1, calls)  # the command's own execve
        return ran.stderr

    def test_the_control_does_run_in_python(self):
        for protocol in range(6):
            pickle.loads(dumps(dict(payloads(self.marker))["posix.system"], protocol))
            self.assertTrue(self.marker.exists())
            self.marker.unlink()

    def test_calls_are_refused_by_name(self):
        for name, payload in payloads(self.marker):
            for container, data in containers(dumps(payload, 2)):
                with self.subTest(name=name, container=container):
                    error = self.expect_refused(name, data, trace=container == "zip")
                    if isinstance(payload, Call) and payload.module.isascii() and payload.module and not payload.state and container in ("zip", "deflated"):
                        self.assertIn(f"{payload.module}.{payload.name}" if "getattr" not in payload.name else "builtins.", error)

    def test_every_protocol(self):
        for name, payload in list(payloads(self.marker))[::7]:
            for protocol in range(6):
                for container, data in containers(dumps(payload, protocol)):
                    with self.subTest(name=name, protocol=protocol, container=container):
                        self.expect_refused(name, data)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
