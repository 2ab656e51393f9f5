"""The procedural painter: turns a Spec (world.py) into a 128 x 128 picture, about 10 ms each.

A scene is drawn once as geometry in unit coordinates (x to the right, y down, both 0..1) through a
`Brush`, which knows the style's palette. The style then works on the pixels: Turner's haze and glow,
van Gogh's strokes along a flow field, Miró's outlines and signs. The same Spec gives the same picture.

    python painter.py sheet.png [count]    # a contact sheet with every scene in every style
"""

from __future__ import annotations

import math
import sys
from typing import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from world import SCENES, STYLES, TIMES, Spec

SIZE = 128  # pixels of a finished picture
_CANVAS = 2 * SIZE  # shapes are drawn at twice the size: halving it smooths their edges
Colour = tuple[float, float, float]  # red, green, blue in 0..255
Point = tuple[float, float]

NAMED: dict[str, Colour] = {
    "red": (214, 40, 40), "orange": (245, 138, 28), "yellow": (250, 218, 48), "green": (46, 152, 66),
    "blue": (40, 84, 204), "purple": (134, 58, 172),
}  # fmt: skip
# Miró's few flat colours; elements of a scene pick among them.
_PRIMARY: tuple[Colour, ...] = ((212, 42, 36), (32, 74, 168), (250, 204, 44), (38, 136, 78), (24, 24, 28), (246, 240, 226))
_BLACK: Colour = (22, 20, 26)

# Sky colours from the zenith to the horizon.
_SKY: dict[str, dict[str, tuple[Colour, Colour, Colour]]] = {
    "plain": {
        "sunrise": ((142, 172, 224), (226, 190, 214), (255, 202, 190)),
        "noon": ((74, 154, 232), (128, 190, 242), (196, 228, 250)),
        "sunset": ((92, 58, 128), (226, 92, 78), (255, 178, 72)),
        "night": ((10, 16, 48), (22, 30, 78), (44, 56, 110)),
    },
    "turner": {
        "sunrise": ((176, 178, 196), (240, 208, 186), (255, 226, 176)),
        "noon": ((150, 176, 196), (222, 220, 196), (250, 236, 190)),
        "sunset": ((120, 82, 84), (226, 120, 56), (255, 196, 84)),
        "night": ((30, 40, 58), (58, 72, 92), (122, 134, 140)),
    },
    "vangogh": {
        "sunrise": ((96, 150, 206), (178, 186, 204), (250, 190, 150)),
        "noon": ((36, 112, 206), (74, 160, 222), (150, 206, 214)),
        "sunset": ((70, 72, 150), (228, 104, 60), (252, 190, 50)),
        "night": ((14, 28, 92), (26, 58, 142), (52, 104, 170)),
    },
    "miro": {
        "sunrise": ((246, 196, 186),) * 3,
        "noon": ((242, 230, 198),) * 3,
        "sunset": ((232, 120, 58),) * 3,
        "night": ((26, 48, 118),) * 3,
    },
}
# How daylight colours the land.
_TINT: dict[str, Colour] = {"sunrise": (1.0, 0.86, 0.88), "noon": (1, 1, 1), "sunset": (0.92, 0.66, 0.58), "night": (0.36, 0.42, 0.64)}

_Y, _X = (np.mgrid[0:SIZE, 0:SIZE] + 0.5).astype(np.float32) / SIZE


def _mix(a: Colour, b: Colour, t: float) -> Colour:
    return tuple(p + (q - p) * t for p, q in zip(a, b))


def _paint(colour: Colour) -> tuple[int, int, int]:
    return tuple(int(min(255, max(0, c))) for c in colour)


