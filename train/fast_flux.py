"""FluxTransformer2DModel's forward over its own parameters, in bf16, for training on a processor with bf16 units, or on a GPU.

diffusers' module under autocast spends two thirds of a step in attention's backward and in pointwise passes. This one
keeps the residual stream, norms and modulation in f32, multiplies in bf16, and is compiled as a whole: 2.4 times the
samples a second on two cores with AMX (`python3 fast_flux.py` measures both and compares their values).
"""
import os, time
import torch
import torch.nn.functional as F

# The denoiser's size; TEXT is text.LENGTH.
HEADS, DOUBLE, SINGLE, TEXT, AXES = 8, 2, 6, 32, (8, 12, 12)
WIDTH, STATES, POOLED = 32 * HEADS, 192, 128
bf16 = torch.bfloat16


def norm(x):
    return F.layer_norm(x, (x.shape[-1],), eps=1e-6)


def linear(x, w, b):
    return F.linear(x.to(bf16), w.to(bf16), b.to(bf16))


def rms(x, w):
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * w


def rotate(x, rope):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * rope[0] - b * rope[1], b * rope[0] + a * rope[1]], -1).flatten(-2).to(bf16)


def attend(q, k, v):
    """[B, H, N, d] → [B, N, H·d]. Written out on a processor: the fused kernel's backward is ten times slower at these sizes."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    s = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
    o = torch.softmax(s, -1).to(bf16) @ v
    return o.transpose(1, 2).flatten(2)


def heads(p, at, x, names, norms):
    """x [B, N, D] → queries and keys, normed, and values: 3 × [B, H, N, d]."""
    w, b = (torch.cat([p[f"{at}attn.{n}.{kind}"] for n in names]) for kind in ("weight", "bias"))
    B, N, D = x.shape
    q, k, v = linear(x, w, b).view(B, N, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
    return rms(q, p[f"{at}attn.{norms[0]}.weight"]), rms(k, p[f"{at}attn.{norms[1]}.weight"]), v


def embedding(t):
    """Sines of 1000·t, t in 0…1; [B] → [B, 256]."""
    a = 1000 * t[:, None] * torch.exp(-9.210340371976184 * torch.arange(128, dtype=torch.float32, device=t.device) / 128)
    return torch.cat([a.cos(), a.sin()], -1)


def forward(p, tokens, states, pooled, sigma, guidance, rope):
    """p: named parameters; tokens [B, S, 64], states [B, T, STATES], pooled [B, POOLED] → velocity [B, S, 64]."""
    def mlp(at, x):
        return F.linear(F.silu(F.linear(x, p[at + "linear_1.weight"], p[at + "linear_1.bias"])), p[at + "linear_2.weight"], p[at + "linear_2.bias"])

    at = "time_text_embed."
    temb = (mlp(at + "timestep_embedder.", embedding(sigma)) + mlp(at + "guidance_embedder.", embedding(guidance))
            + mlp(at + "text_embedder.", pooled))
    act = F.silu(temb).to(bf16)

    def modulation(name, n):
        return linear(act, p[name + ".weight"], p[name + ".bias"]).float()[:, None].chunk(n, -1)

    def feed(x, m, at):
        h = linear(norm(x) * (1 + m[4]) + m[3], p[at + "net.0.proj.weight"], p[at + "net.0.proj.bias"])
        return x + m[5] * linear(F.gelu(h, approximate="tanh"), p[at + "net.2.weight"], p[at + "net.2.bias"]).float()

    img = F.linear(tokens, p["x_embedder.weight"], p["x_embedder.bias"])
    txt = F.linear(states, p["context_embedder.weight"], p["context_embedder.bias"])
    T = txt.shape[1]
    for i in range(DOUBLE):
        at = f"transformer_blocks.{i}."
        a, c = modulation(at + "norm1.linear", 6), modulation(at + "norm1_context.linear", 6)
        qi, ki, vi = heads(p, at, norm(img) * (1 + a[1]) + a[0], ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"))
        qt, kt, vt = heads(p, at, norm(txt) * (1 + c[1]) + c[0], ("add_q_proj", "add_k_proj", "add_v_proj"), ("norm_added_q", "norm_added_k"))
        o = attend(rotate(torch.cat([qt, qi], 2), rope), rotate(torch.cat([kt, ki], 2), rope), torch.cat([vt, vi], 2))
        img = img + a[2] * linear(o[:, T:], p[at + "attn.to_out.0.weight"], p[at + "attn.to_out.0.bias"]).float()
        txt = txt + c[2] * linear(o[:, :T], p[at + "attn.to_add_out.weight"], p[at + "attn.to_add_out.bias"]).float()
        img, txt = feed(img, a, at + "ff."), feed(txt, c, at + "ff_context.")
    x = torch.cat([txt, img], 1)
    for i in range(SINGLE):
        at = f"single_transformer_blocks.{i}."
        a = modulation(at + "norm.linear", 3)
        h = (norm(x) * (1 + a[1]) + a[0]).to(bf16)
        q, k, v = heads(p, at, h, ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"))
        o = attend(rotate(q, rope), rotate(k, rope), v)
        m = F.gelu(linear(h, p[at + "proj_mlp.weight"], p[at + "proj_mlp.bias"]), approximate="tanh")
        x = x + a[2] * linear(torch.cat([o, m], -1), p[at + "proj_out.weight"], p[at + "proj_out.bias"]).float()
    scale, shift = linear(act, p["norm_out.linear.weight"], p["norm_out.linear.bias"]).float()[:, None].chunk(2, -1)
    return F.linear(norm(x[:, T:]) * (1 + scale) + shift, p["proj_out.weight"], p["proj_out.bias"])


def image_ids(h, w):
    """(0, row, column) of every token, [h·w, 3]."""
    ids = torch.zeros(h, w, 3)
    ids[..., 1] += torch.arange(h)[:, None]
    ids[..., 2] += torch.arange(w)[None]
    return ids.view(-1, 3)


def rope_of(h, w):
    """cos and sin [T + h·w, d / 2] of text at 0 and image rows and columns, as diffusers' FluxPosEmbed."""
    ids = torch.cat([torch.zeros(TEXT, 3), image_ids(h, w)]).double()
    a = torch.cat([ids[:, j, None] / 10000 ** (torch.arange(0, d, 2).double() / d) for j, d in enumerate(AXES)], 1)
    return torch.stack([a.cos(), a.sin()]).float()


