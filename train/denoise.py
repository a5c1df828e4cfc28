"""Trains the denoiser (diffusers' FluxTransformer2DModel) for text encoders that already know what words look like.

Rectified flow on normalised VAE latents: x = (1 − σ)·x₀ + σ·ε, the network predicts ε − x₀. Three phases, by share of the time: 128² only;
then 256² and a little 512² mixed in; then guidance distillation, in which the guidance embedding learns what classifier-free guidance
would have computed, v₀ + g·(v − v₀), from the averaged weights, and only for σ above INTERVAL (arXiv 2404.07724), because guidance at
little noise flattens shading and fills colours.

Scenes are encoded ahead (latents.py), so that a step is the denoiser and nothing else. On a processor two workers train side by side.
"""
import fcntl, os, subprocess, sys, time
import numpy as np
import random
import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers import FluxTransformer2DModel
import bind, data, fast_flux, loop, text, vae as vae_file
from latents import Latents

START_256, FALLS, DISTIL = 0.9, 0.29, 0.1  # shares of the time: when 256² begins; how much of the end the rate falls in; and distils guidance
INTERVAL, STRONGEST = 0.25, 4.0
SHIFTS = {128: 1.3, 256: 2.0, 512: 3.0}
# Latents have unit variance, but four fifths of it is the ground, which is the same everywhere: what tells pictures apart has 0.22, so that its
# outlines go under at half the noise that would hide them otherwise, and are learnt at less.
LATE_SHIFTS = {128: 1.0, 256: 1.0, 512: 1.5}
WORKERS = int(os.environ.get("WORKERS", "2")) if loop.DEVICE.type == "cpu" else 1
torch._dynamo.config.recompile_limit = 64


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.clip, self.t5 = text.encoders(text.FOLDER)
        self.flux = FluxTransformer2DModel(
            patch_size=1, in_channels=64, num_layers=fast_flux.DOUBLE, num_single_layers=fast_flux.SINGLE, attention_head_dim=32,
            num_attention_heads=fast_flux.HEADS, joint_attention_dim=fast_flux.STATES, pooled_projection_dim=fast_flux.POOLED,
            guidance_embeds=True, axes_dims_rope=fast_flux.AXES)

    def condition(self, clip_ids, t5_ids):
        """Ids → (pooled [B, POOLED], states [B, T, STATES])."""
        return self.clip(clip_ids).pooler_output.float(), self.t5(t5_ids).last_hidden_state.float()

    def velocity(self, x, sigma, guidance, cond):
        """x [B, 16, h, w] → velocity of the same shape, by diffusers' own forward."""
        h, w = x.shape[2:]
        ids, (pooled, states) = fast_flux.image_ids(h // 2, w // 2), cond
        out = self.flux(fast_flux.pack(x), states, pooled, sigma, ids, torch.zeros(states.shape[1], 3), guidance).sample
        return fast_flux.unpack(out, h, w)


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


def sigmas(n, side, near=0.3, device=None, shifts=SHIFTS):
    """Shifted toward noise as the picture grows (SD3, eq. 23): half of them logit-normal, the rest even, `near` of all close to 1.

    Sampling begins at 1, where noun and background are chosen from the words alone; the logit-normal rule almost
    never goes there, and a network that never saw pure noise reads a random scene out of it.
    """
    r = lambda: torch.rand(n, device=device)
    s = torch.where(r() < 0.5, torch.sigmoid(torch.randn(n, device=device) * 1.1), r())
    s = torch.where(r() < near, 1 - 0.12 * r() ** 2, s)
    shift = shifts[side]
    return (shift * s / (1 + (shift - 1) * s)).clamp(1e-3, 1)


def schedule(steps, side):
    """Sampling's σ: linspace(1, 1/steps, steps), shifted as training was; ends at 0."""
    s, shift = torch.linspace(1, 1 / steps, steps), SHIFTS[side]
    return torch.cat([shift * s / (1 + (shift - 1) * s), torch.zeros(1)])


@torch.no_grad()
def glance(flux, model, tokens, shift, scale, path, side=128, steps=16, guidance=1.0):
    """A sheet of unseen prompts as the averaged weights draw them now."""
    import sheets, unseen
    rows = unseen.load()
    rows = rows[-12:] + rows[:-12:35]
    captions = [r["prompt"] for r in rows]
    net, device = vae_file.load(), loop.DEVICE
    pooled, states = model.condition(*(t.to(device) for t in tokens(captions)))
    g = torch.Generator().manual_seed(0)
    x = fast_flux.pack(torch.randn(len(rows), 16, side // 8, side // 8, generator=g)).to(device)
    rope, p = fast_flux.rope_of(side // 16, side // 16).to(device), dict(flux.named_parameters())
    s = schedule(steps, side)
    for a, b in zip(s, s[1:]):
        x = x + (b - a) * fast_flux.forward(p, x, states, pooled, torch.full((len(rows),), float(a), device=device), torch.full((len(rows),), guidance, device=device), rope)
    z = (fast_flux.unpack(x, side // 8, side // 8) / scale + shift).contiguous(memory_format=torch.channels_last)
    pictures = torch.cat([net.decode(c).sample for c in z.split(4)]).float().cpu()
    sheets.sheet(list(pictures), captions, 8, 160).save(path)


def main(minutes, worker=0):
    """Worker 0 saves and starts worker 1, which lives as long as it does."""
    run = loop.Loop("denoise", minutes)
    device = loop.DEVICE
    if WORKERS == 2:
        torch.set_num_threads(1)
        run.clock = time.process_time  # each worker's second is one of both cores
        run.start = run.clock()
    torch.manual_seed(int(time.time()) + worker)
    model, tokens = Model(), text.Tokens(text.FOLDER)
    flux = model.flux
    if run.state:
        model.load_state_dict(run.state["model"])
    else:
        bind.load(model)
    model.requires_grad_(False).to(device)
    flux.requires_grad_(True)
    average = loop.Average(flux, 0.9995 if device.type == "cuda" else 0.998,
                           run.state and {k.removeprefix("flux."): v for k, v in run.state["average"].items() if k.startswith("flux.")})
    p, p_ema = dict(flux.named_parameters()), dict(average.module.named_parameters())
    opts = loop.optimizers(flux, 0.004, 4e-4)
    rates = loop.Rates(opts, run.state)
    sets = {side: Latents(side) for side in (128, 256, 512)}
    while sets[128].look() < (32 if loop.SMOKE else 2048):
        time.sleep(5)
    for s in sets.values():
        s.look()
        s.settle()
    if run.state:
        shift, scale = run.state["shift"], run.state["scale"]
    else:
        z = sets[128].rows[0].float()
        shift, scale = z.mean().item(), 1 / z.std().item()
    blank_ids = [t.to(device) for t in tokens([""])]
    ropes = {side: fast_flux.rope_of(side // 16, side // 16).to(device) for side in sets}
    step_of = {side: torch.compile(fast_flux.forward, dynamic=False) if not loop.SMOKE else fast_flux.forward for side in sets}
    if worker == 0:
        print(f"denoiser: {sum(q.numel() for q in p.values()) / 1e6:.2f} M, shift {shift:.4f} scale {scale:.4f}, "
              + ", ".join(f"{len(s.rows[0]) if s.rows else 0} at {side}²" for side, s in sets.items()), flush=True)
    shared, exchange, helper, progress = f"{data.RUNS}/shared.f32", None, None, f"{data.RUNS}/denoise.share"
    if WORKERS == 2:
        if worker == 0:
            if os.path.exists(shared):
                os.remove(shared)
            open(progress, "w").write("0")
            exchange = Exchange(list(p.values()), shared)
            helper = subprocess.Popen([sys.executable, __file__, str(minutes), "1"])
        else:
            exchange = Exchange(list(p.values()), shared)
            exchange.give(exchange.shared)
    # Of 64 a step learns no more than of 32, of 16 half as much, on a processor: steps count there.
    sizes = {128: (32, 1024), 256: (8, 384), 512: (2, 96)}
    big, looked, marked = device.type == "cuda", time.time(), 0.0
    while True:
        share = run.share()
        if worker:
            share = float(open(progress).read() or 0)
            if share >= 1 or os.getppid() == 1:
                return
        elif WORKERS == 2 and time.time() - marked > 2:
            loop.write(progress, lambda f: open(f, "w").write(f"{share:.5f}"))
            marked = time.time()
        rates.set(run.rate(share, FALLS))
        distil = share > 1 - DISTIL
        if time.time() - looked > 120 and not big:
            for s in sets.values():
                s.look()
            looked = time.time()
        side = 128
        if share > START_256 and sets[256].rows and random.random() < 0.5:
            side = 512 if sets[512].rows and random.random() < 0.12 else 256
        n = 4 if loop.SMOKE else sizes[side][big]
        x0, clip, t5 = sets[side].batch(n)
        with torch.no_grad():
            drop = torch.rand(n, device=device) < 0.08
            if distil:
                drop[:n // 2] = False  # the half that is guided
            if drop.any():
                clip[drop, :blank_ids[0].shape[1]] = blank_ids[0][0]
                clip[drop, blank_ids[0].shape[1]:] = tokens.eos
                t5[drop] = blank_ids[1][0]
            pooled, states = model.condition(clip, t5)
        x0 = fast_flux.pack((x0 - shift) * scale)
        noise = torch.randn_like(x0)
        # Nouns are learnt near σ = 1, where only the words tell; outlines below, and later.
        s = sigmas(n, side, 0.5, device) if share < 0.3 else sigmas(n, side, 0.3, device, LATE_SHIFTS)
        sv = s.view(-1, 1, 1)
        x = (1 - sv) * x0 + sv * noise
        # Any guidance at first, so that distillation begins from a network that is used to the embedding.
        wide = 1 + (STRONGEST - 1) * torch.rand(n, device=device)
        guidance = torch.where(torch.rand(n, device=device) < 0.5, 1.0, wide)
        target = noise - x0
        if distil:
            guidance = wide
            h = n // 2  # the other half stays at 1, and goes on learning what the data is
            guidance[h:] = 1
            with torch.no_grad():
                ones = torch.ones(h, device=device)
                b_pooled, b_states = model.condition(*blank_ids)
                v = step_of[side](p_ema, x[:h], states[:h], pooled[:h], s[:h], ones, ropes[side])
                v0 = step_of[side](p_ema, x[:h], b_states.expand(h, -1, -1).contiguous(), b_pooled.expand(h, -1).contiguous(), s[:h], ones, ropes[side])
                # Half of the target is the data's own velocity plus the guidance, so that errors do not feed on themselves.
                force = (guidance[:h] - 1) * (s[:h] > INTERVAL)
                target[:h] = 0.5 * (target[:h] + v) + force.view(-1, 1, 1) * (v - v0)
        loss = F.mse_loss(step_of[side](p, x, states, pooled, s, guidance, ropes[side]), target)
        for o in opts:
            o.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(p.values(), 1.0)
        for o in opts:
            o.step()
        average.update(flux)
        if exchange and run.step % 8 == 0:
            exchange.meet()
        if worker == 0:
            if big and run.step % 20:
                run.step += 1  # reading the loss would wait for the GPU
            else:
                run.note(every=100 if big else 50, **{f"{side}{'d' if distil else ''}": loss.item()})
            if run.due() or share >= 1:
                averaged = {**{f"clip.{k}": v for k, v in model.clip.state_dict().items()}, **{f"t5.{k}": v for k, v in model.t5.state_dict().items()},
                            **{f"flux.{k}": v for k, v in average.state_dict().items()}}
                run.save(model.state_dict(), averaged, opts, shift=shift, scale=scale, distilled=distil)
                os.makedirs(f"{data.RUNS}/log", exist_ok=True)
                glance(average.module, model, tokens, shift, scale, f"{data.RUNS}/log/denoise-{run.step:07d}.png", steps=2 if loop.SMOKE else 16)
                print(f"denoise: saved at {run.step}", flush=True)
            if share >= 1:
                if helper:
                    loop.write(progress, lambda f: open(f, "w").write("1"))
                    helper.wait()
                return
        else:
            run.step += 1


if __name__ == "__main__":
    main(float(sys.argv[1]), int((sys.argv + [0])[2]))
