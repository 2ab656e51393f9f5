"""What our readers say of files of weights: the Python side of tests/weights/weights_checker.cc, for the tools that compare them with others."""
import json
import struct
import subprocess


def our_answers(command, files):
    """(what was read, "") or (None, "KIND MESSAGE") for each file."""
    data = b"".join(struct.pack("<I", len(f)) + f for f in files)
    lines = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout.decode().split("\n")[:-1]
    assert len(lines) == len(files), f"the checker answered {len(lines)} of {len(files)} files"
    return [(json.loads(line[3:]), "") if line.startswith("ok ") else (None, line[3:]) for line in lines]