class Brush:
    """Draws in unit coordinates with the palette of one style and time of day.

    Besides the colours it keeps, for van Gogh, the direction of the strokes in `angle` (0..254 for 0..pi,
    255 where the sky's own flow rules).
    """

    def __init__(self, spec: Spec, rng: np.random.Generator) -> None:
        self.spec, self.rng, self.style = spec, rng, spec.style
        self.light: Point = (0.5, 0.3)
        self.stars: list[Point] = []
        self.image = Image.fromarray(self._sky())
        self._draw = ImageDraw.Draw(self.image)
        self.angle = Image.new("L", (_CANVAS, _CANVAS), 255)
        self._draw_angle = ImageDraw.Draw(self.angle)

    # --- colours

    def _sky(self) -> np.ndarray:
        """[256, 256, 3] uint8: the sky's gradient, its turning point at 60 % of the height."""
        stops = np.array(_SKY[self.style][self.spec.time], np.float32)
        y = np.linspace(0, 1, _CANVAS)
        column = np.stack([np.interp(y, (0, 0.3, 0.62), stops[:, c]) for c in range(3)], axis=1)
        return np.repeat(column[:, None], _CANVAS, axis=1).astype(np.uint8)

    def sky_at(self, y: float) -> Colour:
        """The sky's colour at height y, for water and haze."""
        a, b, c = _SKY[self.style][self.spec.time]
        return _mix(a, b, y / 0.3) if y < 0.3 else _mix(b, c, min(1.0, (y - 0.3) / 0.32))

    def tone(self, colour: Colour, weight: float = 1.0) -> Colour:
        """`colour` as the daylight and the style show it; `weight` 0 leaves it as it is."""
        tint = _TINT[self.spec.time]
        colour = tuple(c * (1 + (t - 1) * weight) for c, t in zip(colour, tint))
        if self.style == "vangogh":  # purer colours
            grey = sum(colour) / 3
            colour = tuple(grey + 1.4 * (c - grey) for c in colour)
        if self.style == "turner":  # dark masses that the light will eat into
            colour = tuple(c * 0.78 for c in colour)
        return colour

    def fill(self, colour: Colour, miro: Sequence[int] | None = None, named: bool = False) -> Colour:
        """The colour for an element: toned, or in Miró's world one of the primaries `miro`."""
        if named:  # colours that captions name must stay readable
            return colour if self.style == "miro" else self.tone(colour, 0.3)
        if self.style == "miro" and miro:
            return _PRIMARY[int(self.rng.choice(list(miro)))]
        return self.tone(colour)

    # --- shapes

    def poly(self, points: Sequence[Point], colour: Colour, angle: float | None = 0.0, outline: bool = True) -> None:
        """A filled polygon; `angle` is its strokes' direction in degrees, None for the sky's flow."""
        pixels = [(x * _CANVAS, y * _CANVAS) for x, y in points]
        self._draw.polygon(pixels, fill=_paint(colour))
        if outline and self.style in ("miro", "vangogh"):
            line = _BLACK if self.style == "miro" else (20, 26, 58)
            self._draw.line([*pixels, pixels[0]], fill=line, width=4 if self.style == "miro" else 3, joint="curve")
        self._draw_angle.polygon(pixels, fill=255 if angle is None else int((angle % 180) / 180 * 254))

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, angle: float | None = 0.0, outline: bool = True) -> None:
        steps = np.linspace(0, 2 * math.pi, 28, endpoint=False)
        self.poly([(x + rx * math.cos(a), y + ry * math.sin(a)) for a in steps], colour, angle, outline)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, angle: float | None = 90.0, outline: bool = True) -> None:
        if self.style == "miro" and outline:  # drawn by hand: nothing is quite upright
            lean = self.rng.uniform(-0.015, 0.015)
            self.poly([(x0 + lean, y0), (x1 + lean, y0 + lean), (x1, y1), (x0, y1)], colour, angle)
        else:
            self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, angle, outline)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 0.012) -> None:
        self._draw.line([(x * _CANVAS, y * _CANVAS) for x, y in points], fill=_paint(colour), width=max(2, int(width * _CANVAS)), joint="curve")

    def ground(self, heights: Sequence[float], colour: Colour, miro: Sequence[int], angle: float = 5.0) -> None:
        """Land from a skyline of `heights`, evenly spaced over the width, down to the lower edge."""
        xs = np.linspace(0, 1, 33)
        ys = np.interp(xs, np.linspace(0, 1, len(heights)), heights)
        for _ in range(3):  # round the corners
            ys[1:-1] = (ys[:-2] + 2 * ys[1:-1] + ys[2:]) / 4
        self.poly([(-0.02, 1.02), (-0.02, ys[0]), *zip(xs, ys), (1.02, ys[-1]), (1.02, 1.02)], self.fill(colour, miro), angle)


# --- Skies ---------------------------------------------------------------------------------------


def _asterisk(b: Brush, x: float, y: float, r: float, colour: Colour) -> None:
    """Miró's star: four crossing lines."""
    for k in range(4):
        a = k * math.pi / 4
        b.line([(x - r * math.cos(a), y - r * math.sin(a)), (x + r * math.cos(a), y + r * math.sin(a))], colour, 0.012)


def _star_points(x: float, y: float, r: float, turn: float = -math.pi / 2, inner: float = 0.45) -> list[Point]:
    angles = [turn + k * math.pi / 5 for k in range(10)]
    return [(x + r * (inner if k % 2 else 1) * math.cos(a), y + r * (inner if k % 2 else 1) * math.sin(a)) for k, a in enumerate(angles)]


def _heaven(b: Brush) -> None:
    """Sun, moon, stars and clouds."""
    spec, rng = b.spec, b.rng
    x = float(rng.uniform(0.14, 0.86))
    if spec.time == "night":
        _night(b, x)
        return
    y = float(rng.uniform(0.13, 0.2)) if spec.time == "noon" else float(rng.uniform(0.3, 0.4))
    r = {"noon": 0.07, "sunrise": 0.08, "sunset": 0.1}[spec.time]
    b.light = (x, y)
    sun: Colour = {"noon": (255, 240, 130), "sunrise": (255, 240, 200), "sunset": (255, 104, 44)}[spec.time]
    if b.style == "vangogh":
        sun = {"noon": (255, 230, 70), "sunrise": (255, 226, 110), "sunset": (255, 206, 40)}[spec.time]
    if b.style == "miro":
        sun = {"noon": _PRIMARY[0], "sunrise": _PRIMARY[2], "sunset": (196, 24, 30)}[spec.time]
        for k in range(8):
            a = k * math.pi / 4 + 0.3
            b.line([(x + 1.2 * r * math.cos(a), y + 1.2 * r * math.sin(a)), (x + 1.8 * r * math.cos(a), y + 1.8 * r * math.sin(a))], _BLACK, 0.014)
    b.ellipse(x, y, r, r, sun, None, outline=b.style == "miro")
    if b.style == "plain" and spec.time == "noon":
        for _ in range(int(rng.integers(1, 4))):
            cx, cy = rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.3)
            for dx, dy, s in ((-0.07, 0.012, 0.7), (0, 0, 1.0), (0.075, 0.015, 0.75)):
                b.ellipse(cx + dx, cy + dy, 0.065 * s, 0.04 * s, (250, 252, 255), None, outline=False)


