"""Trains the denoiser (diffusers' FluxTransformer2DModel) together with its text encoders, from scratch.

Rectified flow on normalised VAE latents: x = (1 − σ)·x₀ + σ·ε, the network predicts ε − x₀. Three phases, by
share of the time: 128² only, then 256² and a little 512² mixed in, then guidance distillation, in which the guidance
embedding learns what classifier-free guidance would have computed: v₀ + g·(v − v₀), from the averaged weights.
Latents are encoded ahead and renewed a few at a time while training goes on.
"""
import copy, json, math, os, random, sys, time
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers import FluxTransformer2DModel
import data, text, vae as vae_file

torch.set_num_threads(int(os.environ.get("THREADS", "2")))
OUT = f"{data.RUNS}/denoise.pt"
BOUND = f"{data.RUNS}/bind.pt"  # of bind.py: encoders that know what words look like
FOLDER = os.environ.get("LSSGEN_WEIGHTS", os.path.join(os.path.dirname(__file__), "..", "weights", "lssgen-emoji"))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.clip, self.t5 = text.encoders(FOLDER)
        self.flux = FluxTransformer2DModel(
            patch_size=1, in_channels=64, num_layers=2, num_single_layers=6, attention_head_dim=32, num_attention_heads=6,
            joint_attention_dim=192, pooled_projection_dim=128, guidance_embeds=True, axes_dims_rope=(8, 12, 12))

    def condition(self, clip_ids, t5_ids):
        return self.clip(clip_ids).pooler_output, self.t5(t5_ids).last_hidden_state

    def velocity(self, x, sigma, guidance, cond):
        """x [B, 16, h, w] -> velocity of the same shape."""
        B, C, h, w = x.shape
        tokens = x.view(B, C, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(B, h * w // 4, C * 4)
        ids = torch.zeros(h // 2, w // 2, 3)
        ids[..., 1] += torch.arange(h // 2)[:, None]
        ids[..., 2] += torch.arange(w // 2)[None]
        pooled, states = cond
        out = self.flux(tokens, states, pooled, sigma, ids.view(-1, 3), torch.zeros(states.shape[1], 3), guidance).sample
        return out.view(B, h // 2, w // 2, C, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(B, C, h, w)


def load_vae():
    v = vae_file.build()
    v.load_state_dict(torch.load(vae_file.OUT)["model"])
    return v.eval().requires_grad_(False).to(memory_format=torch.channels_last)


class Latents:
    """Encoded scenes by side, renewed while they are used."""

    def __init__(self, vae, seed, held, counts):
        self.vae, self.scenes = vae, data.Scenes(seed, held)
        self.path = f"{data.RUNS}/latents.pt"
        self.sets = torch.load(self.path, weights_only=False) if os.path.exists(self.path) else {}
        for side, n in counts.items():
            have = self.sets.setdefault(side, [])
            while len(have) < n:
                have += self.encode(side, 32 if side < 512 else 4)
                if len(have) % 1024 == 0:
                    print(f"{len(have)} latents of {side}", flush=True)
        torch.save(self.sets, self.path)
        flat = torch.stack([z for z, _ in self.sets[128][:2000]]).float()
        self.shift, self.scale = flat.mean().item(), 1 / flat.std().item()

    @torch.no_grad()
    def encode(self, side, n):
        specs = [self.scenes.spec() for _ in range(n)]
        x = torch.stack([self.scenes.draw(s, side, 0.03) for s in specs]).contiguous(memory_format=torch.channels_last)
        return list(zip(self.vae.encode(x).latent_dist.mode().half(), specs))

    def batch(self, side, n):
        """Normalised latents [n, 16, side/8, side/8] and captions."""
        rows = random.sample(self.sets[side], n)
        x = torch.stack([z for z, _ in rows]).float()
        return (x - self.shift) * self.scale, [self.scenes.caption(s) for _, s in rows]

    def renew(self, side, n):
        for row in self.encode(side, n):
            self.sets[side][random.randrange(len(self.sets[side]))] = row


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised by Newton–Schulz (Jordan 2024), in f32: torch's own does it in
    bf16, which CPUs without bf16 units compute thirty times slower."""

    def __init__(self, params, lr, momentum=0.95):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                g = p.grad.lerp(m, group["momentum"])
                wide = g.shape[0] <= g.shape[1]
                x = g if wide else g.T
                x = x / (x.norm() + 1e-7)
                for _ in range(4):
                    a = x @ x.T
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = x if wide else x.T
                p.add_(x, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def optimizers(model):
    """Muon for the hidden matrices, AdamW for embeddings, norms, biases, first and last layers."""
    hidden, rest = [], []
    for name, p in model.named_parameters():
        edge = any(k in name for k in ("embedd", "shared", "proj_out.weight" if name.startswith("flux.proj_out") else "\0",
                                       "relative_attention", "norm_out", "guidance"))
        (hidden if p.ndim == 2 and not edge else rest).append(p)
    return [Muon(hidden, lr=0.02),
            torch.optim.AdamW(rest, lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.0)]


def sigmas(n, side, near=0.3):
    """Shifted toward noise as the picture grows (SD3, eq. 23): half of them logit-normal, the rest even, `near` of all close to 1.

    Sampling begins at 1, where noun and background are chosen from the words alone; the logit-normal rule almost
    never goes there, and a network that never saw pure noise reads a random scene out of it.
    """
    s = torch.where(torch.rand(n) < 0.5, torch.sigmoid(torch.randn(n) * 1.1), torch.rand(n))
    s = torch.where(torch.rand(n) < near, 1 - 0.12 * torch.rand(n) ** 2, s)
    shift = {128: 1.3, 256: 2.0, 512: 3.0}[side]
    return (shift * s / (1 + (shift - 1) * s)).clamp(1e-3, 1)


def main(minutes, distil_share=0.2):
    torch.manual_seed(int(time.time()))
    random.seed()
    scenes = data.Scenes(0)
    held = frozenset(data.held_out(scenes.nouns))
    tokens = text.Tokens(FOLDER)
    model = Model()
    ema = copy.deepcopy(model).requires_grad_(False)
    opts = optimizers(model)
    base = [[g["lr"] for g in o.param_groups] for o in opts]
    step, spent, log = 0, 0.0, []
    if os.path.exists(OUT):
        s = torch.load(OUT, weights_only=False)
        model.load_state_dict(s["model"]); ema.load_state_dict(s["ema"])
        for o, d in zip(opts, s["opts"]):
            o.load_state_dict(d)
        step, spent, log = s["step"], s["spent"], s["log"]
    elif os.path.exists(BOUND):
        s = torch.load(BOUND)
        for m in (model, ema):
            m.clip.load_state_dict(s["clip"]); m.t5.load_state_dict(s["t5"])
    first = step
    counts = {128: int(os.environ.get("N128", "6000")), 256: int(os.environ.get("N256", "1500")), 512: int(os.environ.get("N512", "96"))}
    latents = Latents(load_vae(), step + 11, held, counts)
    print(f"{sum(p.numel() for p in model.flux.parameters()) / 1e6:.2f} M, shift {latents.shift:.4f} scale {latents.scale:.4f}", flush=True)
    start = saved = time.time()
    total = spent + minutes * 60
    run = {}
    while True:
        now = spent + time.time() - start
        share = min(1, now / total)
        # Trapezoid: warm up, hold, fall linearly in the last 40 %.
        rate = min(1, (step - first + 1) / 40) * min(1, max(0.02, (1 - share) / 0.4))
        for o, rates in zip(opts, base):
            for g, lr in zip(o.param_groups, rates):
                g["lr"] = lr * rate
        distil = share > 1 - distil_share
        side, n = (128, 40)
        if share > 0.5 and random.random() < 0.45:
            side, n = (512, 3) if random.random() < 0.08 else (256, 10)
        if distil:
            n = n * 2 // 3
        x0, captions = latents.batch(side, n)
        captions = ["" if random.random() < 0.05 and not distil else c for c in captions]
        noise = torch.randn_like(x0)
        # Nouns are learnt near σ = 1, where only the words tell; fine detail below, and later. Measured: 100 s of nothing
        # but that took the share of the variance between nouns that the estimate at σ = 1 explains from 6 to 36 %.
        s = sigmas(n, side, 0.8 if share < 0.5 else 0.5)
        sv = s.view(-1, 1, 1, 1)
        x = (1 - sv) * x0 + sv * noise
        # Any guidance at first, so that distillation begins from a network that is used to the embedding.
        guidance = torch.where(torch.rand(n) < 0.5, 1.0, 1 + 4 * torch.rand(n))
        target = noise - x0
        if distil:
            guidance = 1 + 4 * torch.rand(n)
            with torch.no_grad():
                ones = torch.ones(n)
                v = ema.velocity(x, s, ones, ema.condition(*tokens(captions)))
                v0 = ema.velocity(x, s, ones, ema.condition(*tokens([""] * n)))
                # Half of the target is the data's own velocity plus the guidance, so that errors do not feed on themselves.
                target = 0.5 * (target + v) + (guidance.view(-1, 1, 1, 1) - 1) * (v - v0)
                keep = torch.rand(n) < 0.2
                guidance[keep] = 1.0
                target[keep] = (noise - x0)[keep]
        out = model.velocity(x, s, guidance, model.condition(*tokens(captions)))
        loss = F.mse_loss(out, target)
        for o in opts:
            o.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            o.step()
        decay = min(0.998, (step + 1) / (step + 20))
        with torch.no_grad():
            for a, b in zip(ema.parameters(), model.parameters()):
                a.lerp_(b, 1 - decay)
        step += 1
        key = f"{side}{'d' if distil else ''}"
        run[key] = loss.item() if key not in run else 0.98 * run[key] + 0.02 * loss.item()
        latents.renew(128, 3) if step % 2 else (latents.renew(256, 1) if share > 0.4 else None)
        if step % 50 == 0 or step in (5, 15):
            log.append((step, now, dict(run)))
            print(f"{step} {now:.0f}s " + " ".join(f"{k}:{v:.4f}" for k, v in sorted(run.items())) + f" rate {rate:.2f}", flush=True)
        done = now >= total
        if time.time() - saved > 180 or done:
            torch.save(dict(model=model.state_dict(), ema=ema.state_dict(), opts=[o.state_dict() for o in opts], step=step,
                            spent=now, log=log, shift=latents.shift, scale=latents.scale, distilled=distil), OUT + ".part")
            os.replace(OUT + ".part", OUT)
            saved = time.time()
        if done:
            return


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.2)
