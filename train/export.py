"""Writes the embedded model as a diffusers folder from the averaged weights, and checks what it wrote.

    export.py [DIR] [--kind mixed | Q6_K | Q5_0 | Q8_0 | f16]     DIR: LSSGEN_RUNS/folder
    export.py DIR --kind kept       writes only those of the transformer's matrices that have learnt, in the kinds they have in DIR already

The autoencoder and the upsampler are f16 safetensors, transformer and text encoders quantised GGUF files under diffusers' names, since the
folder may have LIMIT bytes. `mixed`: Q5_0, and Q8_0 for those matrices of the transformer that tell most, as many as fit. `--kind f16` writes
a larger folder, which diffusers opens unaided. What is written is read again and must give the velocities, latents and pictures of the
trained networks; the quantised transformer's own error is stated.
"""
import json, os, shutil, sys
import torch
import diffusers, transformers
from safetensors.torch import load_file
import bind, data, denoise, fast_flux, loop, nouns, quantised, text, unseen, upsampler, vae as vae_file

FOLDER = text.FOLDER
LIMIT = 14_650_000  # bytes of the whole folder: a package may have 19 MB, and everything else takes 4.25

# The time shift the model was trained with is 1.3, 2 and 3 at 64, 256 and 1024 tokens (denoise.sigmas); FLUX's rule
# is linear in tokens, and its closest line gives 1.5, 1.7 and 3.1.
SCHEDULER = dict(base_image_seq_len=64, max_image_seq_len=1024, base_shift=0.39, max_shift=1.13, num_train_timesteps=1000,
                 shift=1.0, use_dynamic_shifting=True, time_shift_type="exponential")
GGUF = "diffusion_pytorch_model.gguf"
SETTINGS = dict(name="lssgen-emoji", width=512, height=512, steps=20, guidance=2.0, base_resolution=256, min_resolution=128,
                init_noise=0.2, shorten_steps=False, whole_words=True)
PRESETS = dict(quality=dict(method="lssgen"), balanced=dict(method="lssgen", steps=14), fast=dict(method="lssgen", steps=10))
EXAMPLES = ["a red apple", "a cat wearing a hat", "a mushroom", "a penguin in the snow", "a pink house under a blue sky", "an orange handbag", "a beer on a blue background",
            "a sheep on a grey background", "a flat style tree on a purple background"]


def halve(module, name):
    """The module in f16, in place; refuses values that f16 cannot hold."""
    for key, v in module.state_dict().items():
        if v.is_floating_point() and not (v.isfinite().all() and v.abs().max() < 65504):
            raise SystemExit(f"{name}: {key} has values outside f16 (largest {v.abs().max():.3g})")
    return module.half()


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def off(y, exact):
    """Root mean square of y − exact, as a share of exact's."""
    return ((y - exact).square().mean() / exact.square().mean()).sqrt().item()


@torch.no_grad()
def mixed(flux, cond, spare):
    """{name: kind} for the transformer's matrices: Q8_0 for those that change velocities most for their bytes when they are Q5_0, until
    `spare` bytes beyond Q5_0's are spent."""
    p, g, n = dict(flux.named_parameters()), torch.Generator().manual_seed(2), len(cond[0])
    x, rope = fast_flux.pack(torch.randn(n, 16, 16, 16, generator=g)), fast_flux.rope_of(8, 8)

    def velocities(p):
        return torch.stack([fast_flux.forward(p, x, cond[1], cond[0], torch.full((n,), s), torch.full((n,), 2.0), rope).float() for s in (1.0, 0.8, 0.4)])

    exact, kinds, gains = velocities(p), {}, []
    for key, v in p.items():
        if quantised.kinds_of(v, "Q5_0"):
            kinds[key] = "Q5_0"
            more = v.numel() * 12 // 32
            gains.append((off(velocities({**p, key: quantised.rounded(v, "Q5_0")}), exact) ** 2 / more, more, key))
    for _, more, key in sorted(gains, reverse=True):
        if more <= spare:
            kinds[key], spare = "Q8_0", spare - more
    before = off(velocities({**p, **{k: quantised.rounded(p[k], "Q5_0") for k in kinds}}), exact)
    after = off(velocities({**p, **{k: quantised.rounded(p[k], kind) for k, kind in kinds.items()}}), exact)
    print(f"transformer: {sum(k == 'Q8_0' for k in kinds.values())} of {len(kinds)} matrices in Q8_0; velocities are off by {before:.2%} in Q5_0 alone, {after:.2%} so")
    return kinds