def _night(b: Brush, x: float) -> None:
    spec, rng = b.spec, b.rng
    b.light = (x, float(rng.uniform(0.14, 0.24)))
    pale: Colour = (255, 236, 120) if b.style == "vangogh" else (250, 246, 220)
    if spec.stars:
        for _ in range(7 if b.style in ("vangogh", "miro") else 16):
            sx, sy = float(rng.uniform(0.04, 0.96)), float(rng.uniform(0.04, 0.42))
            if spec.moon and math.hypot(sx - b.light[0], sy - b.light[1]) < 0.2:
                continue
            b.stars.append((sx, sy))
            if b.style == "miro":
                _asterisk(b, sx, sy, 0.042, (246, 240, 226))
            else:
                r = 0.024 if b.style == "vangogh" else 0.011
                b.ellipse(sx, sy, r, r, pale, None, outline=False)
    if spec.moon:
        mx, my = b.light
        if b.style == "miro":  # a crescent: the sky's colour bites into the disc
            b.ellipse(mx, my, 0.09, 0.09, _PRIMARY[2], None)
            b.ellipse(mx + 0.045, my - 0.02, 0.075, 0.075, _SKY["miro"]["night"][0], None)
        else:
            b.ellipse(mx, my, 0.085, 0.085, pale, None, outline=False)


# --- Scenes --------------------------------------------------------------------------------------


def _lit(b: Brush, chance: float) -> bool:
    return b.rng.random() < (chance if b.spec.time in ("night", "sunset") else 0.0)


def _windows(b: Brush, x0: float, y0: float, x1: float, y1: float) -> None:
    """A grid of windows on a wall; most are lit at night."""
    columns, rows = max(2, int((x1 - x0) / 0.055)), max(2, int((y1 - y0) / 0.085))
    dark: Colour = _BLACK if b.style == "miro" else b.tone((70, 84, 110))
    for i in range(columns):
        for j in range(rows):
            cx, cy = x0 + (x1 - x0) * (i + 0.5) / columns, y0 + (y1 - y0) * (j + 0.6) / (rows + 0.4)
            lit = _lit(b, 0.65)
            b.box(cx - 0.012, cy - 0.018, cx + 0.012, cy + 0.018, (255, 222, 110) if lit else dark, outline=False)


def _city(b: Brush) -> None:
    rng = b.rng
    walls = ((168, 120, 100), (150, 140, 150), (190, 164, 130), (120, 120, 150), (176, 96, 84))
    haze = b.sky_at(0.55)
    x = -0.04
    while x < 1:
        w, top = rng.uniform(0.09, 0.15), rng.uniform(0.36, 0.56)
        far = b.fill((130, 135, 160), (1, 3, 5))
        b.box(x, top, x + w, 0.9, far if b.style == "miro" else _mix(far, haze, 0.45))
        x += w * 0.95
    x = -0.03
    spire = rng.integers(0, 5)
    k = 0
    while x < 1:
        w, top = rng.uniform(0.14, 0.2), rng.uniform(0.4, 0.68)
        wall = b.fill(walls[int(rng.integers(len(walls)))], (0, 1, 2, 3, 5))
        if k == spire:  # one landmark: a church tower
            b.box(x + w * 0.2, 0.36, x + w * 0.8, 0.92, wall)
            b.poly([(x + w * 0.12, 0.37), (x + w * 0.5, 0.18), (x + w * 0.88, 0.37)], b.fill((110, 66, 62), (0, 4)), 80)
            _windows(b, x + w * 0.2, 0.42, x + w * 0.8, 0.86)
        else:
            b.box(x, top, x + w, 0.92, wall)
            if rng.random() < 0.35:
                b.poly([(x - 0.01, top), (x + w / 2, top - 0.08), (x + w + 0.01, top)], b.fill((120, 64, 56), (0, 4)), 20)
            _windows(b, x + 0.01, top + 0.02, x + w - 0.01, 0.88)
        x, k = x + w + rng.uniform(0, 0.02), k + 1
    b.ground((0.9, 0.9), (96, 92, 96), (2, 4))


