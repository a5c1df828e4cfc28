"""All of the embedded model's training, in order, resumable: every part continues from its checkpoint in LSSGEN_RUNS.

    LSSGEN_RUNS=… python3 train/run.py [--minutes-scale 1.0]

Needs: pip install torch diffusers transformers safetensors sentencepiece resvg-py pillow matplotlib; and in LSSGEN_RUNS/npm the unpacked
npm packages @iconify-json/fluent-emoji-flat and @iconify-json/noto (`npm pack` of both, unpacked into fluent-emoji-flat-… and noto-1…).
Minutes are those of two CPU cores.
"""
import os, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "weights", "lssgen-emoji")
# What the first version had; the denoiser gains from more.
PARTS = [
    ("vae.py", ["25"]),             # 16 channels, 25 dB
    ("text.py", [FOLDER]),          # tokenizers
    ("bind.py", ["19"]),            # encoders learn what words look like
    ("denoise.py", ["200", "0.08"]),  # rectified flow, then guidance distilled
    ("upsampler.py", ["10"]),       # latents to twice their size
    ("export.py", []),
    ("curves.py", []),
]


def main():
    # torch's allocator on a CPU gives pages back and takes them again at every step, which costs a third of the time.
    env = dict(os.environ, MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="8589934592", MALLOC_TOP_PAD_="268435456")
    scale = float(sys.argv[sys.argv.index("--minutes-scale") + 1]) if "--minutes-scale" in sys.argv else 1.0
    for script, args in PARTS:
        args = [str(float(a) * scale) if i == 0 and a.replace(".", "").isdigit() else a for i, a in enumerate(args)]
        print("==", script, *args, flush=True)
        subprocess.run([sys.executable, f"{HERE}/{script}", *args], check=True, env=env)


if __name__ == "__main__":
    main()
