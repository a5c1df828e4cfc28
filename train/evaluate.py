"""How many pictures show what was asked for: on combinations of noun, style and background that training never showed.

    evaluate.py list FILE [--count N]         the prompts, as JSON: direct and LSSGen at 256 and 512, same seeds
    evaluate.py draw FILE DIR                 draws them with this project's CLI (sample.py --list does it in PyTorch)
    evaluate.py judge FILE DIR [--sheet PNG]  shares of right nouns and backgrounds, and a contact sheet
    evaluate.py vae [--count N]               PSNR of encoding and decoding unseen scenes

Background: the named colour nearest to the median of the picture's border. Noun: the nearest reference among every
noun in both styles, drawn on the background that was found, in a space of 32 × 32 RGB pixels (area average), the
picture moved by up to two of them either way. `judge` also passes real drawings, jittered as in training, through the
VAE and the same rule: what a perfect denoiser would get.
"""
import argparse, json, os, random, subprocess, sys
import torch
import torch.nn.functional as F
import data

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
SIDE = 32
SETS = [(256, "direct"), (256, "lssgen"), (512, "direct"), (512, "lssgen")]


def prompts(count):
    """The first `count` held-out combinations, nouns spread evenly, as specs of train/data.py with captions."""
    scenes = data.Scenes()
    held = data.held_out(scenes.nouns)
    picked = [held[i * len(held) // count] for i in range(count)]
    out = []
    for i, (noun, style, bg) in enumerate(picked):
        spec = dict(style=style, bg=bg, things=[dict(noun=scenes.nouns.index(noun), colour="", size="", place="")])
        out.append(dict(spec=spec, noun=noun, caption=scenes.caption(spec, random.Random(i))))
    return out


def write_list(path, count):
    jobs = [dict(p, size=size, method=method, seed=i, file=f"{i:03d}-{size}-{method}.png")
            for size, method in SETS for i, p in enumerate(prompts(count))]
    json.dump(jobs, open(path, "w"), indent=1)
    print(f"{len(jobs)} pictures: {count} prompts × {len(SETS)}")


def draw(path, folder):
    os.makedirs(folder, exist_ok=True)
    for j in json.load(open(path)):
        out = f"{folder}/{j['file']}"
        if not os.path.exists(out):
            subprocess.run(["npx", "-y", "deno@2.9.6", "run", "-A", "--no-check", f"{ROOT}/cli.ts", j["caption"], "--size", str(j["size"]),
                            "--method", j["method"], "--seed", str(j["seed"]), "--out", out, "--quiet"], check=True)


def load(path):
    import numpy as np
    from PIL import Image
    x = np.asarray(Image.open(path).convert("RGB")).copy()
    return torch.from_numpy(x).permute(2, 0, 1).float() / 127.5 - 1


class Judge:
    def __init__(self):
        self.scenes = data.Scenes()
        self.names = list(data.BACKGROUNDS)
        self.colours = torch.tensor([data.BACKGROUNDS[n] for n in self.names]).float() / 127.5 - 1
        self.references = {}

    def background(self, x):
        """Name of the border's median colour; x [3, n, n]."""
        k = max(1, x.shape[1] // 32)
        border = torch.cat([x[:, :k].flatten(1), x[:, -k:].flatten(1), x[:, :, :k].flatten(1), x[:, :, -k:].flatten(1)], 1)
        return self.names[int((self.colours - border.median(1).values).square().sum(1).argmin())]

    def on(self, bg):
        """References [2 · nouns, 3, SIDE, SIDE] on a background."""
        if bg not in self.references:
            self.references[bg] = torch.stack([self.small(self.scenes.draw(
                dict(style=style, bg=bg, things=[dict(noun=n, colour="", size="", place="")]), 128))
                for n in range(len(self.scenes.nouns)) for style in data.STYLES])
        return self.references[bg]

    def small(self, x):
        return F.interpolate(x[None], size=(SIDE, SIDE), mode="area")[0]

    def __call__(self, x):
        """(noun, style, background) that a picture [3, n, n] shows."""
        bg = self.background(x)
        refs = self.on(bg)
        padded = F.pad(self.small(x)[None], (2, 2, 2, 2), mode="replicate")[0]
        best = torch.full((len(refs),), float("inf"))
        for dy in range(5):
            for dx in range(5):
                d = (refs - padded[:, dy:dy + SIDE, dx:dx + SIDE]).square().mean((1, 2, 3))
                best = torch.minimum(best, d)
        i = int(best.argmin())
        return self.scenes.nouns[i // 2], data.STYLES[i % 2], bg


def judge(path, folder, sheet):
    judged, jobs = Judge(), [j for j in json.load(open(path)) if os.path.exists(f"{folder}/{j['file']}")]
    table = {}
    for size, method in SETS:
        group = [j for j in jobs if (j["size"], j["method"]) == (size, method)]
        if not group:
            continue
        seen = [judged(load(f"{folder}/{j['file']}")) for j in group]
        table[f"{method} {size}"] = dict(
            pictures=len(group), noun=sum(s[0] == j["noun"] for s, j in zip(seen, group)) / len(group),
            background=sum(s[2] == j["spec"]["bg"] for s, j in zip(seen, group)) / len(group),
            style=sum(s[1] == j["spec"]["style"] for s, j in zip(seen, group)) / len(group))
        print(f"{method:7} {size}²: " + ", ".join(f"{k} {v:.0%}" if k != "pictures" else f"{v} pictures" for k, v in table[f"{method} {size}"].items()))
    import export
    _, vae, _, _ = export.read(export.FOLDER)
    group = [j for j in jobs if (j["size"], j["method"]) == (jobs[0]["size"], jobs[0]["method"])]
    with torch.no_grad():
        right = [judged(vae.decode(vae.encode(judged.scenes.draw(j["spec"], 256, 0.03)[None]).latent_dist.mode()).sample[0].clamp(-1, 1))
                 for j in group]
    print("real drawings through the VAE: noun " + f"{sum(s[0] == j['noun'] for s, j in zip(right, group)) / len(group):.0%}, "
          f"background {sum(s[2] == j['spec']['bg'] for s, j in zip(right, group)) / len(group):.0%}")
    print(json.dumps(table))
    if sheet:
        import sample
        from PIL import Image
        last = jobs[-1]["size"], jobs[-1]["method"]
        group = [j for j in jobs if (j["size"], j["method"]) == last]
        group = [group[i * len(group) // 36] for i in range(36)] if len(group) > 36 else group
        sample.sheet([Image.open(f"{folder}/{j['file']}").convert("RGB") for j in group], [j["caption"] for j in group], 6, 160).save(sheet)


@torch.no_grad()
def vae(count):
    import export
    _, net, _, _ = export.read(export.FOLDER)
    scenes, rng = data.Scenes(99), random.Random(3)
    held, total = data.held_out(scenes.nouns), 0.0
    for noun, style, bg in rng.sample(held, count):
        # Two things, one of them a combination that training never showed.
        things = [dict(noun=n, colour="", size="", place="") for n in (scenes.nouns.index(noun), rng.randrange(len(scenes.nouns)))]
        x = scenes.draw(dict(style=style, bg=bg, things=things), 256)[None]
        y = net.decode(net.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
        total += (10 * torch.log10(4 / (x - y).square().mean())).item()
    print(f"PSNR over {count} unseen composites at 256²: {total / count:.2f} dB")


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("list", "draw", "judge", "vae"))
    p.add_argument("file", nargs="?")
    p.add_argument("folder", nargs="?")
    p.add_argument("--count", type=int, default=72)
    p.add_argument("--sheet")
    a = p.parse_args()
    torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    {"list": lambda: write_list(a.file, a.count), "draw": lambda: draw(a.file, a.folder),
     "judge": lambda: judge(a.file, a.folder, a.sheet), "vae": lambda: vae(a.count)}[a.what]()