def _futuristic(b: Brush) -> None:
    rng = b.rng
    hulls = ((120, 200, 208), (176, 196, 214), (128, 108, 190), (86, 150, 196), (206, 212, 224))
    neon = ((70, 250, 240), (255, 90, 210))
    haze = b.sky_at(0.55)
    for x in np.arange(0.04, 1.0, 0.13):  # a far row of thin spires
        top, w = rng.uniform(0.28, 0.5), 0.035
        far = b.fill((110, 150, 180), (1, 3, 5))
        b.poly([(x - w, 0.9), (x - w * 0.6, top + 0.12), (x, top), (x + w * 0.6, top + 0.12), (x + w, 0.9)],
               far if b.style == "miro" else _mix(far, haze, 0.4), 90)  # fmt: skip
    kinds = list(rng.permutation(4)) + [int(rng.integers(4))]
    for x, kind in zip(np.linspace(0.1, 0.9, 5) + rng.uniform(-0.03, 0.03, 5), kinds):
        hull, w = b.fill(hulls[int(rng.integers(len(hulls)))], (0, 1, 2, 3, 5)), rng.uniform(0.065, 0.085)
        glow = neon[int(rng.integers(2))] if b.style != "miro" else _BLACK
        if kind == 0:  # a capsule with rings of light
            top = rng.uniform(0.28, 0.42)
            b.poly([(x - w, 0.92)] + [(x + w * math.cos(a), top - w * math.sin(a)) for a in np.linspace(math.pi, 0, 14)] + [(x + w, 0.92)], hull, 90)
            for y in np.arange(top + 0.06, 0.86, 0.11):
                b.line([(x - w * 0.75, y), (x + w * 0.75, y)], glow, 0.018)
        elif kind == 1:  # a saucer on a stalk
            top = rng.uniform(0.26, 0.42)
            b.poly([(x - 0.05, 0.92), (x - 0.014, top), (x + 0.014, top), (x + 0.05, 0.92)], hull, 90)
            b.line([(x, top), (x, top - 0.12)], b.tone((220, 225, 235)) if b.style != "miro" else _BLACK, 0.012)
            b.ellipse(x, top, 0.12, 0.042, hull, 0)
            b.line([(x - 0.085, top + 0.005), (x + 0.085, top + 0.005)], glow, 0.016)
        elif kind == 2:  # a leaning blade
            top, lean = rng.uniform(0.2, 0.34), rng.choice((-1, 1)) * 0.06
            t = np.linspace(0, 1, 10)
            left = [(x - w + (lean + w) * s**2, 0.92 - (0.92 - top) * s) for s in t]
            right = [(x + w + (lean - w) * s**0.7, 0.92 - (0.92 - top) * s) for s in t[::-1]]
            b.poly(left + right, hull, 85)
            b.line([(x + lean * s**2, 0.9 - (0.8 - top) * s) for s in t], glow, 0.014)
        else:  # a dome
            w *= 1.7
            b.poly([(x + w * math.cos(a), 0.9 - 1.5 * w * math.sin(a)) for a in np.linspace(0, math.pi, 20)], hull, 45)
            for s in (0.45, 0.85):
                b.line([(x + w * s * math.cos(a), 0.9 - 1.5 * w * s * math.sin(a)) for a in np.linspace(0.1, math.pi - 0.1, 12)], glow, 0.012)
    for _ in range(2):  # flying cars with trails of light
        x, y = rng.uniform(0.15, 0.85), rng.uniform(0.12, 0.3)
        b.line([(x, y), (x + 0.12, y)], neon[1] if b.style != "miro" else _BLACK, 0.012)
        b.ellipse(x, y, 0.03, 0.014, b.fill((230, 235, 245), (0, 1)), None)
    b.ground((0.9, 0.89, 0.9), (60, 66, 92), (1, 4))


def _ridge(b: Brush, base: float, tops: Sequence[Point], colour: Colour, snow: bool) -> None:
    """Peaks at `tops`, each with a snow cap that follows its flanks."""
    for x, y in tops:
        w = (base - y) * b.rng.uniform(0.75, 1.0)
        left, right = (x - w, base), (x + w * b.rng.uniform(0.85, 1.1), base)
        b.poly([left, (x, y), right], colour, 60)
        b.poly([(x, y), right, (x + w * 0.2, base)], _mix(colour, _BLACK, 0.22) if b.style != "miro" else colour, 120, outline=b.style == "miro")
        if snow:
            s = 0.36
            cap = [(x, y), (x + (right[0] - x) * s, y + (base - y) * s)]
            cap += [(x + (right[0] - x) * s * 0.4, y + (base - y) * s * 0.75), (x, y + (base - y) * s * 1.1)]
            cap += [(x + (left[0] - x) * s * 0.5, y + (base - y) * s * 0.72), (x + (left[0] - x) * s, y + (base - y) * s)]
            b.poly(cap, b.fill((250, 250, 255), (5,)), 60)


def _mountains(b: Brush) -> None:
    rng = b.rng
    haze = b.sky_at(0.6)
    far = b.fill((120, 135, 175), (1, 3))
    _ridge(b, 0.78, [(x, rng.uniform(0.34, 0.44)) for x in (0.12, 0.5, 0.88)], far if b.style == "miro" else _mix(far, haze, 0.4), snow=False)
    big = rng.uniform(0.3, 0.7)
    other = big + 0.38 if big < 0.5 else big - 0.38
    _ridge(b, 0.82, [(other, rng.uniform(0.34, 0.42)), (big, rng.uniform(0.2, 0.28))], b.fill((104, 106, 136), (0, 1, 4)), snow=True)
    b.ground(rng.uniform(0.7, 0.8, 5), (82, 128, 84), (2, 3), 10)
    b.ground(rng.uniform(0.84, 0.92, 5), (52, 98, 66), (0, 3), 170)


def _water(b: Brush, top: float) -> None:
    """Water from `top` down: darker than the sky it mirrors, with a path of light under a low sun."""
    shade = _mix(b.sky_at(0.3), b.tone((30, 90, 150)), 0.55)
    b.box(-0.02, top, 1.02, 1.02, (54, 120, 190) if b.style == "miro" and b.spec.time != "night" else (20, 90, 130) if b.style == "miro" else shade, 0)
    if b.style == "miro":
        for y in np.arange(top + 0.09, 1, 0.12):
            x = b.rng.uniform(0, 0.6)
            b.line([(x + t * 0.3, y + 0.012 * math.sin(t * 4 * math.pi)) for t in np.linspace(0, 1, 16)], _BLACK, 0.012)
        return
    glint = _mix(shade, b.sky_at(0.62), 0.6)
    for y in np.arange(top + 0.05, 1, 0.07):
        x = b.rng.uniform(0, 0.9)
        b.line([(x, y), (x + b.rng.uniform(0.08, 0.2), y)], glint, 0.012)
    if b.spec.time != "noon" and (b.spec.time != "night" or b.spec.moon):
        for k, y in enumerate(np.arange(top + 0.02, 1, 0.05)):
            b.ellipse(b.light[0], y, 0.05 + 0.008 * k, 0.013, _mix((255, 226, 150), shade, 0.1 + 0.06 * k), 0, outline=False)


