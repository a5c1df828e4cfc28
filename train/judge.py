"""Trains the judge of drawn pictures: a small network that says which nouns, style, background and colour a picture shows.

Trained on scenes of train/data.py alone; the denoiser never sees it, nor it anything of the denoiser. tools/evaluate.ts runs it in plain
TypeScript, so it is made of 3×3 convolutions, ReLU and sums only: batch norms are folded into them when it is written.

Input: [3, 96, 96] in -1..1. A grid of 6×6 cells gives logits of every noun; a picture's are their log-mean-exp, so that two things can both
win. Pooled features give style, background (plain colours, "gradient", scenes) and colour ("" or a colour word) of the first thing.
`judge.py` in the driver trains; `judge.py write` folds and writes judge.safetensors and judge.json beside itself; `judge.py test` says how often it is right on real drawings.
"""
import functools, json, os, random, sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import data, loop, nouns

SIDE, CELLS, FEATURES = 96, 6, 192
GROUNDS = [*data.BACKGROUNDS, "gradient", *data.SCENES]
TINTS = ["", *data.COLOURS]
LAYERS = [(3, 32, 2), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, FEATURES, 2), (FEATURES, FEATURES, 1)]  # in, out, stride; residual where equal


class Judge(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, s, 1, bias=False) for i, o, s in LAYERS)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _, o, _ in LAYERS)
        self.noun = nn.Linear(FEATURES, count)
        self.style, self.ground, self.tint = (nn.Linear(FEATURES, n) for n in (len(data.STYLES), len(GROUNDS), len(TINTS)))

    def forward(self, x):
        """[B, 3, SIDE, SIDE] → (nouns [B, N], style, ground, tint, features [B, FEATURES])."""
        for conv, norm in zip(self.convs, self.norms):
            y = norm(conv(x))
            x = F.relu(x + y if conv.in_channels == conv.out_channels else y)
        cells = self.noun(x.flatten(2).mT)
        f = x.mean((2, 3))
        return torch.logsumexp(cells.float(), 1) - torch.log(torch.tensor(float(CELLS ** 2))), self.style(f), self.ground(f), self.tint(f), f


def labels(s, scenes):
    """(nouns, style, ground, tint) of a scene, as indices; tint -1 where no colour is sure."""
    bg = s["bg"]
    t, style = s["things"][0], data.STYLES.index(s["style"])
    tint = t["colour"] or data.natural(t["noun"], style)
    seen = [x["noun"] for x in s["things"]]
    if s.get("relation") == "wearing":
        seen[0] = scenes.heads[seen[0]]
    return seen, style, GROUNDS.index(bg["name"] if bg["kind"] == "scene" else "gradient" if bg["kind"] == "gradient" else bg["colour"]), TINTS.index(tint)


def spoil(x):
    """What generated pictures suffer from: blur, noise, wrong saturation; and mirrors and shifts."""
    B = len(x)
    if random.random() < 0.5:
        x = x.flip(3)
    dy, dx = random.randint(-5, 5), random.randint(-5, 5)
    x = F.pad(x, (5, 5, 5, 5), mode="replicate")[:, :, 5 + dy:5 + dy + SIDE, 5 + dx:5 + dx + SIDE]
    if random.random() < 0.5:
        n = random.choice((32, 40, 48, 64))
        x = F.interpolate(F.interpolate(x, size=(n, n), mode="area"), size=(SIDE, SIDE), mode="bilinear")
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (0.75 + 0.5 * torch.rand(B, 1, 1, 1, device=x.device))
    return (x + 0.08 * torch.rand(B, 1, 1, 1, device=x.device) * torch.randn_like(x)).clamp(-1, 1)


@torch.no_grad()
def accuracy(model, count=400, seed=77):
    """Shares right on real drawings it has not seen: single things (noun, style, ground, tint), and both of two."""
    scenes, right = data.Scenes(seed, unseen=True), [[0, 0] for _ in range(5)]
    model.eval()
    for _ in range(count):
        s = scenes.spec()
        while s["zoom"] or len(s["things"]) > 2 or s.get("relation") == "wearing":
            s = scenes.spec()
        seen, *rest = labels(s, scenes)
        x = scenes.draw(s, SIDE, 0.05)[None].to(loop.DEVICE)
        out = model(x)
        top = set(out[0][0].topk(len(seen)).indices.tolist())
        kinds = [(0 if len(seen) == 1 else 4, top == set(seen))] + [(k + 1, int(o[0].argmax()) == r) for k, (o, r) in enumerate(zip(out[1:4], rest))]
        for k, ok in kinds:
            if k != 3 or rest[2]:
                right[k][0] += ok
                right[k][1] += 1
    model.train()
    return [a / max(1, b) for a, b in right]