def networks():
    """The trained model (averaged), the VAE, the upsampler (None before it is trained), shift and scale of latents."""
    s = loop.weights_of("denoise")
    model = denoise.Model()
    model.load_state_dict(s["average"])
    # The layout that is closer on pairs it never saw.
    names = [n for n in ("upsampler-residual", "upsampler") if os.path.exists(f"{loop.RUNS}/{n}.pt") or os.path.exists(f"{loop.KEPT}/{n}.safetensors")]
    trained = sorted((next(iter(u["test"]["learned"].values()))[0], n, u) for n in names for u in [loop.weights_of(n)])
    up = None
    if trained:
        _, name, u = trained[0]
        if abs(u["shift"] - s["shift"]) + abs(u["scale"] - s["scale"]) > 1e-6:
            raise SystemExit("the upsampler was trained on latents with another shift and scale: train it again")
        up = upsampler.build(u["config"])
        up.config = u["config"]
        up.load_state_dict(u["average"])
        print("upsamplers, MSE of latents at 256²: " + ", ".join(f"{n} {mse:.4f}" for mse, n, _ in trained) + f"; taken: {name}")
    print(f"denoiser: step {s['step']}, {s['spent'] / 60:.0f} minutes, distilled: {s['distilled']}")
    v = vae_file.build()
    v.load_state_dict(loop.weights_of("vae")["average"])
    return model.eval(), v.eval().requires_grad_(False), up and up.eval(), s["shift"], s["scale"]


@torch.no_grad()
def latent_colours(vae, shift, scale):
    """(factors [C·3], bias [3]): the colours that normalised latents nearly are, by least squares; for previews."""
    scenes = data.Scenes(17)
    x = torch.stack([scenes.draw(scenes.spec(), 128) for _ in range(48)])
    z = (vae.encode(x).latent_dist.mode() - shift) * scale
    rows = torch.cat([z, torch.ones_like(z[:, :1])], 1).movedim(1, -1).flatten(0, 2)
    colours = torch.nn.functional.avg_pool2d(x, 8).movedim(1, -1).flatten(0, 2)
    w = torch.linalg.lstsq(rows, colours).solution
    print(f"latents to colours: {(rows @ w - colours).square().mean().sqrt() * 127.5:.1f} of 255 off (rms)")
    return [round(v, 5) for v in w[:-1].flatten().tolist()], [round(v, 5) for v in w[-1].tolist()]


@torch.no_grad()
def spectrum(vae, shift, scale, side=512, count=16):
    """(a, beta) of the power a·ω^-beta of normalised latents, ω in half waves over a side, for the method `spectral`; as tools/fit_spectrum.ts."""
    scenes, n = data.Scenes(19), side // 8
    k, x = torch.arange(n).double()[:, None], torch.arange(n).double()[None]
    D = torch.cos(torch.pi * (x + 0.5) * k / n) * (2 / n) ** 0.5
    D[0] /= 2 ** 0.5
    power = torch.zeros(n, n, dtype=torch.float64)
    for _ in range(1 if loop.SMOKE else count):
        z = (vae.encode(scenes.draw(scenes.spec(), side)[None]).latent_dist.mode()[0] - shift) * scale
        power += (D @ z.double() @ D.T).square().mean(0) / count
    ring = (k ** 2 + x ** 2).sqrt().round().long()
    at = torch.arange(1, n)
    y = torch.stack([power[ring == w].mean() for w in at]).log()
    w = at.double().log()
    slope = ((w - w.mean()) * (y - y.mean())).sum() / ((w - w.mean()) ** 2).sum()
    return round((y.mean() - slope * w.mean()).exp().item(), 3), round(-slope.item(), 4)


