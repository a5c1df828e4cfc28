"""Scenes of emoji with captions: the training data of the embedded model.

Icons: Fluent Emoji Flat (MIT, Microsoft) and Noto Emoji (Apache-2.0, Google) as Iconify JSON from npm.
A scene is a background colour and one or two icons, each with a style, colour, size and place; its caption
says some of these. What a caption leaves out has a fixed default (flat style, white background, own
colours, middle, middle size), so that a bare prompt has one meaning.
"""
import colorsys, io, json, os, random
import numpy as np
import torch
import torch.nn.functional as F

RUNS = os.environ.get("LSSGEN_RUNS", "runs")  # icons, latents and checkpoints: large, not in the repository
ICON = 448                                    # pixels an icon is rasterised at, once

# Icon name -> noun, where they differ; otherwise dashes become blanks.
NOUNS = """red-apple=apple automobile=car beer-mug=beer black-cat birthday-cake=cake blossom=flower brown-mushroom
cat-face=cat deciduous-tree=tree evergreen-tree=pine ewe=sheep glass-of-milk=milk hot-beverage=coffee honeybee=bee
lady-beetle=ladybug locomotive light-bulb=lamp palm-tree panda potted-plant=plant red-paper-lantern=lantern
rabbit-face=rabbit dog-face=dog shortcake soft-ice-cream=ice-cream soccer-ball=football spiral-shell=shell
t-shirt=shirt teddy-bear wrapped-gift=gift two-hump-camel=camel wine-glass snowman-without-snow=snowman hatching-chick=chick
high-heeled-shoe=heel running-shoe=shoe french-fries=fries gem-stone=diamond hot-pepper=pepper kitchen-knife=knife
motor-scooter=scooter open-book=book police-car sport-utility-vehicle=jeep small-airplane=plane top-hat=hat
tropical-fish world-map=map old-key=key fire-engine double-decker-bus passenger-ship=liner flying-saucer=ufo
crab lobster shrimp squid octopus whale dolphin shark fish seal penguin owl eagle duck swan parrot flamingo peacock
dove turkey rooster butterfly bug ant spider scorpion snail worm snake lizard crocodile turtle frog dragon
unicorn horse zebra cow pig goat llama giraffe elephant rhinoceros hippopotamus mouse rat hamster chipmunk hedgehog
bat bear koala sloth otter skunk kangaroo badger fox wolf raccoon lion tiger leopard gorilla orangutan monkey deer
bison mammoth banana grapes melon watermelon tangerine=orange lemon pineapple mango pear peach cherries=cherry strawberry blueberries
tomato olive coconut avocado eggplant potato carrot broccoli cucumber garlic onion mushroom peanuts
croissant pretzel bagel pancakes waffle hamburger=burger pizza sandwich taco burrito egg popcorn sushi cookie
doughnut=donut cupcake pie candy lollipop honey-pot cactus tulip rose sunflower hibiscus shamrock maple-leaf
house castle church tent fountain volcano mountain rocket helicopter sailboat canoe anchor train tram bus
ambulance taxi truck=delivery-truck tractor bicycle motorcycle skateboard airplane balloon umbrella star sun
rainbow cloud snowflake fire droplet=drop guitar violin trumpet drum saxophone accordion bell crown ring
lipstick glasses backpack handbag dress jeans necktie scarf gloves socks boot=hiking-boot camera television=tv radio telephone
laptop battery candle hammer axe wrench screwdriver scissors pencil crayon paintbrush broom bucket chair door
bed toilet bathtub sponge toothbrush magnet compass telescope microscope syringe pill shield bow-and-arrow=bow
trophy baseball basketball volleyball tennis boomerang kite yo-yo=yoyo ghost robot alien jack-o-lantern=pumpkin bomb moai
christmas-tree feather bone tooth heart-suit=heart key lock=locked hourglass-done=hourglass watch bread cheese-wedge=cheese"""

