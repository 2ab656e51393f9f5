#!/usr/bin/env python3
"""Compares which safetensors files our reader accepts with the safetensors library, on files made wrong in many small ways.

Usage: tools/fuzz_safetensors_differential.py CHECKER [--files N] [--seed S]
Needs the PyPI package safetensors. CHECKER is build/.../tests/weights_checker (tests/weights/weights_checker.cc): it reads files
from its standard input, each after its length in 4 bytes, and answers each with a line "ok NAMES" or "no KIND MESSAGE".

A file that only we refuse must break one of our stricter rules (safetensors_header.h); one that only the library refuses is a bug here.
"""
import argparse
import collections
import json
import random
import struct

from safetensors import SafetensorError, deserialize
from weights_checker import our_answers

DTYPES = {"F32": 32, "F16": 16, "BF16": 16, "F64": 64, "I64": 64, "I32": 32, "U8": 8, "BOOL": 8, "I8": 8, "I16": 16, "U16": 16, "U32": 32, "U64": 64, "C64": 64,
          "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}
# Messages of the rules that we have and the library does not.
STRICTER = ("stands twice", "expected an object, found an array", "dtype: expected a string, found an object", "does not fit in 64 bits", "deeper than 32")
PIECES = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"0", b"1", b"-", b"-0", b"1.0", b"1e0", b"null", b"true", b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\x00", b"\xff",
          b"\xef\xbb\xbf", b" ", b"\n", b'"dtype"', b'"shape"', b'"data_offsets"', b'"F32"', b'"U8"', b'"F4"', b'"__metadata__"', b'"__metadata__":{},', b'"x":[{}],',
          b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},', b"18446744073709551615", b"18446744073709551616", b"9223372036854775808", b"4294967296", b"1e999"]


def record(r, dtype, shape, begin, end):
    """A tensor's record, now and then in a way that nobody writes."""
    kind = r.random()
    if kind < 0.02:
        return json.dumps([dtype, shape, [begin, end]])
    fields = [("dtype", json.dumps({dtype: None} if kind < 0.04 else dtype)), ("shape", json.dumps(shape)), ("data_offsets", json.dumps([begin, end]))]
    if kind < 0.06:
        fields.append(r.choice(fields))
    if kind > 0.9:
        fields.append((r.choice("xy"), r.choice(["1", "null", '[{"z":[-0.5e3,"t"]},{}]', "[" * 33 + "]" * 33, "[" * 200 + "]" * 200])))
    r.shuffle(fields)
    return "{" + ",".join(f'"{key}":{value}' for key, value in fields) + "}"


def whole_file(r):
    """A header and the size of its data: what the library would write, in any order and with a few oddities."""
    items, offset = [], 0
    if r.random() < 0.4:
        items.append('"__metadata__":' + r.choice(["{}", "null", '{"k":"v"}', '{"k":"v","m":"w"}', '{"k":"v","k":"w"}', '{"k":1}']))
    for name in r.sample(["a", "b", "c.weight", "d/\u00e9", "", "e\n"], r.randint(0, 4)):
        dtype = r.choice(list(DTYPES))
        shape = [r.choice([0, 1, 1, 2, 3, 8]) for _ in range(r.randint(0, 3))]
        bits = DTYPES[dtype]
        for n in shape:
            bits *= n
        if bits % 8:
            shape, bits = shape + [8], bits * 8
        items.append(f"{json.dumps(name)}:{record(r, dtype, shape, offset, offset + bits // 8)}")
        offset += bits // 8
        if r.random() < 0.02:
            items.append(f"{json.dumps(name)}:{record(r, 'U8', [0], offset, offset)}")
    r.shuffle(items)
    return ("{" + r.choice([",", ", "]).join(items) + "}").encode() + b" " * r.choice([0, 0, 1, 7]), offset


def dishonest_number(r, header):
    places = [i for i in range(len(header)) if header[i:i + 1].isdigit()]
    if not places:
        return header
    i = r.choice(places)
    return header[:i] + str(r.choice([0, 1, 2, 3, 4, 8, 9, 2**31, 2**32, 2**61, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64])).encode() + header[i + 1:]


def mutate(r, header):
    at, length = r.randint(0, len(header)), r.randint(1, 12)
    kind = r.randrange(6)
    if kind == 0:
        return header[:at] + r.choice(PIECES) + header[at:]
    if kind == 1:
        return header[:at] + header[at + length:]
    if kind == 2:
        return header[:at] + r.choice(PIECES) + header[at + length:]
    if kind == 3:
        begin = r.randint(0, len(header))
        return header[:at] + header[begin:begin + r.randint(1, 60)] + header[at:]
    if kind == 4 and header:
        at = min(at, len(header) - 1)
        return header[:at] + bytes([header[at] ^ 1 << r.randrange(8)]) + header[at + 1:]
    return dishonest_number(r, header)


def some_file(r):
    header, data_bytes = whole_file(r)
    for _ in range(r.choice([0, 0, 0, 1, 1, 2])):
        header = mutate(r, header)
    if r.random() < 0.05:
        data_bytes = max(0, data_bytes + r.choice([-1, 1, 4]))
    length = len(header) if r.random() < 0.95 else r.choice([0, 1, 8, len(header) - 1, len(header) + 1, 10**8, 10**8 + 1, 2**63, 2**64 - 1, 2**64 - 8]) % 2**64
    file = struct.pack("<Q", length) + header + bytes(data_bytes)
    return file[:r.randint(0, len(file))] if r.random() < 0.02 else file


def library_answer(file):
    try:
        return sorted(name for name, _ in deserialize(file)), ""
    except SafetensorError as error:
        return None, str(error)


def has_duplicate_keys(file):
    """Whether a name stands twice: the library reads the last only, so that the others may be wrong in other ways too."""
    keys = []
    json.loads(file[8:8 + struct.unpack("<Q", file[:8])[0]], object_pairs_hook=lambda pairs: keys.append([key for key, _ in pairs]))
    return any(len(set(k)) < len(k) for k in keys)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("checker")
    arguments.add_argument("--files", type=int, default=100_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    r = random.Random(arguments.seed)
    counts, bugs = collections.Counter(), 0
    for begin in range(0, arguments.files, 20_000):
        files = [some_file(r) for _ in range(min(20_000, arguments.files - begin))]
        for file, (ours, our_error) in zip(files, our_answers([arguments.checker], files)):
            theirs, their_error = library_answer(file)
            if ours == theirs:
                counts["both refuse" if ours is None else "both accept"] += 1
            elif ours is None and any(rule in our_error for rule in STRICTER):
                counts["only we refuse: " + next(rule for rule in STRICTER if rule in our_error)] += 1
            elif ours is None and has_duplicate_keys(file):
                counts["only we refuse: stands twice"] += 1
            else:
                bugs += 1
                if bugs <= 10:
                    print(f"DIFFERENT {file!r}\n  ours: {ours} {our_error}\n  library: {theirs} {their_error}")
    for what, count in sorted(counts.items()):
        print(f"{count:9} {what}")
    print(f"{bugs:9} differ otherwise")
    return 1 if bugs else 0


if __name__ == "__main__":
    raise SystemExit(main())
