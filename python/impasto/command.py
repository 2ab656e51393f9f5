"""The `impasto` command of a wheel: the program that lies beside this file."""

import os
import sys


def main() -> None:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "impasto")
    if not os.path.exists(program):
        sys.exit("impasto: this installation was built without the command")
    os.execv(program, ["impasto", *sys.argv[1:]])
