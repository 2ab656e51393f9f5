"""The small world that Sketchbook knows: what a picture may hold, and the words for it.

A `Spec` is the meaning of a picture. `sample_spec` draws one, `caption` puts it into words, and
`is_held_out` says whether its combination is kept away from training so that prompts about it are new
to the model. The painter (painter.py) turns the same Spec into pixels.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, replace

SCENES = ("city", "futuristic", "mountains", "sea", "forest", "house", "fields", "bridge")
SUBJECTS = SCENES + ("objects",)
STYLES = ("plain", "turner", "vangogh", "miro")
TIMES = ("sunrise", "noon", "sunset", "night")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
SHAPES = ("circle", "square", "triangle", "star", "heart")
# Where a lone object may stand: (row, column) in a 3 x 3 grid of cells.
PLACES = {"centre": (1, 1), "left": (1, 0), "right": (1, 2), "top": (0, 1), "bottom": (2, 1)}
RELATIONS = ("left", "right", "above", "below")


@dataclass(frozen=True)
class Thing:
    """A flat shape in one cell of the 3 x 3 grid."""

    shape: str
    colour: str
    row: int
    column: int


@dataclass(frozen=True)
class Spec:
    """The meaning of a picture; `seed` fixes everything that no caption names."""

    subject: str
    style: str
    time: str = "noon"
    moon: bool = False
    stars: bool = False
    colour: str = ""  # of the house's walls or the boats' sails
    count: int = 1  # of boats, or of equal objects in a row
    place: str = ""  # a key of PLACES, a word of RELATIONS, or "row"
    things: tuple[Thing, ...] = ()
    seed: int = 0


def is_held_out(spec: Spec) -> bool:
    """True for about one combination in nine: such pictures never enter training.

    Of the scenes two of every subject's sixteen styles and times are held out, spread evenly; of the
    coloured shapes one combination in ten, drawn by a hash.
    """
    if spec.subject == "objects":
        key = [spec.place, *(f"{t.shape}-{t.colour}" for t in spec.things)]
        return zlib.crc32(" ".join(key).encode()) % 10 == 0
    scene, style = SCENES.index(spec.subject), STYLES.index(spec.style)
    return style % 2 == scene % 2 and TIMES.index(spec.time) == (scene // 2 + style + 1) % 4


def _objects(rng: random.Random) -> dict:
    """Fields of a Spec whose subject is coloured shapes."""
    kind = rng.random()
    shape, colour = rng.choice(SHAPES), rng.choice(COLOURS)
    if kind < 0.35:
        place = rng.choice(tuple(PLACES))
        return {"place": place, "things": (Thing(shape, colour, *PLACES[place]),)}
    if kind < 0.5:
        count = rng.choice((2, 3))
        columns = (0, 2) if count == 2 else (0, 1, 2)
        return {"place": "row", "count": count, "things": tuple(Thing(shape, colour, 1, c) for c in columns)}
    relation = rng.choice(RELATIONS)
    other = rng.choice([s for s in SHAPES if s != shape])
    tint = rng.choice([c for c in COLOURS if c != colour])
    first, second = {"left": ((1, 0), (1, 2)), "right": ((1, 2), (1, 0)), "above": ((0, 1), (2, 1)), "below": ((2, 1), (0, 1))}[relation]
    return {"place": relation, "things": (Thing(shape, colour, *first), Thing(other, tint, *second))}


def sample_spec(rng: random.Random, held_out: bool = False, objects: float = 0.4) -> Spec:
    """A random Spec from the training world, or from the combinations held out of it.

    `objects` is the share of pictures of coloured shapes: binding colour to shape to place is the
    hardest thing to learn, so it gets more than its fair ninth.
    """
    while True:
        style = rng.choice(STYLES)
        if rng.random() < objects:
            spec = Spec("objects", style, **_objects(rng))
        else:
            spec = Spec(rng.choice(SCENES), style, rng.choice(TIMES))
            if spec.time == "night":
                moon = rng.random() < 0.6
                spec = replace(spec, moon=moon, stars=not moon or rng.random() < 0.6)
            if spec.subject == "sea":
                spec = replace(spec, count=rng.choice((1, 2, 3)), colour=rng.choice(COLOURS))
            if spec.subject == "house":
                spec = replace(spec, colour=rng.choice(COLOURS))
        if is_held_out(spec) == held_out:
            return replace(spec, seed=rng.getrandbits(31))


# --- Words ---------------------------------------------------------------------------------------

_SUBJECT_WORDS = {
    "city": ("a city skyline", "city skyline", "the skyline of a city", "a skyline of a big city", "a city", "a town with tall buildings",
             "the buildings of a city", "an old city skyline", "tall buildings in a city", "a cityscape"),
    "futuristic": ("a futuristic cityscape", "a futuristic city", "futuristic cityscape", "a city of the future", "a futuristic city skyline",
                   "a science fiction city", "the skyline of a futuristic city", "a sci-fi city with glowing towers", "a city in the far future"),
    "mountains": ("mountains", "snowy mountains", "a mountain range", "mountain peaks", "high mountains with snow", "a mountain landscape",
                  "the Alps", "snow-capped peaks", "a mountain"),
    "forest": ("a forest", "trees in a forest", "a dense forest", "a wood with many trees", "a pine forest", "the edge of a forest", "forest",
               "tall trees", "woods"),
    "fields": ("fields", "wheat fields", "a wheat field", "farm fields", "fields of grain", "rows of crops in a field", "a field with haystacks",
               "farmland", "wide fields in the countryside"),
    "bridge": ("a bridge", "a bridge over a river", "a stone bridge", "an arched bridge over water", "an old bridge across the river",
               "a river with a bridge", "a bridge with arches"),
}  # fmt: skip
_TIME_WORDS = {
    "sunrise": ("at sunrise", "at dawn", "in the early morning", "as the sun rises", "in the pink light of dawn", "at daybreak"),
    "noon": ("at noon", "at midday", "on a sunny day", "in bright daylight", "under a blue sky", "by day", "in the daytime"),
    "sunset": ("at sunset", "at dusk", "in the evening", "as the sun goes down", "under an orange sunset sky", "in the evening light"),
}
_STYLE_WORDS = {
    "vangogh": ("in the style of Van Gogh", "in the style of Vincent van Gogh", "by Van Gogh", "by Vincent van Gogh", "painted by Van Gogh",
                "Van Gogh style", "like a Van Gogh painting", "as Van Gogh would paint it", "with swirling brush strokes by Van Gogh"),
    "turner": ("by J. M. W. Turner", "in the style of J. M. W. Turner", "in the style of Turner", "by William Turner", "by Turner",
               "painted by Turner", "Turner style", "in the haze and light of Turner", "like a Turner painting", "by JMW Turner"),
    "miro": ("in the style of Joan Miró", "by Joan Miró", "in the style of Miró", "by Miro", "painted by Miró", "Miró style", "in the style of Miro",
             "in the style of Joan Miro", "like a Miró painting", "with lines and flat shapes by Miró"),
    "plain": ("", "", "", "", "in a plain style", "as a simple picture", "as a flat illustration", "drawn plainly", "as a clean illustration"),
}  # fmt: skip
_STYLE_FIRST = {
    "vangogh": ("a Van Gogh painting of", "Van Gogh painted", "a painting by Vincent van Gogh of", "swirling Van Gogh strokes:"),
    "turner": ("a Turner painting of", "a painting by J. M. W. Turner of", "Turner painted", "hazy light by Turner:"),
    "miro": ("a Miró painting of", "a painting by Joan Miró of", "Miró painted", "a Miro picture of"),
    "plain": ("a picture of", "an illustration of", "a simple picture of", "a drawing of", "an image of"),
}
_NUMBERS = {1: "one", 2: "two", 3: "three"}


def _article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def _subject(spec: Spec, rng: random.Random) -> str:
    """Words for what is in the picture; a colour is left out now and then."""
    coloured = rng.random() < 0.75
    if spec.subject == "house":
        noun = rng.choice(("house", "house", "cottage", "little house"))
        house = _article(f"{spec.colour} {noun}" if coloured else noun)
        return f"{house} {rng.choice(('on a hill', 'on a hill', 'on a green hill', 'on top of a hill', 'on the hilltop'))}"
    if spec.subject == "sea":
        boat = rng.choice(("boat", "boat", "sailing boat", "sailboat"))
        boats = _article(boat) if spec.count == 1 else f"{_NUMBERS[spec.count]} {boat}s"
        if coloured:
            boats += f" with {_article(spec.colour) + ' sail' if spec.count == 1 else spec.colour + ' sails'}"
        elif rng.random() < 0.3:
            boats = "boats" if spec.count > 1 else boats
        return rng.choice((f"{boats} on the sea", f"{boats} at sea", f"the sea with {boats}", f"{boats} on the ocean", f"a sea with {boats}"))
    if spec.subject != "objects":
        return rng.choice(_SUBJECT_WORDS[spec.subject])
    return _things(spec, rng)


def _things(spec: Spec, rng: random.Random) -> str:
    """Words for coloured shapes and where they are."""
    first = f"{spec.things[0].colour} {spec.things[0].shape}"
    if spec.place == "row":
        many = f"{_NUMBERS[spec.count]} {first}s"
        return rng.choice((many, many, f"{many} in a row", f"{many} side by side"))
    if spec.place == "centre":
        return _article(first) + rng.choice(("", "", "", " in the middle", " in the centre", " in the center"))
    if len(spec.things) == 1:  # left and right are relations of two things as well
        side = {"left": ("on the left", "on the left side", "at the left"), "right": ("on the right", "on the right side", "at the right"),
                "top": ("at the top", "at the top of the picture"), "bottom": ("at the bottom", "at the bottom of the picture")}  # fmt: skip
        return f"{_article(first)} {rng.choice(side[spec.place])}"
    second = f"{spec.things[1].colour} {spec.things[1].shape}"
    turned = {"left": "right", "right": "left", "above": "below", "below": "above"}
    place = spec.place
    if rng.random() < 0.5:  # say the same from the other thing's point of view
        first, second, place = second, first, turned[place]
    words = {"left": ("left of", "to the left of", "on the left of"), "right": ("right of", "to the right of", "on the right of"),
             "above": ("above", "above", "over"), "below": ("below", "below", "under")}  # fmt: skip
    return f"{_article(first)} {rng.choice(words[place])} {_article(second)}"


def _time(spec: Spec, rng: random.Random) -> str:
    if spec.time != "night":
        return rng.choice(_TIME_WORDS[spec.time])
    words = ["at night", "at night", "by night"]
    if spec.moon:
        words += ["under a full moon", "by moonlight", "at night with a moon", "in the moonlight"]
    if spec.stars:
        words += ["under the stars", "on a starry night", "at night with stars"]
    if spec.moon and spec.stars:
        words += ["at night with the moon and stars"]
    return rng.choice(words)


def caption(spec: Spec, rng: random.Random, full: bool = False) -> str:
    """A caption of `spec`: wording, order and length vary. `full` names everything that a judge checks."""
    subject, style = _subject(spec, rng), rng.choice(_STYLE_WORDS[spec.style])
    while full and spec.colour and spec.colour not in subject:
        subject = _subject(spec, rng)
    time = "" if spec.subject == "objects" else _time(spec, rng)
    if not full and rng.random() < 0.1:
        time = ""
    order = rng.random()
    if order < 0.25:
        text = " ".join(w for w in (rng.choice(_STYLE_FIRST[spec.style]), subject, time) if w)
    elif order < 0.65:
        text = " ".join(w for w in (subject, time, style) if w)
    elif order < 0.85:
        text = ", ".join(w for w in (subject, time, style) if w)
    elif order < 0.93:
        text = ", ".join(w for w in (" ".join(w for w in (subject, time) if w), style) if w)
    else:
        text = ", ".join(w for w in (style, subject, time) if w)
    if rng.random() < 0.3:
        text = text[0].upper() + text[1:]
    return text + ("." if rng.random() < 0.1 else "")


if __name__ == "__main__":
    generator = random.Random(0)
    for _ in range(40):
        print(caption(sample_spec(generator), generator))
