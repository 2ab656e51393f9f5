"""A byte-pair vocabulary in CLIP's file format, learnt from captions.

Words are lower case, spelt in the byte alphabet of GPT-2, and end in `</w>`. Every byte, alone and as a
word's end, is in the vocabulary, so any text has an encoding.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Iterable

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77  # tokens of a prompt with its start and end, as in CLIP
# CLIP's own pattern with \p{L} and \p{N} spelt for the re module.
_WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+")


def byte_alphabet() -> list[str]:
    """A printable character for each byte 0..255, in GPT-2's order of code points."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, spare = {}, 0
    for byte in range(256):
        if byte in printable:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + spare)
            spare += 1
    return [table[b] for b in range(256)]


def _merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out, k = [], 0
    while k < len(word):
        if word[k : k + 2] == pair:
            out.append(word[k] + word[k + 1])
            k += 2
        else:
            out.append(word[k])
            k += 1
    return tuple(out)


def learn(captions: Iterable[str], limit: int = 1024) -> list[tuple[str, str]]:
    """Merges, most frequent pair first, until every word is one token or `limit` is reached."""
    alphabet = byte_alphabet()
    counts = Counter(word for text in captions for word in _WORD.findall(text.lower()))
    words = {}
    for word, n in counts.items():
        letters = [alphabet[b] for b in word.encode()]
        words[(*letters[:-1], letters[-1] + "</w>")] = n
    merges: list[tuple[str, str]] = []
    while len(merges) < limit:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))  # ties by name: reproducible
        merges.append(best)
        words = {_merge(word, best): n for word, n in words.items()}
    return merges


def save(folder: Path, merges: list[tuple[str, str]]) -> None:
    """Writes vocab.json, merges.txt and the two configuration files that transformers reads."""
    folder.mkdir(parents=True, exist_ok=True)
    alphabet = byte_alphabet()
    # CLIP's order: bytes by code point, the same as word ends, merges, special tokens.
    order = sorted(alphabet, key=lambda c: (ord(c) >= 256, ord(c)))
    tokens = [*order, *(c + "</w>" for c in order), *(a + b for a, b in merges), START, END]
    tokens = list(dict.fromkeys(tokens))
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    full = {k: {"content": v, "lstrip": False, "normalized": k != "pad_token", "rstrip": False, "single_word": False} for k, v in special.items()}
    full["pad_token"] = END
    (folder / "special_tokens_map.json").write_text(json.dumps(full, indent=2) + "\n")
    config = {"add_prefix_space": False, "do_lower_case": True, "errors": "replace", "model_max_length": LENGTH,
              "tokenizer_class": "CLIPTokenizer", **special}  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def check(folder: Path, text: str) -> list[int]:
    """Ids of `text` by this module's own slow encoder (no padding), to compare with transformers'."""
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    merges = [tuple(line.split(" ")) for line in lines]
    alphabet, ids = byte_alphabet(), [vocab[START]]
    for word in _WORD.findall(text.lower()):
        letters = [alphabet[b] for b in word.encode()]
        parts: tuple[str, ...] = (*letters[:-1], letters[-1] + "</w>")
        for pair in merges:
            parts = _merge(parts, pair)
        ids += [vocab[p] for p in parts]
    return [*ids, vocab[END]]