def _sea(b: Brush) -> None:
    rng, spec = b.rng, b.spec
    _water(b, rng.uniform(0.5, 0.56))
    scale = {1: 1.25, 2: 0.95, 3: 0.78}[spec.count]
    slots = {1: (0.5,), 2: (0.27, 0.73), 3: (0.18, 0.5, 0.82)}[spec.count]
    for slot in slots:
        x, y, s = slot + rng.uniform(-0.05, 0.05) * (2 if spec.count == 1 else 1), rng.uniform(0.7, 0.78), scale * 0.2
        flip = float(rng.choice((-1, 1)))
        sail = b.fill(NAMED[spec.colour], named=True)
        b.line([(x, y), (x, y - 1.75 * s)], b.tone((70, 46, 34)) if b.style != "miro" else _BLACK, 0.014)
        b.poly([(x + 0.04 * flip * s, y - 1.7 * s), (x + 0.85 * flip * s, y - 0.15 * s), (x + 0.04 * flip * s, y - 0.15 * s)], sail, 70)
        b.poly([(x - 0.06 * flip * s, y - 1.45 * s), (x - 0.6 * flip * s, y - 0.15 * s), (x - 0.06 * flip * s, y - 0.15 * s)], sail, 110)
        b.poly([(x - 0.85 * s, y), (x + 0.85 * s, y), (x + 0.55 * s, y + 0.32 * s), (x - 0.55 * s, y + 0.32 * s)], b.fill((96, 56, 38), (4, 4)), 0)


def _tree(b: Brush, x: float, y: float, h: float, conifer: bool, leaf: Colour) -> None:
    w = h * 0.28
    b.box(x - h * 0.04, y - h * 0.3, x + h * 0.04, y, b.tone((88, 60, 44)) if b.style != "miro" else _BLACK, 90, outline=False)
    if conifer:
        for k in range(3):
            top = y - h + k * h * 0.24
            b.poly([(x - w * (0.6 + 0.2 * k), top + h * 0.36), (x, top), (x + w * (0.6 + 0.2 * k), top + h * 0.36)], leaf, 80)
    else:
        b.ellipse(x, y - h * 0.62, w * 1.05, h * 0.36, leaf, 45)


def _forest(b: Brush) -> None:
    rng = b.rng
    conifer = rng.random() < 0.65
    far = b.fill((60, 110, 84), (3,))
    far = far if b.style == "miro" else _mix(far, b.sky_at(0.6), 0.35)
    for x in np.arange(0.0, 1.05, 0.1):
        _tree(b, x + rng.uniform(-0.02, 0.02), 0.74, rng.uniform(0.3, 0.42), conifer, far)
    b.ground(rng.uniform(0.68, 0.74, 4), (92, 132, 72), (2, 5), 10)
    greens = ((38, 104, 56), (52, 124, 62), (28, 86, 58))
    for row, (y, h) in enumerate(((0.82, 0.5), (0.95, 0.62))):
        for x in np.arange(0.1 - 0.08 * row, 1.05, 0.2):
            leaf = b.fill(greens[int(rng.integers(3))], (3, 3, 1, 0))
            _tree(b, x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.02, 0.02), h * rng.uniform(0.85, 1.1), conifer, leaf)


def _house(b: Brush) -> None:
    rng = b.rng
    x, top = rng.uniform(0.38, 0.62), rng.uniform(0.6, 0.64)
    b.ground((0.84, 0.76, 0.8, 0.82), (112, 160, 104), (2, 1), 170)
    steps = np.linspace(-1, 1, 25)
    hill = [(x + s * 0.75, top + 0.42 * s * s) for s in steps]
    b.poly([(-0.3, 1.02), *hill, (1.3, 1.02)], b.fill((76, 148, 66), (3,)), 15)
    _tree(b, x + float(rng.choice((-1, 1))) * 0.3, top + 0.07, 0.3, False, b.fill((44, 112, 56), (3, 1)))
    wall, w, h = b.fill(NAMED[b.spec.colour], named=True), 0.15, 0.2
    b.box(x + 0.06, top - 0.36, x + 0.11, top - 0.2, b.fill((120, 70, 60), (4,)))
    b.box(x - w, top - h, x + w, top + 0.03, wall, 0)
    b.poly([(x - w - 0.04, top - h), (x, top - h - 0.16), (x + w + 0.04, top - h)], b.fill((86, 58, 54), (4,)), 30)
    b.box(x - 0.035, top - 0.1, x + 0.035, top + 0.03, b.fill((70, 48, 40), (4,)), 90)
    glass = (255, 226, 120) if b.spec.time in ("night", "sunset") else b.fill((226, 240, 250), (5,))
    for side in (-1, 1):
        b.box(x + side * 0.09 - 0.026, top - 0.14, x + side * 0.09 + 0.026, top - 0.075, glass, 90)


