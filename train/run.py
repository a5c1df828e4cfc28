"""All of the embedded model's training, in order, resumable: every part continues from its checkpoint in LSSGEN_RUNS.

    LSSGEN_RUNS=… python3 train/run.py [--minutes-scale 1.0]

Needs: pip install torch diffusers transformers safetensors sentencepiece resvg-py pillow matplotlib; and in LSSGEN_RUNS/npm the unpacked
npm packages @iconify-json/fluent-emoji-flat and @iconify-json/noto (`npm pack` of both, unpacked into fluent-emoji-flat-… and noto-1…).
Minutes are those of two CPU cores.
"""
import os, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "weights", "lssgen-emoji")
# (script, fixed arguments, minutes); minutes are scaled.
PARTS = [
    ("vae.py", [], 38),                     # 16 channels, 28 dB
    ("text.py", [FOLDER], None),            # tokenizers
    ("bind.py", [], 19),                    # encoders learn what words look like
    ("denoise.py", ["encode", "128", "32768"], None),  # scenes, ahead of training; more on every run
    ("denoise.py", ["encode", "256", "6144"], None),
    ("denoise.py", ["encode", "512", "192"], None),
    ("denoise.py", [], 90),                 # rectified flow, then guidance distilled
    ("upsampler.py", [], 9),                # latents to twice their size
    ("export.py", [], None),
    ("curves.py", [], None),
]


def main():
    # torch's allocator on a CPU gives pages back and takes them again at every step, which costs a third of the time.
    env = dict(os.environ, MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="8589934592", MALLOC_TOP_PAD_="268435456")
    scale = float(sys.argv[sys.argv.index("--minutes-scale") + 1]) if "--minutes-scale" in sys.argv else 1.0
    for script, fixed, minutes in PARTS:
        args = [*fixed, *([str(minutes * scale)] if minutes else [])]
        print("==", script, *args, flush=True)
        subprocess.run([sys.executable, f"{HERE}/{script}", *args], check=True, env=env)


if __name__ == "__main__":
    main()
