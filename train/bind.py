"""Gives the text encoders a notion of what words look like, before the denoiser reads them.

The denoiser's own loss says little about nouns: with any σ < 1 the noisy picture itself tells most of the answer, and
encoders that start from noise never come to matter (measured: after 2300 steps its estimate at σ = 1 was the same blob
for every noun). Real FLUX starts from encoders that know pictures; so do we: caption → small picture, by regression,
once from CLIP's pooled vector and once from T5's states read by 8×8 queries, as the denoiser's tokens will read them.
The heads are thrown away.
"""
import os, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F
import data, denoise, text

OUT = f"{data.RUNS}/bind.pt"
SIDE = 32


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.pooled = nn.Sequential(nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 3 * SIDE * SIDE))
        self.queries = nn.Parameter(torch.randn(64, 192) * 0.5)
        self.attention = nn.MultiheadAttention(192, 6, batch_first=True)
        self.patch = nn.Sequential(nn.LayerNorm(192), nn.Linear(192, 512), nn.GELU(), nn.Linear(512, 48))

    def forward(self, pooled, states):
        a = self.pooled(pooled).view(-1, 3, SIDE, SIDE)
        q = self.queries.expand(len(states), -1, -1)
        b = q + self.attention(q, states, states, need_weights=False)[0]
        b = self.patch(b).view(-1, 8, 8, 3, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(-1, 3, SIDE, SIDE)
        return a, b


def main(minutes, batch=128):
    torch.manual_seed(1)
    scenes = data.Scenes(1 + int(time.time()))
    scenes.held = frozenset(data.held_out(scenes.nouns))
    tokens = text.Tokens(denoise.FOLDER)
    model = nn.Module()
    model.clip, model.t5 = text.encoders(denoise.FOLDER)
    model.heads = Heads()
    opts = denoise.optimizers(model)
    base = [[g["lr"] for g in o.param_groups] for o in opts]
    start, step, run = time.time(), 0, [0.0, 0.0]
    if os.path.exists(OUT):
        s = torch.load(OUT)
        model.clip.load_state_dict(s["clip"]); model.t5.load_state_dict(s["t5"]); model.heads.load_state_dict(s["heads"])
        step = s["step"]
    first = step
    while True:
        share = (time.time() - start) / (60 * minutes)
        rate = min(1, (step - first + 1) / 100) * min(1, max(0.02, (1 - share) / 0.4))
        for o, rates in zip(opts, base):
            for g, lr in zip(o.param_groups, rates):
                g["lr"] = lr * rate
        specs = [scenes.spec() for _ in range(batch)]
        x = torch.stack([scenes.draw(s, SIDE, 0.02) for s in specs])
        clip, t5 = tokens([scenes.caption(s) for s in specs])
        a, b = model.heads(model.clip(clip).pooler_output, model.t5(t5).last_hidden_state)
        la, lb = F.mse_loss(a, x), F.mse_loss(b, x)
        for o in opts:
            o.zero_grad()
        (la + lb).backward()
        for o in opts:
            o.step()
        step += 1
        keep = min(0.98, (step - first) / (step - first + 5))
        run = [keep * r + (1 - keep) * l.item() for r, l in zip(run, (la, lb))]
        if step % 50 == 0:
            print(f"{step} {time.time() - start:.0f}s pooled {run[0]:.4f} states {run[1]:.4f} rate {rate:.2f}", flush=True)
        if step % 200 == 0 or share >= 1:
            torch.save(dict(clip=model.clip.state_dict(), t5=model.t5.state_dict(), heads=model.heads.state_dict(), step=step), OUT)
        if share >= 1:
            return


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 8)
