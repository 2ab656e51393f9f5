"""Prompts in A1111's and ComfyUI's syntaxes, read by rules written down here a second time: brackets are matched first and weights looked up
afterwards, where the engine goes from left to right. What the text encoder makes of the chunks comes from transformers."""
import copy
import re

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

from .store import seeded, tolerance

WINDOW = 77
LONG = "a quiet harbour at dawn, grey boats on green water, a painter with a brush, " * 4
NO_COMMAS = "boats and water and light and wind and hills and sails and walls and clouds and " * 6

# case -> syntax, checkpoint, clip_skip, prompt
CASES = {
    "a1111_plain": ("a1111", "tiny-sd15", 0, "a small boat beside a wall"),
    "a1111_empty": ("a1111", "tiny-sd15", 0, ""),
    "a1111_weights": ("a1111", "tiny-sd15", 0, "a (red) boat, [grey] clouds, (green water:1.4), ((light)), (far (hills:0.5):1.2)"),
    "a1111_strong": ("a1111", "tiny-sd15", 0, "(boats:1.9) and (walls:-0.7) and (clouds:0)"),
    "a1111_literal": ("a1111", "tiny-sd15", 0, r"a boat \(small\), \[grey\] \\ and \clouds, 3:2, (12:30) a:b, ) ] (open [both"),
    "a1111_joined": ("a1111", "tiny-sd15", 0, "(light)(house), light(house:1.3)s (old:1.2.3) (green: 1.3 )"),
    "a1111_break": ("a1111", "tiny-sd15", 0, "a boat BREAK (green water:1.3)BREAK, BREAKFAST BREAK"),
    "a1111_comma": ("a1111", "tiny-sd15", 0, LONG),
    "a1111_no_comma": ("a1111", "tiny-sd15", 0, NO_COMMAS),
    "a1111_long_weighted": ("a1111", "tiny-sd15", 0, f"{LONG}, ({NO_COMMAS}:1.25), [sky]"),
    "a1111_clip_skip": ("a1111", "tiny-sd15", 1, "a (red:1.3) boat"),
    "a1111_other_padding": ("a1111", "tiny-sd21", 0, f"a (red:1.3) boat BREAK {LONG}"),
    "comfyui_empty": ("comfyui", "tiny-sd15", 0, ""),
    "comfyui_weights": ("comfyui", "tiny-sd15", 0, "a (red) boat, [grey] clouds, (green water:1.4), ((light)), ((far hills:0.5):1.2), (sky (old (wall)):1.5)"),
    "comfyui_literal": ("comfyui", "tiny-sd15", 0, r"a boat \(small\), \\ back\slash, 3:2, (12:30) ) a (b ((c) (:1.3) (x:y:1.2 ) (old:much)"),
    "comfyui_long": ("comfyui", "tiny-sd15", 0, f"{LONG}, (one two three four:1.3) {NO_COMMAS}"),
    "comfyui_whole_parts": ("comfyui", "tiny-sd15", 0, "(a boat and wall:1.2)(clouds:0.8)" * 20),
    "comfyui_clip_skip": ("comfyui", "tiny-sd15", 1, "a (red:1.3) boat"),
    "comfyui_other_padding": ("comfyui", "tiny-sd21", 0, f"a (red:1.3) boat {LONG}"),
}


