"""Gives the text encoders a notion of what words look like, before the denoiser reads them.

The denoiser's own loss says little about nouns: with any σ < 1 the noisy picture itself tells most of the answer, and encoders that start
from noise never come to matter. Real FLUX starts from encoders that know pictures; so do we: caption → 32² picture, by regression, once
from CLIP's pooled vector and once from T5's states read by a few queries. The heads are thrown away. The states' head must be able to hold
the pictures: one small network for a patch each of 64 queries stayed at 3 % of nouns where the pooled vector's, a whole picture at once,
had 48 % after the same steps.

Most of a batch are single things on plain backgrounds, put together from reduced drawings in one go, which costs next to nothing; the rest
are scenes of every kind.
"""
import functools, random, sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import data, loop, nouns, text

SIDE, QUERIES = 32, 8


class Heads(nn.Module):
    def __init__(self, pooled=128, states=192):
        super().__init__()
        self.pooled = nn.Sequential(nn.Linear(pooled, 640), nn.GELU(), nn.Linear(640, 3 * SIDE * SIDE))
        self.queries = nn.Parameter(torch.randn(QUERIES, states) * 0.5)
        self.q, self.k, self.v, self.o = (nn.Linear(states, states, bias=False) for _ in range(4))
        self.picture = nn.Sequential(nn.LayerNorm(QUERIES * states), nn.Linear(QUERIES * states, 768), nn.GELU(), nn.Linear(768, 3 * SIDE * SIDE))

    def forward(self, pooled, states, told):
        """`told` [B, T]: which tokens are words. Read together with twenty pads, a noun's share of a mean is too small to be found."""
        a = self.pooled(pooled).view(-1, 3, SIDE, SIDE)
        h = lambda x: x.unflatten(-1, (6, -1)).transpose(-2, -3)  # [..., N, D] → [..., heads, N, d]
        q, k, v = h(self.q(self.queries)), h(self.k(states)), h(self.v(states))
        scores = ((q @ k.mT).float() * q.shape[-1] ** -0.5).masked_fill(~told[:, None, None], -1e4)
        read = torch.softmax(scores, -1).to(v.dtype) @ v
        b = self.picture(self.o(read.transpose(1, 2).flatten(2)).flatten(1)).view(-1, 3, SIDE, SIDE)
        return a, b


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.clip, self.t5 = text.encoders(text.FOLDER)
        self.heads = Heads()

    def forward(self, clip, t5):
        return self.heads(self.clip(clip).pooler_output, self.t5(t5).last_hidden_state, t5 != 0)


class Thumbnails:
    """Premultiplied drawings [style, noun, 4, SIDE, SIDE] as a scene draws them: cut out, in the middle, of the usual size; and in colours on demand."""

    def __init__(self, scenes):
        self.scenes, self.rows = scenes, {}

    def of(self, style, t):
        key = style, t["noun"], t["colour"]
        if key not in self.rows:
            import numpy as np
            p = self.scenes.icon(t, style, data.SIZES[""] * SIDE)
            out = np.zeros((SIDE, SIDE, 4), np.uint8)
            x, y = (SIDE - p.width) // 2, (SIDE - p.height) // 2
            out[y:y + p.height, x:x + p.width] = np.asarray(p)
            if len(self.rows) > 30000:
                self.rows.clear()
            self.rows[key] = torch.from_numpy(out).permute(2, 0, 1).contiguous()
        return self.rows[key]

    def draw(self, specs):
        p = torch.stack([self.of(s["style"], s["things"][0]) for s in specs]).float() / 127.5
        ground = torch.tensor([data.BACKGROUNDS[s["bg"]["colour"]] for s in specs]).float().view(-1, 3, 1, 1) / 127.5
        return p[:, :3] + ground * (1 - p[:, 3:] / 2) - 1


def easy(scenes):
    """One thing in the middle of a plain background."""
    g = scenes.rng
    while True:
        s = dict(style="3d" if g.random() < 0.5 else g.choice(data.STYLES[1:]), count=1, size="", place="", zoom=False, things=[scenes.thing(0.2)],
                 bg=dict(kind="plain", colour="white" if g.random() < 0.5 else g.choice(list(data.BACKGROUNDS))))
        if scenes.allowed(s):
            return s


