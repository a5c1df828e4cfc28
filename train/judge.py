"""Trains the judge of drawn pictures: a small network that says which nouns, style, background and colour a picture shows.

Trained on scenes of train/data.py alone; the denoiser never sees it, nor it anything of the denoiser. tools/evaluate.ts runs it in plain
TypeScript, so it is made of 3×3 convolutions, ReLU and sums only: batch norms are folded into them when it is written.

Input: [3, 128, 128] in -1..1. A grid of 8×8 cells gives logits of every noun; a picture's are their log-mean-exp, so that two things can both
win. The first half of the time it learns at 96², where a step takes half as long. Pooled features give style, background (plain colours, "gradient", scenes) and colour ("" or a colour word) of the first thing.
`judge.py` in the driver trains; `judge.py write` folds and writes judge.gguf and judge.json beside itself; `judge.py test` says how often it is right on real drawings.
"""
import functools, json, math, os, random, sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import data, loop, nouns

HERE = os.path.dirname(os.path.abspath(__file__))
WRITTEN = f"{HERE}/judge.gguf"
SIDE, FIRST, FEATURES = 128, 96, 128
GROUNDS = [*data.BACKGROUNDS, "gradient", *data.SCENES]
TINTS = ["", *data.COLOURS]
# In, out, stride; residual where equal. Widths are whole blocks of Q5_0.
LAYERS = [(3, 32, 2), (32, 64, 2), (64, 64, 1), (64, 96, 2), (96, 96, 1), (96, 96, 1), (96, FEATURES, 2), (FEATURES, FEATURES, 1), (FEATURES, FEATURES, 1)]


class Judge(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, s, 1, bias=False) for i, o, s in LAYERS)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _, o, _ in LAYERS)
        self.noun = nn.Linear(FEATURES, count)
        self.style, self.ground, self.tint = (nn.Linear(FEATURES, n) for n in (len(data.STYLES), len(GROUNDS), len(TINTS)))

    def forward(self, x):
        """[B, 3, n, n] → (nouns [B, N], style, ground, tint, features [B, FEATURES])."""
        for conv, norm in zip(self.convs, self.norms):
            y = norm(conv(x))
            x = F.relu(x + y if conv.in_channels == conv.out_channels else y)
        cells = self.noun(x.flatten(2).mT)
        f = x.mean((2, 3))
        return torch.logsumexp(cells.float(), 1) - math.log(cells.shape[1]), self.style(f), self.ground(f), self.tint(f), f


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
    B, side = len(x), x.shape[-1]
    if random.random() < 0.5:
        x = x.flip(3)
    dy, dx = random.randint(-5, 5), random.randint(-5, 5)
    x = F.pad(x, (5, 5, 5, 5), mode="replicate")[:, :, 5 + dy:5 + dy + side, 5 + dx:5 + dx + side]
    if random.random() < 0.5:
        n = random.choice((40, 48, 64, 80))
        x = F.interpolate(F.interpolate(x, size=(n, n), mode="area"), size=(side, side), mode="bilinear")
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


def batches(seed, n, fresh, size, side):
    """(pictures as signed bytes, shares of nouns [n, N], labels [n, 3]) from a pool of `size` that gets `fresh` scenes a batch."""
    scenes, pool = data.Scenes(seed), []
    while True:
        for _ in range(fresh if len(pool) >= 4 * n else 4 * n):
            s = scenes.spec()
            while s["zoom"]:
                s = scenes.spec()
            row = (scenes.draw(s, side, 0.1) * 127).round().char(), labels(s, scenes)
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
    if os.path.exists(WRITTEN) and not loop.SMOKE and not any(os.path.exists(f"{loop.RUNS}/{f}") for f in ("judge.pt", "again-judge")):
        return print(f"judge: {WRITTEN} is there; touch {loop.RUNS}/again-judge trains another")
    run = loop.Loop("judge", minutes)
    model = Judge(len(nouns.catalogue()))
    if run.state:
        model.load_state_dict(run.state["model"])
    model.to(loop.DEVICE).to(memory_format=torch.channels_last)
    opts = loop.optimizers(model, 0.02, 2e-3, edges=("convs.0.", "noun", "style", "ground", "tint"))
    rates = loop.Rates(opts, run.state)
    batch = 8 if loop.SMOKE else batch if loop.DEVICE.type == "cpu" else 4 * batch
    side, feed = 0, None
    while True:
        share = run.share()
        if side != (FIRST if share < 0.5 else SIDE):
            side = FIRST if share < 0.5 else SIDE
            feed = loop.Feed.of(functools.partial(batches, n=batch, fresh=4 if loop.SMOKE else 16, size=5000 if loop.DEVICE.type == "cpu" else 1500, side=side), 4000 + run.step)
        rates.set(run.rate(share, 0.6))
        x, want, rest = (t.to(loop.DEVICE) for t in next(feed))
        x, rest = x.float() / 127, rest.T
        with torch.autocast(loop.DEVICE.type, torch.bfloat16):
            n, *heads, _ = model(spoil(x).contiguous(memory_format=torch.channels_last))
        ln = F.cross_entropy(n.float(), want, label_smoothing=0.05)
        lr = sum(F.cross_entropy(h.float(), r) for h, r in zip(heads, rest))
        for o in opts:
            o.zero_grad()
        (ln + 0.3 * lr).backward()
        for o in opts:
            o.step()
        run.note(noun=ln.item(), rest=lr.item())
        if run.due() or share >= 1:
            right = accuracy(model, 8 if loop.SMOKE else 400)
            run.save(model.state_dict(), model.state_dict(), opts, right=right)
            print(f"judge: saved at {run.step}; real drawings: " + ", ".join(f"{k} {v:.1%}" for k, v in zip(("noun", "style", "background", "colour", "both of two"), right)), flush=True)
        if share >= 1:
            return


