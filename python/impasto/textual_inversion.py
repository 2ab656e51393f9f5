"""Textual inversion (Gal et al., 2022): words of one's own, as diffusers' pipelines load them. The files are the engine's to read."""

from __future__ import annotations

import os
from typing import Any

from . import _core
from .arrays import is_torch, to_numpy
from .loading import embedding_file


class NewWords:
    """The words that a text encoder was taught, by name. Pipelines that share the text encoder share them, as in diffusers."""

    def __init__(self) -> None:
        self._words: dict[str, Any] = {}

    def embeddings(self) -> list[Any]:
        return list(self._words.values())

    def require_new(self, name: str, others: set[str], tokenizer: Any) -> None:
        """Raises ValueError for a word that is here, among `others`, or one token already."""
        taken = {word.lower() for word in (*self._words, *others)}
        if name.lower() in taken or len(tokenizer.encode(name)) <= 3:  # start, one token or none, end
            raise ValueError(f"Token {name} already in tokenizer vocabulary. Please choose a different token name (`token=...`), or remove {name} with unload_textual_inversion first.")

    def add(self, name: str, embedding: Any) -> None:
        self._words[name] = embedding

    def unload(self, wanted: list[str] | None) -> list[str]:
        """Forgets these, or all; gives those that were there."""
        gone = [word for word in self._words if not wanted or word in wanted]
        for word in gone:
            del self._words[word]
        return gone


def teach(learners: list[tuple[Any, Any]], sources: Any, tokens: Any, options: dict[str, Any]) -> None:
    """Teaches text encoders, each given with its engine's tokenizer, what `load_textual_inversion` is given: all of it or, where something is wrong, nothing."""
    sources = sources if isinstance(sources, list) else [sources]
    tokens = tokens if isinstance(tokens, list) else [tokens]
    if len(tokens) > 1 and len(sources) == 1 and not isinstance(sources[0], (dict, str, os.PathLike)):
        sources = list(sources[0])  # a tensor with a row for each word
    if tokens == [None]:
        tokens = tokens * len(sources)
    if len(sources) != len(tokens):
        raise ValueError(f"there are {len(sources)} embeddings and {len(tokens)} tokens: make both lists equally long")
    added: list[tuple[Any, str, Any]] = []
    for source, token in zip(sources, tokens):
        embedding = _embedding(source, token, options)
        name = token if token is not None else embedding.names[-1]  # the word that a file holds comes after the file's own name
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"a token has to be a word, but is {name!r}")
        fitting = [(encoder, tokenizer) for encoder, tokenizer in learners if any(columns == encoder.config.hidden_size for _, columns in embedding.shapes)]
        for encoder, tokenizer in fitting or learners:
            encoder.new_words.require_new(name, {other for learner, other, _ in added if learner is encoder}, tokenizer)
        if not fitting:
            widths = " and ".join(str(encoder.config.hidden_size) for encoder, _ in learners)
            raise ValueError(f"Loaded embeddings are of incorrect shape: {name!r} has {embedding.shapes}, and this text encoder's vectors have {widths} numbers: it was made for another model")
        embedding.names = [name]
        added += [(encoder, name, embedding) for encoder, _ in fitting]
    for encoder, name, embedding in added:
        encoder.new_words.add(name, embedding)


def forget(encoders: list[Any], tokens: str | list[str] | None) -> None:
    """What `unload_textual_inversion` does to text encoders."""
    wanted = [tokens] if isinstance(tokens, str) else tokens
    gone = [word for encoder in encoders for word in encoder.new_words.unload(wanted)]
    if wanted and not gone:
        raise ValueError(f"No tokens to remove found: {wanted} are not among the words that were loaded")


def _embedding(source: Any, token: str | None, options: dict[str, Any]) -> Any:
    """An embedding of the engine's, from a file, a state dict or a tensor."""
    if isinstance(source, (str, os.PathLike)):
        return _core.Embedding.read(embedding_file(os.fspath(source), options))
    name = token
    if isinstance(source, dict):
        if "string_to_param" in source:  # A1111's
            name, source = token or source["name"], source["string_to_param"]["*"]
        elif len(source) == 1:
            key, source = next(iter(source.items()))
            name = token or key
        else:
            raise ValueError(f"Loaded state dictionary is incorrect: it has the keys {list(source)}, expected one alone, or `string_to_param`")
    if name is None:
        raise ValueError("the embedding is a tensor without a name: pass the word for it, `token=...`")
    if not is_torch(source) and not hasattr(source, "shape"):
        raise ValueError(f"an embedding is a file, a state dict or a tensor, not {type(source)}")
    vectors = to_numpy(source)
    if vectors.ndim not in (1, 2) or vectors.size == 0:
        raise ValueError(f"Loaded embeddings are of incorrect shape: {name!r} has {vectors.shape}, expected [vectors, width] or [width]")
    embedding = _core.Embedding.of(name, vectors.reshape(-1, vectors.shape[-1]))
    embedding.names = [name]
    return embedding
