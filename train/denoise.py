"""Trains the denoiser (diffusers' FluxTransformer2DModel) for text encoders that already know what words look like.

Rectified flow on normalised VAE latents: x = (1 − σ)·x₀ + σ·ε, the network predicts ε − x₀. Three phases, by
share of the time: 128² only, then 256² and a little 512² mixed in, then guidance distillation, in which the guidance
embedding learns what classifier-free guidance would have computed: v₀ + g·(v − v₀), from the averaged weights.

Scenes are encoded ahead, latents and captions both (`denoise.py encode SIDE COUNT`; a process of its own, since 256² is
needed only later), so that a step of training is the denoiser and nothing else.
"""
import copy, fcntl, glob, os, random, subprocess, sys, time
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers import FluxTransformer2DModel
import data, fast_flux, text, vae as vae_file

torch.set_num_threads(int(os.environ.get("THREADS", "1")))
OUT = f"{data.RUNS}/denoise.pt"
BOUND = f"{data.RUNS}/bind.pt"  # of bind.py: encoders that know what words look like
START_256 = 0.30                # share of the time that is 128² alone
WORKERS = int(os.environ.get("WORKERS", "2"))
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
        h, w = x.shape[2:]
        ids, (pooled, states) = fast_flux.image_ids(h // 2, w // 2), cond
        out = self.flux(fast_flux.pack(x), states, pooled, sigma, ids, torch.zeros(states.shape[1], 3), guidance).sample
        return fast_flux.unpack(out, h, w)


def load_vae():
    v = vae_file.build()
    v.load_state_dict(torch.load(vae_file.OUT)["model"])
    return v.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def encode(side, count, part=2048):
    """Writes `count` more scenes of a side to files of `part`: latents, captions' vectors and states, all 16 bits."""
    torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    seed = 1000 * side + len(glob.glob(f"{data.RUNS}/latents_{side}_*.pt"))
    model, net, tokens = Model(), load_vae(), text.Tokens(FOLDER)
    load_encoders(model)
    for first in range(0, count, part):
        seed += 1
        scenes = data.Scenes(seed)
        scenes.held = frozenset(data.held_out(scenes.nouns))
        rows, n = [], 32 if side < 512 else 4
        for _ in range(0, min(part, count - first), n):
            specs = [scenes.spec() for _ in range(n)]
            x = torch.stack([scenes.draw(s, side, 0.03) for s in specs]).contiguous(memory_format=torch.channels_last)
            with torch.no_grad():
                z = net.encode(x).latent_dist.mode()
                pooled, states = model.condition(*tokens([scenes.caption(s) for s in specs]))
            rows.append((z.half().contiguous(), pooled.half(), states.half()))
        path = f"{data.RUNS}/latents_{side}_{seed:08d}.pt"
        torch.save([torch.cat(t) for t in zip(*rows)], path + ".part")
        os.replace(path + ".part", path)
        print(f"{min(first + part, count)} of {count} at {side}", flush=True)


class Latents:
    """Encoded scenes of a side: what lies on disk, looked for again when asked."""

    def __init__(self, side):
        self.side, self.files, self.rows = side, set(), None

    def look(self):
        new = sorted(set(glob.glob(f"{data.RUNS}/latents_{self.side}_*.pt")) - self.files)
        if new:
            self.files.update(new)
            parts = ([self.rows] if self.rows else []) + [torch.load(f) for f in new]
            self.rows = [torch.cat(t) for t in zip(*parts)]
        return len(self.rows[0]) if self.rows else 0

    def batch(self, n):
        """Latents [n, 16, side/8, side/8], pooled [n, 128], states [n, T, 192]."""
        i = torch.randint(len(self.rows[0]), (n,))
        return [t[i].float() for t in self.rows]


class Exchange:
    """Weights of workers that train side by side, one process a core: each meets the shared mean half-way, every few
    steps (elastic averaging, arXiv 1412.6651). Threads of one process would wait for each other at every operation,
    and a core that also does something else would hold both up."""

    def __init__(self, params, path):
        self.params, n = params, sum(p.numel() for p in params)
        if not os.path.exists(path) or os.path.getsize(path) != 4 * n:
            np.memmap(path, np.float32, "w+", shape=(n,))[:] = self.flat().numpy()
        self.shared = torch.from_numpy(np.memmap(path, np.float32, "r+", shape=(n,)))
        self.lock = open(path + ".lock", "w")

    def flat(self):
        return torch.cat([p.detach().flatten() for p in self.params])

    @torch.no_grad()
    def meet(self):
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        mean = self.flat().add_(self.shared).mul_(0.5)
        self.shared.copy_(mean)
        fcntl.flock(self.lock, fcntl.LOCK_UN)
        self.give(mean)

    @torch.no_grad()
    def give(self, flat):
        torch._foreach_copy_(self.params, [m.view_as(p) for p, m in zip(self.params, flat.split([p.numel() for p in self.params]))])


def load_encoders(model):
    s = torch.load(BOUND)
    model.clip.load_state_dict(s["clip"]); model.t5.load_state_dict(s["t5"])


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised by Newton–Schulz (Jordan 2024). In bf16, which wants a processor with
    units for it: others compute it thirty times slower. Matrices of one shape are taken together."""

    def __init__(self, params, lr, momentum=0.95):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                g = p.grad.lerp(m, group["momentum"])
                wide = g.shape[0] <= g.shape[1]
                shapes.setdefault(tuple(sorted(g.shape)), []).append((p, g if wide else g.T, wide))
            for entries in shapes.values():
                x = torch.stack([g for _, g, _ in entries])
                x = (x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)).bfloat16()
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                for (p, _, wide), u in zip(entries, x.float()):
                    p.add_(u if wide else u.T, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def optimizers(model):
    """Muon for the hidden matrices, AdamW for embeddings, norms, biases, first and last layers."""
    hidden, rest = [], []
    for name, p in model.named_parameters():
        edge = name == "proj_out.weight" or any(k in name for k in ("embedd", "shared", "relative_attention", "norm_out"))
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


def main(minutes, distil_share=0.1, begin=0.0, worker=0, end=None):
    """`begin`: share of the schedule that is over (to go on with an interrupted run). Worker 0 saves and starts worker 1."""
    torch.manual_seed(int(time.time()) + worker)
    random.seed()
    if WORKERS == 2:
        os.sched_setaffinity(0, {1 - worker})
    model, tokens = Model(), text.Tokens(FOLDER)
    flux = model.flux
    step, spent, log, old = 0, 0.0, [], None
    if os.path.exists(OUT):
        old = torch.load(OUT, weights_only=False)
        model.load_state_dict(old["model"])
        step, spent, log = old["step"], old["spent"], old["log"]
    else:
        load_encoders(model)
    model.requires_grad_(False)
    flux.requires_grad_(True)
    ema = copy.deepcopy(flux).requires_grad_(False)
    if old:
        ema.load_state_dict({k.removeprefix("flux."): v for k, v in old["ema"].items() if k.startswith("flux.")})
    p, p_ema = dict(flux.named_parameters()), dict(ema.named_parameters())
    opts = optimizers(flux)
    base = [[g["lr"] for g in o.param_groups] for o in opts]
    first = step
    if old and old.get("opts"):
        for o, d in zip(opts, old["opts"]):
            o.load_state_dict(d)
    sets = {side: Latents(side) for side in (128, 256, 512)}
    while sets[128].look() < 2048:
        time.sleep(5)
    if old and old.get("shift") is not None:
        shift, scale = old["shift"], old["scale"]
    else:
        z = sets[128].rows[0].float()
        shift, scale = z.mean().item(), 1 / z.std().item()
    with torch.no_grad():
        blank = model.condition(*tokens([""]))
    ropes = {side: fast_flux.rope_of(side // 16, side // 16) for side in sets}
    compiled = {side: torch.compile(fast_flux.forward, dynamic=False) for side in sets}
    print(f"{sum(q.numel() for q in p.values()) / 1e6:.2f} M, shift {shift:.4f} scale {scale:.4f}", flush=True)
    start = saved = looked = time.time()
    end = end or start + minutes * 60
    shared = f"{data.RUNS}/shared.f32"
    if worker == 0:
        if os.path.exists(shared):
            os.remove(shared)
        exchange = Exchange(list(p.values()), shared)
        if WORKERS == 2:
            subprocess.Popen(["nice", "-n", os.environ.get("NICE_2", "5"), sys.executable, __file__,
                              str(minutes), str(distil_share), str(begin), "1", str(end)])
    else:
        exchange = Exchange(list(p.values()), shared)
        exchange.give(exchange.shared)
    run = {}
    while True:
        now = spent + time.time() - start
        share = min(1, 1 - (1 - begin) * (end - time.time()) / (minutes * 60))
        # Trapezoid: warm up, hold, fall linearly in the last 45 %.
        rate = min(1, (step - first + 1) / 100) * min(1, max(0.01, (1 - share) / 0.45))
        for o, rates in zip(opts, base):
            for g, lr in zip(o.param_groups, rates):
                g["lr"] = lr * rate
        distil = share > 1 - distil_share
        if time.time() - looked > 60:
            for s in sets.values():
                s.look()
            looked = time.time()
        side, n = 128, 64
        if share > START_256 and sets[256].rows and random.random() < 0.5:
            side, n = 256, 16
            if sets[512].rows and random.random() < 0.06:
                side, n = 512, 4
        x0, pooled, states = sets[side].batch(n)
        x0 = fast_flux.pack((x0 - shift) * scale)
        if not distil:
            drop = torch.rand(n) < 0.06
            pooled[drop], states[drop] = blank[0], blank[1]
        noise = torch.randn_like(x0)
        # Nouns are learnt near σ = 1, where only the words tell; fine detail below, and later.
        s = sigmas(n, side, 0.5 if share < 0.3 else 0.3)
        sv = s.view(-1, 1, 1)
        x = (1 - sv) * x0 + sv * noise
        # Any guidance at first, so that distillation begins from a network that is used to the embedding.
        guidance = torch.where(torch.rand(n) < 0.5, 1.0, 1 + 4 * torch.rand(n))
        target = noise - x0
        if distil:
            guidance = 1 + 4 * torch.rand(n)
            with torch.no_grad():
                ones = torch.ones(n)
                v = compiled[side](p_ema, x, states, pooled, s, ones, ropes[side])
                v0 = compiled[side](p_ema, x, blank[1].expand(n, -1, -1).contiguous(), blank[0].expand(n, -1).contiguous(), s, ones, ropes[side])
                # Half of the target is the data's own velocity plus the guidance, so that errors do not feed on themselves.
                target = 0.5 * (target + v) + (guidance.view(-1, 1, 1) - 1) * (v - v0)
                keep = torch.rand(n) < 0.2
                guidance[keep] = 1.0
                target[keep] = (noise - x0)[keep]
        loss = F.mse_loss(compiled[side](p, x, states, pooled, s, guidance, ropes[side]), target)
        for o in opts:
            o.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(p.values(), 1.0)
        for o in opts:
            o.step()
        decay = min(0.999, (step - first + 1) / (step - first + 20))
        with torch.no_grad():
            torch._foreach_lerp_(list(p_ema.values()), list(p.values()), 1 - decay)
        if WORKERS > 1 and step % 8 == 0:
            exchange.meet()
        step += 1
        key = f"{side}{'d' if distil else ''}"
        run[key] = loss.item() if key not in run else 0.98 * run[key] + 0.02 * loss.item()
        if step % 50 == 0 or step - first in (5, 15):
            log.append((step, now, dict(run)))
            print("  " * worker + f"{step} {now:.0f}s " + " ".join(f"{k}:{v:.4f}" for k, v in sorted(run.items())) + f" rate {rate:.2f}", flush=True)
        done = share >= 1
        if worker == 0 and (time.time() - saved > 180 or done):
            model.flux = ema
            averaged = {k: v.clone() for k, v in model.state_dict().items()}
            model.flux = flux
            torch.save(dict(model=model.state_dict(), ema=averaged, opts=[o.state_dict() for o in opts], step=step,
                            spent=now, log=log, shift=shift, scale=scale, distilled=distil), OUT + ".part")
            os.replace(OUT + ".part", OUT)
            saved = time.time()
        if done:
            return


if __name__ == "__main__":
    if sys.argv[1] == "encode":
        encode(int(sys.argv[2]), int(sys.argv[3]))
    else:
        minutes, *rest = map(float, sys.argv[1:])
        main(minutes, *rest[:2], *(int(w) for w in rest[2:3]), *rest[3:])
