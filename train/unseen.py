"""Writes unseen.json: prompts whose combinations training never shows (data.held), fixed before the first step of training.

    python3 train/unseen.py          writes it, and refuses to change one that is there
    python3 train/unseen.py check    reads it, and fails where training could show one of them

Kinds: style (noun × style × background), colour (noun × colour), pair (two things, with a relation), count, scene, gradient, and twelve
ordinary prompts. What is scored of each is in the file: nouns, colours, background, style, count, relation.
"""
import json, os, random, sys
import data

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unseen.json")
COUNTS = dict(style=180, colour=70, pair=80, count=30, scene=40, gradient=12)


def entries():
    scenes, g = data.Scenes(2026, unseen=True), random.Random(2026)
    scenes.rng = g
    names = scenes.names
    plain = lambda **k: {**dict(style="3d", bg=dict(kind="plain", colour="white"), count=1, size="", place="", zoom=False), **k}
    thing = lambda n, colour="": dict(noun=n, colour=colour)
    # Nouns of the held-out prompts go evenly through the list, faces and people as seldom as in training.
    order = sorted(range(len(names)), key=lambda i: (g.random() + 1e-9) ** (1 / scenes.rows[i]["weight"]), reverse=True)
    picked = []

    def add(kind, spec, text=None):
        picked.append((kind, spec, text))

    for kind, count in COUNTS.items():
        have = 0
        while have < count:
            n = order.pop(0)
            order.append(n)
            name = names[n]
            if kind == "style":
                options = [(s, b) for s in data.STYLES for b in data.BACKGROUNDS if b != "white" and data.held("style", name, s, b)]
                if options:
                    # 3D is the default, and half of what is asked for.
                    three = [o for o in options if o[0] == "3d"]
                    s, b = g.choice(three if three and g.random() < 0.4 else options)
                    add(kind, plain(style=s, bg=dict(kind="plain", colour=b), things=[thing(n)]))
                    have += 1
            elif kind == "colour":
                options = [c for c in data.COLOURS if data.held("colour", name, c) and c not in ("grey", "teal")]
                if options and scenes.rows[n]["group"] > 1:
                    add(kind, plain(style=g.choice(("3d", "3d", "flat", "noto")), things=[thing(n, g.choice(options))]))
                    have += 1
            elif kind == "pair":
                m = scenes.noun()
                if m != n and data.held("pair", *sorted((name, names[m]))):
                    add(kind, plain(style=g.choice(("3d", "3d", "flat", "noto")), things=[thing(n), thing(m)],
                                    relation=g.choice(["beside", "beside", "beside", "left of", "right of", "above", "below", "on"])))
                    have += 1
            elif kind == "count":
                options = [c for c in (2, 3, 4, 5) if data.held("count", name, c)]
                if options and scenes.rows[n]["group"] > 1:
                    add(kind, plain(things=[thing(n)], count=g.choice(options)))
                    have += 1
            elif kind == "scene":
                options = [c for c in data.SCENES if data.held("scene", name, c)]
                if options:
                    add(kind, plain(bg=dict(kind="scene", name=g.choice(options)), things=[thing(n)]))
                    have += 1
            else:
                options = [c for c in data.BACKGROUNDS if data.held("gradient", name, c)]
                if options:
                    c = g.choice(options)
                    add(kind, plain(bg=dict(kind="gradient", colour=c, second=g.choice([b for b in data.BACKGROUNDS if b != c])), things=[thing(n)]))
                    have += 1
    t = lambda name, colour="": thing(scenes.at[name], colour)
    scene = lambda name: dict(kind="scene", name=name)
    ordinary = [plain(things=[t("cat"), t("hat")], relation="wearing"), plain(things=[t("cherry", "red")], count=2), plain(things=[t("apple", "red")]),
                plain(things=[t("car", "blue")], bg=scene("road")), plain(things=[t("dog")], bg=scene("beach")), plain(things=[t("star", "yellow")], count=3, bg=scene("night sky")),
                plain(things=[t("penguin")], bg=scene("snow")), plain(things=[t("rocket")], bg=scene("space")), plain(things=[t("coffee")], bg=scene("table")),
                plain(things=[t("frog", "green"), t("mushroom")], relation="beside"), plain(things=[t("cat", "black"), t("pumpkin")], relation="beside"),
                plain(things=[t("house", "pink")], bg=scene("blue sky"))]
    for spec, text in zip(ordinary, data.ORDINARY):
        add("ordinary", spec, text)
    for i, (kind, spec, text) in enumerate(picked):
        g2 = random.Random(i)
        if text is None:
            # Style and background are always said here, in the wordings that training uses for other combinations.
            while True:
                text = scenes.caption(spec, g2)
                bg = spec["bg"]
                said = spec["style"] == "3d" or spec["style"] in text.lower()
                said = said and (bg["kind"] != "plain" or bg["colour"] == "white" or bg["colour"].replace("grey", "gra") in text.replace("grey", "gra").replace("gray", "gra"))
                if said:
                    break
        bg = spec["bg"]
        yield dict(id=i, kind=kind, prompt=text, nouns=[names[x["noun"]] for x in spec["things"]], colours=[x["colour"] for x in spec["things"]], count=spec["count"],
                   relation=spec.get("relation", ""), style=spec["style"], background=bg["name"] if bg["kind"] == "scene" else bg["colour"],
                   ground=bg["kind"], **({"second": bg["second"]} if bg["kind"] == "gradient" else {}))


def spec_of(e, scenes):
    """The scene of an entry, to be drawn by Scenes.draw."""
    bg = dict(kind="scene", name=e["background"]) if e["ground"] == "scene" else dict(kind=e["ground"], colour=e["background"], **({"second": e["second"]} if "second" in e else {}))
    return dict(style=e["style"], bg=bg, count=e["count"], size="", place="", zoom=False, things=[dict(noun=scenes.at[n], colour=c) for n, c in zip(e["nouns"], e["colours"])],
                **(dict(relation=e["relation"]) if e["relation"] else {}))


def load():
    return json.load(open(PATH))


def check():
    scenes = data.Scenes(0)
    shown = [e for e in load() if scenes.allowed(spec_of(e, scenes))]
    if shown and any(e["kind"] != "ordinary" for e in shown):
        raise SystemExit("training could show: " + "; ".join(e["prompt"] for e in shown))
    print(f"{len(load())} prompts; training can show none of their combinations" + (f", but of the ordinary ones: {[e['prompt'] for e in shown]}" if shown else ""))


if __name__ == "__main__":
    if sys.argv[1:] != ["check"]:
        text = "[\n" + ",\n".join(json.dumps(e) for e in entries()) + "\n]\n"
        if os.path.exists(PATH) and open(PATH).read() != text:
            raise SystemExit("unseen.json is fixed and would change: what training showed would no longer be known")
        open(PATH, "w").write(text)
    check()
