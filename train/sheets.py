"""Contact sheets: many pictures with their captions in one PNG."""
import torch
from PIL import Image, ImageDraw


def picture(x):
    """[3, h, w] in -1..1 → PIL."""
    return Image.fromarray(((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())


def sheet(pictures, captions, columns, side):
    rows = -(-len(pictures) // columns)
    out = Image.new("RGB", (columns * (side + 8) + 8, rows * (side + 34) + 8), (236, 236, 236))
    d = ImageDraw.Draw(out)
    for i, (p, c) in enumerate(zip(pictures, captions)):
        p = picture(p) if isinstance(p, torch.Tensor) else p
        x, y = 8 + i % columns * (side + 8), 8 + i // columns * (side + 34)
        out.paste(p.resize((side, side), Image.LANCZOS) if p.size != (side, side) else p, (x, y))
        line, lines = "", []
        for word in c.split():
            if d.textlength(f"{line} {word}") > side and line:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        d.text((x, y + side + 1), "\n".join([*lines, line][:2]), fill=(30, 30, 30), spacing=1)
    return out