@torch.no_grad()
def largest_activation(vae):
    """What the autoencoder's convolutions reach on scenes: f16 ends at 65504."""
    top = [0.0]
    hooks = [m.register_forward_hook(lambda _, __, y: top.append(y.abs().max().item())) for m in vae.modules() if isinstance(m, torch.nn.Conv2d)]
    scenes = data.Scenes(18)
    x = torch.stack([scenes.draw(scenes.spec(), 256) for _ in range(4)])
    vae.decode(vae.encode(x).latent_dist.mode())
    for h in hooks:
        h.remove()
    return max(top)


@torch.no_grad()
def into_range(vae, most=1000.0):
    """Divides the residual stream of each resolution by a power of two, so that f16 holds it, in place.

    Only group norms read the stream, and a norm does not see a factor (but for its eps, far below); training let the stream of the
    highest resolutions grow to 4e5 and did not mind. The convolution that begins a level takes the factor, and what is added to the
    stream (conv2) with it; a bias of a convolution that reads the stream (conv_shortcut, samplers) follows its input.
    """
    scenes, tops = data.Scenes(18), {}
    blocks = [m for m in vae.modules() if isinstance(m, diffusers.models.resnet.ResnetBlock2D)]
    hooks = [m.register_forward_hook(lambda m, i, y: tops.__setitem__(m, max(tops.get(m, 0.0), y.abs().max().item(), i[0].abs().max().item()))) for m in blocks]
    x = torch.stack([scenes.draw(scenes.spec(), 256) for _ in range(4)])
    vae.decode(vae.encode(x).latent_dist.mode())
    for h in hooks:
        h.remove()
    e, d = vae.encoder, vae.decoder
    levels = [(conv, list(b.resnets)) for conv, b in zip([e.conv_in, *(b.downsamplers[0].conv for b in e.down_blocks[:-1])], e.down_blocks)]
    levels[-1][1].extend(e.mid_block.resnets)
    up = [(conv, list(b.resnets)) for conv, b in zip([d.conv_in, *(b.upsamplers[0].conv for b in d.up_blocks[:-1])], d.up_blocks)]
    up[0] = (up[0][0], [*d.mid_block.resnets, *up[0][1]])
    for chain in (levels, up):
        before = 1.0
        for conv, resnets in chain:
            top, factor = max(tops[r] for r in resnets), 1.0
            while top * factor > most:
                factor /= 2
            conv.weight *= factor / before
            conv.bias *= factor
            for r in resnets:
                r.conv2.weight *= factor
                r.conv2.bias *= factor
                if r.conv_shortcut is not None:
                    r.conv_shortcut.bias *= factor
            before = factor


