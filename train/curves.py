"""Loss curves of the trainings as one PNG, from the checkpoints, and bind.py's log where LSSGEN_RUNS has it."""
import os, re, sys
import torch
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import data

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "images", "training.png")


def log_of(name):
    return torch.load(f"{data.RUNS}/{name}.pt", weights_only=False, map_location="cpu")["log"]


def main(out):
    bind = f"{data.RUNS}/bind.log"
    panels = 4 if os.path.exists(bind) else 3
    fig, axes = plt.subplots(1, panels, figsize=(3.75 * panels, 3.4), constrained_layout=True)
    vae = log_of("vae")
    axes[0].plot([s for s, _, _ in vae], [l for _, _, l in vae])
    axes[0].set(title="VAE: L1 + MSE + gradient L1", yscale="log")

    if panels == 4:
        # bind.py is run in parts; its log counts steps on.
        rows = [tuple(map(float, m)) for m in re.findall(r"^(\d+) \d+s pooled ([\d.]+) states ([\d.]+)", open(bind).read(), re.M)]
        axes[1].plot([r[0] for r in rows], [r[1] for r in rows], label="CLIP pooled")
        axes[1].plot([r[0] for r in rows], [r[2] for r in rows], label="T5 states")
        axes[1].set(title="text encoders: caption → 32² picture", yscale="log")
        axes[1].legend()

    denoise = log_of("denoise")
    for key in sorted({k for _, _, run in denoise for k in run}):
        part = [(s, run[key]) for s, _, run in denoise if key in run]
        label = f"{key.rstrip('d')}²" + (", distilling guidance" if key.endswith("d") else "")
        axes[-2].plot([s for s, _ in part], [min(1, l) for _, l in part], label=label)
    axes[-2].set(title="denoiser: MSE of the velocity", ylim=(0, 0.6))
    axes[-2].legend()

    up = log_of("upsampler")
    axes[-1].plot([r[0] for r in up], [r[2] if not isinstance(r[2], dict) else list(r[2].values())[0] for r in up])
    axes[-1].set(title="latent upsampler: MSE + decoded L1", yscale="log")
    for a in axes:
        a.set_xlabel("step")
        a.grid(alpha=0.3)
    os.makedirs(os.path.dirname(out), exist_ok=True)
    fig.savefig(out, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else OUT)