def a1111_parts(prompt):
    """[(text, weight)], with (None, 0) for a BREAK."""
    item = re.compile(r"\\[()\[\]\\]|\\|:\s*(?P<weight>[-+]?(?:\d+\.?\d*|\.\d+))\s*\)|[()\[\]]|[^\\()\[\]:]+|:")
    items = list(item.finditer(prompt))
    partner, opened = {}, {"(": [], "[": []}  # item that opens -> item that closes
    for i, found in enumerate(items):
        word = found.group()
        closes = "(" if word == ")" or found["weight"] else "[" if word == "]" else None
        if word in opened:
            opened[word].append(i)
        elif closes and opened[closes]:
            partner[opened[closes].pop()] = i
    spans = [(i, partner.get(i, len(items))) for i in sorted([*partner, *opened["("], *opened["["]])]

    def factor(begin, end):
        if items[begin].group() == "[":
            return 1 / 1.1
        return float(items[end]["weight"] or 1.1) if end < len(items) else 1.1

    marks = {i for span in spans for i in span}
    parts = []
    for i, found in enumerate(items):
        if i in marks:
            continue
        word, weight = found.group(), 1.0
        for begin, end in sorted((s for s in spans if s[0] < i < s[1]), key=lambda s: s[1]):
            weight *= factor(begin, end)
        pieces = [word[1:]] if word.startswith("\\") else re.split(r"\s*\bBREAK\b\s*", word)
        for k, piece in enumerate(pieces):
            parts += [(None, 0)] * (k > 0) + [(piece, weight)]
    joined = []
    for text, weight in parts:
        if joined and None not in (text, joined[-1][0]) and joined[-1][1] == weight:
            joined[-1] = (joined[-1][0] + text, weight)
        else:
            joined.append((text, weight))
    return joined


def a1111_chunks(tokenizer, parts):
    """[[(id, weight)]], up to 75 each."""
    comma = tokenizer.convert_tokens_to_ids(",</w>")
    full, chunk, breaks = [], [], []
    for text, weight in parts:
        if text is None:
            full, chunk = full + [chunk], []
            continue
        for token in tokenizer(text, add_special_tokens=False).input_ids:
            if len(chunk) == WINDOW - 2:
                commas = [i for i, (t, _) in enumerate(chunk) if t == comma and i not in breaks]
                cut = commas[-1] + 1 if commas and token != comma and len(chunk) - commas[-1] <= 20 else len(chunk)
                full, chunk = full + [chunk[:cut]], chunk[cut:]
                breaks = [0] if token == comma else []  # a comma that had no room left does not count in its new chunk
            chunk.append((token, weight))
        if not chunk:
            breaks = []
    return full + [chunk] if chunk or not full else full


def comfyui_parts(prompt, weight=1.0, hidden=False):
    if not hidden:
        prompt = prompt.replace(r"\(", "\x01").replace(r"\)", "\x02")
    depth, begin, pieces = 0, 0, []
    for i, c in enumerate(prompt):
        if c == "(" and depth == 0:
            pieces.append(prompt[begin:i])
            begin = i
        depth += (c == "(") - (c == ")")
        if c == ")" and depth == 0:
            pieces.append(prompt[begin : i + 1])
            begin = i + 1
    parts = []
    for piece in filter(None, pieces + [prompt[begin:]]):
        if not re.fullmatch(r"\(.*\)", piece, re.DOTALL):
            parts.append((piece.replace("\x01", "(").replace("\x02", ")"), weight))
            continue
        given = re.fullmatch(r"\((?P<text>.+):\s*(?P<weight>[-+]?(?:\d+\.?\d*|\.\d+))\s*\)", piece, re.DOTALL)
        parts += comfyui_parts(given["text"], float(given["weight"]), True) if given else comfyui_parts(piece[1:-1], weight * 1.1, True)
    return parts


def comfyui_chunks(tokenizer, parts):
    full, chunk = [], []
    for text, weight in parts:
        group = [(token, weight) for token in tokenizer(text, add_special_tokens=False).input_ids]
        while group:
            room = WINDOW - 2 - len(chunk)
            taken = room if len(group) >= 8 else 0
            if len(group) <= room:
                taken = len(group)
            chunk, group = chunk + group[:taken], group[taken:]
            if group:
                full, chunk = full + [chunk], []
    return full + [chunk]


def padded(tokenizer, chunks):
    """ids and weights, each [chunks, 77]."""
    start, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    rows = [([(start, 1.0)] + chunk + [(end, 1.0)] + [(pad, 1.0)] * WINDOW)[:WINDOW] for chunk in chunks]
    return torch.tensor([[t for t, _ in row] for row in rows], dtype=torch.int32), torch.tensor([[w for _, w in row] for row in rows])


def states(model, ids, clip_skip):
    hidden = model(ids.long(), output_hidden_states=True).hidden_states
    return model.final_layer_norm(hidden[-1 - clip_skip])