# Drawn by both sets but hard to tell apart at 128 pixels, or twins of another noun.
DROPPED = set("""badger,bison,black cat,boomerang,brown mushroom,chipmunk,compass,crayon,gorilla,heel,hibiscus,jeep,liner,
llama,locomotive,mammoth,map,melon,olive,orangutan,otter,peanuts,plane,pine,rat,scooter,seal,shortcake,skunk,sloth,sponge,
tennis,toothbrush,tram,turkey,lipstick,bug,fire engine,tropical fish,necktie,cloud,drop,fountain,handbag,shell,squid""".replace("\n", "").split(","))

BACKGROUNDS = {
    "white": (255, 255, 255), "black": (24, 24, 28), "grey": (150, 150, 155), "red": (214, 60, 56),
    "orange": (242, 150, 56), "yellow": (248, 220, 90), "green": (88, 176, 96), "blue": (72, 128, 220),
    "purple": (140, 92, 190), "pink": (244, 168, 196), "brown": (130, 90, 62), "teal": (60, 170, 170),
}
HUES = {"red": 0.0, "orange": 0.08, "yellow": 0.15, "green": 0.35, "blue": 0.6, "purple": 0.76, "pink": 0.91}
STYLES = ("flat", "noto")
SIZES = {"small": 0.42, "": 0.68, "large": 0.92}
PLACES = {"": (0, 0), "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
PHRASES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}


def icon_sets(folder):
    """Both Iconify sets, name -> SVG text."""
    import glob
    sets = {}
    for style, name in (("flat", "fluent-emoji-flat"), ("noto", "noto-1")):
        path = glob.glob(f"{folder}/*{name}*/package/icons.json")[0]
        data = json.load(open(path))
        w, h = data.get("width", 16), data.get("height", 16)
        sets[style] = {k: f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                          f'viewBox="0 0 {v.get("width", w)} {v.get("height", h)}" width="{ICON}" height="{ICON}">{v["body"]}</svg>'
                       for k, v in data["icons"].items()}
    return sets


def noun_icons(sets):
    """noun -> icon name, for every listed noun that both sets can draw."""
    nouns = {}
    for entry in NOUNS.split():
        a, _, b = entry.partition("=")
        for icon, noun in ((a, b or a), (b, a)):  # either side of "=" may be the icon's name
            if icon in sets["flat"] and icon in sets["noto"]:
                nouns.setdefault(noun.replace("-", " "), icon)
                break
    return nouns


def load_icons():
    """(nouns, icons): icons[style] is uint8 [nouns, ICON, ICON, 4], alpha not premultiplied. Rasterised once."""
    cache = f"{RUNS}/icons.npz"
    sets = icon_sets(f"{RUNS}/npm")
    table = noun_icons(sets)
    nouns = sorted(n for n in table if n not in DROPPED)
    if not os.path.exists(cache):
        import resvg_py
        from PIL import Image
        out = {}
        for style in STYLES:
            pictures = []
            for noun in nouns:
                png = bytes(resvg_py.svg_to_bytes(svg_string=sets[style][table[noun]], width=ICON, height=ICON))
                pictures.append(np.asarray(Image.open(io.BytesIO(png)).convert("RGBA").resize((ICON, ICON))))
            out[style] = np.stack(pictures)
        np.savez(cache, **out)
    data = np.load(cache)
    return nouns, {s: torch.from_numpy(data[s]) for s in STYLES}


def recolour(rgb, name):
    """rgb [3, h, w] in 0..1 -> every hue becomes the named one; light and shade stay."""
    mx, mn = rgb.amax(0), rgb.amin(0)
    sat = torch.where(mx > 1e-3, (mx - mn) / mx.clamp(min=1e-3), torch.zeros_like(mx))
    sat = (0.35 + 0.65 * sat).clamp(max=1) * (mx > 0.12)
    r, g, b = (torch.tensor(c) for c in colorsys.hsv_to_rgb(HUES[name], 1, 1))
    tint = torch.stack([torch.full_like(mx, float(c)) for c in (r, g, b)])
    return mx.clamp(min=0.25) * (1 - sat + sat * tint)


