"""Golden case of LatentResidualUpSampler, train/upsampler.py's own class on small random weights, in the layout of tests/golden.

    pip install torch diffusers safetensors; python3 tests/data/golden/make_upsampler.py
"""
import copy, json, os, sys
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../../../train")
os.environ.setdefault("LSSGEN_RUNS", ".")
import upsampler

OUT = f"{HERE}/upsampler/residual"
g = torch.Generator().manual_seed(3)
config = dict(in_channels=4, out_channels=4, width=12, num_blocks=2, act_fn="silu")
model = upsampler.LatentResidualUpSampler(config).eval()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.randn(p.shape, generator=g) * (1 / p[0].numel() ** 0.5 if p.dim() == 4 else 0.3))
half = copy.deepcopy(model)
for p in half.parameters():
    p.data = p.data.half().float()
upsampler.write(OUT, model, config)  # weights in f16: the reference is what they are after rounding
calls, worst = [], 0.0
for name, (h, w), level in (("1x8x8", (8, 8), 0.55), ("1x5x9", (5, 9), 0.9), ("1x1x3", (1, 3), 0.0)):
    x = torch.randn(1, 4, h, w, generator=g)
    with torch.no_grad():
        want = half.double()(x.double(), level).float()
        near = (half.float()(x, level) - want).abs().max().item()
    peak = want.abs().max().item()
    io = f"io{'' if not calls else '.' + name}.safetensors"
    save_file({"in.latent": x, "out.sample": want.contiguous()}, f"{OUT}/{io}")
    # f32: 2e-5 of the peak; f16 (storage of weights, f32 sums): the same weights, the same bound, with room for another order.
    tolerances = {"f32": {"max_abs": 2e-5 * peak, "max_rel_to_peak": 2e-5}, "f16": {"max_abs": 4e-5 * peak, "max_rel_to_peak": 4e-5}}
    calls.append(dict(name=name, io=io, kwargs=dict(level=level), out_peak=peak, noise=dict(f32_vs_f64=dict(max_abs=near)), tolerances=tolerances))
    worst = max(worst, near / peak)
json.dump({"class": "LatentResidualUpSampler (random weights)", "group": "upsampler", "calls": calls, "tolerances": calls[0]["tolerances"],
           "set": "public", "generator": "tests/data/golden/make_upsampler.py", "versions": {"torch": torch.__version__}, "case": "upsampler/residual"},
          open(f"{OUT}/case.json", "w"), indent=1)
print(f"f32 against f64: {worst:.1e} of the peak")