def write(folder, model, vae, up, shift, scale, kind):
    factors, bias = latent_colours(vae, shift, scale)
    a, beta = spectrum(vae, shift, scale)
    print(f"spectrum: a {a}, beta {beta}")
    largest = largest_activation(vae)
    print(f"autoencoder: largest activation {largest:.0f}")
    for name, encoder in (("text_encoder", model.clip), ("text_encoder_2", model.t5)):
        shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
        if kind == "f16":
            halve(encoder, name).save_pretrained(f"{folder}/{name}")
        else:
            # In 5 bits they change velocities by 1.3 %, the transformer in 5 bits by 3.5 %.
            encoder.config.architectures = [type(encoder).__name__]
            encoder.config.save_pretrained(f"{folder}/{name}")
            quantised.save(f"{folder}/{name}/model.gguf", {k: v for k, v in encoder.state_dict().items() if "position_ids" not in k and k != "encoder.embed_tokens.weight"}, f"{SETTINGS['name']}-{name}", "Q5_0" if kind in ("mixed", "Q5_0") else "Q8_0")
    vae.register_to_config(scaling_factor=scale, shift_factor=shift, force_upcast=largest > 6000)
    halve(vae, "vae").to(memory_format=torch.contiguous_format).save_pretrained(f"{folder}/vae")
    diffusers.FlowMatchEulerDiscreteScheduler(**SCHEDULER).save_pretrained(f"{folder}/scheduler")
    index = dict(_class_name="FluxPipeline", _diffusers_version=diffusers.__version__,
                 feature_extractor=[None, None], image_encoder=[None, None],
                 scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"], text_encoder=["transformers", "CLIPTextModel"],
                 text_encoder_2=["transformers", "T5EncoderModel"], tokenizer=["transformers", "CLIPTokenizer"],
                 tokenizer_2=["transformers", "T5Tokenizer"], transformer=["diffusers", "FluxTransformer2DModel"],
                 vae=["diffusers", "AutoencoderKL"])
    if up:
        halve(up, "upsampler")
        upsampler.write(f"{folder}/upsampler", up, up.config)
        index["upsampler"] = ["lssgen", type(up).__name__]
    write_json(f"{folder}/model_index.json", dict(sorted(index.items())))
    write_json(f"{folder}/lssgen.json", dict(SETTINGS, presets=PRESETS, spectrum_a=a, spectrum_beta=beta, latent_rgb_factors=factors, latent_rgb_bias=bias, examples=EXAMPLES, nouns=[r["name"] for r in nouns.catalogue()]))
    # Last, since it takes what is left.
    shutil.rmtree(f"{folder}/transformer", ignore_errors=True)
    if kind == "f16":
        halve(model.flux, "transformer").save_pretrained(f"{folder}/transformer")
    else:
        model.flux.save_config(f"{folder}/transformer")
        path, weights = f"{folder}/transformer/{GGUF}", model.flux.state_dict()
        if kind == "mixed":
            quantised.save(path, weights, SETTINGS["name"], "Q5_0")
            kind = mixed(model.flux, model.condition(*text.Tokens(FOLDER)([r["prompt"] for r in unseen.load()[::40]])), LIMIT - 2048 - bytes_of(folder))
        quantised.save(path, weights, SETTINGS["name"], kind)


def bytes_of(folder):
    return sum(os.path.getsize(os.path.join(root, f)) for root, _, files in os.walk(folder) for f in files)


def read(folder):
    """(model, vae, upsampler or None, scheduler) of a written folder, in f32."""
    model = denoise.Model()
    # Component by component: the class of the pipeline would want tokenizers of its own making.
    if os.path.exists(f"{folder}/text_encoder/model.gguf"):
        for name, encoder in (("text_encoder", model.clip), ("text_encoder_2", model.t5)):
            missing, more = encoder.load_state_dict(quantised.load(f"{folder}/{name}/model.gguf"), strict=False)
            assert not more and all("position_ids" in k or "embed_tokens" in k for k in missing), (missing, more)
    else:
        model.clip = transformers.CLIPTextModel.from_pretrained(f"{folder}/text_encoder", dtype=torch.float32)
        model.t5 = transformers.T5EncoderModel.from_pretrained(f"{folder}/text_encoder_2", dtype=torch.float32)
    if os.path.exists(f"{folder}/transformer/{GGUF}"):
        model.flux.load_state_dict(quantised.load(f"{folder}/transformer/{GGUF}"))
    else:
        model.flux = diffusers.FluxTransformer2DModel.from_pretrained(f"{folder}/transformer", torch_dtype=torch.float32)
    vae = diffusers.AutoencoderKL.from_pretrained(f"{folder}/vae", torch_dtype=torch.float32)
    up = None
    if os.path.exists(f"{folder}/upsampler/config.json"):
        config = json.load(open(f"{folder}/upsampler/config.json"))
        up = upsampler.build(config)
        weights = load_file(f"{folder}/upsampler/diffusion_pytorch_model.safetensors")
        up.load_state_dict({k.removeprefix("upsampler."): v.float() for k, v in weights.items()})
        up.eval()
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler.from_pretrained(f"{folder}/scheduler")
    return model.eval().requires_grad_(False), vae.eval().requires_grad_(False), up, scheduler


