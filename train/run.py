"""All of the embedded model's training by one command, resumable: every part goes on from its checkpoint.

    LSSGEN_RUNS=DIR nohup python3 train/run.py > DIR/log/run.log 2>&1 &

Where DIR/NAME.pt is missing, a part goes on from the averaged f16 weights that are committed in train/checkpoints; where those are missing
too, it begins. Two parts run side by side, one thread each, niced; on a machine with a GPU, one after the other on it. More:

    --only NAME[,NAME…]     these parts alone
    --minutes N             as many minutes in this call (of the clock), then every part saves and ends as it is; for machines lent by the hour
    --scale F               all parts' times by F
    --smoke                 the whole chain with tiny steps in a folder of its own (two minutes)
    --keep                  writes the averaged f16 weights (with --only: of these) into train/checkpoints, for committing; trains nothing
    --pack FILE             one tar of everything another machine needs (npm archives, checkpoints): unpack it as its LSSGEN_RUNS

While it runs: a file DIR/pause holds all parts until it is removed (or kill -STOP and -CONT); a file DIR/finish (DIR/finish-NAME: one part)
ends the running parts after two minutes with a falling rate; SIGTERM to run.py makes every part save and end.

Needs: pip install torch diffusers transformers tokenizers safetensors sentencepiece protobuf resvg-py pillow matplotlib; and in DIR/npm the archives
of `npm pack @lobehub/fluent-emoji-3d@1.1.0 @iconify-json/fluent-emoji-flat@1.2.6 @iconify-json/noto@1.2.9 emojibase-data@17.0.0`.
"""
import argparse, os, shutil, signal, subprocess, sys, tarfile, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
# name: (script and fixed arguments, minutes of two cores or None where it ends by itself, minutes of an H100, what must be done before)
PARTS = {
    "text": (["text.py"], None, None, []),
    "vae": (["vae.py"], 150, 8, []),
    "bind": (["bind.py"], 55, 3, ["text"]),
    "latents": (["latents.py"], None, None, ["vae", "text"]),
    "judge": (["judge.py"], 55, 3, ["text"]),
    "denoise": (["denoise.py"], 560, 20, ["latents", "bind"]),
    "upsampler": (["upsampler.py"], 20, 2, ["vae", "denoise"]),
    "upsampler-residual": (["upsampler.py"], 20, 2, ["vae", "denoise"]),
    "export": (["export.py"], None, None, ["upsampler", "upsampler-residual"]),
    "curves": (["curves.py"], None, None, ["export"]),
}
COUNTS = {128: (32768, 200_000), 256: (10240, 80_000), 512: (768, 4096)}  # scenes encoded ahead: on a processor, on a GPU


def gpu():
    import torch
    return torch.cuda.is_available()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only")
    p.add_argument("--minutes", type=float)
    p.add_argument("--scale", type=float, default=1.0)
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--pack")
    return p.parse_args()


def keep(wanted):
    sys.path.insert(0, HERE)
    import loop
    for name in wanted:
        done = loop.keep(name)  # None for parts without weights
        if done:
            print(f"{name}: step {done[2]}, {done[1] / 1e6:.2f} MB in {os.path.relpath(done[0])}")
    for name in ("tokenizer", "tokenizer_2") if "bind" in wanted else ():
        shutil.copytree(f"{loop.RUNS}/folder/{name}", f"{loop.KEPT}/{name}", dirs_exist_ok=True)


def pack(path, runs):
    with tarfile.open(path, "w") as t:
        for f in sorted(os.listdir(f"{runs}/npm")):
            if f.endswith(".tgz"):
                t.add(f"{runs}/npm/{f}", f"npm/{f}")
        for name in PARTS:
            if os.path.exists(f"{runs}/{name}.pt"):
                t.add(f"{runs}/{name}.pt", f"{name}.pt")
        if os.path.isdir(f"{runs}/folder"):
            t.add(f"{runs}/folder", "folder")
    print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")


def train(a, runs, on_gpu):
    # torch's allocator on a processor gives pages back and takes them again at every step, which costs a third of the time.
    env = dict(os.environ, LSSGEN_RUNS=runs, MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="8589934592", MALLOC_TOP_PAD_="268435456")
    if a.smoke:
        env["LSSGEN_SMOKE"] = "1"
    os.makedirs(f"{runs}/log", exist_ok=True)
    if os.path.exists(f"{runs}/finish"):
        os.remove(f"{runs}/finish")
    wanted = a.only.split(",") if a.only else list(PARTS)
    end = time.time() + 60 * a.minutes if a.minutes else None
    done, running = set(n for n in PARTS if n not in wanted), {}

    def commands(name):
        script, cpu, card, _ = PARTS[name]
        if name == "latents":
            for side, (few, many) in COUNTS.items():
                yield [*script, str(side), str(max(32, int(a.scale * (many if on_gpu else few))) if not a.smoke else (32 if side < 512 else 8))]
        elif name == "curves":
            yield [*script, f"{runs}/log/curves.png"]
        else:
            minutes = card if on_gpu else cpu
            yield [*script, *([str(0.02 if a.smoke else minutes * a.scale)] if minutes else []), *(["residual"] if name.endswith("-residual") else [])]

    def start(name):
        log = open(f"{runs}/log/{name}.log", "a")
        line = " && ".join(" ".join([sys.executable, f"{HERE}/{c[0]}", *c[1:]]) for c in commands(name))
        print(f"{time.strftime('%H:%M:%S')} {name}: {line}", flush=True)
        # What runs beside another part has one core; the denoiser both, which one process uses better than two that each compute Muon.
        threads = dict(THREADS="8" if on_gpu else "2" if name == "denoise" else "1")
        running[name] = subprocess.Popen(["nice", "-n", os.environ.get("NICE", "0" if a.smoke else "19"), "sh", "-c", line], env={**threads, **env}, stdout=log, stderr=log, start_new_session=True)

    def stop(*_):
        for q in running.values():
            if q.poll() is None:
                os.killpg(q.pid, signal.SIGTERM)
        for q in running.values():
            q.wait()
        sys.exit(143)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    lanes = 1 if on_gpu else 2
    while len(done) < len(PARTS):
        for name, q in list(running.items()):
            if q.poll() is not None:
                del running[name]
                if os.path.exists(f"{runs}/finish-{name}"):
                    os.remove(f"{runs}/finish-{name}")
                if q.returncode:
                    tail = open(f"{runs}/log/{name}.log").read()[-2000:]
                    print(f"{name} failed ({q.returncode}):\n{tail}", flush=True)
                    stop()
                done.add(name)
                print(f"{time.strftime('%H:%M:%S')} {name}: done", flush=True)
        for name in wanted:
            if len(running) < lanes and name not in done and name not in running and all(d in done for d in PARTS[name][3]):
                start(name)
        if end and time.time() > end:
            stop()
        time.sleep(0.2 if a.smoke else 2)


def main():
    a = arguments()
    runs = os.path.abspath(os.environ.get("LSSGEN_RUNS", "runs"))
    if a.keep:
        return keep(a.only.split(",") if a.only else list(PARTS))
    if a.pack:
        return pack(a.pack, runs)
    if a.smoke:
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(f"{runs}/npm", f"{folder}/npm")
            if os.path.exists(f"{runs}/drawings.u8"):
                os.symlink(f"{runs}/drawings.u8", f"{folder}/drawings.u8")
            os.environ["LSSGEN_KEPT"] = f"{folder}/kept"
            start = time.time()
            train(a, folder, gpu())
            print(f"smoke: {time.time() - start:.0f} s")
        return
    train(a, runs, gpu())


if __name__ == "__main__":
    main()