def context(model, syntax, ids, weights, empty, clip_skip):
    z = states(model, ids, clip_skip)
    w = weights[:, :, None].to(z.dtype)
    if syntax == "a1111":
        weighed = z * w
        z = weighed * (z.mean(dim=(1, 2), keepdim=True) / weighed.mean(dim=(1, 2), keepdim=True))
    elif syntax == "comfyui" and (weights != 1).any():
        nothing = states(model, empty, clip_skip)
        z = nothing + (z - nothing) * w
    return z.reshape(1, -1, z.shape[-1])


# Word -> its vectors: one, several, and one whose word is not its file's name.
EMBEDDINGS = {"inkwash": 1, "<sea-light>": 3, "bad-hands": 2}
EMBEDDED = {
    "embedding_plain": ("plain", "a boat in inkwash, <sea-light>. and (inkwash) and Bad-Hands, inkwashed"),
    "embedding_plain_long": ("plain", "boats and " * 37 + "<sea-light> and a wall"),
    "embedding_a1111": ("a1111", "a (boat in InkWash:1.3), [<sea-light>]bad-hands BREAK inkwash"),
    "embedding_a1111_edge": ("a1111", "boats and " * 30 + ", " + "boats and " * 6 + "<sea-light> and a wall"),
    "embedding_comfyui": ("comfyui", "a (boat in embedding:inkwash:1.3), embedding:bad-hands.safetensors, inkwash (embedding:<sea-light>)"),
}