@torch.no_grad()
def retrieval(model, scenes, tokens, thumbnails, count=256):
    """How often the nearest of all drawings of all styles is the one asked for: (from the pooled vector, from the states)."""
    chosen = list(range(0, len(scenes.names), max(1, len(scenes.names) // count)))
    plain = lambda n, style: dict(style=style, bg=dict(kind="plain", colour="white"), things=[dict(noun=n, colour="")])
    refs = torch.cat([thumbnails.draw([plain(n, s) for n in range(len(scenes.names))]) for s in data.STYLES]).flatten(1)
    asked = [(n, s) for i, n in enumerate(chosen) for s in (data.STYLES[i % 3],)]
    out = model(*(t.to(loop.DEVICE) for t in tokens([("" if s == "3d" else f"{s} style ") + scenes.names[n] for n, s in asked])))
    right = []
    for y in out:
        nearest = torch.cdist(y.flatten(1).float().cpu(), refs).argmin(1)
        right.append(sum(int(k) % len(scenes.names) == n for k, (n, _) in zip(nearest, asked)) / len(asked))
    return right


def batches(seed, n, tokens):
    """(pictures [n, 3, SIDE, SIDE] as signed bytes, clip ids, t5 ids). Scenes of every kind come from a pool that is slowly refreshed."""
    scenes, pool = data.Scenes(seed), []
    thumbnails = Thumbnails(scenes)
    while True:
        specs = [easy(scenes) for _ in range(n * 2 // 3)]
        x = [(thumbnails.draw(specs) * 127).round().char()]
        for _ in range(4 if len(pool) >= 64 or loop.SMOKE else 64):
            s = scenes.spec()
            row = s, (scenes.draw(s, SIDE, 0.04) * 127).round().char()
            if len(pool) < 6000:
                pool.append(row)
            else:
                pool[random.randrange(len(pool))] = row
        more = random.choices(pool, k=n - len(specs))
        x.append(torch.stack([p for _, p in more]))
        yield torch.cat(x), *tokens([scenes.caption(s) for s in specs + [s for s, _ in more]])


def complete(weights, model):
    """Committed weights have neither heads nor T5's embeddings twice; what is missing is put in. Whether heads were there."""
    weights.setdefault("t5.encoder.embed_tokens.weight", weights["t5.shared.weight"])
    missing = {k: v for k, v in model.state_dict().items() if k not in weights}
    weights.update(missing)
    return not missing


def main(minutes, batch=192):
    run = loop.Loop("bind", minutes)
    scenes, tokens = data.Scenes(1), text.Tokens(text.FOLDER)
    thumbnails = Thumbnails(scenes)
    model = Model()
    whole = run.state and complete(run.state["model"], model)
    if run.state:
        model.load_state_dict(run.state["model"])
    model.to(loop.DEVICE)
    average = loop.Average(model, 0.998, run.state["average"] if whole else None)
    opts = loop.optimizers(model)
    # A rare noun's row is seen once in thousands of captions: it moves four times as fast as the rest.
    shared = model.t5.shared.weight
    opts[1].param_groups[0]["params"] = [p for p in opts[1].param_groups[0]["params"] if p is not shared]
    opts[1].add_param_group(dict(params=[shared], lr=4 * opts[1].param_groups[0]["lr"]))
    rates = loop.Rates(opts, run.state)
    if loop.SMOKE:
        batch = 16
    feed = loop.Feed.of(functools.partial(batches, n=batch, tokens=tokens), 1 + run.step)
    while True:
        share = run.share()
        rates.set(run.rate(share, 0.4))
        x, clip, t5 = (t.to(loop.DEVICE) for t in next(feed))
        x = x.float() / 127
        with torch.autocast(loop.DEVICE.type, torch.bfloat16):
            a, b = model(clip, t5)
        la, lb = F.mse_loss(a.float(), x), F.mse_loss(b.float(), x)
        for o in opts:
            o.zero_grad()
        (la + lb).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            o.step()
        average.update(model)
        run.note(pooled=la.item(), states=lb.item())
        if run.due() or share >= 1:
            right = retrieval(average.module, scenes, tokens, thumbnails)
            run.save(model.state_dict(), average.state_dict(), opts, right=right)
            print(f"bind: saved at {run.step}; nearest of {3 * len(scenes.names)} drawings right: pooled {right[0]:.0%}, states {right[1]:.0%}", flush=True)
        if share >= 1:
            return


def load(model):
    """Puts the averaged encoders into a module that has `clip` and `t5`."""
    w = loop.weights_of("bind")["average"]
    w.setdefault("t5.encoder.embed_tokens.weight", w["t5.shared.weight"])
    for name in ("clip", "t5"):
        getattr(model, name).load_state_dict({k.removeprefix(name + "."): v for k, v in w.items() if k.startswith(name + ".")})


if __name__ == "__main__":
    main(float(sys.argv[1]))