def batches(seed, n, fresh, size):
    """(pictures as signed bytes, shares of nouns [n, N], labels [n, 3]) from a pool of `size` that gets `fresh` scenes a batch."""
    scenes, pool = data.Scenes(seed), []
    while True:
        for _ in range(fresh if len(pool) >= 4 * n else 4 * n):
            s = scenes.spec()
            while s["zoom"]:
                s = scenes.spec()
            row = (scenes.draw(s, SIDE, 0.1) * 127).round().char(), labels(s, scenes)
            if len(pool) < size:
                pool.append(row)
            else:
                pool[random.randrange(size)] = row
        rows = random.choices(pool, k=n)
        want = torch.zeros(n, len(scenes.names))
        for i, (_, (seen, *_)) in enumerate(rows):
            want[i, seen] = 1 / len(seen)
        yield torch.stack([p for p, _ in rows]), want, torch.tensor([r[1:] for _, r in rows])


def main(minutes, batch=96):
    run = loop.Loop("judge", minutes)
    model = Judge(len(nouns.catalogue()))
    if run.state:
        model.load_state_dict(run.state["model"])
    model.to(loop.DEVICE).to(memory_format=torch.channels_last)
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.99), weight_decay=0.02)
    rates = loop.Rates([opt], run.state)
    batch = 8 if loop.SMOKE else batch if loop.DEVICE.type == "cpu" else 4 * batch
    feed = loop.Feed.of(functools.partial(batches, n=batch, fresh=4 if loop.SMOKE else 12, size=5000 if loop.DEVICE.type == "cpu" else 1500), 4000 + run.step)
    while True:
        share = run.share()
        rates.set(run.rate(share, 0.6))
        x, want, rest = (t.to(loop.DEVICE) for t in next(feed))
        x, rest = x.float() / 127, rest.T
        with torch.autocast(loop.DEVICE.type, torch.bfloat16):
            n, *heads, _ = model(spoil(x).contiguous(memory_format=torch.channels_last))
        ln = F.cross_entropy(n.float(), want, label_smoothing=0.05)
        lr = sum(F.cross_entropy(h.float(), r) for h, r in zip(heads, rest))
        opt.zero_grad()
        (ln + 0.3 * lr).backward()
        opt.step()
        run.note(noun=ln.item(), rest=lr.item())
        if run.due() or share >= 1:
            right = accuracy(model, 8 if loop.SMOKE else 400)
            run.save(model.state_dict(), model.state_dict(), [opt], right=right)
            print(f"judge: saved at {run.step}; real drawings: " + ", ".join(f"{k} {v:.1%}" for k, v in zip(("noun", "style", "background", "colour", "both of two"), right)), flush=True)
        if share >= 1:
            return


def manner(x):
    """(sharpness, saturation) of a picture [3, n, n] in -1..1: mean length of the brightness's gradient, mean distance of largest and least channel, both of 0..1."""
    x = (x + 1) / 2
    grey = x.mean(0)
    dy, dx = grey[1:, :-1] - grey[:-1, :-1], grey[:-1, 1:] - grey[:-1, :-1]
    return (dy ** 2 + dx ** 2).sqrt().mean().item(), (x.amax(0) - x.amin(0)).mean().item()


def write(folder):
    """Convolutions with their batch norms folded in, heads, and what the unseen prompts look like when they are drawn, as safetensors."""
    from safetensors.torch import save_file
    import unseen
    s = loop.weights_of("judge")
    scenes = data.Scenes(91, unseen=True)
    m = Judge(len(scenes.names))
    m.load_state_dict(s["average"])
    m.eval()
    out = {}
    for i, (c, b) in enumerate(zip(m.convs, m.norms)):
        f = b.weight / torch.sqrt(b.running_var + b.eps)
        out[f"convs.{i}.weight"] = (c.weight * f.view(-1, 1, 1, 1)).half()
        out[f"convs.{i}.bias"] = (b.bias - b.running_mean * f).half()
    for h in ("noun", "style", "ground", "tint"):
        out[f"{h}.weight"], out[f"{h}.bias"] = getattr(m, h).weight.detach().half(), getattr(m, h).bias.detach().half()
    features, manners = [], {256: [], 512: []}
    with torch.no_grad():
        for e in unseen.load():
            spec = unseen.spec_of(e, scenes)
            for side in manners:
                x = scenes.draw(spec, side, 0.05)
                manners[side].append(manner(x))
                features.append(m(F.interpolate(x[None], size=(SIDE, SIDE), mode="area"))[4][0])
    out["real.features"] = torch.stack(features).half()
    out = {k: v.contiguous() for k, v in out.items()}
    mean = {side: torch.tensor(v).mean(0).tolist() for side, v in manners.items()}
    loop.write(f"{folder}/judge.safetensors", lambda p: save_file(out, p))
    right = dict(zip(("noun", "style", "background", "colour", "both of two"), s.get("right", [])))
    names = dict(nouns=scenes.names, styles=data.STYLES, grounds=GROUNDS, tints=TINTS, side=SIDE, strides=[l[2] for l in LAYERS], manner=mean, right=right, step=s["step"])
    loop.write(f"{folder}/judge.json", lambda p: open(p, "w").write(json.dumps(names, ensure_ascii=False) + "\n"))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(os.path.dirname(os.path.abspath(__file__)))
    elif sys.argv[1] == "test":
        m = Judge(len(nouns.catalogue()))
        m.load_state_dict(loop.weights_of("judge")["average"])
        print(accuracy(m, 1500, 78))
    else:
        main(float(sys.argv[1]))