@torch.no_grad()
def outputs(model, vae, up, tokens):
    """What every network says to fixed inputs, in f32."""
    g = torch.Generator().manual_seed(1)
    x = torch.randn(2, 16, 16, 16, generator=g)
    cond = model.condition(*tokens(["A noto style red cat on a blue background", "a small violin"]))
    picture = torch.rand(1, 3, 64, 64, generator=g) * 2 - 1
    return dict(pooled=cond[0], states=cond[1],
                velocity=model.velocity(x, torch.tensor([0.9, 0.3]), torch.tensor([2.5, 1.0]), cond),
                latents=vae.encode(picture).latent_dist.mode(), picture=vae.decode(x[:1]).sample,
                **(dict(upsampled=up(x)) if up else {}))


@torch.no_grad()
def refresh(folder):
    """Replaces in a folder the tensors that `denoise.main` let learn."""
    s = loop.weights_of("denoise")
    model = denoise.Model()
    model.load_state_dict(s["average"])
    print(f"denoiser: step {s['step']}, {s['spent'] / 60:.0f} minutes, distilled: {s['distilled']}")
    path = f"{folder}/transformer/{GGUF}"
    raw, changed = quantised.replaced(path, model.flux.state_dict())
    loop.write(path, lambda p: open(p, "wb").write(raw))
    print(f"{len(changed)} tensors replaced, {sum(model.flux.get_parameter(n).numel() for n in changed) / 1e6:.2f} M numbers")
    tokens = text.Tokens(FOLDER)
    trained, written = (outputs(m, vae_file.load(), None, tokens)["velocity"] for m in (model, read(folder)[0]))
    print(f"velocity: differs by {off(written, trained):.1e} (rms) from what was trained, that of the text encoders in it")


def main(folder, kind):
    if kind == "kept":
        return refresh(folder)
    tokens = text.Tokens(FOLDER)
    model, vae, up, shift, scale = networks()
    trained = outputs(model, vae, up, tokens)
    into_range(vae)
    if folder != FOLDER:
        for t in ("tokenizer", "tokenizer_2"):
            shutil.copytree(f"{FOLDER}/{t}", f"{folder}/{t}", dirs_exist_ok=True)
            # tokenizers writes it with a line for each value, which takes twice the bytes.
            whole = json.load(open(f"{folder}/{t}/tokenizer.json"))
            with open(f"{folder}/{t}/tokenizer.json", "w") as f:
                json.dump(whole, f, ensure_ascii=False, separators=(",", ":"))
    write(folder, model, vae, up, shift, scale, kind)
    again = read(folder)
    allowed = {"Q8_0": 2e-2, "f16": 5e-3}.get(kind, 0.1)
    for name, y in outputs(*again[:3], tokens).items():
        error = off(y, trained[name])
        print(f"{name}: differs by {error:.1e} (rms) from what was trained")
        if not error < (allowed if name in ("velocity", "pooled", "states") else 2e-2) and not loop.SMOKE:
            raise SystemExit(f"{name}: the folder does not give what was trained")
    c = again[1].config
    print(f"latents: shift {c.shift_factor:.5f} scale {c.scaling_factor:.5f}; upsampler: {'yes' if up else 'not yet trained'}")
    total = 0
    for root, _, files in sorted(os.walk(folder)):
        size = sum(os.path.getsize(os.path.join(root, f)) for f in files)
        total += size
        print(f"{size / 1e6:8.3f} MB {os.path.relpath(root, folder)}")
    print(f"{total / 1e6:8.3f} MB in all")
    if total > LIMIT and kind != "f16" and not loop.SMOKE:
        raise SystemExit(f"larger than {LIMIT / 1e6:.0f} MB")


if __name__ == "__main__":
    args = sys.argv[1:]
    kind = args.pop(args.index("--kind") + 1) if "--kind" in args else "mixed"
    args = [a for a in args if a != "--kind"]
    main(args[0] if args else FOLDER, kind)