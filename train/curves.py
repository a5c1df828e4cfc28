"""Loss curves of the trainings as one PNG, from the checkpoints: curves.py [FILE]."""
import os, sys
import loop
try:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ImportError:
    print("no curves: matplotlib is not installed")
    sys.exit(0)

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "images", "training.png")
TITLES = dict(vae="VAE: loss of crops", bind="text encoders: caption → 32² picture", judge="judge: cross entropy", denoise="denoiser: MSE of the velocity",
              upsampler="latent upsampler")


def main(out):
    logs = {}
    for name in TITLES:
        try:
            logs[name] = loop.weights_of(name)["log"]
        except FileNotFoundError:
            pass
    fig, axes = plt.subplots(1, len(logs), figsize=(3.75 * len(logs), 3.4), constrained_layout=True, squeeze=False)
    for axis, (name, log) in zip(axes[0], logs.items()):
        for key in sorted({k for _, _, run in log for k in run}):
            rows = [(s, run[key]) for s, _, run in log if key in run]
            axis.plot([s for s, _ in rows], [v for _, v in rows], label=key)
        axis.set(title=TITLES[name], xlabel="step", **(dict(yscale="log") if name != "denoise" else dict(ylim=(0, 0.6))))
        axis.legend()
        axis.grid(alpha=0.3)
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    fig.savefig(out, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else OUT)
