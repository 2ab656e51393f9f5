"""A small byte-pair vocabulary in CLIP's file format, learned from a text of our own (vocabulary.txt)."""
import collections
import json
import pathlib
import re

START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = 480
# CLIP's words: contractions, runs of letters, single digits, runs of anything else.
WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")


def byte_symbols():
    """One printable character for each byte, in CLIP's order: bytes that print stand for themselves and come first ("!" is id 0)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def learn_merges(text, count):
    """Sennrich et al., 2016: joins the most frequent pair of neighbours again and again; of equally frequent pairs, the first in order."""
    words = collections.Counter(tuple(w[:-1]) + (w[-1] + "</w>",) for w in WORD.findall(text.lower()))
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = collections.Counter({joined(word, best): times for word, times in words.items()})
    return merges


def joined(word, pair):
    out, i = [], 0
    while i < len(word):
        here = word[i : i + 2] == pair
        out.append(word[i] + word[i + 1] if here else word[i])
        i += 2 if here else 1
    return tuple(out)


def tokens_and_merges():
    symbols = byte_symbols()
    merges = learn_merges(pathlib.Path(__file__).with_name("vocabulary.txt").read_text(encoding="ascii"), MERGES)
    return symbols + [s + "</w>" for s in symbols] + [a + b for a, b in merges] + [START, END], merges


def write(folder, pad):
    """The four files of a published CLIP tokenizer. `pad` is said in special_tokens_map.json only, as SD 2.x does with "!"."""
    tokens, merges = tokens_and_merges()
    folder.mkdir(parents=True, exist_ok=True)

    def special(content, **more):
        return more | {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}

    def dump(name, value):
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=None if name == "vocab.json" else 2) + "\n", encoding="utf-8")

    dump("vocab.json", {token: i for i, token in enumerate(tokens)})
    lines = ["#version: 0.2"] + [f"{a} {b}" for a, b in merges]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    dump("special_tokens_map.json", {"bos_token": special(START), "eos_token": special(END), "pad_token": pad, "unk_token": special(END)})
    typed = {"__type": "AddedToken"}
    dump("tokenizer_config.json", {
        "add_prefix_space": False, "bos_token": special(START, **typed), "do_lower_case": True, "eos_token": special(END, **typed), "errors": "replace",
        "model_max_length": 77, "pad_token": END, "tokenizer_class": "CLIPTokenizer", "unk_token": special(END, **typed)})
    return len(tokens)