def _fields(b: Brush) -> None:
    rng = b.rng
    horizon = rng.uniform(0.44, 0.5)
    b.ground((horizon - 0.05, horizon - 0.02, horizon - 0.06, horizon - 0.03), (96, 140, 120), (1, 3), 5)
    vanish, crops = rng.uniform(0.3, 0.7), ((226, 186, 70), (150, 170, 66), (236, 206, 104), (120, 150, 60))
    edges = np.linspace(-1.3, 2.3, 15)
    for k, (x0, x1) in enumerate(zip(edges[:-1], edges[1:])):  # furrows run to the vanishing point
        crop = b.fill(crops[k % 4], ((2,), (3,), (2,), (0,))[k % 4])
        tilt = math.degrees(math.atan2(1 - horizon, (x0 + x1) / 2 - vanish))
        b.poly([(vanish + (x0 - vanish) * 0.1, horizon), (vanish + (x1 - vanish) * 0.1, horizon), (x1, 1.02), (x0, 1.02)], crop, tilt)
    b.poly([(-0.02, horizon), (1.02, horizon), (1.02, horizon + 0.035), (-0.02, horizon + 0.035)], b.fill((78, 120, 62), (3,)), 0)
    for x in rng.permutation((0.16, 0.5, 0.84))[: int(rng.integers(2, 4))]:  # haystacks
        y, s = rng.uniform(0.66, 0.84), rng.uniform(0.085, 0.11)
        b.poly([(x + s * math.cos(a), y - 1.25 * s * math.sin(a)) for a in np.linspace(0, math.pi, 14)], b.fill((206, 156, 64), (0, 5)), 70)


def _bridge(b: Brush) -> None:
    rng = b.rng
    b.ground(rng.uniform(0.46, 0.54, 4), (104, 142, 110), (2, 3), 10)
    _water(b, 0.6)
    deck, arches = rng.uniform(0.42, 0.47), int(rng.integers(2, 5))
    stone = b.fill((164, 146, 128), (0, 5, 2))
    xs = np.linspace(-0.02, 1.02, 15)
    crown = [(x, deck + 0.05 * (2 * x - 1) ** 2) for x in xs]
    b.poly([*crown, (1.02, 0.74), (-0.02, 0.74)], stone, 0)
    opening = b.sky_at(0.6) if b.style != "miro" else (54, 120, 190) if b.spec.time != "night" else (20, 90, 130)
    water = opening if b.style == "miro" else _mix(b.sky_at(0.3), b.tone((30, 90, 150)), 0.55)
    span = 1.0 / arches
    for k in range(arches):
        cx, rx = (k + 0.5) * span, span * 0.38
        rise = min(0.2, rx * 1.1)
        arch = [(cx + rx * math.cos(a), 0.75 - rise * math.sin(a)) for a in np.linspace(0, math.pi, 18)]
        b.poly(arch, opening if b.style == "miro" else _mix(opening, water, 0.35), 0)
        if b.style != "miro":  # the arch mirrored in the river
            b.poly([(x, 1.5 - y) for x, y in arch], _mix(opening, water, 0.6), 0, outline=False)
    b.line([(x, y - 0.035) for x, y in crown], _BLACK if b.style == "miro" else b.tone((104, 88, 78)), 0.016)
    for x in np.linspace(0.05, 0.95, 8):
        b.line([(x, deck + 0.05 * (2 * x - 1) ** 2 - 0.035), (x, deck + 0.05 * (2 * x - 1) ** 2)], _BLACK if b.style == "miro" else b.tone((104, 88, 78)), 0.01)


def shape_points(shape: str, x: float, y: float, r: float) -> list[Point]:
    """Corners of a named shape of radius r around (x, y)."""
    if shape == "circle":
        return [(x + r * math.cos(a), y + r * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 32, endpoint=False)]
    if shape == "square":
        s = r * 0.88
        return [(x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)]
    if shape == "triangle":
        return [(x, y - r), (x + r * 1.02, y + r * 0.8), (x - r * 1.02, y + r * 0.8)]
    if shape == "star":
        return _star_points(x, y, r * 1.15)
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)  # the heart curve, 32 units wide
    hx, hy = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [(x + r * p / 15.5, y - r * q / 15.5) for p, q in zip(hx, hy)]


_BACKDROPS: dict[str, tuple[Colour, ...]] = {
    "plain": ((244, 240, 228), (222, 232, 240), (236, 236, 236), (228, 240, 226)),
    "turner": ((236, 222, 190), (222, 212, 196), (206, 210, 206)),
    "vangogh": ((92, 146, 176), (196, 170, 104), (128, 168, 140)),
    "miro": ((242, 230, 198), (244, 222, 190), (226, 226, 214)),
}


def _objects(b: Brush) -> None:
    """Coloured shapes in the cells of a 3 x 3 grid."""
    rng, things = b.rng, b.spec.things
    backdrop = _BACKDROPS[b.style][int(rng.integers(len(_BACKDROPS[b.style])))]
    b.poly([(-0.1, -0.1), (1.1, -0.1), (1.1, 1.1), (-0.1, 1.1)], backdrop, None, outline=False)
    if b.style == "miro":
        _signs(b, 3)
    b.stars = []
    for thing in things:
        step = 0.31 if b.spec.count == 3 else 0.27
        jitter = rng.uniform(-0.025, 0.025, 2) * (0.5 if b.spec.count == 3 else 1)
        x, y = 0.5 + step * (thing.column - 1) + jitter[0], 0.5 + step * (thing.row - 1) + jitter[1]
        r = (0.21 if len(things) == 1 else 0.19 if len(things) == 2 else 0.14) * rng.uniform(0.92, 1.08)
        if b.spec.place == "centre":
            r *= 1.3
        b.poly(shape_points(thing.shape, x, y, r), NAMED[thing.colour], 30.0)
        b.stars.append((x, y))
    b.light = (float(np.mean([p[0] for p in b.stars])), float(np.mean([p[1] for p in b.stars])))


