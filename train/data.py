"""Scenes with captions: the training data of the embedded model, drawn from the drawings of nouns.py.

A scene is a style, a background (plain, gradient, sky or ground) and one to three things with colours, sizes, places, counts or a relation.
Its caption says some of that as people type it. What it leaves out has one fixed meaning (3D, white, own colours, in the middle), so that a
bare prompt has one meaning too. `held(kind, …)` names the combinations that training never shows; unseen.json asks for exactly those.
"""
import collections, functools, os, random, re, zlib
import numpy as np
import torch
from PIL import Image, ImageFilter
import nouns

RUNS, STYLES = nouns.RUNS, nouns.STYLES
# Colours of backgrounds, sRGB.
BACKGROUNDS = {
    "white": (255, 255, 255), "black": (22, 22, 26), "grey": (150, 150, 155), "red": (212, 58, 54), "orange": (242, 148, 54),
    "yellow": (248, 220, 90), "green": (88, 176, 96), "blue": (70, 126, 220), "light blue": (164, 210, 244), "dark blue": (28, 44, 98),
    "purple": (140, 92, 190), "pink": (245, 170, 198), "brown": (130, 90, 62), "teal": (58, 168, 168), "beige": (236, 222, 196),
}
# Colours of things: hue, least and most saturation, value as a·v + b.
COLOURS = {
    "red": (0.995, 0.72, 1, 0.85, 0.12), "orange": (0.08, 0.75, 1, 0.75, 0.24), "yellow": (0.135, 0.65, 0.95, 0.6, 0.4), "green": (0.36, 0.55, 0.9, 0.85, 0.08),
    "blue": (0.605, 0.6, 0.95, 0.85, 0.14), "purple": (0.765, 0.5, 0.85, 0.85, 0.1), "pink": (0.92, 0.3, 0.55, 0.5, 0.5), "brown": (0.065, 0.5, 0.72, 0.6, 0.04),
    "black": (0, 0, 0.12, 0.3, 0.02), "white": (0.1, 0, 0.06, 0.4, 0.6), "grey": (0.6, 0, 0.08, 0.6, 0.12), "teal": (0.49, 0.55, 0.9, 0.8, 0.12),
}
SCENES = ("grass", "beach", "snow", "table", "sea", "space", "night sky", "blue sky", "sunset", "desert", "road", "room")
SCENE_PHRASES = {
    "grass": ["on grass", "on the grass", "in a field", "in a meadow", "on a lawn", "in the park"], "beach": ["on the beach", "on a beach", "at the beach", "on sand"],
    "snow": ["in the snow", "in snow", "on snow"], "table": ["on a table", "on a wooden table", "on the table"],
    "sea": ["in the sea", "underwater", "under water", "in the ocean"], "space": ["in space", "in outer space", "in the galaxy"],
    "night sky": ["at night", "in the night", "under a night sky", "with a night sky"], "blue sky": ["in the sky", "with a blue sky", "under a blue sky", "with clouds"],
    "sunset": ["at sunset", "with a sunset", "in front of a sunset"], "desert": ["in the desert", "in a desert"], "road": ["on a road", "on the road", "on the street"],
    "room": ["in a room", "on the floor", "indoors"],
}
SIZES = {"small": 0.40, "": 0.68, "large": 0.90}
SIZE_WORDS = {"small": ["small", "little", "tiny"], "large": ["large", "big", "huge"]}
PLACES = {"": (0, 0), "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
PLACE_PHRASES = {"left": ["on the left", "at the left", "left"], "right": ["on the right", "at the right", "right"], "top": ["at the top", "on top", "top"],
                 "bottom": ["at the bottom", "bottom"]}
NUMBERS = {2: ["two", "2", "a pair of"], 3: ["three", "3"], 4: ["four", "4"], 5: ["five", "5"]}
RELATIONS = {  # relation → wordings between the first and the second thing
    "beside": [" and ", " and ", " next to ", " beside ", " with ", " & ", ", "], "left of": [" left of ", " to the left of "],
    "right of": [" right of ", " to the right of "], "above": [" above ", " over "], "below": [" below ", " under "],
    "on": [" on ", " on top of ", " sitting on ", " standing on "], "wearing": [" wearing ", " with ", " in "],
}
# Worn on the head; and heads, which are drawings of a face alone.
HATS = ("hat", "crown", "sun hat", "graduation cap", "cap", "helmet", "military helmet", "glasses", "sunglasses", "goggles", "ribbon")
ON_EYES = {"glasses", "sunglasses", "goggles"}
HEADS = {"cat": "cat face", "dog": "dog face", "rabbit": "bunny", "tiger": "tiger face", "mouse": "mouse face", "cow": "cow face", "pig": "pig face", "horse": "horse face",
         "monkey": "monkey face", "dragon": "dragon face", **{n: n for n in ("bear", "polar bear", "panda", "koala", "fox", "lion", "wolf", "frog", "hamster", "raccoon", "unicorn",
         "moose", "cat face", "dog face", "bunny", "tiger face", "robot", "smiling face", "skull", "clown face", "moon", "pumpkin")}}
OPENINGS = ["", "", "", "", "", "", "", "", "", "", "", "", "a picture of ", "a photo of ", "photo of ", "an image of ", "picture of ", "a drawing of ", "drawing of ", "draw ",
            "draw me ", "an illustration of ", "show me ", "an emoji of ", "icon of ", "i want "]
MOODS = ["cute", "nice", "beautiful", "cool", "lovely", "pretty", "funny", "adorable", "simple", "single"]

# Never shown in training beside what `held` drops: the prompts a newcomer types (issue 20), and what they combine.
ORDINARY = ["a cat wearing a hat", "two red cherries", "a red apple", "a blue car on a road", "a dog on the beach", "three yellow stars at night", "a penguin in the snow",
            "a rocket in space", "a cup of coffee on a table", "a green frog next to a mushroom", "a black cat and a pumpkin", "a pink house under a blue sky"]
EXPLICIT = {("wear", "cat", "hat"), ("colour", "cherry", "red"), ("count", "cherry", "2"), ("scene", "car", "road"), ("scene", "dog", "beach"), ("scene", "star", "night sky"),
            ("colour", "star", "yellow"), ("count", "star", "3"), ("scene", "penguin", "snow"), ("scene", "rocket", "space"), ("scene", "coffee", "table"), ("colour", "frog", "green"),
            ("pair", "frog", "mushroom"), ("pair", "cat", "pumpkin"), ("colour", "cat", "black"), ("scene", "house", "blue sky"), ("colour", "house", "pink"), ("colour", "car", "blue")}
ONE_IN = dict(style=20, gradient=12, colour=7, pair=8, count=6, scene=8, wear=6)


@functools.cache
def held(kind, *words):
    """Whether training never shows this: ("style", noun, style, background), ("colour", noun, colour), ("pair", noun, noun) sorted,
    ("count", noun, n), ("scene", noun, scene), ("gradient", noun, colour), ("wear", noun, thing worn)."""
    key = (kind, *map(str, words))
    return key in EXPLICIT or zlib.crc32("|".join(key).encode()) % ONE_IN[kind] == 0


def hsv_of(rgb):
    """rgb [..., 3] in 0..1 → hue, saturation, value in 0..1."""
    mx, mn = rgb.max(-1), rgb.min(-1)
    d = mx - mn
    safe = np.where(d < 1e-6, 1, d)
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    h = np.where(mx == r, (g - b) / safe % 6, np.where(mx == g, (b - r) / safe + 2, (r - g) / safe + 4)) / 6
    return np.where(d < 1e-6, 0, h), d / np.maximum(mx, 1e-6), mx


def rgb_of(h, s, v):
    k = (np.array([5, 3, 1], np.float32) + 6 * np.asarray(h)[..., None]) % 6
    return v[..., None] * (1 - s[..., None] * np.clip(np.minimum(k, 4 - k), 0, 1))


def main_hue(hsv, alpha):
    """(the hue most of the drawing has, how much of the drawing has it or None-like 0 where it is nearly grey)."""
    h, s, v = hsv
    w = s * v * (alpha > 0.5)
    bins = np.bincount((h * 36).astype(int).ravel() % 36, w.ravel(), 36)
    near = sum(np.roll(bins, k) for k in (-2, -1, 0, 1, 2))
    i = int(near.argmax())
    phase = (2j * np.pi * (np.arange(i - 2, i + 3) + 0.5) / 36)
    hue = float(np.angle((bins[np.arange(i - 2, i + 3) % 36] * np.exp(phase)).sum()) / (2 * np.pi)) % 1
    return hue, float((w * (np.abs((h - hue + 0.5) % 1 - 0.5) < 0.09)).sum() / max(1, (alpha > 0.5).sum()))


def recolour(rgba, name):
    """A drawing (uint8 [h, w, 4]) with its main colour exchanged for the named one; light, shade and other colours stay."""
    rgb, alpha = rgba[..., :3].astype(np.float32) / 255, rgba[..., 3].astype(np.float32) / 255
    h, s, v = hsv_of(rgb)
    hue, share = main_hue((h, s, v), alpha)
    if share < 0.12:  # nearly grey: everything that is not dark
        weight = np.clip((v - 0.15) / 0.2, 0, 1) * np.clip((0.55 - s) / 0.2, 0, 1)
    else:
        weight = np.clip((0.13 - np.abs((h - hue + 0.5) % 1 - 0.5)) / 0.04, 0, 1) * np.clip((s - 0.10) / 0.12, 0, 1)
    mean = (v * weight * alpha).sum() / max(1e-3, (weight * alpha).sum())
    th, lo, hi, a, b = COLOURS[name]
    # Light and shade about the drawing's own mean, which becomes the colour's.
    level = np.clip(0.82 + 0.9 * (v - mean), 0, 1)
    base = (s * weight * alpha).sum() / max(1e-3, (weight * alpha).sum())
    sat = np.clip((lo + hi) / 2 + (hi - lo) * (s - base), lo, hi) if share >= 0.12 else np.full_like(s, (lo + hi) / 2)
    out = rgb_of(np.full_like(h, th), sat.astype(np.float32), np.clip(a * level + b, 0, 1).astype(np.float32))
    rgb = rgb + weight[..., None] * (out - rgb)
    return np.concatenate([(rgb * 255 + 0.5).astype(np.uint8), rgba[..., 3:]], -1)


@functools.cache
def natural(noun, style):
    """The colour word that the drawing itself deserves, or "" where none is sure."""
    x = nouns.drawings()[style, noun][::2, ::2].astype(np.float32) / 255
    hsv = hsv_of(x[..., :3])
    hue, share = main_hue(hsv, x[..., 3])
    total = float((hsv[1] * hsv[2] * (x[..., 3] > 0.5)).sum() / max(1, (x[..., 3] > 0.5).sum()))
    if share < 0.25 or share < 0.75 * total:
        return ""
    for name, (lo, hi) in dict(orange=(0.055, 0.105), yellow=(0.11, 0.17), green=(0.25, 0.44), blue=(0.54, 0.66), purple=(0.71, 0.82)).items():
        if lo < hue < hi:
            return "" if name == "orange" and share < 0.55 else name
    return "red" if (hue > 0.965 or hue < 0.03) and share > 0.5 else ""


def mix(a, b, t):
    return a + (b - a) * t[..., None]


def smooth(t):
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


class Canvas:
    """Backgrounds [side, side, 3] in 0..255; `k` is a random generator for what may differ from one drawing to the next."""

    def __init__(self, side, k):
        self.side, self.k = side, k
        self.y, self.x = np.meshgrid((np.arange(side, dtype=np.float32) + 0.5) / side, (np.arange(side, dtype=np.float32) + 0.5) / side, indexing="ij")

    def plain(self, name):
        return np.broadcast_to(np.array(BACKGROUNDS[name], np.float32), (self.side, self.side, 3)).copy()

    def gradient(self, a, b):
        """The first colour on top, the second at the bottom."""
        return mix(np.array(BACKGROUNDS[a], np.float32), np.array(BACKGROUNDS[b], np.float32), smooth(self.y * 1.1 - 0.05))

    def bands(self, top, bottom, horizon, low_top=None, edge=0.004):
        """Sky from `top` to `bottom`, ground below the horizon."""
        return mix(np.array(top, np.float32), np.array(bottom, np.float32), smooth(self.y / max(0.01, horizon)))

    def over(self, picture, colour, mask):
        return mix(picture, np.asarray(colour, np.float32), mask)

    def below(self, line):
        """Soft mask of what lies below a line y(x)."""
        return np.clip((self.y - line) * self.side + 0.5, 0, 1)

    def disc(self, cx, cy, r, soft=1.0):
        return np.clip((r - np.hypot(self.x - cx, self.y - cy)) * self.side / soft + 0.5, 0, 1)

    def ground(self, picture, line, near, far):
        depth = np.clip((self.y - line) / np.maximum(1e-3, 1 - line), 0, 1)
        return picture + (mix(np.array(far, np.float32), np.array(near, np.float32), smooth(depth)) - picture) * self.below(line)[..., None]

    def clouds(self, picture, top, bottom):
        for _ in range(3):
            cx, cy, w = self.k.random(), top + (bottom - top) * self.k.random(), 0.07 + 0.05 * self.k.random()
            mask = np.zeros_like(self.x)
            for dx, dy, r in ((-1, 0.25, 0.6), (0, 0, 0.85), (0.9, 0.2, 0.65), (1.6, 0.4, 0.4), (-1.7, 0.4, 0.4)):
                mask = np.maximum(mask, self.disc(cx + dx * w, cy + dy * w * 0.8, r * w * 0.8, 1.5))
            picture = self.over(picture, (250, 252, 255), mask * 0.9)
        return picture

    def stars(self, picture, bottom):
        for _ in range(26):
            picture = self.over(picture, (255, 250, 225), self.disc(self.k.random(), bottom * self.k.random(), 0.003 + 0.005 * self.k.random() ** 2, 1.2) * 0.95)
        return picture

    def scene(self, name):
        k, horizon = self.k, 0.60 + 0.06 * self.k.random()
        wave = horizon + 0.012 * np.sin(self.x * (4 + 3 * k.random()) + 6 * k.random())
        if name == "grass":
            return self.ground(self.clouds(self.bands((120, 190, 244), (214, 236, 252), horizon), 0.08, 0.3), wave, (82, 160, 70), (136, 200, 96))
        if name == "beach":
            p = self.bands((110, 190, 246), (216, 240, 252), 0.45)
            p = self.ground(p, np.full_like(self.x, 0.45), (70, 190, 210), (40, 140, 196))
            return self.ground(p, wave, (238, 208, 150), (248, 228, 184))
        if name == "snow":
            return self.ground(self.bands((142, 176, 214), (214, 228, 242), horizon), wave, (250, 252, 255), (226, 236, 246))
        if name == "table":
            p = self.bands((240, 226, 206), (228, 210, 186), horizon)
            p = self.ground(p, np.full_like(self.x, horizon), (150, 98, 58), (178, 122, 76))
            return self.over(p, (122, 78, 46), np.clip(1 - np.abs(self.y - horizon) * self.side / 1.5, 0, 1) * 0.7)
        if name == "sea":
            p = mix(np.array((70, 180, 226), np.float32), np.array((12, 62, 128), np.float32), smooth(self.y))
            for _ in range(9):
                cx, cy, r = k.random(), k.random(), 0.008 + 0.014 * k.random()
                p = self.over(p, (190, 232, 250), np.clip(self.disc(cx, cy, r) - self.disc(cx, cy, r * 0.7), 0, 1) * 0.8)
            return p
        if name == "space":
            return self.stars(mix(np.array((14, 12, 34), np.float32), np.array((38, 24, 72), np.float32), smooth(0.5 * self.x + 0.5 * self.y)), 1.0)
        if name == "night sky":
            p = self.stars(self.bands((14, 22, 58), (54, 70, 130), horizon), horizon)
            return self.ground(p, wave, (18, 36, 40), (30, 54, 60))
        if name == "blue sky":
            return self.clouds(mix(np.array((92, 170, 240), np.float32), np.array((196, 228, 252), np.float32), smooth(self.y)), 0.1, 0.85)
        if name == "sunset":
            p = self.bands((86, 64, 140), (250, 150, 84), horizon)
            p = self.over(p, (255, 224, 130), self.disc(0.5, horizon, 0.16, 1.5))
            return self.ground(p, np.full_like(self.x, horizon), (46, 40, 84), (120, 74, 104))
        if name == "desert":
            p = self.over(self.bands((246, 196, 120), (252, 230, 180), horizon), (255, 244, 206), self.disc(0.8, 0.16, 0.07, 1.5))
            p = self.ground(p, wave + 0.03 * np.sin(self.x * 5 + 2) - 0.05, (214, 150, 84), (226, 168, 100))
            return self.ground(p, wave + 0.05 * np.sin(self.x * 4 + 5) + 0.02, (206, 138, 72), (236, 182, 112))
        if name == "road":
            p = self.ground(self.bands((130, 196, 246), (220, 238, 252), horizon), wave - 0.06, (96, 168, 80), (140, 200, 104))
            p = self.ground(p, np.full_like(self.x, horizon), (84, 86, 94), (110, 112, 120))
            dash = ((self.x * 5 + k.random()) % 1 < 0.55) * np.clip(1 - (np.abs(self.y - (horizon + 1) / 2 - 0.06) - 0.008) * self.side, 0, 1)
            return self.over(p, (244, 238, 220), dash)
        if name == "room":
            p = self.bands((206, 222, 214), (190, 208, 200), horizon)
            p = self.ground(p, np.full_like(self.x, horizon + 0.08), (176, 128, 86), (198, 152, 108))
            return self.over(p, (246, 246, 240), np.clip((0.012 - np.abs(self.y - horizon - 0.07)) * self.side + 0.5, 0, 1))
        raise ValueError(name)


GROUNDED = {"grass", "beach", "snow", "table", "night sky", "desert", "road", "room"}


class Scenes:
    """Random scenes, without the held-out combinations unless `unseen`."""

    def __init__(self, seed=0, unseen=False):
        self.rows = nouns.catalogue()
        self.names = [r["name"] for r in self.rows]
        self.at = {n: i for i, n in enumerate(self.names)}
        self.drawings = nouns.drawings()
        self.rng, self.unseen = random.Random(seed), unseen
        self.weights = np.cumsum([r["weight"] for r in self.rows]).tolist()
        self.hats = [self.at[n] for n in HATS if n in self.at]
        self.heads = {self.at[a]: self.at[b] for a, b in HEADS.items() if a in self.at and b in self.at}
        self.cache, self.boxes = collections.OrderedDict(), {}

    # ---- what is in a scene

    def noun(self):
        return self.rng.choices(range(len(self.rows)), cum_weights=self.weights)[0]

    def thing(self, colour=0.12):
        t = dict(noun=self.noun(), colour="")
        # Faces and people are seldom asked for in green.
        if self.rng.random() < (colour if self.rows[t["noun"]]["group"] > nouns.PEOPLE else colour / 4):
            t["colour"] = self.rng.choice(list(COLOURS))
        return t

    def background(self):
        g, r = self.rng, self.rng.random()
        if r < 0.34:
            return dict(kind="plain", colour="white")
        if r < 0.68:
            return dict(kind="plain", colour=g.choice(list(BACKGROUNDS)))
        if r < 0.76:
            a, b = g.sample(list(BACKGROUNDS), 2)
            return dict(kind="gradient", colour=a, second=b)
        return dict(kind="scene", name=g.choice(SCENES))

    def allowed(self, s):
        """Whether training may show the scene."""
        bg, name = s["bg"], [self.names[t["noun"]] for t in s["things"]]
        dark = bg.get("colour") == "black" or bg.get("name") in ("space", "night sky")
        for n, t in zip(name, s["things"]):
            if t["colour"] and (t["colour"] == bg.get("colour") or dark and t["colour"] == "black"):
                return False  # nothing to be seen
            if t["colour"] and held("colour", n, t["colour"]):
                return False
            if bg["kind"] == "scene" and held("scene", n, bg["name"]):
                return False
            if bg["kind"] == "gradient" and held("gradient", n, bg["colour"]):
                return False
            if bg["kind"] == "plain" and bg["colour"] != "white" and held("style", n, s["style"], bg["colour"]):
                return False
        if s.get("relation") == "wearing":
            if held("wear", name[0], name[1]):
                return False
        elif any(held("pair", *sorted((a, b))) for i, a in enumerate(name) for b in name[:i]):
            return False
        return not (s["count"] > 1 and held("count", name[0], s["count"]))

    def spec(self):
        """One scene as plain data."""
        g = self.rng
        while True:
            r = g.random()
            s = dict(style="3d" if g.random() < 0.75 else g.choice(STYLES[1:]), bg=self.background(), count=1, size="", place="", zoom=False)
            if r < 0.70:
                s["things"] = [self.thing(0.16)]
                q = g.random()
                if q < 0.08:
                    s["size"] = g.choice(["small", "large"])
                elif q < 0.16:
                    s["place"] = g.choice(list(PLACE_PHRASES))
                elif q < 0.20:
                    s["zoom"] = True
            elif r < 0.78:
                s["things"], s["count"] = [self.thing()], g.choice([2, 2, 3, 3, 4, 5])
            elif r < 0.94:
                s["things"] = [self.thing(), self.thing()]
                s["relation"] = g.choice(["beside"] * 6 + ["left of", "right of", "above", "below", "on", "on"])
            elif r < 0.97:
                s["things"] = [dict(noun=g.choice(list(self.heads)), colour=""), dict(noun=g.choice(self.hats), colour=g.choice(list(COLOURS)) if g.random() < 0.15 else "")]
                s["relation"] = "wearing"
            else:
                s["things"], s["relation"] = [self.thing(), self.thing(), self.thing(0.06)], "beside"
            if len({t["noun"] for t in s["things"]}) == len(s["things"]) and (self.unseen or self.allowed(s)):
                return s

    # ---- what is said of it

    def name(self, noun, g):
        r, q = self.rows[noun], g.random()
        if q < 0.62:
            return r["name"]
        if self.unseen:  # judged prompts keep to names that are sure
            return g.choice(r["names"][:max(1, r["sure"])])
        if q < 0.96 or not r["keywords"]:
            # Curated names oftener than short codes.
            return g.choice(r["names"][:r["sure"]] * 2 + r["names"])
        return g.choice(r["keywords"])

    def describe(self, t, s, g, article=True):
        """'a small red apple', 'three stars', 'apple'."""
        name, words = self.name(t["noun"], g), []
        if s["size"]:
            words.append(g.choice(SIZE_WORDS[s["size"]]))
        colour = t["colour"] or (natural(t["noun"], STYLES.index(s["style"])) if g.random() < 0.15 else "")
        if not t["colour"] and colour and held("colour", self.names[t["noun"]], colour) and not self.unseen:
            colour = ""
        if colour and not name.startswith(colour):
            words.append(colour)
        if g.random() < 0.07:
            words.append(g.choice(MOODS))
        g.shuffle(words)
        if s["count"] > 1:
            number = g.choice(NUMBERS[s["count"]])
            return " ".join([number, *words, nouns.plural(name)])
        text = " ".join([*words, name])
        if not article:
            return text
        if nouns.is_plural(name) or name in ("milk", "coffee", "tea", "bread", "popcorn", "honey", "salt", "bacon", "lightning", "sushi", "ice", "corn", "meat") and g.random() < 0.7:
            return text
        q = g.random()
        return ("the " if q < 0.06 else "an " if text[0] in "aeiou" and not text.startswith(("uni", "ufo", "euro")) else "a ") + text

    def caption(self, s, g=None):
        """Words for a scene; what has a default is mostly left unsaid."""
        g = g or self.rng
        loose = g.random() < 0.22  # no grammar: "apple blue background"
        parts = [self.describe(t, s if i == 0 else dict(s, count=1, size=""), g, not loose) for i, t in enumerate(s["things"])]
        text = parts[0]
        if len(parts) == 2:
            link = g.choice(RELATIONS[s["relation"]])
            if s["relation"] == "beside" and g.random() < 0.5:
                text, link = parts[0], " and "
            text += link + parts[1]
        elif len(parts) == 3:
            text = f"{parts[0]}, {parts[1]}{g.choice([', ', ' and ', ' and ', ', and '])}{parts[2]}"
        if s["place"]:
            text += " " + g.choice(PLACE_PHRASES[s["place"]])
        if s["zoom"]:
            text = g.choice(["close-up of ", "a close up of ", "closeup of ", "zoom on "]) + text
        bg, at = s["bg"], ""
        if bg["kind"] == "scene":
            at = " " + g.choice(SCENE_PHRASES[bg["name"]])
        elif bg["kind"] == "gradient":
            c, d = bg["colour"], bg["second"]
            at = g.choice([f" on a {c} to {d} gradient", f", {c} to {d} gradient background", f" on a {c} and {d} gradient background"])
        elif bg["colour"] != "white" or g.random() < 0.15:
            c = bg["colour"]
            c = c.replace("grey", "gray") if g.random() < 0.3 else c
            at = f" {c} background" if loose else g.choice([f" on a {c} background", f" on {c} background", f", {c} background", f" on {c}", f" in front of a {c} background", f" with a {c} background"])
        style = s["style"] if s["style"] != "3d" or g.random() < 0.12 else ""
        if style:
            before = {"3d": ["3d ", "a 3d render of ", "3d style "], "flat": ["flat style ", "a flat drawing of ", "flat "], "noto": ["noto style ", "noto "]}[style]
            after = {"3d": [", 3d style", ", 3d render", " in 3d"], "flat": [", flat style", " in flat style", ", flat"], "noto": [", noto style", " in noto style"]}[style]
            q = g.random()
            if q < 0.4:
                p = g.choice(before)
                bare = re.sub(r"^(an?|the) ", "", text)
                text = p + text if p.endswith("of ") else (f"a {p}{bare}" if bare != text and g.random() < 0.8 else p + bare)
                text += at
            else:
                text += at + g.choice(after)
        else:
            text += at
        if not style and not s["zoom"]:
            text = g.choice(OPENINGS) + text
        text = re.sub(r"\ba (?=(orange|emoji|adorable|apple|umbrella)\b)", "an ", re.sub(r"\s+", " ", text).strip()) if g.random() < 0.9 else text
        if g.random() < 0.08:
            text = text[0].upper() + text[1:]
        if g.random() < 0.06:
            text += g.choice([".", "!", " please"])
        return text

    # ---- what it looks like

    def box(self, style, noun):
        """(x0, y0, x1, y1) of what is not transparent, in pixels of the stored drawing."""
        if (style, noun) not in self.boxes:
            a = self.drawings[style, noun, :, :, 3] > 12
            ys, xs = np.flatnonzero(a.any(1)), np.flatnonzero(a.any(0))
            self.boxes[style, noun] = (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1) if len(xs) else (0, 0, nouns.SIDE, nouns.SIDE)
        return self.boxes[style, noun]

    def icon(self, t, style, width):
        """The cut-out drawing as a premultiplied PIL "RGBa" picture whose longer side is `width`."""
        j, noun = STYLES.index(style), t["noun"]
        x0, y0, x1, y1 = self.box(j, noun)
        longer = max(x1 - x0, y1 - y0)
        scale = width / longer
        # Vector drawings are rasterised anew where the stored pixels would not do; small pictures come from reduced ones.
        fine, small = j > 0 and scale > 1.05, scale < 0.2
        key = (noun, j, t["colour"], fine and round(width / 32), small)
        if key not in self.cache:
            if fine:
                side = int(nouns.SIDE * scale + 31) // 32 * 32
                x = nouns.rasterise(style, self.rows[noun][style], side)
                f = side / nouns.SIDE
                x = x[int(y0 * f):int(y1 * f + 0.99), int(x0 * f):int(x1 * f + 0.99)]
            else:
                x = np.asarray(self.drawings[j, noun, y0:y1, x0:x1])
            if t["colour"]:
                x = recolour(x, t["colour"])
            x = Image.fromarray(np.ascontiguousarray(x)).convert("RGBa")
            while len(self.cache) > (4000 if small else 600):
                self.cache.popitem(last=False)
            self.cache[key] = x.reduce(4) if small else x
        p = self.cache[key]
        f = width / max(p.size)
        size = max(2, round(p.width * f)), max(2, round(p.height * f))
        out = p.resize(size, Image.LANCZOS if f > 0.5 else Image.HAMMING)
        if f > 1.15 and not fine:
            out = out.filter(ImageFilter.UnsharpMask(radius=0.9 * f, percent=70, threshold=1))
        return out

    def layout(self, s, g, jitter):
        """[(thing, centre x, centre y, longer side)] in units of the picture, drawn in that order; `icon` boxes decide about standing."""
        things, n = s["things"], s["count"]
        j = lambda a=1.0: jitter * a * (g.random() - 0.5)
        grow = lambda: 1 + 2 * jitter * (g.random() - 0.5)
        if s.get("relation") == "wearing":
            return None
        if len(things) == 1 and n == 1:
            w = (1.12 + 0.4 * g.random() if s["zoom"] else SIZES[s["size"]]) * grow()
            if s["place"]:
                w = min(w, 0.50 * grow())
            dx, dy = PLACES[s["place"]]
            free = max(0, 0.5 - w / 2 - 0.03)
            return [(things[0], 0.5 + dx * free + j(), 0.5 + dy * free + j(), w)]
        if len(things) == 1:
            spots = {2: [(0.27, 0.5), (0.73, 0.5)], 3: [(0.2, 0.5), (0.5, 0.5), (0.8, 0.5)] if g.random() < 0.35 else [(0.5, 0.28), (0.27, 0.71), (0.73, 0.71)],
                     4: [(0.28, 0.28), (0.72, 0.28), (0.28, 0.72), (0.72, 0.72)], 5: [(0.24, 0.24), (0.76, 0.24), (0.5, 0.5), (0.24, 0.76), (0.76, 0.76)]}[n]
            w = {2: 0.42, 3: 0.27 if spots[0][1] == 0.5 else 0.38, 4: 0.36, 5: 0.28}[n] * grow()
            return [(things[0], x + j(0.6), y + j(0.6), w) for x, y in spots]
        if len(things) == 3:
            if g.random() < 0.5:
                return [(t, x + j(0.5), 0.52 + j(0.5), 0.29 * grow()) for t, x in zip(things, (0.18, 0.5, 0.82))]
            return [(t, x + j(0.5), y + j(0.5), 0.40 * grow()) for t, (x, y) in zip(things, ((0.27, 0.28), (0.73, 0.28), (0.5, 0.73)))]
        a, b = things
        r = s["relation"]
        if r in ("beside", "left of", "right of"):
            xs = (0.73, 0.27) if r == "right of" else (0.27, 0.73)
            return [(a, xs[0] + j(0.5), 0.5 + j(0.5), 0.44 * grow()), (b, xs[1] + j(0.5), 0.5 + j(0.5), 0.44 * grow())]
        if r in ("above", "below"):
            ys = (0.27, 0.73) if r == "above" else (0.73, 0.27)
            return [(a, 0.5 + j(), ys[0] + j(0.3), 0.42 * grow()), (b, 0.5 + j(), ys[1] + j(0.3), 0.42 * grow())]
        return [(b, 0.5 + j(0.5), 0.69, 0.56 * grow()), (a, 0.5 + j(0.5), None, 0.40 * grow())]  # on: the second thing carries the first

    def draw(self, s, side, jitter=0.06, g=None):
        """[3, side, side] in -1..1."""
        g = g or self.rng
        canvas = Canvas(side, g)
        bg = s["bg"]
        out = (canvas.plain(bg["colour"]) if bg["kind"] == "plain" else canvas.gradient(bg["colour"], bg["second"]) if bg["kind"] == "gradient" else canvas.scene(bg["name"]))
        ground = bg["kind"] == "scene" and bg["name"] in GROUNDED

        def paste(icon, x, y):
            """Top left corner in pixels."""
            x, y = int(round(x)), int(round(y))
            p = np.asarray(icon, dtype=np.float32) if icon.mode == "RGBa" else np.asarray(icon.convert("RGBa"), dtype=np.float32)
            x0, y0, x1, y1 = max(0, x), max(0, y), min(side, x + icon.width), min(side, y + icon.height)
            if x1 > x0 and y1 > y0:
                p = p[y0 - y:y1 - y, x0 - x:x1 - x]
                out[y0:y1, x0:x1] = out[y0:y1, x0:x1] * (1 - p[..., 3:] / 255) + p[..., :3]

        def shadow(cx, foot, width):
            m = np.exp(-(((canvas.x - cx) / (0.42 * width)) ** 2 + ((canvas.y - foot) / (0.07 * width)) ** 2) ** 1.5) * 0.38
            out[:] = out * (1 - m[..., None])

        plan = self.layout(s, g, jitter)
        if plan is None:  # a head and what it wears
            a, b = s["things"]
            w = 0.60 * (1 + 2 * jitter * (g.random() - 0.5))
            head = self.icon(dict(a, noun=self.heads[a["noun"]]), s["style"], w * side)
            x, y = (0.5 + jitter * (g.random() - 0.5)) * side - head.width / 2, (0.60 + 0.5 * jitter * (g.random() - 0.5)) * side - head.height / 2
            if ground:
                shadow((x + head.width / 2) / side, (y + head.height) / side, w)
            paste(head, x, y)
            name = self.names[b["noun"]]
            worn = self.icon(b, s["style"], (0.66 if name in ON_EYES else 0.40 if name == "ribbon" else 0.56) * head.width)
            paste(worn, x + head.width / 2 - worn.width / 2, y + head.height * 0.40 - worn.height / 2 if name in ON_EYES else y + head.height * 0.20 - worn.height * 0.92)
            plan = []
        top = None
        for t, cx, cy, w in plan:
            icon = self.icon(t, s["style"], w * side)
            x, y = cx * side - icon.width / 2, (cy or 0) * side - icon.height / 2
            if cy is None:
                y = top - icon.height * 0.94
            elif ground and s["count"] == 1 and not s["zoom"] and not s["place"] and s.get("relation") in (None, "beside", "left of", "right of", "on"):
                # Things stand on the ground, small ones lower.
                foot = 0.86 + 0.04 * (w < 0.5) + jitter * 0.3 * (g.random() - 0.5)
                y = foot * side - icon.height
                shadow(cx, foot - 0.01, icon.width / side)
            top = y
            paste(icon, x, max(y, -0.02 * side) if cy is None else y)
        return torch.from_numpy(out).clamp_(0, 255).permute(2, 0, 1).contiguous().div_(127.5).sub_(1)


if __name__ == "__main__":
    import sys, time
    # A sheet of scenes with their captions, to look at: data.py OUT.png [SEED] [SIDE]
    import sheets
    seed, side = int((sys.argv + [0, 0])[2]), int((sys.argv + [0, 0, 256])[3]) if len(sys.argv) > 3 else 192
    scenes = Scenes(seed)
    specs = [scenes.spec() for _ in range(48)]
    start = time.time()
    pictures = [scenes.draw(s, side) for s in specs]
    print(f"{1000 * (time.time() - start) / len(specs):.1f} ms a scene")
    sheets.sheet(pictures, [scenes.caption(s) for s in specs], 8, 192).save(sys.argv[1])
