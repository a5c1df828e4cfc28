"""Runs diffusers' FLUX blocks on what tools/flux_blocks.ts wrote, in f32, one block in memory at a time.

    python tools/reference/flux_blocks.py FILE OUT [BLOCK …]

FILE is the transformer's file and OUT the folder of tools/flux_blocks.ts. Prints for each block the largest difference between the two
streams after it, as a share of the stream's peak: "alone" is diffusers' block on the stream that went into ours, "in a row" diffusers'
blocks one after the other from the first stream on (only where all blocks are asked for). Exits with 1 where one differs by more than 1e-3.
"""

import json
import sys

import numpy as np
import torch
from diffusers.models.transformers.transformer_flux import FluxPosEmbed, FluxSingleTransformerBlock, FluxTransformerBlock

HEADS, HEAD_DIM, DOUBLE, SINGLE = 24, 128, 19, 38
D = HEADS * HEAD_DIM


def opened(path):
    """Function from a tensor's name to its values in f32, and the names."""
    if path.endswith(".gguf"):
        from gguf import GGUFReader, dequantize

        tensors = {t.name: t for t in GGUFReader(path).tensors}

        def read(name):
            t = tensors[name]
            values = dequantize(t.data, t.tensor_type)
            return torch.from_numpy(values.reshape(tuple(int(n) for n in reversed(t.shape))).astype(np.float32))

        return read, list(tensors)
    from safetensors import safe_open

    file = safe_open(path, "pt")
    return lambda name: file.get_tensor(name).float(), list(file.keys())


@torch.no_grad()
def main(path, out, *blocks):
    read, names = opened(path)
    shape = json.load(open(f"{out}/shape.json"))
    side, text = shape["side"], shape["text"]
    tokens = text + side * side
    values = lambda name: torch.from_numpy(np.fromfile(f"{out}/{name}.f32", np.float32))
    temb = values("temb").reshape(1, D).repeat(2, 1)
    ids = torch.tensor([[0, 0, 0]] * text + [[0, i // side, i % side] for i in range(side * side)])
    rope = FluxPosEmbed(10000, [16, 56, 56])(ids)
    stream = lambda name: values(name).reshape(1, tokens, D)
    theirs = stream("stream")
    worst = 0
    for i in [int(block) for block in blocks] or range(DOUBLE + SINGLE):
        double = i < DOUBLE
        with torch.device("meta"):
            block = (FluxTransformerBlock if double else FluxSingleTransformerBlock)(D, HEADS, HEAD_DIM)
        prefix = f"transformer_blocks.{i}." if double else f"single_transformer_blocks.{i - DOUBLE}."
        state = {name[len(prefix):]: read(name) for name in names if name.startswith(prefix)}
        block.load_state_dict(state, assign=True)
        block.eval()
        before, ours = stream(i - 1 if i > 0 else "stream"), stream(i)
        streams = before if blocks else torch.cat([before, theirs])
        txt, img = block(streams[:, text:], streams[:, :text], temb[:len(streams)], rope)
        alone, *row = torch.cat([txt, img], 1).split(1)
        shares = [float((a - ours).abs().max() / ours.abs().max()) for a in [alone, *row]]
        worst = max(worst, *shares)
        theirs = row[0] if row else theirs
        said = f"alone {shares[0]:.1e}" + (f", in a row {shares[1]:.1e}" if row else "")
        print(f"block {i} ({'double' if double else 'single'}): {said} of {float(ours.abs().max()):.3g}", flush=True)
        del block, state
    print(f"worst: {worst:.1e}")
    return 0 if worst <= 1e-3 else 1


sys.exit(main(*sys.argv[1:]))