# --- Styles --------------------------------------------------------------------------------------


def _signs(b: Brush, count: int, low: float = 0.06, high: float = 0.94) -> None:
    """Miró's signs: asterisks, dots on strings and curling lines, black or white on dark."""
    ink = (246, 240, 226) if b.spec.time == "night" and b.spec.subject != "objects" else _BLACK
    for _ in range(count):
        x, y, kind = b.rng.uniform(0.1, 0.9), b.rng.uniform(low, high), b.rng.integers(3)
        if kind == 0:
            _asterisk(b, x, y, 0.045, ink)
        elif kind == 1:
            dx, dy = b.rng.uniform(-0.12, 0.12), b.rng.uniform(0.05, 0.1)
            b.line([(x, y), (x + dx, y + dy)], ink, 0.012)
            b.ellipse(x, y, 0.022, 0.022, ink, None, outline=False)
            b.ellipse(x + dx, y + dy, 0.022, 0.022, ink, None, outline=False)
        else:
            turn = b.rng.uniform(0, 2 * math.pi)
            b.line([(x + 0.016 * t * math.cos(turn + t), y + 0.016 * t * math.sin(turn + t)) for t in np.linspace(0, 5.5, 22)], ink, 0.012)


def _smooth(a: np.ndarray, passes: int) -> np.ndarray:
    """Blurs [h, w, ...] with `passes` of (1 2 1) / 4 each way: a deviation of sqrt(passes / 2) pixels."""
    for _ in range(passes):
        for axis in (0, 1):
            padded = np.concatenate([a.take([0], axis), a, a.take([-1], axis)], axis)
            n = a.shape[axis]
            mid = [slice(None)] * a.ndim
            low, high = list(mid), list(mid)
            low[axis], mid[axis], high[axis] = slice(0, n), slice(1, n + 1), slice(2, n + 2)
            a = 0.25 * padded[tuple(low)] + 0.5 * padded[tuple(mid)] + 0.25 * padded[tuple(high)]
    return a


