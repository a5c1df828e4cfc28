"""Draws captions with an exported folder in PyTorch, direct or staged as LSSGen does, as PNG files or one sheet.

Used to look at progress; the pictures that are reported come from the CLI. Schedules are FLUX's: linspace(1, 1/n, n),
shifted by the stage's own number of tokens.
"""
import argparse, json, math, os
import torch
from PIL import Image, ImageDraw
import data, export, text

torch.set_num_threads(int(os.environ.get("THREADS", "1")))
PROMPTS = ["a cat", "a red apple on a blue background", "a noto style dog", "a small pizza on the left",
           "a large rose on a yellow background", "a guitar and a drum", "a blue car", "a castle on a purple background",
           "a noto style tiger on a green background", "a penguin", "a strawberry on a pink background", "a rocket at the top"]


class Sampler:
    """Pictures [B, 3, side, side] in -1..1 from captions."""

    def __init__(self, folder=export.FOLDER):
        self.model, self.vae, self.up, self.scheduler = export.read(folder)
        self.tokens = text.Tokens(folder)
        self.settings = json.load(open(f"{folder}/lssgen.json"))

    def sigmas(self, steps, tokens):
        c = self.scheduler.config
        share = (tokens - c.base_image_seq_len) / (c.max_image_seq_len - c.base_image_seq_len)
        shift = math.exp(c.base_shift + (c.max_shift - c.base_shift) * min(1, share))
        s = torch.linspace(1, 1 / steps, steps)
        return torch.cat([shift / (shift + 1 / s - 1), torch.zeros(1)])

    def denoise(self, x, sigmas, guidance, cond):
        n = x.shape[0]
        for s, t in zip(sigmas, sigmas[1:]):
            x = x + (t - s) * self.model.velocity(x, s.expand(n), torch.full((n,), guidance), cond)
        return x

    @torch.no_grad()
    def __call__(self, captions, side, seeds, steps=20, guidance=2.5, staged=False, entry=None):
        first, entry = self.settings["min_resolution"], entry or self.settings["init_noise"]
        cond = self.model.condition(*self.tokens(captions))
        noise = [torch.Generator().manual_seed(s) for s in seeds]
        draw = lambda n: torch.stack([torch.randn(16, n, n, generator=g) for g in noise])
        size = first if staged else side
        x = self.denoise(draw(size // 8), self.sigmas(steps, (size // 16) ** 2), guidance, cond)
        while size < side:
            size *= 2
            sigmas = self.sigmas(steps, (size // 16) ** 2)
            sigmas = sigmas[int((sigmas >= entry).sum()) - 1:]  # the smallest one that is not below the entry
            x = self.denoise((1 - sigmas[0]) * self.up(x) + sigmas[0] * draw(size // 8), sigmas, guidance, cond)
        c = self.vae.config
        return torch.cat([self.vae.decode(z / c.scaling_factor + c.shift_factor).sample.clamp(-1, 1) for z in x.split(1)])


def picture(x):
    return Image.fromarray(((x + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())


def sheet(pictures, captions, columns, side):
    """One picture of many, a caption under each."""
    rows = -(-len(pictures) // columns)
    out = Image.new("RGB", (columns * (side + 8) + 8, rows * (side + 34) + 8), (236, 236, 236))
    d = ImageDraw.Draw(out)
    for i, (p, c) in enumerate(zip(pictures, captions)):
        x, y = 8 + i % columns * (side + 8), 8 + i // columns * (side + 34)
        out.paste(p.resize((side, side), Image.LANCZOS) if p.size != (side, side) else p, (x, y))
        line, lines = "", []
        for word in c.split():
            if d.textlength(f"{line} {word}") > side and line:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        d.text((x, y + side + 1), "\n".join([*lines, line][:2]), fill=(30, 30, 30), spacing=1)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out", help="PNG of the sheet; with --list a folder")
    p.add_argument("--model", default=export.FOLDER)
    p.add_argument("--list", help="JSON of evaluate.py --prompts: one PNG for every entry, named by its `file`")
    p.add_argument("--side", type=int, default=128)
    p.add_argument("--method", choices=("direct", "lssgen"), default="direct")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--guidance", type=float, default=2.5)
    p.add_argument("--entry", type=float, help="noise level at which later stages start")
    p.add_argument("--count", type=int, default=24)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    sampler = Sampler(a.model)
    if a.list:
        os.makedirs(a.out, exist_ok=True)
        jobs = json.load(open(a.list))
        for key in sorted({(j["size"], j["method"]) for j in jobs}):
            group = [j for j in jobs if (j["size"], j["method"]) == key]
            for i in range(0, len(group), 8):
                part = group[i:i + 8]
                made = sampler([j["caption"] for j in part], key[0], [j["seed"] for j in part], a.steps, a.guidance, key[1] == "lssgen", a.entry)
                for j, x in zip(part, made):
                    picture(x).save(f"{a.out}/{j['file']}")
            print(f"{len(group)} pictures of {key[0]}, {key[1]}", flush=True)
        return
    scenes = data.Scenes(a.seed + 1000)
    captions = (PROMPTS + [scenes.caption(scenes.spec()) for _ in range(a.count)])[:a.count]
    made = []
    for i in range(0, a.count, 8):
        part = captions[i:i + 8]
        made += map(picture, sampler(part, a.side, [a.seed + i + k for k in range(len(part))], a.steps, a.guidance, a.method == "lssgen", a.entry))
    sheet(made, captions, 6, max(128, a.side if a.side < 256 else 192)).save(a.out)


if __name__ == "__main__":
    main()