def a(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


class Scenes:
    """Random scenes; `held` are (noun, style, background) triples that training never shows."""

    def __init__(self, seed=0, held=frozenset()):
        self.nouns, self.icons = load_icons()
        self.rng = random.Random(seed)
        self.held = held
        self.cache = {}

    def spec(self):
        """One scene as plain data."""
        g = self.rng
        while True:
            two = g.random() < 0.07
            style = "flat" if g.random() < 0.58 else "noto"
            bg = "white" if g.random() < 0.4 else g.choice(list(BACKGROUNDS))
            things = [dict(noun=g.randrange(len(self.nouns)),
                           colour=g.choice(list(HUES)) if g.random() < 0.1 else "",
                           size="" if two or g.random() < 0.88 else g.choice(["small", "large"]),
                           place="" if two or g.random() < 0.88 else g.choice(list(PHRASES)))
                      for _ in range(2 if two else 1)]
            for t in things:
                if t["size"] == "large":
                    t["place"] = ""
            if not any((self.nouns[t["noun"]], style, bg) in self.held for t in things):
                return dict(style=style, bg=bg, things=things)

    def caption(self, s, g=None):
        """Words for a scene; defaults are mostly left unsaid."""
        g = g or self.rng
        def thing(t):
            words = [t["size"], t["colour"], self.nouns[t["noun"]]]
            return " ".join(w for w in words if w)
        style = s["style"] if s["style"] != "flat" or g.random() < 0.25 else ""
        first = thing(s["things"][0])
        if style:
            first = f"{style} style {first}"
        text = a(first) if g.random() < 0.85 else first
        if len(s["things"]) == 2:
            text += g.choice([" and ", " next to "]) + a(thing(s["things"][1]))
        place = s["things"][0]["place"]
        if place:
            text += " " + PHRASES[place]
        if s["bg"] != "white" or g.random() < 0.2:
            text += g.choice([f" on a {s['bg']} background", f", {s['bg']} background"]).replace("a orange", "an orange")
        return text[0].upper() + text[1:] if g.random() < 0.1 else text

    def icon(self, noun, style, colour, size):
        """Premultiplied RGBA [4, size, size]."""
        key = (noun, style, colour, size)
        if key not in self.cache:
            p = self.icons[style][noun].permute(2, 0, 1).float() / 255
            rgb, alpha = p[:3], p[3:]
            if colour:
                rgb = recolour(rgb, colour)
            p = torch.cat([rgb * alpha, alpha])
            p = F.interpolate(p[None], size=(size, size), mode="bilinear", antialias=True)[0].clamp(0, 1)
            if len(self.cache) > 6000:
                self.cache.clear()
            self.cache[key] = p.half()
        return self.cache[key].float()

    def draw(self, s, side, jitter=0.0):
        """[3, side, side] in -1..1."""
        g = self.rng
        out = torch.tensor(BACKGROUNDS[s["bg"]]).view(3, 1, 1).float().div(255).expand(3, side, side).clone()
        n = len(s["things"])
        for i, t in enumerate(s["things"]):
            frac = 0.46 if n == 2 else SIZES[t["size"]]
            w = max(8, round(frac * side / 4) * 4)
            dx, dy = PLACES[t["place"]]
            free = (side - w) / 2
            cx = free * (1 + 0.9 * dx) if n == 1 else side * (0.25 + 0.5 * i) - w / 2
            cy = free * (1 + 0.9 * dy)
            x = int(round(cx + jitter * side * (g.random() - 0.5)))
            y = int(round(cy + jitter * side * (g.random() - 0.5)))
            x, y = max(0, min(side - w, x)), max(0, min(side - w, y))
            p = self.icon(t["noun"], s["style"], t["colour"], w)
            out[:, y:y + w, x:x + w] = out[:, y:y + w, x:x + w] * (1 - p[3:]) + p[:3]
        return out * 2 - 1


def held_out(nouns, seed=7):
    """For every noun one (style, background) pair that training never shows with it."""
    g = random.Random(seed)
    return [(n, g.choice(STYLES), g.choice([b for b in BACKGROUNDS if b != "white"])) for n in nouns]