def manner(x):
    """(sharpness, saturation) of a picture [3, n, n] in -1..1: mean length of the brightness's gradient, mean distance of largest and least channel, both of 0..1."""
    x = (x + 1) / 2
    grey = x.mean(0)
    dy, dx = grey[1:, :-1] - grey[:-1, :-1], grey[:-1, 1:] - grey[:-1, :-1]
    return (dy ** 2 + dx ** 2).sqrt().mean().item(), (x.amax(0) - x.amin(0)).mean().item()


def folded(model):
    """Names and weights with batch norms folded in: convolutions [out, 9·in] with the channels last, heads [n, FEATURES]."""
    out = {}
    for i, (c, b) in enumerate(zip(model.convs, model.norms)):
        f = b.weight / torch.sqrt(b.running_var + b.eps)
        out[f"convs.{i}.weight"] = (c.weight * f.view(-1, 1, 1, 1)).permute(0, 2, 3, 1).flatten(1)
        out[f"convs.{i}.bias"] = b.bias - b.running_mean * f
    for h in ("noun", "style", "ground", "tint"):
        out[f"{h}.weight"], out[f"{h}.bias"] = getattr(model, h).weight, getattr(model, h).bias
    return {k: v.detach() for k, v in out.items()}


@torch.no_grad()
def load():
    """The judge as written: its batch norms do nothing but add."""
    import quantised
    model, w = Judge(len(nouns.catalogue())), quantised.load(WRITTEN)
    for i, (c, b) in enumerate(zip(model.convs, model.norms)):
        c.weight.copy_(w[f"convs.{i}.weight"].view(len(c.weight), 3, 3, -1).permute(0, 3, 1, 2))
        b.running_var.fill_(1 - b.eps)
        b.bias.copy_(w[f"convs.{i}.bias"])
    for h in ("noun", "style", "ground", "tint"):
        getattr(model, h).weight.copy_(w[f"{h}.weight"])
        getattr(model, h).bias.copy_(w[f"{h}.bias"])
    return model.eval()


@torch.no_grad()
def write():
    """judge.gguf, 5.5 bits a weight: convolutions, heads, and features of the unseen prompts' own drawings; judge.json."""
    import quantised, unseen
    scenes, s = data.Scenes(91, unseen=True), loop.weights_of("judge")
    m = Judge(len(scenes.names))
    m.load_state_dict(s["average"])
    m.eval()
    features, manners = [], {256: [], 512: []}
    for e in unseen.load():
        spec = unseen.spec_of(e, scenes)
        for side in manners:
            x = scenes.draw(spec, side, 0.05)
            manners[side].append(manner(x))
            if side == 256:
                features.append(m(F.interpolate(x[None], size=(SIDE, SIDE), mode="area"))[4][0])
    out = folded(m)
    kinds = {k: "Q5_0" for k in out}
    out["real.features"] = torch.stack(features)
    loop.write(WRITTEN, lambda p: quantised.save(p, out, "judge", kinds, "lssgen-judge"))
    mean = {side: torch.tensor(v).mean(0).tolist() for side, v in manners.items()}
    right = accuracy(load(), 1500, 78)
    names = dict(nouns=scenes.names, styles=data.STYLES, grounds=GROUNDS, tints=TINTS, side=SIDE, strides=[l[2] for l in LAYERS], manner=mean,
                 right=dict(zip(("noun", "style", "background", "colour", "both of two"), right)), step=s["step"])
    loop.write(f"{HERE}/judge.json", lambda p: open(p, "w").write(json.dumps(names, ensure_ascii=False) + "\n"))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write()
    elif sys.argv[1] == "test":
        print(accuracy(load(), 1500, 78))
    else:
        main(float(sys.argv[1]))