def write_embeddings(folder, width):
    """As A1111, diffusers and A1111 before safetensors write them. Returns word -> vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    vectors = {word: seeded((n, width), 70 + n) * 0.5 for word, n in EMBEDDINGS.items()}
    save_file({"emb_params": vectors["inkwash"]}, folder / "inkwash.safetensors")
    save_file({"<sea-light>": vectors["<sea-light>"]}, folder / "learned.safetensors")
    hands = torch.nn.Parameter(vectors["bad-hands"])
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": hands}, "name": "bad-hands", "step": 100, "sd_checkpoint": None}, folder / "bad-hands.pt")
    torch.save({"<sea-light>": vectors["<sea-light>"][0]}, folder / "single.bin")
    for file in folder.iterdir():
        file.chmod(0o644)
    return vectors


def with_words(tokenizer, model, vectors):
    """Ids of a text in which the words stand for vectors, which the model gets as further rows of its table; the tokenizer stays as it is."""
    table = model.embeddings.token_embedding
    first = {}
    rows = [table.weight.data]
    for word, vector in vectors.items():
        first[word] = sum(len(r) for r in rows)
        rows.append(vector)
    table.weight.data = torch.cat(rows)

    def ids(text, prefix=""):
        words = "|".join(rf"(?<!\w){re.escape(prefix + w)}(?:\.safetensors)?(?!\w)" if prefix or w[0] != "<" else re.escape(w) for w in first)
        pieces = re.split(f"({words})", text, flags=re.IGNORECASE)
        out = []
        for i, piece in enumerate(pieces):
            word = piece.lower().removeprefix(prefix).removesuffix(".safetensors")
            new = i % 2 == 1
            out.append((list(range(first[word], first[word] + len(vectors[word]))) if new else tokenizer(piece, add_special_tokens=False).input_ids, new))
        return out

    return ids


def embedded_chunks(syntax, tokenizer, ids, prompt):
    """The rules for chunks once more, for words that are to stay whole."""
    if syntax == "plain":
        flat = [(t, 1.0) for tokens, _ in ids(prompt) for t in tokens]
        return [flat[: WINDOW - 2]]
    if syntax == "comfyui":
        groups = [[(t, weight) for t in tokens] for text, weight in comfyui_parts(prompt) for tokens, _ in ids(text, "embedding:")]
        assert sum(map(len, groups)) <= WINDOW - 2
        return [sum(groups, [])]
    comma, full, chunk = tokenizer.convert_tokens_to_ids(",</w>"), [], []
    for text, weight in a1111_parts(prompt):
        if text is None:
            full, chunk = full + [chunk], []
            continue
        for tokens, new in ids(text):
            for group in [tokens] if new else [[t] for t in tokens]:
                if len(chunk) == WINDOW - 2:
                    commas = [i for i, (t, _) in enumerate(chunk) if t == comma]
                    cut = commas[-1] + 1 if commas and group[0] != comma and len(chunk) - commas[-1] <= 20 else len(chunk)
                    full, chunk = full + [chunk[:cut]], chunk[cut:]
                if len(chunk) + len(group) > WINDOW - 2:
                    full, chunk = full + [chunk], []
                chunk += [(t, weight) for t in group]
    return full + [chunk]


def add_embeddings(store, folder, files):
    checkpoint = "tiny-sd15"
    tokenizer = CLIPTokenizer.from_pretrained(folder / checkpoint / "tokenizer")
    width = CLIPTextModel.from_pretrained(folder / checkpoint / "text_encoder").config.hidden_size
    vectors = write_embeddings(files, width)
    for label, (syntax, prompt) in EMBEDDED.items():
        model = CLIPTextModel.from_pretrained(folder / checkpoint / "text_encoder", torch_dtype=torch.float32).eval()
        ids_of = with_words(tokenizer, model, vectors)
        ids, weights = padded(tokenizer, embedded_chunks(syntax, tokenizer, ids_of, prompt))
        empty, _ = padded(tokenizer, [[]])
        with torch.no_grad():
            single = context(model, syntax, ids, weights, empty, 0)
            double = context(copy.deepcopy(model).double(), syntax, ids, weights, empty, 0)
        store.add(f"embeddings/{label}", {"syntax": syntax}, outputs={"context": single}, tolerance={"context": tolerance(single, [double])}, text=prompt,
                  checkpoint=checkpoint)
    check_plain_with_diffusers(folder / checkpoint, files, store)


def check_plain_with_diffusers(checkpoint, files, store):
    """diffusers' own loader on the case that it can read: words as it adds them to the tokenizer."""
    pipe = StableDiffusionPipeline.from_pretrained(checkpoint, torch_dtype=torch.float32, safety_checker=None, feature_extractor=None)
    pipe.load_textual_inversion(files / "inkwash.safetensors", token="inkwash")
    pipe.load_textual_inversion(files / "learned.safetensors")
    prompt = "a boat in inkwash, <sea-light>. and (inkwash)"
    with torch.no_grad():
        embeds = pipe.encode_prompt(prompt, "cpu", 1, False)[0]
        double = copy.deepcopy(pipe.text_encoder).double()(pipe.tokenizer(pipe.maybe_convert_prompt(prompt, pipe.tokenizer), padding="max_length", max_length=WINDOW, return_tensors="pt").input_ids)[0]
    store.add("embeddings/diffusers", {"syntax": "plain"}, outputs={"context": embeds}, tolerance={"context": tolerance(embeds, [double])}, text=prompt,
              checkpoint=checkpoint.name)


def add_prompts(store, folder):
    for label, (syntax, checkpoint, clip_skip, prompt) in CASES.items():
        tokenizer = CLIPTokenizer.from_pretrained(folder / checkpoint / "tokenizer")
        model = CLIPTextModel.from_pretrained(folder / checkpoint / "text_encoder", torch_dtype=torch.float32).eval()
        chunks = a1111_chunks(tokenizer, a1111_parts(prompt)) if syntax == "a1111" else comfyui_chunks(tokenizer, comfyui_parts(prompt))
        ids, weights = padded(tokenizer, chunks)
        empty, _ = padded(tokenizer, [[]])
        with torch.no_grad():
            single = context(model, syntax, ids, weights, empty, clip_skip)
            double = context(copy.deepcopy(model).double(), syntax, ids, weights, empty, clip_skip)
        store.add(f"prompts/{label}", {"syntax": syntax, "clip_skip": clip_skip}, outputs={"ids": ids, "weights": weights, "context": single},
                  tolerance={"context": tolerance(single, [double])}, text=prompt, checkpoint=checkpoint)