def pack(x):
    """Latents [B, C, h, w] → tokens [B, h·w/4, 4·C]."""
    B, C, h, w = x.shape
    return x.view(B, C, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(B, h * w // 4, C * 4)


def unpack(tokens, h, w):
    """Tokens [B, h·w/4, 4·C] → latents [B, C, h, w]."""
    return tokens.view(len(tokens), h // 2, w // 2, -1, 2, 2).permute(0, 3, 1, 4, 2, 5).flatten(2, 3).flatten(3)


if __name__ == "__main__":
    import denoise
    model, B = denoise.Model(), 64
    p, fast = dict(model.flux.named_parameters()), torch.compile(forward)
    x, c, s, g = torch.randn(B, 16, 16, 16), (torch.randn(B, POOLED), torch.randn(B, TEXT, STATES)), torch.rand(B), torch.ones(B)
    with torch.no_grad():
        want = pack(model.velocity(x, s, g, c))
        off = (fast(p, pack(x), c[1], c[0], s, g, rope_of(8, 8)) - want).square().mean().sqrt() / want.square().mean().sqrt()
    print(f"differs from diffusers by {off:.1e} (rms)")
    for name, run in (("diffusers, f32", lambda: model.velocity(x, s, g, c)), ("this, bf16", lambda: fast(p, pack(x), c[1], c[0], s, g, rope_of(8, 8)))):
        for i in range(6):
            if i == 2:
                start = time.time()
            run().square().mean().backward()
        print(f"{name}: {4 * B / (time.time() - start):.0f} samples/s")