def _clouds(rng: np.random.Generator, across: int, down: int) -> np.ndarray:
    """Smooth noise [128, 128] of deviation about 1 with `across` x `down` knots."""
    knots = Image.fromarray(rng.standard_normal((down, across)).astype(np.float32), mode="F")
    return np.asarray(knots.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def _turner(b: Brush, image: np.ndarray) -> np.ndarray:
    """Melts forms into light: blur, a glow around the sun or moon, drifting haze, dark corners."""
    rng, objects = b.rng, b.spec.subject == "objects"
    image = _smooth(image, 3 if objects else 4)
    glow = np.array({"sunrise": (255, 232, 186), "noon": (255, 242, 198), "sunset": (255, 176, 66), "night": (206, 214, 204)}[b.spec.time], np.float32)
    lx, ly = b.light
    distance = np.hypot(_X - lx, (_Y - ly) * 1.2)
    drift = 0.6 * _clouds(rng, 4, 6) + 0.4 * _clouds(rng, 7, 13)
    dim = b.spec.time == "night" and not b.spec.moon
    veil = 0.62 * np.exp(-((distance / 0.3) ** 2)) * (0.35 if dim else 1.0) + 0.14 + 0.09 * drift
    if objects:
        veil = 0.12 + 0.1 * drift + 0.1 * np.exp(-((distance / 0.5) ** 2))
    else:
        veil = veil + 0.12 * np.exp(-(((_Y - 0.6) / 0.12) ** 2))  # mist lies along the horizon
    veil = np.clip(veil, 0.0, 0.85)[..., None]
    image = image * (1 - veil) + glow * veil
    if objects:
        return image + (7 * drift)[..., None]
    corner = np.clip((np.hypot(_X - lx, _Y - ly) - 0.42) * 0.75, 0, 0.42)[..., None]
    umber = np.array((70, 50, 52) if b.spec.time != "night" else (14, 20, 34), np.float32)
    image = image * (1 - corner) + umber * corner
    warm = np.array((1.0, 0.85, 0.6), np.float32)
    return image + 9 * drift[..., None] * warm


def _flow(b: Brush) -> np.ndarray:
    """The strokes' direction [128, 128] in radians: whirls in the sky, set angles elsewhere."""
    rng, objects = b.rng, b.spec.subject == "objects"
    vx = np.ones((SIZE, SIZE), np.float32)
    vy = 0.7 * np.sin(2 * math.pi * (1.1 * _X + 0.5 * _Y) + rng.uniform(0, 6.3)).astype(np.float32)
    whirls: list[tuple[float, float, float]] = [(*b.light, 0.2)] if not (b.spec.time == "night" and not b.spec.moon) else []
    whirls += [(x, y, 0.3 if objects else 0.09) for x, y in b.stars]
    if not objects:  # the great free whirl of the Starry Night
        whirls.append((float((b.light[0] + rng.uniform(0.35, 0.65)) % 1), float(rng.uniform(0.2, 0.3)), 0.17))
    for x, y, radius in whirls:
        dx, dy = _X - x, _Y - y
        r = np.hypot(dx, dy) + 1e-3
        pull = 4.0 * np.exp(-((r / radius) ** 2))
        vx, vy = vx - pull * dy / r, vy + pull * dx / r
    marks = np.asarray(b.angle.resize((SIZE, SIZE), Image.Resampling.NEAREST))
    bend = 0.35 * np.sin(2 * math.pi * (1.6 * _X + 1.2 * _Y))  # no stroke is quite straight
    return np.where(marks == 255, np.arctan2(vy, vx), marks.astype(np.float32) * (math.pi / 254) + bend)


def _along(field: np.ndarray, flow: np.ndarray, length: int) -> np.ndarray:
    """Averages `field` [128, 128, c] over `length` pixels both ways along the flow (line integral convolution)."""
    vx, vy = np.cos(flow).ravel().astype(np.float32), np.sin(flow).ravel().astype(np.float32)
    flat = field.reshape(SIZE * SIZE, -1)
    total = flat.copy()
    start_y, start_x = np.divmod(np.arange(SIZE * SIZE), SIZE)
    for sign in (1.0, -1.0):
        x, y = start_x.astype(np.float32), start_y.astype(np.float32)
        at = np.arange(SIZE * SIZE)
        dx, dy = sign * vx, sign * vy
        for _ in range(length):
            x, y = np.clip(x + dx, 0, SIZE - 1), np.clip(y + dy, 0, SIZE - 1)
            at = (y + 0.5).astype(np.int32) * SIZE + (x + 0.5).astype(np.int32)
            total += flat[at]
            nx, ny = vx[at], vy[at]
            keep = np.where(nx * dx + ny * dy < 0, -1.0, 1.0).astype(np.float32)  # a direction has no sign
            dx, dy = nx * keep, ny * keep
    return (total / (2 * length + 1)).reshape(field.shape)


def _vangogh(b: Brush, image: np.ndarray) -> np.ndarray:
    """Turns flat colour into strokes that follow the flow, with rings of light around sun, moon and stars."""
    rng, flow = b.rng, _flow(b)
    if b.spec.subject != "objects":
        rings = np.zeros((SIZE, SIZE), np.float32)
        big = [(*b.light, 0.17)] if not (b.spec.time == "night" and not b.spec.moon) else []
        for x, y, radius in big + [(x, y, 0.07) for x, y in b.stars]:
            r = np.hypot(_X - x, _Y - y)
            rings = np.maximum(rings, np.exp(-((r / radius) ** 2)) * (0.62 + 0.38 * np.cos(2 * math.pi * r / 0.068)))
        sky = np.asarray(b.angle.resize((SIZE, SIZE), Image.Resampling.NEAREST)) == 255
        rings = (0.8 * rings * sky)[..., None]
        image = image * (1 - rings) + np.array((255, 224, 92), np.float32) * rings
    grain = _smooth(rng.standard_normal((SIZE, SIZE, 1)).astype(np.float32), 6)
    grain = _along(grain, flow, 9)
    grain = np.clip(grain / (grain.std() + 1e-6), -2, 2)
    image = 0.4 * image + 0.6 * _along(image, flow, 4)
    light, dark = np.array((20, 18, 8), np.float32), np.array((13, 12, 6), np.float32)
    return image + np.where(grain > 0, grain * light, grain * dark)


_SCENES: dict[str, Callable[[Brush], None]] = {
    "city": _city, "futuristic": _futuristic, "mountains": _mountains, "sea": _sea, "forest": _forest, "house": _house,
    "fields": _fields, "bridge": _bridge, "objects": _objects,
}  # fmt: skip


def paint(spec: Spec) -> np.ndarray:
    """The picture of `spec`: [128, 128, 3] uint8, sRGB."""
    b = Brush(spec, np.random.default_rng(spec.seed))
    if spec.subject != "objects":
        _heaven(b)
        if spec.style == "miro":
            _signs(b, 2, 0.06, 0.4)
    _SCENES[spec.subject](b)
    image = np.asarray(b.image.reduce(2)).astype(np.float32)
    if spec.style == "turner":
        image = _turner(b, image)
    elif spec.style == "vangogh":
        image = _vangogh(b, image)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def contact_sheet(pictures: Sequence[np.ndarray], columns: int, gap: int = 4) -> Image.Image:
    """Lays pictures [h, w, 3] out in rows."""
    h, w = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, 3), 255, np.uint8)
    for k, picture in enumerate(pictures):
        y, x = gap + k // columns * (h + gap), gap + k % columns * (w + gap)
        sheet[y : y + h, x : x + w] = picture
    return Image.fromarray(sheet)


def _demo_specs() -> list[Spec]:
    specs = []
    for row, scene in enumerate(SCENES):
        for style in STYLES:
            for time in (TIMES[row % 4], TIMES[(row + 2) % 4]):
                specs.append(Spec(scene, style, time, time == "night", time == "night", "red" if row % 2 else "blue", 2, seed=row * 7 + 1))
    return specs


if __name__ == "__main__":
    import random
    import time as clock

    from world import caption, sample_spec

    target = sys.argv[1] if len(sys.argv) > 1 else "sheet.png"
    contact_sheet([paint(s) for s in _demo_specs()], 8).save(target)
    generator = random.Random(1)
    specs = [sample_spec(generator, objects=1.0) for _ in range(32)]
    contact_sheet([paint(s) for s in specs], 8).save(target.replace(".png", "_objects.png"))
    for spec in specs[:8]:
        print(spec.style, "|", caption(spec, generator))
    begin = clock.perf_counter()
    for k in range(64):
        paint(sample_spec(generator))
    print(f"{(clock.perf_counter() - begin) / 64 * 1000:.1f} ms a picture")
