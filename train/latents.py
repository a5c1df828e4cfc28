"""Scenes encoded ahead for the denoiser and the upsampler: latents, and several captions of each as token ids.

    latents.py SIDE COUNT     adds scenes to LSSGEN_RUNS/latents_SIDE_*.pt, in files of 2048, until there are COUNT

A file holds z [n, 16, side/8, side/8] (f16, not normalised), clip [n, CAPTIONS, CLIP] and t5 [n, CAPTIONS, LENGTH] (int16), and the scenes as
JSON. Latents of another VAE's encoder are useless: every file carries the encoder's fingerprint and
the jitter, and those of another are not read.
"""
import glob, hashlib, json, multiprocessing, os, random, sys
import torch
import data, loop, text, vae as vae_file

CAPTIONS, CLIP, PART = 6, 44, 2048
# How far things are moved and scaled at random, as a share of the picture. None at all: what a caption leaves open then has one answer, which the
# denoiser can know at any noise. With 0.05 every outline was spread over the width of a latent until half of the noise was gone, and stayed wavy.
JITTER = 0.0


def fingerprint():
    w = loop.weights_of("vae")["average"]
    return hashlib.sha256(b"".join(w[k].half().numpy().tobytes() for k in sorted(w) if k.startswith("encoder."))).hexdigest()[:12] + f"-{JITTER}"


def draw(job):
    """One worker's share: ([n, 3, side, side] bytes, captions, scenes)."""
    seed, side, n = job
    torch.set_num_threads(1)
    scenes = data.Scenes(seed)
    specs = [scenes.spec() for _ in range(n)]
    pictures = torch.stack([((scenes.draw(s, side, JITTER) + 1) * 127.5).round().byte() for s in specs])
    return pictures, [[scenes.caption(s) for _ in range(CAPTIONS)] for s in specs], [json.dumps(s) for s in specs]


def token_ids(tokens, captions):
    """(clip [n, CLIP], t5 [n, LENGTH]) as int16."""
    clip, t5 = tokens(captions)
    out = torch.full((len(captions), CLIP), tokens.eos, dtype=torch.int16)
    n = min(CLIP, clip.shape[1])
    out[:, :n] = clip[:, :n].short()
    out[:, -1] = tokens.eos
    return out, t5.short()


def encode(side, count):
    cores = os.cpu_count() or 2
    torch.set_num_threads(1 if loop.DEVICE.type == "cpu" else 4)
    net, tokens, mark = vae_file.load(), text.Tokens(text.FOLDER), fingerprint()
    n = 32 if side < 512 else 8
    seed = random.SystemRandom().randrange(1 << 40)
    pool = multiprocessing.get_context("spawn").Pool(cores - 1) if cores > 4 else None
    for first in range(0, count, PART):
        part = min(PART, count - first)
        jobs = [(seed + first + i, side, min(n, part - i)) for i in range(0, part, n)]
        rows, specs = [], []
        for pictures, captions, scenes in (pool.imap(draw, jobs) if pool else map(draw, jobs)):
            x = (pictures.to(loop.DEVICE).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), torch.autocast(loop.DEVICE.type, torch.bfloat16):
                z = net.encode(x).latent_dist.mode()
            clip, t5 = token_ids(tokens, [c for row in captions for c in row])
            rows.append((z.half().cpu().contiguous(), clip.view(-1, CAPTIONS, CLIP), t5.view(-1, CAPTIONS, text.LENGTH)))
            specs += scenes
        z, clip, t5 = (torch.cat(t) for t in zip(*rows))
        loop.write(f"{data.RUNS}/latents_{side}_{seed + first:013d}.pt", lambda p: torch.save(dict(z=z, clip=clip, t5=t5, specs=specs, encoder=mark), p))
        print(f"latents: {first + part} of {count} at {side}²", flush=True)
    if pool:
        pool.terminate()


class Latents:
    """Encoded scenes of a side: what lies on disk, looked for again when asked."""

    def __init__(self, side):
        self.side, self.files, self.rows, self.mark = side, set(), None, fingerprint()

    def look(self):
        for f in sorted(set(glob.glob(f"{data.RUNS}/latents_{self.side}_*.pt")) - self.files):
            self.files.add(f)
            d = torch.load(f)
            if d["encoder"] != self.mark:
                continue
            new = [d["z"], d["clip"], d["t5"]]
            self.rows = [torch.cat(t) for t in zip(self.rows, new)] if self.rows else new
        return len(self.rows[0]) if self.rows else 0

    def settle(self):
        """Moves everything to the GPU, where there is one."""
        if self.rows:
            self.rows = [t.to(loop.DEVICE) for t in self.rows]

    def batch(self, n):
        """Latents [n, 16, side/8, side/8] and one caption each: clip and t5 ids."""
        z, clip, t5 = self.rows
        i = torch.randint(len(z), (n,), device=z.device)
        k = torch.randint(CAPTIONS, (n,), device=z.device)
        return z[i].float(), clip[i, k].long(), t5[i, k].long()


if __name__ == "__main__":
    side, count = map(int, sys.argv[1:])
    encode(side, count - Latents(side).look())
