"""Trains the denoiser (diffusers' FluxTransformer2DModel) for text encoders that already know what words look like.

Rectified flow on normalised VAE latents: x = (1 − σ)·x₀ + σ·ε, the network predicts ε − x₀. Three phases, by share of the time: 128² only;
then 256² and a little 512² mixed in; then guidance distillation, in which the guidance embedding learns what classifier-free guidance
would have computed, v₀ + g·(v − v₀), from the averaged weights as they are by then, and only for σ above INTERVAL (arXiv 2404.07724), because
guidance at little noise flattens shading and fills colours.

Scenes are encoded ahead (latents.py), so that a step is the denoiser and nothing else.
"""
import os, random, re, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers import FluxTransformer2DModel
import bind, data, fast_flux, loop, text, vae as vae_file
from latents import Latents

START_256, FALLS, DISTIL = 0.92, 0.16, 0.04  # shares of the time: when 256² begins; how long the rate falls before guidance is distilled; that
INTERVAL, STRONGEST = 0.25, 4.0
SHIFTS = {128: 1.3, 256: 2.0, 512: 3.0}
# Latents have unit variance, but four fifths of it is the ground, which is the same everywhere: what tells pictures apart has 0.22, so that its
# outlines go under at half the noise that would hide them otherwise, and are learnt at less.
LATE_SHIFTS = {128: 1.0, 256: 1.0, 512: 1.5}
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


def main(minutes, learns=""):
    """`learns`: which parameters do (a regular expression); the others stay as they are, in the file as well (export.py --kind kept)."""
    run = loop.Loop("denoise", minutes)
    device = loop.DEVICE
    torch.manual_seed(int(time.time()))
    model, tokens = Model(), text.Tokens(text.FOLDER)
    flux = model.flux
    if run.state:
        model.load_state_dict(run.state["model"])
    else:
        bind.load(model)
    model.requires_grad_(False).to(device)
    for name, q in flux.named_parameters():
        q.requires_grad_(re.search(learns, name) is not None)
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
    print(f"denoiser: {sum(q.numel() for q in p.values() if q.requires_grad) / 1e6:.2f} of {sum(q.numel() for q in p.values()) / 1e6:.2f} M learn, shift {shift:.4f} scale {scale:.4f}, "
          + ", ".join(f"{len(s.rows[0]) if s.rows else 0} at {side}²" for side, s in sets.items()), flush=True)
    # On a processor: of 64 a step learns no more than of 32, of 16 half as much, and Muon takes a third of one of 32.
    sizes = {128: (32, 1024), 256: (8, 384), 512: (2, 96)}
    teacher, big, looked = None, device.type == "cuda", time.time()
    while True:
        share = run.share()
        distil = share > 1 - DISTIL
        rates.set(0.3 * max(0.02, (1 - share) / DISTIL) if distil else min(run.rate(share), max(0.15, (1 - DISTIL - share) / FALLS)))
        if distil and teacher is None:
            # From the average on. It stays as it is: weights that chase their own average drift away from it, and the average is no network then.
            teacher = {k: v.clone() for k, v in p_ema.items()}
            with torch.no_grad():
                for k, v in p.items():
                    v.copy_(teacher[k])
            average.decay = 0.99
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
            if not distil:
                drop = torch.rand(n, device=device) < 0.08
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
        guidance, wide = torch.ones(n, device=device), 1 + (STRONGEST - 1) * torch.rand(n, device=device)
        target = noise - x0
        if distil:
            # The teacher's answer has no noise of the data's in it, and is learnt in minutes.
            guidance, ones = wide, guidance
            with torch.no_grad():
                b_pooled, b_states = model.condition(*blank_ids)
                target = step_of[side](teacher, x, states, pooled, s, ones, ropes[side])
                v0 = step_of[side](teacher, x, b_states.expand(n, -1, -1).contiguous(), b_pooled.expand(n, -1).contiguous(), s, ones, ropes[side])
                target = target + ((guidance - 1) * (s > INTERVAL)).view(-1, 1, 1) * (target - v0)
        loss = F.mse_loss(step_of[side](p, x, states, pooled, s, guidance, ropes[side]), target)
        for o in opts:
            o.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(p.values(), 1.0)
        for o in opts:
            o.step()
        average.update(flux)
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
            return


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
